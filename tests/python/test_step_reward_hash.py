"""The type hashes compiled into the crate are those that the independent library rosbags computes from msg/, so that a
live ROS 2 graph and the labelled bag agree on the types."""

import re
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = {"StepReward": "step_reward", "TaskReward": "task_reward"}


def compiled_in(module, name):
    source = (ROOT / f"crates/core/src/messages/{module}.rs").read_text()
    return re.search(rf'pub const {name}: &str =\s*"([^"]*)"', source).group(1)


def test_the_type_hash_is_that_of_the_message_definition():
    for message, module in MESSAGES.items():
        type_name = f"spatial_reward/msg/{message}"
        store = get_typestore(Stores.ROS2_JAZZY)
        definition = (ROOT / f"msg/{message}.msg").read_text()
        store.register(get_types_from_msg(definition, type_name))

        assert compiled_in(module, "TYPE_NAME") == type_name
        assert compiled_in(module, "TYPE_HASH") == store.hash_rihs01(type_name)


if __name__ == "__main__":
    test_the_type_hash_is_that_of_the_message_definition()
    print("ok")
