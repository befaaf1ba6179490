"""A dataset with more columns: a copy beside the one that was read, or in its place. Either way it is there whole or
not at all.

Videos and images are hard links to those that there were, for LeRobot never writes into them; what it does write into
(`meta/`, and what lies beside it) is a file of its own. Each data file keeps its groups of rows, its compression and
all columns that it had.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import error
from .dataset import INFO, PROVENANCE, STATS, Dataset, episode_files, open_parquet
from .packages import needed
from .stats import Stats, of_all, of_rows, stored

_LOG = logging.getLogger("spatial_reward")

# What LeRobot replaces and never writes into.
_LINKED = {"videos", "images"}


@dataclass(frozen=True)
class Added:
    """A column: one number a row, of each episode; `info` goes into the feature's."""

    name: str
    dtype: str
    values: dict[int, npt.NDArray[Any]]
    info: dict[str, Any] | None = None


def check_columns(dataset: Dataset, names: Sequence[str], replace: bool) -> None:
    """The columns can be added.

    Raises:
        Error: a name that is none, or taken.
    """
    for name in names:
        if not name or "/" in name or name in {"timestamp", "frame_index", "episode_index", "index", "task_index"}:
            raise error("column", f"{name!r} is no name for a column that is added", "name another one")
        if names.count(name) > 1:
            raise error("column", f"the column {name} is named twice", "name another one")
        files = (open_parquet(dataset.root / path) for path in dataset.data_files)
        if not replace and (name in dataset.features or any(name in file.schema_arrow.names for file in files)):
            words = f"{dataset.root} has a column {name} already"
            remedy = "name another one (columns), or ask for it to be replaced (replace_columns)"
            raise error("column_exists", words, remedy, str(dataset.root))


@contextmanager
def staged(dataset: Dataset, out: Path | None) -> Iterator[Path]:
    """A new folder that becomes `out`, or takes the dataset's place where that is None, if nothing is raised.

    Raises:
        Error: it cannot be written, or would replace something.
    """
    final = dataset.root.resolve() if out is None else out
    if out is None:
        _check_in_place(dataset.root)
    else:
        _check_beside(dataset.root, out)
    folder = final.parent / f".{final.name}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True)
        yield folder
        if out is None:
            _exchange(folder, final)
        elif os.path.lexists(out):
            raise error("output_exists", f"{out} exists meanwhile", "name another folder to write", str(out))
        else:
            folder.rename(out)
        _sync(final.parent)
    except OSError as cause:
        words = f"cannot write {final}: {cause.strerror or cause}"
        remedy = "make room" if cause.errno == errno.ENOSPC else "name another folder to write"
        raise error("output", words, remedy, str(final)) from cause
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(dataset: Dataset, folder: Path, added: Sequence[Added], told: dict[str, Any], in_place: bool) -> None:
    """Write the dataset with the columns into a folder that is empty; `told` is how they came about."""
    files = episode_files(dataset.root)
    own = {INFO, STATS, PROVENANCE, *dataset.data_files, *(path.relative_to(dataset.root) for path in files)}
    _take_over(dataset.root, folder, own, in_place)
    keeps_whole = _keeps_whole(files)
    statistics = {
        column.name: {
            index: stored(of_rows(values.reshape(-1, 1)), keeps_whole) for index, values in column.values.items()
        }
        for column in added
    }
    for path in dataset.data_files:
        _write_data(dataset, path, folder, added)
    for path in files:
        _write_episodes(path, folder / path.relative_to(dataset.root), statistics)
    info = json.loads((dataset.root / INFO).read_text(encoding="utf-8"))
    for column in added:
        feature: dict[str, Any] = {"dtype": column.dtype, "shape": [1], "names": None}
        if column.info is not None:
            feature["info"] = column.info
        info["features"][column.name] = feature
    _write_json(folder / INFO, info)
    if (dataset.root / STATS).exists():
        stats = json.loads((dataset.root / STATS).read_text(encoding="utf-8"))
        for name, episodes in statistics.items():
            stats[name] = {key: value.tolist() for key, value in of_all(list(episodes.values())).items()}
        _write_json(folder / STATS, stats)
    # Not in the features' info: LeRobot merges datasets whose features are the same, and counts and places differ.
    before = provenance(dataset.root)
    _write_json(folder / PROVENANCE, {**before, "labelled": {**before.get("labelled", {}), added[0].name: told}})


