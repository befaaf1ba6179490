"""The pictures of a dataset: encoded beside the reading, in threads, to PNG in the tables or to video files.

A stream takes one array after the other and gives, at an episode's end, what belongs to it. Nothing of an episode is
kept in memory: encoded pictures, and the pixels that statistics are taken from, lie in files of a scratch folder.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spatial_reward.lerobot import _export_png as png, stats as statistics
from spatial_reward.lerobot.stats import Stats

COLOR_CODEC, COLOR_PIX_FMT = "libsvtav1", "yuv420p"
COLOR_OPTIONS = {"g": "2", "crf": "30", "preset": "12"}
DEPTH_CODEC, DEPTH_PIX_FMT = "hevc", "gray12le"
# Without frames that look ahead: with them a seek by time lands behind what it looks for, and readers find no frame.
DEPTH_X265 = "lossless=1:bframes=0"
DEPTH_OPTIONS = {"g": "2", "crf": "30", "x265-params": f"{DEPTH_X265}:log-level=error"}
IN_FLIGHT = 8
"""Arrays that wait for their encoder, for each thread; more would be memory without use."""


@dataclass(frozen=True)
class EpisodePictures:
    """What an episode's pictures come to."""

    stats: Stats
    encoded: "Encoded | Path"
    """Bytes for the table, or the episode's own video file."""


@dataclass(frozen=True)
class Encoded:
    """PNG files of an episode, one behind the other in a file."""

    path: Path
    offsets: npt.NDArray[np.int64]

    def bytes_of(self, first: int, last: int) -> bytes:
        """Those of the pictures from the first to before the last."""
        with self.path.open("rb") as file:
            file.seek(int(self.offsets[first]))
            return file.read(int(self.offsets[last] - self.offsets[first]))


class Stream(Protocol):
    """A camera's pictures on the way into a dataset."""

    feature: dict[str, Any]

    def add(self, picture: npt.NDArray[Any]) -> None:
        """The next picture of the episode. The array must not change any more."""

    def finish(self) -> EpisodePictures:
        """The episode is complete; the next picture begins another. What is returned holds until then."""

    def close(self) -> None:
        """Wait for what is still at work, and drop it."""


