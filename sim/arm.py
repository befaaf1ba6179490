"""Puts a robot's hand at a wanted pose by inverse kinematics: no physics, so a frame costs milliseconds."""

import mujoco
import numpy as np

from simulators import Simulator

ITERATIONS = 40
DAMPING = 0.05


def reach(
    sim: Simulator, tip: np.ndarray, rotation: np.ndarray, rng: np.random.Generator, afresh: bool = True
) -> float:
    """Moves the arm so that the mean of the fingertips is at `tip` and the hand is turned as `rotation` says.

    Returns how far off the fingertip ended, in metres. Starts near the rest pose, so arms look natural; not `afresh`
    it goes on from where it is, as a hand on its way does.
    """
    m, d = sim.model, sim.data
    joints = [m.joint(name).id for name in sim.robot.arm_joints]
    qpos, dofs = m.jnt_qposadr[joints], m.jnt_dofadr[joints]
    low, high = m.jnt_range[joints].T
    limited = m.jnt_limited[joints].astype(bool)
    low, high = np.where(limited, low, -np.inf), np.where(limited, high, np.inf)
    if afresh:
        d.qpos[qpos] = np.clip(sim.home[qpos] + rng.normal(0, 0.1, len(qpos)), low, high)
    jacobian = np.zeros((6, m.nv))
    for _ in range(ITERATIONS):
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        at = sim.fingertips().mean(0)
        error = np.r_[tip - at, _rotation_error(rotation, d.xmat[sim.hand].reshape(3, 3)) * 0.3]
        if np.linalg.norm(error) < 2e-3:
            break
        mujoco.mj_jac(m, d, jacobian[:3], jacobian[3:], at, sim.hand)
        j = jacobian[:, dofs] * np.r_[1, 1, 1, 0.3, 0.3, 0.3][:, None]
        step = j.T @ np.linalg.solve(j @ j.T + DAMPING**2 * np.eye(6), error)
        d.qpos[qpos] = np.clip(d.qpos[qpos] + np.clip(step, -0.4, 0.4), low, high)
    sim.refresh()
    return float(np.linalg.norm(sim.fingertips().mean(0) - tip))


def open_fingers(sim: Simulator, openness: float) -> None:
    """Opens the fingers: 0 closed, 1 as wide as they go."""
    for name, (closed, wide) in sim.robot.finger_joints.items():
        sim.data.qpos[sim.model.joint(name).qposadr[0]] = closed + (wide - closed) * openness


def _rotation_error(wanted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """The rotation from `actual` to `wanted` as a world-frame rotation vector."""
    quaternion, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, (wanted @ actual.T).ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
