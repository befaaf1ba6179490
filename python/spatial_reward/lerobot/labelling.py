"""Rewards for a LeRobot dataset: its frames are measured, and the rewards become columns of a copy, or a table beside
it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._errors import error
from . import output
from .advice import advice
from .choices import Intrinsics, check_sources, choices
from .dataset import Dataset, Episode, open_dataset
from .location import located
from .measuring import Measuring, Progress
from .output import Added
from .regions import Given
from .rewards import ALIGNMENTS, POLICIES, Measured, Rows, rows
from .sidecars import check_sidecars, write_sidecar

_DEFAULT_COLUMNS = {"reward": "next.reward", "done": "next.done", "success": "next.success"}
_DTYPES = {
    "reward": "float32",
    "done": "bool",
    "success": "bool",
    "truncated": "bool",
    "valid": "bool",
    "distance": "float32",
}


@dataclass(frozen=True)
class LabelledDataset:
    """What came of labelling a dataset. `invalid` counts the frames that could not be measured, by reason; where those
    are most, `advice` says what to look at."""

    folder: Path | None
    sidecars: list[Path]
    episodes: int
    steps: int
    valid: int
    invalid: dict[str, int]
    camera: str
    depth: str | None
    on_invalid: str
    advice: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        told = {**asdict(self), "folder": None if self.folder is None else str(self.folder)}
        return {**told, "sidecars": [str(path) for path in self.sidecars]}


def label_dataset(
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    camera: str | None = None,
    depth: str | None = None,
    intrinsics: Intrinsics | None = None,
    fingertip: Given | None = None,
    target: Given | None = None,
    regions: str | os.PathLike[str] | None = None,
    reward: Literal["dense", "sparse", "tanh", "exp", "progress", "shaped"] | None = None,
    distance: Literal["surface", "center", "cloud"] | None = None,
    estimator: str | None = None,
    config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    alignment: Literal["next_frame", "frame"] | None = None,
    on_invalid: Literal["hold", "zero", "nan"] | None = None,
    columns: str | Mapping[str, str | None] | None = None,
    replace_columns: bool = False,
    in_place: bool = False,
    sidecar: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    episodes: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> LabelledDataset:
    """Give a LeRobot dataset (v3.0) rewards: as columns of a copy, or in a table beside it.

    The copy's videos are hard links. All that it had is in it as it was; its statistics know the new columns.

    Args:
        dataset: its folder, or the ORG/NAME of a hub's, which is looked for in the user's cache first.
        out: the folder to make; None where only a sidecar is, or with `in_place`.
        camera: the feature of the pictures to measure in; needed where there are several.
        depth: the feature of their depth, registered to them; the one that is marked as depth is found.
        intrinsics: `(fx, fy, cx, cy)` in pixels, or a `Camera`; None where the configuration or the dataset says it.
        fingertip: a box `(x_min, y_min, x_max, y_max)` or `"X0,Y0,X1,Y1@SECONDS"` that is drawn in each episode and
            followed, or several; the name of a feature with a box, a keypoint, a position or a pose; or a mapping:
            `box`, `fixed` (a box that is not followed), `column` (with `as`, `elements`, `size_m`, `size_px`,
            `offset_m`, `camera_from_frame`) or `label` (what LeRobot's annotate calls it).
        target: as `fingertip`.
        regions: a YAML file with each episode's own drawn boxes.
        reward: as `Annotator`; shaped where nothing says another, for raw distances are no return to be summed.
        distance: as `Annotator`.
        estimator: as `Annotator`.
        config: as `Annotator`, with a section `lerobot` of what these arguments say.
        alignment: `next_frame`: row t has the reward of the frame that its action led to; `frame`: its own frame's.
        on_invalid: what stands where nothing was measured, and in the last row, whose next frame is not there.
            `hold`: the last valid reward; `zero`: that reward's base, without shaping; `nan`. None is zero for shaped
            rewards and hold for others.
        columns: the names of the columns, by `reward`, `done`, `success`, `truncated`, `valid` (the reward was
            measured, and is none of `on_invalid`) and `distance` (metres); the first three are `next.reward`,
            `next.done` and `next.success`; None leaves one out. A word alone is the name of the reward.
        replace_columns: whether columns may be replaced that the dataset has.
        in_place: put the result in the place of the dataset, whole or not at all.
        sidecar: Parquet files to write: `..._progress.parquet` for LeRobot's RA-BC, others as `lerobot.frame_signals`.
        episodes: which to label; all where a dataset is written.
        progress: called with the frames that are done and those that there are.

    Raises:
        Error: what the dataset or the output makes impossible; nothing is left then.
    """
    began = time.monotonic()
    source = open_dataset(located(dataset))
    paths = [Path(path) for path in ([sidecar] if isinstance(sidecar, str | os.PathLike) else sidecar or [])]
    names = _column_names(columns)
    _check_outputs(out, in_place, paths)
    writes = in_place or out is not None
    taken = _taken(source, episodes, writes)
    if writes:
        output.check_columns(source, list(names.values()), replace_columns)
        output.provenance(source.root)
    check_sidecars(paths)
    chosen = choices(
        source,
        config,
        camera=camera,
        depth=depth,
        intrinsics=intrinsics,
        fingertip=fingertip,
        target=target,
        regions=regions,
    )
    check_sources(chosen, source, [episode.index for episode in taken], regions)
    if reward is None and "kind" not in (chosen.annotator.get("reward") or {}):
        reward = "shaped"
    measuring = Measuring(source, chosen, reward, distance, estimator)
    kind = measuring.annotator.reward
    policy = on_invalid or ("zero" if kind == "shaped" else "hold")
    align = alignment or chosen.alignment()
    _check_words(align, policy, kind)
    said = {**measuring.said(), "alignment": align, "on_invalid": policy}
    measured: dict[int, Measured] = {}
    folder = None if out is None else Path(out)
    if writes:
        values: dict[int, Rows] = {}
        with output.staged(source, folder) as staging:
            for index, each in measuring.episodes(taken, progress):
                measured[index] = each
                values[index] = rows(each, align, policy, chosen.shaping(), index)
            told = {**said, "columns": names, "invalid": _invalid(measured)}
            output.write(source, staging, _added(values, names, told), told, in_place)
    else:
        measured.update(measuring.episodes(taken, progress))
    for path in paths:
        write_sidecar(path, measured, taken, said)
    invalid = _invalid(measured)
    steps = sum(len(each.valid) for each in measured.values())
    return LabelledDataset(
        folder=source.root if in_place else folder,
        sidecars=paths,
        episodes=len(taken),
        steps=steps,
        valid=steps - sum(invalid.values()),
        invalid=invalid,
        camera=chosen.camera,
        depth=chosen.depth,
        on_invalid=policy,
        advice=advice(steps, invalid),
        seconds=time.monotonic() - began,
    )


def _check_outputs(out: object, in_place: bool, sidecars: Sequence[Path]) -> None:
    if in_place and out is not None:
        raise error("output", "a folder to write is named, and in_place too", "give one of them")
    if not in_place and out is None and not sidecars:
        raise error("output", "nothing says what to write", "give out, in_place or sidecar")


def _column_names(given: str | Mapping[str, str | None] | None) -> dict[str, str]:
    said = {"reward": given} if isinstance(given, str) else dict(given or {})
    if unknown := set(said) - set(_DTYPES):
        words = f"columns has {min(unknown)}, and knows {', '.join(_DTYPES)}"
        raise error("column", words)
    names = {what: name for what, name in {**_DEFAULT_COLUMNS, **said}.items() if name is not None}
    if not names:
        raise error("column", "columns leaves out every column", "name one")
    return names


def _taken(dataset: Dataset, episodes: Sequence[int] | None, writes: bool) -> list[Episode]:
    if episodes is None:
        return dataset.episodes
    if writes:
        words = "a column has a value in every row, and some episodes alone were to be labelled"
        raise error("episodes", words, "write a sidecar alone, or leave out episodes")
    by_index = {episode.index: episode for episode in dataset.episodes}
    if missing := [index for index in episodes if index not in by_index]:
        words = (
            f"{dataset.root} has no episode {missing[0]}: its {len(by_index)} are {min(by_index)} to {max(by_index)}"
        )
        raise error("episodes", words, path=str(dataset.root))
    if not episodes:
        raise error("episodes", "no episode is to be labelled", "name one, or leave out episodes")
    return [by_index[index] for index in sorted(set(episodes))]


def _check_words(alignment: str, policy: str, kind: str) -> None:
    if alignment not in ALIGNMENTS:
        raise error("config", f"alignment is '{alignment}', but must be {' or '.join(ALIGNMENTS)}")
    if policy not in POLICIES:
        raise error("config", f"on_invalid is '{policy}', but must be {', '.join(POLICIES[:-1])} or {POLICIES[-1]}")
    if policy == "zero" and kind != "shaped":
        raise error("config", f"on_invalid is zero, and the reward {kind} has no shaping", "take hold")


# What of this the column says of itself: what it means, and nothing that differs from one dataset to the next.
_MEANING = ("reward", "distance", "alignment", "on_invalid")


def _added(values: Mapping[int, Rows], names: Mapping[str, str], told: dict[str, Any]) -> list[Added]:
    """The columns; the first says what it means."""
    said = {key: told[key] for key in _MEANING}
    added: list[Added] = []
    for what, name in names.items():
        column = {index: getattr(each, what).astype(np.dtype(_DTYPES[what])) for index, each in values.items()}
        added.append(Added(name, _DTYPES[what], column, None if added else {"spatial_reward": said}))
    return added


def _invalid(measured: Mapping[int, Measured]) -> dict[str, int]:
    return dict(Counter(reason for each in measured.values() for reason in each.reasons if reason is not None))
