"""What is seen of a region, in words: the colour of its lit pixels, what else it may be called, and its shape."""

import colorsys

import numpy as np

import appearance

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black", "grey", "white")
# Words for the targets of Meta-World's tasks that are no primitives.
NOUNS = {
    "basketball": "ball",
    "button-press": "button",
    "button-press-topdown": "button",
    "drawer-open": "handle",
    "door-open": "handle",
    "faucet-open": "handle",
    "window-open": "handle",
    "plate-slide": "plate",
    "peg-insert-side": "peg",
    "hammer": "hammer",
    "box-close": "handle",
    "lever-pull": "lever",
    "handle-press": "handle",
    "dial-turn": "dial",
    "stick-push": "stick",
    "peg-unplug-side": "peg",
}


def colour_of(image: np.ndarray, mask: np.ndarray) -> tuple[str, list[str]]:
    """The name of a region's colour as the camera sees it, and the names that a slightly other colour would have."""
    pixels = image[mask].astype(np.float64) / 255
    lit = pixels[pixels.sum(1) >= np.median(pixels.sum(1))]
    rgb = np.median(lit, axis=0)
    name = appearance.colour_name(rgb)
    hue, saturation, value = colorsys.rgb_to_hsv(*map(float, rgb))
    near = set()
    for turn, richer, brighter in [(0.03, 0, 0), (0, 0.08, 0), (0, 0, 0.08)]:
        for sign in (-1, 1):
            other = (
                (hue + sign * turn) % 1.0,
                min(max(saturation + sign * richer, 0), 1),
                min(max(value + sign * brighter, 0), 1),
            )
            near.add(appearance.colour_name(np.array(colorsys.hsv_to_rgb(*other))))
    return name, sorted(near - {name})


def is_plain(image: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a region has one hue; a pattern of two has no colour to name."""
    pixels = image[mask].astype(np.float64) / 255
    chroma = pixels - pixels.mean(1, keepdims=True)
    return bool(np.linalg.norm(chroma.std(0)) < 0.16)


def shape_of(half: np.ndarray, kind: str) -> tuple[str, list[str]]:
    """The word for a solid of half sizes, and another that would do."""
    if kind != "box":
        return kind, []
    ratio = float(np.max(half) / np.min(half))
    if ratio < 1.12:
        return "cube", ["box"] if ratio > 1.03 else []
    return "box", ["cube"] if ratio < 1.5 else []
