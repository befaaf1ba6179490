"""Tables beside a dataset, which leave it as it is: progress as LeRobot's RA-BC weights read it, and
`lerobot.frame_signals`.

A file called `..._progress.parquet` is the former: `index`, `episode_index`, `frame_index` and `progress_sparse`, the
share of the episode's first distance that is overcome; rows of NaN are skipped there. Every other one is a table of
signals, each with its description, direction, unit and bounds in the schema's metadata. Its form is still in review at
LeRobot: both names that its metadata has had (`lerobot.reward_scoring` and `lerobot.scores`) are written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .dataset import Episode
from .packages import needed
from .rewards import Measured

_PROGRESS = "_progress.parquet"

# Name, description, direction, unit and bounds.
_SIGNALS: tuple[tuple[str, str, str, str | None, tuple[float, float] | None], ...] = (
    ("confidence", "How sure the measurement is, 0 where there is none.", "higher", None, (0.0, 1.0)),
    ("distance_m", "Measured distance between the fingertip and the target.", "lower", "m", None),
    ("distance_std_m", "One standard deviation of distance_m, where it is known.", "lower", "m", None),
    ("progress", "Share of the episode's first distance that is overcome.", "higher", None, (0.0, 1.0)),
    ("reward", "Reward of the frame itself; that of the action that led to it.", "higher", None, None),
    ("success", "The task is solved in this frame.", "higher", None, None),
)


def check_sidecars(paths: Sequence[Path]) -> None:
    """They can be written.

    Raises:
        Error: one exists, or is no Parquet file.
    """
    for path in paths:
        if path.suffix != ".parquet":
            raise error(
                "output", f"the sidecar {path} is to be a Parquet file", "let its name end with .parquet", str(path)
            )
        if os.path.lexists(path):
            raise error("output_exists", f"{path} exists, and would be replaced", "name another file", str(path))


def write_sidecar(
    path: Path, measured: Mapping[int, Measured], episodes: Sequence[Episode], said: dict[str, Any]
) -> None:
    """Write one, whole or not at all.

    Args:
        measured: by episode.
        said: how it was measured.
    """
    arrow, parquet = needed("pyarrow", "writing a sidecar"), needed("pyarrow.parquet", "writing a sidecar")
    is_progress = path.name.endswith(_PROGRESS) or path.name == _PROGRESS[1:]
    tables = [_columns(episode, measured[episode.index], is_progress) for episode in episodes]
    metadata = None if is_progress else _metadata([episode.index for episode in episodes], said)
    if is_progress:
        # Where LeRobot's own scripts say which model it was.
        metadata = {b"reward_model_path": b"spatial_reward", b"spatial_reward": _json(said)}
    schema = arrow.table(tables[0]).schema.with_metadata(metadata)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with parquet.ParquetWriter(partial, schema) as writer:
            for table in tables:
                writer.write_table(arrow.table(table).cast(schema))
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    except OSError as cause:
        words = f"cannot write {path}: {cause.strerror or cause}"
        raise error("output", words, "name another file", str(path)) from cause
    finally:
        partial.unlink(missing_ok=True)


def _columns(episode: Episode, measured: Measured, is_progress: bool) -> dict[str, npt.NDArray[Any]]:
    frames = np.arange(episode.length, dtype=np.int64)
    columns: dict[str, npt.NDArray[Any]] = {
        "index": episode.from_index + frames,
        "episode_index": np.full(episode.length, episode.index, np.int64),
        "frame_index": frames,
    }
    progress = measured.progress().astype(np.float32)
    if is_progress:
        return {**columns, "progress_sparse": progress}
    return {
        **columns,
        "confidence": measured.confidence.astype(np.float32),
        "distance_m": measured.distance_m.astype(np.float32),
        "distance_std_m": measured.distance_std_m.astype(np.float32),
        "progress": progress,
        "reward": measured.reward.astype(np.float32),
        "success": measured.success,
    }


def _metadata(episodes: list[int], said: dict[str, Any]) -> dict[bytes, bytes]:
    described = {
        name: {"description": words, "direction": direction, "unit": unit, "bounds": bounds}
        for name, words, direction, unit, bounds in _SIGNALS
    }
    common = {"format": b"lerobot.frame_signals", "schema_version": b"1", "provenance": _json({"scoring": said})}
    scope = {"comparison_scope": "dataset", "missing_values": "nan"}
    first = {
        **common,
        "descriptors": _json({name: {**each, **scope} for name, each in described.items()}),
        "episode_indices": _json(episodes),
    }
    second = {**common, "descriptors": _json({name: {**each, "allow_nan": True} for name, each in described.items()})}
    return {
        **{f"lerobot.reward_scoring.{name}".encode(): value for name, value in first.items()},
        **{f"lerobot.scores.{name}".encode(): value for name, value in second.items()},
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
