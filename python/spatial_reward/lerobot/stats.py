"""The statistics that LeRobot keeps of a feature: smallest, largest, mean, standard deviation, count and five
quantiles, of each episode and of all.

They are those of LeRobot's own `compute_stats`, in the same precision: quantiles are read from a histogram of 5000 bins
between the smallest and the largest value, and those of all episodes are the means of the episodes' weighted by their
lengths. A column that is added has one number a row, so each is a list of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Statistics = dict[str, npt.NDArray[Any]]

_BASIC = ("min", "max", "mean", "std")
_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_BINS = 5000
_MARGIN = 1e-10


def of_episode(values: npt.NDArray[Any]) -> Statistics:
    """Of one episode's values, (rows,) of the column's type. Rows of NaN do not count; of none but these all is NaN."""
    column = values.reshape(-1, 1)
    if np.issubdtype(column.dtype, np.floating):
        column = column[~np.isnan(column[:, 0])]
    if not len(column):
        return {**dict.fromkeys((*_BASIC, *_QUANTILES), np.full(1, np.nan)), "count": np.array([0])}
    # As LeRobot: in the type of the values, where a mean of float32 is a float32.
    mean = column.mean(axis=0)
    if len(column) > 1:
        deviation = np.sqrt(np.maximum(0, (column**2).mean(axis=0) - mean**2))
        quantiles = _quantiles(column[:, 0])
    else:
        deviation, quantiles = column.std(axis=0), dict.fromkeys(_QUANTILES, mean)
    return {
        "min": column.min(axis=0),
        "max": column.max(axis=0),
        "mean": mean,
        "std": deviation,
        "count": np.array([len(column)]),
        **quantiles,
    }


def of_dataset(episodes: Sequence[Statistics]) -> Statistics:
    """Of all episodes together."""
    episodes = [each for each in episodes if each["count"][0]] or list(episodes[:1])
    if not episodes[0]["count"][0]:
        return episodes[0]
    counts = np.stack([each["count"] for each in episodes])
    total = counts.sum(axis=0)

    def weighted(name: str) -> npt.NDArray[Any]:
        mean: npt.NDArray[Any] = (np.stack([each[name] for each in episodes]) * counts).sum(axis=0) / total
        return mean

    mean = weighted("mean")
    between = np.stack([each["std"] ** 2 + (each["mean"] - mean) ** 2 for each in episodes])
    return {
        "min": np.stack([each["min"] for each in episodes]).min(axis=0),
        "max": np.stack([each["max"] for each in episodes]).max(axis=0),
        "mean": mean,
        "std": np.sqrt((between * counts).sum(axis=0) / total),
        "count": total,
        **{name: weighted(name) for name in _QUANTILES},
    }


def _quantiles(values: npt.NDArray[Any]) -> Statistics:
    if values.dtype == np.bool_:
        low, high, values = float(values.min()), float(values.max()), values.astype(np.uint8)
    else:
        low, high = values.min(), values.max()
    edges = np.linspace(low - _MARGIN, high + _MARGIN, _BINS + 1)
    counts, _ = np.histogram(values, bins=edges)
    below = np.cumsum(counts)
    found: Statistics = {}
    for name, share in _QUANTILES.items():
        due = share * len(values)
        place = int(np.searchsorted(below, due))
        if place == 0:
            value = edges[0]
        elif place == _BINS:
            value = edges[-1]
        else:
            inside = below[place] - below[place - 1]
            part = (due - below[place - 1]) / inside if inside else 0.0
            value = edges[place] + part * (edges[place + 1] - edges[place])
        found[name] = np.array([value])
    return found
