"""Stands in for a program that has the model: what is left to measure is the way to it, and what is done around it."""

import sys
from pathlib import Path
from typing import Any

# Takes frames as the program's `estimate` does, and tells the same of each.
PROGRAM = """#!{python}
import json, sys
source, out = sys.stdin.buffer, sys.stdout.buffer
def say(what):
    out.write(json.dumps(what).encode() + b"\\n")
    out.flush()
source.readline()
say({{"Ready": {{"batch": 1, "in_order": False, "least_m": 0, "is_calibrated": True, "model_digest": "", "prompt": "",
    "calibration": None}}}})
pixels = bytearray()
while line := source.readline():
    frames = json.loads(line)["frames"]
    for frame in frames:
        (width, height), depth = frame["color"], frame["depth"] or (0, 0)
        size = width * height * 3 + depth[0] * depth[1] * 4
        pixels = pixels if len(pixels) == size else bytearray(size)
        source.readinto(pixels)
    say({{"frames": [{told!r} for _ in frames]}})
"""


def write(path: Path, told: dict[str, Any]) -> None:
    """A program of this Python for the variable SPATIAL_REWARD_PROGRAM."""
    path.write_text(PROGRAM.format(python=sys.executable, told=told))
    path.chmod(0o755)
