"""Whole tasks of arrays in memory: the numbers that `label` gives a recording of the same pictures, for one camera and
two; what is wrong said by name."""

import copy
import math
import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest

import spatial_reward as sr

# Two phases that the sample passes, with every kind of quantity that follows from its two regions.
TASK = {
    "reward": {"kind": "task", "gamma": 0.98},
    "task": {
        "pairs": ["fingertip-cube", "cube-fingertip:center", "fingertip-cube:cloud"],
        "phases": [
            {
                "name": "reach",
                "potential": {"distance": "fingertip-cube", "from": 0.4},
                "next": [{"to": "near", "when": [{"distance": "fingertip-cube", "below": 0.1}]}],
            },
            {
                "name": "near",
                "potential": {"beside": "fingertip-cube", "from": 0.3},
                "next": [
                    {"to": "success", "when": [{"contact": "fingertip-cube"}, {"moved": "cube", "below": 0.1}]},
                    {"to": "reach", "when": [{"height": "cube", "above": 0.2}, {"rests_on": "cube-fingertip"}]},
                ],
            },
        ],
    },
}
PAIRS = {"task": {"pairs": ["fingertip-cube", "cube-goal"]}}
OPENING = {
    "reward": {"kind": "task", "gamma": 1.0},
    "task": {
        "pairs": ["fingertip-cube"],
        "phases": [
            {
                "name": "close",
                "potential": {"opening": "gripper", "goal": 0.01, "from": 0.09},
                "next": [
                    {"to": "success", "when": [{"opening": "gripper", "below": 0.01}]},
                    {"to": "failure", "when": [{"opening": "gripper", "above": 0.1}]},
                ],
            }
        ],
    },
}
# Where the sample has what a task speaks of.
TOPICS = {
    "topics": {"fingertip": "/fingertip/detections"},
    "regions": {"cube": {"topic": "/target/detections", "class": ["target"]}},
}


@pytest.fixture
def blocks(scene):
    """The scene with a third block: `regions` has a task's."""
    scene.depth[40:80, 130:150] = 0.6
    scene.regions = {"fingertip": scene.fingertip, "cube": scene.target, "goal": (130, 40, 150, 80)}
    return scene


def view(blocks, **other):
    """What one camera shows."""
    return {"color": blocks.color, "depth": blocks.depth, "regions": blocks.regions} | other


def test_a_task_has_the_numbers_of_label_on_the_same_pictures(sample_bag, frames, tmp_path):
    # given the sample labelled as a task
    labelled = sr.label(sample_bag, tmp_path / "out", config=TASK | TOPICS)
    # when its frames are annotated as arrays, without a word of topics
    annotator = sr.Annotator(camera=frames[0].camera, config=TASK)
    steps = [
        annotator.step(
            frame.color, frame.depth, fingertip=frame.fingertip, regions={"cube": frame.target}, stamp_ns=frame.stamp_ns
        )
        for frame in frames
    ]
    # then all that the table says is said, to the last bit
    agree(steps, labelled)
    assert {step.task.phase for step in steps} == {"reach", "near", "success"}


def test_two_cameras_have_the_numbers_of_label_on_the_same_pictures(sample_bag, frames, tmp_path):
    # given the sample labelled as if two cameras saw the same, of which the second loses the cube
    topics = {
        "image": "/camera/color/image_raw/compressed",
        "depth": "/camera/aligned_depth_to_color/image_raw",
        "camera_info": "/camera/color/camera_info",
    }
    lost = {"topic": "/target/detections", "class": ["nothing"]}
    side = {"regions": {"fingertip": {"topic": "/fingertip/detections"}, "cube": lost}}
    with_both = {"cameras": {"front": topics, "side": topics | side}}
    seeing = copy.deepcopy(with_both)
    seeing["cameras"]["side"]["regions"]["cube"]["class"] = ["target"]
    for name, config in {"lost": with_both, "seeing": seeing}.items():
        labelled = sr.label(sample_bag, tmp_path / name, config=TASK | TOPICS | config)
        # when the frames are annotated as two views
        camera = frames[0].camera
        annotator = sr.Annotator(cameras={"front": camera, "side": camera}, config=TASK | TOPICS | config)
        steps = []
        for frame in frames:
            own = {"color": frame.color, "depth": frame.depth}
            regions = {"fingertip": frame.fingertip, "cube": frame.target}
            other = regions | ({"cube": None} if name == "lost" else {})
            views = {"front": {**own, "regions": regions}, "side": {**own, "regions": other}}
            steps.append(annotator.step(views=views, stamp_ns=frame.stamp_ns))
        # then all that the table says is said, to the last bit
        agree(steps, labelled)
        cameras = {tuple(step.task.pairs["fingertip-cube"].cameras) for step in steps if step.valid}
        assert cameras == ({("front",)} if name == "lost" else {("front", "side")})