def provenance(root: Path) -> dict[str, Any]:
    """What earlier labels and exports wrote of how the rewards came about.

    Raises:
        Error: something else is there.
    """
    path = root / PROVENANCE
    if not path.exists():
        return {}
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        whole = None
    if not isinstance(whole, dict) or not isinstance(whole.get("labelled", {}), dict):
        raise error("dataset", f"{path} is not what a label or an export writes there", "move it away", str(path))
    return whole


def _check_beside(root: Path, out: Path) -> None:
    if os.path.lexists(out):
        raise error("output_exists", f"{out} exists, and would be replaced", "name another folder to write", str(out))
    check_outside(root, out, "dataset")


def check_outside(root: Path, out: Path, what: str) -> None:
    """Whatever copies `root` or sends it to a hub would take along what is inside of it, the next label too."""
    if out.resolve().is_relative_to(root.resolve()):
        words = f"{out} is inside of the {what} {root}, and would become a part of it"
        raise error("output", words, "name a folder beside it", str(out))


def _check_in_place(root: Path) -> None:
    linked = [path for path in (root, root / "meta", root / INFO) if path.is_symlink()]
    if linked:
        words = f"{linked[0]} is a symbolic link, as in a hub's cache, which is not written into"
        raise error("output", words, "write a copy", str(root))
    for path in (root.resolve().parent, root, root / "meta", root / "data"):
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise error("output", f"{path} is read-only", "write a copy into another folder", str(path))


def _take_over(root: Path, folder: Path, own: set[Path], in_place: bool) -> None:
    """All other files of a dataset."""
    copied: OSError | None = None
    for parent, folders, files in os.walk(root, followlinks=True):
        relative = Path(parent).relative_to(root)
        _check_links(Path(parent), folders)
        # A link out of the dataset may lead to what is being written.
        folders[:] = [name for name in folders if not Path(parent, name).samefile(folder)]
        (folder / relative).mkdir(exist_ok=True)
        # As it was, but for a folder that is read-only: it is to be written into.
        (folder / relative).chmod(stat.S_IMODE(Path(parent).stat().st_mode) | stat.S_IRWXU)
        for name in files:
            if relative / name in own:
                continue
            before, after = Path(parent, name), folder / relative / name
            if in_place or (relative.parts and relative.parts[0] in _LINKED):
                try:
                    os.link(before.resolve(), after)
                except OSError as cause:
                    copied = cause
                else:
                    continue
            shutil.copy2(before, after)
    if copied is not None:
        _LOG.warning("the videos of %s are copied, for they cannot be hard linked: %s", root, copied.strerror or copied)


def _check_links(parent: Path, folders: list[str]) -> None:
    for path in (parent / name for name in folders):
        if path.is_symlink() and parent.resolve().is_relative_to(path.resolve()):
            words = f"{path} is a symbolic link that leads back to {path.resolve()}"
            raise error("dataset", words, "remove it", str(path))


def _write_data(dataset: Dataset, path: Path, folder: Path, added: Sequence[Added]) -> None:
    arrow, parquet = (
        needed("pyarrow", "writing a LeRobot dataset"),
        needed("pyarrow.parquet", "writing a LeRobot dataset"),
    )
    columns = {column.name: np.zeros(dataset.data_files[path], _numpy(column.dtype)) for column in added}
    for episode in dataset.episodes:
        if episode.data_file == path:
            rows = slice(episode.first_row, episode.first_row + episode.length)
            for column in added:
                columns[column.name][rows] = column.values[episode.index]
    file = open_parquet(dataset.root / path)
    kept = [name for name in file.schema_arrow.names if name not in columns]
    schema = arrow.schema([file.schema_arrow.field(name) for name in kept], file.schema_arrow.metadata)
    for name, values in columns.items():
        schema = schema.append(arrow.field(name, arrow.from_numpy_dtype(values.dtype)))
    schema = schema.with_metadata(_hub_metadata(schema.metadata, added))
    begin = 0
    with _writer(parquet, folder / path, schema, file) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=kept)
            rows = slice(begin, begin + len(table))
            begin += len(table)
            for name, values in columns.items():
                table = table.append_column(name, arrow.array(values[rows]))
            writer.write_table(table.cast(schema), row_group_size=max(len(table), 1))
    _sync(folder / path)


