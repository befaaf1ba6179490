"""Whole tasks live: two cameras, several pairs, a gripper, phases; number for number as `label` has them."""

import pytest
from sensor_msgs.msg import JointState

from conftest import ROOT
from node import diagnosed
from robot import ANNOTATIONS, CAMERAS, PAIRS, PHASES, STEPS, TASKS, Robot, all_labels, approach, labelled, same
from scene import TARGET, Frame, header, request_for
from spatial_reward.srv import AnnotateStep


def test_a_replayed_task_gets_its_offline_labels_number_for_number(tmp_path):
    # Given a recording of two cameras, in which the first detector loses the target for a while
    messages = approach(60, lost=range(5, 12))
    settings = PAIRS + PHASES + "matching: {wait_s: 5.0, box_max_age_s: 0.06}\n"
    labels = labelled(tmp_path, messages, settings)
    # Then both cameras, every phase and two episodes are in it
    steps, tasks = labels
    assert [phase for phase in ("reach", "close", "success") if any(one.phase == phase for one in tasks)] == [
        "reach",
        "close",
        "success",
    ]
    assert {one.pair_cameras[0] for one in tasks} == {"front,side", "side"}
    assert max(one.episode_id for one in tasks) >= 1
    assert all(one.valid for one in steps) and not all(one.distance_m > 0 for one in steps)
    assert tasks[0].pair_names == ["fingertip-cube", "cube-goal", "fingertip-goal"]
    # When it is played to a node, then each step is that label, and so is what it says of the task
    with Robot(tmp_path, settings) as robot:
        same(robot.replay(messages), labels)
        # and one subscription does for all that want a topic
        _, values = diagnosed(robot.peer, "inputs")
        assert values["front_fingertip_and_cube_boxes_topic"] == "/front/boxes"
        subscribers = lambda: [robot.peer.ros.count_subscribers(f"/{camera}/image") for camera in CAMERAS]  # noqa: E731
        robot.peer.until(lambda: subscribers() == [1, 1], "one subscription of each camera")


def test_steps_go_on_without_a_camera_that_stops(tmp_path):
    # Given a recording whose second camera stops after a second
    messages = approach(80, side_until=20)
    settings = PAIRS + PHASES + "matching: {wait_s: 1.0}\n"
    labels = labelled(tmp_path, messages, settings)
    with Robot(tmp_path, settings) as robot:
        # When it is played to a node
        live = robot.replay(messages)
        # Then there is a step of each picture of the first, each as its label
        assert len(live[0]) == 80
        same(live, labels)
        assert [one.pair_cameras[0] for one in live[1]] == ["front,side"] * 20 + ["front"] * 60
        # and nothing waits for the other any more
        assert not robot.show(gap_px=20, cameras=("front",)).pair_cameras[0].count("side")
        # and the diagnostics say which one is missing
        _, values = diagnosed(robot.peer, "rewards")
        assert int(values["left_out_side"]) >= 60
        robot.peer.until(lambda: "without camera side" in robot.process.log, "a word in the log")


