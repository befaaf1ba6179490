"""One environment's rewards, episode by episode: measured pictures become what a learner gets, and what `info` says of
them. It knows no environment; the wrappers give it pictures and say where episodes begin and end."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from spatial_reward._errors import error
from spatial_reward._native import Annotator, Camera, Step, Tracked

Box: TypeAlias = Sequence[float] | npt.NDArray[Any]
Place: TypeAlias = Box | Tracked | None
Reward: TypeAlias = Literal["dense", "sparse", "tanh", "exp", "progress", "shaped", "task"]
Distance: TypeAlias = Literal["surface", "center", "cloud"]
OnInvalid: TypeAlias = Literal["hold", "zero", "drop", "nan", "raise"]
Config: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
Cameras: TypeAlias = Camera | Mapping[str, Camera] | None

ON_INVALID = ("hold", "zero", "drop", "nan", "raise")
# Functions of the distance in every single step.
RAW = ("dense", "tanh", "exp", "progress")
# Those with a potential: what is repeated of a step that was not measured is no way that was gone.
SHAPED = ("shaped", "task")
# Fields of a step that count over episodes: `info` would differ between two runs of one seed.
COUNTERS = ("index", "episode")


class RawDistanceWarning(UserWarning):
    """A function of the distance is rewarded in every step, and a learner maximises the sum over the episode."""


@dataclasses.dataclass(frozen=True)
class Observed:
    """What the camera sees after a reset or a step.

    Attributes:
        color: (height, width, 3) uint8, RGB.
        depth: (height, width), float32 in metres (NaN where nothing was measured) or uint16 in millimetres (0 where
            nothing was), registered to the picture.
        fingertip: (x_min, y_min, x_max, y_max) in pixels, the last two exclusive, a mask (height, width) of bool, or
            what a `Tracker` found; None if it is not seen.
        target: as `fingertip`.
        stamp_s: when, in seconds; None: one period of `rate_hz` after the last one.
        regions: of a task, each region by its name, as `fingertip`; that one and `target` may stand here too.
        opening_m: how wide the gripper is open, where phases of a task speak of it.
    """

    color: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32] | npt.NDArray[np.uint16] | None
    fingertip: Place = None
    target: Place = None
    stamp_s: float | None = None
    regions: Mapping[str, Place] | None = None
    opening_m: float | None = None

    def places(self) -> dict[str, Place]:
        """Each region by its name."""
        own = {"fingertip": self.fingertip, "target": self.target}
        return {name: place for name, place in own.items() if place is not None} | dict(self.regions or {})


@dataclasses.dataclass(frozen=True)
class Views:
    """What several cameras see of a task after a reset or a step.

    Attributes:
        views: what each camera sees, by the camera's name; one that is left out sees nothing. Of each only picture,
            depth and regions count.
        opening_m: as of `Observed`.
        stamp_s: as of `Observed`.
    """

    views: Mapping[str, Observed]
    opening_m: float | None = None
    stamp_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Rules:
    """How distances become rewards.

    Attributes:
        gamma, kappa: of the shaping, from the configuration.
        has_task: pairs of named regions are measured, by one camera or several.
    """

    reward: Reward
    distance: Distance
    on_invalid: OnInvalid
    config: Config | None
    rate_hz: float
    gamma: float = 0.99
    kappa: float = 1.0
    has_task: bool = False

    def annotator(self, camera: Cameras) -> Annotator:
        """A new one."""
        config = dict(self.config) if isinstance(self.config, Mapping) else self.config
        how: dict[str, Any] = {"cameras": dict(camera)} if isinstance(camera, Mapping) else {"camera": camera}
        return Annotator(reward=self.reward, distance=self.distance, config=config, rate_hz=self.rate_hz, **how)


def rules(
    reward: Reward,
    distance: Distance,
    on_invalid: OnInvalid,
    config: Config | None,
    rate_hz: float,
    *,
    stacklevel: int,
) -> Rules:
    """The rules of a wrapper's arguments; warns where raw distances are to be summed."""
    if on_invalid not in ON_INVALID:
        known = ", ".join(f"'{one}'" for one in ON_INVALID)
        raise error("on_invalid", f"on_invalid is {on_invalid!r}, and must be one of {known}")
    if on_invalid == "zero" and reward not in SHAPED:
        raise error(
            "on_invalid",
            f"on_invalid is 'zero' and reward is {reward!r}, which has no shaping that could be zero; 0 in the place "
            "of the reward would say that a distance was measured",
            "on_invalid='hold'",
        )
    settings = _settings(config)
    _refuse(settings, ("reward", "kind"), reward, "reward")
    _refuse(settings, ("estimator", "distance"), distance, "distance")
    if _setting(settings, ("episodes", "end_on_success")):
        raise error(
            "config",
            "episodes.end_on_success is set, and episodes end here where the environment ends them",
            "leave it out, and end the environment's episodes by info['spatial_reward']['success'] if you want to",
        )
    base = _setting(settings, ("reward", "base")) if reward == "shaped" else None
    raw = f"reward='shaped' with reward.base: {base}" if base else f"reward={reward!r}"
    if (base or reward) in RAW:
        warnings.warn(
            f"{raw} is a function of the distance in every step, and a learner maximises its sum over the episode: "
            "waiting beside the target can be worth more than reaching it. reward='shaped', the default, has the same "
            "best policies as reaching the target soon (docs/gymnasium.md has figures); filter RawDistanceWarning if "
            "the sum is meant",
            RawDistanceWarning,
            stacklevel=stacklevel,
        )
    gamma, kappa = (_number(settings, name, otherwise) for name, otherwise in (("gamma", 0.99), ("kappa", 1.0)))
    has_task = any(_setting(settings, ("task", name)) for name in ("pairs", "phases"))
    return Rules(reward, distance, on_invalid, config, rate_hz, gamma, kappa, has_task)


