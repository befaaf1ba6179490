"""Trains any Gymnasium environment on the reward of a running `spatial-reward node`.

`SpatialReward` replaces the environment's reward by the one that the node measures in a camera frame. You give
it a function that says what the camera sees; observations, actions, `terminated` and `truncated` stay as the
environment gives them.

Start the node in one terminal, and in another:

    import gymnasium
    from gymnasium_wrapper import Frame, SpatialReward

    def observe(env):                      # called after every reset and step
        rgb, depth_m = my_camera(env)      # (height, width, 3) uint8 and (height, width) metres
        return Frame(
            rgb, depth_m,
            intrinsics=(600.0, 600.0, 320.0, 240.0),            # fx, fy, cx, cy in pixels
            fingertip_box=my_detector(rgb, "gripper finger"),   # x_min, y_min, x_max, y_max, or None
            target_box=my_detector(rgb, "red ball"),
        )

    env = SpatialReward(gymnasium.make("MyRobot-v0"), observe)
    observation, info = env.reset()
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    print(reward, info["spatial_reward"]["distance_m"], info["env_reward"])

The reward of a step is that of the frame its action led to. The frame after `reset()` is sent too: it begins
the episode in the node, and gives rewards that look back (`progress`, `shaped`, filters) their first distance.

**Modes.** `mode="service"` calls the node's `~/annotate_step` and waits: nothing is lost, and every environment
has an episode of its own, so many may share a node. `mode="topic"` publishes the frame on the node's topics and
waits for the reward with the frame's stamp; start that node with `live.image_reliability` and
`live.box_reliability` set to `reliable`, or a busy machine may lose frames. On a robot whose camera and detector
publish by themselves, use `mode="topic"` and let `observe` return the stamp of the frame to wait for, in
nanoseconds; with `observe=None` the first frame that was taken after the action counts.

A request of 640x480 pixels has 2.1 MB, and Fast DDS lends its sender half a megabyte: start the training with
`FASTRTPS_DEFAULT_PROFILES_FILE` set to config/fast_dds.xml, or it waits four times as long for each reward, and at
times seconds, until what was lost is sent again.

**Invalid steps.** The node cannot measure every frame: the target may be hidden, the depth may have holes. Such
a step has no reward, and a zero would be a lie that a learner believes. `on_invalid` says what `step()` does:

    "hold"   return the last valid reward of the episode; `info["spatial_reward"]["held"]` is True.
             If the episode has none yet, not even from its first frame, `InvalidStep` is raised.
    "nan"    return NaN. Most learners do not survive that: deal with it before it reaches one.
    "raise"  raise `InvalidStep`.

`reset()` never raises it: look at `info["spatial_reward"]["valid"]`.

**Info.** After a step, `info["env_reward"]` is the environment's own reward. After a reset and a step,
`info["spatial_reward"]` holds `valid`, `reason` (why not; "" if valid), `distance_m`, `distance_std_m` (its standard
deviation; NaN if not known) and `distance_kind`, `confidence`, `success`, `episode_id`, `step` and `stamp_nanos` of
this frame, `held`, and `age_s`: how long ago the frame was taken that the returned reward was measured in. A held
reward is older than its step; without one it is NaN.

Needs ROS 2 with this package's interfaces (and vision_msgs for topics), gymnasium and numpy.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import math
import os
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np

try:
    import rclpy
    from rclpy.context import Context
    from rclpy.duration import Duration
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from rclpy.time import Time
    from sensor_msgs.msg import CameraInfo, Image
    from std_srvs.srv import Trigger

    from spatial_reward.msg import StepReward
    from spatial_reward.srv import AnnotateStep
except ImportError as error:
    raise ImportError(
        f"{error}: ROS 2 or the package spatial_reward is not in this shell's environment; source the setup "
        "file of your ROS installation and that of the workspace in which you built spatial_reward"
    ) from error

Box = Sequence[float]
NOT_DETECTED = (math.nan,) * 4
SECOND_NANOS = 1_000_000_000
# How long to stand back before a busy node is asked again.
BUSY_PAUSE_S = 0.005


class SpatialRewardError(RuntimeError):
    """Something is wrong between the environment and the node."""


class NodeUnavailable(SpatialRewardError):
    """No node answers to the name: it was not started, has ended, or is called otherwise."""


class RewardTimeout(SpatialRewardError):
    """The node is there, but no reward came in time."""


class InvalidStep(SpatialRewardError):
    """The node could not measure a step, and `on_invalid` leaves nothing to return instead."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """What the camera sees: colour, depth registered to it, intrinsics and the two boxes.

    rgb: (height, width, 3) uint8.
    depth_m: (height, width) metres; 0, NaN or infinite where nothing was measured. None without a depth camera,
        which only a node with a model as estimator can use.
    intrinsics: fx, fy, cx, cy in pixels.
    fingertip_box, target_box: x_min, y_min, x_max, y_max in pixels, the last two exclusive; None if not detected.
    stamp_nanos: when the frame was taken, on the ROS clock; None: when `observe` returned it. Stamps must ascend.
    """

    rgb: np.ndarray
    depth_m: np.ndarray | None
    intrinsics: Sequence[float]
    fingertip_box: Box | None
    target_box: Box | None
    stamp_nanos: int | None = None
    frame_id: str = "camera"

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(f"Frame.rgb must be (height, width, 3) uint8, not {self.rgb.shape} {self.rgb.dtype}")
        if self.depth_m is not None and self.depth_m.shape != self.rgb.shape[:2]:
            raise ValueError(
                f"Frame.depth_m must have the shape of the colour image, {self.rgb.shape[:2]}, "
                f"not {self.depth_m.shape}: register it to the image first"
            )
        if len(self.intrinsics) != 4:
            raise ValueError("Frame.intrinsics must be the four numbers fx, fy, cx, cy")
        for name in ("fingertip_box", "target_box"):
            box = getattr(self, name)
            if box is not None and len(box) != 4:
                raise ValueError(f"Frame.{name} must be x_min, y_min, x_max, y_max or None, not {box}")


# What `observe` may return: a frame to send, or the stamp of one that somebody else publishes.
Observed = Frame | int


class SpatialReward(gymnasium.Wrapper):
    """An environment whose reward comes from a running node. The module's docstring has an example.

    env: any Gymnasium environment.
    observe: called with `env` after each reset and step; returns the Frame that the camera sees then. In topic
        mode it may return the stamp of a published frame instead, or be None (see "Modes" above).
    mode: "service" or "topic".
    on_invalid: "hold", "nan" or "raise" (see "Invalid steps" above).
    node_name: the node's full name, with its namespace.
    topics: for topic mode, names that differ from the node's own: keys are `image`, `depth`, `camera_info`,
        `fingertip/detections` and `target/detections`, values the names they are remapped to.
    timeout_s: how long to wait for the node to appear, and then for each reward.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        observe: Callable[[gymnasium.Env], Observed] | None,
        *,
        mode: str = "service",
        on_invalid: str = "hold",
        node_name: str = "/spatial_reward",
        topics: dict[str, str] | None = None,
        timeout_s: float = 10.0,
    ):
        super().__init__(env)
        links = {"service": _ServiceLink, "topic": _TopicLink}
        if mode not in links:
            raise ValueError(f'mode must be "service" or "topic", not {mode!r}')
        if on_invalid not in ("hold", "nan", "raise"):
            raise ValueError(f'on_invalid must be "hold", "nan" or "raise", not {on_invalid!r}')
        if observe is None and mode == "service":
            raise ValueError('mode="service" sends frames, so it needs an observe function')
        if timeout_s <= 0:
            raise ValueError(f"timeout_s must be above 0, not {timeout_s}")
        self._observe = observe
        self._on_invalid = on_invalid
        self._last_valid: StepReward | None = None
        self._link = links[mode](node_name, timeout_s, topics or {})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Reset the environment and begin an episode in the node."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._last_valid = None
        step = self._measure(starts_episode=True)
        return observation, {**info, "spatial_reward": self._describe(step)}

    def step(self, action):
        """Step the environment; the reward is the node's."""
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        step = self._measure(starts_episode=False)
        described = {"spatial_reward": self._describe(step), "env_reward": float(env_reward)}
        return observation, self._reward(step), terminated, truncated, {**info, **described}

    def close(self) -> None:
        """Leave ROS and close the environment."""
        self._link.close()
        super().close()

    def _measure(self, starts_episode: bool) -> StepReward:
        step = self._link.measure(lambda: self._observe and self._observe(self.env), starts_episode)
        if step.valid:
            self._last_valid = step
        return step

    def _reward(self, step: StepReward) -> float:
        if step.valid:
            return step.reward
        if self._on_invalid == "nan":
            return math.nan
        if self._on_invalid == "hold" and self._last_valid is not None:
            return self._last_valid.reward
        nothing_to_hold = " and the episode has no valid reward yet to hold" if self._on_invalid == "hold" else ""
        raise InvalidStep(
            f"step {step.step} of episode {step.episode_id} could not be measured ({step.reason}){nothing_to_hold}; "
            "docs/reference.md says what the reason means, and on_invalid what else can be done about it"
        )

    def _describe(self, step: StepReward) -> dict[str, Any]:
        held = not step.valid and self._on_invalid == "hold" and self._last_valid is not None
        source = step if step.valid else self._last_valid if held else None
        age_s = math.nan if source is None else (self._link.now_nanos() - _stamp_nanos(source)) / SECOND_NANOS
        return {
            "valid": step.valid,
            "reason": step.reason,
            "distance_m": step.distance_m,
            "distance_std_m": step.distance_std_m,
            "distance_kind": step.distance_kind,
            "confidence": step.confidence,
            "success": step.success,
            "episode_id": step.episode_id,
            "step": step.step,
            "stamp_nanos": _stamp_nanos(step),
            "held": held,
            "age_s": age_s,
        }


