"""Paths on any file system: where a bag is, where its output goes, and how that appears there whole or not at all.

Object stores know no folders and cannot rename one, so a folder is whole there once its last file is: `metadata.yaml`,
without which no reader takes it for a bag. Until then a file in it says that the folder is unfinished and ours.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.fs as pafs

from spatial_reward._errors import error
from spatial_reward._native import Error

BAG_FILES = (".mcap.zstd", ".db3.zstd", ".mcap", ".db3")
LAST = "metadata.yaml"
UNFINISHED = ".spatial_reward_unfinished"

_LOCAL = pafs.LocalFileSystem()

State = Literal["absent", "unfinished", "finished", "foreign"]


@dataclass(frozen=True, slots=True)
class Place:
    """A path on a file system, and how its owner wrote it."""

    filesystem: Any
    path: str
    shown: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rsplit("/", 1)[-1]

    @property
    def local(self) -> Path | None:
        """Where it is on this machine; None on other file systems."""
        return Path(self.path) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def child(self, name: str) -> Place:
        """What is called so in this folder."""
        return Place(self.filesystem, f"{self.path.rstrip('/')}/{name}", f"{self.shown.rstrip('/')}/{name}")

    def entries(self) -> list[Any]:
        """What lies in this folder; nothing where it is none."""
        return list(self.filesystem.get_file_info(pafs.FileSelector(self.path, allow_not_found=True)))


def locate(path: str | os.PathLike[str], filesystem: Any = None) -> Place:
    """The place that a path or a URI means.

    Raises:
        Error: a scheme that neither pyarrow nor fsspec knows, or a store that cannot be reached.
    """
    text = os.fspath(path)
    if filesystem is not None:
        return Place(as_pyarrow(filesystem), text.rstrip("/") or text, text)
    if "://" not in text:
        return Place(_LOCAL, str(Path(text).expanduser().absolute()), text)
    if text.startswith("file:"):
        return Place(_LOCAL, pafs.FileSystem.from_uri(text)[1], text)
    # What is behind the bucket is a key, which may hold almost any letter; pyarrow's options are behind a `?`.
    shown, _, query = text.partition("?")
    scheme, _, rest = shown.partition("://")
    bucket, _, inside = rest.partition("/")
    try:
        found, base = _opened(f"{scheme}://{bucket}/" + (f"?{query}" if query else ""))
    except Error:
        raise
    except Exception as problem:
        raise error("storage", f"cannot open {text}: {problem}", path=text) from problem
    inside = inside.strip("/")
    return Place(found, f"{base.rstrip('/')}/{inside}" if inside else base, shown)


@lru_cache(maxsize=64)
def _opened(root: str) -> tuple[Any, str]:
    """The file system of a bucket, once for all paths in it: to find a bucket's region takes a request."""
    try:
        found, base = pafs.FileSystem.from_uri(root)
        return found, base
    except pa.ArrowInvalid as unknown:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise error("missing_package", str(unknown), "pip install fsspec, and what it needs for this") from unknown
        found, base = url_to_fs(root)
        return as_pyarrow(found), base


def as_pyarrow(filesystem: Any) -> Any:
    """A file system of pyarrow's or fsspec's, as one of pyarrow's."""
    if isinstance(filesystem, pafs.FileSystem):
        return filesystem
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))


def fetch(source: Place, folder: Path) -> Path:
    """A copy of a bag in a local folder, under its own name.

    Raises:
        Error: nothing there, or storage that fails; of kind `storage` where another attempt may help.
    """
    try:
        info = source.filesystem.get_file_info(source.path)
        if info.type == pafs.FileType.NotFound:
            raise error("not_found", f"{source.shown} does not exist", path=source.shown)
        target = folder / source.name
        if info.is_file:
            folder.mkdir(parents=True, exist_ok=True)
            _copy_here(source.filesystem, source.path, target, info.size)
            return target
        target.mkdir(parents=True)
        for entry in source.entries():
            if entry.is_file and (entry.base_name == LAST or entry.base_name.endswith(BAG_FILES)):
                _copy_here(source.filesystem, entry.path, target / entry.base_name, entry.size)
        return target
    except (OSError, pa.ArrowException) as problem:
        raise _storage_failed("fetch", source, problem) from problem