class Episodes:
    """The rewards of one environment."""

    def __init__(self, how: Rules, camera: Cameras):
        self._rules = how
        self._annotator = how.annotator(camera)
        self._camera = camera
        self._frame = -1
        self._stamp_s = 0.0
        self._last: _Valid | None = None

    @property
    def regions(self) -> Mapping[str, Sequence[str]]:
        """By camera, the regions that are measured; an empty name where there is but one camera."""
        return self._annotator.regions

    def begin(self, observed: Observed | Views | None, camera: Cameras) -> dict[str, Any]:
        """An episode begins with this picture: what `info` says of it. None: there is no picture."""
        if camera != self._camera:
            # A simulator may draw another field of view for each episode.
            self._annotator, self._camera = self._rules.annotator(camera), camera
        self._annotator.reset()
        self._frame, self._last = -1, None
        return self._measure(observed, is_terminal=False)[1]

    def go_on(
        self, observed: Observed | Views | None, camera: Cameras, *, terminated: bool
    ) -> tuple[float, dict[str, Any]]:
        """The reward of a transition to this picture, and what `info` says of it."""
        if self._frame < 0:
            raise error("no_episode", "step was called before reset, which begins an episode", "call reset first")
        if camera != self._camera:
            raise error(
                "camera",
                f"the camera changed within an episode, from {self._camera} to {camera}: distances on both sides of "
                "the change would not be comparable",
                "change it at a reset",
            )
        return self._measure(observed, is_terminal=terminated)

    def _measure(self, observed: Observed | Views | None, *, is_terminal: bool) -> tuple[float, dict[str, Any]]:
        self._frame += 1
        given_s = None if observed is None else observed.stamp_s
        period_s = 1.0 / self._rules.rate_hz if self._frame else 0.0
        self._stamp_s = (self._stamp_s if self._frame else 0.0) + period_s if given_s is None else given_s
        step = None if observed is None else self._annotate(observed)
        if step is not None and step.valid:
            self._last, reward = self._valid(step, is_terminal)
        else:
            reward = self._invalid(step, is_terminal)
        return reward, self._describe(step)

    def _annotate(self, observed: Observed | Views) -> Step:
        rest: dict[str, Any] = {"opening_m": observed.opening_m, "stamp_s": self._stamp_s}
        if isinstance(observed, Views):
            views = {
                name: {"color": one.color, "depth": one.depth, "regions": one.places()}
                for name, one in observed.views.items()
            }
            return self._annotator.step(views=views, **rest)
        return self._annotator.step(observed.color, observed.depth, regions=observed.places(), **rest)

    def _valid(self, step: Step, is_terminal: bool) -> tuple[_Valid, float]:
        """A measured step, and its reward."""
        potential = 0.0 if is_terminal else step.potential
        if self._last is None:
            # No transition led here: there is no shaping yet.
            base = shaped = step.shaped_reward
        else:
            base = step.shaped_reward - self._shaping(self._last.kept, step.potential)
            shaped = step.shaped_reward
            if is_terminal:
                # Nothing follows a true terminal, so its potential is 0 (Ng et al. 1999).
                shaped = base + self._shaping(self._last.kept, potential)
        reward = shaped if self._rules.reward in SHAPED else step.reward
        # A task is solved once, and being solved is worth nothing more.
        base = 0.0 if self._rules.reward == "task" else base
        return _Valid(base, step.potential, potential, shaped, reward, self._stamp_s), reward

    def _invalid(self, step: Step | None, is_terminal: bool) -> float:
        """What the learner gets for a step that was not measured; nothing after `reset`, where it gets none."""
        policy, last = self._rules.on_invalid, self._last
        if self._frame == 0 or policy == "nan":
            return math.nan
        if policy == "drop" and last is None:
            return 0.0
        if policy == "raise" or last is None:
            raise self._unmeasured(step)
        if self._rules.reward not in SHAPED or policy == "zero":
            return last.base
        # As if the distance had stayed: what is repeated is the state's worth, not what it was worth to come there.
        return last.base + self._shaping(last.kept, 0.0 if is_terminal else last.kept)

    def _unmeasured(self, step: Step | None) -> Exception:
        message = f"step {self._frame} of the episode could not be measured ({_reason(step)})"
        if self._rules.on_invalid == "raise":
            return error("invalid_step", message, "on_invalid says what else can be done about it")
        return error(
            "invalid_step",
            f"{message}, and no picture of the episode before it was, so that there is nothing to hold",
            "on_invalid='drop' marks such steps for the learner to leave out; reset_tries=20 of SpatialReward begins "
            "episodes anew until their first picture can be measured; a camera that sees more may help",
        )

    def _shaping(self, before: float, after: float) -> float:
        return self._rules.kappa * (self._rules.gamma * after - before)

    def _describe(self, step: Step | None) -> dict[str, Any]:
        fields = step.to_dict() if step is not None else _without_picture(self._rules)
        for counter in COUNTERS:
            del fields[counter]
        # The episode is the environment's, and it says itself when it ends.
        del fields["terminated"]
        valid = bool(fields["valid"])
        last, is_kept = self._last, self._rules.on_invalid in {"hold", "zero", "drop"}
        held = not valid and last is not None and is_kept and self._frame > 0
        age_s = self._stamp_s - last.stamp_s if last is not None and (valid or held) else math.nan
        if valid and last is not None:
            fields.update(reward=last.reward, shaped_reward=last.shaped, potential=last.potential)
        return {
            **fields,
            "reason": _reason(step),
            "frame": self._frame,
            "stamp_s": self._stamp_s,
            "held": held,
            "dropped": not valid and self._rules.on_invalid == "drop",
            "age_s": age_s,
        }


