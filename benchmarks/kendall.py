"""Kendall's rank correlation, with an interval: how well a score orders what is known to be better and worse."""

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
