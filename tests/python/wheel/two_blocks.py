"""A world of numpy for the wrappers of Gymnasium's environments: two blocks, and a camera that needs no renderer."""

from typing import ClassVar

import gymnasium
import numpy as np
import pytest

import spatial_reward as sr
from spatial_reward.gymnasium import Observed, SpatialReward

CAMERA = sr.Camera(fx=100, fy=100, cx=80, cy=60, width=160, height=120)
GAMMA, KAPPA = 0.9, 2.0
SHAPED = {"reward": {"gamma": GAMMA, "kappa": KAPPA, "threshold_m": 0.02}}
STEP_M = 0.006  # a pixel at 60 cm
APPROACH = np.array([1.0], np.float32)


class TwoBlocks(gymnasium.Env):
    """Two blocks before a wall: an action moves the left one, pixel by pixel, towards the right one."""

    metadata: ClassVar = {"render_fps": 10}
    observation_space = gymnasium.spaces.Box(0, 100, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, gap=30, length=20, hidden=(), ends_at=0):
        self.start, self.length, self.hidden, self.ends_at = gap, length, hidden, ends_at
        self.gap = self.frame = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.gap, self.frame = self.start, 0
        return self._observation(), {"theirs": "reset"}

    def step(self, action):
        self.frame += 1
        self.gap -= round(float(np.clip(action, -1, 1)[0]) * 5)
        self.gap = int(np.clip(self.gap, 0, 60))
        return self._observation(), 7.0, self.gap <= self.ends_at, self.frame >= self.length, {"theirs": "step"}

    def _observation(self):
        return np.array([self.gap], np.float32)


def observe(env):
    world = env.unwrapped
    left, right = (100 - world.gap - 30, 40, 100 - world.gap, 80), (100, 40, 130, 80)
    depth = np.full((120, 160), 1.1, np.float32)
    for x_min, y_min, x_max, y_max in (left, right):
        depth[y_min:y_max, x_min:x_max] = 0.6
    is_hidden = world.frame in world.hidden
    return Observed(np.zeros((120, 160, 3), np.uint8), depth, left, None if is_hidden else right)


def wrapped(world=None, **options):
    return SpatialReward(world or TwoBlocks(), observe=observe, camera=CAMERA, **options)


def episode(env, actions):
    """The info of the reset, then (reward, info) of each step."""
    _, info = env.reset(seed=1)
    rows = [env.step(APPROACH * action) for action in actions]
    return info["spatial_reward"], [(reward, info["spatial_reward"]) for _, reward, _, _, info in rows]


def by_hand(before_m, after_m, sparse=-1.0):
    return sparse + KAPPA * (GAMMA * -after_m + before_m)


# Of the first two steps of an approach from the start.
FIRST, SECOND = by_hand(0.18, 0.15), by_hand(0.15, 0.12)


def refused(match, call, kind):
    with pytest.raises(sr.Error, match=match) as raised:
        call()
    assert raised.value.kind == kind
