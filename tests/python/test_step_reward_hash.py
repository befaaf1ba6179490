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


def test_the_type_hash_of_annotations_is_that_of_the_definition_that_bags_get():
    source = (ROOT / "crates/core/src/messages/image_annotations.rs").read_text()
    definition = re.search(r'pub const DEFINITION: &str = "\\\n([^"]*)"', source).group(1)
    type_name = compiled_in("image_annotations", "TYPE_NAME")
    store = get_typestore(Stores.ROS2_JAZZY)
    types = get_types_from_msg(definition, type_name)
    store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})

    assert compiled_in("image_annotations", "TYPE_HASH") == store.hash_rihs01(type_name)


if __name__ == "__main__":
    test_the_type_hash_is_that_of_the_message_definition()
    print("ok")
