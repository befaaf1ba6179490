"""What `label` writes, read back with libraries that share no code with it: rosbags, pyarrow, scipy."""

import hashlib
import math
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.stats import spearmanr

REWARD_TOPIC = "/spatial_reward/step_reward"

COLUMNS = {
    "index": "int64",
    "episode_index": "int64",
    "frame_index": "int64",
    "timestamp": "double",
    "next.reward": "float",
    "next.done": "bool",
    "next.success": "bool",
    "reward.spatial.distance_m": "float",
    "reward.spatial.distance_std_m": "double",
    "reward.spatial.distance_kind": "string",
    "reward.spatial.valid": "bool",
    "reward.spatial.reason": "string",
    "reward.spatial.confidence": "float",
    "reward.spatial.answer": "string",
}


def messages(bag):
    """(topic, type, log time, bytes) of every message, as the bag has them."""
    with Reader(bag) as reader:
        return [(c.topic, c.msgtype, log_time, bytes(data)) for c, log_time, data in reader.messages()]


def decoded(bag, topic):
    """{log time: message} of one topic, decoded by the definition that the bag itself carries."""
    store = get_typestore(Stores.EMPTY)
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        assert len(connections) == 1, f"{topic} in {[c.topic for c in reader.connections]}"
        store.register(get_types_from_msg(connections[0].msgdef.data, connections[0].msgtype))
        return {
            log_time: store.deserialize_cdr(data, connection.msgtype)
            for connection, log_time, data in reader.messages(connections)
        }


@pytest.fixture(scope="module")
def steps(labelled):
    return list(decoded(labelled, REWARD_TOPIC).values())


@pytest.fixture(scope="module")
def table(labelled):
    return pq.read_table(labelled / f"{labelled.name}_reward.parquet")


def test_every_other_message_is_the_same_byte_for_byte(labelled, sample_bag):
    original = Counter(messages(sample_bag))
    copied = Counter(message for message in messages(labelled) if message[0] != REWARD_TOPIC)
    assert copied == original


def test_definitions_hashes_and_qos_are_kept(labelled, sample_bag):
    def properties(bag):
        with Reader(bag) as reader:
            return {c.topic: (c.msgtype, c.msgdef, c.digest, c.ext, c.msgcount) for c in reader.connections}

    original, copied = properties(sample_bag), properties(labelled)
    assert {topic: copied[topic] for topic in original} == original
    assert set(copied) - set(original) == {REWARD_TOPIC}


def test_type_hash_of_the_reward_is_the_one_ros_computes(labelled):
    store = get_typestore(Stores.ROS2_JAZZY)
    with Reader(labelled) as reader:
        reward = next(c for c in reader.connections if c.topic == REWARD_TOPIC)
    store.register(
        {
            name: fields
            for name, fields in get_types_from_msg(reward.msgdef.data, reward.msgtype).items()
            if name not in store.fielddefs
        }
    )
    assert reward.digest == store.hash_rihs01(reward.msgtype)


def test_messages_are_in_log_order(labelled):
    times = [log_time for _, _, log_time, _ in messages(labelled)]
    assert times == sorted(times)


def test_one_reward_for_each_image_with_the_images_header(labelled, sample_bag, steps):
    images = decoded(sample_bag, "/camera/color/image_raw/compressed").values()

    def origin(message):
        return message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id

    assert [origin(step) for step in steps] == [origin(image) for image in images]
    assert [step.step for step in steps] == list(range(len(steps)))


def test_dense_reward_is_minus_the_surface_distance(steps):
    for step in steps:
        assert step.valid and step.reason == ""
        assert step.distance_kind == "surface" and step.distance_m == step.surface_m
        assert step.reward == -step.distance_m
        assert 0 <= step.confidence <= 1
        # Its standard deviation is that of the rewarded kind, and NaN where nobody tells it.
        stds = step.distance_std_m, step.surface_std_m
        assert stds[0] == stds[1] >= 0 or all(map(math.isnan, stds))


def test_surface_distance_follows_the_ground_truth(labelled, steps):
    truth = [message.data for message in decoded(labelled, "/ground_truth/surface_distance").values()]
    measured = [step.surface_m for step in steps]
    assert np.mean(np.abs(np.subtract(measured, truth))) <= 0.006
    assert spearmanr(measured, truth).statistic >= 0.95


def test_table_has_the_columns_of_the_contract(table):
    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types.get(name) for name in COLUMNS} == COLUMNS


def test_table_says_what_the_bag_says(table, steps):
    rows = table.to_pylist()
    assert len(rows) == len(steps)
    for row, step in zip(rows, steps, strict=True):
        assert row["frame_index"] == step.step and row["episode_index"] == step.episode_id
        assert row["reward.spatial.valid"] == step.valid and row["reward.spatial.reason"] == step.reason
        for value, expected in (
            (row["next.reward"], step.reward),
            (row["reward.spatial.distance_m"], step.distance_m),
            (row["reward.spatial.confidence"], step.confidence),
        ):
            assert math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-9)
    assert [row["next.done"] for row in rows] == [False] * (len(rows) - 1) + [True]


def test_labelling_again_gives_the_same_table_to_the_byte(run, sample_bag, labelled, tmp_path):
    again = tmp_path / labelled.name
    assert run("label", sample_bag, "-o", again).returncode == 0
    tables = [folder / f"{labelled.name}_reward.parquet" for folder in (labelled, again)]
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in tables)
    assert first == second


def test_sqlite3_output_holds_the_same_messages(run, sample_bag, labelled, tmp_path):
    config = tmp_path / "sqlite3.yaml"
    config.write_text("output:\n  storage: sqlite3\n")
    out = tmp_path / "sqlite3"
    result = run("label", sample_bag, "-o", out, "--config", config)
    assert result.returncode == 0, result.stderr

    def without_rewards(bag):  # their latencies differ from run to run
        return Counter(message for message in messages(bag) if message[0] != REWARD_TOPIC)

    assert without_rewards(out) == without_rewards(labelled)
    assert len(decoded(out, REWARD_TOPIC)) == len(decoded(labelled, REWARD_TOPIC))
