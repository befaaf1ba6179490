"""A z-buffer in plain numpy: what each thing would cover alone, and pictures where no engine is installed."""

import numpy as np

from photo_rooms.room import HEIGHT, WIDTH, Camera

NEAR = 0.02  # a triangle that comes nearer to the camera's plane is left out


def depth_of(triangles: np.ndarray, camera: Camera) -> np.ndarray:
    """Metres along the optical axis through each pixel's middle, inf where there is nothing."""
    depth = np.full((HEIGHT, WIDTH), np.inf)
    optical = (triangles - camera.position) @ camera.rotation
    optical = optical[(optical[..., 2] > NEAR).all(1)]
    pixels = optical[..., :2] / optical[..., 2:] * camera.focal + (camera.cx, camera.cy)
    inverse = 1 / optical[..., 2]
    low = np.maximum(np.ceil(pixels.min(1)), 0).astype(int)
    high = np.minimum(np.floor(pixels.max(1)), (WIDTH - 1, HEIGHT - 1)).astype(int)
    for at in np.flatnonzero((low <= high).all(1)):
        _fill(depth, pixels[at], inverse[at], low[at], high[at])
    return depth


def _fill(depth: np.ndarray, corners: np.ndarray, inverse: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """One triangle: 1/z is even over the picture."""
    a, b, c = corners
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if abs(area) < 1e-12:
        return
    x, y = np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)[:, None]
    of_b = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
    of_c = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
    inside = (of_b >= 0) & (of_c >= 0) & (of_b + of_c <= 1)
    with np.errstate(divide="ignore"):
        z = 1 / (inverse[0] + of_b * (inverse[1] - inverse[0]) + of_c * (inverse[2] - inverse[0]))
    window = depth[low[1] : high[1] + 1, low[0] : high[0] + 1]
    np.copyto(window, np.minimum(window, z), where=inside)
