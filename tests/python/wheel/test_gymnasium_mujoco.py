"""MuJoCo environments on the reward that is measured in what a camera of theirs renders, with regions by the names of
the model."""

import gc
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("MUJOCO_GL", "osmesa")  # before mujoco, for machines without a screen
gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")
mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402 - after what may be missing

import spatial_reward as sr  # noqa: E402 - after what may be missing
from spatial_reward.gymnasium import Bodies, Geoms, Sites, SpatialReward  # noqa: E402 - after what may be missing
from spatial_reward.gymnasium._renderer import Renderer  # noqa: E402 - after what may be missing

# A finger that slides along x, on a hand, 30 cm from a cube; the cameras look along y from 1 m before them.
SCENE = """
<mujoco>
  <visual><global offwidth="160" offheight="120" fovy="45"/><quality shadowsize="0"/></visual>
  <option gravity="0 0 0"/>
  <worldbody>
    <light pos="0 -2 2"/>
    <camera name="front" pos="0 -1 0.2" xyaxes="1 0 0 0 0 1" fovy="50"/>
    <camera name="lens" pos="0 -1 0.2" xyaxes="1 0 0 0 0 1" focal="0.004 0.004" sensorsize="0.004 0.003"
            principal="0.0004 -0.0002" resolution="160 120"/>
    <geom name="wall" type="plane" size="3 3 0.1" pos="0 0.6 0" zaxis="0 -1 0" rgba="0.5 0.5 0.5 1"/>
    <body name="hand" pos="-0.2 0 0.2">
      <joint name="slide" type="slide" axis="1 0 0"/>
      <site name="tip" pos="0.05 -0.03 0" size="0.005" group="4"/>
      <site name="nowhere" pos="0 -0.5 0" size="0.005" group="4"/>
      <geom name="palm" type="box" size="0.03 0.03 0.08" pos="-0.03 0 0.05" rgba="0 0 1 1" mass="1"/>
      <body name="finger">
        <geom name="finger_1" type="box" size="0.025 0.03 0.02" pos="0.025 0 0" rgba="0 1 0 1" mass="1"/>
      </body>
    </body>
    <body name="bare" pos="0 0 1"><site name="lone" group="4"/></body>
    <body name="cube" pos="0.15 0 0.2">
      <geom name="cube" type="box" size="0.03 0.03 0.03" rgba="1 0 0 1"/>
      <geom name="cube_collision" type="box" size="0.03 0.03 0.03" group="3"/>
      <geom name="ghost" type="box" size="0.03 0.03 0.03" rgba="1 0 0 0"/>
    </body>
    <site name="goal" type="sphere" size="0.03" pos="0.15 0 0.35" rgba="1 1 0 1"/>
    <body name="screen" pos="0 -0.3 -1"><freejoint/><geom name="screen" type="box" size="0.2 0.01 0.2" mass="1"/></body>
  </worldbody>
</mujoco>
"""
FINGER_X, CUBE_X = -0.15, 0.12  # of the faces that look at each other
GAP_M = CUBE_X - FINGER_X


class Slide(gymnasium.Env):
    """An action moves the hand by so many metres."""

    observation_space = gymnasium.spaces.Box(-10, 10, (1,), np.float64)
    action_space = gymnasium.spaces.Box(-0.1, 0.1, (1,), np.float64)
    dt = 0.05

    def __init__(self, scene=SCENE):
        self.model = mujoco.MjModel.from_xml_string(scene)
        self.data = mujoco.MjData(self.model)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        return self.data.qpos[:1].copy(), {}

    def step(self, action):
        self.data.qpos[0] += float(action[0])
        mujoco.mj_forward(self.model, self.data)
        return self.data.qpos[:1].copy(), 0.0, False, False, {}

    def hide(self):
        """Put the screen before the cube."""
        self.data.qpos[1:4] = [0.25, -0.3, 0.2]


