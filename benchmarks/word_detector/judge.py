"""How often two phrases find fingertip and target in first pictures of robots and tasks that training never saw.

usage: PYTHONPATH=benchmarks python -m word_detector.judge PICTURES --model FOLDER [--program PROGRAM] [--json FILE]

A picture counts where the best box for `robot gripper fingertip` and the best one for the target's words (colour and
shape, such as `red cube`) each share at least half with the true one (intersection over union). With --program the
boxes are those that `detect` tells, else transformers'. Asked is about targets that are cubes, boxes, balls or
cylinders of one colour, where no other thing of the picture has the same words.
"""

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from boxes import iou

from . import phrases, pictures

ENOUGH = 0.5
WANTED = 0.8


@dataclass
class Question:
    """A picture, the target's words, and both true boxes in its pixels."""

    path: Path
    robot: str
    task: str
    words: str
    fingertip: list[float]
    target: list[float]


def questions(rows: list[dict]) -> list[Question]:
    """Those pictures of a recording that can be asked about, robots and tasks in turns."""
    asked = []
    for row in rows:
        target = next((region for region in row["regions"] if region["target"]), None)
        tip = next(region for region in row["regions"] if region["shape"] == "fingertip")
        if target is None or target["colour"] is None or target["shape"] not in phrases.PRIMITIVES:
            continue
        phrase = phrases.thing(target["shape"], target["colour"])
        if any(phrase.means(region) for region in row["regions"] if region is not target):
            continue
        asked.append(Question(row["path"], row["robot"], row["task"], phrase.text, tip["box"], target["box"]))
    order = {id(question): i for i, question in enumerate(asked)}
    return sorted(asked, key=lambda question: (order[id(question)] * 7919) % len(asked))


def answers(model, processor, asked: list[Question]) -> list[tuple]:
    """The best box for each of both phrases, by transformers."""
    import torch
    from PIL import Image

    told = []
    with torch.inference_mode():
        for question in asked:
            image = Image.open(question.path).convert("RGB")
            words = [phrases.ASKED_FINGERTIP, question.words]
            inputs = processor(text=[words], images=image, return_tensors="pt")
            outputs = model(**inputs)
            best = outputs.logits[0].argmax(0)
            centre, size = outputs.pred_boxes[0, best].split(2, -1)
            boxes = torch.cat([centre - size / 2, centre + size / 2], -1) * max(image.size)
            told.append(tuple(box.tolist() for box in boxes))
    return told


def answers_of_program(program: str, model: Path, asked: list[Question]) -> list[tuple]:
    """The best box for each of both phrases, by `detect`; each is asked alone, for phrases compete for a patch."""
    told = []
    for question in asked:
        boxes = []
        for words in (phrases.ASKED_FINGERTIP, question.words):
            command = [program, "detect", str(question.path), "--model", str(model), "--words", words]
            output = subprocess.run([*command, "--threshold", "0", "--json"], check=True, capture_output=True)
            found = json.loads(output.stdout)["detections"]
            boxes.append(found[0]["box"] if found else [0.0] * 4)
        told.append(tuple(boxes))
    return told


def shares(asked: list[Question], told: list[tuple]) -> dict[str, float]:
    """The share of pictures in which fingertip, target and both are found."""
    tip = [iou(box, question.fingertip) >= ENOUGH for question, (box, _) in zip(asked, told, strict=True)]
    target = [iou(box, question.target) >= ENOUGH for question, (_, box) in zip(asked, told, strict=True)]
    both = [a and b for a, b in zip(tip, target, strict=True)]
    count = max(1, len(asked))
    return {
        "fingertip": round(sum(tip) / count, 4),
        "target": round(sum(target) / count, 4),
        "both": round(sum(both) / count, 4),
    }


def table(asked: list[Question], told: list[tuple]) -> list[dict]:
    """A row a robot and engine's task, and one for all."""
    rows = []
    for name in [*sorted({(q.robot, q.task) for q in asked}), None]:
        mine = [i for i, q in enumerate(asked) if name in (None, (q.robot, q.task))]
        found = shares([asked[i] for i in mine], [told[i] for i in mine])
        rows.append(
            {"robot": name[0] if name else "all", "task": name[1] if name else "", "pictures": len(mine), **found}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--program", help="the built program, whose boxes are judged then")
    parser.add_argument("--questions", type=int, help="only so many, of all robots and tasks")
    parser.add_argument("--json", type=Path, help="where the rows are written too")
    options = parser.parse_args()
    asked = questions(pictures.read(options.pictures))[: options.questions]
    if options.program:
        told = answers_of_program(options.program, options.model, asked)
    else:
        from . import checkpoint

        told = answers(*checkpoint.load(options.model), asked)
    rows = table(asked, told)
    for row in rows:
        name = f"{row['robot']} {row['task']}".strip()
        print(
            f"{name:28} {row['pictures']:4}  " + "  ".join(f"{k} {row[k]:.1%}" for k in ("fingertip", "target", "both"))
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"asked: both in {WANTED:.0%}")


if __name__ == "__main__":
    main()
