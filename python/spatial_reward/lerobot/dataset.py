"""A LeRobot dataset of version 3 as it lies on the disk: which episodes it has, and in which rows of which file, and
from where in which video, each of them is.

Whatever is missing or contradicts itself is told before anything is measured.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .packages import needed

INFO = Path("meta") / "info.json"
STATS = Path("meta") / "stats.json"
EPISODES = Path("meta") / "episodes"
# How the rewards came about: a file of this package.
PROVENANCE = Path("meta") / "spatial_reward.json"

Feature = dict[str, Any]


@dataclass(frozen=True)
class VideoPart:
    """Where an episode is in a video."""

    path: Path
    from_s: float


@dataclass(frozen=True)
class Episode:
    """An episode's rows: `length` of them, from `first_row` on, in its data file; `timestamps` are seconds in it."""

    index: int
    length: int
    data_file: Path
    first_row: int
    from_index: int
    timestamps: npt.NDArray[np.float64]
    videos: dict[str, VideoPart]


@dataclass(frozen=True)
class Dataset:
    """All paths are of files in `root`."""

    root: Path
    info: dict[str, Any]
    features: dict[str, Feature]
    episodes: list[Episode]
    data_files: dict[Path, int]
    """How many rows each has."""

    @property
    def fps(self) -> float:
        return float(self.info["fps"])

    @property
    def frames(self) -> int:
        return sum(episode.length for episode in self.episodes)

    def pictures(self) -> list[str]:
        """The features that are pictures, depth aside."""
        return [
            key
            for key, feature in self.features.items()
            if feature.get("dtype") in {"video", "image"} and not is_depth(feature)
        ]

    def depths(self) -> list[str]:
        """The features that say of themselves that they are depth."""
        return [key for key, feature in self.features.items() if is_depth(feature)]


def details(feature: Feature) -> dict[str, Any]:
    """What a feature says of its pictures."""
    both = [feature.get("video_info"), feature.get("info")]
    return {name: value for info in both if isinstance(info, dict) for name, value in info.items()}


def is_depth(feature: Feature) -> bool:
    """Whether it is marked as depth, as LeRobot 0.6 does it, or in the older place."""
    said = details(feature)
    return bool(said.get("is_depth_map") or said.get("video.is_depth_map"))


def open_dataset(root: Path) -> Dataset:
    """Read all of a dataset that is not pictures.

    Raises:
        Error: it is none, or of another version, or not whole.
    """
    info = read_info(root)
    features = info.get("features")
    if not isinstance(features, dict) or not all(isinstance(feature, dict) for feature in features.values()):
        raise error("dataset", f"{root / INFO} has no features", path=str(root / INFO))
    if not isinstance(info.get("fps"), int | float) or not info["fps"] > 0:
        raise error("dataset", f"{root / INFO} has no fps", path=str(root / INFO))
    rows = _episode_rows(root)
    videos = [key for key, feature in features.items() if feature.get("dtype") == "video"]
    data_files: dict[Path, dict[str, npt.NDArray[Any]]] = {}
    episodes = []
    for row in rows:
        try:
            relative = _relative(info, "data_path", row["data/chunk_index"], row["data/file_index"])
            parts = {key: _video_part(info, row, key) for key in videos}
            index, length = int(row["episode_index"]), int(row["length"])
        except (LookupError, AttributeError, TypeError, ValueError) as cause:
            words = f"{root / EPISODES} does not say where an episode is ({cause!r})"
            raise error("dataset", words, path=str(root / EPISODES)) from cause
        if relative not in data_files:
            data_files[relative] = _index_columns(root / relative)
        columns = data_files[relative]
        its = _rows_of(root / relative, columns, index, length)
        first, timestamps = int(its[0]), columns["timestamp"][its].astype(np.float64)
        episodes.append(Episode(index, length, relative, first, int(columns["index"][first]), timestamps, parts))
    if not episodes:
        raise error("dataset", f"{root} has no episodes", path=str(root))
    episodes.sort(key=lambda episode: episode.index)
    counts = {path: len(columns["episode_index"]) for path, columns in data_files.items()}
    dataset = Dataset(root, info, features, episodes, counts)
    if sum(counts.values()) != dataset.frames:
        words = f"{root} has {sum(counts.values())} rows, and its episodes {dataset.frames} frames"
        raise error("dataset", words, "mend the dataset first", str(root))
    return dataset


