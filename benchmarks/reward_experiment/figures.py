"""The figures that annotators are judged by, as `spatial-reward evaluate` defines them (src/report/metrics.rs), over
all frames and as the median over episodes, against both truths.

Two things are stricter here. A step without a distance fails the share within 25 % (SpatialRGPT-Bench counts so).
And an episode in which the answers are all alike, or fewer than three, has correlations of 0: it orders nothing,
and leaving it out would flatter.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .episodes import Episode

RELATIVE_GUARD = 1e-4  # metres, as SpatialRGPT-Bench divides
LEAST_FOR_ORDER = 3
ALONG = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # borders of the bands of Episode.along


@dataclass(frozen=True)
class Judged:
    """One episode with an annotator's distances; NaN is a step that is not valid."""

    episode: Episode
    predicted: np.ndarray


def of_episode(judged: Judged) -> dict:
    """Errors over the valid steps against the cloud truth; order against both truths."""
    predicted, cloud, surface = judged.predicted, judged.episode.cloud, judged.episode.surface
    time = np.arange(len(predicted))
    fell, pairs = monotone(predicted, cloud)
    return errors(predicted, cloud) | {
        "spearman_surface": correlation(spearman, predicted, surface),
        "spearman_cloud": correlation(spearman, predicted, cloud),
        "pearson_surface": correlation(pearson, predicted, surface),
        "pearson_cloud": correlation(pearson, predicted, cloud),
        "kendall_tau_a": correlation(kendall_tau_a, predicted, cloud),
        "value_order_correlation": correlation(spearman, -predicted, time),
        "monotone_violation_rate": fell / pairs if pairs else None,
    }


def errors(predicted: np.ndarray, truth: np.ndarray) -> dict:
    """How far off: what does not look at order."""
    valid = np.isfinite(predicted)
    error = predicted[valid] - truth[valid]
    share = np.mean(valid & (predicted >= 0.75 * truth) & (predicted <= 1.25 * truth))
    found = {"within_25_percent": float(share), "invalid_rate": float(1 - valid.mean())}
    if not len(error):
        return found | dict.fromkeys(("abs_rel", "mae_m", "bias_m", "mae_debiased_m"))
    return found | {
        "abs_rel": float(np.mean(np.abs(error) / (truth[valid] + RELATIVE_GUARD))),
        "mae_m": float(np.mean(np.abs(error))),
        "bias_m": float(np.mean(error)),
        "mae_debiased_m": float(np.mean(np.abs(error - error.mean()))),
    }


def correlation(measure, predicted: np.ndarray, other: np.ndarray) -> float:
    """0 where the answers order nothing, or where there is nothing to order."""
    valid = np.isfinite(predicted)
    predicted, other = predicted[valid], other[valid]
    if len(predicted) < LEAST_FOR_ORDER or np.ptp(predicted) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(measure(predicted, other))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return stats.spearmanr(a, b).statistic


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    return stats.pearsonr(a, b).statistic


def kendall_tau_a(a: np.ndarray, b: np.ndarray) -> float:
    """Concordant less discordant pairs, over all pairs; a tie is neither."""
    agreement = np.sign(a[:, None] - a[None, :]) * np.sign(b[:, None] - b[None, :])
    return agreement.sum() / (len(a) * (len(a) - 1))


def monotone(predicted: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Of the neighbouring valid steps that truly come closer: in how many the distance grew, and how many there are."""
    valid = np.isfinite(predicted)
    closer = np.diff(truth[valid]) < 0
    return int(np.sum(closer & (np.diff(predicted[valid]) > 0))), int(closer.sum())


def median_of(judged: list[Judged]) -> dict:
    """Each figure's median over the episodes that define it."""
    rows = [of_episode(one) for one in judged]
    columns = {key: [row[key] for row in rows if row[key] is not None] for key in rows[0]}
    return {key: float(np.median(values)) if values else None for key, values in columns.items()}


def of_frames(judged: list[Judged]) -> dict:
    """Over all frames together: errors, one order of all, and the share of falling rewards."""
    predicted = np.concatenate([one.predicted for one in judged])
    truth = np.concatenate([one.episode.cloud for one in judged])
    counts = [monotone(one.predicted, one.episode.cloud) for one in judged]
    fell, pairs = (sum(column) for column in zip(*counts, strict=True))
    return errors(predicted, truth) | {
        "spearman_cloud": correlation(spearman, predicted, truth),
        "monotone_violation_rate": fell / pairs if pairs else None,
    }


def summary(judged: list[Judged]) -> dict:
    """What is reported of one annotator on some episodes."""
    return {
        "episodes": len(judged),
        "frames": sum(len(one.predicted) for one in judged),
        "frames_figures": of_frames(judged),
        "episode_median": median_of(judged),
    }


def of_bands(judged: list[Judged]) -> list[dict]:
    """Frames apart by how much of the distance lies along the optical axis: what a picture shows least of."""
    predicted = np.concatenate([one.predicted for one in judged])
    truth = np.concatenate([one.episode.cloud for one in judged])
    along = np.concatenate([one.episode.along for one in judged])
    bands = []
    for low, high in itertools.pairwise(ALONG):
        inside = (along >= low) & ((along < high) | (high == ALONG[-1]))
        band = {"from": low, "to": high, "frames": int(inside.sum())}
        if inside.any():
            ratios = predicted[inside] / (truth[inside] + RELATIVE_GUARD)
            valid = ratios[np.isfinite(ratios)]
            band |= errors(predicted[inside], truth[inside])
            band["median_ratio"] = float(np.median(valid)) if len(valid) else None
        bands.append(band)
    return bands


def full(judged: list[Judged]) -> dict:
    """All episodes, those of tasks that training never saw, those of each task, and all frames by direction."""
    groups = {"all": judged, "held_out_tasks": [one for one in judged if one.episode.held_out]}
    tasks = sorted({one.episode.task for one in judged})
    result = {name: summary(members) for name, members in groups.items() if members}
    result["tasks"] = {task: summary([one for one in judged if one.episode.task == task]) for task in tasks}
    result["along"] = of_bands(judged)
    result["episodes"] = {one.episode.name: of_episode(one) for one in judged}
    return result


def constant(episodes: list[Episode]) -> list[Judged]:
    """The best answer that looks at nothing: the median of all truth, at every frame."""
    answer = float(np.median(np.concatenate([episode.cloud for episode in episodes])))
    return [Judged(episode, np.full(len(episode.cloud), answer)) for episode in episodes]


def perfect(episodes: list[Episode]) -> list[Judged]:
    """The `cloud` truth as if it were an answer: what the best of models reaches against the `surface` truth."""
    return [Judged(episode, episode.cloud) for episode in episodes]