@pytest.fixture
def slide():
    world = Slide()
    try:
        mujoco.Renderer(world.model, 8, 8).close()
    except Exception as cause:  # as many kinds as there are platforms
        pytest.skip(f"MuJoCo cannot render here: {cause}")
    return world


@pytest.mark.parametrize("camera", ["front", "lens", 1, -1, "aimed"])
def test_pictures_are_those_of_mujocos_own_renderer(slide, camera):
    # given a camera by its name, by its number, the free one, and one that was aimed
    if camera == "aimed":
        camera = mujoco.MjvCamera()
        camera.lookat[:], camera.distance, camera.azimuth, camera.elevation = (0, 0, 0.2), 1.2, 70.0, -20.0
    slide.model.vis.quality.offsamples = 0
    slide.reset()
    with mujoco.Renderer(slide.model, 90, 120) as theirs:
        theirs.update_scene(slide.data, camera)
        theirs.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        color = theirs.render()
        theirs.enable_depth_rendering()
        depth = theirs.render().copy()
        theirs.enable_segmentation_rendering()
        shown = theirs.render()
    # when it is drawn in two passes, then it is what three of MuJoCo's give
    ours = Renderer(mujoco, slide.model, 120, 90)
    picture = ours.draw(slide.data, camera)
    ours.close()
    ours.close()  # once more does no harm
    np.testing.assert_array_equal(picture.color, color)
    np.testing.assert_array_equal(np.stack([picture.ids, picture.kinds], axis=-1), shown)
    np.testing.assert_allclose(picture.depth, depth, rtol=1e-6)
    assert len(np.unique(shown.reshape(-1, 2), axis=0)) > 3


FINGER, CUBE = Bodies("finger"), Geoms("cube")
FOCAL_PX = 240 / 2 / np.tan(np.radians(50 / 2))


def wrapped(world, fingertip=FINGER, target=CUBE, camera="front", **options):
    return SpatialReward(world, camera=camera, regions={"fingertip": fingertip, "target": target}, **options)


def measured(env):
    return env.reset(seed=1)[1]["spatial_reward"]


def px(x_m, y_m=-0.03):
    """The column at which the camera `front` sees something, by default on a face that looks at it."""
    return 320 / 2 + FOCAL_PX * x_m / (y_m + 1)


def test_a_wrapped_environment_approaches(slide):
    # given a hand that is moved towards a cube
    env = wrapped(slide, config={"reward": {"gamma": 1.0, "threshold_m": 0.02}})
    reset = measured(env)
    # then the first distance is there
    assert reset["distance_m"] == pytest.approx(GAP_M, abs=0.006) and reset["stamp_s"] == 0.0
    # when it moves on, then the distance and the reward follow
    for done_m in (0.1, 0.2):
        _, reward, _, _, info = env.step(np.array([0.1]))
        assert info["spatial_reward"]["distance_m"] == pytest.approx(GAP_M - done_m, abs=0.006)
        assert reward == pytest.approx(-1 + 0.1, abs=0.008)
    assert info["spatial_reward"]["stamp_s"] == pytest.approx(0.1), "two steps of dt"
    env.close()


@pytest.mark.parametrize(
    ("fingertip", "left_m", "right_m"),
    [
        (Bodies("finger"), -0.2, -0.15),
        (Geoms("finger_1"), -0.2, -0.15),
        (Geoms("palm", "finger_1"), -0.26, -0.15),
        (Bodies("hand"), -0.26, -0.15),  # what hangs on a body belongs to it
        (Bodies("hand", near="tip", within_m=0.05), -0.2, -0.15),
        (Sites("tip", size_m=0.04), -0.17, -0.13),
        ((20.0, 90.0, 60.0, 120.0), None, None),
        (np.array([20, 90, 60, 120]), None, None),
        (lambda env: (20, 90, 60, 120) if env.unwrapped.model else None, None, None),
    ],
)
def test_a_region_is_what_is_seen_of_the_named(slide, fingertip, left_m, right_m):
    box = measured(wrapped(slide, fingertip))["fingertip"]
    if left_m is None:
        assert box == (20, 90, 60, 120)
    else:
        # of what looks at the camera, whose near edges are 97 cm away, and of the sides that look at the middle
        far_m = 0.0 if isinstance(fingertip, Sites) else 0.03
        assert (box[0], box[2]) == pytest.approx((px(left_m), px(right_m, far_m)), abs=1.01)


