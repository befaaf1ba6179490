"""The phases that sim/episodes.py writes as truth, by the rules of sim/README.md."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "sim"))
from episode_rules import Facts, phases

FAR = Facts(0.1, 0.1, height=0.0, beside=0.2, above_goal=-0.01, moved=0.0, opening=0.08, tilt=0.0, pairs={})
HELD = replace(FAR, gap_left=0.001, gap_right=0.002)
CARRIED = replace(HELD, height=0.1, above_goal=0.09)
OVER = replace(CARRIED, beside=0.04)
PUT_DOWN = replace(OVER, gap_left=0.02, gap_right=0.02, height=0.01, above_goal=0.0)


def test_a_thing_is_placed_once_it_rests_on_the_goal_for_four_frames():
    # Given
    episode = [FAR, HELD, HELD, CARRIED, OVER, OVER, *[PUT_DOWN] * 5]

    # When
    found = phases("pick_and_place", episode)

    # Then
    assert found == ["reach", "grasp", "grasp", "carry", "place", "place", "place", "place", "place", "done", "done"]


def test_one_finger_at_the_thing_is_no_grasp():
    # Given
    episode = [replace(FAR, gap_left=0.0)] * 3

    # When
    found = phases("pick_and_lift", episode)

    # Then
    assert found == ["reach"] * 3


def test_what_is_dropped_on_the_way_is_reached_for_again():
    # Given
    dropped = replace(FAR, gap_left=0.011, gap_right=0.03, height=0.05)

    # When
    found = phases("stack", [HELD, CARRIED, dropped, FAR, HELD])

    # Then
    assert found == ["grasp", "carry", "reach", "reach", "grasp"]


def test_a_hold_that_is_interrupted_begins_anew():
    # Given
    near, away = replace(FAR, gap_right=0.009), replace(FAR, gap_right=0.012)

    # When
    found = phases("reach", [near, near, near, away, near, near, near, near, away])

    # Then
    assert found == ["reach"] * 7 + ["done"] * 2


def test_a_cup_that_leans_by_sixty_degrees_for_half_a_second_beside_the_goal_is_poured_out():
    # Given
    beside = replace(CARRIED, beside=0.09)
    leans, too_far = replace(beside, tilt=1.06), replace(CARRIED, beside=0.15, tilt=1.06)

    # When
    found = phases(
        "pour", [CARRIED, HELD, CARRIED, too_far, beside, *[leans] * 8, replace(beside, tilt=1.0), *[leans] * 9]
    )

    # Then
    assert found == ["grasp", "grasp", "carry", "carry", *["pour"] * 18, "done"]
