"""One export at work: recordings in, episodes out.

A frame comes from the recording's own threads, which decode and measure it; it is put on the grid and handed to the
encoders' threads. Its row is written when its episode is complete.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatial_reward import Frame, Recording, Step
from spatial_reward._errors import error
from spatial_reward._native import MeasuredRecording
from spatial_reward.lerobot import _export_topics as topics
from spatial_reward.lerobot._export_grid import Grid, Resampled
from spatial_reward.lerobot._export_pictures import PngStream, Stream, VideoStream
from spatial_reward.lerobot._export_rewards import FEATURES, EpisodeRewards, Shaping
from spatial_reward.lerobot._export_topics import Series, Topics
from spatial_reward.lerobot._export_writer import DatasetWriter

if TYPE_CHECKING:
    from spatial_reward.lerobot.export import AnyPath, Plan


class _Row:
    """A row on its way."""

    def __init__(self, frame: Frame, stamp_ns: int, step: Step | None) -> None:
        self.frame, self.stamp_ns, self.step = frame, stamp_ns, step


class _Episode:
    """The rows of an episode that is being read."""

    def __init__(self, number: int, rewards: EpisodeRewards | None) -> None:
        self.number = number
        self.rewards = rewards
        self.stamps: list[int] = []
        self.waiting: _Row | None = None


class Run:
    """Writes a dataset into a folder, recording after recording."""

    def __init__(
        self,
        plan: "Plan",
        folder: Path,
        progress: Callable[[float, float | None], object] | None,
        *,
        as_recorded: bool,
    ) -> None:
        self.as_recorded = as_recorded
        self.plan, self.folder, self.progress = plan, folder, progress
        self.sources: list[dict[str, Any]] = []
        self.loss: dict[str, dict[str, Any]] = {}
        """Of each recording that was damaged: what of it could not be read."""
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
        _Bag(self, bag, read).read()
        if len(self.sources) == before:
            dropped = self.plan.on_invalid == "drop" and self.plan.reward is not False
            found = "no frame has a valid reward, and those without are dropped" if dropped else "there is no frame"
            raise error(
                "no_frames", found, "give another recording, or on_invalid='nan'" if dropped else None, str(bag)
            )

    def measured(self, bag: "AnyPath") -> MeasuredRecording:
        """A recording with its rewards."""
        plan = self.plan
        options: dict[str, Any] = {
            name: getattr(plan, name) for name in ("config", "fingertip", "target", "reward", "distance", "estimator")
        }
        recording = MeasuredRecording(bag, **options)
        if plan.on_invalid == "zero" and recording.reward != "shaped":
            raise error(
                "argument",
                f"on_invalid='zero' leaves the shaping out, and the reward is {recording.reward}, which has none",
                "give reward='shaped', or another on_invalid",
            )
        self.reward_kinds = {
            "kind": recording.reward,
            "distance": recording.distance,
            "estimator": recording.estimator,
        }
        return recording

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
        frame = row.frame
        if not self._streams:
            self._open(frame, bag)
        for key, shape in ((self.plan.image_key, frame.color_shape), (self.plan.depth_key, frame.depth_shape)):
            stream = self._streams.get(key)
            if stream is None:
                continue
            first = tuple(stream.feature["shape"][:2])
            if shape is not None and shape != first:
                height, width = shape
                raise error(
                    "different_size",
                    f"{key} is {width}x{height} here and {first[1]}x{first[0]} before, and a dataset has one size",
                    "export the recordings into datasets of their own",
                    bag,
                )
            stream.add(frame)
        self._rows += 1
        if self.progress is not None:
            self.progress(self._rows, None)

    def _open(self, frame: Frame, bag: str) -> None:
        plan = self.plan
        if frame.color_shape is not None:  # as that of every row
            color = self._stream(plan.image_key, frame.color_shape, plan.video, bag, depth=False)
            self._streams[plan.image_key] = color
        if plan.depth is None:
            return
        if frame.depth_shape is None:
            raise error("no_depth", "the first frame has no depth", "give depth=None to leave depth out", bag)
        in_video = plan.depth == "video"
        self._streams[plan.depth_key] = self._stream(plan.depth_key, frame.depth_shape, in_video, bag, depth=True)

    def _stream(self, key: str, shape: tuple[int, int], video: bool, bag: str, *, depth: bool) -> Stream:
        height, width = shape
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

    def __init__(self, run: Run, bag: "AnyPath", read: Topics) -> None:
        self.run, self.bag, self.name, self.topics = run, bag, str(bag), read
        self.plan = run.plan
        self._measured = run.measured(bag) if self.plan.reward is not False else None
        self._episode: _Episode | None = None
        self._frame_episode = -1
        self._grid: Grid[Frame] | None = None
        self._told = Resampled()

    def read(self) -> None:
        plan = self.plan
        recording = self._measured or Recording(
            self.bag, config=plan.config, fingertip=plan.fingertip, target=plan.target
        )
        frames = recording.frames(as_recorded=self.run.as_recorded)
        for frame in frames:
            if frame.episode != self._frame_episode:
                self._end_of_grid()
                self._frame_episode = frame.episode
                if self._measured is not None:
                    self._measured.reset()
                self._grid = Grid(plan.fps, plan.max_gap_s, self._too_long)
            if frame.color_shape is None or frame.reason == "wild_stamp" or self._grid is None:
                self._told.left_out += 1
                continue
            for time_ns, taken in self._grid.add(frame.stamp_ns, frame):
                self._row(time_ns, taken)
        self._end_of_grid()
        if frames.loss is not None:
            self.run.loss[self.name] = frames.loss

    def _too_long(self, gap_s: float, at_s: float) -> Exception:
        return error(
            "pause",
            f"there is a pause of {gap_s:.3f} s between two pictures, {at_s:.3f} s into episode {self._frame_episode}",
            "set episodes.split_gap_s in the settings, so that another episode begins there, or raise max_gap_s",
            self.name,
        )

    def _end_of_grid(self) -> None:
        if self._grid is not None:
            for time_ns, frame in self._grid.end():
                self._row(time_ns, frame)
        self._end_episode()

    def _row(self, time_ns: int, frame: Frame) -> None:
        last = self._episode.waiting if self._episode else None
        # A repeated picture was not taken again: it counts for the time of its row.
        stamp_ns = frame.stamp_ns if last is None or frame.stamp_ns > last.stamp_ns else time_ns
        step = None if self._measured is None else self._measured.step(frame, stamp_ns)
        row = _Row(frame, stamp_ns, step)
        if last and last.step and step and step.episode != last.step.episode:
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
        if episode.rewards and row.step and not episode.rewards.add(row.step, following.step if following else None):
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