def agree(steps, labelled):
    """Steps say what the rows of a table do."""
    rows = pq.read_table(labelled.parquet).to_pylist()
    assert len(steps) == len(rows) == 80
    for step, row in zip(steps, rows, strict=True):
        told = of_table(step)
        assert {name for name in row if name.startswith(("reward.spatial.pair.", "reward.spatial.quantity."))} < set(
            told
        )
        for column, value in told.items():
            both_nan = isinstance(value, float) and math.isnan(value) and math.isnan(row[column])
            assert both_nan or row[column] == value, (step.index, column, row[column], value)


def of_table(step):
    """A step as the table has it, whose distances and rewards are single floats."""

    def single(value):
        return float(np.float32(value))

    told = {
        "next.reward": single(step.reward),
        "next.success": step.success,
        "frame_index": step.frame,
        "reward.spatial.valid": step.valid,
        "reward.spatial.reason": step.reason or "",
        "reward.spatial.phase": step.task.phase,
        "reward.spatial.progress": single(step.task.progress),
    }
    for name, pair in step.task.pairs.items():
        own = {
            "distance_m": single(pair.distance_m),
            "std_m": pair.std_m,
            "kind": pair.kind,
            "valid": pair.valid,
            "reason": pair.reason or "",
            "cameras": ",".join(pair.cameras),
        }
        told |= {f"reward.spatial.pair.{name}.{column}": value for column, value in own.items()}
    for name, quantity in step.task.quantities.items():
        if not name.startswith("distance "):
            told["reward.spatial.quantity." + name.replace(" ", ".")] = single(quantity.value)
    return told


def test_pairs_alone_are_measured_beside_the_reward_of_the_first(blocks):
    # given pairs, and an annotator of one distance
    annotator = sr.Annotator(camera=blocks.camera, config=PAIRS)
    alone = sr.Annotator(camera=blocks.camera)
    # when
    step = annotator.step(blocks.color, blocks.depth, regions=blocks.regions)
    expected = [
        alone.step(blocks.color, blocks.depth, fingertip=blocks.regions[first], target=blocks.regions[second])
        for first, second in (("fingertip", "cube"), ("cube", "goal"))
    ]
    # then each pair has the distance that it has alone, and the step is of the first
    pairs = [step.task.pairs[name] for name in ("fingertip-cube", "cube-goal")]
    assert [pair.distance_m for pair in pairs] == pytest.approx([one.distance_m for one in expected], rel=1e-12)
    assert [pair.std_m for pair in pairs] == pytest.approx([one.distance_std_m for one in expected], rel=1e-12)
    assert (step.reward, step.distance_m) == (expected[0].reward, expected[0].distance_m)
    assert (step.fingertip, step.target) == (blocks.regions["fingertip"], blocks.regions["cube"])
    assert step.task.phase == "" and math.isnan(step.task.progress)
    assert annotator.regions == {"": ["cube", "fingertip", "goal"]} and annotator.cameras == {}


def test_the_opening_of_a_gripper_leads_through_phases(blocks):
    annotator = sr.Annotator(camera=blocks.camera, config=OPENING)
    regions = {"fingertip": blocks.fingertip, "cube": blocks.target}

    def episode(*openings_m):
        annotator.reset()
        return [
            annotator.step(blocks.color, blocks.depth, regions=regions, opening_m=opening_m) for opening_m in openings_m
        ]

    # given an opening that is not known for a moment, when it closes
    steps = episode(0.09, 0.05, math.nan, 0.01)
    # then progress follows it, and what is not known is no reward
    assert [step.task.phase for step in steps] == ["close", "close", "close", "success"]
    assert [step.task.progress for step in steps[:2]] == pytest.approx([0, 0.5])
    assert [step.valid for step in steps] == [True, True, False, True]
    assert steps[-1].success and steps[-1].task.phase_index == 1
    # and with no discount success and minus the first potential are all there is
    assert sum(step.reward for step in steps if step.valid) == pytest.approx(2)
    # and another episode begins in the first phase
    failed = episode(0.05, 0.2)
    assert [step.task.failure for step in failed] == [False, True] and failed[1].task.phase_index == -1
    assert [(step.episode, step.frame) for step in failed] == [(1, 0), (1, 1)]


