"""Episodes of mixed quality in tasks of Meta-World, and what a camera says of them: for learning_offline.py.

The hand follows the experts that Meta-World ships, and differs from them as a team's recordings do: well, shakily, past
the thing, giving up half-way, letting go of what it carries, or at random. An episode knows what was done and seen,
what Meta-World's own dense reward was, and what was measured in the picture.
"""

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
from metaworld.policies import ENV_POLICY_MAP

from learning.tasks import DECISIONS, GAMMA, Episodes, Task, measured
from ranks import discounted, known

QUALITIES = ("expert", "noisy", "shaky", "beside", "stops", "drops", "random")
# How far the hand believes the thing to be from where it is, in "beside".
BESIDE_M = 0.12
# The share of its way that a thing comes at least if somebody moves it.
TOUCHED = 0.02


@dataclass
class Episode:
    """One, decision by decision. `observations` has one more: the first."""

    quality: str
    observations: np.ndarray
    actions: np.ndarray
    env_rewards: np.ndarray
    solved: np.ndarray  # now, as Meta-World counts
    to_go_m: np.ndarray  # of the thing to its goal, as Meta-World knows it
    rewards: np.ndarray  # measured
    first_progress: float
    progress: np.ndarray
    told_solved: bool
    distances: np.ndarray  # fingertip to thing; NaN where it was not measured

    @property
    def env_return(self) -> float:
        return discounted(self.env_rewards, GAMMA)

    @property
    def outcome(self) -> float:
        """For who knows all: solved, the sooner the better; else how much of its way the thing has come; else how near
        the hand is to it."""
        if self.solved.any():
            return 1.0 + GAMMA ** int(np.argmax(self.solved))
        come = 1.0 - self.to_go_m[-1] / max(self.to_go_m[0], 1e-6)
        if come >= TOUCHED:
            return float(min(come, 1.0))
        hand, thing = self.observations[-1][:3], self.observations[-1][4:7]
        return -float(np.linalg.norm(hand - thing))

    @property
    def told_return(self) -> float:
        """With the first potential, which shaping takes away, so that beginnings far off are no merit."""
        return discounted(self.rewards, GAMMA) + self.first_progress

    @property
    def raw_return(self) -> float:
        return discounted(-known(self.distances), GAMMA)


def collect(task: Task, count: int, seed: int) -> list[Episode]:
    """As many episodes, their qualities in turn."""
    warnings.simplefilter("ignore", UserWarning)  # experts ask for more than an action can be, and are clipped
    env = measured(task, Episodes(task, seed), "task")
    random = np.random.default_rng(seed)
    episodes = [record(task, env, QUALITIES[at % len(QUALITIES)], random) for at in range(count)]
    env.close()
    return episodes


def record(task: Task, env, quality: str, random: np.random.Generator) -> Episode:
    expert = ENV_POLICY_MAP[task.name]()
    noise = {"expert": 0.05, "noisy": 0.4, "shaky": 0.9}.get(quality, 0.15)
    turns = random.integers(6, 22)  # when what goes wrong begins
    aside = random.normal(size=3)
    aside = BESIDE_M * aside / np.linalg.norm(aside)
    observation, info = env.reset()
    seen, taken, steps, first = [observation], [], [], info["spatial_reward"]["progress"]
    for at in range(DECISIONS):
        believed = np.array(observation[:39], dtype=np.float64)
        if quality == "beside":
            believed[4:7] += aside
        action = np.asarray(expert.get_action(believed), dtype=np.float64)
        action += random.normal(scale=noise, size=4)
        if quality == "random" or (quality == "stops" and at >= turns):
            action = random.uniform(-1, 1, size=4)
        if quality == "drops" and at >= turns:
            action[3] = -1.0  # the fingers open
        action = np.clip(action, -1, 1)
        observation, reward, _, _, info = env.step(action)
        seen.append(observation)
        taken.append(action)
        steps.append((reward, info["env_reward"], info["is_solved_now"], info["to_go_m"], info["spatial_reward"]))
    rewards, env_rewards, solved, to_go_m, told = zip(*steps, strict=True)
    return Episode(
        quality,
        np.array(seen)[:, :39],
        np.array(taken, dtype=np.float32),
        np.array(env_rewards),
        np.array(solved),
        np.array(to_go_m),
        np.array(rewards),
        known_or(first, 0.0),
        known(np.array([one["progress"] for one in told])),
        bool(told[-1]["success"]),
        np.array([one["distance_m"] for one in told]),
    )


def known_or(value: float, other: float) -> float:
    return float(value) if np.isfinite(value) else other


def save(episodes: list[Episode], path) -> None:
    """Several as one file of arrays."""
    columns = {field.name: [getattr(one, field.name) for one in episodes] for field in dataclasses.fields(Episode)}
    partial = path.with_name(f"partial_{path.name}")
    np.savez_compressed(partial, **{name: np.array(values) for name, values in columns.items()})
    partial.rename(path)


def load(path) -> list[Episode]:
    with np.load(path) as columns:
        names = [field.name for field in dataclasses.fields(Episode)]
        return [Episode(**dict(zip(names, row, strict=True))) for row in zip(*(columns[n] for n in names), strict=True)]
