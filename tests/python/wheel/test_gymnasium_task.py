"""A whole task in a Gymnasium environment: its reward, its phases in `info`, several cameras."""

import math
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from two_blocks import APPROACH, CAMERA, TwoBlocks, episode, observe, refused

from spatial_reward.gymnasium import Observed, SpatialReward, SpatialRewardVector, Views

GAMMA, KAPPA, START_M = 0.9, 2.0, 0.18
TASK = {
    "reward": {"kind": "task", "gamma": GAMMA, "kappa": KAPPA},
    "task": {
        "pairs": ["fingertip-cube"],
        "phases": [
            {
                "name": "reach",
                "potential": {"distance": "fingertip-cube", "from": START_M},
                "next": [{"to": "success", "when": [{"distance": "fingertip-cube", "below": 0.035, "hold_s": 0}]}],
            }
        ],
    },
}


def named(env):
    """The right block is the task's cube."""
    seen = observe(env)
    return Observed(seen.color, seen.depth, seen.fingertip, regions={"cube": seen.target})


def wrapped(world=None, **options):
    how = {"observe": named, "camera": CAMERA, "reward": "task", "config": TASK} | options
    return SpatialReward(world or TwoBlocks(), **how)


def by_hand(before_m, after_m):
    """The shaping between two distances; None: the task has ended."""
    before, after = (0.0 if metres is None else 1 - metres / START_M for metres in (before_m, after_m))
    return KAPPA * (GAMMA * after - before)


def test_the_reward_follows_the_phases_and_info_tells_them():
    # when the block comes nearer by 3 cm a step, from 18 to 3
    reset, rows = episode(wrapped(), [1, 1, 1, 1, 1, 0])
    # then each step is worth the progress, and solving it 2
    expected = [by_hand(0.18, 0.15), by_hand(0.15, 0.12), by_hand(0.12, 0.09), by_hand(0.09, 0.06)]
    expected += [2 + by_hand(0.06, None), 0.0]
    assert [reward for reward, _ in rows] == pytest.approx(expected, abs=1e-5)
    # and info says how far it is
    told = [reset, *(info for _, info in rows)]
    assert [info["phase"] for info in told] == ["reach"] * 5 + ["success"] * 2
    assert [info["progress"] for info in told] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 1, 1], abs=1e-5)
    assert [info["success"] for info in told] == [False] * 5 + [True] * 2 and not told[-1]["failure"]
    assert told[1]["pairs"]["fingertip-cube"]["distance_m"] == pytest.approx(0.15, abs=1e-6)
    assert told[1]["quantities"]["distance fingertip-cube"]["value"] == pytest.approx(0.15, abs=1e-6)


def test_an_episode_begins_in_the_first_phase():
    env = wrapped()
    episode(env, [1, 1, 1, 1, 1])
    reset, rows = episode(env, [1])
    assert (reset["phase"], rows[0][1]["phase"]) == ("reach", "reach")
    assert rows[0][0] == pytest.approx(by_hand(0.18, 0.15), abs=1e-5)


def test_a_true_terminal_of_the_environment_has_potential_0():
    # given an environment that ends with 6 cm to go
    env = wrapped(TwoBlocks(gap=15, ends_at=10))
    env.reset()
    _, reward, terminated, _, info = env.step(APPROACH)
    assert terminated and reward == pytest.approx(by_hand(0.09, None), abs=1e-5)
    assert info["spatial_reward"]["potential"] == 0.0


def test_what_was_not_measured_is_held_as_if_nothing_had_moved():
    # given a cube that is hidden in the second step, after an approach
    _, rows = episode(wrapped(TwoBlocks(hidden=(2,))), [1, 0])
    reward, info = rows[1]
    assert (info["held"], info["reason"], info["phase"]) == (True, "no_target_box", "reach")
    assert reward == pytest.approx(by_hand(0.15, 0.15), abs=1e-5)
    # and a shaping of zero is one of zero
    _, rows = episode(wrapped(TwoBlocks(hidden=(2,)), on_invalid="zero"), [1, 0])
    assert rows[1][0] == 0.0