def test_an_opening_that_phases_do_without_may_be_left_out(blocks):
    # given phases that ask for the opening only where it is known
    config = copy.deepcopy(OPENING)
    (phase,) = config["task"]["phases"]
    phase["next"] = [{"to": "success", "when": [{"opening": "gripper", "below": 0.01, "if_known": True}]}]
    del phase["potential"]
    annotator = sr.Annotator(camera=blocks.camera, config=config)
    regions = {"fingertip": blocks.fingertip, "cube": blocks.target}
    phases = []
    for opening in ({"opening_m": 0.05}, {}):
        annotator.reset()
        phases.append(annotator.step(blocks.color, blocks.depth, regions=regions, **opening).task.phase)
    # then the one keeps the task open, and the other leaves it to what else there is
    assert phases == ["close", "success"]


def test_what_one_camera_loses_the_others_carry(blocks):
    # given two cameras that see every pair, for nobody says otherwise
    annotator = sr.Annotator(cameras={"wrist": blocks.camera, "front": blocks.camera}, config=PAIRS)
    assert annotator.cameras == {"front": blocks.camera, "wrist": blocks.camera} and annotator.camera is None
    hidden = view(blocks, regions=blocks.regions | {"cube": None})
    # when the first does not see the cube, then shows nothing at all
    both = annotator.step(views={"front": view(blocks), "wrist": view(blocks)})
    without = annotator.step(views={"front": hidden, "wrist": view(blocks)})
    alone = annotator.step(views={"wrist": view(blocks)})
    # then the other is who measures, and is less sure
    cube_goal = [step.task.pairs["cube-goal"] for step in (both, without, alone)]
    assert [pair.cameras for pair in cube_goal] == [["front", "wrist"], ["wrist"], ["wrist"]]
    assert cube_goal[0].std_m == pytest.approx(cube_goal[1].std_m / math.sqrt(2))
    assert cube_goal[1].distance_m == cube_goal[2].distance_m
    assert (without.reason, alone.reason) == ("no_target_box", "no_image")


def test_masks_and_tracked_regions_go_where_boxes_go(blocks):
    annotator = sr.Annotator(camera=blocks.camera, config=PAIRS)
    mask = np.zeros((120, 160), bool)
    mask[40:80, 80:120] = True
    tracked = sr.Tracker(blocks.color, blocks.regions["goal"], blocks.depth).last
    step = annotator.step(blocks.color, blocks.depth, regions=blocks.regions | {"cube": mask, "goal": tracked})
    assert all(pair.valid for pair in step.task.pairs.values())
    # and a mask without a pixel says that the region is not seen
    step = annotator.step(blocks.color, blocks.depth, regions=blocks.regions | {"goal": np.zeros((120, 160), bool)})
    assert step.task.pairs["cube-goal"].reason == "no_target_box" and step.valid


def test_a_task_s_step_tells_all_of_it_and_is_the_same_after_it_was_pickled(blocks):
    annotator = sr.Annotator(camera=blocks.camera, config=OPENING)
    regions = {"fingertip": blocks.fingertip, "cube": blocks.target}
    step = annotator.step(blocks.color, blocks.depth, regions=regions, opening_m=0.05)
    told = step.to_dict()
    assert (told["phase"], told["phase_index"], told["failure"]) == ("close", 0, False)
    assert told["progress"] == step.task.progress == pytest.approx(0.5)
    assert told["pairs"]["fingertip-cube"]["distance_m"] == step.task.pairs["fingertip-cube"].distance_m
    assert told["quantities"] == {"opening gripper": {"value": 0.05, "std": 0.0}}
    assert "phase 'close', progress 0.50" in repr(step) and "close" in step._repr_html_()
    again, task = pickle.loads(pickle.dumps((step, step.task)))
    np.testing.assert_equal(again.to_dict(), told)
    assert repr(task) == repr(step.task) == repr(again.task)
    # and a step of one distance has nothing of a task
    plain = sr.Annotator(camera=blocks.camera).step(blocks.color, blocks.depth, **without_names(regions))
    assert plain.task is None and "phase" not in plain.to_dict()


def without_names(regions):
    return {"fingertip": regions["fingertip"], "target": regions["cube"]}


