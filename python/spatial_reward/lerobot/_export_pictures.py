"""The pictures of a dataset: encoded beside the reading, in threads, to PNG in the tables or to video files.

A stream takes one frame after the other and gives, at an episode's end, what belongs to it. A bounded part of an
episode's pictures is kept in memory; the others, and what statistics are taken from, lie in files of a scratch folder.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from spatial_reward import Frame
from spatial_reward.lerobot import _export_codes as codes, stats as statistics
from spatial_reward.lerobot.stats import Stats

COLOR_CODEC, COLOR_PIX_FMT = "libsvtav1", "yuv420p"
COLOR_OPTIONS = {"g": "2", "crf": "30", "preset": "12"}
DEPTH_CODEC, DEPTH_PIX_FMT = "hevc", "gray12le"
# Without frames that look ahead: with them a seek by time lands behind what it looks for, and readers find no frame.
DEPTH_X265 = "lossless=1:bframes=0"
DEPTH_OPTIONS = {"g": "2", "crf": "30", "x265-params": f"{DEPTH_X265}:log-level=error"}
IN_FLIGHT = 8
"""Frames that wait for their encoder, for each thread; more would be memory without use."""
HELD_BYTES = 32 * 1024**2
"""Of an episode's PNG files that stay in memory."""


@dataclass(frozen=True)
class EpisodePictures:
    """What an episode's pictures come to."""

    stats: Stats
    encoded: "Encoded | Path"
    """Bytes for the table, or the episode's own video file."""


class Encoded:
    """PNG files of an episode, one behind the other: in memory, or, where there is much of them, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets = [0]
        self._held: list[bytes] = []
        self._file: BinaryIO | None = None

    def add(self, png: bytes) -> None:
        """The next one."""
        self.offsets.append(self.offsets[-1] + len(png))
        if self._file is None and self.offsets[-1] > HELD_BYTES:
            self._file = self.path.open("w+b")
            self._file.writelines(self._held)
            self._held = []
        if self._file is None:
            self._held.append(png)
        else:
            self._file.write(png)

    def bytes_of(self, first: int, last: int) -> bytes:
        """Those of the pictures from the first to before the last."""
        if self._file is None:
            return b"".join(self._held[first:last])
        self._file.flush()
        self._file.seek(self.offsets[first])
        return self._file.read(self.offsets[last] - self.offsets[first])

    def close(self) -> None:
        """They are not needed any more."""
        self._held = []
        if self._file is not None:
            self._file.close()


class Stream(Protocol):
    """A camera's pictures on the way into a dataset."""

    feature: dict[str, Any]

    def add(self, frame: Frame) -> None:
        """The frame of the episode's next row."""

    def finish(self) -> EpisodePictures:
        """The episode is complete; the next picture begins another. What is returned holds until then."""

    def close(self) -> None:
        """Wait for what is still at work, and drop it."""


class _Samples:
    """What statistics need of each of an episode's pictures, in a file: which of them count is known at its end."""

    def __init__(self, path: Path, *, depth: bool) -> None:
        self.path, self.depth = path, depth
        self.file = path.open("w+b")
        self.frames = 0
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)

    def add(self, sample: npt.NDArray[Any]) -> None:
        """Thinned depth, or how often each level of each colour is there."""
        self.shape, self.dtype = sample.shape, sample.dtype
        self.file.write(sample.data)
        self.frames += 1

    def take(self) -> Stats:
        """The statistics of the episode; the next one begins."""
        self.file.flush()
        every = np.memmap(self.path, self.dtype, "r", shape=(self.frames, *self.shape))
        samples = np.array(every[statistics.sample_indices(self.frames)])
        del every
        self.file.seek(0)
        self.file.truncate()
        self.frames = 0
        if self.depth:
            return statistics.of_depth(samples, len(samples))
        return statistics.of_color_levels(samples.sum(axis=0, dtype=np.int64), len(samples))

    def close(self) -> None:
        self.file.close()


