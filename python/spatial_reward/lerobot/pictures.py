"""The pictures of a dataset, episode by episode: of videos, which are decoded once from their beginning to their end,
and of columns, which hold encoded pictures, paths of files or bare numbers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._errors import error
from .dataset import Dataset, Episode, open_parquet
from .packages import needed

Picture = npt.NDArray[Any]

# A part of a video that is longer than this is leapt over, and not decoded, to get to an episode.
_LEAP_S = 20.0
# Rows of a column that are read together: encoded pictures are some 100 kB each.
_ROWS = 64


class Pictures(Protocol):
    """One feature's pictures."""

    def episode(self, episode: Episode) -> Iterator[Picture]:
        """All of an episode, in order; episodes that come in the order of their files are read once."""

    def close(self) -> None:
        """No more is read."""


def rgb(frame: Any) -> Picture:
    """A colour picture of a video, (height, width, 3) uint8."""
    picture: Picture = frame.to_ndarray(format="rgb24")
    return picture


def rgb_of_image(image: Any) -> Picture:
    """A colour picture of an image file."""
    return np.asarray(image.convert("RGB"))


class VideoPictures:
    """Of a feature that is a video."""

    def __init__(self, dataset: Dataset, key: str, picture: Callable[[Any], Picture] = rgb) -> None:
        self._av = needed("av", f"reading the video {key}")
        self._dataset, self._key, self._picture = dataset, key, picture
        self._path: Path | None = None
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._reached_s = 0.0

    def episode(self, episode: Episode) -> Iterator[Picture]:
        part = episode.videos[self._key]
        half_s = 0.5 / self._dataset.fps
        due = part.from_s + episode.timestamps
        self._turn_to(part.path, float(due[0]) - half_s)
        row = 0
        while row < episode.length:
            frame = self._next(episode, row, float(due[row]))
            time_s = float(frame.pts * frame.time_base)
            self._reached_s = time_s
            if time_s < due[row] - half_s:
                continue
            if time_s > due[row] + half_s:
                words = (
                    f"{self._where(part.path)} has no picture at {due[row]:.3f} s, where frame {row} of episode "
                    f"{episode.index} is; the next one is at {time_s:.3f} s"
                )
                raise error("video_gap", words, "fetch the dataset again", str(self._dataset.root / part.path))
            row += 1
            yield self._picture(frame)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self._path, self._frames = None, None, iter(())

    def _turn_to(self, path: Path, from_s: float) -> None:
        whole = self._dataset.root / path
        if path != self._path or from_s < self._reached_s:
            self.close()
            try:
                self._container = self._av.open(str(whole))
                stream = self._container.streams.video[0]
            except FileNotFoundError as cause:
                words = f"the video {whole} is missing: the dataset says that it is there"
                remedy = "fetch the whole dataset, with its videos"
                raise error("no_file", words, remedy, str(whole)) from cause
            except (OSError, ValueError, IndexError, self._av.FFmpegError) as cause:
                raise error("video", f"cannot read {whole}: {cause}", path=str(whole)) from cause
            stream.thread_type = "AUTO"
            self._path, self._reached_s = path, 0.0
            self._frames = self._container.decode(stream)
        if from_s - self._reached_s > _LEAP_S:
            stream = self._container.streams.video[0]
            self._container.seek(int(from_s / stream.time_base), stream=stream)
            self._frames = self._container.decode(stream)

    def _next(self, episode: Episode, row: int, due_s: float) -> Any:
        path = self._dataset.root / episode.videos[self._key].path
        try:
            return next(self._frames)
        except StopIteration:
            words = (
                f"{path} ends after {self._reached_s:.3f} s, and frame {row} of episode {episode.index} would be at "
                f"{due_s:.3f} s: the video is cut short"
            )
            raise error("episode_cut", words, "fetch the video again", str(path)) from None
        except (OSError, ValueError, self._av.FFmpegError) as cause:
            words = f"{path} does not decode at frame {row} of episode {episode.index}: {cause}"
            raise error("video", words, "fetch the video again", str(path)) from cause

    def _where(self, path: Path) -> Path:
        return self._dataset.root / path


class ColumnPictures:
    """Of a feature whose pictures are in the data files, or whose data files say where they are."""

    def __init__(self, dataset: Dataset, key: str, picture: Callable[[Any], Picture] | None = rgb_of_image) -> None:
        """Without a function of images the column holds numbers."""
        self._dataset, self._key, self._picture = dataset, key, picture
        self._path: Path | None = None
        self._rows: Iterator[Any] = iter(())
        self._row = 0

    def episode(self, episode: Episode) -> Iterator[Picture]:
        if episode.data_file != self._path or episode.first_row < self._row:
            self._path, self._row = episode.data_file, 0
            self._rows = self._read(episode.data_file)
        while self._row < episode.first_row:
            self._row += 1
            next(self._rows)
        for frame in range(episode.length):
            self._row += 1
            yield self._decoded(next(self._rows), episode, frame)

    def close(self) -> None:
        self._path, self._rows = None, iter(())

    def _read(self, path: Path) -> Iterator[Any]:
        file = open_parquet(self._dataset.root / path)
        if self._key not in file.schema_arrow.names:
            words = f"{self._dataset.root / path} has no column {self._key}, which {self._dataset.root} says it has"
            raise error("dataset", words, path=str(self._dataset.root / path))
        for batch in file.iter_batches(batch_size=_ROWS, columns=[self._key]):
            if self._picture is None:
                yield from numbers(batch.column(0))
            else:
                yield from batch.column(0).to_pylist()

    def _decoded(self, value: Any, episode: Episode, frame: int) -> Picture:
        if self._picture is None:
            return np.asarray(value)
        image = needed("PIL.Image", f"reading the images of {self._key}")
        where = f"{self._key} of frame {frame} in episode {episode.index}"
        try:
            if isinstance(value, dict) and value.get("bytes"):
                source: Any = io.BytesIO(value["bytes"])
            else:
                source = self._file(value, where)
            with image.open(source) as opened:
                return np.ascontiguousarray(self._picture(opened))
        except (OSError, ValueError, TypeError) as cause:
            raise error("picture", f"{where} does not decode: {cause}", path=str(self._dataset.root)) from cause

    def _file(self, value: Any, where: str) -> Path:
        path = value.get("path") if isinstance(value, dict) else value
        if not isinstance(path, str):
            raise error("picture", f"{where} is neither a picture nor the path of one", path=str(self._dataset.root))
        whole = self._dataset.root / path
        if not whole.is_file():
            raise error("no_file", f"{where} is in {whole}, which is missing", "fetch the whole dataset", str(whole))
        return whole


def numbers(column: Any) -> npt.NDArray[Any]:
    """A column of numbers, or of lists of lists of them, as one array whose first axis are the rows."""
    arrow = needed("pyarrow", "reading a LeRobot dataset")
    rows = len(column)
    lists = (arrow.types.is_list, arrow.types.is_large_list, arrow.types.is_fixed_size_list)
    shape: list[int] = []
    while True:
        if isinstance(column.type, arrow.BaseExtensionType):
            column = column.storage
        elif any(is_of_lists(column.type) for is_of_lists in lists):
            column = column.flatten()
        else:
            break
        shape.append(len(column))
    flat: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if not shape:
        return flat
    sizes = [length // max(before, 1) for before, length in zip([rows, *shape], shape, strict=False)]
    return flat.reshape(rows, *sizes) if flat.size == rows * int(np.prod(sizes)) else flat.reshape(rows, -1)