def of_two(env):
    """A second camera that sees the same, and never loses the cube."""
    world, first = env.unwrapped, named(env)
    second = Observed(first.color, first.depth, first.fingertip, regions={"cube": (100, 40, 130, 80)})
    return Views({"front": first, "side": second} if world.frame != 3 else {"side": second})


def test_what_one_camera_loses_the_other_carries():
    cameras = {"front": CAMERA, "side": CAMERA}
    env = wrapped(TwoBlocks(hidden=(2,)), observe=of_two, camera=cameras)
    # when the first does not see the cube, then shows nothing at all
    _, rows = episode(env, [1, 1, 1, 1])
    # then nothing is missing
    seen = [info["pairs"]["fingertip-cube"]["cameras"] for _, info in rows]
    assert seen == [["front", "side"], ["side"], ["side"], ["front", "side"]]
    assert all(info["valid"] for _, info in rows)
    assert rows[1][0] == pytest.approx(by_hand(0.15, 0.12), abs=1e-5)


class Blocks(gymnasium.vector.VectorEnv):
    """Two worlds that are reset by hand, the second of which ends soon."""

    metadata: ClassVar = {"autoreset_mode": gymnasium.vector.AutoresetMode.DISABLED, "render_fps": 10}
    single_action_space = TwoBlocks.action_space
    single_observation_space = TwoBlocks.observation_space

    def __init__(self):
        self.num_envs = 2
        self.worlds = [TwoBlocks(), TwoBlocks(gap=20)]

    def reset(self, *, seed=None, options=None):
        return np.stack([world.reset()[0] for world in self.worlds]), {}

    def step(self, actions):
        steps = [world.step(action) for world, action in zip(self.worlds, actions, strict=True)]
        observations, rewards, terminations, truncations, _ = zip(*steps, strict=True)
        return np.stack(observations), np.array(rewards), np.array(terminations), np.array(truncations), {}


def test_infos_of_vector_environments_have_phases_as_arrays():
    # given two environments, of the second of which there is no picture at last
    shows = [True, True]
    seen = lambda envs: [named(world) if has else None for world, has in zip(envs.worlds, shows, strict=True)]  # noqa: E731
    envs = SpatialRewardVector(Blocks(), seen, camera=CAMERA, reward="task", config=TASK)
    envs.reset()
    envs.step(np.ones((2, 1), np.float32))
    shows[1] = False
    # when
    _, _, _, _, infos = envs.step(np.ones((2, 1), np.float32))
    # then
    told = infos["spatial_reward"]
    assert list(told["phase"]) == ["reach", ""] and list(told["valid"]) == [True, False]
    assert told["progress"][0] == pytest.approx(2 / 6, abs=1e-5) and math.isnan(told["progress"][1])


def test_regions_and_cameras_that_a_task_does_not_know_are_refused_by_name():
    def seen(**regions):
        return wrapped(observe=lambda env: Observed(named(env).color, named(env).depth, regions=regions))

    refused("'cup' is no region.*cube, fingertip", seen(cup=(1, 2, 3, 4)).reset, "region")
    cameras = {"front": CAMERA, "side": CAMERA}
    refused("cameras are front, side", wrapped(camera=cameras).reset, "argument")
    refused("camera is 3", lambda: wrapped(camera={"front": 3}), "camera")
    refused("observe gave a dict", wrapped(observe=lambda env: {}).reset, "observe")
    refused("the argument reward is 'shaped'", lambda: wrapped(reward="shaped"), "config")
    refused("no task is given", lambda: wrapped(camera=cameras, config=None, reward="shaped"), "camera")
    refused("both observe and opening", lambda: wrapped(opening=lambda env: 0.1), "argument")