def test_episodes_begin_and_end_by_order_in_the_middle_of_a_task(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        # Given a task in its second phase, which nothing leads back from
        assert robot.show(gap_px=40).phase == "reach"
        assert robot.show(gap_px=10).phase == "close"
        assert robot.show(gap_px=30).phase == "close"
        # When its episode is ended and another one begun
        assert robot.peer.end_episode().success
        assert robot.peer.start_episode().success
        # Then it begins anew
        first = robot.show(gap_px=30)
        assert (first.phase, first.episode_id, first.step) == ("reach", 1, 0)
        assert first.reward == 0.0
        # and a solved one ends its episode
        robot.show(gap_px=10)
        for _ in range(12):
            solved = robot.show(gap_px=10, opening_m=0.0)
            if solved.success:
                break
        assert solved.terminated and solved.phase == "success"
        robot.peer.until(lambda: any(done.data for done in robot.peer.dones), "a terminal")
        after = robot.show(gap_px=40)
        assert (after.phase, after.episode_id, after.step) == ("reach", 2, 0)


def test_the_shaping_changes_while_the_node_runs_and_the_task_does_not(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        # Given a task that stands still: what its shaping gives is the discount's alone
        robot.show(gap_px=40)
        told = robot.show(gap_px=40)
        assert told.reward == pytest.approx((0.9 - 1.0) * told.potential, abs=1e-6)
        # When the discount changes
        assert robot.peer.set_parameters({"reward.gamma": 0.5})[0].successful
        # Then so does the reward
        told = robot.show(gap_px=40)
        assert told.reward == pytest.approx((0.5 - 1.0) * told.potential, abs=1e-6)
        # and the kind of reward stays that of the task, of which nothing is a parameter
        result = robot.peer.set_parameters({"reward.kind": "dense"})[0]
        assert not result.successful and "task" in result.reason
        assert not [name for name in robot.peer.parameter_names() if name.startswith(("task.", "cameras."))]


def test_drawn_boxes_of_a_task_are_followed_in_each_cameras_pictures(tmp_path):
    # Given two cameras without a detector, and boxes that were drawn in the first picture of each
    drawn = [",".join(f"{edge:g}" for edge in box) for box in (Frame(gap_px=40).fingertip, TARGET)]
    regions = f"{{fingertip: {{box: ['{drawn[0]}']}}, cube: {{box: ['{drawn[1]}']}}}}"
    cameras = "".join(
        f"  {camera}: {{image: /{camera}/image, depth: /{camera}/depth, camera_info: /{camera}/camera_info, "
        f"regions: {regions}}}\n"
        for camera in ("front", "side")
    )
    settings = f"cameras:\n{cameras}task: {{pairs: [fingertip-cube]}}\nmatching: {{wait_s: 5.0}}\n"
    messages = [one for one in approach(24) if not one[1].endswith(("/boxes", "/joints"))]
    labels = labelled(tmp_path, messages, settings)
    # Then both cameras follow them, and see the gap close
    steps, tasks = labels
    assert {one.fingertip_origin for one in steps[:12]} == {"followed"}
    assert [one.pair_cameras[0] for one in tasks[:12]] == ["front,side"] * 12
    assert tasks[11].pair_distance_m[0] < tasks[0].pair_distance_m[0] - 0.03
    # When it is played to a node, then each step is that label
    with Robot(tmp_path, settings) as robot:
        same(robot.replay(messages), labels)


def test_joints_without_the_grippers_are_told(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        stamp = robot.peer.next_stamp()
        robot.peer.publish("/joints", JointState(header=header(stamp), name=["elbow"], position=[1.0]))
        robot.peer.until(lambda: "task.gripper_joints), but elbow" in robot.process.log, "a word in the log")


def test_a_call_is_no_step_of_a_task(tmp_path):
    with Robot(tmp_path, PAIRS + PHASES) as robot:
        answer = robot.peer.annotate(request_for(Frame()))
        assert answer.status == AnnotateStep.Response.BAD_REQUEST
        assert "task.phases" in answer.message
    # A pair of regions alone is as it always was
    pairs = "task: {pairs: [fingertip-cube]}\n"
    with Robot(tmp_path, PAIRS.replace('  goal: {fixed: "60,45,75,75"}\n', "") + pairs) as robot:
        answer = robot.peer.annotate(request_for(Frame()))
        assert (answer.status, answer.step.valid) == (AnnotateStep.Response.DONE, True)


OWLV2, SAM2 = (ROOT / "tests" / "fixtures" / name for name in ("owlv2/a", "sam2/plain"))


@pytest.mark.parametrize(
    ("cube", "network"),
    [
        (
            "{words: [the red block]}",
            f"detector: {{path: {OWLV2}, threshold: 0.0, take_best: true, first_pictures: 1}}",
        ),
        ("{box: ['110,45,140,75'], follow: sam2}", f"segmenter: {{path: {SAM2}}}"),
    ],
)
def test_regions_of_networks_are_followed_live_as_in_recordings(tmp_path, cube, network):
    # Given a task of which one region, second in one pair and first in the other, comes from a tiny random network
    settings = (
        f"topics: {{fingertip: /front/boxes}}\n{network}\n"
        f"regions: {{cube: {cube}, goal: {{fixed: '60,45,75,75'}}}}\n"
        "cameras:\n  front: {image: /front/image, depth: /front/depth, camera_info: /front/camera_info}\n"
        "task: {pairs: [fingertip-cube, cube-goal]}\nmatching: {wait_s: 5.0}\noutput: {annotations: true}\n"
    )
    messages = [one for one in approach(8) if one[1].startswith("/front/")]
    labels = all_labels(tmp_path, messages, settings)
    # Then it has a box in both pairs, in the first picture at least
    assert "cube" in [text.text for text in labels[ANNOTATIONS["front"]][0].texts]
    reasons = labels[TASKS][0].pair_reasons
    assert "no_target_box" not in reasons and "no_fingertip_box" not in reasons
    # When it is played to a node, then each step is that label
    with Robot(tmp_path, settings, cameras=("front",)) as robot:
        same(robot.replay(messages), (labels[STEPS], labels[TASKS]))