def fetch_files(source: Place, names: Iterable[str], folder: Path) -> None:
    """Copies of these files of a folder."""
    folder.mkdir(parents=True)
    try:
        for name in names:
            _copy_here(source.filesystem, source.child(name).path, folder / name, None)
    except (OSError, pa.ArrowException) as problem:
        raise _storage_failed("fetch", source, problem) from problem


def _copy_here(filesystem: Any, path: str, target: Path, size: int | None) -> None:
    with filesystem.open_input_stream(path) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    if size is not None and target.stat().st_size != size:
        raise OSError(f"{target.stat().st_size} of {size} bytes of {path} came")


def state(folder: Place) -> State:
    """What is there of an output: `foreign` is what this package did not write."""
    names = {entry.base_name for entry in folder.entries()}
    if not names:
        return "absent"
    if {LAST, table_of(folder.name)} <= names:
        return "finished"
    return "unfinished" if UNFINISHED in names else "foreign"


def table_of(name: str) -> str:
    """The table in the labelled bag of this name."""
    return f"{name}_reward.parquet"


def publish(folder: Path, target: Place) -> None:
    """Upload a finished folder. A reader sees no bag before all of it is there, whenever this is killed.

    Two that upload the same output at once do no harm: both write the same names with what the same bag and settings
    give, and nothing of the one is removed by the other.

    Raises:
        Error: of kind `storage`.
    """
    files = {file.name: file for file in sorted(folder.iterdir())}
    last = files.pop(LAST)
    store = target.filesystem
    try:
        store.create_dir(target.path, recursive=True)
        with store.open_output_stream(target.child(UNFINISHED).path) as stream:
            stream.write(b"being uploaded\n")
        for name, file in files.items():
            _copy_there(file, store, target.child(name).path)
        write_whole(target.child(LAST), last.read_bytes())
        # Of an upload that was killed before, with another set of files.
        kept = {*files, LAST}
        for entry in target.entries():
            left = entry.base_name not in kept and not entry.base_name.startswith(f".{LAST}.")
            if entry.is_file and left:
                store.delete_file(entry.path)
    except (OSError, pa.ArrowException) as problem:
        raise _storage_failed("write", target, problem) from problem


def _copy_there(file: Path, store: Any, path: str) -> None:
    with file.open("rb") as source, store.open_output_stream(path) as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
    # A stream that is closed after a failure leaves what came through as if it were all.
    there = store.get_file_info(path)
    if not there.is_file or there.size != file.stat().st_size:
        raise OSError(f"{there.size} of {file.stat().st_size} bytes of {path} are there")


def write_whole(target: Place, contents: bytes) -> None:
    """Write a file that is there with all its bytes or not at all."""
    store = target.filesystem
    beside = f"{target.path.rpartition('/')[0]}/.{target.name}.{secrets.token_hex(4)}"
    local = target.local
    try:
        with store.open_output_stream(beside) as stream:
            stream.write(contents)
        if local is not None:
            with open(beside, "rb") as file:  # noqa: PTH123 - a file's descriptor is what is synced
                os.fsync(file.fileno())
            Path(beside).replace(local)
        else:
            store.move(beside, target.path)
    except BaseException:
        _forget(store, beside)
        raise


def _forget(store: Any, path: str) -> None:
    try:
        store.delete_file(path)
    except (OSError, pa.ArrowException):
        return  # it was not there, or the storage that failed fails again


def _storage_failed(verb: str, place: Place, problem: BaseException) -> Exception:
    return error("storage", f"cannot {verb} {place.shown}: {problem}", path=place.shown)
