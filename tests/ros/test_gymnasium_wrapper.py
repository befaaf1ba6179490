"""The Gymnasium wrapper of the examples against a running node, by service and by topic."""

import contextlib
import itertools
import math
import os
import re
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy
import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from node import Node
from scene import FOCAL_PX, HEIGHT, SECOND, WIDTH, Frame as Scene

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from gymnasium_wrapper import Frame, InvalidStep, NodeUnavailable, RewardTimeout, SpatialReward
from spatial_reward.msg import StepReward
from spatial_reward.srv import AnnotateStep

MODES = ("service", "topic")
HIDDEN = None
ENV_REWARD = 7.0
# The gap after the reset and after each step: the fingertip approaches.
APPROACH_PX = (40, 30, 20, 10)


class Approach(gymnasium.Env):
    """A tiny robot: each step shows the next of some gaps. It ends by itself as it is told to."""

    observation_space = gymnasium.spaces.Box(0.0, 1000.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, gaps_px=APPROACH_PX, terminates_at=None, truncates_at=None):
        self.gaps_px, self.terminates_at, self.truncates_at = gaps_px, terminates_at, truncates_at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {"of_the_environment": "reset"}

    def step(self, action):
        self.steps += 1
        ends = self.steps == self.terminates_at, self.steps == self.truncates_at
        return self._observation(), ENV_REWARD, *ends, {"of_the_environment": action}

    def _observation(self):
        return numpy.array([self.steps], numpy.float32)


def observe(env):
    """What the camera sees; a hidden target has no box."""
    gap_px = env.unwrapped.gaps_px[env.unwrapped.steps]
    scene = Scene(gap_px or 40)
    return Frame(
        scene.color,
        scene.depth_mm / 1000.0,
        intrinsics=(FOCAL_PX, FOCAL_PX, WIDTH / 2, HEIGHT / 2),
        fingertip_box=scene.fingertip,
        target_box=scene.target if gap_px else None,
    )


@pytest.fixture
def wrap(shared):
    """Makes wrapped environments that use the shared node, and closes them."""
    made = []

    def wrap(env, observe=observe, **options):
        made.append(SpatialReward(env, observe, **options))
        return made[-1]

    os.environ["ROS_DOMAIN_ID"], kept = str(shared.domain_id), os.environ["ROS_DOMAIN_ID"]
    yield wrap
    for env in made:
        env.close()
    os.environ["ROS_DOMAIN_ID"] = kept


def episode(env, steps):
    """Reset and step: the info of the reset, and what each step returned."""
    _, info = env.reset(seed=0)
    return info, [env.step(0) for _ in range(steps)]


@pytest.mark.parametrize("mode", MODES)
def test_the_reward_is_that_of_the_frame_the_action_led_to(wrap, mode):
    # Given an environment whose fingertip comes 5 cm nearer with each step
    env = wrap(Approach(), mode=mode)
    # When an episode is played
    reset_info, steps = episode(env, 3)
    # Then each reward is minus the gap of the frame after the action, and the first frame was measured too
    gaps_m = [Scene(gap_px).gap_m for gap_px in APPROACH_PX]
    assert reset_info["spatial_reward"]["distance_m"] == pytest.approx(gaps_m[0], abs=0.005)
    for (_, reward, _, _, info), gap_m in zip(steps, gaps_m[1:], strict=True):
        assert reward == -info["spatial_reward"]["distance_m"]
        assert reward == pytest.approx(-gap_m, abs=0.005)
        assert info["spatial_reward"]["distance_kind"] == "surface"
        assert info["spatial_reward"]["confidence"] > 0.5


def test_service_and_topic_give_the_same_rewards(wrap):
    # Given the same environment in both modes
    by_service, by_topic = (wrap(Approach(), mode=mode) for mode in MODES)
    # When both play the same episode
    _, service_steps = episode(by_service, 3)
    _, topic_steps = episode(by_topic, 3)
    # Then the rewards are equal to the last bit
    assert [step[1] for step in service_steps] == [step[1] for step in topic_steps]


