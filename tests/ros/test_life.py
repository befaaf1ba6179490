"""The node's life: how it starts, ends, is killed and comes back, and what it says when nothing comes."""

import contextlib
import re
import signal
import time
from pathlib import Path

import pytest
from rcl_interfaces.srv import ListParameters
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from node import INPUTS, Node, Peer, run_to_exit, usual_topic
from scene import Frame, nanoseconds
from spatial_reward.srv import AnnotateStep

CHECKPOINT = Path(__file__).parents[1] / "fixtures" / "spatialrgpt" / "a" / "checkpoint"


def assert_rewarded_again(peer):
    """Frames are published until one is rewarded: the ends have to find each other first."""
    peer.forget()
    published = set()

    def rewarded():
        published.add(peer.publish_frame())
        peer.pump(0.1)
        return [step for step in peer.steps if step.valid and nanoseconds(step.header.stamp) in published]

    step = peer.until(rewarded, "a reward")[0]
    assert step.distance_m == pytest.approx(Frame().gap_m, abs=1e-4)


def test_a_node_without_arguments_has_the_usual_names():
    # given a node as it is started by hand, and a camera that may lose frames
    with Node() as node:
        peer = node.peer
        assert_rewarded_again(peer)
        # then its topics and services have the names of the documentation
        topics = {
            "/spatial_reward/step_reward": ["spatial_reward/msg/StepReward"],
            "/reward": ["std_msgs/msg/Float64"],
            "/episode_done": ["std_msgs/msg/Bool"],
            "/episode_truncated": ["std_msgs/msg/Bool"],
            "/spatial_reward/debug_image/compressed": ["sensor_msgs/msg/CompressedImage"],
            "/diagnostics": ["diagnostic_msgs/msg/DiagnosticArray"],
            "/task_prompt": ["std_msgs/msg/String"],
        }
        services = {
            "/spatial_reward/start_episode": ["std_srvs/srv/Trigger"],
            "/spatial_reward/end_episode": ["std_srvs/srv/Trigger"],
            "/spatial_reward/annotate_step": ["spatial_reward/srv/AnnotateStep"],
        }
        peer.until(lambda: topics.items() <= dict(peer.ros.get_topic_names_and_types()).items(), "the topics")
        peer.until(lambda: services.items() <= dict(peer.ros.get_service_names_and_types()).items(), "the services")
        assert peer.ros.get_node_names().count("spatial_reward") == 1


def test_namespace_node_name_and_remaps_apply():
    outputs = {"/reward": "/left/value", "/episode_done": "/left/done", "/episode_truncated": "/left/truncated"}
    with Node(
        parameters={},
        namespace="/left",
        name="judge",
        remaps={"image": "wrist/image_raw", "depth": "/deep"} | outputs,
        topics={"image": "wrist/image_raw", "depth": "/deep"},
        outputs=outputs,
    ) as node:
        # then inputs and outputs have those names, and the node works
        step = node.peer.step_for()
        assert step.valid
        peer = node.peer
        peer.until(lambda: peer.rewards and peer.dones and peer.truncations, "the plain topics")
        assert ("judge", "/left") in peer.ros.get_node_names_and_namespaces()
        assert peer.ros.count_publishers("/left/judge/step_reward") == 1
        assert peer.ros.count_publishers("/reward") == 0
        assert peer.ros.count_subscribers("/left/wrist/image_raw") == 1


def test_topics_may_be_named_by_parameter_too():
    # given settings that name a camera's topic, and one topic of boxes
    topics = {"image": "/wrist/image_raw", "fingertip": "/boxes", "target": "/boxes"}
    parameters = {f"topics.{role}": topic for role, topic in topics.items()}
    inputs = ("camera_info", "depth", "fingertip", "image")
    with Node(parameters=parameters, topics=topics, inputs=inputs) as node:
        peer, frame = node.peer, Frame()
        stamp = peer.publish_frame(frame, inputs=("camera_info", "depth", "image"))
        peer.publish("fingertip", frame.both_boxes(stamp))
        assert peer.step_of(stamp).valid


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_node_and_its_open_episode(signal_number):
    with Node(parameters={}) as node:
        peer = node.peer
        # given an episode of two steps, and a frame that waits for its boxes
        for _ in range(2):
            peer.step_for()
        peer.publish_frame(inputs=("camera_info", "depth", "image"))
        peer.until(lambda: len(peer.truncations) >= 2, "one each per step")
        peer.forget()
        # when it is told to end
        code, seconds = node.stop(signal_number)
        # then it does, soon and well
        print(f"ended after {seconds:.2f} s")
        assert code == 0, node.process.log
        assert seconds < 5
        # and whoever learns from it hears that the episode was cut off
        peer.until(lambda: any(truncated.data for truncated in peer.truncations), "the truncation")
        assert [truncated.data for truncated in peer.truncations].count(True) == 1
        assert "panic" not in node.process.log


def test_an_episode_that_was_ended_before_is_not_truncated_again_at_the_end():
    with Node(parameters={}) as node:
        peer = node.peer
        peer.step_for()
        assert peer.end_episode().success
        peer.until(lambda: any(truncated.data for truncated in peer.truncations), "the truncation")
        code, _ = node.stop()
        peer.pump(0.3)
        assert code == 0
        assert [truncated.data for truncated in peer.truncations].count(True) == 1


def test_a_node_that_waits_for_everything_ends_as_soon():
    with Node(parameters={}, inputs=()) as node:
        code, seconds = node.stop(signal.SIGINT)
        assert code == 0, node.process.log
        assert seconds < 5


