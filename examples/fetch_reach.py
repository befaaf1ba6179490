"""The task, the learner and the judge that the two trainings of a simulated Fetch arm share: on the reward of a running
node (train_fetch_reach.py) and without ROS (train_fetch_reach_without_ros.py).

The task is FetchReachDense of gymnasium-robotics: observations, actions, goals and success are its own. Its reward,
minus the distance from gripper to goal, is known to the simulator only. Here a camera looks at the arm instead. The
same learner with the same settings is trained on what is measured in its picture and on the true reward. Both are
judged
alike: by success and by the return under the true reward, in episodes without exploration.

What the camera sees: 160x120 pixels from the side, with depth. The goal is the red ball of 2 cm radius that the
environment draws, which is no obstacle: the gripper may sink into it. Boxes come from the simulator's segmentation,
in place of a detector: the fingertip is what shows of the fingers within 3 cm of the point that the task moves, the
target is what shows of the ball. When the gripper hides the ball there is no target box, the step is invalid and
holds what was measured last; an episode that would begin so is begun again, because it has nothing to hold. Evaluation
episodes know nothing of the camera and take all goals.

The distance is `surface`: it is 0 when fingers and ball touch, and then the gripper is within 4 cm of the goal, so
in success, which begins at 5 cm. The learner may not relabel goals (HER): that would ask for the true reward.
"""

import argparse
import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# First of all, and with its compiler: that crashes when it is loaded after software OpenGL (MUJOCO_GL=osmesa),
# because both bring an LLVM of their own.
import torch
import torch._dynamo

# isort: split

import gymnasium
import gymnasium_robotics
import matplotlib
import mujoco
import numpy as np
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

matplotlib.use("Agg")  # before pyplot, which looks for a screen otherwise
import matplotlib.pyplot as plt

gymnasium.register_envs(gymnasium_robotics)

TASK = "FetchReachDense-v4"
WIDTH, HEIGHT = 160, 120
FIELD_OF_VIEW_DEGREES = 20.0
FINGERS = ("robot0:r_gripper_finger_link", "robot0:l_gripper_finger_link")
GRIP, GOAL = "robot0:grip", "target0"  # sites: the point that the task moves, and where to
FINGERTIP_RADIUS_M = 0.03

MEASURED_REWARD, TRUE_REWARD = "measured", "true"
COLORS = {MEASURED_REWARD: "tab:orange", TRUE_REWARD: "tab:blue"}

# The learner, the same for both rewards.
LEARNER = dict(
    learning_rate=1e-3,
    batch_size=256,
    gamma=0.95,
    ent_coef=0.01,
    learning_starts=500,
    policy_kwargs=dict(net_arch=[64, 64]),
)
FIRST_EVALUATION_SEED = 10_000
FINAL_EPISODES = 100


def make_task(make_measured: Callable[[gymnasium.Env], gymnasium.Env] | None = None) -> gymnasium.Env:
    """The task; on the measured reward, if it is wrapped so."""
    env = gymnasium.make(TASK)
    if make_measured:
        model = env.unwrapped.model
        model.vis.global_.fovy = FIELD_OF_VIEW_DEGREES
        # The handle by which the simulator drags the arm is no part of the scene.
        model.geom_rgba[model.geom_bodyid == model.body("robot0:mocap").id, 3] = 0.0
        env = make_measured(env)
    return gymnasium.wrappers.FlattenObservation(env)


def side_camera() -> mujoco.MjvCamera:
    """It stands beside the arm."""
    camera = mujoco.MjvCamera()
    camera.lookat[:] = (1.34, 0.75, 0.55)
    camera.distance, camera.azimuth, camera.elevation = 1.6, 100.0, -10.0
    return camera


@dataclass
class Run:
    """What one training came to: a success rate and a true return for each number of steps."""

    reward: str
    seed: int
    steps: list[int] = field(default_factory=list)
    success_rates: list[float] = field(default_factory=list)
    true_returns: list[float] = field(default_factory=list)
    final_success_rate: float = 0.0
    seconds: float = 0.0
    invalid_share: float = 0.0
    median_age_s: float = 0.0


class RewardLog(BaseCallback):
    """Counts invalid steps and how old the rewards were."""

    def __init__(self):
        super().__init__()
        self.invalid, self.ages_s = [], []

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if measured := info.get("spatial_reward"):
                self.invalid.append(not measured["valid"])
                self.ages_s.append(measured["age_s"])
        return True


def evaluate(learner: SAC, normalizer: VecNormalize, env: gymnasium.Env, episodes: int) -> tuple[float, float]:
    """Success rate at the end of the episode, and mean return, both true and without exploration."""
    successes, returns = [], []
    for episode in range(episodes):
        observation, _ = env.reset(seed=FIRST_EVALUATION_SEED + episode)
        episode_return, is_over = 0.0, False
        while not is_over:
            action, _ = learner.predict(normalizer.normalize_obs(observation), deterministic=True)
            observation, reward, terminated, truncated, info = env.step(action)
            episode_return += reward
            is_over = terminated or truncated
        successes.append(info["is_success"])
        returns.append(episode_return)
    return float(np.mean(successes)), float(np.mean(returns))


