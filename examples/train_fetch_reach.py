"""Trains a simulated Fetch arm to reach a goal, once on the node's reward and once on the true one, and plots both.

A camera looks at the arm, `spatial-reward node` measures the gap between gripper and goal in each frame, and minus that
gap is the reward. fetch_reach.py has the task, the learner and how both are judged; train_fetch_reach_without_ros.py
trains without a node.

    MUJOCO_GL=osmesa python train_fetch_reach.py             # 2 x 3 runs of 4000 steps
    MUJOCO_GL=osmesa python train_fetch_reach.py --external-node /spatial_reward

Python packages are in requirements-rl.txt. ROS 2 and this package must be sourced, and `spatial-reward` be on the
PATH, unless a node runs already. On a machine with a GPU, MUJOCO_GL=egl renders faster.
"""

import contextlib
import functools
import shlex
import subprocess

# First of all: it loads torch.
import fetch_reach

# isort: split

import gymnasium
import mujoco
import numpy as np

from gymnasium_wrapper import Frame, SpatialReward


class SideCamera:
    """Renders what a camera beside the arm sees, as the frame that the node asks for."""

    def __init__(self, env: gymnasium.Env):
        model = env.unwrapped.model
        # Pixels that mix an edge with what is behind it would have depths between the two.
        model.vis.quality.offsamples = 0
        finger_bodies = [model.body(name).id for name in fetch_reach.FINGERS]
        self._finger_geoms = np.flatnonzero(np.isin(model.geom_bodyid, finger_bodies))
        self._goal_site = model.site(fetch_reach.GOAL).id
        self._camera = fetch_reach.side_camera()
        width, height = fetch_reach.WIDTH, fetch_reach.HEIGHT
        self._renderer = mujoco.Renderer(model, height, width)
        focal_px = height / 2 / np.tan(np.radians(fetch_reach.FIELD_OF_VIEW_DEGREES) / 2)
        self._intrinsics = (focal_px, focal_px, width / 2, height / 2)

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
        grip = robot.data.site(fetch_reach.GRIP).xpos
        to_grip_m = np.linalg.norm(self._points_in_world(depth_m) - grip, axis=-1)
        return Frame(
            rgb,
            depth_m,
            self._intrinsics,
            fingertip_box=box_around(is_finger & (to_grip_m < fetch_reach.FINGERTIP_RADIUS_M)),
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


def on_the_nodes_reward(node_name: str, env: gymnasium.Env) -> gymnasium.Env:
    """The task on the reward of a running node."""
    return BeginsMeasurable(SpatialReward(env, SideCamera(env), node_name=node_name, on_invalid="hold"))


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


def main() -> None:
    parser = fetch_reach.parser(__doc__.partition("\n")[0])
    parser.add_argument(
        "--node-command", default="spatial-reward node", help="how to start the node (default: %(default)s)"
    )
    parser.add_argument("--external-node", metavar="NAME", help="use the running node of this name; start none")
    arguments = parser.parse_args()
    if arguments.steps % arguments.evaluate_every:
        parser.error("--steps must be a multiple of --evaluate-every")

    own_node = running_node(arguments.node_command)
    with contextlib.nullcontext(arguments.external_node) if arguments.external_node else own_node as node_name:
        make_measured = functools.partial(on_the_nodes_reward, node_name)
        fetch_reach.compare(arguments, make_measured, "reward measured by the node")


if __name__ == "__main__":
    main()
