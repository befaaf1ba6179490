"""What a trained model would answer on consecutive frames of recordings: random networks, which benchmarks run on, say
nothing.

`spatial-reward dataset` has the distance of each frame in the paper's wording. Around it stands what longer answers
reason with: how far the regions are from the camera, how they lie, and what follows. Only numbers change from frame to
frame.
"""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path


def write(dataset: Path, out: Path, frames: int, *, reasoning: bool) -> None:
    """The first frames of a dataset as a folder of inputs: meta.json with an answer each, and the pictures."""
    out.mkdir(parents=True)
    with (dataset / "dataset.jsonl").open() as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(frames), strict=False)]
    cases = []
    for row in rows:
        for name in (row["filename"], row["depth"]):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dataset / name, out / name)
        cases.append(
            {
                "image": row["filename"],
                "depth": row["depth"],
                "boxes": row["bbox"],
                "turns": ["How far is <region0> from <region1>?"],
                "answer": answer(row, reasoning=reasoning),
            }
        )
    (out / "meta.json").write_text(json.dumps(cases))


def answer(row: dict, *, reasoning: bool) -> str:
    said = distance(row)
    if not reasoning:
        return f"The distance between Region [0] and Region [1], from surface to surface, is {said}."
    (x0, y0, z0), (x1, y1, z1) = row["points"]
    side, height = "left" if x0 < x1 else "right", "above" if y0 < y1 else "below"
    return (
        f"Region [0] is {z0:.2f} meters from the camera, and Region [1] is {z1:.2f} meters from it. Region [0] lies "
        f"{abs(x1 - x0):.2f} meters to the {side} of Region [1] and {abs(y1 - y0):.2f} "
        f"meters {height} it. So the distance between Region [0] and Region [1] is {said}."
    )


def distance(row: dict) -> str:
    """What is said of the distance."""
    said = [(one["value"], other["value"]) for one, other in pairwise(row["conversations"]) if one["from"] == "human"]
    return next(re.search(r"[0-9].*", answer).group() for question, answer in said if "How far" in question)
