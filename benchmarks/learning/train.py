"""One training of a Meta-World task on one reward, and how it is judged."""

import json
import os
import time
from pathlib import Path

# One thread each: runs go side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import gymnasium
import torch
import torch._dynamo
from sbx import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from learning.tasks import GAMMA, TASKS, Episodes, Sparse, measured, success

REWARDS = {
    "task": "measured: phases, shaped",
    "env": "the environment's dense one",
    "sparse": "the environment's success",
    "raw": "measured: minus the distance",
}
LEARNER = {
    "batch_size": 128,
    "gamma": GAMMA,
    "learning_starts": 1000,
    "train_freq": 10,
    "gradient_steps": 80,
    "n_steps": 4,
    # Without layer norm so many updates learn nothing.
    "policy_kwargs": {"net_arch": [128, 128], "layer_norm": True},
}
# Where episodes are cut off and a learner looks beyond their end, shaping with the learner's own discount prefers no
# action until success has been found. Without discount it does: progress is worth something as long as it lasts.
SHAPING_GAMMA = 1.0
# Far from those of training.
JUDGING_SEED = 100_000


class Invalid(BaseCallback):
    """Counts the steps that could not be measured."""

    def __init__(self):
        super().__init__()
        self.steps = self.invalid = 0

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if told := info.get("spatial_reward"):
                self.steps += 1
                self.invalid += not told["valid"]
        return True


def make(task: str, reward: str, seed: int) -> gymnasium.Env:
    env = Episodes(TASKS[task], seed)
    if reward == "sparse":
        return Sparse(env)
    if reward == "env":
        return env
    return measured(TASKS[task], env, {"task": "task", "raw": "dense"}[reward], SHAPING_GAMMA)


def train(
    task: str, reward: str, seed: int, *, steps: int, every: int, episodes: int, final: int, output: Path
) -> dict:
    """What came of it, which is written into `output` too."""
    torch.set_num_threads(1)
    begin, log = time.monotonic(), Invalid()
    env = VecNormalize(DummyVecEnv([lambda: make(task, reward, seed)]), gamma=GAMMA)
    judge = make(task, "task" if reward == "task" else "env", JUDGING_SEED + seed)
    learner = SAC("MlpPolicy", env, seed=seed, buffer_size=steps, **LEARNER)
    run = {"task": task, "reward": reward, "seed": seed, "steps": [], "success": []}
    for done in range(every, steps + 1, every):
        learner.learn(every, callback=log, reset_num_timesteps=done == every)
        run["steps"].append(done)
        run["success"].append(judged(learner, env, judge, episodes))
        print(f"{task}, {reward}, seed {seed}: {done} steps, success {run['success'][-1]:.0%}", flush=True)
    run["final"] = judged(learner, env, judge, final)
    run["invalid"] = log.invalid / log.steps if log.steps else None
    run["seconds"] = time.monotonic() - begin
    env.close()
    judge.close()
    partial = output.with_suffix(".partial")
    partial.write_text(json.dumps(run))
    partial.rename(output)
    return run


def judged(learner: SAC, normalizer: VecNormalize, env: gymnasium.Env, episodes: int) -> float:
    """The share of episodes that are solved, without exploration."""
    return success(env, lambda seen: learner.predict(normalizer.normalize_obs(seen), deterministic=True)[0], episodes)
