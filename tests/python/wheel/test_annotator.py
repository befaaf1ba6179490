"""Rewards of arrays in memory: the numbers of `label`, whatever is wrong said by name, and no harm to the process."""

import gc
import math
import os
import pickle
import resource
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest

import spatial_reward as sr


@pytest.mark.parametrize("distance", ["surface", "center", "cloud"])
@pytest.mark.parametrize("reward", ["dense", "shaped", "progress"])
def test_steps_equal_the_labels_of_the_same_frames_bit_for_bit(
    recorded_bag, recorded_frames, tmp_path, reward, distance
):
    # given the labels of a bag
    labelled = sr.label(recorded_bag, tmp_path / "out", reward=reward, distance=distance)
    rows = pq.read_table(labelled.parquet).to_pylist()
    # when its frames are annotated as arrays
    annotator = sr.Annotator(reward=reward, distance=distance, camera=recorded_frames[0].camera)
    steps = [
        annotator.step(
            frame.color, frame.depth, fingertip=frame.fingertip, target=frame.target, stamp_ns=frame.stamp_ns
        )
        for frame in recorded_frames
    ]
    # then all that the table says is said
    assert len(steps) == len(rows) > 0
    for step, row in zip(steps, rows, strict=True):
        same = {
            "next.reward": np.float32(step.reward),
            "next.success": step.success,
            "reward.spatial.distance_m": np.float32(step.distance_m),
            "reward.spatial.distance_std_m": step.distance_std_m,
            "reward.spatial.distance_kind": step.distance_kind,
            "reward.spatial.valid": step.valid,
            "reward.spatial.reason": step.reason or "",
            "reward.spatial.confidence": np.float32(step.confidence),
            "frame_index": step.frame,
        }
        for column, value in same.items():
            assert row[column] == value or (math.isnan(row[column]) and math.isnan(value)), (column, row[column], value)


def test_depth_in_millimetres_counts_as_depth_in_metres(scene):
    annotator = sr.Annotator(camera=scene.camera)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    metres = annotator.step(scene.color, scene.depth, **where)
    millimetres = annotator.step(scene.color, (scene.depth * 1000).round().astype(np.uint16), **where)
    assert metres.distance_m == pytest.approx(0.06, abs=0.006)
    assert millimetres.distance_m == pytest.approx(metres.distance_m, abs=1e-6)


def test_one_frame_is_measured_without_an_annotator(scene):
    measured = sr.measure(scene.color, scene.depth, scene.camera, scene.fingertip, list(scene.target))
    step = sr.Annotator(camera=scene.camera).step(
        scene.color, scene.depth, fingertip=np.array(scene.fingertip), target=scene.target
    )
    assert measured.valid and measured.reason is None
    assert measured.distance_m == measured.surface_m == step.distance_m
    assert measured.center_m == step.center_m and measured.cloud_std_m == step.cloud_std_m


def test_what_cannot_be_measured_has_a_reason_and_no_reward(scene):
    annotator = sr.Annotator(camera=scene.camera)
    for reason, arguments in {
        "no_fingertip_box": {"target": scene.target},
        "no_target_box": {"fingertip": scene.fingertip},
        "box_outside_image": {"fingertip": scene.fingertip, "target": (200, 40, 240, 80)},
        "no_depth": {"depth": None, "fingertip": scene.fingertip, "target": scene.target},
    }.items():
        depth = arguments.pop("depth", scene.depth)
        step = annotator.step(scene.color, depth, **arguments)
        assert (step.valid, step.reason, step.success) == (False, reason, False)
        assert math.isnan(step.reward) and math.isnan(step.distance_m)


def test_an_episode_begins_anew_with_reset(scene):
    annotator = sr.Annotator(reward="progress", camera=scene.camera)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    first, second = (annotator.step(scene.color, scene.depth, **where) for _ in range(2))
    annotator.reset()
    third = annotator.step(scene.color, scene.depth, **where)
    assert [(step.episode, step.frame) for step in (first, second, third)] == [(0, 0), (0, 1), (1, 0)]
    assert second.stamp_s == pytest.approx(1 / 30)


