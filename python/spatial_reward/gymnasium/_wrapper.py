"""One environment on a measured reward."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Generic

import gymnasium
from gymnasium.core import ActType, ObsType

from spatial_reward._errors import error
from spatial_reward._native import Camera
from spatial_reward.gymnasium._episode import (
    Cameras,
    Config,
    Distance,
    Episodes,
    Observed,
    OnInvalid,
    Reward,
    Views,
    rules,
)
from spatial_reward.gymnasium._mujoco import View
from spatial_reward.gymnasium._regions import Region, checked_regions

USUAL_RATE_HZ = 30.0


class SpatialReward(gymnasium.Wrapper[ObsType, ActType, ObsType, ActType], Generic[ObsType, ActType]):
    """An environment whose reward is measured in what its camera sees.

    Observations, actions, `terminated` and `truncated` are the environment's. After a step, `info["env_reward"]` is the
    environment's own reward; after a reset and a step, `info["spatial_reward"]` holds the fields of the
    `spatial_reward.Step` (those that count over episodes left out, `frame` and `stamp_s` counted from the reset,
    `reason` "" where it is valid) and

    - `held`: the step was not measured, and the reward returned is of an earlier picture of the episode;
    - `dropped`: the step was not measured, and `on_invalid` is "drop";
    - `age_s`: how long before this picture the one was taken that the reward is of; NaN where it is of none.

    Of a task (`reward="task"` and a `config` with phases) it holds `phase`, `phase_index`, `progress`, `failure`,
    `pairs` and `quantities` too; `success` stays True once the task is solved.

    At a true terminal (`terminated`), where nothing follows, the potential of `shaped` is 0; at a truncation it is
    kept.

    Args:
        env: any environment.
        camera: of a MuJoCo environment, the name or number of a camera of the model, or a `mujoco.MjvCamera`; with
            `observe`, the `spatial_reward.Camera` of its pictures. Of a task that several cameras see, a dict of such
            by the cameras' names.
        regions: of a MuJoCo environment, where `fingertip` and `target` are, or all regions of a task, each: `Geoms`,
            `Bodies` or `Sites` by name; a fixed box (x_min, y_min, x_max, y_max) in pixels, of one camera; or a
            function of `env` that gives a box, a mask, what a `spatial_reward.Tracker` found, or None.
        observe: called with `env` after each reset and step: what the camera sees then, for all other environments; of
            several cameras, `Views`.
        opening: of a MuJoCo environment, called with `env`: how wide the gripper is open, in metres, where phases of a
            task speak of it. An `observe` says it itself.
        reward: shaped, sparse, task, dense, tanh, exp or progress. All but the first three are summed by a learner to
            something that waiting can be best for, and warn of it (`RawDistanceWarning`).
        distance: surface, center or cloud.
        on_invalid: what a step returns that could not be measured:

            - "hold": the reward as if the distance had stayed what it was when it was last measured;
            - "zero": as "hold", but with a shaping of 0; for `shaped` and `task` only;
            - "drop": as "hold", or 0 where there is nothing to hold, and `info["spatial_reward"]["dropped"]` is True:
              for learners that leave such steps out;
            - "nan": NaN, which most learners do not survive;
            - "raise": it raises.

            "hold" and "zero" raise where the episode has nothing to hold; see `reset_tries`. `reset` never raises for
            that.
        reset_tries: as often `reset` begins an episode until its first picture can be measured; the seed is for the
            first.
        config: all other settings: a dict with the keys of config/default.yaml, or the path of such a file (with
            PyYAML). `reward.gamma` should be the learner's discount.
        rate_hz: pictures a second, for filters and the hold time of a success. None: as the environment tells (`dt`, or
            `render_fps`), else 30.
        width: of what is rendered, in pixels.
        height: as `width`.

    Raises:
        spatial_reward.Error: an argument that is none; a region or a camera that the model has not; pictures of another
        kind.
    """

    def __init__(
        self,
        env: gymnasium.Env[ObsType, ActType],
        *,
        camera: Any = None,
        regions: Mapping[str, Region] | None = None,
        observe: Callable[[gymnasium.Env[ObsType, ActType]], Observed | Views] | None = None,
        opening: Callable[[gymnasium.Env[ObsType, ActType]], float] | None = None,
        reward: Reward = "shaped",
        distance: Distance = "surface",
        on_invalid: OnInvalid = "hold",
        reset_tries: int = 1,
        config: Config | None = None,
        rate_hz: float | None = None,
        width: int = 320,
        height: int = 240,
    ):
        super().__init__(env)
        if reset_tries < 1:
            raise error("reset_tries", f"reset_tries is {reset_tries}, and an episode is begun at least once")
        rate_hz = rate_of(env) if rate_hz is None else rate_hz
        how = rules(reward, distance, on_invalid, config, rate_hz=rate_hz, stacklevel=3)
        self._reset_tries = reset_tries
        self._observe = observe
        self._has_ended = False
        self._camera: Cameras = None
        # Renderers, by the names of their cameras.
        self._views: dict[str, View] = {}
        self._opening = opening
        rendered: dict[str, Any] = {}
        if observe is None:
            rendered = dict(camera) if isinstance(camera, Mapping) else {"": camera}
            if not rendered or any(one is None or isinstance(one, Camera) for one in rendered.values()):
                raise error(
                    "camera",
                    f"camera is {camera!r}, and without observe a camera of the model is rendered",
                    "camera='front' by its name, or observe=function(env) -> Observed(color, depth, fingertip, target)",
                )
            # How each sees is told with its first picture.
            some = Camera.from_fovy(45.0, 320, 240)
            expected: Cameras = dict.fromkeys(rendered, some) if isinstance(camera, Mapping) else some
        else:
            if opening is not None:
                raise error("argument", "both observe and opening are given", "Observed(..., opening_m=...)")
            expected = self._camera = observers_camera(camera, regions)
        # Settings that are none are told here, before there is a picture.
        self._episodes = Episodes(how, expected)
        needed = self._episodes.regions
        every = checked_regions(regions, {name: None for seen in needed.values() for name in seen}) if rendered else {}
        for name, one in rendered.items():
            # The one camera of settings may have a name there and none here.
            wanted = needed.get(name) or (next(iter(needed.values())) if len(needed) == 1 else ())
            self._views[name] = View(env, one, width, height, {region: every[region] for region in wanted})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Reset the environment, and measure the first picture of the episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._has_ended = False
        described = self._episodes.begin(*self._look())
        for _ in range(self._reset_tries - 1):
            if described["valid"]:
                break
            observation, info = self.env.reset(options=options)
            described = self._episodes.begin(*self._look())
        return observation, {**info, "spatial_reward": described}

    def step(self, action: ActType) -> tuple[ObsType, float, bool, bool, dict[str, Any]]:
        """Step the environment; the reward is measured."""
        if self._has_ended:
            raise error(
                "no_episode",
                "step was called after the episode's end: what an environment that resets itself begins then is "
                "another one",
                "call reset first, or wrap inside of what resets the environment (Autoreset, a vector environment)",
            )
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        self._has_ended = bool(terminated or truncated)
        reward, described = self._episodes.go_on(*self._look(), terminated=bool(terminated))
        info = {**info, "spatial_reward": described, "env_reward": float(env_reward)}
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Close the renderer and the environment."""
        for view in self._views.values():
            view.close()
        super().close()

    def _look(self) -> tuple[Observed | Views, Cameras]:
        if not self._views:
            observed = self._observe(self.env) if self._observe is not None else None
            return checked_observed(observed), self._camera
        seen = {name: view.look(self.env) for name, view in self._views.items()}
        opening_m = self._opening(self.env) if self._opening is not None else None
        if "" in seen:
            observed, camera = seen[""]
            return dataclasses.replace(observed, opening_m=opening_m), camera
        cameras = {name: camera for name, (_, camera) in seen.items()}
        return Views({name: observed for name, (observed, _) in seen.items()}, opening_m), cameras


