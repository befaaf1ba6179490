"""Trains a simulated Fetch arm to reach a goal, once on the node's reward and once on the true one, and plots both.

The task is FetchReachDense of gymnasium-robotics: observations, actions, goals and success are its own. Its reward,
minus the distance from gripper to goal, is known to the simulator only. Here a camera looks at the arm instead,
`spatial-reward node` measures the gap between gripper and goal in each frame, and minus that gap is the reward.
The same learner with the same settings is then trained on the true reward. Both are judged alike: by success and
by the return under the true reward, in episodes without exploration.

    MUJOCO_GL=osmesa python train_fetch_reach.py             # 2 x 3 runs of 4000 steps
    MUJOCO_GL=osmesa python train_fetch_reach.py --external-node /spatial_reward

Python packages are in requirements-rl.txt. ROS 2 and this package must be sourced, and `spatial-reward` be on the
PATH, unless a node runs already. On a machine with a GPU, MUJOCO_GL=egl renders faster.

What the camera sees: 160x120 pixels from the side, with depth. The goal is the red ball of 2 cm radius that the
environment draws, which is no obstacle: the gripper may sink into it. Boxes come from the simulator's segmentation,
in place of a detector: the fingertip is what shows of the fingers within 3 cm of the point that the task moves, the
target is what shows of the ball. When the gripper hides the ball there is no target box, the step is invalid and
keeps the last reward; an episode that would begin so is begun again, because it has nothing to keep. Evaluation
episodes know nothing of the camera and take all goals.

The distance is `surface`: it is 0 when fingers and ball touch, and then the gripper is within 4 cm of the goal, so
in success, which begins at 5 cm. The learner may not relabel goals (HER): that would ask for the true reward.
"""

import argparse
import concurrent.futures
import contextlib
import multiprocessing
import shlex
import subprocess
import time
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

from gymnasium_wrapper import Frame, SpatialReward

matplotlib.use("Agg")  # before pyplot, which looks for a screen otherwise
import matplotlib.pyplot as plt

gymnasium.register_envs(gymnasium_robotics)

TASK = "FetchReachDense-v4"
NODE_REWARD, TRUE_REWARD = "node", "true"
LABELS = {NODE_REWARD: "reward measured by the node", TRUE_REWARD: "true reward"}
COLORS = {NODE_REWARD: "tab:orange", TRUE_REWARD: "tab:blue"}

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


class SideCamera:
    """Renders what a camera beside the arm sees, as the frame that the node asks for."""

    WIDTH, HEIGHT = 160, 120
    FIELD_OF_VIEW_DEGREES = 20.0
    FINGERTIP_RADIUS_M = 0.03

    def __init__(self, env: gymnasium.Env):
        model = env.unwrapped.model
        # Pixels that mix an edge with what is behind it would have depths between the two.
        model.vis.quality.offsamples = 0
        model.vis.global_.fovy = self.FIELD_OF_VIEW_DEGREES
        fingers = ("robot0:r_gripper_finger_link", "robot0:l_gripper_finger_link")
        finger_bodies = [model.body(name).id for name in fingers]
        self._finger_geoms = np.flatnonzero(np.isin(model.geom_bodyid, finger_bodies))
        self._goal_site = model.site("target0").id
        # The handle by which the simulator drags the arm is no part of the scene.
        model.geom_rgba[model.geom_bodyid == model.body("robot0:mocap").id, 3] = 0.0

        self._camera = mujoco.MjvCamera()
        self._camera.lookat[:] = (1.34, 0.75, 0.55)
        self._camera.distance, self._camera.azimuth, self._camera.elevation = 1.6, 100.0, -10.0
        self._renderer = mujoco.Renderer(model, self.HEIGHT, self.WIDTH)
        focal_px = self.HEIGHT / 2 / np.tan(np.radians(self.FIELD_OF_VIEW_DEGREES) / 2)
        self._intrinsics = (focal_px, focal_px, self.WIDTH / 2, self.HEIGHT / 2)

    def __call__(self, env: gymnasium.Env) -> Frame:
        robot = env.unwrapped
        robot._render_callback()  # moves the ball to the goal
        renderer = self._renderer
        renderer.update_scene(robot.data, self._camera)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        rgb = renderer.render().copy()
        renderer.enable_depth_rendering()
        depth_m = renderer.render().copy()
        renderer.disable_depth_rendering()
        renderer.enable_segmentation_rendering()
        object_ids, object_types = np.moveaxis(renderer.render(), -1, 0)
        renderer.disable_segmentation_rendering()

        is_geom = object_types == mujoco.mjtObj.mjOBJ_GEOM
        is_finger = is_geom & np.isin(object_ids, self._finger_geoms)
        is_goal = (object_types == mujoco.mjtObj.mjOBJ_SITE) & (object_ids == self._goal_site)
        grip = robot.data.site("robot0:grip").xpos
        to_grip_m = np.linalg.norm(self._points_in_world(depth_m) - grip, axis=-1)
        return Frame(
            rgb,
            depth_m,
            self._intrinsics,
            fingertip_box=box_around(is_finger & (to_grip_m < self.FINGERTIP_RADIUS_M)),
            target_box=box_around(is_goal),
        )

    def _points_in_world(self, depth_m: np.ndarray) -> np.ndarray:
        """What each pixel shows, as (height, width, 3)."""
        left, right = self._renderer.scene.camera[:2]  # of a stereo pair without a baseline
        forward, up = np.array(left.forward, float), np.array(left.up, float)
        world_from_camera = np.stack([np.cross(forward, up), -up, forward], axis=1)
        fx, fy, cx, cy = self._intrinsics
        v, u = np.indices(depth_m.shape) + 0.5
        points_in_camera = np.stack([(u - cx) / fx * depth_m, (v - cy) / fy * depth_m, depth_m], axis=-1)
        return points_in_camera @ world_from_camera.T + (np.array(left.pos) + np.array(right.pos)) / 2


