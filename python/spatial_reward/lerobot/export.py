"""Rosbags to a LeRobot dataset of v3.0: pictures, depth, state and action, the task, and rewards.

    from spatial_reward.lerobot.export import export

    export(
        ["run_1", "run_2"],
        "dataset",
        state=[{"topic": "/joint_states", "fields": ["position[0:7]"]}],
        action=[{"topic": "/command", "fields": ["data"]}],
    )

LeRobot itself is not needed. docs/lerobot_export.md has the whole of it.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spatial_reward import Error, Recording, __version__
from spatial_reward._errors import error
from spatial_reward.lerobot._export_grid import rate_of
from spatial_reward.lerobot._export_pictures import COLOR_CODEC, DEPTH_CODEC
from spatial_reward.lerobot._export_rewards import POLICIES, Alignment, OnInvalid
from spatial_reward.lerobot.dataset import PROVENANCE
from spatial_reward.lerobot.output import check_outside

if TYPE_CHECKING:
    from spatial_reward.lerobot._export_run import Run

AnyPath = str | os.PathLike[str]
Region = str | Sequence[float] | None
_PROBED = 32
_log = logging.getLogger("spatial_reward")


# What SVT-AV1 takes.
MOST_AV1_FPS = 240


@dataclass(frozen=True)
class Plan:
    """What to write, as it was asked for and checked."""

    fps: int
    image_key: str
    depth_key: str
    depth: Literal["video", "image"] | None
    video: bool
    state: Sequence[Any]
    action: Sequence[Any]
    task: str | None
    task_topic: str | None
    robot_type: str | None
    config: dict[str, Any] | AnyPath | None
    fingertip: Region
    target: Region
    reward: str | Literal[False] | None
    distance: str | None
    estimator: str | None
    on_invalid: OnInvalid
    alignment: Alignment
    max_gap_s: float


@dataclass(frozen=True)
class Exported:
    """What came of an export."""

    folder: Path
    """The dataset."""
    fps: int
    episodes: int
    frames: int
    repeated: int
    """Rows that hold the picture of the row before, because the recording had none nearer."""
    left_out: int
    """Pictures of the recordings that are in no row."""
    invalid: dict[str, int]
    """How many rows could not be measured, by the reason."""
    loss: dict[str, dict[str, Any]]
    """What of recordings could not be read, by their paths, as `Labelled.loss` has it; what was read is exported."""
    sources: list[dict[str, Any]] = field(repr=False)
    """Of each episode: from which recording, and what became of its frames; as in meta/spatial_reward.json."""


def export(
    bags: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    fps: int | None = None,
    image_key: str = "observation.images.front",
    depth: Literal["video", "image"] | None = "video",
    video: bool = True,
    state: Sequence[Mapping[str, Any]] = (),
    action: Sequence[Mapping[str, Any]] = (),
    task: str | None = None,
    task_topic: str | None = None,
    robot_type: str | None = None,
    config: dict[str, Any] | AnyPath | None = None,
    fingertip: Region = None,
    target: Region = None,
    reward: str | Literal[False] | None = None,
    distance: str | None = None,
    estimator: str | None = None,
    on_invalid: OnInvalid = "hold",
    alignment: Alignment = "next_frame",
    max_gap_s: float = 1.0,
    progress: Callable[[float, float | None], object] | None = None,
) -> Exported:
    """Write a LeRobot dataset from recordings, in a new folder that appears whole or not at all.

    Args:
        bags: recordings: folders or files. Each is an episode, or several where the settings split it.
        out: the folder to make.
        fps: rows a second, a whole number; by default what the first recording's pictures have (the median, rounded).
            Each row has the picture that was taken nearest to its time.
        image_key: the feature of the pictures; depth is beside it, with `_depth` at its end.
        depth: as LeRobot 0.6 codes it in a `video`, or as a 16-bit `image` in millimetres, which 0.4.4 reads too; None
            leaves it out.
        video: pictures as AV1; False stores them as PNG, without loss.
        state: what `observation.state` is made of, one mapping a topic: `topic`; `fields`, paths such as
            `position[0:7]`; and, where wanted, `names` of the numbers, `sample` (`nearest` or `previous` message),
            `max_age_s` (0.5), and `missing` (`error`, or `hold` the message that is nearest in time).
        action: what `action` is made of.
        task: in words; by default what the recording's task topic says.
        task_topic: that topic, where it is not the only text with task or prompt in its name.
        robot_type: told in meta/info.json.
        config: settings, as `Annotator` takes them.
        fingertip: the topic of its boxes, or a box in the first picture, as `Recording` takes it.
        target: as `fingertip`.
        reward: its kind; by default that of the settings. False writes no rewards.
        distance: its kind, as `Annotator` takes it.
        estimator: who measures.
        on_invalid: what a row has whose reward could not be measured: `hold` the last valid one; `zero` shaping (with
            `shaped`); `drop` leaves the row out; `nan`. It is named in the metadata, and such rows are marked in
            `reward.spatial.valid`.
        alignment: `next_frame`: the reward of a row is measured in the next row's frame, to which its action led;
            `frame`: in its own.
        max_gap_s: the longest pause between two pictures of an episode, in seconds.
        progress: called with the rows that are done, and None.

    Raises:
        Error: what the recordings or the output make impossible.
    """
    paths = [bags] if isinstance(bags, (str, os.PathLike)) else list(bags)
    if not paths:
        raise error("no_bags", "there is no recording to export", "give at least one bag")
    folder = Path(out)
    if folder.exists() or folder.is_symlink():
        raise error("output_exists", f"{folder} exists already", "give another folder, or remove this one", str(folder))
    for bag in paths:
        check_outside(Path(bag), folder, "recording")
    _check(depth=depth, image_key=image_key, on_invalid=on_invalid, alignment=alignment, fps=fps)
    wanted = ((video, COLOR_CODEC, "video=False"), (depth == "video", DEPTH_CODEC, "depth='image'"))
    _need_packages({encoder: instead for needed, encoder, instead in wanted if needed})
    from spatial_reward.lerobot._export_topics import Signal

    fps = fps or _measured_fps(paths[0], config)
    if video and fps > MOST_AV1_FPS:
        words = f"{fps} frames a second are more than AV1's encoder takes, which is {MOST_AV1_FPS}"
        raise error("argument", words, "fps=30 takes fewer of them, video=False stores pictures")
    plan = Plan(
        fps=fps,
        image_key=image_key,
        depth_key=f"{image_key}_depth",
        depth=depth,
        video=video,
        state=[Signal.parse(given) for given in state],
        action=[Signal.parse(given) for given in action],
        task=task,
        task_topic=task_topic,
        robot_type=robot_type,
        config=config,
        fingertip=fingertip,
        target=target,
        reward=reward,
        distance=distance,
        estimator=estimator,
        on_invalid=on_invalid,
        alignment=alignment,
        max_gap_s=max_gap_s,
    )
    partial = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    try:
        try:
            run = _carried(paths, plan, partial, progress, as_recorded=True)
        except Error as late:
            if late.kind != "recorded_late":
                raise
            # What was written may lack it; recordings of one recorder are late alike.
            _log.info("%s was recorded late: all recordings are read again, by their stamps", late.path)
            shutil.rmtree(partial)
            run = _carried(paths, plan, partial, progress, as_recorded=False)
        exported = _exported(folder, plan.fps, run)
        _write_provenance(partial, plan, exported, run.reward_kinds)
        _settle(partial, folder)
    except OSError as cause:
        raise error("output", f"{folder} cannot be written: {cause.strerror or cause}", None, str(folder)) from cause
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _tell(exported)
    return exported


def _check(*, depth: str | None, image_key: str, on_invalid: str, alignment: str, fps: int | None) -> None:
    for name, value, choices in (
        ("depth", depth, ("video", "image", None)),
        ("on_invalid", on_invalid, tuple(POLICIES)),
        ("alignment", alignment, ("next_frame", "frame")),
    ):
        if value not in choices:
            offered = ", ".join(str(choice) for choice in choices)
            raise error("argument", f"{name} is {value!r}, but must be one of {offered}")
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int) or fps < 1):
        raise error("argument", f"fps is {fps!r}, but LeRobot has whole frames a second, at least 1")
    if not image_key or "/" in image_key:
        raise error("argument", f"image_key is {image_key!r}, but names of features have no '/' and are not empty")


def _need_packages(encoders: dict[str, str]) -> None:
    """What is not there is said before anything is read. `encoders`: those that are needed, and what does without."""
    for name in ("pyarrow", "av") if encoders else ("pyarrow",):
        if find_spec(name) is None:
            remedy = "pip install spatial-reward[lerobot]"
            raise error("missing_package", f"a LeRobot dataset is written with {name}", remedy)
    for encoder, instead in encoders.items():
        import av

        try:
            av.Codec(encoder, "w")
        except ValueError:
            found = f"this build of PyAV cannot write {encoder}"
            raise error("missing_encoder", found, f"give {instead}, or install PyAV's own wheel") from None


def _measured_fps(bag: AnyPath, config: dict[str, Any] | AnyPath | None) -> int:
    rate = rate_of(Recording(bag, config=config).first_stamps_ns(_PROBED))
    if rate is None:
        raise error(
            "no_frames", "there are no two frames to take the rate from", "give fps, or another recording", str(bag)
        )
    return max(1, round(rate))


def _carried(
    paths: list[AnyPath],
    plan: Plan,
    partial: Path,
    progress: Callable[[float, float | None], object] | None,
    *,
    as_recorded: bool,
) -> "Run":
    """All recordings on their way into the folder, which is made."""
    from spatial_reward.lerobot._export_run import Run

    partial.mkdir(parents=True)
    with Run(plan, partial, progress, as_recorded=as_recorded) as run:
        for path in paths:
            run.add(path)
        run.finish()
    return run


def _exported(folder: Path, fps: int, run: "Run") -> Exported:
    sources = run.sources
    invalid: dict[str, int] = {}
    for source in sources:
        for reason, count in source["invalid"].items():
            invalid[reason] = invalid.get(reason, 0) + count
    return Exported(
        folder,
        fps,
        len(sources),
        sum(source["frames"] for source in sources),
        sum(source["repeated"] for source in sources),
        sum(source["left_out"] for source in sources),
        invalid,
        run.loss,
        sources,
    )


def _write_provenance(partial: Path, plan: Plan, exported: Exported, kinds: dict[str, str]) -> None:
    """Beside LeRobot's own metadata, which has no place for it: how rewards came about, and what became of frames."""
    content: dict[str, Any] = {
        "spatial_reward": __version__,
        "rewards": {
            **kinds,
            "alignment": plan.alignment,
            "on_invalid": plan.on_invalid,
            "on_invalid_means": POLICIES[plan.on_invalid],
            "invalid": exported.invalid,
        }
        if kinds
        else None,
        "fps": plan.fps,
        "repeated": exported.repeated,
        "left_out": exported.left_out,
        "loss": exported.loss,
        "episodes": exported.sources,
        "state": [_signal(signal) for signal in plan.state],
        "action": [_signal(signal) for signal in plan.action],
    }
    path = partial / PROVENANCE
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")


def _signal(signal: Any) -> dict[str, Any]:
    return asdict(signal) | {"fields": [path.path for path in signal.fields]}


def _settle(partial: Path, folder: Path) -> None:
    """What was written is on the disk before it appears."""
    for path in [*partial.rglob("*"), partial]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    partial.rename(folder)
    with suppress(OSError):  # not every file system has folders to flush
        descriptor = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tell(exported: Exported) -> None:
    if exported.repeated or exported.left_out:
        _log.warning(
            "%s: pictures were put at %d a second: %d rows repeat the one before, %d pictures are in no row",
            exported.folder,
            exported.fps,
            exported.repeated,
            exported.left_out,
        )
    held = {reason: count for reason, count in exported.invalid.items() if count}
    if held:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(held.items()))
        _log.info("%s: rows without a measured reward: %s", exported.folder, reasons)
