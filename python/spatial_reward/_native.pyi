"""What the native half of the package holds. Units and shapes are the package's (see its own words)."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Annotator",
    "Camera",
    "Error",
    "Evaluation",
    "Frame",
    "Frames",
    "Inspection",
    "Labelled",
    "MeasuredRecording",
    "Measurement",
    "Messages",
    "PairStep",
    "PhotoSet",
    "QuantityStep",
    "Recording",
    "Step",
    "TaskStep",
    "Tracked",
    "Tracker",
    "__version__",
    "evaluate",
    "inspect",
    "label",
    "main",
    "measure",
]

__version__: str

_Box: TypeAlias = tuple[float, float, float, float]
"""`(x_min, y_min, x_max, y_max)` in pixels of the colour picture."""

_Color: TypeAlias = npt.NDArray[np.uint8]
_Depth: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint16]
_AnyBox: TypeAlias = _Box | Sequence[float] | npt.NDArray[Any]
_Region: TypeAlias = _AnyBox | npt.NDArray[np.bool_] | Tracked
_Config: TypeAlias = dict[str, Any] | str | os.PathLike[str]
_View: TypeAlias = Mapping[str, Any]
"""What one camera sees: `color` and `depth` as `Annotator.step` takes them, and `regions`, a dict by their names."""
_Path: TypeAlias = str | os.PathLike[str]
_Progress: TypeAlias = Callable[[float, float | None], object]
_Reward: TypeAlias = Literal["dense", "sparse", "tanh", "exp", "progress", "shaped", "task"]
_Distance: TypeAlias = Literal["surface", "center", "cloud"]

class Error(Exception):
    """What went wrong, and what to do about it."""

    kind: str
    """What kind of error it is, such as `no_topic` or `array`."""
    message: str
    """What is wrong, without the way out."""
    remedy: str | None
    """What to do about it; None where the message says it."""
    path: str | None
    """The file or folder that it is about."""

@final
class Camera:
    """A pinhole camera: a point at (x, y, z) in its optical frame is seen at (fx x / z + cx, fy y / z + cy).

    All of fx, fy, cx and cy are pixels, and a pixel's middle is half a pixel beyond its corner. `distortion` has
    OpenCV's coefficients in their order: 4, 5, 8, 12 or 14 of `plumb_bob` (also `rational_polynomial`), none or only
    zeros for a pinhole, or the 4 of `equidistant`, whose zeros are an ideal fisheye.
    Width and height are of the picture that the rest is for; one that was resized since is fitted.

    Raises:
        Error: a focal length that is not above 0, a picture without pixels, another model.
    """

    def __new__(
        cls,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        width: int,
        height: int,
        distortion: Sequence[float] | npt.NDArray[Any] | None = None,
        model: str = "plumb_bob",
    ) -> Camera: ...
    @staticmethod
    def from_fovy(fovy_deg: float, width: int, height: int) -> Camera:
        """Of a vertical field of view in degrees, as MuJoCo's cameras have it: square pixels, centred."""

    @property
    def fx(self) -> float: ...
    @property
    def fy(self) -> float: ...
    @property
    def cx(self) -> float: ...
    @property
    def cy(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def distortion(self) -> list[float]: ...
    @property
    def model(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __getnewargs__(self) -> tuple[float, float, float, float, int, int, list[float], str]: ...

@final
class Tracked:
    """Where a followed region is in a picture; `Annotator.step` takes it in the place of a box."""

    @property
    def box(self) -> _Box | None:
        """None where the region is lost."""

    @property
    def lost(self) -> bool:
        """It is hidden, out of view, or not to be told from something else."""

    @property
    def doubt_px(self) -> float:
        """By how many pixels its sides may be off, one standard deviation; it widens a step's `distance_std_m`."""

    @property
    def seen(self) -> float:
        """The share of the region that is seen as it was drawn, 0 to 1."""

    @staticmethod
    def joined(earlier: Tracked, later: Tracked) -> Tracked:
        """What two trackers say of one picture that went through a recording in both directions of time."""

@final
class Tracker:
    """Follows a region that was drawn in one picture through the pictures that come, by colour and depth.

    Args:
        color: the picture that the box was drawn in, (height, width, 3) uint8.
        box: around the region.
        depth: of each pixel, (height, width).
        other: the tracker of another object in the same pictures: what is seen of it is none of this region. It is
            updated first.

    Raises:
        Error: a box without area or outside the picture, and pictures of several sizes.
    """

    def __new__(
        cls, color: _Color, box: _AnyBox, depth: _Depth | None = None, *, other: Tracker | None = None
    ) -> Tracker: ...
    def update(
        self,
        color: _Color,
        depth: _Depth | None = None,
        *,
        box: _AnyBox | None = None,
        other: Tracker | None = None,
    ) -> Tracked:
        """Where the region is in the next picture; with a box, it was drawn anew in this one."""

    @property
    def last(self) -> Tracked:
        """Where it was in the last picture; at first in the one that it was drawn in."""

@final
class Step:
    """The reward of one frame, and what it was computed from. Numbers of an invalid step are NaN."""

    @property
    def index(self) -> int:
        """Counted from 0 over all episodes."""

    @property
    def episode(self) -> int:
        """Counted from 0: `reset` begins a new one, and a success where `episodes.end_on_success` is set."""

    @property
    def frame(self) -> int:
        """Counted from 0 in its episode."""

    @property
    def stamp_s(self) -> float: ...
    @property
    def valid(self) -> bool:
        """There is a reward."""

    @property
    def reason(self) -> str | None:
        """Why the step is invalid, such as `no_target_box`; None where it is valid."""

    @property
    def reward(self) -> float:
        """Of the kind that was asked for."""

    @property
    def shaped_reward(self) -> float:
        """With potential-based shaping (Ng et al. 1999), whatever kind was asked for."""

    @property
    def potential(self) -> float: ...
    @property
    def distance_kind(self) -> str:
        """`surface`, `center` or `cloud`."""

    @property
    def distance_m(self) -> float:
        """As it was measured, before any filter."""

    @property
    def distance_std_m(self) -> float:
        """One standard deviation of `distance_m`; NaN where the estimator tells none."""

    @property
    def interval_90_m(self) -> tuple[float, float] | None:
        """Where the true distance is in 9 of 10 steps."""

    @property
    def center_m(self) -> float: ...
    @property
    def center_std_m(self) -> float: ...
    @property
    def surface_m(self) -> float: ...
    @property
    def surface_std_m(self) -> float: ...
    @property
    def cloud_m(self) -> float: ...
    @property
    def cloud_std_m(self) -> float: ...
    @property
    def confidence(self) -> float:
        """0 (no evidence) to 1."""

    @property
    def success(self) -> bool:
        """The task was solved in this step."""

    @property
    def terminated(self) -> bool:
        """The episode ended here because the task was solved."""

    @property
    def fingertip(self) -> _Box | None: ...
    @property
    def target(self) -> _Box | None: ...
    @property
    def answer(self) -> str:
        """What a language model answered; empty for geometry."""

    @property
    def task(self) -> TaskStep | None:
        """What it says of a whole task, where one is given. `fingertip` and `target` are then the boxes of the first
        pair's two regions, and `distance_m` is that pair's."""

    def to_dict(self) -> dict[str, Any]:
        """All of it; of a task, `phase`, `phase_index`, `progress`, `failure`, `pairs` and `quantities` too."""

    def draw(self, color: _Color) -> bytes:
        """The step drawn into its picture, as a JPEG of the picture's size."""

    def _repr_html_(self) -> str: ...

@final
class TaskStep:
    """What a step says of a whole task."""

    @property
    def phase(self) -> str:
        """Its name, or `success` or `failure`; empty where only pairs are measured."""

    @property
    def phase_index(self) -> int:
        """Its place among the phases, counted from 0; as many as there are after success, -1 after failure."""

    @property
    def progress(self) -> float:
        """How far the task is done, 0 to 1; NaN where that is not known."""

    @property
    def failure(self) -> bool:
        """The task has failed."""

    @property
    def pairs(self) -> dict[str, PairStep]:
        """By both regions' names, such as `cube-goal`; a pair in a further kind is `cube-goal.center`."""

    @property
    def quantities(self) -> dict[str, QuantityStep]:
        """Those that phases speak of, such as `height cube`."""

@final
class PairStep:
    """The distance between two regions, of all cameras that see both."""

    @property
    def kind(self) -> str:
        """`surface`, `center` or `cloud`."""

    @property
    def distance_m(self) -> float:
        """NaN where it was not measured."""

    @property
    def std_m(self) -> float:
        """One standard deviation; NaN where it is not known."""

    @property
    def valid(self) -> bool: ...
    @property
    def reason(self) -> str | None:
        """Why it was not measured; None where it was."""

    @property
    def cameras(self) -> list[str]:
        """The cameras that it is of; an empty name where there is but one."""

    @property
    def disagreeing(self) -> list[str]:
        """Cameras that contradict them, and were left out."""

@final
class QuantityStep:
    """What phases speak of."""

    @property
    def value(self) -> float:
        """In metres or radians, or 1 and 0 of what holds or not; NaN where it is not known."""

    @property
    def std(self) -> float:
        """One standard deviation; NaN where it is not known."""

@final
class Measurement:
    """The distances between two regions of one frame; NaN for those that were not measured."""

    @property
    def valid(self) -> bool: ...
    @property
    def reason(self) -> str | None:
        """Why nothing was measured; None where something was."""

    @property
    def distance_kind(self) -> str: ...
    @property
    def distance_m(self) -> float:
        """Of `distance_kind`."""

    @property
    def distance_std_m(self) -> float: ...
    @property
    def center_m(self) -> float: ...
    @property
    def center_std_m(self) -> float: ...
    @property
    def surface_m(self) -> float: ...
    @property
    def surface_std_m(self) -> float: ...
    @property
    def cloud_m(self) -> float: ...
    @property
    def cloud_std_m(self) -> float: ...
    @property
    def confidence(self) -> float: ...

@final
class Annotator:
    """Turns one frame after the other into a reward: the numbers are those of `label` and of the ROS 2 node.

    Args:
        reward: dense, sparse, tanh, exp, progress or shaped; `reward.kind` of the configuration.
        distance: surface, center or cloud; `estimator.distance` of the configuration.
        estimator: who measures; geometry measures in the depth image.
        camera: of the colour picture; depth is registered to it.
        cameras: of a task that several cameras see, each by its name: the steps are those of the first by name. Without
            `cameras` in the configuration each of them measures every pair.
        config: all other settings: a dict with the keys of config/default.yaml, or the path of a YAML file. With
            `task` in it a whole task is followed; where regions come from need not be said: they come with each step.
        rate_hz: how far steps are apart that are given no `stamp_s`. Filters and the hold time of a success count time.

    Raises:
        Error: a setting that is none, or out of bounds; no camera where depth is measured.
    """

    def __new__(
        cls,
        *,
        reward: _Reward | None = None,
        distance: _Distance | None = None,
        estimator: str | None = None,
        camera: Camera | None = None,
        cameras: Mapping[str, Camera] | None = None,
        config: _Config | None = None,
        rate_hz: float = 30.0,
    ) -> Annotator: ...
    def step(
        self,
        color: _Color | None = None,
        depth: _Depth | None = None,
        *,
        fingertip: _Region | None = None,
        target: _Region | None = None,
        regions: Mapping[str, _Region | None] | None = None,
        views: Mapping[str, _View] | None = None,
        opening_m: float | None = None,
        stamp_s: float | None = None,
        stamp_ns: int | None = None,
    ) -> Step:
        """The reward of the next frame. It runs without the interpreter's lock; the arrays must not change meanwhile.

        Args:
            color: (height, width, 3) uint8, RGB.
            depth: (height, width), float32 in metres or uint16 in millimetres; another resolution of the same picture.
            fingertip: where it is: a box, a mask (height, width) of bool, or what a tracker found. None, or a mask
                without a pixel, makes the step invalid (`no_fingertip_box`).
            target: as `fingertip`.
            regions: of a task, each region by its name; `fingertip` and `target` may stand here too.
            views: of several cameras, in the place of all of these: by the camera's name a dict with `color`, `depth`
                and `regions`. What a camera does not show the others carry.
            opening_m: how wide the gripper is open, where phases speak of it; NaN where that is not known.
            stamp_s: when, in seconds. Without a stamp it is 1 / rate_hz after the step before. One that is set back by
                a second or more begins a new episode, as in a recording.
            stamp_ns: the same in nanoseconds, as recordings have it: a float of today's seconds since 1970 is off
                by up to 120 of them.

        Raises:
            Error: an array of another dtype or shape, or not in one piece; depth of another picture; a region or a
                camera that nothing is measured of.
        """

    def reset(self) -> None:
        """A new episode begins with the next frame."""

    @property
    def reward(self) -> str: ...
    @property
    def distance(self) -> str: ...
    @property
    def estimator(self) -> str: ...
    @property
    def camera(self) -> Camera | None:
        """The only one; None where there are several."""

    @property
    def cameras(self) -> dict[str, Camera | None]:
        """Those that have names."""

    @property
    def regions(self) -> dict[str, list[str]]:
        """By camera, the regions that `step` takes; an empty name where there is but one camera."""

@final
class Labelled:
    """What came of labelling a recording. It stands for its folder wherever a path is wanted: `evaluate(labelled)`."""

    def __fspath__(self) -> str: ...
    @property
    def folder(self) -> os.PathLike[str]:
        """The labelled bag."""

    @property
    def parquet(self) -> os.PathLike[str]:
        """The table with one row a step."""

    @property
    def png(self) -> os.PathLike[str]: ...
    @property
    def html(self) -> os.PathLike[str]: ...
    @property
    def steps(self) -> int: ...
    @property
    def valid(self) -> int: ...
    @property
    def invalid(self) -> dict[str, int]:
        """How many steps have which reason."""

    @property
    def topics(self) -> dict[str, str]:
        """Which topic was taken for what."""

    @property
    def advice(self) -> str | None:
        """Why so many steps are invalid, where many are."""

    @property
    def loss(self) -> dict[str, Any] | None:
        """What of the source could not be read; None where all could. What was read is labelled."""

    @property
    def seconds(self) -> float: ...
    def table(self) -> dict[str, Any]:
        """The table, one array a column and one value a row; columns of words are lists."""

    def to_dict(self) -> dict[str, Any]:
        """What `label --json` tells of a bag."""

    def _repr_html_(self) -> str: ...

@final
class Evaluation:
    """What a labelled recording is worth."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures, as `evaluate --json` prints them."""

    @property
    def steps_with_truth(self) -> int: ...
    @property
    def without_truth(self) -> str | None:
        """Why rewards are not held against a truth, where they are not."""

    @property
    def truth_is_tf(self) -> bool:
        """The truth is the distance between two TF frames, for there is no other."""

    def _repr_html_(self) -> str: ...

@final
class Inspection:
    """What a recording holds, and what labelling it would meet. `print` shows it in words."""

    @property
    def possible(self) -> bool:
        """Nothing stands in the way of labelling."""

    @property
    def obstacles(self) -> list[str]: ...
    @property
    def frames(self) -> int: ...
    @property
    def topics(self) -> list[dict[str, Any]]: ...
    @property
    def roles(self) -> dict[str, dict[str, Any]]:
        """Which topic would play which role, and why."""

    def to_dict(self) -> dict[str, Any]:
        """What `inspect --json` prints."""

    def _repr_html_(self) -> str: ...

@final
class Frame:
    """A frame of a recording: what belongs together by its stamps."""

    @property
    def color(self) -> _Color | None:
        """(height, width, 3) uint8; None where the picture does not decode."""

    @property
    def depth(self) -> npt.NDArray[np.float32] | None:
        """(height, width) in metres, registered to the picture; NaN where nothing was measured."""

    @property
    def color_shape(self) -> tuple[int, int] | None:
        """Height and width, without making an array; None where the picture does not decode."""

    @property
    def depth_shape(self) -> tuple[int, int] | None: ...
    def color_png(self) -> bytes:
        """The picture as a PNG file.

        Raises:
            Error: there is no picture.
        """

    def color_levels(self, every: int) -> npt.NDArray[np.uint32]:
        """How often each level of red, green and blue is there, (3, 256), in every so manieth pixel of every so manieth
        row.

        Raises:
            Error: there is no picture.
        """

    def depth_png(self, every: int, shape: tuple[int, int]) -> tuple[bytes, npt.NDArray[np.uint16]]:
        """Depth as a PNG file of whole millimetres, and every so manieth pixel of every so manieth row of it: 0 where
        nothing was measured, and everywhere in that shape where there is no depth; 65535 for all that is farther."""

    def thinned_depth(self, every: int, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Such pixels of the depth in metres; 0 in that shape where there is no depth."""

    @property
    def camera(self) -> Camera | None: ...
    @property
    def fingertip(self) -> _Box | None: ...
    @property
    def target(self) -> _Box | None: ...
    @property
    def fingertip_origin(self) -> str | None:
        """Where the box comes from: seen, interpolated, followed, frame, fixed and others."""

    @property
    def target_origin(self) -> str | None: ...
    @property
    def stamp_s(self) -> float: ...
    @property
    def stamp_ns(self) -> int: ...
    @property
    def episode(self) -> int: ...
    @property
    def reason(self) -> str | None:
        """Why it cannot be measured, as far as that is known before."""

@final
class Frames:
    """The frames of a recording, one after the other; a few are read ahead."""

    @property
    def loss(self) -> dict[str, Any] | None:
        """What of the recording could not be read, as of `Labelled`; known once the last frame was taken."""

    def __iter__(self) -> Frames: ...
    def __next__(self) -> Frame: ...

@final
class Messages:
    """The messages of a recording as they were written, in the order of their log times, also of a damaged one.

    Args:
        bag: where it is.
        topics: of which; by default of all.
    """

    def __new__(cls, bag: _Path, topics: Sequence[str] = ...) -> Messages: ...
    @property
    def topics(self) -> list[tuple[str, str, tuple[str, str] | None]]:
        """Of each topic its name, its type, and the encoding and the text of the type's definition, if there is one."""

    def __iter__(self) -> Messages: ...
    def __next__(self) -> tuple[str, int, bytes]:
        """The topic, the log time in nanoseconds, and the bytes."""

@final
class Recording:
    """A recording: a bag's folder or file.

    Args:
        bag: where it is.
        config: settings, as `Annotator` takes them.
        fingertip: the topic of its boxes, or a box in the first picture, from which it is followed.
        target: as `fingertip`.
    """

    def __new__(
        cls,
        bag: _Path,
        *,
        config: _Config | None = None,
        fingertip: str | _AnyBox | None = None,
        target: str | _AnyBox | None = None,
    ) -> Recording: ...
    def frames(self, *, as_recorded: bool = False) -> Frames:
        """All frames from the first; boxes are there where the recording or the arguments have them.

        Args:
            as_recorded: read the recording once instead of twice. Where something was recorded too late for its
                picture, or the clock was set back, an Error of kind `recorded_late` comes out of the frames.
        """

    def first_stamps_ns(self, count: int) -> list[int]:
        """The stamps of the first frames, up to so many, without decoding them."""

    def __iter__(self) -> Frames: ...

@final
class MeasuredRecording:
    """A recording whose frames are measured as `label` measures them, ahead and on all cores.

    Args:
        bag: where it is.
        config: settings, as `Annotator` takes them.
        fingertip: as `Recording` takes it.
        target: as `fingertip`.
        reward: as `Annotator` takes it.
        distance: as `Annotator` takes it.
        estimator: as `Annotator` takes it.
    """

    def __new__(
        cls,
        bag: _Path,
        *,
        config: _Config | None = None,
        fingertip: str | _AnyBox | None = None,
        target: str | _AnyBox | None = None,
        reward: _Reward | None = None,
        distance: _Distance | None = None,
        estimator: str | None = None,
    ) -> MeasuredRecording: ...
    def frames(self, *, as_recorded: bool = False) -> Frames:
        """All frames from the first; see `Recording.frames`."""

    def step(self, frame: Frame, stamp_ns: int) -> Step:
        """The step of one of its frames, which counts for that time; a frame may have several.

        Raises:
            Error: depth is measured, and no camera is known.
        """

    def reset(self) -> None:
        """A new episode begins with the next step."""

    @property
    def reward(self) -> str: ...
    @property
    def distance(self) -> str: ...
    @property
    def estimator(self) -> str: ...

@final
class PhotoSet:
    """A data set of photos, as `spatial-reward dataset` makes it, whose parts several processes may make.

    One process begins it and joins its parts once none is missing; those that make parts, on this machine or on others
    that see its folder, are given the same arguments. `vocabulary` is a text of words; `rephrase` and what belongs to
    it is for who joins. Networks are asked in a process of a program that has them, see `SPATIAL_REWARD_PROGRAM`.

    Raises:
        Error: settings that are none.
    """

    def __new__(
        cls,
        photos: Sequence[_Path],
        out: _Path,
        *,
        config: _Config | None = None,
        vocabulary: str | None = None,
        detector: str | None = None,
        segmenter: str | None = None,
        depth_model: str | None = None,
        every: int = 1,
        seed: int = 0,
        jobs: int | None = None,
        rephrase: str | None = None,
        rephrase_model: str | None = None,
        rephrase_timeout: int = 60,
        rephrase_requests: int = 4,
    ) -> PhotoSet: ...
    @property
    def has_networks(self) -> bool:
        """Networks are named, so they are asked for what lies beside no photo."""

    def begin(self, *, resume: bool = True) -> dict[str, Any] | None:
        """Begin, or go on where a run was ended. Until `join` or `close` no other process begins the same.

        Returns:
            What `dataset.json` says where all is made already, else None.

        Raises:
            Error: of kind `other_run` for an output of something else; `output_exists` for one that is there, or is
                begun, without `resume`; `output_held` where another has it; `no_photos` for a path without one.
        """

    @property
    def photos(self) -> int:
        """How many photos there are, once it is begun."""

    @property
    def missing(self) -> list[tuple[int, int, int]]:
        """The parts that are to be made, each with the number of its first photo, from 0, and that behind its last."""

    @property
    def parts_folder(self) -> os.PathLike[str]:
        """Where parts are kept; it goes with `join`."""

    def load(self) -> None:
        """Load what makes parts, of a set that any process has begun; `make` does so, too.

        Raises:
            Error: nothing is begun that is seen from here, or something else; networks that cannot be loaded.
        """

    def make(self, part: int) -> dict[str, int]:
        """Make a part, unless it is made: how many `photos` are in it, of which `rows` and `errors` came.

        Raises:
            Error: of kind `output_held` where another process is at work on it; what cannot be written.
        """

    def join(self, *, progress: _Progress | None = None) -> dict[str, Any]:
        """Make the data set of the parts: what `dataset.json` says.

        Raises:
            Error: of kind `unfinished` where a part is missing, `no_rows` where no photo gave one, `endpoint` where one
                does not answer.
        """

    def close(self) -> None:
        """Let go of it: others may go on then. Parts that are made stay."""

def main(arguments: Sequence[str | os.PathLike[str]]) -> int:
    """The program with these arguments, the first of which is its name: the exit code. Once a process."""

def measure(
    color: _Color,
    depth: _Depth | None,
    camera: Camera,
    fingertip: _Region,
    target: _Region,
    *,
    distance: _Distance | None = None,
    config: _Config | None = None,
) -> Measurement:
    """The distances between two regions of one frame, without a memory of others.

    Raises:
        Error: as `Annotator.step`.
    """

def label(
    bag: _Path,
    out: _Path,
    *,
    config: _Config | None = None,
    reward: _Reward | None = None,
    distance: _Distance | None = None,
    estimator: str | None = None,
    fingertip: str | _AnyBox | None = None,
    target: str | _AnyBox | None = None,
    regions: _Path | None = None,
    truth: dict[Literal["fingertip", "target", "surface", "cloud"], str] | None = None,
    if_exists: Literal["fail", "resume", "overwrite"] = "fail",
    jobs: int | None = None,
    progress: _Progress | None = None,
) -> Labelled | None:
    """Label a recording: a copy with rewards, a table and a report, in a new folder that appears whole or not at all.

    What may be wrong is told to the logger `spatial_reward`. Ctrl-C ends it, and nothing unfinished is left.

    Args:
        bag: the recording.
        out: the folder to make.
        fingertip: the topic of its boxes, or a box in the first picture, from which it is followed.
        target: as `fingertip`.
        regions: a file of drawn boxes, as `pick` writes it.
        truth: the topics of the ground truth.
        if_exists: `resume` returns None where the output was finished with the same settings.
        jobs: threads; as many as there are processors.
        progress: called with what is done and what there is (None where only the end will tell).

    Raises:
        Error: what the recording or the output makes impossible.
    """

def evaluate(
    bag: _Path,
    *,
    truth: dict[Literal["fingertip", "target", "surface", "cloud"], str] | None = None,
    progress: _Progress | None = None,
) -> Evaluation:
    """Hold a labelled recording against its ground truth, and against time alone where it has none."""

def inspect(
    bag: _Path,
    *,
    config: _Config | None = None,
    fingertip: str | _AnyBox | None = None,
    target: str | _AnyBox | None = None,
    progress: _Progress | None = None,
) -> Inspection:
    """What a recording holds, which topic would play which role, and what labelling it would meet."""
