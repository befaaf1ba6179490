"""Environments that are a vector by nature, on measured rewards: one episode each, begun as their autoreset begins "
"it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from spatial_reward._errors import error
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
from spatial_reward.gymnasium._wrapper import checked_observed, observers_camera, rate_of

try:
    from gymnasium.vector import AutoresetMode
except ImportError:  # before 1.1
    AutoresetMode = None  # type: ignore[assignment, misc]

Rewards = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class SpatialRewardVector(gymnasium.vector.VectorWrapper):
    """A vector environment whose rewards are measured in what its cameras see.

    Args, returns and `info` are those of `SpatialReward`; `infos["spatial_reward"]` holds an array of each field, and
    with an underscore before its name a mask of the environments that have it, as Gymnasium's own infos do.

    No shaping goes across a reset, in all of Gymnasium's modes (`metadata["autoreset_mode"]`):

    - next step: the step after an end is a reset, whatever the action was. Its picture begins the episode, and its
      reward is 0, as Gymnasium's is.
    - same step: the step of an end shows the next episode's first picture already. That one begins the episode, and the
      reward of the step is of the picture that `observe_final` gives; without it, there is no picture of the end
      (`no_image`), and `on_invalid` applies. What `info` says of it is in `infos["final_info"]["spatial_reward"]`.
    - disabled: `reset(options={"reset_mask": mask})` begins the episodes of the mask.

    Args:
        envs: the vector environment.
        observe: called with `envs` after each reset and step: an `Observed` of each environment, or None where there is
            no picture. Of a task that several cameras see, `Views`.
        camera: the `spatial_reward.Camera` of the pictures; a dict of such by the names of several.
        observe_final: for the mode same step: called with `envs`, the step's infos (they have `final_obs`) and the
            number of an environment whose episode ended; the picture of its end, or None.

    Raises:
        spatial_reward.Error: as `SpatialReward`; an environment that does not tell its mode; another number of
        pictures.
    """

    def __init__(
        self,
        envs: gymnasium.vector.VectorEnv[Any, Any, Any],
        observe: Callable[[gymnasium.vector.VectorEnv[Any, Any, Any]], Sequence[Observed | Views | None]],
        *,
        camera: Cameras = None,
        observe_final: Callable[
            [gymnasium.vector.VectorEnv[Any, Any, Any], dict[str, Any], int], Observed | Views | None
        ]
        | None = None,
        reward: Reward = "shaped",
        distance: Distance = "surface",
        on_invalid: OnInvalid = "hold",
        config: Config | None = None,
        rate_hz: float | None = None,
    ):
        super().__init__(envs)
        self._mode = _mode(envs)
        if observe_final is not None and self._mode is not AutoresetMode.SAME_STEP:
            raise error(
                "observe_final",
                f"observe_final is for the mode same step, and the environment's is {self._mode.value}: its last "
                "picture is what observe sees",
                "leave it out",
            )
        self._camera = observers_camera(camera, None)
        rate_hz = rate_of(envs) if rate_hz is None else rate_hz
        how = rules(reward, distance, on_invalid, config, rate_hz=rate_hz, stacklevel=3)
        self._episodes = [Episodes(how, self._camera) for _ in range(self.num_envs)]
        self._observe, self._observe_final = observe, observe_final
        self._has_ended: Flags = np.zeros(self.num_envs, dtype=np.bool_)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environments, or those of `options["reset_mask"]`, and measure their first pictures."""
        mask = np.ones(self.num_envs, dtype=np.bool_) if options is None else options.get("reset_mask")
        # Gymnasium takes the mask out of the options.
        chosen = np.ones(self.num_envs, dtype=np.bool_) if mask is None else np.array(mask, dtype=np.bool_)
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        pictures = self._look()
        described = [self._begin(at, pictures) if chosen[at] else None for at in range(self.num_envs)]
        self._has_ended[chosen] = False
        return observations, _with_infos(infos, "spatial_reward", described)

    def step(self, actions: Any) -> tuple[Any, Rewards, Flags, Flags, dict[str, Any]]:
        """Step the environments; the rewards are measured."""
        if self._mode is AutoresetMode.DISABLED and self._has_ended.any():
            ended = ", ".join(map(str, np.flatnonzero(self._has_ended)))
            raise error(
                "no_episode",
                f"step was called after the end of the episodes of these environments: {ended}",
                "reset(options={'reset_mask': terminations | truncations}) begins theirs anew",
            )
        observations, env_rewards, terminations, truncations, infos = self.env.step(actions)
        pictures = self._look()
        ends = np.asarray(terminations, dtype=np.bool_) | np.asarray(truncations, dtype=np.bool_)
        rewards: Rewards = np.zeros(self.num_envs)
        described: list[dict[str, Any] | None] = [None] * self.num_envs
        final: list[dict[str, Any] | None] = [None] * self.num_envs
        for at, episodes in enumerate(self._episodes):
            terminated = bool(terminations[at])
            if self._mode is AutoresetMode.NEXT_STEP and self._has_ended[at]:
                described[at] = self._begin(at, pictures)
            elif self._mode is AutoresetMode.SAME_STEP and ends[at]:
                last = self._final(infos, at)
                rewards[at], final[at] = episodes.go_on(last, self._camera, terminated=terminated)
                described[at] = self._begin(at, pictures)
            else:
                rewards[at], described[at] = episodes.go_on(pictures[at], self._camera, terminated=terminated)
        self._has_ended = ends
        infos = _with_infos(infos, "spatial_reward", described)
        infos["env_reward"] = np.array(env_rewards, dtype=np.float64)
        infos["_env_reward"] = np.ones(self.num_envs, dtype=np.bool_)
        if any(one is not None for one in final):
            infos["final_info"] = _with_infos(dict(infos.get("final_info") or {}), "spatial_reward", final)
            infos["_final_info"] = ends.copy()
        return observations, rewards, terminations, truncations, infos

    def _begin(self, at: int, pictures: Sequence[Observed | Views | None]) -> dict[str, Any]:
        return self._episodes[at].begin(pictures[at], self._camera)

    def _look(self) -> Sequence[Observed | Views | None]:
        pictures = list(self._observe(self.env))
        if len(pictures) != self.num_envs:
            raise error("observe", f"observe gave {len(pictures)} pictures of {self.num_envs} environments")
        return [None if picture is None else checked_observed(picture) for picture in pictures]

    def _final(self, infos: dict[str, Any], at: int) -> Observed | Views | None:
        picture = None if self._observe_final is None else self._observe_final(self.env, infos, at)
        return None if picture is None else checked_observed(picture)


