"""What the kinds of reward pay for reaching a target, and for waiting beside it: the sums over an episode that a
learner maximises. docs/gymnasium.md has what it prints.

    python waiting_or_reaching.py

A block is 30 cm away from another one, and moves by an action; the episode ends where they touch, or after 100 steps.
It needs `spatial_reward` with Gymnasium, and no simulator.
"""

import warnings

import gymnasium
import numpy as np

import spatial_reward
from spatial_reward.gymnasium import Observed, RawDistanceWarning, SpatialReward

PIXEL_M = 0.005
CAMERA = spatial_reward.Camera(fx=100, fy=100, cx=100, cy=60, width=200, height=120)
REWARDS = ("dense", "tanh", "exp", "progress", "shaped")
# How many pixels a behaviour moves, by the gap that is left.
BEHAVIOURS = {
    "reaches at once": lambda gap: 5,
    "reaches slowly": lambda gap: 1,
    "waits at 5 cm": lambda gap: 5 if gap * PIXEL_M > 0.05 else 0,
}


class TwoBlocks(gymnasium.Env):
    """An action moves the left one by so many pixels towards the right one."""

    observation_space = gymnasium.spaces.Box(0, 60, (1,))
    action_space = gymnasium.spaces.Discrete(6)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.gap, self.steps = 60, 0
        return np.array([self.gap], np.float32), {}

    def step(self, action):
        self.gap, self.steps = max(self.gap - int(action), 0), self.steps + 1
        return np.array([self.gap], np.float32), 0.0, self.gap == 0, self.steps == 100, {}


def observe(env: gymnasium.Env) -> Observed:
    """Both half a metre away, before a wall."""
    gap = env.unwrapped.gap
    fingertip, target = (110 - gap - 30, 40, 110 - gap, 80), (110, 40, 140, 80)
    depth = np.full((120, 200), 1.1, np.float32)
    for x_min, y_min, x_max, y_max in (fingertip, target):
        depth[y_min:y_max, x_min:x_max] = 0.5
    return Observed(np.zeros((120, 200, 3), np.uint8), depth, fingertip, target)


def returns(reward: str) -> dict[str, float]:
    """The sum over an episode of each behaviour."""
    config = {"reward": {"threshold_m": 0.01}}
    env = SpatialReward(TwoBlocks(), camera=CAMERA, observe=observe, reward=reward, config=config)
    sums = dict.fromkeys(BEHAVIOURS, 0.0)
    for name, move in BEHAVIOURS.items():
        (gap,), _ = env.reset()
        is_over = False
        while not is_over:
            (gap,), step_reward, terminated, truncated, _ = env.step(move(gap))
            sums[name] += step_reward
            is_over = terminated or truncated
    return sums


def main() -> None:
    # What it warns of is what is to be seen.
    warnings.simplefilter("ignore", RawDistanceWarning)
    print("| reward |", " | ".join(BEHAVIOURS), "| best |")
    print("| --- |" + " --- |" * (len(BEHAVIOURS) + 1))
    for reward in REWARDS:
        sums = returns(reward)
        print(f"| `{reward}` |", " | ".join(f"{one:.1f}" for one in sums.values()), f"| {max(sums, key=sums.get)} |")


if __name__ == "__main__":
    main()
