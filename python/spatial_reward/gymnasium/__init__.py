"""Any Gymnasium environment on a reward that is measured in its camera's picture, without ROS.

`SpatialReward` replaces the environment's reward by the one of `spatial_reward.Annotator`; observations, actions,
`terminated` and `truncated` stay the environment's. In a MuJoCo environment it renders colour and depth itself, and the
two regions are named by what the model has:

    from spatial_reward.gymnasium import Bodies, Geoms, SpatialReward

    env = SpatialReward(
        gymnasium.make("MyRobot-v0"),
        camera="front",
        regions={"fingertip": Bodies("left_finger", "right_finger"), "target": Geoms("cube")},
    )

Of any other environment, a function says what its camera sees:

    def observe(env):
        return Observed(color, depth, fingertip=(30, 40, 70, 80), target=my_detector(color))

    env = SpatialReward(env, camera=spatial_reward.Camera(fx, fy, cx, cy, width, height), observe=observe)

A whole task, of named regions and phases, is a `config` with `reward="task"`. Where several cameras see it, `camera` is
a dict, and `observe` gives `Views`.

The reward of a step is that of the picture its action led to. The picture after `reset` begins the episode and is
measured too, so that `shaped` and `progress` have their first distance.

`SpatialRewardVector` does the same for environments that are a `gymnasium.vector.VectorEnv` by nature; many
environments of the other kind are wrapped one by one, inside `SyncVectorEnv` or `AsyncVectorEnv`.

docs/gymnasium.md says more: why `shaped` is the default, what becomes of steps that cannot be measured, and how vector
environments begin their episodes.
"""

from spatial_reward._errors import error

try:
    import gymnasium as _gymnasium
except ImportError as missing:
    raise error("missing_package", f"{missing}", "pip install spatial-reward[gymnasium]") from missing

from spatial_reward.gymnasium._episode import Observed, RawDistanceWarning, Views
from spatial_reward.gymnasium._regions import Bodies, Geoms, Sites
from spatial_reward.gymnasium._vector import SpatialRewardVector
from spatial_reward.gymnasium._wrapper import SpatialReward

__all__ = [
    "Bodies",
    "Geoms",
    "Observed",
    "RawDistanceWarning",
    "Sites",
    "SpatialReward",
    "SpatialRewardVector",
    "Views",
]

del _gymnasium
