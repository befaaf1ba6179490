"""Statistics of a dataset's features, by LeRobot's definitions: of each episode, and of all of them together.

Quantiles are read off a histogram of 5000 bins, and those of a whole dataset are the mean of its episodes', as LeRobot
does it. Of pictures it takes a sample: `sample_indices`, `thinned`. LeRobot 0.4 squares pixels in 8 bits, so that its
standard deviation of a picture is 0, and 0.6 adds them up in float32, so that it and the mean drift: this computes the
right ones.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, npt.NDArray[Any]]
_BINS = 5000
_MARGIN = 1e-10
_LARGE_PX = 300
_THINNED_PX = 150


def sample_indices(length: int) -> list[int]:
    """Which of an episode's pictures are looked at."""
    samples = max(min(length, 100), min(int(length**0.75), 10_000))
    return [int(index) for index in np.round(np.linspace(0, length - 1, samples))]


def thinning(height: int, width: int) -> int:
    """Which of a picture's pixels are looked at, and of its rows: every so manieth."""
    larger = max(height, width)
    return 1 if larger < _LARGE_PX else int(larger / _THINNED_PX)


def thinned(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every n-th pixel of a large picture, (height, width, ...); a view."""
    every = thinning(*picture.shape[:2])
    return picture[::every, ::every]


def of_rows(rows: npt.NDArray[Any]) -> Stats:
    """Statistics of (n, k) numbers, each of shape (k,). Rows with NaN do not count; of none, everything is NaN."""
    if np.issubdtype(rows.dtype, np.floating):
        missing = np.isnan(rows)
        if missing.any():
            rows = rows[~missing.any(axis=1)]
    count = len(rows)
    if count == 0:
        none = np.full(rows.shape[1], np.nan)
        return dict.fromkeys(("min", "max", "mean", "std", *QUANTILES), none) | {"count": np.array([0])}
    low, high, mean = rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0)
    if count == 1:
        std = rows.std(axis=0)
        return {"min": low, "max": high, "mean": mean, "std": std, "count": np.array([1])} | dict.fromkeys(
            QUANTILES, mean
        )
    # The mean of squares less the square of the mean, in the numbers' own precision: what LeRobot's figures are.
    std = np.sqrt(np.maximum(0, (rows**2).mean(axis=0) - mean**2))
    stats = {"min": low, "max": high, "mean": mean, "std": std, "count": np.array([count])}
    numbers = rows.astype(np.uint8) if rows.dtype == np.bool_ else rows
    quantiles = []
    for column in range(rows.shape[1]):
        edges = _edges(low[column], high[column])
        quantiles.append(_quantiles(np.histogram(numbers[:, column], bins=edges)[0], edges))
    return stats | dict(zip(QUANTILES, np.array(quantiles).T, strict=True))


def stored(stats: Stats, keeps_whole: bool = False) -> Stats:
    """As LeRobot stores them: all but the count are floats. Before 0.6, bounds of whole numbers were whole numbers."""
    return {
        name: value
        if name == "count" or (keeps_whole and not np.issubdtype(value.dtype, np.floating))
        else value.astype(np.float64)
        for name, value in stats.items()
    }


def of_pictures(pixels: npt.NDArray[np.uint8], pictures: int) -> Stats:
    """Statistics of a sample of colour pictures, (..., 3), as shares of 255; each of shape (3, 1, 1)."""
    counts = np.array([np.bincount(channel, minlength=256) for channel in pixels.reshape(-1, 3).T])
    return of_color_levels(counts, pictures)


def of_color_levels(counts: npt.NDArray[Any], pictures: int) -> Stats:
    """The same by how often each level of each colour is there, (3, 256)."""
    channels = [_of_levels(channel, np.uint8) for channel in counts]
    joined = {name: np.array([channel[name] for channel in channels]) / 255.0 for name in channels[0]}
    return {name: value.reshape(3, 1, 1) for name, value in joined.items()} | {"count": np.array([pictures])}


def of_depth(values: npt.NDArray[Any], pictures: int) -> Stats:
    """Statistics of a sample of depth, in its own unit; each of shape (1, 1, 1). What was not measured counts as 0."""
    if values.dtype == np.uint16:
        stats = _of_levels(np.bincount(values.reshape(-1), minlength=65536), np.uint16)
    else:
        stats = {name: value[0] for name, value in of_rows(values.reshape(-1, 1).astype(np.float64)).items()}
    return {name: np.full((1, 1, 1), value) for name, value in stats.items()} | {"count": np.array([pictures])}


def _of_levels(counts: npt.NDArray[Any], dtype: type[np.unsignedinteger[Any]]) -> dict[str, Any]:
    """Statistics of whole numbers by how often each is there."""
    levels = np.flatnonzero(counts)
    weights = counts[levels]
    total = int(weights.sum())
    mean = float(levels @ weights) / total
    variance = float((levels - mean) ** 2 @ weights) / total
    edges = _edges(dtype(levels[0]), dtype(levels[-1]))
    histogram = np.histogram(levels.astype(dtype), bins=edges, weights=weights)[0]
    stats = {"min": levels[0], "max": levels[-1], "mean": mean, "std": variance**0.5}
    return stats | dict(zip(QUANTILES, _quantiles(histogram, edges), strict=True))


def _edges(low: Any, high: Any) -> npt.NDArray[Any]:
    return np.linspace(low - _MARGIN, high + _MARGIN, _BINS + 1)


def _quantiles(histogram: npt.NDArray[Any], edges: npt.NDArray[Any]) -> list[float]:
    below = np.cumsum(histogram, dtype=np.float64)
    found = []
    for share in QUANTILES.values():
        wanted = share * below[-1]
        index = int(np.searchsorted(below, wanted))
        if index == 0 or index >= len(below):
            found.append(float(edges[0 if index == 0 else -1]))
            continue
        inside = below[index] - below[index - 1]
        part = (wanted - below[index - 1]) / inside if inside else 0.0
        found.append(float(edges[index] + part * (edges[index + 1] - edges[index])))
    return found


def of_all(episodes: list[Stats]) -> Stats:
    """The statistics of a feature over all episodes from those of each. An episode without a number does not count."""
    episodes = [stats for stats in episodes if stats["count"][0] > 0] or episodes[:1]
    counts = np.array([stats["count"][0] for stats in episodes])

    def stacked(name: str) -> npt.NDArray[Any]:
        return np.stack([stats[name] for stats in episodes])

    weights = counts.reshape(-1, *(1,) * episodes[0]["mean"].ndim)
    total = counts.sum()
    if total == 0:
        return episodes[0]

    def mean_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray((values * weights).sum(axis=0) / total)

    mean = mean_of(stacked("mean"))
    variance = mean_of(stacked("std") ** 2 + (stacked("mean") - mean) ** 2)
    joined = {"min": stacked("min").min(axis=0), "max": stacked("max").max(axis=0), "mean": mean}
    joined |= {"std": np.sqrt(variance), "count": np.array([total])}
    return joined | {name: mean_of(stacked(name)) for name in QUANTILES}