def test_stamps_that_are_set_back_begin_an_episode(scene):
    # given a success that wants 0.2 s, held once already
    config = {"success": {"enter_m": 0.5, "exit_m": 0.6, "hold_s": 0.2}}
    annotator = sr.Annotator(camera=scene.camera, config=config)

    def step(stamp_s):
        done = annotator.step(scene.color, scene.depth, fingertip=scene.fingertip, target=scene.target, stamp_s=stamp_s)
        return done.episode, done.frame, done.success

    assert [step(50.0), step(50.2)] == [(0, 0, False), (0, 1, True)]
    # when a simulator's clock starts over without a reset, then it is held anew, in another episode
    assert [step(0.0), step(0.2)] == [(1, 0, False), (1, 1, True)]
    # and a reset whose stamps start over is one new episode, no two
    annotator.reset()
    assert step(0.0) == (2, 0, False)


def test_an_ideal_fisheye_is_no_pinhole(scene):
    # given the same pixels of a wide picture, near its edges
    lens = {"distortion": [0.0] * 4, "model": "equidistant"}
    cameras = [sr.Camera(100, 100, 80, 60, 160, 120, **given) for given in ({}, lens)]
    scene.depth[:] = 1.1
    scene.depth[40:80, 8:40] = scene.depth[40:80, 120:152] = 0.6
    where = {"fingertip": (8, 40, 40, 80), "target": (120, 40, 152, 80)}
    plain_m, fisheye_m = (sr.measure(scene.color, scene.depth, camera, **where).surface_m for camera in cameras)
    # then a fisheye has them further to the sides: 40 pixels off the axis are 0.4 rad
    assert plain_m == pytest.approx(2 * 0.4 * 0.6, abs=0.01)
    assert fisheye_m == pytest.approx(2 * math.tan(0.4) * 0.6, abs=0.01)
    # and nobody's spelling passes for a pinhole
    for model, words in (("fish", "'fish'"), ("equidistant", "has 4")):
        with pytest.raises(sr.Error, match=words):
            sr.Camera(100, 100, 80, 60, 160, 120, model=model)


def test_a_mask_says_which_pixels_are_the_object(scene):
    # given a third block beside the target, which a box around both holds too
    annotator = sr.Annotator(camera=scene.camera)
    masks = [np.zeros((120, 160), bool) for _ in range(2)]
    for mask, (x_min, y_min, x_max, y_max) in zip(masks, (scene.fingertip, scene.target), strict=True):
        mask[y_min:y_max, x_min:x_max] = True
    scene.depth[40:80, 125:150] = 0.6
    # when the target is given by its mask
    boxed = annotator.step(scene.color, scene.depth, fingertip=scene.fingertip, target=(80, 40, 150, 80))
    masked = annotator.step(scene.color, scene.depth, fingertip=masks[0], target=masks[1])
    # then the box around its pixels is its box, and the third block is none of it
    assert masked.target == scene.target and masked.fingertip == scene.fingertip
    assert masked.surface_m == pytest.approx(0.06, abs=0.006)
    assert masked.center_m < boxed.center_m - 0.05
    # and a mask without a pixel says that it is not seen
    assert (
        annotator.step(scene.color, scene.depth, fingertip=masks[0], target=~masks[1] & masks[1]).reason
        == "no_target_box"
    )


class OtherLibrary:
    """An array as other libraries have them: with a shape, and lists of it on request."""

    def __init__(self, shape):
        self.shape = shape

    def tolist(self):
        return np.ones(self.shape, bool).tolist()