class _Samples:
    """Thinned pixels of an episode's pictures, in a file: which of them count is known at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("w+b")
        self.frames = 0
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)

    def add(self, pixels: npt.NDArray[Any]) -> None:
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.file.write(pixels.data)
        self.frames += 1

    def take(self) -> tuple[npt.NDArray[Any], int]:
        """The pixels of the sample and how many pictures they are of; the next episode begins."""
        self.file.flush()
        every = np.memmap(self.path, self.dtype, "r", shape=(self.frames, *self.shape))
        sample = np.array(every[statistics.sample_indices(self.frames)])
        del every
        self.file.seek(0)
        self.file.truncate()
        self.frames = 0
        return sample, len(sample)

    def close(self) -> None:
        self.file.close()


def _sampled(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(statistics.thinned(pixels))


def _color_png(color: npt.NDArray[np.uint8]) -> tuple[bytes, npt.NDArray[Any]]:
    return png.png_of_color(color), _sampled(color)


def _depth_png(depth: npt.NDArray[np.float32]) -> tuple[bytes, npt.NDArray[Any]]:
    whole = png.millimetres(depth)
    return png.png_of_depth(whole), _sampled(whole)


class PngStream:
    """Pictures in the tables, without loss. Depth is of 16 bits, in millimetres, 0 where nothing was measured."""

    def __init__(
        self, name: str, shape: tuple[int, int], *, depth: bool, scratch: Path, pool: ThreadPoolExecutor
    ) -> None:
        self.feature = _feature("image", shape, depth=depth)
        if depth:
            self.feature["info"] = {"is_depth_map": True, "depth_unit": "mm"}
        self._depth = depth
        self._pool = pool
        self._encode: Callable[[Any], tuple[bytes, npt.NDArray[Any]]] = _depth_png if depth else _color_png
        self._waiting: deque[Future[tuple[bytes, npt.NDArray[Any]]]] = deque()
        self._limit = IN_FLIGHT * (os.cpu_count() or 1)
        self._samples = _Samples(scratch / f"{name}.samples")
        # Two files by turns: that of the last episode is still read while the next one's grows.
        self._paths = (scratch / f"{name}.0.png", scratch / f"{name}.1.png")
        self._file = self._paths[0].open("wb")
        self._offsets = [0]

    def add(self, picture: npt.NDArray[Any]) -> None:
        self._waiting.append(self._pool.submit(self._encode, picture))
        while len(self._waiting) > self._limit:
            self._store()

    def _store(self) -> None:
        encoded, pixels = self._waiting.popleft().result()
        self._file.write(encoded)
        self._offsets.append(self._offsets[-1] + len(encoded))
        self._samples.add(pixels)

    def finish(self) -> EpisodePictures:
        while self._waiting:
            self._store()
        pixels, pictures = self._samples.take()
        stats = (statistics.of_depth if self._depth else statistics.of_pictures)(pixels, pictures)
        done = EpisodePictures(stats, Encoded(self._paths[0], np.array(self._offsets)))
        self._file.close()
        self._paths = self._paths[::-1]
        self._file = self._paths[0].open("wb")
        self._offsets = [0]
        return done

    def close(self) -> None:
        for waiting in self._waiting:
            waiting.cancel()
        self._file.close()
        self._samples.close()


def _feature(dtype: str, shape: tuple[int, int], *, depth: bool) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [*shape, 1 if depth else 3], "names": ["height", "width", "channels"]}


class VideoStream:
    """Pictures in a video of AV1, or depth in one of HEVC without loss, with LeRobot's settings; one thread encodes."""

    def __init__(self, name: str, shape: tuple[int, int], fps: int, *, depth: bool, scratch: Path) -> None:
        self.feature = _feature("video", shape, depth=depth)
        self.feature["info"] = _video_info(shape, fps, depth=depth)
        self._shape, self._fps, self._depth = shape, fps, depth
        self._path = scratch / f"{name}.mp4"
        self._samples = _Samples(scratch / f"{name}.samples")
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._container: Any = None
        self._video: Any = None

    def add(self, picture: npt.NDArray[Any]) -> None:
        self._waiting.append(self._thread.submit(self._encode, picture))
        while len(self._waiting) > IN_FLIGHT:
            self._waiting.popleft().result()

    def _encode(self, picture: npt.NDArray[Any]) -> None:
        import av

        if self._container is None:
            self._open()
        if self._depth:
            frame = av.VideoFrame.from_ndarray(png.depth_codes(picture), format=DEPTH_PIX_FMT)
            pixels = np.array(statistics.thinned(picture))
            self._samples.add(np.fmax(pixels, np.float32(0), out=pixels))  # of a NaN and 0 it is 0
        else:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            self._samples.add(_sampled(picture))
        self._container.mux(self._video.encode(frame))

    def _open(self) -> None:
        import av

        os.environ.setdefault("SVT_LOG", "1")  # the encoder greets on stderr otherwise
        self._container = av.open(str(self._path), "w", format="mp4")
        codec, options = (DEPTH_CODEC, DEPTH_OPTIONS) if self._depth else (COLOR_CODEC, COLOR_OPTIONS)
        self._video = self._container.add_stream(codec, self._fps, options=options)
        self._video.height, self._video.width = self._shape
        self._video.pix_fmt = DEPTH_PIX_FMT if self._depth else COLOR_PIX_FMT

    def _end(self) -> tuple[npt.NDArray[Any], int]:
        self._container.mux(self._video.encode())
        self._container.close()
        self._container = self._video = None
        return self._samples.take()

    def finish(self) -> EpisodePictures:
        while self._waiting:
            self._waiting.popleft().result()
        pixels, pictures = self._thread.submit(self._end).result()
        stats = (statistics.of_depth if self._depth else statistics.of_pictures)(pixels, pictures)
        return EpisodePictures(stats, self._path)

    def close(self) -> None:
        for waiting in self._waiting:
            waiting.cancel()
        self._thread.shutdown(wait=True)
        if self._container is not None:
            with suppress(Exception):  # an encoder that is not drained complains on stderr
                self._video.encode()
            self._container.close()
        self._samples.close()


def _video_info(shape: tuple[int, int], fps: int, *, depth: bool) -> dict[str, Any]:
    """What LeRobot says of a video: how it is stored and was encoded, and how to get depth back from it."""
    info: dict[str, Any] = {
        "video.height": shape[0],
        "video.width": shape[1],
        "video.codec": "hevc" if depth else "av1",
        "video.pix_fmt": DEPTH_PIX_FMT if depth else COLOR_PIX_FMT,
        "video.fps": fps,
        "video.channels": 1 if depth else 3,
        "has_audio": False,
        "video.g": 2,
        "video.crf": 30,
        "is_depth_map": depth,
    }
    if not depth:
        return info | {"video.preset": 12, "video.is_depth_map": False}
    return info | {
        "video.extra_options": {"x265-params": DEPTH_X265},
        "video.depth_min": png.DEPTH_MIN_M,
        "video.depth_max": png.DEPTH_MAX_M,
        "video.shift": png.DEPTH_SHIFT_M,
        "video.use_log": True,
        "depth_unit": "m",
    }
