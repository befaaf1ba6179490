"""Work on recordings from Python: labels, evaluations, inspections, frames, regions that are followed."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cut_bag import recorded_late
from rosbags.highlevel import AnyReader

import spatial_reward as sr
from spatial_reward._native import MeasuredRecording


def test_a_recording_is_labelled_and_evaluated_in_two_calls(labelled):
    # given the sample bag's labels
    assert (labelled.steps, labelled.valid, labelled.invalid) == (80, 80, {})
    for path in (labelled.folder, labelled.parquet, labelled.png, labelled.html):
        assert Path(path).exists()
    assert labelled.loss is None
    assert labelled.topics["image"] == "/camera/color/image_raw/compressed"
    # when they are held against the bag's truth
    evaluation = sr.evaluate(labelled)
    # then
    assert evaluation.steps_with_truth == 80
    assert 0 < evaluation.metrics["mae_m"] < 0.005
    assert evaluation.metrics["spearman"] > 0.95
    table = pq.read_table(labelled.parquet)
    columns = labelled.table()
    assert list(columns) == table.column_names
    for name, values in columns.items():
        np.testing.assert_array_equal(values, table[name].to_pylist(), name)
    for shown in (labelled, evaluation):
        assert "data:image/png;base64," in shown._repr_html_()


def test_the_command_line_is_the_program_and_gives_the_same_table(labelled, sample_bag, tmp_path):
    out = tmp_path / "labelled"
    command = [sys.executable, "-m", "spatial_reward", "label", str(sample_bag), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out / "labelled_reward.parquet")
    assert table.equals(pq.read_table(labelled.parquet))
    wrong = subprocess.run([*command[:4], "/no/bag"], capture_output=True, text=True, check=False)
    assert wrong.returncode != 0 and "/no/bag" in wrong.stderr
    helped = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True)
    assert "Usage: spatial-reward" in helped.stdout


def test_frames_are_what_an_independent_reader_finds(frames, sample_bag):
    # given the depth messages of the bag
    with AnyReader([sample_bag]) as reader:
        topics = [c for c in reader.connections if c.topic == "/camera/aligned_depth_to_color/image_raw"]
        sent = {}
        for connection, _, data in reader.messages(topics):
            message = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            sent[stamp] = np.frombuffer(message.data, np.uint16).reshape(message.height, message.width)
    # then each frame has that of its stamp
    assert len(frames) == 80
    for frame in frames:
        depth_m = frame.depth
        assert frame.color.shape == (480, 640, 3) and frame.color.dtype == np.uint8
        assert depth_m.dtype == np.float32
        none = sent[frame.stamp_ns] == 0
        assert np.array_equal(np.isnan(depth_m), none)
        assert np.array_equal(depth_m[~none], sent[frame.stamp_ns][~none].astype(np.float32) / np.float32(1000))
        assert frame.fingertip_origin == frame.target_origin == "seen" and frame.reason is None
    assert frames[0].camera.width == 640


def test_frames_read_as_they_were_recorded_are_the_same(sample_bag, frames):
    assert sr.Recording(sample_bag).first_stamps_ns(5) == [frame.stamp_ns for frame in frames[:5]]
    assert len(sr.Recording(sample_bag).first_stamps_ns(100)) == 80
    for frame, other in zip(sr.Recording(sample_bag).frames(as_recorded=True), frames, strict=True):
        told = (
            "stamp_ns",
            "episode",
            "reason",
            "fingertip",
            "target",
            "fingertip_origin",
            "color_shape",
            "depth_shape",
        )
        assert [getattr(frame, name) for name in told] == [getattr(other, name) for name in told]
        assert np.array_equal(frame.color, other.color)
        assert np.array_equal(frame.depth, other.depth, equal_nan=True)


def test_what_was_recorded_late_is_found_by_its_stamp_and_not_in_one_passage(sample_bag, tmp_path):
    # given depth that was recorded three seconds after its pictures
    topic = "/camera/aligned_depth_to_color/image_raw"
    late = recorded_late(sample_bag, tmp_path / "late", topic, 3.0)
    recording = sr.Recording(late)
    # when, then
    with pytest.raises(sr.Error) as raised:
        list(recording.frames(as_recorded=True))
    assert (raised.value.kind, raised.value.path) == ("recorded_late", str(late))
    for frame, other in zip(recording, sr.Recording(sample_bag), strict=True):
        assert frame.stamp_ns == other.stamp_ns
        assert np.array_equal(frame.depth, other.depth, equal_nan=True)
    assert recording.first_stamps_ns(3) == sr.Recording(sample_bag).first_stamps_ns(3)


def test_a_measured_recordings_steps_are_labels(labelled, sample_bag):
    # given
    recording = MeasuredRecording(sample_bag, reward="dense")
    # when
    steps = [recording.step(frame, frame.stamp_ns) for frame in recording.frames()]
    # then
    table = pq.read_table(labelled.parquet).to_pydict()
    assert [np.float32(step.distance_m) for step in steps] == table["reward.spatial.distance_m"]
    assert [step.distance_std_m for step in steps] == table["reward.spatial.distance_std_m"]
    # and a frame of another recording has none
    with pytest.raises(sr.Error, match="not measured"):
        recording.step(next(iter(sr.Recording(sample_bag))), 0)
    # and after a reset, another episode begins
    recording.reset()
    assert recording.step(next(recording.frames()), 0).episode == 1


def test_some_pixels_of_a_frame_are_those_of_its_arrays(frames):
    frame, every = frames[0], 4
    thinned = frame.color[::every, ::every].reshape(-1, 3)
    levels = [np.bincount(channel, minlength=256) for channel in thinned.T]
    assert np.array_equal(frame.color_levels(every), levels)
    depth = frame.thinned_depth(every, (1, 1))
    assert np.array_equal(depth, frame.depth[::every, ::every], equal_nan=True)
    _, millimetres = frame.depth_png(every, (1, 1))
    assert np.array_equal(millimetres, np.nan_to_num(np.rint(depth * 1000)))


def test_a_recording_is_left_in_the_middle_without_waiting_for_its_end(sample_bag):
    before = threading.active_count()
    for frame in sr.Recording(sample_bag):
        assert frame.color is not None
        break
    assert threading.active_count() == before


def test_frames_that_were_begun_before_a_fork_are_refused_after_it(sample_bag):
    # given frames of which one was read
    frames = sr.Recording(sample_bag).frames()
    next(frames)
    # when a child goes on with them
    child = os.fork()
    if child == 0:
        try:
            next(frames)
        except sr.Error as error:
            os._exit(10 if error.kind == "fork" else 11)
        os._exit(12)
    # then it is told, and does not wait for ever
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
    assert next(frames).color is not None


def test_a_recording_that_is_deleted_while_it_is_read_is_no_damaged_one(sample_bag, tmp_path):
    # given frames of which one was read
    bag = Path(shutil.copytree(sample_bag, tmp_path / "bag"))
    frames = sr.Recording(bag).frames()
    next(frames)
    # when the recording goes away
    shutil.rmtree(bag)
    # then its end is not taken for the recording's
    with pytest.raises(sr.Error, match=r"No such file"):
        list(frames)


def test_a_box_drawn_in_the_first_picture_is_followed(sample_bag, frames, tmp_path):
    # given the target's box in the first picture, and no detections of it
    drawn = frames[0].target
    labelled = sr.label(sample_bag, tmp_path / "out", target=drawn)
    table = pq.read_table(labelled.parquet).to_pylist()
    # then the boxes of all others are found
    assert {row["reward.spatial.target_origin"] for row in table} == {"followed"}
    assert labelled.valid >= 78
    # and a tracker that is given the pictures one by one finds them as well
    tracker = sr.Tracker(frames[0].color, drawn, frames[0].depth)
    for frame in frames[1:]:
        tracked = tracker.update(frame.color, frame.depth)
        if not tracked.lost:
            middle = np.add(tracked.box[:2], tracked.box[2:]) / 2
            wanted = np.add(frame.target[:2], frame.target[2:]) / 2
            assert np.abs(middle - wanted).max() < 8
    assert not tracked.lost and tracked.seen > 0.3 and tracked.doubt_px >= 0


def test_a_lost_region_makes_a_step_invalid(frames):
    # given a tracker of the target, which then sees a grey wall
    frame = frames[0]
    tracker = sr.Tracker(frame.color, frame.target, frame.depth)
    wall = np.full_like(frame.color, 127)
    lost = tracker.update(wall, np.full_like(frame.depth, 2.0))
    # then
    assert lost.lost and lost.box is None
    # and a picture of another size is none of its own
    with pytest.raises(sr.Error, match="320x240 pixels, and the pictures before 640x480"):
        tracker.update(np.zeros((240, 320, 3), np.uint8))
    step = sr.Annotator(camera=frame.camera).step(frame.color, frame.depth, fingertip=frame.fingertip, target=lost)
    assert step.reason == "lost_box"


def test_what_a_recording_holds_is_told_in_words_and_as_data(sample_bag):
    inspection = sr.inspect(sample_bag)
    assert inspection.possible and inspection.frames == 80 and inspection.obstacles == []
    assert inspection.roles["target"]["topic"] == "/target/detections"
    assert "80 images of 640x480" in str(inspection)
    assert "<pre>" in inspection._repr_html_()


def test_advice_is_in_names_that_python_has(sample_bag, tmp_path):
    # given classes that no detection has, and a TF frame that there is not
    config = {"topics": {"target": "/target/detections", "target_class": ["cup"]}}
    labelled = sr.label(sample_bag, tmp_path / "out", config=config)
    assert labelled.valid == 0 and "topics.target_class" in labelled.advice
    inspection = sr.inspect(sample_bag, config={"regions": {"target": {"frame": "cup"}}})
    assert not inspection.possible
    told = [labelled.advice, str(labelled.to_dict()), str(inspection), *inspection.obstacles]
    assert not [words for words in told if "--" in words]


def test_an_error_has_fields_and_no_flags_of_the_command_line(sample_bag, labelled, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    cases = [
        (lambda: sr.label("/no/bag", tmp_path / "b"), "io", None),
        (lambda: sr.label(tmp_path, tmp_path / "b"), "not_a_bag", None),
        (lambda: sr.label(sample_bag, labelled.folder), "output_exists", "if_exists='overwrite'"),
        (lambda: sr.label(sample_bag, out, if_exists="overwrite"), "output_refused", "another folder"),
        (lambda: sr.label(sample_bag, out, if_exists="maybe"), "config", None),
        (lambda: sr.label(sample_bag, tmp_path / "b", jobs=10**9), "config", None),
        (lambda: sr.label(sample_bag, tmp_path / "b", jobs=-1), "config", None),
        (lambda: sr.label(sample_bag, tmp_path / "b", target="/none"), "no_topic", "target='/topic'"),
        (lambda: sr.label(sample_bag, tmp_path / "b", target=(5, 5, 1, 1)), "region", None),
        (lambda: sr.label(sample_bag, tmp_path / "b", truth={"robot": "/x"}), "config", None),
        (lambda: sr.evaluate(sample_bag), "not_labelled", "spatial_reward.label"),
        (lambda: next(iter(sr.Recording("/no/bag"))), "io", None),
    ]
    for call, kind, remedy in cases:
        with pytest.raises(sr.Error) as raised:
            call()
        error = raised.value
        assert error.kind == kind, (error.kind, str(error))
        assert "--" not in str(error), str(error)
        if remedy:
            assert remedy in error.remedy
    assert (out / "precious.txt").read_text() == "mine"


def test_what_was_finished_is_not_done_again(sample_bag, labelled):
    assert sr.label(sample_bag, labelled.folder, if_exists="resume") is None
    with pytest.raises(sr.Error, match="settings"):
        sr.label(sample_bag, labelled.folder, if_exists="resume", reward="tanh")


def test_progress_is_told_and_what_it_raises_ends_the_work(sample_bag, tmp_path):
    told = []
    sr.label(sample_bag, tmp_path / "a", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]

    class EnoughError(Exception):
        pass

    def enough(_done, _total):
        raise EnoughError

    with pytest.raises(EnoughError):
        sr.label(sample_bag, tmp_path / "b", progress=enough)
    assert sorted(path.name for path in tmp_path.iterdir()) in (["a"], ["a", "b"])


def test_warnings_go_to_the_logger(sample_bag, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "spatial_reward"):
        # given a size that says nothing of boxes in pixels
        config = {"topics": {"target": "/target/detections"}, "regions": {"target": {"size_m": 0.2}}}
        sr.label(sample_bag, tmp_path / "out", config=config)
    assert any("size_m" in record.message for record in caplog.records)


LONG_WORK = """
import signal, sys, threading, time
import spatial_reward as sr

