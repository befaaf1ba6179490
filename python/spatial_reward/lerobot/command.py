"""`spatial-reward label DATASET`: the command line of `label_dataset`. Bags go to the program, which knows nothing of
datasets."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence

from .._native import Error
from .location import is_dataset

_EPILOG = """\
A LeRobot dataset is a folder with meta/info.json, hf://datasets/ORG/NAME, or the ORG/NAME of one that LeRobot has on
this machine. Everything else that `label` is given is a bag: see `spatial-reward label --help`.

Exit codes: 0 fine, 1 error, 2 usage, 130 interrupted.
"""


def is_about_a_dataset(arguments: Sequence[str]) -> bool:
    """Whether one of what follows `label` is a dataset, and no option's value."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return any(is_dataset(each) for before, each in pairs if before not in {"-o", "--output"} and each[:1] != "-")


def main(arguments: Sequence[str]) -> int:
    """Label a dataset; the exit code."""
    given = _parser().parse_args(arguments)
    if not (given.output or given.in_place or given.sidecar):
        _parser().error("say what to write: -o OUT, --in-place or --sidecar FILE")
    from .labelling import label_dataset

    # What is unfinished is removed, whoever ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns: dict[str, str | None] = {}
    for column in given.column or []:
        what, _, name = column.partition("=")
        columns[what] = name or None
    try:
        labelled = label_dataset(
            given.dataset,
            given.output,
            camera=given.camera,
            depth=given.depth,
            intrinsics=given.intrinsics,
            fingertip=_region(given.fingertip_box, given.fingertip_column, given.fingertip_label),
            target=_region(given.target_box, given.target_column, given.target_label),
            regions=given.regions,
            reward=given.reward,
            distance=given.distance,
            estimator=given.estimator,
            config=given.config,
            alignment=given.alignment,
            on_invalid=given.on_invalid,
            columns=columns or None,
            replace_columns=given.replace_columns,
            in_place=given.in_place,
            sidecar=given.sidecar,
            episodes=given.episodes,
            progress=_bar if sys.stderr.isatty() else None,
        )
    except Error as cause:
        print(f"error: {cause}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing is written", file=sys.stderr)
        return 130
    if given.json:
        print(json.dumps(labelled.to_dict()))
        return 0
    wrote = [*([labelled.folder] if labelled.folder else []), *labelled.sidecars]
    print(
        f"{', '.join(map(str, wrote))}: {labelled.steps} steps in {labelled.episodes} episodes, {labelled.valid} valid"
    )
    for reason, count in sorted(labelled.invalid.items(), key=lambda item: -item[1]):
        print(f"  {reason}: {count}")
    if labelled.advice:
        print(f"  {labelled.advice}")
    if labelled.invalid and labelled.folder:
        print(f"  rows without a reward of their own: {labelled.on_invalid}")
    return 0


def _region(boxes: list[str] | None, column: str | None, label: list[str] | None) -> str | dict[str, object] | None:
    if boxes:
        return {"box": boxes}
    if column:
        return {"column": column}
    return {"label": label} if label else None


def _bar(done: float, total: float | None) -> None:
    if total and (done == total or done % 25 == 0):
        print(f"\r{done:.0f} of {total:.0f} frames", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _intrinsics(text: str) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in text.split(","))
    if len(numbers) != 4:
        raise ValueError(text)
    return numbers


def _episodes(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spatial-reward label",
        description="Give a LeRobot dataset (v3.0) rewards: in a copy with hard-linked videos, or in a table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("dataset", metavar="DATASET", help="its folder, or ORG/NAME")
    add("-o", "--output", metavar="OUT", help="the folder to make")
    add("--in-place", action="store_true", help="put the result in the place of DATASET, whole or not at all")
    add("--sidecar", action="append", metavar="FILE", help="..._progress.parquet for RA-BC, else lerobot.frame_signals")
    add("--camera", metavar="KEY", help="the feature to measure in, such as observation.images.front")
    add("--depth", metavar="KEY", help="the feature of its depth; the one that is marked as depth is found")
    add("--intrinsics", type=_intrinsics, metavar="FX,FY,CX,CY", help="of the camera, in pixels of its pictures")
    for role in ("fingertip", "target"):
        group = parser.add_mutually_exclusive_group()
        what = f"a box around the {role}, drawn in each episode and followed; may be given several times"
        group.add_argument(f"--{role}-box", action="append", metavar="X0,Y0,X1,Y1[@SECONDS]", help=what)
        group.add_argument(f"--{role}-column", metavar="KEY", help=f"the feature that says where the {role} is")
        group.add_argument(f"--{role}-label", action="append", metavar="WORDS", help="what lerobot-annotate calls it")
    add("--regions", metavar="FILE", help="YAML with each episode's own drawn boxes")
    add("--reward", metavar="KIND", help="dense, sparse, tanh, exp, progress or shaped (default)")
    add("--distance", metavar="KIND", help="surface, center or cloud")
    add("--estimator", metavar="NAME", help="geometry, or another one of this build")
    add("--config", metavar="FILE", help="settings; the section lerobot has those of these options")
    add("--alignment", metavar="WORD", help="next_frame (default): row t has what its action led to; frame: its own")
    add("--on-invalid", metavar="WORD", help="hold, zero (default of shaped) or nan")
    add("--column", action="append", metavar="WHAT=NAME", help="reward, done, success, truncated, valid or distance")
    add("--replace-columns", action="store_true", help="replace columns that DATASET has")
    add("--episodes", type=_episodes, metavar="N,N,...", help="of a sidecar")
    add("--json", action="store_true", help="print what came of it as JSON")
    return parser
