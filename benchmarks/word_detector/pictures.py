"""Recorded sightings as a detector's examples: pictures, cut and mirrored at random, with the boxes in them."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

GREY = 0.5  # what fills a picture up to a square, as OWLv2 has it


@dataclass
class Example:
    """A square picture, (3, S, S) in 0 to 1, and its regions with boxes as shares of the square's side."""

    pixels: np.ndarray
    regions: list[dict]
    rows: float  # share of the square's height that is picture
    columns: float


def read(folder: Path) -> list[dict]:
    """All rows of a recording, with the pictures' paths."""
    rows = []
    for turn in sorted(path for path in folder.iterdir() if (path / "sightings.json").exists()):
        for line in (turn / "sightings.json").read_text().splitlines():
            row = json.loads(line)
            rows.append(row | {"path": turn / row["picture"]})
    return rows


def plain(row: dict, side: int) -> Example:
    """The picture as it is."""
    image = Image.open(row["path"]).convert("RGB")
    return _example(image, (0, 0, *image.size), row["regions"], side)


def varied(row: dict, side: int, rng: random.Random, any_shape: bool) -> Example:
    """The picture cut, mirrored, in another brightness, blurred or noisy. What is cut through is marked `doubtful`."""
    image = Image.open(row["path"]).convert("RGB")
    window = _window(image.size, row["regions"], rng, any_shape)
    regions = [_seen(region, window) for region in row["regions"]]
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    example = _example(image, window, [region for region in regions if region], side)
    if rng.random() < 0.5:
        _mirror(example)
    noise = np.random.default_rng(rng.getrandbits(32))
    pixels = example.pixels * rng.uniform(0.88, 1.12) + rng.uniform(-0.03, 0.03)
    if rng.random() < 0.5:
        pixels += noise.normal(0, rng.uniform(0.005, 0.03), pixels.shape)
    down, right = round(example.rows * side), round(example.columns * side)
    example.pixels[:, :down, :right] = np.clip(pixels, 0, 1)[:, :down, :right]
    return example


def _window(size, regions: list[dict], rng: random.Random, any_shape: bool) -> tuple[float, float, float, float]:
    """A part of the picture that holds the fingertip: of its own shape, or of another."""
    width, height = size
    tip = next(region["box"] for region in regions if region["shape"] == "fingertip")
    for _ in range(10):
        wide = rng.uniform(0.62, 1.0) * width if rng.random() < 0.6 else width
        high = wide * height / width
        if any_shape:
            high = min(height, wide * rng.uniform(0.5, 1.0))
            wide = wide * rng.uniform(0.6, 1.0)
        left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
        window = left, top, left + wide, top + high
        if tip[0] >= left and tip[1] >= top and tip[2] <= window[2] and tip[3] <= window[3]:
            return window
    return 0, 0, width, height


def _seen(region: dict, window) -> dict | None:
    left, top, right, bottom = region["box"]
    cut = max(left, window[0]), max(top, window[1]), min(right, window[2]), min(bottom, window[3])
    if cut[2] - cut[0] < 2 or cut[3] - cut[1] < 2:
        return None
    share = (cut[2] - cut[0]) * (cut[3] - cut[1]) / ((right - left) * (bottom - top))
    return region | {"box": cut, "doubtful": share < 0.7}


def _example(image: Image.Image, window, regions: list[dict], side: int) -> Example:
    left, top, right, bottom = window
    longer = max(right - left, bottom - top)
    scale = side / longer
    wide, high = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = image.resize((wide, high), Image.Resampling.BILINEAR, box=window, reducing_gap=3.0)
    pixels = np.full((3, side, side), GREY, np.float32)
    pixels[:, :high, :wide] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    placed = []
    for region in regions:
        box = np.array(region["box"], np.float32) - np.array([left, top, left, top], np.float32)
        placed.append({"doubtful": False} | region | {"box": box / longer})
    return Example(pixels, placed, high / side, wide / side)


def _mirror(example: Example) -> None:
    side = example.pixels.shape[2]
    wide = round(example.columns * side)
    example.pixels[:, :, :wide] = example.pixels[:, :, :wide][:, :, ::-1].copy()
    for region in example.regions:
        left, top, right, bottom = region["box"]
        region["box"] = np.array([example.columns - right, top, example.columns - left, bottom], np.float32)