def test_a_function_may_give_a_mask(slide):
    mask = np.zeros((240, 320), np.bool_)
    env = wrapped(slide, lambda env: mask)
    slide.reset()
    assert env._look()[0].fingertip is mask


def test_a_region_may_be_its_pixels_in_place_of_the_box_around_them(slide):
    # given a hand that is an L, whose box holds what is behind it too
    as_box, as_mask = (wrapped(slide, Bodies("hand", as_mask=how)) for how in (False, True))
    # when it is looked at
    slide.reset()
    x_min, y_min, x_max, y_max = map(int, as_box._look()[0].fingertip)
    mask = as_mask._look()[0].fingertip
    # then the mask's box is the other one, and holds pixels that are none of the hand's
    rows, columns = np.nonzero(mask)
    around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert around == (x_min, y_min, x_max, y_max) and not mask[y_min:y_max, x_min:x_max].all()
    # and what is hidden is not seen
    hidden = wrapped(slide, target=Geoms("cube", as_mask=True), on_invalid="drop")
    hidden.reset()
    slide.hide()
    assert hidden.step(np.array([0.0]))[4]["spatial_reward"]["reason"] == "no_target_box"


def test_a_site_that_is_drawn_is_what_is_seen_of_it(slide):
    seen = measured(wrapped(slide, target=Sites("goal")))
    assert seen["valid"] and seen["target"][2] - seen["target"][0] == pytest.approx(px(0.06, 0) - px(0, 0), abs=2)


def test_what_is_hidden_is_not_seen(slide):
    # given a screen before the cube, and sites that are on nothing
    for target in (CUBE, Sites("nowhere", size_m=0.03), Sites("lone", size_m=0.03)):
        env = wrapped(slide, target=target, on_invalid="drop")
        env.reset()
        if target is CUBE:
            slide.hide()
        # when it is looked at, then there is no box, and none is made up
        _, _, _, _, info = env.step(np.array([0.0]))
        assert info["spatial_reward"]["reason"] == "no_target_box" and info["spatial_reward"]["target"] is None


def test_a_camera_off_the_middle_is_measured_with_as_it_is(slide):
    # given a camera with a sensor whose middle is not the picture's
    straight, off = (measured(wrapped(slide, camera=name)) for name in ("front", "lens"))
    assert abs(off["fingertip"][0] - straight["fingertip"][0]) > 5, "they see otherwise"
    # then all distances are the same
    for kind in ("surface_m", "center_m", "cloud_m"):
        assert off[kind] == pytest.approx(straight[kind], abs=0.006), kind
    # and points near a site are found
    near = measured(wrapped(slide, Bodies("hand", near="tip", within_m=0.05), camera="lens"))
    assert near["fingertip"] == pytest.approx(off["fingertip"], abs=1.01)


def test_a_free_camera_is_one(slide):
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance, camera.azimuth, camera.elevation = (0, 0, 0.2), 1.0, 90.0, 0.0
    assert measured(wrapped(slide, camera=camera))["distance_m"] == pytest.approx(GAP_M, abs=0.006)


def test_a_camera_without_perspective_is_refused(slide):
    slide.model.vis.global_.orthographic = 1
    with pytest.raises(sr.Error, match="the camera is orthographic, which shows no distance") as raised:
        wrapped(slide, camera=mujoco.MjvCamera()).reset()
    assert raised.value.kind == "camera"


def test_renderers_of_environments_that_are_gone_leave_the_others_alone(slide):
    # regression: what one renderer freed at its end was another one's
    env = wrapped(slide)
    before = measured(env)
    for _ in range(3):
        other = wrapped(Slide())
        # when the one that stays was the last to be drawn
        assert measured(other) == before == measured(env)
        del other
        gc.collect()
        assert measured(env) == before