def _mode(envs: Any) -> Any:
    mode = (getattr(envs, "metadata", None) or {}).get("autoreset_mode")
    if AutoresetMode is not None and isinstance(mode, str):
        mode = next((one for one in AutoresetMode if one.value == mode), mode)
    if AutoresetMode is None or not isinstance(mode, AutoresetMode):
        raise error(
            "environment",
            f"the vector environment does not tell when it resets itself: metadata['autoreset_mode'] is {mode!r}, and "
            "must be one of gymnasium.vector.AutoresetMode, which Gymnasium has from 1.1 on",
            "envs.metadata = {**envs.metadata, 'autoreset_mode': AutoresetMode.NEXT_STEP}, if that is what it does",
        )
    return mode


def _with_infos(infos: dict[str, Any], key: str, described: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Infos with the fields of each environment as arrays, and masks of those that have them, as Gymnasium's are."""
    mask = np.array([one is not None for one in described])
    columns: dict[str, Any] = {}
    fields = next((one for one in described if one is not None), {})
    for name in fields:
        values = [None if one is None else one[name] for one in described]
        kind = next(type(value) for value, has in zip(values, mask, strict=True) if has)
        if kind in {bool, int, float}:
            columns[name] = np.array([kind() if value is None else value for value in values], dtype=kind)
        else:
            columns[name] = np.empty(len(values), dtype=object)
            columns[name][:] = values
        columns[f"_{name}"] = mask.copy()
    return {**infos, key: columns, f"_{key}": mask}
