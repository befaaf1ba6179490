"""Draws how many held-out pictures a detector answered while it was trained.

usage: PYTHONPATH=benchmarks python -m word_detector.curve CURVE.csv OUT.png
"""

import csv
import sys
from pathlib import Path

from .judge import WANTED

COLOURS = {"fingertip": "#1f6fb4", "target": "#d9822b", "both": "#222222"}


def draw(rows: list[dict[str, str]], out: Path) -> None:
    """A line for the fingertip, the target and both, over the pictures that were looked at."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 3.6), dpi=120)
    seen = [int(row["pictures"]) for row in rows]
    for name, colour in COLOURS.items():
        axis.plot(seen, [100 * float(row[name]) for row in rows], color=colour, marker="o", markersize=3, label=name)
    axis.axhline(100 * WANTED, color="#888888", linestyle="--", linewidth=1, label="wanted of both")
    axis.set_xlabel("pictures looked at")
    axis.set_ylabel("IoU of 0.5 and more, % of first frames")
    axis.set_ylim(0, 100)
    axis.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(out)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with Path(sys.argv[1]).open(newline="") as file:
        draw(list(csv.DictReader(file)), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