class PngStream:
    """Pictures in the tables, without loss. Depth is of 16 bits, in millimetres, 0 where nothing was measured."""

    def __init__(
        self, name: str, shape: tuple[int, int], *, depth: bool, scratch: Path, pool: ThreadPoolExecutor
    ) -> None:
        self.feature = _feature("image", shape, depth=depth)
        if depth:
            self.feature["info"] = {"is_depth_map": True, "depth_unit": "mm"}
        self._shape, self._depth = shape, depth
        self._every = statistics.thinning(*shape)
        self._pool = pool
        self._last: Frame | None = None
        self._waiting: deque[Future[tuple[bytes, npt.NDArray[Any]]]] = deque()
        self._limit = IN_FLIGHT * (os.cpu_count() or 1)
        self._samples = _Samples(scratch / f"{name}.samples", depth=depth)
        self._path = scratch / f"{name}.png"
        self._encoded = self._done = Encoded(self._path)

    def add(self, frame: Frame) -> None:
        # A row that repeats the picture of the one before has its file too.
        again = frame is self._last and self._waiting
        self._waiting.append(self._waiting[-1] if again else self._pool.submit(self._encode, frame))
        self._last = frame
        while len(self._waiting) > self._limit:
            self._store()

    def _encode(self, frame: Frame) -> tuple[bytes, npt.NDArray[Any]]:
        if self._depth:
            # Of a frame without depth nothing was measured anywhere.
            return frame.depth_png(self._every, self._shape)
        return frame.color_png(), frame.color_levels(self._every)

    def _store(self) -> None:
        encoded, sample = self._waiting.popleft().result()
        if self._done is not self._encoded:
            self._done.close()  # the last episode's, which is written
        self._encoded.add(encoded)
        self._samples.add(sample)

    def finish(self) -> EpisodePictures:
        while self._waiting:
            self._store()
        self._last = None
        self._done, self._encoded = self._encoded, Encoded(self._path)
        return EpisodePictures(self._samples.take(), self._done)

    def close(self) -> None:
        for waiting in self._waiting:
            waiting.cancel()
        self._done.close()
        self._encoded.close()
        self._samples.close()


def _feature(dtype: str, shape: tuple[int, int], *, depth: bool) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [*shape, 1 if depth else 3], "names": ["height", "width", "channels"]}


class VideoStream:
    """Pictures in a video of AV1, or depth in one of HEVC without loss, with LeRobot's settings; one thread encodes."""

    def __init__(self, name: str, shape: tuple[int, int], fps: int, *, depth: bool, scratch: Path) -> None:
        self.feature = _feature("video", shape, depth=depth)
        self.feature["info"] = _video_info(shape, fps, depth=depth)
        self._shape, self._fps, self._depth = shape, fps, depth
        self._every = statistics.thinning(*shape)
        self._path = scratch / f"{name}.mp4"
        self._samples = _Samples(scratch / f"{name}.samples", depth=depth)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._container: Any = None
        self._video: Any = None

    def add(self, frame: Frame) -> None:
        self._waiting.append(self._thread.submit(self._take, frame))
        while len(self._waiting) > IN_FLIGHT:
            self._waiting.popleft().result()

    def _take(self, frame: Frame) -> None:
        self._samples.add(self._sample(frame))
        self._encode(frame)

    def _sample(self, frame: Frame) -> npt.NDArray[Any]:
        if not self._depth:
            return frame.color_levels(self._every)
        metres = frame.thinned_depth(self._every, self._shape)
        np.fmax(metres, np.float32(0), out=metres)  # of a NaN and 0 it is 0
        return metres

    def _encode(self, frame: Frame) -> None:
        import av

        if self._container is None:
            self._open()
        if self._depth:
            depth = frame.depth
            # Of a frame without depth nothing was measured anywhere.
            metres = np.zeros(self._shape, np.float32) if depth is None else depth
            picture = av.VideoFrame.from_ndarray(codes.depth_codes(metres), format=DEPTH_PIX_FMT)
        else:
            color: Any = frame.color
            picture = av.VideoFrame.from_ndarray(color, format="rgb24")
        self._container.mux(self._video.encode(picture))

    def _open(self) -> None:
        import av

        os.environ.setdefault("SVT_LOG", "1")  # the encoder greets on stderr otherwise
        self._container = av.open(str(self._path), "w", format="mp4")
        codec, options = (DEPTH_CODEC, DEPTH_OPTIONS) if self._depth else (COLOR_CODEC, COLOR_OPTIONS)
        self._video = self._container.add_stream(codec, self._fps, options=options)
        self._video.height, self._video.width = self._shape
        self._video.pix_fmt = DEPTH_PIX_FMT if self._depth else COLOR_PIX_FMT

    def _end(self) -> Stats:
        self._container.mux(self._video.encode())
        self._container.close()
        self._container = self._video = None
        return self._samples.take()

    def finish(self) -> EpisodePictures:
        while self._waiting:
            self._waiting.popleft().result()
        return EpisodePictures(self._thread.submit(self._end).result(), self._path)

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
        "video.depth_min": codes.DEPTH_MIN_M,
        "video.depth_max": codes.DEPTH_MAX_M,
        "video.shift": codes.DEPTH_SHIFT_M,
        "video.use_log": True,
        "depth_unit": "m",
    }