class _Link:
    """A ROS node of our own, in a context of its own, that is spun only while something is waited for."""

    def __init__(self, node_name: str, timeout_s: float):
        self.node_name = "/" + node_name.strip("/")
        self.timeout_s = timeout_s
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node(f"spatial_reward_environment_{uuid.uuid4().hex[:8]}", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._last_stamp_nanos = 0

    def close(self) -> None:
        if self._context.ok():
            self._executor.shutdown()
            self.node.destroy_node()
            rclpy.shutdown(context=self._context)

    def now_nanos(self) -> int:
        return self.node.get_clock().now().nanoseconds

    def stamped(self, frame: Frame) -> Frame:
        """The frame with a stamp that is later than the last one's."""
        stamp = frame.stamp_nanos
        if stamp is None:
            stamp = max(self.now_nanos(), self._last_stamp_nanos + 1)
        elif stamp <= self._last_stamp_nanos:
            raise ValueError(
                f"Frame.stamp_nanos {stamp} is not later than the frame before it ({self._last_stamp_nanos}): "
                "take stamps from the ROS clock, or leave them out"
            )
        self._last_stamp_nanos = stamp
        return dataclasses.replace(frame, stamp_nanos=stamp)

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Handle messages until something holds; False if it does not within the time."""
        end = time.monotonic() + timeout_s
        while not holds():
            left_s = end - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, 0.05))
        return True

    def unavailable(self, what: str) -> NodeUnavailable:
        seen = sorted(
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self.node.get_node_names_and_namespaces()
            if name != self.node.get_name()
        )
        return NodeUnavailable(
            f"{what} after {self.timeout_s:g} s: start `spatial-reward node`, or give the name it runs under as "
            f"node_name. Looked for {self.node_name} in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}, where "
            f"these nodes are: {', '.join(seen) or 'none'}"
        )


class _ServiceLink(_Link):
    """Rewards by `~/annotate_step`."""

    def __init__(self, node_name: str, timeout_s: float, topics: dict[str, str]):
        if topics:
            raise ValueError('topics are for mode="topic": a service takes the frame in its request')
        super().__init__(node_name, timeout_s)
        self._series = uuid.uuid4().hex
        self._episode_is_open = False
        self._client = self.node.create_client(AnnotateStep, f"{self.node_name}/annotate_step")
        if not self.wait_until(self._client.service_is_ready, timeout_s):
            error = self.unavailable(f"no service {self._client.srv_name}")
            self.close()
            raise error

    def measure(self, observe: Callable[[], Observed], starts_episode: bool) -> StepReward:
        frame = observe()
        if not isinstance(frame, Frame):
            raise TypeError(f'observe must return a Frame with mode="service", not {type(frame).__name__}')
        self._episode_is_open &= not starts_episode
        request = self._request(self.stamped(frame))
        end = time.monotonic() + self.timeout_s
        while True:
            response = self._call(request)
            if response.status == response.DONE:
                self._episode_is_open = True
                return response.step
            if response.status == response.LATE:
                return response.step
            if response.status == response.BAD_REQUEST:
                raise ValueError(f"the node cannot use this frame: {response.message}")
            if response.status == response.SHUTTING_DOWN:
                raise NodeUnavailable(f"{self.node_name} is shutting down: {response.message}")
            if response.status == response.NOT_ACTIVE:
                raise NodeUnavailable(f"{self.node_name} measures nothing: {response.message}")
            if time.monotonic() > end:
                raise RewardTimeout(
                    f"{self.node_name} has been busy with other calls for {self.timeout_s:g} s: raise its "
                    "live.calls_waiting, use fewer environments at a time, or give each group a node of its own"
                )
            time.sleep(BUSY_PAUSE_S)

    def _request(self, frame: Frame) -> AnnotateStep.Request:
        return AnnotateStep.Request(
            image=_image(frame),
            depth=_depth(frame),
            camera_info=_camera_info(frame),
            fingertip_box=_box_or_nan(frame.fingertip_box),
            target_box=_box_or_nan(frame.target_box),
            series=self._series,
            # Asked for again if the first frame's answer was late: an episode must not go on in the last one.
            start_episode=not self._episode_is_open,
            deadline=Duration(seconds=self.timeout_s).to_msg(),
        )

    def _call(self, request: AnnotateStep.Request) -> AnnotateStep.Response:
        future = self._client.call_async(request)
        # The node answers by the deadline in the request, so a little more means that it never will.
        if self.wait_until(future.done, self.timeout_s + 1.0):
            return future.result()
        self._client.remove_pending_request(future)
        if not self._client.service_is_ready():
            raise self.unavailable(f"{self._client.srv_name} has gone, no answer")
        raise RewardTimeout(
            f"{self._client.srv_name} gave no answer within {self.timeout_s + 1:g} s: see the node's log"
        )


class _TopicLink(_Link):
    """Rewards by topics: publishes frames, unless somebody else does, and takes the reward of the same stamp."""

    INPUTS = ("image", "depth", "camera_info", "fingertip/detections", "target/detections")

    def __init__(self, node_name: str, timeout_s: float, topics: dict[str, str]):
        unknown = sorted(set(topics) - set(self.INPUTS))
        if unknown:
            raise ValueError(f"topics has no key {', '.join(unknown)}: the keys are {', '.join(self.INPUTS)}")
        super().__init__(node_name, timeout_s)
        namespace = self.node_name.rpartition("/")[0]
        self._names = {name: topics.get(name, f"{namespace}/{name}") for name in self.INPUTS}
        self._publishers: dict[str, Any] = {}
        self._rewards: collections.deque[StepReward] = collections.deque(maxlen=100)
        reliable = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        name = f"{self.node_name}/step_reward"
        self._subscription = self.node.create_subscription(StepReward, name, self._take, reliable)
        self._starter = self.node.create_client(Trigger, f"{self.node_name}/start_episode")

        def node_is_there() -> bool:
            return self._starter.service_is_ready() and self.node.count_publishers(name) > 0

        if not self.wait_until(node_is_there, timeout_s):
            error = self.unavailable(f"nobody publishes {name}")
            self.close()
            raise error

    def measure(self, observe: Callable[[], Observed | None], starts_episode: bool) -> StepReward:
        if starts_episode:
            self._start_episode()
        after = self.now_nanos()
        observed = observe()
        if isinstance(observed, Frame):
            if not self._publishers:
                self._announce(with_depth=observed.depth_m is not None)
            observed = self.stamped(observed)
            self._publish(observed)
            observed = observed.stamp_nanos
        if observed is None:
            return self._wait_for(lambda stamp: stamp >= after, f"a stamp from {after} on")
        return self._wait_for(lambda stamp: stamp == observed, f"the stamp {observed}")

    def _take(self, step: StepReward) -> None:
        self._rewards.append(step)

    def _wait_for(self, is_wanted: Callable[[int], bool], wanted: str) -> StepReward:
        def found() -> list[StepReward]:
            return [step for step in self._rewards if is_wanted(_stamp_nanos(step))]

        if self.wait_until(found, self.timeout_s):
            step = found()[0]
            self._rewards.clear()
            return step
        topic = self._subscription.topic_name
        if self.node.count_publishers(topic) == 0:
            raise self.unavailable(f"nobody publishes {topic} any more, no reward")
        raise RewardTimeout(
            f"no reward with {wanted} on {topic} within {self.timeout_s:g} s: the node's log says every 5 s which "
            "input it waits for. If frames get lost, start it with live.image_reliability and live.box_reliability "
            "set to reliable"
        )

    def _start_episode(self) -> None:
        future = self._starter.call_async(Trigger.Request())
        if not self.wait_until(future.done, self.timeout_s):
            self._starter.remove_pending_request(future)
            raise self.unavailable(f"no answer of {self._starter.srv_name}")
        if not future.result().success:
            raise SpatialRewardError(f"{self._starter.srv_name} refused: {future.result().message}")

    def _announce(self, with_depth: bool) -> None:
        """Make the publishers and wait until the node listens to them."""
        from vision_msgs.msg import Detection2DArray

        types = (Image, Image, CameraInfo, Detection2DArray, Detection2DArray)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers = {
            name: self.node.create_publisher(message_type, self._names[name], reliable)
            for name, message_type in zip(self.INPUTS, types, strict=True)
        }
        needed = [self._publishers[name] for name in self.INPUTS if with_depth or name != "depth"]

        def is_heard() -> bool:
            return all(publisher.get_subscription_count() for publisher in needed)

        if not self.wait_until(is_heard, self.timeout_s):
            silent = [publisher.topic_name for publisher in needed if not publisher.get_subscription_count()]
            raise self.unavailable(
                f"nobody subscribes to {', '.join(silent)} (if the node's inputs are remapped, say so in `topics`), "
                "no reward"
            )
        # That we know of the node does not mean that it knows of us. It learns of our ends in the order in which
        # they were made, so once it answers a client made now, it hears the publishers too.
        self.node.destroy_client(self._starter)
        self._starter = self.node.create_client(Trigger, self._starter.srv_name)
        if not self.wait_until(self._starter.service_is_ready, self.timeout_s):
            raise self.unavailable(f"no service {self._starter.srv_name}")
        self._start_episode()

    def _publish(self, frame: Frame) -> None:
        # The image last: whatever belongs to it is there then.
        if frame.depth_m is not None:
            self._publishers["depth"].publish(_depth(frame))
        self._publishers["camera_info"].publish(_camera_info(frame))
        for class_id, box in (("fingertip", frame.fingertip_box), ("target", frame.target_box)):
            self._publishers[f"{class_id}/detections"].publish(_detections(frame, class_id, box))
        self._publishers["image"].publish(_image(frame))


def _stamp_nanos(step: StepReward) -> int:
    return step.header.stamp.sec * SECOND_NANOS + step.header.stamp.nanosec


def _put_header(message, frame: Frame):
    message.header.stamp = Time(nanoseconds=frame.stamp_nanos).to_msg()
    message.header.frame_id = frame.frame_id
    return message


def _picture(frame: Frame, pixels: np.ndarray, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, step=pixels.strides[0])
    # An array is copied as a block; bytes or a list would be looked at one by one.
    message.data = array.array("B", pixels.tobytes())
    return _put_header(message, frame)


def _image(frame: Frame) -> Image:
    return _picture(frame, np.ascontiguousarray(frame.rgb), "rgb8")


def _depth(frame: Frame) -> Image:
    if frame.depth_m is None:
        return Image()
    depth_m = np.ascontiguousarray(frame.depth_m, dtype="<f4")
    return _picture(frame, np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(np.nan)), "32FC1")


def _camera_info(frame: Frame) -> CameraInfo:
    fx, fy, cx, cy = (float(value) for value in frame.intrinsics)
    height, width = frame.rgb.shape[:2]
    message = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return _put_header(message, frame)


def _box_or_nan(box: Box | None) -> list[float]:
    return [float(edge) for edge in (NOT_DETECTED if box is None else box)]


def _detections(frame: Frame, class_id: str, box: Box | None):
    # Here, because a user of the service needs no vision_msgs.
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    message = _put_header(Detection2DArray(), frame)
    if box is not None and np.isfinite(box).all():
        x_min, y_min, x_max, y_max = (float(edge) for edge in box)
        detection = _put_header(Detection2D(), frame)
        detection.bbox.center.position.x = (x_min + x_max) / 2
        detection.bbox.center.position.y = (y_min + y_max) / 2
        detection.bbox.size_x, detection.bbox.size_y = x_max - x_min, y_max - y_min
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = class_id, 1.0
        detection.results.append(result)
        message.detections.append(detection)
    return message
