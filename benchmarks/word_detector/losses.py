"""Which patches answer for a region, and what a wrong answer costs.

OWLv2 is trained with a matching of all patches to all regions; here the patches about a region's middle answer for it,
which a small network learns in far fewer pictures.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .phrases import Phrase

NEAR, INNER = 0.55, 0.25  # patches within so many patches, or this share of the box, of its middle answer
ALPHA, GAMMA = 0.35, 2.0  # of the focal loss
FINGERTIP = 3.0  # what the fingertip's patches weigh: one region of some six, and half of what is asked


@dataclass
class Wanted:
    """Of a picture: (N, Q) 1 where a phrase is answered, 0 where not, -1 where either will do; (N, 4) boxes; and (N)
    which patches have one, and what they weigh.
    """

    classes: np.ndarray
    boxes: np.ndarray
    owned: np.ndarray
    weights: np.ndarray


def wanted(regions: list[dict], asked: list[Phrase], grid: int) -> Wanted:
    """What the patches of a picture should say."""
    at = (np.arange(grid) + 0.5) / grid
    centres = np.stack(np.meshgrid(at, at, indexing="xy"), -1).reshape(-1, 2)  # row by row
    classes = np.zeros((grid * grid, len(asked)), np.int8)
    boxes, owned = np.zeros((grid * grid, 4), np.float32), np.full(grid * grid, np.inf)
    weights = np.ones(grid * grid, np.float32)
    meant = np.array([[phrase.means(region) for phrase in asked] for region in regions], np.int8)
    inner = []
    for region in regions:
        left, top, right, bottom = region["box"]
        size = np.array([right - left, bottom - top])
        away = np.abs(centres - [(left + right) / 2, (top + bottom) / 2])
        central = (away <= np.maximum(NEAR / grid, INNER * size)).all(1) & (not region["doubtful"])
        inside = (away <= np.maximum(0.8 / grid, size / 2)).all(1)
        far = np.linalg.norm(away, axis=1)
        inner.append((central, inside, far))
        mine = central & (far < owned)
        owned[mine] = far[mine]
        boxes[mine] = [(left + right) / 2, (top + bottom) / 2, *size]
        weights[mine] = FINGERTIP if region["shape"] == "fingertip" else 1.0
    for row, (_, inside, _) in zip(meant, inner, strict=True):
        classes[np.ix_(inside, row != 0)] = -1
    for row, (central, _, far) in zip(meant, inner, strict=True):
        classes[np.ix_(central & (far <= owned), row == 1)] = 1
    return Wanted(classes, boxes, np.isfinite(owned), weights)


def focal(logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Of scores; what is -1 costs nothing. `weights` are of what is 1."""
    aim = (classes > 0).float()
    cost = torch.nn.functional.binary_cross_entropy_with_logits(logits, aim, reduction="none")
    score = torch.sigmoid(logits)
    sure = torch.where(aim > 0, score, 1 - score)
    weight = torch.where(aim > 0, ALPHA * weights, 1 - ALPHA) * (1 - sure) ** GAMMA
    return (cost * weight * (classes >= 0)).sum() / (aim * weights).sum().clamp(min=1)


def of_boxes(found: torch.Tensor, aim: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Boxes as centre and size, (K, 4): how far off by their own size, and generalised overlap."""
    size = aim[:, 2:].clamp(min=1e-3)
    off = (found - aim) / torch.cat([size, size], 1)
    away = torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.1, reduction="none").mean(1)
    return 2 * ((away + 1 - overlap(found, aim)) * weights).sum() / weights.sum().clamp(min=1)


def corners(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2


def overlap(found: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """Generalised intersection over union of pairs."""
    (low, high), (aim_low, aim_high) = corners(found), corners(aim)
    shared = (torch.minimum(high, aim_high) - torch.maximum(low, aim_low)).clamp(min=0).prod(1)
    either = found[:, 2:].prod(1) + aim[:, 2:].prod(1) - shared
    around = (torch.maximum(high, aim_high) - torch.minimum(low, aim_low)).prod(1)
    return shared / either.clamp(min=1e-9) - (around - either) / around.clamp(min=1e-9)
