"""What cannot become a LeRobot dataset is said, with the way out, and leaves nothing behind."""

import pytest

import spatial_reward as sr

PEERS = "LeRobot datasets are written with pyarrow and av, and recordings' signals read with rosbags"
pytest.importorskip("pyarrow", reason=PEERS)
pytest.importorskip("av", reason=PEERS)
pytest.importorskip("rosbags", reason=PEERS)

from bag_writer import PERIOD_S, export_png  # noqa: E402 - after the peers are there

from spatial_reward.lerobot.export import export  # noqa: E402

REFUSED = [
    pytest.param({"state": [{"topic": "/joints", "fields": ["position"]}]}, "no_topic", "/joints", id="no-topic"),
    pytest.param(
        {"state": [{"topic": "/joint_states", "fields": ["angle"]}]},
        "no_field",
        "no field 'angle', but header, name, position",
        id="no-field",
    ),
    pytest.param(
        {"state": [{"topic": "/joint_states", "fields": ["position[0:7]"]}]},
        "no_field",
        "position has 3 elements: [0:7] goes beyond them",
        id="no-element",
    ),
    pytest.param(
        {"state": [{"topic": "/joint_states", "fields": ["position[elbow,hip]"]}]},
        "no_field",
        "no joint 'hip', but shoulder, elbow, wrist",
        id="no-joint",
    ),
    pytest.param(
        {"state": [{"topic": "/joint_states", "fields": ["position[0"]}]},
        "signal",
        "is no path of a field",
        id="no-path",
    ),
    pytest.param(
        {"state": [{"topic": "/joint_states", "fields": ["name"]}]}, "no_field", "is str and no number", id="no-number"
    ),
    pytest.param(
        {"action": [{"topic": "/command", "fields": ["data"], "names": ["one"]}]},
        "signal",
        "gives 2 numbers (data[0], data[1]) and has 1 names",
        id="names",
    ),
    pytest.param(
        {"state": [{"topic": "/command", "fields": ["data"], "max_age_s": 0.001}]},
        "missing_signal",
        "rows have no message of /command within 0.001 s",
        id="missing",
    ),
    pytest.param({"state": [{"topic": "/command"}]}, "signal", "has no topic or no fields", id="no-fields"),
    pytest.param({"fps": 29.97}, "argument", "whole frames a second", id="fps"),
    pytest.param({"fps": 1000, "video": True}, "argument", "more than AV1's encoder takes", id="fps-of-video"),
    pytest.param({"depth": "tiff"}, "argument", "depth is 'tiff', but must be one of video, image, None", id="depth"),
    pytest.param({"image_key": "a/b"}, "argument", "have no '/'", id="key"),
    pytest.param(
        {"on_invalid": "zero", "reward": "dense"}, "argument", "the reward is dense, which has none", id="zero"
    ),
    pytest.param({"task_topic": "/command"}, "no_topic", "no topic /command of std_msgs/msg/String", id="task-topic"),
]


@pytest.mark.parametrize(("options", "kind", "words"), REFUSED)
def test_what_cannot_be_written_is_said_and_leaves_nothing(bag, tmp_path, options, kind, words):
    with pytest.raises(sr.Error) as raised:
        export_png(bag, tmp_path / "out", **options)
    assert raised.value.kind == kind
    assert words in raised.value.message
    assert not list(tmp_path.iterdir())


def refused(bag, out, **options):
    with pytest.raises(sr.Error) as raised:
        export_png(bag, out, **options)
    assert [path.name for path in out.parent.iterdir() if path.name.endswith("partial")] == []
    return raised.value


def test_recordings_that_do_not_fit_are_refused(bag, bags, tmp_path):
    # given
    small = bags.write(tmp_path / "small", frames=3, crop=(100, 120), signals=False)
    blind = bags.write(tmp_path / "blind", frames=3, without_target=range(3), signals=False)
    flat = bags.write(tmp_path / "flat", frames=3, depth=False, signals=False)
    paused = bags.write(tmp_path / "paused", times_s=[0, PERIOD_S, 2 * PERIOD_S, 3], signals=False)
    silent = bags.write(tmp_path / "silent", frames=3, prompts=(), signals=False)
    other = bags.write(tmp_path / "other", frames=3, joints=("hip", "knee", "toe"))
    one = bags.write(tmp_path / "one", frames=1, signals=False)
    out = tmp_path / "out"
    # when, then
    error = refused([bag, small], out)
    assert (error.kind, error.path) == ("different_size", str(small))
    assert "observation.images.front is 120x100 here and 160x120 before" in error.message
    error = refused(blind, out)
    assert error.kind == "no_reward"
    assert error.message == "episode 0 has no valid reward to hold: no_target_box 2, no_image 1"
    assert refused(blind, out, on_invalid="drop").kind == "no_frames"
    error = refused(flat, out, reward=False)
    assert (error.kind, error.remedy) == ("no_depth", "give depth=None to leave depth out")
    error = refused(paused, out)
    assert error.message == "there is a pause of 2.867 s between two pictures, 0.133 s into episode 0"
    assert "episodes.split_gap_s" in error.remedy
    assert refused(silent, out).kind == "no_task"
    error = refused([bag, other], out, state=[{"topic": "/joint_states", "fields": ["position"]}])
    assert error.message == "observation.state is hip, knee, toe here and shoulder, elbow, wrist before"
    assert refused(one, out).kind == "no_frames"
    assert refused([], out).kind == "no_bags"
    assert refused(tmp_path / "nowhere", out).kind


def test_what_exists_is_not_touched(bag, tmp_path):
    # given
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").write_text("mine")
    # when
    error = refused(bag, out)
    # then
    assert (error.kind, error.path) == ("output_exists", str(out))
    assert (out / "kept").read_text() == "mine"


@pytest.mark.parametrize(("name", "options"), [("pyarrow", {}), ("av", {"video": True}), ("av", {"depth": "video"})])
def test_a_missing_package_is_named_with_what_installs_it(bag, tmp_path, monkeypatch, name, options):
    monkeypatch.setattr("spatial_reward.lerobot.export.find_spec", lambda asked: None if asked == name else True)
    error = refused(bag, tmp_path / "out", **options)
    assert (error.kind, error.remedy) == ("missing_package", "pip install spatial-reward[lerobot]")
    assert name in error.message


def test_a_missing_encoder_is_named_with_what_does_without(bag, tmp_path, monkeypatch):
    monkeypatch.setattr("spatial_reward.lerobot.export.DEPTH_CODEC", "hevc_of_another_build")
    error = refused(bag, tmp_path / "out", depth="video")
    assert (error.kind, error.message) == ("missing_encoder", "this build of PyAV cannot write hevc_of_another_build")
    assert "depth='image'" in error.remedy


def test_an_interrupt_leaves_nothing(bag, tmp_path):
    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(bag, tmp_path / "out", progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_an_output_inside_of_the_recording_was_written_into_it(bags, tmp_path):
    # given a recording, when a dataset is to lie in its folder
    bag = bags.write(tmp_path / "bag")
    before = sorted(bag.iterdir())
    with pytest.raises(sr.Error) as refused:
        export(bag, bag / "dataset", video=False, depth=None)
    # then it is refused, and nothing is written
    assert refused.value.kind == "output"
    assert "is inside of the recording" in str(refused.value)
    assert sorted(bag.iterdir()) == before
