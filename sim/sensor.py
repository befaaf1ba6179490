"""What a real depth camera and a real detector would add: noise, holes, and boxes that are not quite right."""

import numpy as np

BOX_JITTER = 0.04  # standard deviation of each edge, as a share of the box's side
FARTHEST = 10.0  # a depth camera sees no farther, metres


def noisy_depth(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise that grows with distance, no reading at depth edges, and a few lost pixels."""
    spread = 0.0012 + 0.0019 * (depth - 0.4) ** 2
    noisy = depth + rng.standard_normal(depth.shape) * spread
    down, across = np.gradient(depth)
    lost = (np.hypot(down, across) > 0.02) | (rng.random(depth.shape) < 0.01) | (depth <= 0) | (depth > FARTHEST)
    return np.where(lost, 0, noisy)


def millimetres(depth: np.ndarray) -> np.ndarray:
    """Depth as 16-bit millimetres; 0 where there is none or it does not fit."""
    scaled = np.round(depth * 1000.0)
    return np.where((scaled < 1) | (scaled > 65535), 0, scaled).astype("<u2")


def jittered(
    box: tuple[float, float, float, float], size: tuple[int, int], rng: np.random.Generator, share: float = BOX_JITTER
):
    """A box as a detector would give it: each edge off by a share of the side, inside the image."""
    x0, y0, x1, y1 = box
    spread = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0]) * share
    moved = np.array(box) + rng.normal(0, 1, 4) * spread
    width, height = size
    moved = np.clip(moved, 0, [width, height, width, height])
    if moved[2] - moved[0] < 1 or moved[3] - moved[1] < 1:
        return box
    return tuple(float(v) for v in moved)
