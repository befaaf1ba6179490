"""One export at work: recordings in, episodes out.

A frame comes from the recording's own thread, is put on the grid, measured, and handed to the encoders' threads; its
row is written when its episode is complete.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatial_reward import Annotator, Camera, Frame, Recording, Step
from spatial_reward._errors import error
from spatial_reward.lerobot import _export_topics as topics
from spatial_reward.lerobot._export_grid import Grid, Resampled
from spatial_reward.lerobot._export_pictures import PngStream, Stream, VideoStream
from spatial_reward.lerobot._export_rewards import FEATURES, EpisodeRewards, Measured, Shaping
from spatial_reward.lerobot._export_topics import Series, Topics
from spatial_reward.lerobot._export_writer import DatasetWriter

if TYPE_CHECKING:
    from spatial_reward.lerobot.export import AnyPath, Plan

_NS = 1_000_000_000


class _Picture:
    """A frame's arrays, made once however many rows hold it."""

    def __init__(self, frame: Frame, color: npt.NDArray[np.uint8], *, deep: bool) -> None:
        self.frame, self.color = frame, color
        self.depth = frame.depth if deep else None


class _Row:
    """A row on its way."""

    def __init__(self, picture: _Picture, stamp_ns: int, step: Step | None) -> None:
        self.picture, self.stamp_ns = picture, stamp_ns
        self.measured = None if step is None else Measured(step, picture.frame.reason)


class _Episode:
    """The rows of an episode that is being read."""

    def __init__(self, number: int, rewards: EpisodeRewards | None) -> None:
        self.number = number
        self.rewards = rewards
        self.stamps: list[int] = []
        self.waiting: _Row | None = None