def train(
    reward: str,
    seed: int,
    *,
    steps: int,
    evaluate_every: int,
    episodes: int,
    make_measured: Callable[[gymnasium.Env], gymnasium.Env],
) -> Run:
    """Train on one reward with one seed."""
    torch.set_num_threads(1)  # a second run has the other core
    begin = time.monotonic()
    run, log, judge = Run(reward, seed), RewardLog(), make_task()
    env = DummyVecEnv([lambda: make_task(make_measured if reward == MEASURED_REWARD else None)])
    env = VecNormalize(env, norm_reward=False)
    env.seed(seed)
    learner = SAC("MlpPolicy", env, seed=seed, buffer_size=steps, **LEARNER)
    for done in range(0, steps + 1, evaluate_every):
        if done:
            learner.learn(evaluate_every, callback=log, reset_num_timesteps=done == evaluate_every)
        success_rate, true_return = evaluate(learner, env, judge, episodes)
        run.steps.append(done)
        run.success_rates.append(success_rate)
        run.true_returns.append(true_return)
        judged = f"success {success_rate:.0%}, return {true_return:.2f}"
        print(f"{reward} reward, seed {seed}, {done} steps: {judged}", flush=True)
    run.final_success_rate, _ = evaluate(learner, env, judge, FINAL_EPISODES)
    run.seconds = time.monotonic() - begin
    if log.invalid:
        run.invalid_share, run.median_age_s = float(np.mean(log.invalid)), float(np.nanmedian(log.ages_s))
    env.close()
    judge.close()
    return run


def plot(runs: list[Run], path: Path, labels: dict[str, str]) -> None:
    """Success rate and true return against training steps: means over seeds, single runs behind them."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, values, title in (
        (axes[0], "success_rates", "success rate"),
        (axes[1], "true_returns", "return under the true reward"),
    ):
        for reward in (TRUE_REWARD, MEASURED_REWARD):
            chosen = [run for run in runs if run.reward == reward]
            curves = np.array([getattr(run, values) for run in chosen])
            axis.plot(chosen[0].steps, curves.T, color=COLORS[reward], alpha=0.25, linewidth=1)
            axis.plot(chosen[0].steps, curves.mean(axis=0), color=COLORS[reward], linewidth=2, label=labels[reward])
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("training steps")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(-0.03, 1.03)
    axes[0].yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
    axes[0].legend(title="trained on the", loc="lower right", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def summarize(runs: list[Run], labels: dict[str, str]) -> None:
    """Print what came of it."""
    success = {}
    for reward in (TRUE_REWARD, MEASURED_REWARD):
        chosen = [run for run in runs if run.reward == reward]
        rates = [run.final_success_rate for run in chosen]
        success[reward] = np.mean(rates)
        print(
            f"trained on the {labels[reward]}: success {success[reward]:.1%} in {FINAL_EPISODES} episodes a seed "
            f"({', '.join(f'{rate:.0%}' for rate in rates)}), {np.mean([run.seconds for run in chosen]):.0f} s a run"
        )
        if reward == MEASURED_REWARD:
            invalid = np.mean([run.invalid_share for run in chosen])
            age_s = np.median([run.median_age_s for run in chosen])
            print(f"  {invalid:.1%} of its steps were invalid; rewards were {age_s * 1e3:.1f} ms old (median)")
    if success[TRUE_REWARD] > 0:
        share = success[MEASURED_REWARD] / success[TRUE_REWARD]
        print(f"the measured reward comes to {share:.1%} of the true reward's success rate")


def parser(description: str) -> argparse.ArgumentParser:
    """The options of both trainings."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, default=4000, help="training steps a run (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs for each reward (default: %(default)s)")
    parser.add_argument("--evaluate-every", type=int, default=250, metavar="STEPS")
    parser.add_argument("--episodes", type=int, default=20, help="in each evaluation (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time (default: %(default)s)")
    parser.add_argument("--plot", type=Path, default=Path("fetch_reach.png"), metavar="PNG")
    return parser


def compare(
    arguments: argparse.Namespace, make_measured: Callable[[gymnasium.Env], gymnasium.Env], measured_label: str
) -> None:
    """Train on both rewards, plot what came of it, and print it."""
    begin = time.monotonic()
    jobs = [(reward, seed) for seed in range(arguments.seeds) for reward in (MEASURED_REWARD, TRUE_REWARD)]
    settings = {
        "steps": arguments.steps,
        "evaluate_every": arguments.evaluate_every,
        "episodes": arguments.episodes,
        "make_measured": make_measured,
    }
    # Fresh interpreters: neither ROS nor OpenGL survives a fork.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(arguments.workers, spawn, max_tasks_per_child=1) as pool:
        runs = [future.result() for future in [pool.submit(train, *job, **settings) for job in jobs]]
    labels = {MEASURED_REWARD: measured_label, TRUE_REWARD: "true reward"}
    plot(runs, arguments.plot, labels)
    summarize(runs, labels)
    print(f"{arguments.plot} is the plot; it took {(time.monotonic() - begin) / 60:.1f} minutes")
