"""The type hash compiled into the crate is the one that the independent library rosbags computes
from msg/StepReward.msg, so that a live ROS 2 graph and the labelled bag agree on the type."""

import re
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

ROOT = Path(__file__).resolve().parents[2]
TYPE_NAME = "spatial_reward/msg/StepReward"


def compiled_in(name):
    source = (ROOT / "crates/core/src/messages/step_reward.rs").read_text()
    return re.search(rf'pub const {name}: &str =\s*"([^"]*)"', source).group(1)


def test_the_type_hash_is_that_of_the_message_definition():
    store = get_typestore(Stores.ROS2_JAZZY)
    definition = (ROOT / "msg/StepReward.msg").read_text()
    store.register(get_types_from_msg(definition, TYPE_NAME))

    assert compiled_in("TYPE_NAME") == TYPE_NAME
    assert compiled_in("TYPE_HASH") == store.hash_rihs01(TYPE_NAME)


if __name__ == "__main__":
    test_the_type_hash_is_that_of_the_message_definition()
    print("ok")