@pytest.mark.parametrize("mode", MODES)
def test_each_reset_begins_an_episode_in_the_node(wrap, mode):
    # Given a wrapped environment
    env = wrap(Approach(), mode=mode)
    # When two episodes are played
    played = [episode(env, 2) for _ in range(2)]
    # Then each has an id of its own and counts its steps from the frame after the reset
    ids = []
    for reset_info, steps in played:
        described = [reset_info["spatial_reward"]] + [step[4]["spatial_reward"] for step in steps]
        assert [info["step"] for info in described] == [0, 1, 2]
        assert len({info["episode_id"] for info in described}) == 1
        ids.append(described[0]["episode_id"])
    assert ids[0] != ids[1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ends", [{"terminates_at": 2}, {"truncates_at": 2}])
def test_all_but_the_reward_stays_the_environments(wrap, mode, ends):
    # Given an environment that terminates, or truncates, at its second step
    env = wrap(Approach(**ends), mode=mode)
    # When it is reset and stepped
    observation, reset_info = env.reset(seed=0)
    first, second = env.step(1), env.step(1)
    # Then both flags, observations and infos are as the environment gave them, and its reward is in the info
    assert observation == [0] and first[0] == [1] and second[0] == [2]
    assert first[2:4] == (False, False)
    assert second[2:4] == ("terminates_at" in ends, "truncates_at" in ends)
    assert reset_info["of_the_environment"] == "reset"
    assert second[4]["of_the_environment"] == 1
    assert second[4]["env_reward"] == ENV_REWARD != second[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_hidden_target_holds_the_last_reward_and_says_so(wrap, mode):
    # Given an episode in which the target is hidden for two steps
    env = wrap(Approach((40, 30, HIDDEN, HIDDEN, 10)), mode=mode)
    # When it is played
    _, steps = episode(env, 4)
    rewards = [step[1] for step in steps]
    infos = [step[4]["spatial_reward"] for step in steps]
    # Then the hidden steps repeat the last reward, flagged, with the reason and without a distance
    assert rewards[1] == rewards[2] == rewards[0] != rewards[3]
    assert [info["held"] for info in infos] == [False, True, True, False]
    assert [info["reason"] for info in infos] == ["", "no_target_box", "no_target_box", ""]
    assert math.isnan(infos[1]["distance_m"])
    # And a held reward ages
    assert infos[0]["age_s"] < infos[1]["age_s"] < infos[2]["age_s"]


@pytest.mark.parametrize("mode", MODES)
def test_a_hidden_target_is_nan_where_that_is_asked_for(wrap, mode):
    # Given an environment that wants to see invalid steps
    env = wrap(Approach((40, HIDDEN, 10)), mode=mode, on_invalid="nan")
    # When the target is hidden at the first step and seen at the second
    _, (hidden, seen) = episode(env, 2)
    # Then the first reward is no number, the second is
    assert math.isnan(hidden[1]) and math.isnan(hidden[4]["spatial_reward"]["age_s"])
    assert not hidden[4]["spatial_reward"]["held"]
    assert seen[1] == -seen[4]["spatial_reward"]["distance_m"]


@pytest.mark.parametrize("mode", MODES)
def test_a_hidden_target_raises_where_that_is_asked_for(wrap, mode):
    # Given an environment that takes no invalid steps
    env = wrap(Approach((40, HIDDEN, 10)), mode=mode, on_invalid="raise")
    env.reset(seed=0)
    # When the target is hidden, then the step raises with the reason
    with pytest.raises(InvalidStep, match="no_target_box"):
        env.step(0)


@pytest.mark.parametrize("mode", MODES)
def test_no_reward_is_held_over_from_another_episode(wrap, mode):
    # Given an environment that has seen a valid reward in an episode before
    env = wrap(Approach((40, 30, 20)), mode=mode)
    episode(env, 2)
    # When an episode begins with a hidden target
    env.unwrapped.gaps_px = (HIDDEN, HIDDEN, 20)
    _, info = env.reset(seed=0)
    # Then the reset tells, and the step has nothing to hold
    assert not info["spatial_reward"]["valid"]
    with pytest.raises(InvalidStep, match="no valid reward yet to hold"):
        env.step(0)


def test_environments_side_by_side_keep_their_episodes(wrap):
    # Given two environments that share a node, in the middle of their episodes
    one, other = wrap(Approach()), wrap(Approach((20, 15, 10, 5)))
    one.reset(seed=0)
    _, other_info = other.reset(seed=0)
    of_one, of_other = one.step(0), other.step(0)
    # When one of them is reset and stepped
    _, one_info = one.reset(seed=0)
    one_again, other_later = one.step(0), other.step(0)
    # Then it is in its next episode and measures what it did before
    assert one_info["spatial_reward"]["episode_id"] == of_one[4]["spatial_reward"]["episode_id"] + 1
    assert one_again[4]["spatial_reward"]["step"] == of_one[4]["spatial_reward"]["step"] == 1
    assert one_again[1] == of_one[1]
    # And the other goes on in its own
    assert other_later[4]["spatial_reward"]["episode_id"] == other_info["spatial_reward"]["episode_id"]
    assert other_later[4]["spatial_reward"]["step"] == 2
    assert other_later[1] > of_other[1] > of_one[1]


class Camera:
    """Publishes by itself, together with a detector, and remembers the gap that it showed at each stamp."""

    def __init__(self, peer):
        self.gaps_m = {}
        self._peer, self._stopped = peer, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        for gap_px in itertools.cycle(range(40, 5, -1)):
            if self._stopped.wait(0.05):
                return
            scene, stamp = Scene(gap_px), time.time_ns()
            self._peer.publish_frame(scene, stamp)
            self.gaps_m[stamp] = scene.gap_m

    def wait_for(self, frames):
        """Wait until it has published so many more: the stamp of the last one."""
        enough = len(self.gaps_m) + frames
        while len(self.gaps_m) < enough:
            time.sleep(0.01)
        return list(self.gaps_m)[enough - 1]

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()


@pytest.fixture
def camera(shared):
    """A camera that the shared node listens to. The test starts it."""
    camera = Camera(shared.peer)
    yield camera
    camera.stop()


def test_on_a_robot_the_first_frame_after_the_action_counts(wrap, camera):
    # Given a camera that publishes by itself, no observe function, and rewards of old frames that nobody took
    env = wrap(Approach(), observe=None, mode="topic")
    camera.start()
    env.reset(seed=0)
    camera.wait_for(5)
    # When the robot is stepped
    before = time.time_ns()
    _, reward, _, _, info = env.step(0)
    # Then the reward is that of a frame taken after the action began
    stamp = info["spatial_reward"]["stamp_nanos"]
    assert stamp >= before
    assert reward == pytest.approx(-camera.gaps_m[stamp], abs=0.005)
    assert 0 <= info["spatial_reward"]["age_s"] * SECOND <= time.time_ns() - stamp


def test_on_a_robot_observe_may_name_the_frame_to_wait_for(wrap, camera):
    # Given a camera that publishes by itself, and an observe function that names the fifth frame from now
    named = []

    def observe(_):
        named.append(camera.wait_for(5))
        return named[-1]

    env = wrap(Approach(), observe=observe, mode="topic")
    camera.start()
    env.reset(seed=0)
    # When the robot is stepped
    _, reward, _, _, info = env.step(0)
    # Then the reward is that of this very frame
    assert info["spatial_reward"]["stamp_nanos"] == named[1]
    assert reward == pytest.approx(-camera.gaps_m[named[1]], abs=0.005)


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_node_is_named(wrap, mode):
    # Given no node of this name; when an environment is wrapped, then the error says what to start, and where it looked
    looked = "start `spatial-reward node`.* Looked for /nobody in ROS domain"
    with pytest.raises(NodeUnavailable, match=looked):
        wrap(Approach(), mode=mode, node_name="/nobody", timeout_s=1.0)


def test_a_node_that_has_ended_is_an_error_not_a_reward(domain_id):
    # Given an environment in the middle of an episode
    with Node(parameters={}, domain_id=domain_id) as node:
        env = SpatialReward(Approach(), observe)
        env.reset(seed=0)
        # When the node is killed, then the next step says that it is gone
        node.peer.processes = []
        node.process.kill()
        with pytest.raises((NodeUnavailable, RewardTimeout), match="annotate_step"):
            env.step(0)
        env.close()


ANSWER = AnnotateStep.Response


def measured(reward):
    """The answer of a node that could measure."""
    return ANSWER(status=ANSWER.DONE, step=StepReward(valid=True, reward=reward, distance_m=-reward))


def late():
    """The answer of a node that was too slow."""
    step = StepReward(valid=False, reason="late", reward=math.nan, distance_m=math.nan, distance_std_m=math.nan)
    return ANSWER(status=ANSWER.LATE, step=step)


@pytest.fixture
def overloaded(domain_id):
    """A peer in the node's place that answers calls as told, and so shows what a real node does only under load.

    overloaded(answers) gives the requests that came; the last answer is repeated.
    """
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    ros = rclpy.create_node("overloaded", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(ros)

    def spin():
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin)

    def overloaded(answers):
        requests, answers = [], list(answers)

        def answer(request, _):
            requests.append(request)
            return answers.pop(0) if len(answers) > 1 else answers[0]

        ros.create_service(AnnotateStep, "~/annotate_step", answer)
        thread.start()
        return requests

    yield overloaded
    rclpy.shutdown(context=context)
    thread.join()
    executor.shutdown()


def test_a_busy_node_is_asked_again(overloaded):
    # Given a node that has too many calls waiting, twice
    requests = overloaded([ANSWER(status=ANSWER.BUSY), ANSWER(status=ANSWER.BUSY), measured(-0.1), measured(-0.2)])
    env = SpatialReward(Approach(), observe, node_name="/overloaded")
    # When an episode begins and is stepped
    _, info = env.reset(seed=0)
    _, reward, *_ = env.step(0)
    env.close()
    # Then the very same frame was sent until it was measured, and only that one begins the episode
    assert info["spatial_reward"]["distance_m"] == 0.1
    assert reward == -0.2
    assert [request.start_episode for request in requests] == [True, True, True, False]
    assert len({request.image.header.stamp.nanosec for request in requests[:3]}) == 1


def test_a_node_that_stays_busy_is_an_error(overloaded):
    # Given a node that never has room; when an episode begins, then the error says what would help
    overloaded([ANSWER(status=ANSWER.BUSY)])
    env = SpatialReward(Approach(), observe, node_name="/overloaded", timeout_s=5.0)
    with pytest.raises(RewardTimeout, match=re.escape("live.calls_waiting")):
        env.reset(seed=0)
    env.close()


def test_a_late_answer_is_an_invalid_step(overloaded):
    # Given a node that misses the deadline of the second step
    overloaded([measured(-0.3), measured(-0.2), late(), measured(-0.1)])
    env = SpatialReward(Approach(), observe, node_name="/overloaded")
    # When an episode is played
    _, steps = episode(env, 3)
    env.close()
    # Then that step holds the reward before it
    assert [step[1] for step in steps] == [-0.2, -0.2, -0.1]
    assert [step[4]["spatial_reward"]["reason"] for step in steps] == ["", "late", ""]


def test_an_episode_whose_first_answer_is_late_still_begins(overloaded):
    # Given a node that misses the deadline of an episode's first frame
    requests = overloaded([late(), measured(-0.2), measured(-0.1)])
    env = SpatialReward(Approach(), observe, node_name="/overloaded")
    # When the episode is played
    episode(env, 2)
    env.close()
    # Then the first step begins the episode in the reset's place
    assert [request.start_episode for request in requests] == [True, True, False]


def test_a_node_that_shuts_down_is_an_error(overloaded):
    # Given a node that is about to end; when a step is sent, then the error says so
    overloaded([measured(-0.3), ANSWER(status=ANSWER.SHUTTING_DOWN, message="the node is ending")])
    env = SpatialReward(Approach(), observe, node_name="/overloaded")
    env.reset(seed=0)
    with pytest.raises(NodeUnavailable, match="shutting down"):
        env.step(0)
    env.close()


def test_a_managed_node_that_is_not_active_is_an_error(overloaded):
    # Given a node that somebody deactivates; when a step is sent, then the error says what it takes
    overloaded([measured(-0.3), ANSWER(status=ANSWER.NOT_ACTIVE, message="the node is inactive: activate it")])
    env = SpatialReward(Approach(), observe, node_name="/overloaded")
    env.reset(seed=0)
    with pytest.raises(NodeUnavailable, match="activate it"):
        env.step(0)
    env.close()


def test_a_frame_that_cannot_be_measured_at_all_is_an_error(wrap):
    # Given a detector that mixes up the edges of its box
    def inverted(env):
        frame = observe(env)
        x_min, y_min, x_max, y_max = frame.target_box
        return Frame(frame.rgb, frame.depth_m, frame.intrinsics, frame.fingertip_box, (x_max, y_min, x_min, y_max))

    env = wrap(Approach(), inverted)
    # When the frame is sent, then the node's own words come back
    with pytest.raises(ValueError, match=r"the node cannot use this frame: .*box"):
        env.reset(seed=0)


def test_a_frame_that_does_not_fit_together_is_refused_before_it_is_sent():
    # Given pictures of different sizes; when a frame is made of them, then the error says which and what to do
    with pytest.raises(ValueError, match="depth_m must have the shape of the colour image"):
        Frame(numpy.zeros((4, 6, 3), numpy.uint8), numpy.zeros((2, 3)), (1, 1, 0, 0), None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "telepathy"}, 'mode must be "service" or "topic"'),
        ({"on_invalid": "zero"}, 'on_invalid must be "hold", "nan" or "raise"'),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"observe": None}, "needs an observe function"),
        ({"topics": {"image": "/wrist/image"}}, 'topics are for mode="topic"'),
        ({"mode": "topic", "topics": {"picture": "/wrist/image"}}, "topics has no key picture"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    # Given options that make no sense; when an environment is wrapped, then the error says which do
    with pytest.raises(ValueError, match=message):
        SpatialReward(Approach(), **{"observe": observe} | options)
