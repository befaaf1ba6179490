"""Where the two regions are, as whoever wraps an environment says it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import gymnasium
import numpy as np

from spatial_reward._errors import error
from spatial_reward.gymnasium._episode import Box, Place


class Named:
    """Things of a model by their names."""

    def __init__(self, *names: str, near: str | None = None, within_m: float | None = None, as_mask: bool = False):
        what = type(self).__name__
        if not names or not all(isinstance(name, str) for name in names):
            raise error(
                "region", f"{what}{names!r}: give the name of each, as the model has it, such as {what}('ball')"
            )
        if (near is None) != (within_m is None):
            raise error(
                "region", f"{what}{names!r}: near and within_m belong together, such as near='grip', within_m=0.03"
            )
        if within_m is not None and not within_m > 0:
            raise error("region", f"{what}{names!r}: within_m is {within_m}, and must be above 0")
        self.names, self.near, self.within_m, self.as_mask = names, near, within_m, as_mask

    def __repr__(self) -> str:
        near = f", near={self.near!r}, within_m={self.within_m}" if self.near else ""
        as_mask = ", as_mask=True" if self.as_mask else ""
        return f"{type(self).__name__}({', '.join(map(repr, self.names))}{near}{as_mask})"


class Geoms(Named):
    """What is seen of the geoms of these names.

    Args:
        names: of geoms.
        near: of a site; only what is near it counts, such as the tips of long fingers.
        within_m: how near that is, in metres.
        as_mask: its pixels are the region, as of one that segments; else the box around them, as a detector gives it.
    """


class Bodies(Named):
    """What is seen of the geoms of these bodies, and of the bodies that hang on them.

    Args:
        names: of bodies.
        near: as of `Geoms`.
        within_m: as of `Geoms`.
        as_mask: as of `Geoms`.
    """


class Sites(Named):
    """Sites, as they are drawn, or a point of a surface.

    Args:
        names: of sites.
        size_m: for a site that is not drawn, on something that is: the diameter of the ball around it that the region
            is taken to be, in metres. The region is not seen where nothing in the picture is that near to it.
        near: as of `Geoms`.
        within_m: as of `Geoms`.
        as_mask: as of `Geoms`.
    """

    def __init__(
        self,
        *names: str,
        size_m: float | None = None,
        near: str | None = None,
        within_m: float | None = None,
        as_mask: bool = False,
    ):
        super().__init__(*names, near=near, within_m=within_m, as_mask=as_mask)
        if size_m is not None and not size_m > 0:
            raise error("region", f"{self!r}: size_m is {size_m}, and must be above 0")
        if size_m is not None and (near is not None or as_mask or len(names) > 1):
            raise error("region", f"{self!r}: size_m is for one site, near and as_mask for what is drawn of sites")
        self.size_m = size_m


Region: TypeAlias = Named | Box | Callable[[gymnasium.Env[Any, Any]], Place]


def checked_regions(regions: Mapping[str, Region] | None, wanted: Collection[str]) -> dict[str, Region]:
    """All regions that are wanted, each of a kind that is known."""
    given = dict(regions or {})
    if sorted(given) != sorted(wanted):
        raise error(
            "region",
            f"regions has {', '.join(map(repr, given)) or 'none'}, and {_listed(wanted)} are needed",
            "regions={'fingertip': Bodies('left_finger', 'right_finger'), 'target': Geoms('cube')}",
        )
    return {name: _checked(name, given[name]) for name in wanted}


def _listed(names: Collection[str]) -> str:
    if len(names) < 2:
        return ", ".join(map(repr, names)) or "none"
    *others, last = map(repr, names)
    return f"{', '.join(others)} and {last}"


def _checked(name: str, region: Region) -> Region:
    if isinstance(region, Named) or callable(region):
        return region
    if isinstance(region, str):
        words = f"regions[{name!r}] is {region!r}, which does not say what of the model it names"
        raise error("region", words, f"Geoms({region!r}), Bodies({region!r}) or Sites({region!r})")
    try:
        edges = np.asarray(region, dtype=float)
    except (TypeError, ValueError):
        edges = np.empty(0)
    if edges.shape != (4,) or not (edges[0] < edges[2] and edges[1] < edges[3]):
        raise error(
            "region",
            f"regions[{name!r}] is {region!r}, and must be Geoms, Bodies or Sites by name, a fixed box (x_min, y_min, "
            "x_max, y_max) in pixels, or a function of the environment that gives one",
        )
    x_min, y_min, x_max, y_max = map(float, edges)
    return (x_min, y_min, x_max, y_max)