class Run:
    """Writes a dataset into a folder, recording after recording."""

    def __init__(self, plan: "Plan", folder: Path, progress: Callable[[float, float | None], object] | None) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.sources: list[dict[str, Any]] = []
        self.reward_kinds: dict[str, str] = {}
        self._rows = 0
        self._scratch = folder / "scratch"
        self._scratch.mkdir()
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._streams: dict[str, Stream] = {}
        self._writer: DatasetWriter | None = None
        self._names: dict[str, list[str]] = {}
        self._shaping = Shaping.of(plan.config) if plan.on_invalid == "zero" else Shaping()

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        for stream in self._streams.values():
            stream.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._writer is not None:
            self._writer.abandon()

    def add(self, bag: "AnyPath") -> None:
        """All episodes of a recording."""
        read = topics.read(bag, self.plan.state, self.plan.action, self.plan.task_topic, prompts=self.plan.task is None)
        before = len(self.sources)
        _Bag(self, str(bag), read).read()
        if len(self.sources) == before:
            dropped = self.plan.on_invalid == "drop" and self.plan.reward is not False
            found = "no frame has a valid reward, and those without are dropped" if dropped else "there is no frame"
            raise error(
                "no_frames", found, "give another recording, or on_invalid='nan'" if dropped else None, str(bag)
            )

    def finish(self) -> None:
        """The dataset is complete."""
        if self._writer is not None:
            self._writer.close()
        for stream in self._streams.values():
            stream.close()
        for path in self._scratch.iterdir():
            path.unlink()
        self._scratch.rmdir()

    def feed(self, row: _Row, bag: str) -> None:
        """The pictures of the next row, which stays."""
        if not self._streams:
            self._open(row.picture, bag)
        for key, picture in ((self.plan.image_key, row.picture.color), (self.plan.depth_key, row.picture.depth)):
            stream = self._streams.get(key)
            if stream is None:
                continue
            shape = tuple(stream.feature["shape"][:2])
            # Of a frame without depth nothing was measured anywhere.
            array: npt.NDArray[Any] = np.zeros(shape, np.float32) if picture is None else picture
            if array.shape[:2] != shape:
                height, width = array.shape[:2]
                raise error(
                    "different_size",
                    f"{key} is {width}x{height} here and {shape[1]}x{shape[0]} before, and a dataset has one size",
                    "export the recordings into datasets of their own",
                    bag,
                )
            stream.add(array)
        self._rows += 1
        if self.progress is not None:
            self.progress(self._rows, None)

    def _open(self, picture: _Picture, bag: str) -> None:
        plan = self.plan
        self._streams[plan.image_key] = self._stream(plan.image_key, picture.color, plan.video, bag, depth=False)
        if plan.depth is None:
            return
        if picture.depth is None:
            raise error("no_depth", "the first frame has no depth", "give depth=None to leave depth out", bag)
        in_video = plan.depth == "video"
        self._streams[plan.depth_key] = self._stream(plan.depth_key, picture.depth, in_video, bag, depth=True)

    def _stream(self, key: str, picture: npt.NDArray[Any], video: bool, bag: str, *, depth: bool) -> Stream:
        height, width = picture.shape[:2]
        if not video:
            return PngStream(key, (height, width), depth=depth, scratch=self._scratch, pool=self._pool)
        if (width % 2 or height % 2) and not depth:
            raise error(
                "odd_size",
                f"pictures of {width}x{height} do not fit AV1's colour planes, which need even sizes",
                "give video=False to store them as PNG",
                bag,
            )
        return VideoStream(key, (height, width), self.plan.fps, depth=depth, scratch=self._scratch)

    def write(self, episode: _Episode, bag: str, read: Topics, told: Resampled) -> None:
        """An episode whose rows are all fed."""
        columns: dict[str, npt.NDArray[Any]] = {}
        stamps = np.array(episode.stamps, np.int64)
        held: dict[str, int] = {}
        for name, series in (("observation.state", read.state), ("action", read.action)):
            if series:
                columns[name] = self._signal(name, series, stamps, held, bag)
        source = {
            "episode_index": len(self.sources),
            "bag": bag,
            "episode": episode.number,
            "first_stamp_ns": episode.stamps[0],
            "frames": len(stamps),
            "repeated": told.repeated,
            "left_out": told.left_out,
            "largest_shift_s": round(told.largest_shift_s, 9),
            "invalid": {},
            "held_signals": held,
        }
        if episode.rewards is not None:
            columns |= episode.rewards.columns(f"episode {episode.number}", bag)
            source["invalid"] = dict(episode.rewards.invalid)
        pictures = {key: stream.finish() for key, stream in self._streams.items()}
        if self._writer is None:
            self._writer = DatasetWriter(self.folder, self.plan.fps, self._features(columns), self.plan.robot_type)
        task = self.plan.task if self.plan.task is not None else read.task_at(int(stamps[0]))
        if task is None:
            raise error("no_task", "the task topic has no message", "give task='...'", bag)
        self._writer.write(len(stamps), columns, pictures, task)
        self.sources.append(source)

    def _signal(
        self, name: str, series: list[Series], stamps: npt.NDArray[np.int64], held: dict[str, int], bag: str
    ) -> npt.NDArray[np.float32]:
        parts = []
        for one in series:
            values, missing = one.at(stamps)
            parts.append(values)
            if missing:
                held[one.signal.topic] = missing
        names = [label for one in series for label in one.names]
        if self._names.setdefault(name, names) != names:
            raise error(
                "different_signal",
                f"{name} is {', '.join(names)} here and {', '.join(self._names[name])} before",
                "give 'names', or fields that all recordings have",
                bag,
            )
        return np.concatenate(parts, axis=1)

    def _features(self, columns: dict[str, npt.NDArray[Any]]) -> dict[str, dict[str, Any]]:
        features: dict[str, dict[str, Any]] = {key: stream.feature for key, stream in self._streams.items()}
        for name, column in columns.items():
            if name in FEATURES:
                features[name] = dict(FEATURES[name])
            else:
                features[name] = {"dtype": "float32", "shape": [column.shape[1]], "names": self._names[name]}
        if "next.reward" in features:
            policy = {"on_invalid": self.plan.on_invalid, "alignment": self.plan.alignment, **self.reward_kinds}
            features["next.reward"]["info"] = policy
        return features


