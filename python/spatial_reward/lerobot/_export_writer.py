"""The files of a LeRobot dataset of v3.0: tables, videos, episodes, tasks, statistics.

An episode is written when it is complete. Files grow to LeRobot's sizes, and a new one begins by its rule: where the
next episode would not fit any more.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spatial_reward.lerobot import stats as statistics
from spatial_reward.lerobot._export_pictures import Encoded, EpisodePictures
from spatial_reward.lerobot._export_video import CHUNK_FILES, VIDEO_MB, VideoFile, next_file
from spatial_reward.lerobot.stats import Stats

DATA_MB = 100
_MB = 1024**2
_GROUP_BYTES = 64 * _MB
"""Of pictures in a row group: what is in memory at once."""
_EPISODES_PER_GROUP = 1000
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
INDEX_FEATURES = {
    name: {"dtype": dtype, "shape": [1], "names": None}
    for name, dtype in {
        "timestamp": "float32",
        "frame_index": "int64",
        "episode_index": "int64",
        "index": "int64",
        "task_index": "int64",
    }.items()
}


def _path(chunk: int, file: int, suffix: str) -> str:
    return _FILE.format(chunk_index=chunk, file_index=file) + suffix


class _Tables:
    """A row of Parquet files of one schema."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunk, self.file = 0, 0
        self._sink: BinaryIO | None = None
        self._writer: Any = None

    def size(self) -> int:
        """Bytes that the open file has."""
        return self._sink.tell() if self._sink else 0

    def begin_next(self) -> None:
        """What is written from here is in the next file."""
        self.close()
        self.chunk, self.file = next_file(self.chunk, self.file)

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            path = self.folder / _path(self.chunk, self.file, ".parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = path.open("wb")
            # Neither numbers that hardly repeat nor pictures gain from a dictionary, and pictures are compressed.
            pictures = [field.name for field in table.schema if pa.types.is_struct(field.type)]
            options: dict[str, Any] = {"compression": "snappy", "use_dictionary": False}
            if pictures:
                options["compression"] = dict.fromkeys(table.schema.names, "snappy")
                options["compression"] |= {f"{name}.bytes": "none" for name in pictures}
            self._writer = pq.ParquetWriter(self._sink, table.schema, **options)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._sink is not None:
            self._sink.close()
        self._writer = self._sink = None


class DatasetWriter:
    """Writes a dataset into an empty folder."""

    def __init__(self, folder: Path, fps: int, features: dict[str, dict[str, Any]], robot_type: str | None) -> None:
        self.folder, self.fps, self.robot_type = folder, fps, robot_type
        self.features = features | INDEX_FEATURES
        self.frames = 0
        self.episodes = 0
        self._tasks: dict[str, int] = {}
        self._data = _Tables(folder / "data")
        self._data_frames = 0
        self._meta = _Tables(folder / "meta" / "episodes")
        self._rows: list[dict[str, Any]] = []
        self._stats: dict[str, list[Stats]] = {name: [] for name in self.features}
        self._videos = {
            name: VideoFile(folder / "videos" / name)
            for name, feature in self.features.items()
            if feature["dtype"] == "video"
        }
        self._schema = _schema(self.features)

    def write(
        self, frames: int, columns: dict[str, npt.NDArray[Any]], pictures: dict[str, EpisodePictures], task: str
    ) -> None:
        """One episode: an array of (frames, k) for each feature that holds numbers, and its pictures."""
        order = np.arange(frames)
        columns = columns | {
            "timestamp": (order / self.fps).reshape(-1, 1),
            "frame_index": order.reshape(-1, 1),
            "episode_index": np.full((frames, 1), self.episodes),
            "index": (self.frames + order).reshape(-1, 1),
            "task_index": np.full((frames, 1), self._tasks.setdefault(task, len(self._tasks))),
        }
        stats = {
            name: statistics.stored(pictures[name].stats if name in pictures else statistics.of_rows(columns[name]))
            for name in self.features
        }
        row = {"episode_index": self.episodes, "tasks": [task], "length": frames}
        row |= self._write_data(columns, pictures, frames)
        for name, video in self._videos.items():
            encoded = pictures[name].encoded
            if isinstance(encoded, Path):
                row |= video.append(encoded, frames, self.fps)
        for name, of_feature in stats.items():
            self._stats[name].append(of_feature)
            row |= {f"stats/{name}/{key}": value.tolist() for key, value in of_feature.items()}
        self._rows.append(row)
        self.frames += frames
        self.episodes += 1
        if len(self._rows) == _EPISODES_PER_GROUP:
            self._write_episodes()

    def _write_data(
        self, columns: dict[str, npt.NDArray[Any]], pictures: dict[str, EpisodePictures], frames: int
    ) -> dict[str, Any]:
        size = self._data.size()
        if self._data_frames and size + size / self._data_frames * frames >= DATA_MB * _MB:
            self._data.begin_next()
            self._data_frames = 0
        in_table = {name: of.encoded for name, of in pictures.items() if isinstance(of.encoded, Encoded)}
        for first, last in _groups(in_table, frames):
            arrays = [
                _png_array(in_table[field.name], first, last)
                if field.name in in_table
                else _array(columns[field.name][first:last], field.type)
                for field in self._schema
            ]
            self._data.write(pa.Table.from_arrays(arrays, schema=self._schema))
        self._data_frames += frames
        return {
            "data/chunk_index": self._data.chunk,
            "data/file_index": self._data.file,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + frames,
        }

    def _write_episodes(self) -> None:
        if not self._rows:
            return
        if self._meta.size() >= DATA_MB * _MB:
            self._meta.begin_next()
        here = {"meta/episodes/chunk_index": self._meta.chunk, "meta/episodes/file_index": self._meta.file}
        self._meta.write(pa.Table.from_pylist([row | here for row in self._rows]))
        self._rows = []

    def close(self) -> None:
        """The dataset is complete."""
        self._write_episodes()
        self.abandon()
        stats = {name: statistics.of_all(episodes) for name, episodes in self._stats.items()}
        _write_json(
            self.folder / "meta" / "stats.json",
            {name: {key: value.tolist() for key, value in of.items()} for name, of in stats.items()},
        )
        _write_json(self.folder / "meta" / "info.json", self._info())
        pq.write_table(_tasks_table(self._tasks), self.folder / "meta" / "tasks.parquet")

    def abandon(self) -> None:
        """Close all files."""
        self._data.close()
        self._meta.close()
        for video in self._videos.values():
            video.close()

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": "v3.0",
            "robot_type": self.robot_type,
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "fps": self.fps,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": "data/" + _FILE + ".parquet",
            "video_path": "videos/{video_key}/" + _FILE + ".mp4" if self._videos else None,
            "features": self.features,
        }


