"""How well a score orders what is known to be better and worse: Kendall's rank correlation, with an interval; and
returns to be ordered by."""

import math

import numpy as np

RESAMPLED = 2000


def tau_with_interval(told: np.ndarray, true: np.ndarray) -> str:
    random = np.random.default_rng(0)
    picked = (random.integers(0, len(true), len(true)) for _ in range(RESAMPLED))
    low, high = np.nanquantile([tau(told[at], true[at]) for at in picked], [0.05, 0.95])
    return f"{tau(told, true):.2f} ({low:.2f} to {high:.2f})"


def tau(told: np.ndarray, true: np.ndarray) -> float:
    """Kendall's tau-b; NaN where all are equal."""
    rows, columns = np.triu_indices(len(true), 1)
    one, other = np.sign(told[rows] - told[columns]), np.sign(true[rows] - true[columns])
    counted = math.sqrt(np.count_nonzero(one) * np.count_nonzero(other))
    return float(np.sum(one * other) / counted) if counted else math.nan


def in_order(better: np.ndarray, worse: np.ndarray) -> float:
    """The share of pairs in which the better one has more, ties by half; NaN without pairs."""
    if not (len(better) and len(worse)):
        return math.nan
    return float(np.mean((np.sign(better[:, None] - worse[None, :]) + 1) / 2))


def discounted(values: np.ndarray, gamma: float) -> float:
    """The sum; what is not known adds nothing."""
    return float(np.nansum(values * gamma ** np.arange(len(values))))


def known(values: np.ndarray) -> np.ndarray:
    """With the last one that is known where one is not; the first known one before."""
    at = np.flatnonzero(np.isfinite(values))
    if not len(at):
        return np.zeros(len(values))
    places = np.searchsorted(at, np.arange(len(values)), side="right") - 1
    return values[at[np.maximum(places, 0)]]