BAD_ARRAYS = {
    "float color": (lambda s: {"color": s.color.astype(np.float32)}, "float32", "astype(numpy.uint8)"),
    "grey color": (lambda s: {"color": s.color[..., 0].copy()}, "(height, width, 3)", "RGB"),
    "four channels": (lambda s: {"color": np.zeros((120, 160, 4), np.uint8)}, "[120, 160, 4]", "fourth"),
    "channels first": (lambda s: {"color": np.zeros((3, 120, 160), np.uint8)}, "[3, 120, 160]", "transpose(1, 2, 0)"),
    "upside down": (
        lambda s: {"color": s.color[::-1]},
        "color does not lie in memory in one piece",
        "ascontiguousarray",
    ),
    "every other": (lambda s: {"color": np.zeros((240, 320, 3), np.uint8)[::2, ::2]}, "one piece", "ascontiguousarray"),
    "columns first": (lambda s: {"depth": s.depth.T.copy().T}, "depth does not lie", "row by row"),
    "columns of a mask first": (lambda s: {"target": np.ones((160, 120), bool).T}, "target does not lie", "row by row"),
    "columns of color first": (lambda s: {"color": np.asfortranarray(s.color)}, "color does not lie", "row by row"),
    "a masked array": (lambda s: {"depth": np.ma.masked_greater(s.depth, 1)}, "masked array", "filled(numpy.nan)"),
    "bytes for a box": (lambda s: {"target": b"abcd"}, "target is b'abcd'", "x_min"),
    "nanoseconds for seconds": (lambda s: {"stamp_s": 1.7e18}, "stamp_s is 1700000000000000000", "stamp_ns"),
    "a time before all": (lambda s: {"stamp_s": -1.0}, "stamp_s is -1", "from 0"),
    "a list": (lambda s: {"color": s.color.tolist()}, "color is a list", "asarray"),
    "double depth": (lambda s: {"depth": s.depth.astype(np.float64)}, "float64", "astype(numpy.float32)"),
    "signed depth": (lambda s: {"depth": (s.depth * 1000).astype(np.int32)}, "int32", "astype(numpy.uint16)"),
    "big-endian depth": (lambda s: {"depth": s.depth.astype(">f4")}, "big-endian", "astype(numpy.float32)"),
    "mirrored depth": (lambda s: {"depth": s.depth[:, ::-1]}, "depth does not lie", "ascontiguousarray"),
    "depth of three dimensions": (lambda s: {"depth": s.depth[..., None]}, "[120, 160, 1]", "depth[..., 0]"),
    "depth of another picture": (lambda s: {"depth": s.depth[:60].copy()}, "160x60", "160x120"),
    "no pixels": (lambda s: {"color": np.zeros((0, 160, 3), np.uint8)}, "no pixels", ""),
    "a width and a height for corners": (
        lambda s: {"fingertip": (80, 60, 40, 40)},
        "fingertip is (80, 60, 40, 40), which ends before it begins",
        "(x, y, x + width, y + height)",
    ),
    "another library's mask": (
        lambda s: {"target": OtherLibrary((120, 160))},
        "target is a OtherLibrary of shape (120, 160)",
        "numpy.asarray",
    ),
    "a box of three": (lambda s: {"fingertip": (1, 2, 3)}, "fingertip is (1, 2, 3)", "x_min"),
    "a name for a box": (lambda s: {"target": "/detections"}, "target is '/detections'", "x_min"),
    "a mask of numbers": (lambda s: {"target": np.ones((120, 160))}, "target is of shape [120, 160]", "astype(bool)"),
    "a mask of another picture": (lambda s: {"target": np.ones((60, 80), bool)}, "80x60", "160x120"),
    "a cut mask": (lambda s: {"target": np.ones((240, 160), bool)[::2]}, "target does not lie", "ascontiguousarray"),
    "a stamp that is none": (lambda s: {"stamp_s": math.nan}, "stamp_s", "seconds"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_what_is_wrong_with_an_argument_is_said_with_its_name_and_a_way_out(scene, case):
    # given
    change, *words = BAD_ARRAYS[case]
    arguments = {"color": scene.color, "depth": scene.depth, "fingertip": scene.fingertip, "target": scene.target}
    arguments |= change(scene)
    annotator = sr.Annotator(camera=scene.camera)
    # when
    with pytest.raises(sr.Error) as raised:
        annotator.step(arguments.pop("color"), arguments.pop("depth"), **arguments)
    # then
    for word in words:
        assert word in str(raised.value)
    assert raised.value.kind and raised.value.message
    # and it was no step
    step = annotator.step(scene.color, scene.depth, fingertip=scene.fingertip, target=scene.target)
    assert step.index == 0


def test_an_array_at_an_odd_address_reads_as_any_other(scene):
    # given depth as it lies in a message's bytes
    shifted = np.frombuffer(b"x" + scene.depth.tobytes(), np.float32, offset=1).reshape(scene.depth.shape)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    found = [sr.measure(scene.color, depth, scene.camera, **where).surface_m for depth in (scene.depth, shifted)]
    assert found[0] == found[1]


def test_what_numpy_takes_for_true_is_of_the_object(scene):
    # given a mask whose bytes are 255
    mask = np.zeros((120, 160), np.uint8)
    mask[40:80, 80:120] = 255
    step = sr.Annotator(camera=scene.camera).step(
        scene.color, scene.depth, fingertip=scene.fingertip, target=mask.view(bool)
    )
    assert step.target == scene.target and step.valid


def test_a_step_that_was_refused_takes_no_time(scene):
    annotator = sr.Annotator(camera=scene.camera)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    annotator.step(scene.color, scene.depth, **where)
    for _ in range(5):
        with pytest.raises(sr.Error):
            annotator.step(scene.color, scene.depth[:60].copy(), **where)
    assert annotator.step(scene.color, scene.depth, **where).stamp_s == pytest.approx(1 / 30)


def test_numbers_of_numpy_and_lenses_of_opencv_are_taken_as_they_are(scene):
    config = {"reward": {"kind": "tanh", "k_per_m": np.float32(20)}, "success": {"votes": None}}
    sr.Annotator(camera=scene.camera, config=config)
    lens = np.array([[0.1, 0.01, 0, 0, 0.001]])
    assert sr.Camera(1, 1, 0, 0, 9, 9, lens).distortion == lens[0].tolist()
    assert sr.Camera(1, 1, 0, 0, 9, 9, None).distortion == []


def test_settings_that_are_none_are_refused_by_name(scene, tmp_path):
    camera = scene.camera
    for arguments, words in [
        ({"reward": "nice"}, "reward is 'nice', but must be one of `dense`"),
        ({"distance": "long"}, "distance is 'long'"),
        ({"estimator": "crystal"}, "'crystal'"),
        ({"config": {"reward": {"kind": "tanh", "steepness": 3}}}, "steepness"),
        ({"config": {"success": {"enter_m": -1}}}, "success.enter_m"),
        ({"config": 3}, "config is 3"),
        ({"config": {"reward": {1j: 2}}}, "config holds"),
        ({"config": tmp_path / "none.yaml"}, "none.yaml"),
        ({"rate_hz": 0}, "rate_hz is 0"),
    ]:
        with pytest.raises(sr.Error) as raised:
            sr.Annotator(camera=camera, **arguments)
        assert words in str(raised.value), (words, str(raised.value))
    with pytest.raises(sr.Error, match="a camera that is known"):
        sr.Annotator()
    with pytest.raises(sr.Error, match="fx is -1"):
        sr.Camera(-1, 1, 0, 0, 10, 10)
    with pytest.raises(sr.Error, match="fisheye"):
        sr.Camera(1, 1, 0, 0, 10, 10, [0.1] * 5, "fisheye")


def test_a_configuration_is_a_dict_or_a_file(scene, tmp_path):
    config = {"reward": {"kind": "tanh", "k_per_m": 20}}
    (tmp_path / "reward.yaml").write_text("reward: {kind: tanh, k_per_m: 20}")
    where = {"fingertip": scene.fingertip, "target": scene.target}
    rewards = [
        sr.Annotator(camera=scene.camera, config=given).step(scene.color, scene.depth, **where).reward
        for given in (config, tmp_path / "reward.yaml", str(tmp_path / "reward.yaml"))
    ]
    assert len(set(rewards)) == 1
    distance_m = sr.measure(scene.color, scene.depth, scene.camera, **where).distance_m
    assert rewards[0] == pytest.approx(1 - math.tanh(20 * distance_m))


def test_a_camera_is_the_same_after_it_was_pickled():
    camera = sr.Camera(500, 501, 320, 240, 640, 480, [0.1, 0.01, 0, 0, 0.001])
    again = pickle.loads(pickle.dumps(camera))
    assert again == camera and again.distortion == camera.distortion
    wide = sr.Camera.from_fovy(90, 200, 100)
    assert (wide.fx, wide.cx, wide.cy) == (pytest.approx(50), 100, 50)


def test_steps_and_measurements_are_the_same_after_they_were_pickled(scene):
    # given a step with numbers, one without, and measurements of both kinds
    annotator = sr.Annotator(camera=scene.camera)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    steps = [annotator.step(scene.color, scene.depth, **where), annotator.step(scene.color, scene.depth)]
    measured = [
        sr.measure(scene.color, scene.depth, scene.camera, **where),
        sr.measure(scene.color, np.zeros_like(scene.depth), scene.camera, **where),
    ]
    assert [step.valid for step in steps] == [True, False]
    assert [one.valid for one in measured] == [True, False]
    # when they go through pickle, as they do to another process
    again = pickle.loads(pickle.dumps(steps + measured))
    # then each says the same, to the last bit
    for one, other in zip(steps + measured, again, strict=True):
        assert type(one) is type(other) and repr(one) == repr(other)
        for name in ("distance_m", "distance_std_m", "confidence", "center_m", "cloud_std_m"):
            np.testing.assert_equal(getattr(other, name), getattr(one, name))
        assert other.reason == one.reason and other.distance_kind == one.distance_kind
    np.testing.assert_equal(again[0].to_dict(), steps[0].to_dict())


def test_arrays_live_as_long_as_they_are_read(scene):
    # given arrays that nobody else holds
    annotator = sr.Annotator(camera=scene.camera)
    step = annotator.step(scene.color.copy(), scene.depth.copy(), fingertip=scene.fingertip, target=scene.target)
    gc.collect()
    # then what was made of them stands
    assert step.distance_m == pytest.approx(0.06, abs=0.006)


def test_many_steps_leave_no_memory_behind(scene):
    annotator = sr.Annotator(camera=scene.camera)

    def steps(count):
        for _ in range(count):
            # Without regions a step costs next to nothing, but passes everything that could keep an array.
            annotator.step(scene.color.copy(), scene.depth.copy())
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before_kib = steps(2_000)
    assert steps(100_000) - before_kib < 10_000


def test_what_was_made_before_a_fork_is_refused_after_it(scene):
    """A thread of the parent could be at work on it, and would be for ever in the child."""
    # given
    annotator = sr.Annotator(camera=scene.camera)
    tracker = sr.Tracker(scene.color, scene.target, scene.depth)

    def step():
        return annotator.step(scene.color, scene.depth, fingertip=scene.fingertip, target=scene.target)

    for use in (step, annotator.reset, lambda: tracker.update(scene.color, scene.depth), lambda: tracker.last):
        # when
        child = os.fork()
        if child == 0:
            try:
                use()
            except sr.Error as error:
                os._exit(10 if error.kind == "fork" else 11)
            os._exit(12)
        # then
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
    assert step().valid


def test_threads_measure_beside_each_other(scene):
    # given a thread that measures, without the interpreter's lock
    annotator = sr.Annotator(camera=scene.camera)
    where = {"fingertip": scene.fingertip, "target": scene.target}
    alone = annotator.step(scene.color, scene.depth, **where).distance_m
    found = []

    def work():
        own = sr.Annotator(camera=scene.camera)
        found.extend(own.step(scene.color, scene.depth, **where).distance_m for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then each has the same numbers
    assert found == [alone] * 200


def test_a_step_shows_itself(scene, tmp_path):
    annotator = sr.Annotator(camera=scene.camera)
    step = annotator.step(scene.color, scene.depth, fingertip=scene.fingertip, target=scene.target)
    assert "surface distance" in repr(step) and "<svg" in step._repr_html_()
    assert step.draw(scene.color)[:3] == b"\xff\xd8\xff"
    invalid = annotator.step(scene.color, scene.depth)
    assert "no_fingertip_box" in repr(invalid) and "no_fingertip_box" in invalid._repr_html_()
    told = step.to_dict()
    assert told["reward"] == step.reward and told["fingertip"] == scene.fingertip