def test_a_program_that_closes_nothing_ends_in_silence(slide):
    # regression: MuJoCo's renderer complained at the end of the program
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_gymnasium_mujoco import Slide, measured, wrapped
env = wrapped(Slide())
print(measured(env)["valid"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_camera_is_that_of_its_field_of_view(slide):
    env = wrapped(slide)
    assert env._look()[1] == sr.Camera.from_fovy(50.0, 320, 240)
    # and one that a reset changes is taken over, but not within an episode
    env.reset()
    slide.model.cam_fovy[:] = 40.0
    with pytest.raises(sr.Error, match="the camera changed within an episode"):
        env.step(np.array([0.0]))
    assert measured(env)["distance_m"] == pytest.approx(GAP_M, abs=0.006)


def test_edges_are_not_mixed_and_nothing_is_far_away(slide):
    # given a scene without a wall, and a model that asks for smooth edges in a small buffer
    scene = SCENE.replace('<geom name="wall"', '<geom name="wall" group="4"').replace('offwidth="160"', 'offwidth="64"')
    world = Slide(scene)
    world.model.vis.quality.offsamples = 4
    env = wrapped(world)
    env.reset()
    observed, _ = env._look()
    # then depth is of things or not there
    seen = observed.depth[np.isfinite(observed.depth)]
    assert 0.01 < len(seen) / observed.depth.size < 0.5 and seen.max() < 1.1
    # and the model is as it was
    assert world.model.vis.quality.offsamples == 4 and world.model.vis.global_.offwidth == 64


def test_a_model_that_is_compiled_anew_is_rendered_anew(slide):
    env = wrapped(slide)
    assert measured(env)["distance_m"] == pytest.approx(GAP_M, abs=0.006)
    # when the environment replaces its model, with the cube elsewhere
    nearer = Slide(SCENE.replace('name="cube" pos="0.15 0 0.2"', 'name="cube" pos="0.05 0 0.2"'))
    slide.model, slide.data = nearer.model, nearer.data
    # then that one counts
    assert measured(env)["distance_m"] == pytest.approx(GAP_M - 0.1, abs=0.006)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasiums_own_check_passes(slide):
    check_env(wrapped(slide), skip_render_check=True)


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("the model has no camera 'frnt' .*: it has front", {"camera": "frnt"}),
        ("camera is 7, and the model has 2", {"camera": 7}),
        ("camera is a float, and must be the name", {"camera": 1.0}),
        ("a picture of 0x240 pixels has none", {"width": 0}),
        ("the model has no geom 'cub' .*: it has cube", {"target": Geoms("cub")}),
        ("the model has no body 'thumb'", {"target": Bodies("thumb")}),
        ("the model has no site 'gaol' .*: it has goal", {"target": Sites("gaol")}),
        ("the model has no site 'tap' .*: it has tip", {"target": Bodies("hand", near="tap", within_m=0.1)}),
        (r"Bodies\('bare'\): no geom hangs on it", {"target": Bodies("bare")}),
        ("of which nothing is drawn", {"target": Geoms("cube_collision")}),
        ("of which nothing is drawn", {"target": Geoms("ghost")}),
        (r"of which nothing is drawn.*or give size_m", {"target": Sites("tip")}),
        (r"'cube', which does not say what of the model it names: Geoms\('cube'\), Bodies", {"target": "cube"}),
        (r"must be Geoms, Bodies or Sites by name, a fixed box", {"target": (1, 2, 3)}),
        (r"must be Geoms, Bodies or Sites by name, a fixed box", {"target": (10, 10, 5, 20)}),
        (r"the function regions\['target'\] gave 'there'", {"target": lambda env: "there"}),
    ],
)
def test_what_the_model_has_not_is_refused(slide, match, options):
    with pytest.raises(sr.Error, match=match) as raised:
        wrapped(slide, **options).reset()
    assert raised.value.kind in {"camera", "region"}