@dataclasses.dataclass(frozen=True)
class _Valid:
    """What the last measured step leaves behind."""

    base: float
    # What the next transition starts from.
    kept: float
    # 0 at a true terminal.
    potential: float
    shaped: float
    reward: float
    stamp_s: float


def _reason(step: Step | None) -> str:
    return "no_image" if step is None else step.reason or ""


def _without_picture(how: Rules) -> dict[str, Any]:
    """The fields of a step of which there is no picture."""
    task = {"phase": "", "phase_index": 0, "progress": math.nan, "failure": False, "pairs": {}, "quantities": {}}
    kinds = [f"{kind}_{part}" for kind in ("center", "surface", "cloud", "distance") for part in ("m", "std_m")]
    numbers = dict.fromkeys([*kinds, "reward", "shaped_reward", "potential"], math.nan)
    return {
        **numbers,
        **dict.fromkeys(COUNTERS, 0),
        "confidence": 0.0,
        "valid": False,
        "success": False,
        "terminated": False,
        "distance_kind": how.distance,
        "fingertip": None,
        "target": None,
        "answer": "",
        **(task if how.has_task else {}),
    }


def _settings(config: Config | None) -> Mapping[str, Any]:
    """The settings of a configuration. Whether they are right is for the annotator to say."""
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return config
    try:
        import yaml  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as missing:
        raise error(
            "missing_package", f"a configuration file is read with PyYAML: {missing}", "pip install pyyaml"
        ) from missing
    try:
        read = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except OSError as cause:
        raise error("io", f"cannot read {config}: {cause.strerror}", path=os.fspath(config)) from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise error("config_syntax", f"{config} is no YAML: {cause}", path=os.fspath(config)) from cause
    return read if isinstance(read, Mapping) else {}


def _setting(settings: Mapping[str, Any], path: tuple[str, str]) -> Any:
    section = settings.get(path[0])
    return section.get(path[1]) if isinstance(section, Mapping) else None


def _number(settings: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = _setting(settings, ("reward", name))
    try:
        return otherwise if value is None else float(value)
    except (TypeError, ValueError):
        # The annotator says so in its own words.
        return otherwise


def _refuse(settings: Mapping[str, Any], path: tuple[str, str], chosen: str, argument: str) -> None:
    value = _setting(settings, path)
    if value is not None and value != chosen:
        raise error(
            "config",
            f"the configuration says {'.'.join(path)}: {value}, and the argument {argument} is {chosen!r}",
            f"{argument}={value!r}, or leave it out of the configuration",
        )
