"""The table of an accuracy run: rows of figures, a column an engine and one for all, and what is asked of each."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from photo_rooms.judge import Judged, Length

LARGE_M = 0.2
LENGTHS = {"width": "width", "height": "height", "direct_distance": "distance"}
ALL = "all"


@dataclass(frozen=True)
class Figure:
    """A line of the table: what it takes from what was judged, how it is told and what is asked of it."""

    what: str
    values: Callable[[Judged], list]
    told: Callable[[np.ndarray], float]
    form: str
    most: float | None = None
    least: float | None = None

    def holds(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def asked(self) -> str:
        if self.most is not None:
            return f"<= {self.form.format(self.most)}"
        return "" if self.least is None else f">= {self.form.format(self.least)}"


def figures() -> list[Figure]:
    percent, centimetres, degrees = "{:.1f} %", "{:.2f} cm", "{:.2f}"
    made = []
    for part in ("whole", "seen"):
        asked = {"most": 10.0} if part == "whole" else {}
        of = "of the whole thing" if part == "whole" else "of what is seen"
        made += [
            Figure(f"{name} from 20 cm on, {of}, off by (median)", _shares(category, part), np.median, percent, **asked)
            for category, name in LENGTHS.items()
        ]
    for part in ("whole", "seen"):
        asked = {"most": 2.0} if part == "whole" else {}
        of = "of the whole thing" if part == "whole" else "of what is seen"
        made.append(Figure(f"shorter ones, {of}, off by (median)", _smalls(part), np.median, centimetres, **asked))
        made.append(Figure(f"shorter ones, {of}, within 2 cm", _within(part), _percent, percent))
    for category, name in {"horizontal_distance": "to the side", "vertical_distance": "up or down"}.items():
        made.append(Figure(f"distance {name} alone, off by (median)", _metres(category), np.median, centimetres))
    for category in ("left_right", "above_below", "front_behind"):
        made.append(Figure(f"{category} right", _right([category]), _percent, percent, least=97.0))
    sizes = ["big_small", "tall_short", "wide_thin"]
    made.append(Figure("comparisons of size right", _right(sizes), _percent, percent))
    made.append(
        Figure("direction within an hour", lambda it: [off <= 1 for off in it.hours_off], _percent, percent, least=95.0)
    )
    made.append(Figure("up, degrees off (median)", lambda it: it.up_off, np.median, degrees, most=3.0))
    made.append(Figure("up, degrees off (95 %)", lambda it: it.up_off, lambda of: np.quantile(of, 0.95), degrees))
    made.append(Figure("up, degrees off (most)", lambda it: it.up_off, np.max, degrees))
    return made


def printed(all_judged: list[Judged]) -> bool:
    """Prints the table; whether all that is asked holds, of each engine and of all."""
    holds = True
    print(f"| | {' | '.join(it.engine for it in all_judged)} | {ALL} | asked |")
    print("|" + " --- |" * (len(all_judged) + 3))
    for figure in figures():
        values = [figure.values(it) for it in all_judged]
        cells = []
        for of in [*values, list(chain.from_iterable(values))]:
            if not of:
                cells.append("none")
                continue
            value = float(figure.told(np.array(of)))
            is_well = figure.holds(value)
            holds = holds and is_well
            cells.append(f"{figure.form.format(value)} ({len(of)}){'' if is_well else ' !'}")
        print(f"| {figure.what} | {' | '.join(cells)} | {figure.asked()} |")
    return holds


def _off(length: Length, part: str) -> float:
    return abs(length.said - getattr(length, part))


def _shares(category: str, part: str) -> Callable[[Judged], list]:
    def of(judged: Judged) -> list:
        lengths = [it for it in judged.lengths.get(category, []) if getattr(it, part) >= LARGE_M]
        return [100 * _off(it, part) / getattr(it, part) for it in lengths]

    return of


def _small(judged: Judged, part: str) -> list[Length]:
    lengths = [it for category in LENGTHS for it in judged.lengths.get(category, [])]
    return [it for it in lengths if getattr(it, part) < LARGE_M]


def _smalls(part: str) -> Callable[[Judged], list]:
    return lambda judged: [100 * _off(it, part) for it in _small(judged, part)]


def _within(part: str) -> Callable[[Judged], list]:
    return lambda judged: [_off(it, part) <= 0.02 for it in _small(judged, part)]


def _metres(category: str) -> Callable[[Judged], list]:
    return lambda judged: [100 * _off(it, "whole") for it in judged.lengths.get(category, [])]


def _right(categories: list[str]) -> Callable[[Judged], list]:
    return lambda judged: [right for category in categories for right in judged.right.get(category, [])]


def _percent(of: np.ndarray) -> float:
    return 100 * float(np.mean(of))