def test_what_a_task_does_not_know_is_refused_by_name_and_no_step(blocks):
    annotator = sr.Annotator(camera=blocks.camera, config=PAIRS)
    two = sr.Annotator(cameras={"front": blocks.camera, "side": blocks.camera}, config=PAIRS)
    plain = sr.Annotator(camera=blocks.camera)
    closing = sr.Annotator(camera=blocks.camera, config=OPENING)
    color, depth, regions = blocks.color, blocks.depth, blocks.regions
    shown = view(blocks)
    for use, words in [
        (lambda: annotator.step(color, depth, regions={"cup": (1, 2, 3, 4)}), ["'cup'", "cube, fingertip, goal"]),
        (lambda: annotator.step(color, depth, target=(1, 2, 3, 4)), ["'target'", "cube, fingertip, goal"]),
        (lambda: annotator.step(color, depth, fingertip=(1, 2, 3, 4), regions=regions), ["regions['fingertip']"]),
        (lambda: annotator.step(color, depth, regions=[1, 2]), ["regions is a list"]),
        (lambda: annotator.step(color, depth, regions=regions | {"cube": "left"}), ["cube is 'left'"]),
        (annotator.step, ["no picture", "views"]),
        (lambda: annotator.step(views={"front": shown}), ["views['front']", "one camera without a name"]),
        (lambda: two.step(color, depth, regions=regions), ["cameras are front, side", "views="]),
        (lambda: two.step(views={"frnt": shown}), ["views['frnt']", "front, side"]),
        (
            lambda: two.step(views={"front": shown | {"depht": depth}}),
            ["views['front']", "'depht'", "color, depth, regions"],
        ),
        (lambda: two.step(views={"front": {"depth": depth}}), ["views['front']", "'color'"]),
        (lambda: two.step(views={"front": view(blocks, depth=depth[:60].copy())}), ["views['front']", "160x60"]),
        (
            lambda: two.step(views={"side": view(blocks, color=color[..., 0].copy())}),
            ["views['side']", "(height, width, 3)"],
        ),
        (lambda: two.step(views={}), ["views has no picture"]),
        (lambda: two.step(views={"front": shown}, regions=regions), ["regions and views"]),
        (lambda: plain.step(color, depth, regions=regions), ["'cube'", "fingertip, target", "task.pairs"]),
        (lambda: plain.step(color, depth, opening_m=0.1), ["opening_m", "no task"]),
        (lambda: closing.step(color, depth, fingertip=regions["fingertip"]), ["opening_m", "math.nan"]),
    ]:
        with pytest.raises(sr.Error) as raised:
            use()
        assert all(word in str(raised.value) for word in words), (words, str(raised.value))
    assert annotator.step(color, depth, regions=regions).index == 0
    assert two.step(views={"front": shown, "side": shown}).index == 0


def test_cameras_that_are_none_are_refused_by_name(blocks):
    camera = blocks.camera
    configured = PAIRS | {"cameras": {"front": {}, "side": {}}}
    for arguments, words in [
        ({"config": PAIRS}, ["a camera that is known"]),
        ({"cameras": {"front": camera}}, ["no task is given"]),
        ({"cameras": {"front": camera}, "camera": camera, "config": PAIRS}, ["camera and cameras"]),
        ({"cameras": {"front": 3}, "config": PAIRS}, ["cameras['front']", "Camera(fx"]),
        ({"cameras": [camera], "config": PAIRS}, ["cameras is a list"]),
        ({"cameras": {"Front": camera}, "config": PAIRS}, ["'Front'", "small letters"]),
        ({"cameras": {"front": camera}, "config": configured}, ["'side'", "'front': Camera(...)"]),
        ({"camera": camera, "config": configured}, ["'front'", "'side': Camera(...)"]),
        ({"cameras": {"front": camera, "top": camera}, "config": configured}, ["'top'", "front, side"]),
        ({"camera": camera, "reward": "task"}, ["task.phases"]),
    ]:
        with pytest.raises(sr.Error) as raised:
            sr.Annotator(**arguments)
        assert all(word in str(raised.value) for word in words), (words, str(raised.value))
    assert sr.Annotator(cameras={"front": camera, "side": camera}, config=configured).regions == {
        name: ["cube", "fingertip", "goal"] for name in ("front", "side")
    }


def test_settings_that_speak_of_phases_may_leave_their_kind_to_the_argument(blocks):
    config = {"task": OPENING["task"]}
    annotator = sr.Annotator(reward="task", camera=blocks.camera, config=config)
    assert annotator.reward == "task"