def _groups(pictures: dict[str, Encoded], frames: int) -> list[tuple[int, int]]:
    """From which to which frame each row group goes."""
    total = sum(encoded.offsets[-1] for encoded in pictures.values())
    groups = min(frames, total // _GROUP_BYTES + 1)
    edges = [frames * group // groups for group in range(groups + 1)]
    return list(pairwise(edges))


def _png_array(encoded: Encoded, first: int, last: int) -> pa.Array:
    offsets = np.array(encoded.offsets[first : last + 1]) - encoded.offsets[first]
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(encoded.bytes_of(first, last))]
    pictures = pa.Array.from_buffers(pa.binary(), last - first, buffers)
    names = pa.array([f"frame-{frame:06d}.png" for frame in range(first, last)])
    return pa.StructArray.from_arrays([pictures, names], names=["bytes", "path"])


def _array(rows: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.FixedSizeListType):
        values = np.ascontiguousarray(rows).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(values, kind.value_type), kind.list_size)
    return pa.array(rows[:, 0], kind)


def _schema(features: dict[str, dict[str, Any]]) -> pa.Schema:
    """With the types as the library `datasets` names them, by which the Hub shows pictures as such."""
    fields: list[pa.Field] = []
    named: dict[str, dict[str, Any]] = {}
    for name, feature in features.items():
        width = feature["shape"][0]
        if feature["dtype"] == "video":
            continue
        if feature["dtype"] == "image":
            fields.append(pa.field(name, pa.struct({"bytes": pa.binary(), "path": pa.string()})))
            named[name] = {"_type": "Image"}
            continue
        kind = pa.bool_() if feature["dtype"] == "bool" else pa.type_for_alias(feature["dtype"])
        value: dict[str, Any] = {"dtype": feature["dtype"], "_type": "Value"}
        named[name] = value if width == 1 else {"feature": value, "length": width, "_type": "Sequence"}
        fields.append(pa.field(name, kind if width == 1 else pa.list_(kind, width)))
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": named}})})


def _tasks_table(tasks: dict[str, int]) -> pa.Table:
    """As pandas writes a frame whose index are the tasks: its reader finds them there."""
    index = "__index_level_0__"
    text: dict[str, Any] = {"pandas_type": "unicode", "numpy_type": "object"}
    pandas = {
        "index_columns": [index],
        "column_indexes": [{"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {
                "name": "task_index",
                "field_name": "task_index",
                "pandas_type": "int64",
                "numpy_type": "int64",
                "metadata": None,
            },
            {"name": None, "field_name": index, **text, "metadata": None},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    columns = {"task_index": pa.array(list(tasks.values()), pa.int64()), index: pa.array(list(tasks), pa.string())}
    return pa.table(columns).replace_schema_metadata({"pandas": json.dumps(pandas)})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")
