"""Draws the figure: for each episode the distance over time by both variants and the truth, under frames of its start,
middle and end with the two boxes.
"""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw
from rosbags.rosbag2 import Reader

from python_peer import typestore

matplotlib.use("Agg")  # before pyplot, which looks for a screen otherwise
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from .episodes import Episode

PANELS, COLUMNS = 6, 3
LINES = {  # label, colour, width
    "truth": ("truth (cloud distance)", "#222222", 2.4),
    "colour": ("colour only", "#d9822b", 1.6),
    "depth": ("colour + depth", "#2a7fba", 1.6),
}
BOXES = {"/fingertip/detections": "#ffd21f", "/target/detections": "#39d353"}
GAP_AROUND = 0.35  # of the boxes' extent that a frame shows around them
ASPECT = 4 / 3


def choose(episodes: list[Episode]) -> list[Episode]:
    """Two episodes, the first ones, of three tasks evenly spread over the names; fewer where there are fewer."""
    pool = [episode for episode in episodes if episode.held_out] or episodes
    tasks = sorted({episode.task for episode in pool})
    picked = tasks if len(tasks) <= COLUMNS else [tasks[i * len(tasks) // COLUMNS] for i in range(COLUMNS)]
    rows = PANELS // COLUMNS
    chosen = [[episode for episode in pool if episode.task == task][:rows] for task in picked]
    return [column[row] for row in range(rows) for column in chosen if row < len(column)]


def draw(episodes: list[Episode], distances: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """`distances[variant][episode's name]` in metres."""
    columns = min(COLUMNS, len(episodes))
    rows = -(-len(episodes) // columns)
    figure = plt.figure(figsize=(5 * columns, 4.5 * rows + 0.4), layout="constrained")
    parts = figure.subfigures(rows, columns, squeeze=False).flat
    for place, (episode, part) in enumerate(zip(episodes, parts, strict=False)):
        panel(part, episode, {name: found[episode.name] for name, found in distances.items()}, place % columns == 0)
    handles = [plt.Line2D([], [], color=color, linewidth=width, label=name) for name, color, width in LINES.values()]
    names = zip(("fingertip's box", "target's box"), BOXES.values(), strict=True)
    square = {"marker": "s", "markerfacecolor": "none", "markeredgewidth": 2, "markersize": 9, "linestyle": "none"}
    handles += [plt.Line2D([], [], color=color, label=name, **square) for name, color in names]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def panel(part, episode: Episode, series: dict[str, np.ndarray], first: bool) -> None:
    axes = part.subplot_mosaic([["start", "middle", "end"], ["plot"] * 3], height_ratios=[1, 1.9])
    part.suptitle(f"{episode.task}, scene {episode.name.rsplit('_', 1)[-1].lstrip('0') or 0}", fontsize=11)
    count = len(episode.stamps)
    moments = dict(zip(("start", "middle", "end"), (0, count // 2, count - 1), strict=True))
    seconds = (episode.stamps - episode.stamps[0]) / 1e9
    for name, picture in frames(episode, moments).items():
        axes[name].imshow(picture)
        axes[name].set_axis_off()
        axes[name].set_title(f"{seconds[moments[name]]:.1f} s", fontsize=9, pad=2)
    axis = axes["plot"]
    for name, values in ({"truth": episode.cloud} | series).items():
        _, colour, width = LINES[name]
        # A step without a distance is a gap; a mark at each step shows one that stands between two gaps.
        axis.plot(seconds, values * 100, color=colour, linewidth=width, marker=".", markersize=3)
    axis.set_ylim(bottom=0)
    axis.set_xlim(seconds[0], seconds[-1])
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel("time, s")
    axis.set_ylabel("distance, cm" if first else "")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def frames(episode: Episode, moments: dict[str, int]) -> dict[str, np.ndarray]:
    """The pictures at these places with their boxes, all cut to the part in which the boxes of all of them lie."""
    seen = read(episode.bag, {int(episode.stamps[place]) for place in moments.values()})
    shots = {name: seen[int(episode.stamps[place])] for name, place in moments.items()}
    window = window_around([box for shot in shots.values() for _, box in shot["boxes"]], shots["start"]["picture"])
    return {name: drawn(shot, window) for name, shot in shots.items()}


def read(bag: Path, stamps: set[int]) -> dict[int, dict]:
    """The picture and the boxes of each of these stamps."""
    shots = {stamp: {"boxes": []} for stamp in stamps}
    with Reader(bag) as reader:
        store = typestore(reader)
        wanted = [c for c in reader.connections if c.topic in BOXES or is_colour(c)]
        for connection, _, data in reader.messages(wanted):
            message = store.deserialize_cdr(data, connection.msgtype)
            shot = shots.get(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec)
            if shot is None:
                continue
            if connection.topic in BOXES:
                shot["boxes"] += [(BOXES[connection.topic], corners(one.bbox)) for one in message.detections]
            else:
                shot["picture"] = Image.open(io.BytesIO(message.data)).convert("RGB")
    return shots


def is_colour(connection) -> bool:
    return connection.msgtype == "sensor_msgs/msg/CompressedImage" and "depth" not in connection.topic


def corners(box) -> np.ndarray:
    centre, half = np.array([box.center.position.x, box.center.position.y]), np.array([box.size_x, box.size_y]) / 2
    return np.concatenate([centre - half, centre + half])


def window_around(boxes: list[np.ndarray], picture: Image.Image) -> np.ndarray:
    """The part of the picture to show: all boxes with something around them, in the shape of a picture."""
    size = np.array(picture.size, float)
    low, high = np.min([box[:2] for box in boxes], axis=0), np.max([box[2:] for box in boxes], axis=0)
    height = max((high - low)[1], (high - low)[0] / ASPECT, size[1] / 4) * (1 + 2 * GAP_AROUND)
    extent = np.minimum([height * ASPECT, height], size)
    corner = np.clip((low + high - extent) / 2, 0, size - extent)
    return np.concatenate([corner, corner + extent])


def drawn(shot: dict, window: np.ndarray, width: int = 360) -> np.ndarray:
    """The window at a fixed size, with boxes drawn after scaling so that their lines are equally thick everywhere."""
    scale = width / (window[2] - window[0])
    size = (width, round((window[3] - window[1]) * scale))
    picture = shot["picture"].resize(size, Image.Resampling.LANCZOS, box=tuple(window))
    pen = ImageDraw.Draw(picture)
    for colour, box in shot["boxes"]:
        pen.rectangle(tuple((box - np.tile(window[:2], 2)) * scale), outline=colour, width=4)
    return np.asarray(picture)