@pytest.mark.parametrize(
    ("match", "make"),
    [
        (r"Geoms\(\): give the name of each", Geoms),
        (r"Sites\('a'\): size_m is -1, and must be above 0", lambda: Sites("a", size_m=-1)),
        ("near and within_m belong together", lambda: Bodies("a", near="tip")),
        ("within_m is 0, and must be above 0", lambda: Bodies("a", near="tip", within_m=0)),
        ("size_m is for one site", lambda: Sites("a", "b", size_m=0.1)),
        ("size_m is for one site, near and as_mask for", lambda: Sites("a", size_m=0.1, as_mask=True)),
        (
            "'fingertip' and 'target' are needed",
            lambda: SpatialReward(Slide(), camera="front", regions={"target": CUBE}),
        ),
        ("regions has none, and", lambda: SpatialReward(Slide(), camera="front")),
    ],
)
def test_bad_regions_are_refused(match, make):
    with pytest.raises(sr.Error, match=match) as raised:
        make()
    assert raised.value.kind == "region"


def test_an_environment_without_a_model_names_observe():
    with pytest.raises(sr.Error, match=r"has no MuJoCo model and data .*: observe=function") as raised:
        wrapped(gymnasium.make("CartPole-v1"))
    assert raised.value.kind == "environment"


def test_a_task_s_regions_are_named_by_the_model_and_several_cameras_see_them(slide):
    # given a task that is solved once the hand is near and closed, and the cube has stayed away from the goal
    near = [
        {"distance": "fingertip-cube", "below": 0.1, "hold_s": 0},
        {"opening": "gripper", "below": 0.01, "hold_s": 0},
    ]
    phase = {"name": "reach", "potential": {"distance": "fingertip-cube", "from": 0.3}}
    config = {
        "reward": {"kind": "task"},
        "task": {
            "pairs": ["fingertip-cube", "cube-goal"],
            "phases": [phase | {"next": [{"to": "success", "when": near}]}],
        },
    }
    regions = {"fingertip": FINGER, "cube": CUBE, "goal": Sites("goal")}
    env = SpatialReward(
        slide,
        camera={"front": "front", "lens": "lens"},
        regions=regions,
        opening=lambda env: 0.0 if env.unwrapped.data.qpos[0] > 0.19 else 0.08,
        reward="task",
        config=config,
    )
    # when the hand comes nearer
    first = measured(env)
    rows = [env.step(np.array([0.1]))[4]["spatial_reward"] for _ in range(2)]
    # then phases follow it, by what both cameras see
    assert [told["phase"] for told in (first, *rows)] == ["reach", "reach", "success"]
    pairs = first["pairs"]
    assert pairs["fingertip-cube"]["cameras"] == ["front", "lens"]
    assert pairs["fingertip-cube"]["distance_m"] == pytest.approx(GAP_M, abs=0.01)
    assert pairs["cube-goal"]["valid"] and rows[1]["pairs"]["fingertip-cube"]["distance_m"] < 0.1
    env.close()
    # and a region too few is told by name
    del regions["goal"]
    with pytest.raises(sr.Error, match="'cube', 'fingertip' and 'goal' are needed"):
        SpatialReward(Slide(), camera="front", regions=regions, reward="task", config=config)


def test_two_cameras_that_see_different_regions_were_refused(slide):
    # given a task of two pairs, and a second camera that the configuration says sees the first pair alone
    seen = {name: {"topic": f"/side/{name}"} for name in ("fingertip", "cube")}
    config = {
        "task": {"pairs": ["fingertip-cube", "cube-goal"]},
        "regions": {name: {"topic": f"/front/{name}"} for name in ("cube", "goal")},
        "cameras": {"front": {"image": "/front"}, "side": {"image": "/side", "regions": seen}},
    }
    regions = {"fingertip": FINGER, "cube": CUBE, "goal": Sites("goal")}
    how = {"camera": {"front": "front", "side": "lens"}, "config": config}
    # when both are wrapped
    env = SpatialReward(slide, regions=regions, **how)
    told = measured(env)["pairs"]
    # then each is asked for the regions that it sees
    assert told["fingertip-cube"]["cameras"] == ["front", "side"]
    assert told["cube-goal"]["cameras"] == ["front"]
    # and one that no camera sees is refused as ever
    with pytest.raises(sr.Error, match="'cup', and 'cube', 'fingertip' and 'goal' are needed"):
        SpatialReward(slide, regions={**regions, "cup": CUBE}, **how)
    env.close()


