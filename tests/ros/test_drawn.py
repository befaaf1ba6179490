"""Regions that were drawn in the first image, live: followed from there on, lost and found again."""

import pytest

from node import Node, ros_arguments, run_to_exit
from scene import TARGET, Frame

INPUTS = ("camera_info", "depth", "image")
START = Frame(gap_px=40)


def typed(box):
    return ",".join(f"{edge:g}" for edge in box)


DRAWN = {"regions.fingertip.box": [typed(START.fingertip)], "regions.target.box": [typed(TARGET)]}


class Empty(Frame):
    """The scene with neither arm nor object."""

    def _paint(self, pixels, fingertip, target):
        pass


def test_drawn_regions_are_followed_lost_and_found_again():
    with Node(parameters=DRAWN, inputs=INPUTS) as node:
        # given a fingertip that comes nearer, and nobody who detects anything
        for gap_px in range(40, 14, -2):
            frame = Frame(gap_px=gap_px)
            step = node.peer.step_for(frame, inputs=INPUTS)
            # then each step has both, where they are
            assert step.valid, (gap_px, step.reason)
            assert (step.fingertip_origin, step.target_origin) == ("followed", "followed")
            assert step.distance_m == pytest.approx(frame.gap_m, abs=3e-3)
            assert step.fingertip_box[2] == pytest.approx(frame.fingertip[2], abs=2.0)
        assert step.fingertip_age_s == pytest.approx(12 / 30, abs=0.01)
        # when nothing is there any more, then the last place is not passed off as a new one
        for _ in range(3):
            step = node.peer.step_for(Empty(), inputs=INPUTS)
            assert (step.valid, step.reason, step.fingertip_origin) == (False, "lost_box", "")
        # and what comes back is found
        back = [node.peer.step_for(Frame(gap_px=14), inputs=INPUTS) for _ in range(6)]
        assert back[-1].valid, back[-1].reason
        assert back[-1].distance_m == pytest.approx(Frame(gap_px=14).gap_m, abs=3e-3)


def test_a_fixed_region_is_where_it_was_said_to_be():
    parameters = {"regions.target.fixed": typed(TARGET), "regions.fingertip.box": DRAWN["regions.fingertip.box"]}
    with Node(parameters=parameters, inputs=INPUTS) as node:
        step = node.peer.step_for(START, inputs=INPUTS)
        assert step.valid, step.reason
        assert (step.target_origin, tuple(step.target_box)) == ("fixed", TARGET)


def test_a_box_outside_the_image_is_told_and_nothing_is_measured():
    parameters = DRAWN | {"regions.fingertip.box": ["5000,10,5050,40"]}
    with Node(parameters=parameters, inputs=INPUTS) as node:
        for _ in range(2):
            step = node.peer.step_for(START, inputs=INPUTS)
            assert (step.valid, step.reason) == (False, "no_fingertip_box")
        node.peer.until(lambda: "within the picture of" in node.process.log, "a word in the log")


def test_two_sources_of_a_region_are_refused_at_start():
    code, log = run_to_exit(*ros_arguments(DRAWN | {"regions.target.fixed": typed(TARGET)}))
    assert code != 0
    assert "regions.target.fixed" in log and "one source" in log