def test_a_node_that_is_killed_and_started_again_is_heard_again():
    with Node(parameters={}) as node:
        peer = node.peer
        assert peer.step_for().valid
        # when it dies without a word, and comes back
        node.process.kill()
        node.start()
        # then subscribers and publishers that were there all the time are served
        assert_rewarded_again(peer)
        # by a node that begins anew
        assert {step.episode_id for step in peer.steps} == {0}


def test_a_camera_that_is_started_again_is_seen_again():
    with Node(parameters={}) as node:
        listener = node.peer
        before = listener.step_for()
        assert before.valid
        # when everything that publishes goes away and comes back
        for publisher in listener.publishers.values():
            listener.ros.destroy_publisher(publisher)
        listener.publishers.clear()
        camera = Peer(node.domain_id)
        try:
            camera.processes = [node.process]
            camera.connect()
            stamp = listener.next_stamp()
            camera.publish_frame(stamp=stamp)
            # then the rewards go on where they were
            after = listener.step_of(stamp)
            assert after.valid
            assert (after.episode_id, after.step) == (before.episode_id, before.step + 1)
        finally:
            camera.close()


def test_a_camera_that_is_started_again_in_a_simulator_begins_an_episode():
    with Node(parameters={}) as node:
        listener = node.peer
        before = listener.step_for()
        camera = Peer(node.domain_id)
        try:
            camera.processes = [node.process]
            camera.connect()
            # Its clock starts over.
            stamp = 3_000_000_000
            camera.publish_frame(stamp=stamp)
            after = listener.step_of(stamp)
            assert after.valid
            assert (after.episode_id, after.step) == (before.episode_id + 1, 0)
        finally:
            camera.close()


def notices(node):
    """What it said of inputs that it waits for."""
    return [line for line in node.process.lines if "waiting for" in line.lower()]


def test_callers_that_go_before_their_answer_do_not_end_the_node():
    with Node(parameters={}) as node:
        # given callers that ask as soon as they can, and are gone at once
        for _ in range(10):
            caller = Peer(node.domain_id, inputs=())
            try:
                caller.client("list_parameters").call_async(ListParameters.Request())
                caller.client("annotate_step").call_async(AnnotateStep.Request())
            finally:
                caller.close()
        # then the node answers the next one
        assert node.peer.step_for().valid
        assert node.peer.start_episode().success


@contextlib.contextmanager
def several(nodes):
    """Nodes that run at the same time, by name: their waits are the same wait."""
    with contextlib.ExitStack() as stack:
        for node in nodes.values():
            stack.enter_context(node)
        processes = [node.process for node in nodes.values()]
        for node in nodes.values():
            node.peer.processes = processes
        yield nodes


def until_each(nodes, publish, condition, what):
    """Publish to all of them until the condition holds for each name and node."""

    def holds():
        for node in nodes.values():
            publish(node.peer)
            node.peer.pump(0.05)
        return all(condition(name, node) for name, node in nodes.items())

    next(iter(nodes.values())).peer.until(holds, what)


def test_a_node_without_rewards_says_every_five_seconds_what_it_waits_for():
    # given nodes that each lack one input, while the others come all the time
    topics = {role: "/" + usual_topic(role) for role in INPUTS}

    def publish_all(peer):
        peer.publish_frame(inputs=list(peer.publishers))

    def names_what_it_lacks(role, node):
        lines = notices(node)[-2:]
        named = [set(re.findall(r"/[\w/]+", line)) & set(topics.values()) for line in lines]
        # Before the others have begun to come it lacks those, too.
        return named == [{topics[role]}] * 2 and all("nobody publishes" in line for line in lines)

    # then each says again and again the name of that one's topic, and of no other
    with several(
        {role: Node(parameters={}, inputs=[other for other in INPUTS if other != role]) for role in INPUTS}
    ) as nodes:
        until_each(nodes, publish_all, names_what_it_lacks, "each to name what it lacks, twice")


def test_a_node_says_what_stands_between_it_and_its_inputs():
    # given a camera of another transport, publishers of another reliability, a simulator that stands still
    obstacles = {
        "of type sensor_msgs/msg/CompressedImage": Node(parameters={}, image_type=CompressedImage, connect=False),
        "best effort": Node(parameters={}, reliability=ReliabilityPolicy.BEST_EFFORT, connect=False),
        "/clock": Node(parameters={"use_sim_time": True}),
    }

    def tells(obstacle, node):
        return [line for line in notices(node) if obstacle in line]

    # then each is told in words
    with several(obstacles) as nodes:
        others = ("camera_info", "depth", "fingertip", "target")
        until_each(nodes, lambda peer: peer.publish_frame(inputs=others), tells, "each to name its obstacle")


def test_a_node_with_rewards_waits_for_nothing(peer):
    begin = time.monotonic()
    while time.monotonic() - begin < 6:
        peer.step_for()
        peer.pump(0.2)
    assert not [line for line in peer.processes[0].lines if "waiting for" in line.lower()]


def test_an_option_that_does_not_exist_is_refused_as_wrong_usage():
    code, said = run_to_exit("--fast")
    assert code == 2, said
    assert "--fast" in said


def test_a_model_whose_standard_deviations_nobody_calibrated_says_so_at_its_start():
    model = {"estimator.kind": "spatialrgpt", "model.path": CHECKPOINT}
    calibration = {"model.std_scale": 0.5, "model.std_floor_m": 0.02}
    for more, expected in (({}, 1), (calibration, 0)):
        with Node(parameters=model | more, connect=False) as node:
            node.peer.until(lambda: "ready to measure with spatialrgpt" in node.process.log, "the model")
            code, _ = node.stop()
        assert code == 0, node.process.log
        assert node.process.log.count("is not calibrated") == expected, node.process.log
