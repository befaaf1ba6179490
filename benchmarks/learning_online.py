"""Whether learners gain: one learner on four rewards, in tasks of Meta-World, judged by Meta-World's own success.

usage: learning_online.py [--task NAME ...] [--seeds N] [--steps N] [--jobs N] [-o FOLDER]

  task    measured in a camera's picture: the phases of a task and their shaping
  env     Meta-World's dense reward, which knows the simulator's state
  sparse  Meta-World's success, step by step
  raw     measured in the same pictures: minus the distance from fingertip to thing

Learner, network, steps, observations and scaling of rewards are the same; with `task` the observation has the phase
too. Each run is kept in FOLDER when it is done, and is not run again: an interrupted benchmark goes on. Writes
curves.png and prints a table: success in the last judging, which has more episodes than those of the curve, as the mean
and each seed's.

Renders without a screen: MUJOCO_GL=osmesa (which is set if nothing is), or egl with a GPU.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")

REWARDS = ["task", "env", "sparse", "raw"]


def main() -> None:
    arguments = parse()
    # What it needs is much, and --help needs none of it.
    from learning import online

    online.run(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", default=["faucet-open", "plate-slide"], metavar="NAME")
    parser.add_argument("--reward", nargs="+", choices=REWARDS, default=REWARDS)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each task and reward (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="decisions of a training (the task's, in learning/tasks.py)")
    parser.add_argument("--every", type=int, default=2_500, help="judged after so many (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=10, help="of a judging (default: %(default)s)")
    parser.add_argument("--final", type=int, default=50, help="episodes of the last judging (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("learning_online"))
    arguments = parser.parse_args()
    if arguments.steps is not None and arguments.steps % arguments.every:
        parser.error("--steps must be a multiple of --every")
    return arguments


if __name__ == "__main__":
    main()
