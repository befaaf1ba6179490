"""Trains a simulated Fetch arm to reach a goal, once on the reward that is measured in a camera's picture and once on
the
true one, and plots both: without ROS, in one process.

`spatial_reward.gymnasium.SpatialReward` renders the camera and measures the gap between gripper and goal; the reward is
`shaped`, its default: -1 for each step that is not there yet, and what the step came nearer. fetch_reach.py has the
task, the learner and how both are judged.

    MUJOCO_GL=osmesa python train_fetch_reach_without_ros.py             # 2 x 3 runs of 4000 steps

Python packages are in requirements-rl.txt, and this one is installed by `pip install .`. On a machine with a GPU,
MUJOCO_GL=egl renders faster.
"""

# First of all: it loads torch.
import fetch_reach

# isort: split

import gymnasium

from spatial_reward.gymnasium import Bodies, Sites, SpatialReward

REWARD = {
    "gamma": fetch_reach.LEARNER["gamma"],
    # Where fingers and ball touch, the goal is reached (`surface`).
    "threshold_m": 0.01,
    # The way of an episode, some 15 cm, is worth as much as one or two steps.
    "kappa": 10.0,
}


def on_the_measured_reward(env: gymnasium.Env) -> gymnasium.Env:
    """The task on the reward that is measured in a picture from the side."""
    fingertip = Bodies(*fetch_reach.FINGERS, near=fetch_reach.GRIP, within_m=fetch_reach.FINGERTIP_RADIUS_M)
    return SpatialReward(
        env,
        camera=fetch_reach.side_camera(),
        regions={"fingertip": fingertip, "target": Sites(fetch_reach.GOAL)},
        config={"reward": REWARD},
        reset_tries=100,
        width=fetch_reach.WIDTH,
        height=fetch_reach.HEIGHT,
    )


def main() -> None:
    parser = fetch_reach.parser(__doc__.partition(":")[0].replace("\n", " "))
    arguments = parser.parse_args()
    if arguments.steps % arguments.evaluate_every:
        parser.error("--steps must be a multiple of --evaluate-every")
    fetch_reach.compare(arguments, on_the_measured_reward, "reward measured without ROS")


if __name__ == "__main__":
    main()