CARTON = """
<mujoco>
  <visual><global offwidth="160" offheight="120"/></visual>
  <worldbody>
    <light pos="0 -2 2"/>
    <camera name="front" pos="0 -0.9 0.5" xyaxes="1 0 0 0 0.45 0.9" fovy="45"/>
    <geom name="table" type="box" size="0.6 0.4 0.01" pos="0 0 -0.01" rgba="0.6 0.5 0.4 1"/>
    <body name="finger"><geom type="box" size="0.01 0.01 0.03" pos="-0.2 0 0.1" rgba="0 1 0 1"/></body>
    <body name="carton" pos="0 0 0.02">
      <joint name="lean" type="hinge" axis="0 1 0" range="0 1.5"/>
      <geom name="carton" type="box" size="0.03 0.03 0.08" pos="0 0 0.08" rgba="1 0 0 1" mass="1"/>
    </body>
  </worldbody>
</mujoco>
"""
POURED = 1.0  # radians
POUR = {
    "reward": {"gamma": 1.0},
    "task": {
        "pairs": ["fingertip-carton"],
        "phases": [
            {
                "name": "pour",
                "potential": {"tilt": "carton", "goal": POURED, "from": 0},
                "next": [{"to": "success", "when": [{"tilt": "carton", "above": POURED, "hold_s": 0}]}],
            }
        ],
    },
}


def test_how_far_a_carton_leans_is_its_joint_s_angle_and_leads_the_task(slide):
    # given a carton that stands
    env = SpatialReward(
        Slide(CARTON),
        camera="front",
        regions={"fingertip": Bodies("finger", as_mask=True), "carton": Geoms("carton", as_mask=True)},
        reward="task",
        config=POUR,
    )
    env.reset()
    # when it leans further by 0.1 radians a step
    told = [env.step([0.1])[4]["spatial_reward"] for _ in range(13)]
    env.close()
    # then the angle is the joint's, to 3 degrees
    angles = [info["quantities"]["tilt carton"]["value"] for info in told if not info["success"]]
    assert angles == pytest.approx([0.1 * (step + 1) for step in range(len(angles))], abs=math.radians(3))
    # and the task is done where it is poured, for which the measured angle has to be sure of it
    solved = [info["success"] for info in told].index(True)
    assert 0.1 * (solved + 1) == pytest.approx(POURED + 0.1, abs=0.11)
    assert [info["progress"] for info in told[:solved]] == pytest.approx([angle / POURED for angle in angles], abs=0.01)


def test_workers_that_are_forked_hung_because_their_parent_had_begun_to_draw():
    # given a fresh process that has drawn nothing, when it forks environments that draw
    program = """
import gymnasium
from spatial_reward.gymnasium import Bodies, SpatialReward

def make():
    regions = {"fingertip": Bodies("fingertip"), "target": Bodies("target")}
    return SpatialReward(gymnasium.make("Reacher-v5"), camera=-1, regions=regions, on_invalid="drop")

envs = gymnasium.vector.AsyncVectorEnv([make] * 2, context="fork")
envs.reset(seed=0)
envs.action_space.seed(0)
steps = [envs.step(envs.action_space.sample())[4]["spatial_reward"]["valid"] for _ in range(8)]
print(*(any(valid) for valid in zip(*steps)))
envs.close()
"""
    done = subprocess.run([sys.executable, "-E", "-c", program], check=False, capture_output=True, text=True)
    # then they draw and measure
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"], done.stdout