def checked_observed(observed: object) -> Observed | Views:
    """What an `observe` gave, if it is what it is to be."""
    if not isinstance(observed, (Observed, Views)):
        raise error(
            "observe",
            f"observe gave a {type(observed).__name__}, and an Observed is needed",
            "Observed(color, depth, fingertip=box, target=box); of several cameras Views({'name': Observed(...)})",
        )
    return observed


def observers_camera(camera: object, regions: Mapping[str, Region] | None) -> Cameras:
    """The camera of pictures that an `observe` gives, or several by their names."""
    if regions is not None:
        raise error(
            "region", "both observe and regions are given, and observe says where regions are", "leave out regions"
        )
    if isinstance(camera, Mapping):
        return {str(name): _observers_camera(one) for name, one in camera.items()}
    return None if camera is None else _observers_camera(camera)


def _observers_camera(camera: object) -> Camera:
    if not isinstance(camera, Camera):
        raise error(
            "camera",
            f"camera is {camera!r}, and with observe it is that of its pictures",
            "camera=spatial_reward.Camera(fx, fy, cx, cy, width, height)",
        )
    return camera


def rate_of(env: Any) -> float:
    """Steps a second, as an environment tells them."""
    dt = getattr(getattr(env, "unwrapped", env), "dt", None)
    if isinstance(dt, (int, float)) and math.isfinite(dt) and dt > 0:
        return 1.0 / dt
    rate = (getattr(env, "metadata", None) or {}).get("render_fps")
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 else USUAL_RATE_HZ
