"""Boxes (x_min, y_min, x_max, y_max) beside others."""

import numpy as np


def iou(a, b) -> np.ndarray:
    """Intersection over union of two boxes, or of each in an array (..., 4) with its own in another one."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    common = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0).prod(axis=-1)
    return common / ((a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common)