def read_info(root: Path) -> dict[str, Any]:
    """What a dataset says of itself, if it is of a version that is read."""
    path = root / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise error("no_dataset", f"{root} is no LeRobot dataset: it has no {INFO}", path=str(root)) from cause
    except (OSError, ValueError) as cause:
        raise error("dataset", f"cannot read {path}: {cause}", path=str(path)) from cause
    version = str(info.get("codebase_version", "")) if isinstance(info, dict) else ""
    known = re.fullmatch(r"v?(\d+)(\.\d+)*", version)
    if known is None or known[1] != "3":
        words = f"{root} is a LeRobot dataset of version {version or 'unknown'}, and v3.0 is read"
        remedy = None
        if known is not None and int(known[1]) < 3:
            remedy = (
                "convert a copy with LeRobot: `python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 "
                f"--repo-id=ORG/NAME --root={root} --push-to-hub=false` (in LeRobot 0.5 and later the module is "
                "lerobot.scripts.convert_dataset_v21_to_v30)"
            )
        raise error("dataset_version", words, remedy, str(root))
    if info.get("storage_format") == "lance":
        words = f"{root} keeps its frames in the storage format lance, and Parquet and MP4 are read"
        raise error("dataset_version", words, "write it anew in LeRobot's default format", str(root))
    return dict(info)


def open_parquet(path: Path) -> Any:
    """A Parquet file.

    Raises:
        Error: it is missing, or none.
    """
    parquet = needed("pyarrow.parquet", "reading a LeRobot dataset")
    try:
        return parquet.ParquetFile(path)
    except FileNotFoundError as cause:
        words = f"{path} is missing: the dataset says that it is there"
        raise error("no_file", words, "fetch the whole dataset", str(path)) from cause
    except Exception as cause:  # pyarrow has many; each means that the file is none
        raise error("dataset", f"cannot read {path}: {cause}", path=str(path)) from cause


def episode_files(root: Path) -> list[Path]:
    """The tables of episodes, in order."""
    return sorted((root / EPISODES).glob("*/*.parquet"))


def _episode_rows(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in episode_files(root):
        file = open_parquet(path)
        wanted = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
        rows += file.read(columns=wanted).to_pylist()
    if not rows:
        words = f"{root} has no episodes: {root / EPISODES} has no rows"
        raise error("dataset", words, "fetch the whole dataset", str(root / EPISODES))
    return rows


def _video_part(info: dict[str, Any], row: dict[str, Any], key: str) -> VideoPart:
    chunk, file = row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"]
    path = _relative(info, "video_path", chunk, file, key)
    return VideoPart(path, float(row[f"videos/{key}/from_timestamp"]))


def _relative(info: dict[str, Any], name: str, chunk: int, file: int, key: str = "") -> Path:
    path = Path(str(info[name]).format(chunk_index=int(chunk), file_index=int(file), video_key=key))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name} leads out of the dataset: {path}")
    return path


def _index_columns(path: Path) -> dict[str, npt.NDArray[Any]]:
    file = open_parquet(path)
    names = ["episode_index", "frame_index", "index", "timestamp"]
    missing = [name for name in names if name not in file.schema_arrow.names]
    if missing:
        raise error("dataset", f"{path} has no column {', '.join(missing)}", path=str(path))
    table = file.read(columns=names)
    return {name: table[name].to_numpy() for name in names}


def _rows_of(path: Path, columns: dict[str, npt.NDArray[Any]], index: int, length: int) -> npt.NDArray[np.intp]:
    rows = np.flatnonzero(columns["episode_index"] == index)
    if len(rows) != length:
        words = f"episode {index} is cut short: {len(rows)} of its {length} rows are in {path}"
        remedy = "fetch the dataset again, or take the episode out with LeRobot's lerobot-edit-dataset"
        raise error("episode_cut", words, remedy, str(path))
    in_order = np.arange(length)
    first = int(rows[0]) if length else 0
    if not (
        length
        and np.array_equal(rows, first + in_order)
        and np.array_equal(columns["frame_index"][rows], in_order)
        and np.array_equal(columns["index"][rows], columns["index"][first] + in_order)
    ):
        words = f"the rows of episode {index} in {path} are not in order"
        raise error("dataset", words, "write the dataset anew with LeRobot", str(path))
    return rows
