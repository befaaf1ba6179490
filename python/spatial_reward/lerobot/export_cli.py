"""`python -m spatial_reward export BAG... --lerobot OUT`: the command line of `spatial_reward.lerobot.export`."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spatial_reward import Error
from spatial_reward._errors import error

# What is finished, of recordings that were damaged: the program's own exit code.
DATA_LOSS = 3
# How an error's way out is said here.
_FLAGS = {
    "depth=None": "--depth none",
    "depth='image'": "--depth image",
    "reward=False": "--reward none",
    "reward='shaped'": "--reward shaped",
    "on_invalid='nan'": "--on-invalid nan",
    "another on_invalid": "another --on-invalid",
    "task='...'": "--task",
    "task_topic": "--task-topic",
    "video=False": "--images",
    "max_gap_s": "--max-gap",
    "give fps": "give --fps",
}
_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spatial-reward export",
        description="Write a LeRobot dataset (v3.0) from rosbags, with rewards.",
        epilog="Signals are TOPIC:FIELD[,FIELD...], such as /joint_states:position[0:7] or /pose:pose.position.",
    )
    add = parser.add_argument
    add(
        "bags", nargs="+", metavar="BAG", help="a recording; each is an episode, or several where the settings split it"
    )
    add("--lerobot", required=True, metavar="OUT", type=Path, help="the folder to make")
    add("--config", metavar="FILE", type=Path, help="settings, as all commands take them")
    add("--fps", type=int, help="rows a second (default: what the first recording's pictures have)")
    add("--image-key", default="observation.images.front", help="the feature of the pictures (default: %(default)s)")
    add(
        "--depth",
        choices=("video", "image", "none"),
        default="video",
        help="how depth is stored (default: %(default)s)",
    )
    add("--images", action="store_true", help="store pictures as PNG, without loss, and not as AV1")
    add("--state", action="append", default=[], metavar="SIGNAL", help="a part of observation.state; may be repeated")
    add("--action", action="append", default=[], metavar="SIGNAL", help="a part of action; may be repeated")
    add(
        "--signals",
        metavar="FILE",
        type=Path,
        help='JSON: {"state": [...], "action": [...]} with all that signals have',
    )
    add("--task", help="what is to be done, in words (default: what the recording's task topic says)")
    add("--task-topic", metavar="TOPIC", help="the topic that says it")
    add("--robot-type", help="told in the dataset's metadata")
    add(
        "--fingertip",
        metavar="TOPIC|BOX",
        type=_region,
        help="the topic of its boxes, or X0,Y0,X1,Y1 in the first picture",
    )
    add("--target", metavar="TOPIC|BOX", type=_region, help="as --fingertip")
    add("--reward", help="its kind, or none to write no rewards (default: reward.kind of the settings)")
    add("--distance", help="its kind: surface, center or cloud")
    add("--estimator", help="who measures")
    add(
        "--on-invalid",
        choices=("hold", "zero", "drop", "nan"),
        default="hold",
        help="what a row has whose reward could not be measured (default: %(default)s)",
    )
    add(
        "--alignment",
        choices=("next_frame", "frame"),
        default="next_frame",
        help="in which frame the reward of a row is measured (default: %(default)s, LeRobot's reading)",
    )
    add(
        "--max-gap",
        type=float,
        default=1.0,
        metavar="S",
        help="the longest pause in an episode (default: %(default)s s)",
    )
    return parser


def _region(text: str) -> str | tuple[float, ...]:
    parts = text.split(",")
    if len(parts) != 4:
        return text
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a topic nor X0,Y0,X1,Y1") from None


def _signal(text: str) -> dict[str, Any]:
    topic, colon, fields = text.partition(":")
    if not colon or not topic or not fields:
        raise error("signal", f"'{text}' is no signal", "give TOPIC:FIELD, such as /joint_states:position[0:7]")
    return {"topic": topic, "fields": _OUTSIDE_BRACKETS.split(fields)}


def _signals(given: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    written: dict[str, Any] = {}
    if given.signals is not None:
        try:
            written = json.loads(given.signals.read_text(encoding="utf-8"))
            unknown = set(written) - {"state", "action"}
            if unknown:
                raise ValueError(f"there is no '{min(unknown)}' in it, only state and action")
        except (OSError, ValueError, TypeError) as cause:
            raise error("signal", f"{given.signals} cannot be read: {cause}", None, str(given.signals)) from cause
    state, action = ([_signal(text) for text in texts] for texts in (given.state, given.action))
    return [*written.get("state", []), *state], [*written.get("action", []), *action]


def _progress() -> Callable[[float, float | None], None] | None:
    if not sys.stderr.isatty():
        return None
    last = [0.0]

    def tell(done: float, _total: float | None) -> None:
        now = time.monotonic()
        if now - last[0] >= 0.2:
            last[0] = now
            print(f"\r{done:.0f} frames", end="", file=sys.stderr, flush=True)

    return tell


def _way_out(raised: Error) -> str:
    remedy = raised.remedy or ""
    for words, flag in _FLAGS.items():
        remedy = remedy.replace(words, flag)
    return remedy and f": {remedy}"


def main(arguments: Sequence[str]) -> int:
    """Run the command with its arguments (those after `export`): the exit code, 3 where a recording was damaged."""
    from spatial_reward.lerobot.export import export

    given = _parser().parse_args(arguments)
    progress = _progress()
    try:
        state, action = _signals(given)
        done = export(
            given.bags,
            given.lerobot,
            fps=given.fps,
            image_key=given.image_key,
            depth=None if given.depth == "none" else given.depth,
            video=not given.images,
            state=state,
            action=action,
            task=given.task,
            task_topic=given.task_topic,
            robot_type=given.robot_type,
            config=given.config,
            fingertip=given.fingertip,
            target=given.target,
            reward=False if given.reward == "none" else given.reward,
            distance=given.distance,
            estimator=given.estimator,
            on_invalid=given.on_invalid,
            alignment=given.alignment,
            max_gap_s=given.max_gap,
            progress=progress,
        )
    except Error as raised:
        where = f"{raised.path}: " if raised.path and raised.path not in raised.message else ""
        print(f"error: {where}{raised.message}{_way_out(raised)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    if progress is not None:
        print("\r", end="", file=sys.stderr)
    print(f"{done.folder}: {done.episodes} episodes, {done.frames} frames at {done.fps} a second")
    if done.repeated or done.left_out:
        print(
            f"put at an even rate: {done.repeated} rows repeat the one before, {done.left_out} pictures are in no row"
        )
    if done.invalid:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(done.invalid.items()))
        print(f"rows without a measured reward ({given.on_invalid}): {reasons}")
    for bag, loss in done.loss.items():
        count = "an unknown number of" if loss["messages"] is None else loss["messages"]
        print(f"warning: {bag}: {count} messages could not be read, and the rest is exported", file=sys.stderr)
    return DATA_LOSS if done.loss else 0