def _keeps_whole(files: Sequence[Path]) -> bool:
    """Whether the bounds of whole numbers are stored as such, as LeRobot did before 0.6, which has floats throughout.

    One dataset is written in one way, or LeRobot cannot merge it with others of its recorder.
    """
    arrow = needed("pyarrow", "writing a LeRobot dataset")
    schema = open_parquet(files[0]).schema_arrow
    place = schema.get_field_index("stats/frame_index/min")
    kind = schema.field(place).type if place >= 0 else None
    return kind is not None and arrow.types.is_list(kind) and bool(arrow.types.is_integer(kind.value_type))


def _write_episodes(before: Path, after: Path, statistics: dict[str, dict[int, Stats]]) -> None:
    arrow, parquet = (
        needed("pyarrow", "writing a LeRobot dataset"),
        needed("pyarrow.parquet", "writing a LeRobot dataset"),
    )
    file = open_parquet(before)
    stale = tuple(f"stats/{name}/" for name in statistics)
    kept = [name for name in file.schema_arrow.names if not name.startswith(stale)]
    metadata = {key: value for key, value in (file.schema_arrow.metadata or {}).items() if key != b"huggingface"}
    schema = arrow.schema([file.schema_arrow.field(name) for name in kept], metadata)
    fields = {
        f"stats/{name}/{key}": (name, key, arrow.list_(arrow.from_numpy_dtype(value.dtype)))
        for name, episodes in statistics.items()
        for key, value in next(iter(episodes.values())).items()
    }
    for field, (_, _, kind) in fields.items():
        schema = schema.append(arrow.field(field, kind))
    with _writer(parquet, after, schema, file) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=kept)
            indices = table["episode_index"].to_pylist()
            for field, (name, key, kind) in fields.items():
                values = [statistics[name][index][key].tolist() for index in indices]
                table = table.append_column(field, arrow.array(values, kind))
            writer.write_table(table.cast(schema), row_group_size=max(len(table), 1))
    _sync(after)


def _numpy(dtype: str) -> Any:
    return np.bool_ if dtype == "bool" else np.dtype(dtype)


def _writer(parquet: Any, path: Path, schema: Any, like: Any) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    compression = "snappy"
    if like.num_row_groups and like.metadata.num_columns:
        compression = like.metadata.row_group(0).column(0).compression.lower()
    return parquet.ParquetWriter(path, schema, compression={"uncompressed": "none"}.get(compression, compression))


def _hub_metadata(metadata: dict[bytes, bytes] | None, added: Sequence[Added]) -> dict[bytes, bytes] | None:
    """What the package `datasets` reads a file's types from."""
    if not metadata or b"huggingface" not in metadata:
        return metadata
    hub = json.loads(metadata[b"huggingface"])
    features = hub.setdefault("info", {}).setdefault("features", {})
    for column in added:
        features[column.name] = {"dtype": column.dtype, "_type": "Value"}
    return {**metadata, b"huggingface": json.dumps(hub).encode()}


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")
    _sync(path)


def _exchange(new: Path, old: Path) -> None:
    """Let two folders change places at once; where the system cannot, one after the other."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        at_here, exchange = -100, 2
        if libc.renameat2(at_here, os.fsencode(new), at_here, os.fsencode(old), exchange) == 0:
            return
        code = ctypes.get_errno()
        if code not in {errno.EINVAL, errno.ENOSYS}:
            raise OSError(code, os.strerror(code), str(old))
    aside = old.with_name(f".{old.name}.{os.getpid()}.before")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    aside.rename(new)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
