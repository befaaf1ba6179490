"""An approach at the workbench: the hand glides along a bent line to the target, step by step, until it touches."""

import numpy as np

import arm
import scatter
from studio import Studio

DISTANCE = (0.12, 0.38)  # from the target's centre to the fingertips at the start, metres
MISSED = 0.01  # a hand that stays behind its way by more than this cannot go it, metres
LONGEST_STEP, SHORTEST_STEP = 0.012, 0.0012  # metres
STEPS = 200


def play(studio: Studio, touch: float, near_enough: float) -> list[np.ndarray] | None:
    """The robot's states up to the first touch, or None where the arm cannot go the way it drew."""
    sim, rng = studio.sim, studio.rng
    sim.data.qpos[:] = sim.home
    scatter.move_target(studio, lifting=0.0)
    arm.open_fingers(sim, rng.uniform(0.1, 1.0))
    sim.refresh()
    end = sim.target_point() + np.r_[rng.normal(0, 0.006, 2), rng.uniform(-0.01, 0.01)]
    rotation = scatter.hand_rotation(studio)
    upwards = -rotation @ sim.approach_axis  # from the target back along the hand
    back = upwards + rng.normal(0, 0.45, 3)
    back *= rng.uniform(*DISTANCE) / np.linalg.norm(back)
    bow = np.cross(back, rng.normal(size=3))
    bow *= rng.uniform(0, 0.04) / np.linalg.norm(bow)
    gone, length, states, gaps = 0.0, float(np.linalg.norm(back)), [], []
    for step in range(STEPS):
        rest = max(0.0, 1 - gone / length)
        wanted = end + back * rest + bow * 4 * rest * (1 - rest)
        wanted[2] = max(wanted[2], sim.robot.table_height + 0.004)
        if arm.reach(sim, wanted, rotation, rng, afresh=step == 0) > MISSED:
            return None
        if sim.fingertips()[:, 2].min() < sim.robot.table_height - 0.003:
            return None
        states.append(sim.data.qpos.copy())
        gaps.append(sim.gap(sim.finger_geoms, sim.target_geoms))
        if gaps[-1] < touch or rest == 0.0:
            break
        gone += float(np.clip(gaps[-1] - touch / 2, SHORTEST_STEP, LONGEST_STEP))
    last = int(np.argmin(gaps))
    return states[: last + 1] if gaps[last] < near_enough and gaps[0] > 0.08 and last > 5 else None