def box_around(mask: np.ndarray):
    """The tight box of a mask's pixels; None if there are none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


class BeginsMeasurable(gymnasium.Wrapper):
    """Begins episodes anew until their first frame can be measured, so that "hold" has something to hold."""

    def reset(self, *, seed=None, options=None):
        observation, info = self.env.reset(seed=seed, options=options)
        while not info["spatial_reward"]["valid"]:
            observation, info = self.env.reset(options=options)
        return observation, info


def make_env(node_name: str | None = None) -> gymnasium.Env:
    """The task; with a node's name, on that node's reward."""
    env = gymnasium.make(TASK)
    if node_name:
        env = BeginsMeasurable(SpatialReward(env, SideCamera(env), node_name=node_name, on_invalid="hold"))
    return gymnasium.wrappers.FlattenObservation(env)


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


def train(reward: str, seed: int, *, steps: int, evaluate_every: int, episodes: int, node_name: str) -> Run:
    """Train on one reward with one seed."""
    torch.set_num_threads(1)  # a second run has the other core
    begin = time.monotonic()
    run, log, judge = Run(reward, seed), RewardLog(), make_env()
    env = DummyVecEnv([lambda: make_env(node_name if reward == NODE_REWARD else None)])
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


@contextlib.contextmanager
def running_node(command: str):
    """The node as a process of ours: its name."""
    name = "fetch_reach_reward"
    parameters = ("estimator.kind:=geometry", "estimator.distance:=surface", "reward.kind:=dense")
    settings = [word for parameter in parameters for word in ("-p", parameter)]
    # Its inputs by topic stay empty here, and it would warn of that.
    quiet = ("--log-level", "error")
    try:
        node = subprocess.Popen([*shlex.split(command), "--ros-args", "-r", f"__node:={name}", *quiet, *settings])
    except OSError as error:
        raise SystemExit(
            f"cannot start `{command}`: {error}; name the program with --node-command, or a running node with "
            "--external-node"
        ) from error
    try:
        yield f"/{name}"
    finally:
        node.terminate()
        node.wait()


def plot(runs: list[Run], path: Path) -> None:
    """Success rate and true return against training steps: means over seeds, single runs behind them."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, values, title in (
        (axes[0], "success_rates", "success rate"),
        (axes[1], "true_returns", "return under the true reward"),
    ):
        for reward in (TRUE_REWARD, NODE_REWARD):
            chosen = [run for run in runs if run.reward == reward]
            curves = np.array([getattr(run, values) for run in chosen])
            axis.plot(chosen[0].steps, curves.T, color=COLORS[reward], alpha=0.25, linewidth=1)
            axis.plot(chosen[0].steps, curves.mean(axis=0), color=COLORS[reward], linewidth=2, label=LABELS[reward])
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("training steps")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(-0.03, 1.03)
    axes[0].yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
    axes[0].legend(title="trained on the", loc="lower right", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def summarize(runs: list[Run]) -> None:
    """Print what came of it."""
    success = {}
    for reward in (TRUE_REWARD, NODE_REWARD):
        chosen = [run for run in runs if run.reward == reward]
        rates = [run.final_success_rate for run in chosen]
        success[reward] = np.mean(rates)
        print(
            f"trained on the {LABELS[reward]}: success {success[reward]:.1%} in {FINAL_EPISODES} episodes a seed "
            f"({', '.join(f'{rate:.0%}' for rate in rates)}), {np.mean([run.seconds for run in chosen]):.0f} s a run"
        )
        if reward == NODE_REWARD:
            invalid = np.mean([run.invalid_share for run in chosen])
            age_s = np.median([run.median_age_s for run in chosen])
            print(f"  {invalid:.1%} of its steps were invalid; rewards were {age_s * 1e3:.1f} ms old (median)")
    if success[TRUE_REWARD] > 0:
        share = success[NODE_REWARD] / success[TRUE_REWARD]
        print(f"the node's reward comes to {share:.1%} of the true reward's success rate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=4000, help="training steps a run (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs for each reward (default: %(default)s)")
    parser.add_argument("--evaluate-every", type=int, default=250, metavar="STEPS")
    parser.add_argument("--episodes", type=int, default=20, help="in each evaluation (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time (default: %(default)s)")
    parser.add_argument("--plot", type=Path, default=Path("fetch_reach.png"), metavar="PNG")
    parser.add_argument(
        "--node-command", default="spatial-reward node", help="how to start the node (default: %(default)s)"
    )
    parser.add_argument("--external-node", metavar="NAME", help="use the running node of this name; start none")
    arguments = parser.parse_args()
    if arguments.steps % arguments.evaluate_every:
        parser.error("--steps must be a multiple of --evaluate-every")

    begin = time.monotonic()
    own_node = running_node(arguments.node_command)
    with contextlib.nullcontext(arguments.external_node) if arguments.external_node else own_node as node_name:
        jobs = [(reward, seed) for seed in range(arguments.seeds) for reward in (NODE_REWARD, TRUE_REWARD)]
        settings = {
            "steps": arguments.steps,
            "evaluate_every": arguments.evaluate_every,
            "episodes": arguments.episodes,
            "node_name": node_name,
        }
        # Fresh interpreters: neither ROS nor OpenGL survives a fork.
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(arguments.workers, spawn, max_tasks_per_child=1) as pool:
            runs = [future.result() for future in [pool.submit(train, *job, **settings) for job in jobs]]
    plot(runs, arguments.plot)
    summarize(runs)
    print(f"{arguments.plot} is the plot; it took {(time.monotonic() - begin) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
