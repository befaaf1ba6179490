"""The frames of a dataset, measured: pictures and depth are read, regions followed, and each frame becomes a step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from .. import _native
from .._errors import error
from .._native import Annotator, Step
from .ahead import ahead
from .choices import Choices, camera_of
from .columns import ColumnBoxes, Columns, annotated_boxes
from .dataset import Dataset, Episode
from .depth import depth_pictures
from .following import Frame, Place, Plan, placed
from .pictures import ColumnPictures, Pictures, VideoPictures
from .regions import ROLES, Annotated, Box, Column, Fixed, Role
from .rewards import Measured

Progress = Callable[[float, float | None], object]


class Measuring:
    """Measures episodes with one annotator."""

    def __init__(
        self, dataset: Dataset, chosen: Choices, reward: str | None, distance: str | None, estimator: str | None
    ) -> None:
        self._dataset, self._chosen, self._columns = dataset, chosen, Columns(dataset)
        width, height = _picture_size(dataset, chosen.camera)
        self._camera = camera_of(chosen.intrinsics, width, height)
        kind = estimator or (chosen.annotator.get("estimator") or {}).get("kind", "geometry")
        if kind == "geometry":
            self._check_measurable(chosen)
        task = chosen.annotator.get("task") or {}
        if task.get("pairs") or task.get("phases"):
            words = "task is given, and the columns of a LeRobot dataset follow one distance, fingertip to target"
            raise error("config", words, "leave it out; spatial_reward.label and Annotator follow whole tasks")
        self.annotator = Annotator(
            reward=reward,  # type: ignore[arg-type]
            distance=distance,  # type: ignore[arg-type]
            estimator=estimator,
            camera=self._camera,
            config=chosen.annotator,
            rate_hz=dataset.fps,
        )

    def said(self) -> dict[str, Any]:
        """How the dataset is measured, for its metadata."""
        camera = self._camera
        return {
            "version": _native.__version__,
            "reward": self.annotator.reward,
            "distance": self.annotator.distance,
            "estimator": self.annotator.estimator,
            "config": self._chosen.annotator,
            "camera": self._chosen.camera,
            "depth": self._chosen.depth,
            "intrinsics": None
            if camera is None
            else {
                **{name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height", "model")},
                "distortion": list(camera.distortion),
            },
            "regions": {role: _shown(self._chosen.sources[role]) for role in ROLES},
        }

    def episodes(self, taken: Sequence[Episode], progress: Progress | None) -> Iterator[tuple[int, Measured]]:
        """The steps of each episode, one episode after the other, with its number.

        Raises:
            Error: pictures that are missing or do not decode; regions that no picture holds.
        """
        plans = self._plans(taken)
        total = sum(episode.length for episode in taken)
        done = 0
        color, depth = self._color(), self._depth()
        try:
            for episode in taken:
                self.annotator.reset()
                steps: list[Step] = []
                # Closed before its pictures are: somebody reads ahead in them.
                with closing(self._placed(episode, color, depth, plans[episode.index])) as frames:
                    for frame, fingertip, target in frames:
                        stamp_s = float(episode.timestamps[len(steps)])
                        steps.append(
                            self.annotator.step(
                                frame.color, frame.depth, fingertip=fingertip, target=target, stamp_s=stamp_s
                            )
                        )
                        if progress is not None:
                            progress(done + len(steps), total)
                done += len(steps)
                yield episode.index, Measured.of(steps)
        finally:
            color.close()
            if depth is not None:
                depth.close()

    def _check_measurable(self, chosen: Choices) -> None:
        if chosen.depth is None:
            words = f"{self._dataset.root} has no depth, and metric depth is needed: the geometry measures metres in it"
            remedy = "record depth with the colour, or name the feature that has it (depth)"
            raise error("no_depth", words, remedy, str(self._dataset.root))
        if self._camera is None:
            words = f"nothing says the intrinsics of {chosen.camera}, without which pixels are no metres"
            remedy = (
                "give intrinsics=(fx, fy, cx, cy) in pixels, or write them into the feature's info in meta/info.json"
            )
            raise error("camera", words, remedy, str(self._dataset.root))

    def _color(self) -> Pictures:
        key = self._chosen.camera
        is_video = self._dataset.features[key].get("dtype") == "video"
        return VideoPictures(self._dataset, key) if is_video else ColumnPictures(self._dataset, key)

    def _depth(self) -> Pictures | None:
        return None if self._chosen.depth is None else depth_pictures(self._dataset, self._chosen.depth)

    def _placed(
        self, episode: Episode, color: Pictures, depth: Pictures | None, plans: tuple[Plan, Plan]
    ) -> Generator[tuple[Frame, Place, Place], None, None]:
        def frames() -> Iterator[Frame]:
            if depth is None:
                for picture in color.episode(episode):
                    yield Frame(picture, None)
            else:
                for picture, metres in zip(color.episode(episode), depth.episode(episode), strict=True):
                    yield Frame(picture, metres)

        with closing(ahead(frames())) as read:
            try:
                yield from placed(read, *plans)
            except _native.Error as cause:
                if cause.kind in {"region", "array"}:
                    words = f"episode {episode.index} of {self._dataset.root}: {cause.message}"
                    raise error(cause.kind, words, cause.remedy, str(self._dataset.root)) from cause
                raise

    def _plans(self, taken: Sequence[Episode]) -> dict[int, tuple[Plan, Plan]]:
        fingertip, target = (self._role_plans(role, taken) for role in ROLES)
        return {episode.index: (fingertip[episode.index], target[episode.index]) for episode in taken}

    def _role_plans(self, role: Role, taken: Sequence[Episode]) -> dict[int, Plan]:
        where = self._chosen.sources[role]
        if isinstance(where, Fixed):
            always: Box = where.box
            return {episode.index: Plan({}, lambda _, frame: always) for episode in taken}
        if isinstance(where, Column):
            return {episode.index: self._column_plan(where, episode) for episode in taken}
        if isinstance(where, Annotated):
            return self._annotated_plans(where, role, taken)
        return {episode.index: Plan(where.due(episode, role)) for episode in taken}

    def _column_plan(self, column: Column, episode: Episode) -> Plan:
        boxes = ColumnBoxes(column, self._camera, self._columns, episode)
        return Plan({}, lambda index, frame: boxes.box(index, frame.depth))

    def _annotated_plans(self, annotated: Annotated, role: Role, taken: Sequence[Episode]) -> dict[int, Plan]:
        plans, known = {}, set()
        for episode in taken:
            due, labels = annotated_boxes(self._columns, episode, self._chosen.camera, annotated)
            plans[episode.index] = Plan(due)
            known |= labels
        if not any(plan.due for plan in plans.values()):
            shown = ", ".join(sorted(known)) or "nothing at all"
            words = (
                f"no box of {self._chosen.camera} is annotated as {' or '.join(annotated.labels)}, which was the {role}"
            )
            raise error("region", words, f"it has boxes of {shown}", str(self._dataset.root))
        return plans


def _picture_size(dataset: Dataset, key: str) -> tuple[int, int]:
    feature = dataset.features[key]
    shape = [int(side) for side in feature.get("shape", [])]
    if len(shape) != 3:
        raise error("dataset", f"{key} has the shape {shape}, and pictures have three sides", path=str(dataset.root))
    names = feature.get("names")
    if isinstance(names, list) and {"height", "width"} <= set(names):
        return shape[names.index("width")], shape[names.index("height")]
    return (shape[1], shape[0]) if shape[2] in {1, 3, 4} else (shape[2], shape[1])


def _shown(where: object) -> Any:
    """A source in its own words, for the metadata; boxes of single episodes are in the file that they came from."""
    if isinstance(where, Annotated):
        return {"label": list(where.labels)}
    if isinstance(where, Fixed):
        return {"fixed": list(where.box)}
    if isinstance(where, Column):
        return {"column": where.key, "as": where.kind, "elements": list(where.elements)}
    everywhere = getattr(where, "everywhere", ())
    return {"box": [[*drawn.box, drawn.at_s] for drawn in everywhere]} if everywhere else {"box": "each episode's own"}
