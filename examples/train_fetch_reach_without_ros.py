"""Trains a simulated Fetch arm to reach a goal, once on the reward that is measured in a camera's picture and once on
the true one, and plots both: without ROS, in one process.

`spatial_reward.gymnasium.SpatialReward` renders the camera and measures the gap between gripper and goal.
fetch_reach.py has the task, the learner and how both are judged.

    MUJOCO_GL=osmesa python train_fetch_reach_without_ros.py                  # 2 x 3 runs of 4000 steps
    MUJOCO_GL=osmesa python train_fetch_reach_without_ros.py --reward shaped

`dense`, minus the gap, is what the true reward is, and what train_fetch_reach.py has the node measure. That it is
summed is
meant here: the task has 50 steps, whatever happens in them. `shaped`, the wrapper's default, asks for the goal to be
reached soon: -1 for each step that is not there yet, and what the step came nearer.

Python packages are in requirements-rl.txt, and this one is installed by `pip install .`. On a machine with a GPU,
MUJOCO_GL=egl renders faster.
"""

import functools
import warnings

# First of all: it loads torch.
import fetch_reach

# isort: split

import gymnasium

from spatial_reward.gymnasium import Bodies, RawDistanceWarning, Sites, SpatialReward

SHAPED = {
    "gamma": fetch_reach.LEARNER["gamma"],
    # Where fingers and ball touch, with some margin, the goal is reached (`surface`).
    "threshold_m": 0.003,
    # The arm makes some 3 cm in a step: what is left of the way is worth about the steps that it will cost.
    "kappa": 30.0,
}


def on_the_measured_reward(reward: str, env: gymnasium.Env) -> gymnasium.Env:
    """The task on the reward that is measured in a picture from the side."""
    warnings.simplefilter("ignore", RawDistanceWarning)
    fingertip = Bodies(*fetch_reach.FINGERS, near=fetch_reach.GRIP, within_m=fetch_reach.FINGERTIP_RADIUS_M)
    return SpatialReward(
        env,
        camera=fetch_reach.side_camera(),
        regions={"fingertip": fingertip, "target": Sites(fetch_reach.GOAL)},
        reward=reward,
        config={"reward": SHAPED} if reward == "shaped" else None,
        reset_tries=100,
        width=fetch_reach.WIDTH,
        height=fetch_reach.HEIGHT,
    )


def main() -> None:
    parser = fetch_reach.parser("Trains a simulated Fetch arm on a reward that is measured in a camera's picture.")
    parser.add_argument(
        "--reward", choices=("dense", "shaped"), default="dense", help="what is measured (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.steps % arguments.evaluate_every:
        parser.error("--steps must be a multiple of --evaluate-every")
    make_measured = functools.partial(on_the_measured_reward, arguments.reward)
    fetch_reach.compare(arguments, make_measured, f"measured reward ({arguments.reward})")


if __name__ == "__main__":
    main()
