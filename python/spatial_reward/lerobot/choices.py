"""What somebody chose, by arguments and in a configuration, joined with what the dataset says of itself: which camera
and which depth, the camera's intrinsics, where the regions come from, and what `Annotator` is to be told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._errors import error
from .._native import Camera
from .dataset import Dataset, details
from .regions import ROLES, Followed, Given, Role, Source, check_episodes, read_regions, read_yaml, source

Intrinsics = Camera | Sequence[float] | Mapping[str, Any]
"""`(fx, fy, cx, cy)` in pixels of the camera's pictures, a `Camera`, or its fields by name."""

_SECTION = {"camera", "depth", "intrinsics", *ROLES}


@dataclass(frozen=True)
class Choices:
    """`annotator` is the configuration of `Annotator`, without the section `lerobot` and without regions."""

    camera: str
    depth: str | None
    intrinsics: Intrinsics | None
    sources: dict[Role, Source]
    annotator: dict[str, Any]

    def alignment(self) -> str:
        """LeRobot's, unless the configuration says another."""
        return str(_section(self.annotator, "reward").get("alignment", "next_frame"))

    def shaping(self) -> tuple[float, float]:
        """kappa and gamma, as `Annotator` has them."""
        reward = _section(self.annotator, "reward")
        return float(reward.get("kappa", 1.0)), float(reward.get("gamma", 0.99))


def choices(
    dataset: Dataset,
    config: Mapping[str, Any] | str | os.PathLike[str] | None,
    *,
    camera: str | None,
    depth: str | None,
    intrinsics: Intrinsics | None,
    fingertip: Given | None,
    target: Given | None,
    regions: str | os.PathLike[str] | None,
) -> Choices:
    """What is said twice counts as the argument says it.

    Raises:
        Error: something that is needed is not said, or cannot be.
    """
    settings = dict(config) if isinstance(config, Mapping) else read_config(config)
    own = _section(settings, "lerobot")
    if unknown := set(own) - _SECTION:
        words = f"the configuration's section lerobot has {min(unknown)}, and knows {', '.join(sorted(_SECTION))}"
        raise error("config", words)
    drawn = _section(settings, "regions")
    annotator = {name: value for name, value in settings.items() if name not in {"lerobot", "regions"}}
    arguments: dict[Role, Given | None] = {"fingertip": fingertip, "target": target}
    by_episode = read_regions(regions) if regions is not None else {}
    sources: dict[Role, Source] = {}
    for role in ROLES:
        given = arguments[role]
        if given is not None:
            sources[role] = source(given, dataset, role)
        elif any(role in entry for entry in by_episode.values()):
            sources[role] = Followed(
                by_episode={index: entry[role] for index, entry in by_episode.items() if role in entry}
            )
        elif role in own:
            sources[role] = source(own[role], dataset, role)
        elif (said := _drawn(drawn, role)) is not None:
            sources[role] = source(said, dataset, role)
        else:
            words = f"nothing says where the {role} is"
            raise error("region", words, "give a box around it, or the name of a feature that says where it is")
    picture = _picture(dataset, camera or own.get("camera"))
    chosen_depth = _depth(dataset, depth or own.get("depth"), picture)
    said_intrinsics = intrinsics if intrinsics is not None else own.get("intrinsics")
    if said_intrinsics is None:
        said_intrinsics = intrinsics_of(dataset, picture)
    return Choices(picture, chosen_depth, said_intrinsics, sources, annotator)


def check_sources(chosen: Choices, dataset: Dataset, episodes: list[int], path: object) -> None:
    """Each episode that is labelled has its regions.

    Raises:
        Error: one has none.
    """
    taken = [episode for episode in dataset.episodes if episode.index in episodes]
    for role, where in chosen.sources.items():
        if isinstance(where, Followed):
            check_episodes(where, taken, role, path)


