"""What Foxglove draws over pictures, live: on a topic beside each camera's images, as the labelled bag has it."""

import pytest
from foxglove_msgs.msg import ImageAnnotations
from sensor_msgs.msg import CompressedImage

from conftest import SAMPLE
from manager import Manager
from node import Node, usual_topic
from replay import labels_as_live, tree
from robot import ANNOTATIONS, PAIRS, PHASES, Robot, all_labels, approach
from test_replay import REMAPS, TOPICS, replay

SHOWN = "output: {annotations: true}\n"


def words(annotations):
    return [text.text for text in annotations.texts]


def test_a_replayed_task_is_shown_as_its_labelled_bag_shows_it(tmp_path):
    # Given a recording of two cameras, of which the first detector loses the target for a while
    messages = approach(40, lost=range(5, 12))
    settings = PAIRS + PHASES + SHOWN + "matching: {wait_s: 5.0, box_max_age_s: 0.06}\n"
    labels = all_labels(tmp_path, messages, settings)
    # When it is played to a node
    with Robot(tmp_path, settings) as robot:
        robot.replay(messages)
        for camera, topic in ANNOTATIONS.items():
            robot.peer.until(lambda topic=topic: len(robot.annotations[topic]) >= 40, f"what {camera} shows")
            # Then each picture of each camera is shown as the bag has it
            assert [tree(one) for one in robot.annotations[topic]] == [tree(one) for one in labels[topic]]
        # and that is boxes with names, distances, the phase, and whose a distance is that the camera did not see
        front, side = (robot.annotations[ANNOTATIONS[camera]] for camera in ("front", "side"))
        assert words(front[0])[:3] == ["fingertip", "cube", "goal"]
        assert words(side[0])[:2] == ["fingertip", "cube"]
        assert any("(side)" in text for text in words(front[8]))
        assert any(text.startswith("reach ") for text in words(side[0]))


def test_a_replayed_bag_without_a_task_is_shown_as_its_labelled_bag_shows_it(tmp_path, sample_messages):
    # given a bag with a fingertip and a target, labelled with annotations, of which some distances are too uncertain
    topic = TOPICS["image"] + "/annotations"
    settings = tmp_path / "shown.yaml"
    settings.write_text(SHOWN + "reward: {max_std_m: 0.005}\n")
    labels = labels_as_live(SAMPLE, settings, tmp_path / "labelled")[topic]
    # when it is played to a node that shows them
    shown = {"output.annotations": True, "reward.max_std_m": 0.005}
    with Node(
        parameters={"live.image_transport": "compressed", "live.queue_frames": 100} | shown,
        remaps=REMAPS,
        topics=TOPICS,
        image_type=CompressedImage,
        connect=False,
    ) as node:
        annotations = node.peer.collect(ImageAnnotations, topic)
        node.peer.connect()
        replay(node, sample_messages)
        node.peer.until(lambda: len(annotations) >= len(labels), "what each picture shows")
        # then each picture is shown as in the bag, with the reason where nothing was measured
        assert [tree(one) for one in annotations] == [tree(one) for one in labels]
        assert any(" cm" in text for one in annotations for text in words(one))
        assert any("no reward: uncertain" in words(one) for one in annotations)


@pytest.mark.parametrize("is_asked", [False, True])
def test_annotations_are_published_where_they_are_asked_for(is_asked):
    with Node(parameters={"output.annotations": True} if is_asked else {}) as node:
        peer = node.peer
        peer.step_for()
        has_topic = lambda: bool(peer.ros.count_publishers(f"{usual_topic('image')}/annotations"))  # noqa: E731
        if is_asked:
            peer.until(has_topic, "annotations")
        peer.settle()
        assert has_topic() == is_asked


def test_a_managed_node_annotates_by_the_settings_that_it_was_configured_with_last():
    topic = f"{usual_topic('image')}/annotations"
    with Node(parameters={"live.managed": True, "output.annotations": True}, connect=False) as node:
        manager = Manager(node)
        count = lambda: node.peer.ros.count_publishers(topic)  # noqa: E731
        # given a node that was configured twice
        for _ in range(2):
            assert manager.change(label="configure")
            node.peer.until(lambda: count() == 1, "one publisher of annotations")
            assert manager.change(label="cleanup")
        # when it is configured without annotations, then nobody publishes them any more
        assert node.peer.set_parameters({"output.annotations": False})[0].successful
        assert manager.change(label="configure")
        node.peer.until(lambda: count() == 0, "no publisher of annotations")
