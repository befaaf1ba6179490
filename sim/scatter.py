"""Scatter mode: every frame is a fresh arrangement of hand, target, distractors, light and camera."""

import mujoco
import numpy as np

import appearance
import arm
import camera
from bag import Frame
from studio import Studio, any_turn, upright

TRIES = 12  # arrangements tried for one frame before the scene goes on to the next
VIEWS = 4  # cameras tried for one arrangement
OVERLAP = -0.003  # fingers may overlap the target's hull by this much, metres


def record(studio: Studio, frames: int) -> list[Frame]:
    """Up to `frames` frames; fewer only where the task hides its target stubbornly."""
    kept: list[Frame] = []
    for _ in range(frames * TRIES):
        if len(kept) == frames:
            break
        studio.dress()
        if not _arrange(studio):
            continue
        studio.place_distractors()
        studio.sim.refresh()
        for _ in range(VIEWS):
            frame = studio.shoot(_view(studio))
            if frame is not None:
                kept.append(frame)
                break
    return kept


def _view(studio: Studio) -> camera.View:
    sim, rng = studio.sim, studio.rng
    tip, target = sim.fingertips().mean(0), sim.target_point()
    look_at = tip + (target - tip) * rng.random() + rng.normal(0, 0.05, 3)
    return camera.random_view(sim.robot.facing_azimuth, look_at, studio.held_out, rng, sim.robot.cameras)


def _arrange(studio: Studio) -> bool:
    """Places target and hand; False where they overlap or the hand would be in the table."""
    sim, rng = studio.sim, studio.rng
    sim.data.qpos[:] = sim.home
    if studio.static_base:
        _move_base(studio)
    else:
        move_target(studio)
    sim.refresh()
    arm.open_fingers(sim, rng.random())
    offset = _offset(studio)
    wanted = sim.target_point() + offset
    wanted[2] = max(wanted[2], sim.robot.table_height + 0.003)
    reached = arm.reach(sim, wanted, hand_rotation(studio), rng) < 0.02
    if not reached and np.linalg.norm(offset) < 0.15 and not studio.static_base:
        _shift_target(studio, sim.fingertips().mean(0) - offset)  # keep close pairs close: the target follows the hand
    if sim.fingertips()[:, 2].min() < sim.robot.table_height - 0.003:
        return False
    return sim.gap(sim.finger_geoms + sim.hand_geoms, sim.target_geoms) > OVERLAP


def _offset(studio: Studio) -> np.ndarray:
    """From the target's centre to the fingertip: a fifth at contact or grasping, two fifths close, the rest far."""
    rng, kind = studio.rng, studio.rng.random()
    if kind < 0.2:
        arm.open_fingers(studio.sim, rng.uniform(0.4, 1.0))
        return np.r_[rng.normal(0, 0.008, 2), rng.uniform(-0.02, 0.02)]
    direction = rng.normal(size=3)
    direction[2] = abs(direction[2]) * 1.2
    direction /= np.linalg.norm(direction)
    distance = rng.uniform(0.01, 0.15) if kind < 0.6 else rng.uniform(0.15, 0.5)
    return direction * distance


def hand_rotation(studio: Studio) -> np.ndarray:
    """The rest pose turned about the vertical, half of the time tilted too."""
    rng = studio.rng
    turn = _about([0, 0, 1], rng.uniform(-np.pi / 2, np.pi / 2))
    if rng.random() < 0.5:
        side = rng.uniform(0, 2 * np.pi)
        turn = (
            _about([np.cos(side), np.sin(side), 0], rng.uniform(0, np.radians(studio.sim.robot.steepest_tilt))) @ turn
        )
    return turn @ studio.sim.home_rotation


def _about(axis, angle: float) -> np.ndarray:
    quaternion, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quaternion, np.asarray(axis, float), angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


def move_target(studio: Studio, lifting: float = 0.25) -> None:
    """Puts a free target anywhere on the table, at times (a share) above it, in any orientation at times."""
    sim, rng = studio.sim, studio.rng
    primitive, height = studio.primitive_target(), None
    if primitive is not None:
        height = appearance.reshape(sim.model, primitive, rng, (0.015, 0.04), capsules=False)
    x0, x1, y0, y1 = sim.robot.table_area
    address = _free_joint(studio)
    lifted = rng.uniform(0.02, 0.25) if rng.random() < lifting else 0.0
    rest = sim.home[address + 2] if height is None else sim.robot.table_height + height
    sim.data.qpos[address : address + 3] = rng.uniform(x0, x1), rng.uniform(y0, y1), rest + lifted
    turned = upright(rng)
    if height is None:  # a mesh has its own way to stand: turn it from there
        mujoco.mju_mulQuat(turned, turned.copy(), sim.home[address + 3 : address + 7])
    tumbled = lifted > 0 and rng.random() < 0.5
    sim.data.qpos[address + 3 : address + 7] = any_turn(rng) if tumbled else turned


def _shift_target(studio: Studio, centre: np.ndarray) -> None:
    sim, address = studio.sim, _free_joint(studio)
    moved = centre - sim.target_point()
    moved[2] = max(moved[2], sim.robot.table_height + 0.015 - sim.target_point()[2])
    sim.data.qpos[address : address + 3] += moved
    sim.refresh()


def _free_joint(studio: Studio) -> int:
    m = studio.sim.model
    return int(m.jnt_qposadr[m.body_jntadr[studio.sim.target_root]])


def _move_base(studio: Studio) -> None:
    """Shifts and turns the base a fixed target hangs on, and opens its joint part of the way."""
    sim, rng, m = studio.sim, studio.rng, studio.sim.model
    base = studio.static_base
    position, quaternion = studio.base_pose
    m.body_pos[base] = position + np.array([rng.uniform(-0.12, 0.12), rng.uniform(-0.15, 0.05), 0])
    half = rng.uniform(-0.4, 0.4)
    mujoco.mju_mulQuat(m.body_quat[base], np.array([np.cos(half), 0, 0, np.sin(half)]), quaternion)
    body = sim.target_body
    for joint in range(m.body_jntadr[body], m.body_jntadr[body] + m.body_jntnum[body]):
        low, high = m.jnt_range[joint]
        rest = sim.home[m.jnt_qposadr[joint]]
        end = low if rng.random() < 0.5 else high
        sim.data.qpos[m.jnt_qposadr[joint]] = rest + (end - rest) * rng.uniform(0, 0.7)
