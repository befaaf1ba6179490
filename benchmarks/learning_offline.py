"""What measured rewards tell of recordings of mixed quality, in five tasks of Meta-World: which are better, which fail
and how early that shows, and what a policy cloned from those that they choose is worth.

usage: learning_offline.py [--task NAME ...] [--episodes N] [--seeds N] [--seed S] [-o FOLDER]

Episodes of each task are recorded once (learning/episodes.py says how they differ) and kept in FOLDER. The first table:
  return        Kendall's tau-b between the return of our reward and what came of the episode in truth: solved, the
                sooner the better, else by the share of its way that the thing has come, else by how near the hand is to
                it; and where 90 % of resamplings of the episodes lie
  -distance     the same of minus the distance from fingertip to thing, discounted
  Meta-World's  the same of the return of Meta-World's dense reward
  told          of how many episodes it is told rightly whether they were solved at any time, as Meta-World counts, and
                how many are called solved and are not
  25 % ...      of a failed and a solved episode, how often the solved one has the greater progress at that share of
                both
The second: the success of a policy that is cloned from all episodes, from the third with the highest return of ours, of
minus the distance, from those that are best in truth, and from as many at random; mean over the seeds, worst and best.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")
os.environ.setdefault("OMP_NUM_THREADS", "1")

FIVE = ["button-press", "drawer-open", "handle-press", "push", "pick-place"]


def main() -> None:
    arguments = parse()
    # What it needs is much, and --help needs none of it.
    from learning import offline

    offline.run(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--task",
        nargs="+",
        default=["button-press", "drawer-open", "handle-press", "push", "pick-place"],
        metavar="NAME",
    )
    parser.add_argument("--episodes", type=int, default=60, help="of each task (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the recordings (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="clonings of each choice (default: %(default)s)")
    parser.add_argument("--judged", type=int, default=50, help="episodes of each cloned policy (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="tasks at a time (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("learning_offline"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