class _Bag:
    """The frames of one recording on their way to rows."""

    def __init__(self, run: Run, name: str, read: Topics) -> None:
        self.run, self.name, self.topics = run, name, read
        self.plan = run.plan
        self._annotator: Annotator | None = None
        self._camera: Camera | None = None
        self._episode: _Episode | None = None
        self._frame_episode = -1
        self._grid: Grid[_Picture] | None = None
        self._told = Resampled()

    def read(self) -> None:
        plan = self.plan
        recording = Recording(self.name, config=plan.config, fingertip=plan.fingertip, target=plan.target)
        deep = plan.depth is not None or plan.reward is not False
        for frame in recording.frames():
            if frame.episode != self._frame_episode:
                self._end_of_grid()
                self._frame_episode = frame.episode
                if self._annotator is not None:
                    self._annotator.reset()
                self._grid = Grid(plan.fps, plan.max_gap_s, self._too_long)
            color = frame.color
            if color is None or frame.reason == "wild_stamp" or self._grid is None:
                self._told.left_out += 1
                continue
            for time_ns, picture in self._grid.add(frame.stamp_ns, _Picture(frame, color, deep=deep)):
                self._row(time_ns, picture)
        self._end_of_grid()

    def _too_long(self, gap_s: float, at_s: float) -> Exception:
        return error(
            "pause",
            f"there is a pause of {gap_s:.3f} s between two pictures, {at_s:.3f} s into episode {self._frame_episode}",
            "set episodes.split_gap_s in the settings, so that another episode begins there, or raise max_gap_s",
            self.name,
        )

    def _end_of_grid(self) -> None:
        if self._grid is not None:
            for time_ns, picture in self._grid.end():
                self._row(time_ns, picture)
        self._end_episode()

    def _row(self, time_ns: int, picture: _Picture) -> None:
        last = self._episode.waiting if self._episode else None
        # A repeated picture was not taken again: it counts for the time of its row.
        stamp_ns = picture.frame.stamp_ns if last is None or picture.frame.stamp_ns > last.stamp_ns else time_ns
        step = self._step(picture, stamp_ns) if self.plan.reward is not False else None
        row = _Row(picture, stamp_ns, step)
        if last and last.measured and step and step.episode != last.measured.step.episode:
            self._end_episode()  # by a success, whose frame is the last one's
        if self._episode is None:
            rewards = None
            if step is not None:
                rewards = EpisodeRewards(self.plan.on_invalid, self.plan.alignment, self.run._shaping)
            self._episode = _Episode(self._frame_episode, rewards)
        else:
            self._commit(row)
        self._episode.waiting = row

    def _commit(self, following: _Row | None) -> None:
        """The fate of the row that waits is known with the one that follows."""
        episode = self._episode
        if episode is None or episode.waiting is None:
            return
        row, episode.waiting = episode.waiting, None
        next_measured = following.measured if following else None
        if episode.rewards and row.measured and not episode.rewards.add(row.measured, next_measured):
            return
        episode.stamps.append(row.stamp_ns)
        self.run.feed(row, self.name)

    def _end_episode(self) -> None:
        self._commit(None)
        episode, self._episode = self._episode, None
        if self._grid is not None:
            self._told.add(self._grid.told)
            self._grid.told = Resampled()
        if episode is not None and episode.stamps:
            self.run.write(episode, self.name, self.topics, self._told)
            self._told = Resampled()

    def _step(self, picture: _Picture, stamp_ns: int) -> Step:
        frame = picture.frame
        camera = frame.camera
        if self._annotator is None:
            self._annotator = self._new_annotator(camera)
            self._camera = camera
        elif camera is not None and self._camera is not None and camera != self._camera:
            raise error(
                "camera",
                f"the camera changes {(stamp_ns / _NS):.3f} s: {camera} after {self._camera}",
                "give reward=False to write no rewards",
                self.name,
            )
        return self._annotator.step(
            picture.color, picture.depth, fingertip=frame.fingertip, target=frame.target, stamp_ns=stamp_ns
        )

    def _new_annotator(self, camera: Camera | None) -> Annotator:
        plan = self.plan
        options: dict[str, Any] = {
            "reward": plan.reward or None,
            "distance": plan.distance,
            "estimator": plan.estimator,
        }
        annotator = Annotator(camera=camera, config=plan.config, **options)
        if plan.on_invalid == "zero" and annotator.reward != "shaped":
            raise error(
                "argument",
                f"on_invalid='zero' leaves the shaping out, and the reward is {annotator.reward}, which has none",
                "give reward='shaped', or another on_invalid",
            )
        self.run.reward_kinds = {
            "kind": annotator.reward,
            "distance": annotator.distance,
            "estimator": annotator.estimator,
        }
        return annotator
