"""Approach mode: one camera watches the robot's hand come to the target, up to the first touch.

The episode is first played without a picture; then `frames` moments of it, evenly spaced, are shown to the camera. So
every episode has the same length, and a camera that turns out to be hidden costs no second episode.
"""

import mujoco
import numpy as np

import camera
import glide
from bag import Frame
from simulators import Simulator
from studio import Studio

TRIES = 10  # episodes tried for one scene
VIEWS = 25  # cameras tried for one episode
STEPS = 400  # an episode that has not touched its target by then is given up
TOUCH = 0.003  # a gap below this ends the episode, metres
NEAR_ENOUGH = 0.02  # an episode that comes this near without touching is used up to its nearest moment, metres
SHORTEST_WAY = 0.08  # an episode that starts nearer than this shows too little, metres
VISIBLE = 0.7  # the share of frames that must show both regions


def record(studio: Studio, frames: int) -> list[Frame]:
    """One episode as up to `frames` frames, or an empty list where it or every camera failed."""
    studio.dress()
    states = _play(studio)
    if states is None:
        return []
    moments = _evenly(studio.sim, states, frames)
    _show(studio.sim, moments[-1])
    studio.place_distractors(keep_clear=[_tip_at(studio.sim, moment) for moment in moments[:: max(1, frames // 6)]])
    checks = np.unique(np.linspace(0, frames - 1, 5).astype(int))
    best: list[Frame] = []
    for _ in range(VIEWS):
        view = _view(studio, moments)
        if sum(_shoot(studio, view, moments, i, coloured=False) is not None for i in checks) < len(checks) - 1:
            continue
        shots = [shot for i in range(frames) if (shot := _shoot(studio, view, moments, i)) is not None]
        best = max(best, shots, key=len)
        if len(best) == frames:
            break
    return best if len(best) >= VISIBLE * frames else []


def _shoot(
    studio: Studio, view: camera.View, moments: list[np.ndarray], index: int, coloured: bool = True
) -> Frame | None:
    _show(studio.sim, moments[index])
    shot = studio.shoot(view, coloured)
    if shot is not None:
        shot.index = index
    return shot


def _view(studio: Studio, moments: list[np.ndarray]) -> camera.View:
    """A random camera that looks at the middle of the way."""
    sim, rng = studio.sim, studio.rng
    _show(sim, moments[-1])
    middle = (_tip_at(sim, moments[0]) + sim.target_point()) / 2
    return camera.random_view(sim.robot.facing_azimuth, middle + rng.normal(0, 0.04, 3), studio.held_out, rng)


def _show(sim: Simulator, state: np.ndarray) -> None:
    sim.data.qpos[:] = state
    sim.refresh()


def _tip_at(sim: Simulator, state: np.ndarray) -> np.ndarray:
    _show(sim, state)
    return sim.fingertips().mean(0)


def _evenly(sim: Simulator, states: list[np.ndarray], count: int) -> list[np.ndarray]:
    """`count` states from first to last; between two recorded ones, their mean by time."""
    moments = []
    for at in np.linspace(0, len(states) - 1, count):
        before, share = int(at), at - int(at)
        after = min(before + 1, len(states) - 1)
        state = states[before] * (1 - share) + states[after] * share
        mujoco.mj_normalizeQuat(sim.model, state)
        moments.append(state)
    return moments


def _play(studio: Studio) -> list[np.ndarray] | None:
    """Plays an episode; its states up to the first touch, or None where the hand never came near."""
    sim, rng = studio.sim, studio.rng
    if sim.env is None:
        return glide.play(studio, TOUCH, NEAR_ENOUGH)
    policy = _fetch_policy(sim, rng) if sim.task.simulator == "fetch" else _metaworld_policy(sim, rng)
    observation = _wander(sim, rng)
    states, gaps = [sim.data.qpos.copy()], [sim.gap(sim.finger_geoms, sim.target_geoms)]
    for _ in range(STEPS):
        observation, *_ = sim.env.step(policy(observation))
        states.append(sim.data.qpos.copy())
        gaps.append(sim.gap(sim.finger_geoms, sim.target_geoms))
        if gaps[-1] < TOUCH:
            break
    end = int(np.argmin(gaps))
    return states[: end + 1] if gaps[end] < NEAR_ENOUGH and gaps[0] > SHORTEST_WAY else None


def _wander(sim: Simulator, rng: np.random.Generator):
    """A few steps in a random direction, so that episodes do not all start from the rest pose."""
    action = np.r_[rng.uniform(-0.6, 0.6, 2), rng.uniform(-0.2, 0.6), rng.choice([-1.0, 1.0])].astype(np.float32)
    observation = sim.observation
    for _ in range(rng.integers(1, 20)):
        observation, *_ = sim.env.step(action)
    return observation


def _fetch_policy(sim: Simulator, rng: np.random.Generator):
    """Goes over or beside the object, then straight to it."""
    speed, gain = rng.uniform(0.12, 0.35), rng.uniform(3, 6)
    beside = np.r_[rng.normal(0, 0.04, 2), rng.uniform(0.04, 0.12)]
    gripper = 1.0 if sim.task.key == "FetchPickAndPlace" else -1.0
    arrived = False

    def act(observation) -> np.ndarray:
        nonlocal arrived
        hand, thing = observation["observation"][:3], observation["observation"][3:6]
        arrived = arrived or np.linalg.norm(thing + beside - hand) < 0.02
        goal = thing if arrived else thing + beside
        return np.r_[np.clip((goal - hand) * gain, -speed, speed), gripper].astype(np.float32)

    return act


def _metaworld_policy(sim: Simulator, rng: np.random.Generator):
    """The expert that Meta-World ships for the task, slowed down."""
    from metaworld import policies

    words = sim.task.key.replace("peg-insert-side", "peg-insertion-side").split("-")
    expert = getattr(policies, "Sawyer" + "".join(word.capitalize() for word in words) + "V3Policy")()
    speed = rng.uniform(0.35, 0.6)

    def act(observation) -> np.ndarray:
        action = np.clip(expert.get_action(observation), -1, 1)
        action[:3] *= speed
        return action.astype(np.float32)

    return act