# A background job of a shell is begun with SIGINT ignored, and Python leaves that so.
signal.signal(signal.SIGINT, signal.default_int_handler)
started = threading.Event()
def told(done, total):
    if not started.is_set():
        started.set()
        print("started", flush=True)
try:
    for attempt in range(1000):
        sr.label(sys.argv[1], sys.argv[2] + str(attempt), progress=told)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_ctrl_c_is_heard_within_a_second_and_nothing_unfinished_is_left(sample_bag, tmp_path):
    # given a process that labels
    command = [sys.executable, "-c", LONG_WORK, str(sample_bag), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "started\n"
        # when Ctrl-C is typed
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        took_s = time.monotonic() - begin
    # then Python gets its exception, and outputs are whole
    assert said == "stopped\n"
    # A second is what is promised; a machine that is busy with other tests may need more.
    assert took_s < 5
    for path in tmp_path.iterdir():
        assert sorted(p.suffix for p in path.iterdir()) == [".html", ".mcap", ".parquet", ".png", ".yaml"], path


def test_other_threads_go_on_while_a_recording_is_labelled(sample_bag, tmp_path):
    # given a thread that counts
    counted, end = [0], threading.Event()

    def count():
        while not end.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    sr.label(sample_bag, tmp_path / "out")
    end.set()
    thread.join()
    assert counted[0] > 20