def camera_of(intrinsics: Intrinsics | None, width: int, height: int) -> Camera | None:
    """A camera whose pictures have this size.

    Raises:
        Error: it is none.
    """
    if intrinsics is None or isinstance(intrinsics, Camera):
        return intrinsics
    try:
        if isinstance(intrinsics, Mapping):
            fields = dict(intrinsics)
            fx, fy, cx, cy = (float(fields.pop(name)) for name in ("fx", "fy", "cx", "cy"))
            return Camera(
                fx,
                fy,
                cx,
                cy,
                int(fields.pop("width", width)),
                int(fields.pop("height", height)),
                distortion=[float(value) for value in fields.pop("distortion", ())],
                model=str(fields.pop("model", "plumb_bob")),
            )
        numbers = [float(value) for value in np.asarray(intrinsics, np.float64).reshape(-1)]
        if len(numbers) == 9:  # the matrix K
            numbers = [numbers[0], numbers[4], numbers[2], numbers[5]]
        fx, fy, cx, cy = numbers
    except (KeyError, TypeError, ValueError) as cause:
        words = f"the intrinsics are {intrinsics!r}, and fx, fy, cx and cy are needed ({cause!r})"
        raise error("camera", words) from cause
    return Camera(fx, fy, cx, cy, width, height)


def intrinsics_of(dataset: Dataset, key: str) -> Intrinsics | None:
    """What a dataset says of its camera: LeRobot has no place for it, so `info.intrinsics` of the feature (as `export`
    writes
    it: fx, fy, cx, cy, width, height, distortion, model), or a 3x3 matrix under that or another usual name."""
    said = details(dataset.features[key])
    for name in ("intrinsics", "camera_intrinsics", "camera_matrix", "K"):
        if (value := said.get(name)) is not None:
            found: Intrinsics = value
            return found
    return None


def read_config(config: str | os.PathLike[str] | None) -> dict[str, Any]:
    """A configuration's file.

    Raises:
        Error: it is none.
    """
    if config is None:
        return {}
    settings = read_yaml(config, "the configuration")
    if not isinstance(settings, dict):
        raise error("config", f"{os.fspath(config)} holds no settings", path=os.fspath(config))
    return settings


def _section(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = settings.get(name) or {}
    if not isinstance(section, Mapping):
        raise error("config", f"the configuration's {name} is {section!r}, and a section is needed")
    return dict(section)


def _drawn(regions: Mapping[str, Any], role: Role) -> Mapping[str, Any] | None:
    """What the section `regions`, which is that of bags, says of a region. Topics and frames are not in datasets."""
    said = {name: value for name, value in _section(regions, role).items() if value not in (None, [], "correlation")}
    if not said:
        return None
    if set(said) == {"box"} or set(said) == {"fixed"}:
        return said
    words = f"regions.{role} has {', '.join(sorted(said))}, and of a dataset it is box or fixed"
    raise error("config", words, f"say it in the section lerobot, as {role}")


def _picture(dataset: Dataset, named: str | None) -> str:
    pictures = dataset.pictures()
    if named is None:
        if len(pictures) == 1:
            return pictures[0]
        words = f"{dataset.root} has {len(pictures)} cameras" + (f": {', '.join(pictures)}" if pictures else "")
        raise error("camera_key", words, "name the one to measure in (camera)" if pictures else None, str(dataset.root))
    if named not in pictures:
        words = f"{dataset.root} has no pictures {named}, but {', '.join(pictures) or 'none at all'}"
        raise error("camera_key", words, "name one of these (camera)" if pictures else None, str(dataset.root))
    return named


def _depth(dataset: Dataset, named: str | None, picture: str) -> str | None:
    if named is not None:
        if named not in dataset.features:
            words = f"{dataset.root} has no feature {named}, which was to be its depth"
            raise error("depth", words, f"it has {', '.join(dataset.depths()) or 'none that is marked as depth'}")
        return named
    depths = dataset.depths()
    if len(depths) > 1:
        # observation.images.front and observation.images.front_depth
        name = picture.rsplit(".", maxsplit=1)[-1].removesuffix("_rgb").removesuffix("_color")
        depths = [key for key in depths if key.rsplit(".", maxsplit=1)[-1].startswith(name)] or depths
    if len(depths) > 1:
        words = f"{dataset.root} has depth of several cameras: {', '.join(depths)}"
        raise error("depth", words, f"name the one that is registered to {picture} (depth)")
    return depths[0] if depths else None
