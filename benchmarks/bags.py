"""Bags as the benchmarks copy them: their types, and their topics as they are."""

from pathlib import Path

from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore
from rosbags.typesys.stores import ros2_jazzy

REWARD_TYPE = "spatial_reward/msg/StepReward"
REWARD_DEFINITION = Path(__file__).parent.parent / "msg" / "StepReward.msg"


def types_of(reader):
    """The types of a bag as it defines them; an older build's rewards have fewer fields."""
    store = Typestore(ros2_jazzy)
    for connection in reader.connections:
        if connection.msgtype not in store.fielddefs:
            types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    return store


def typestore(reader):
    """The types of a bag without rewards, and that of the rewards to come."""
    store = types_of(reader)
    store.register(get_types_from_msg(REWARD_DEFINITION.read_text(), REWARD_TYPE))
    return store


def copied_connection(writer, connection):
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        msgdef=connection.msgdef.data,
        rihs01=connection.digest,
        serialization_format=connection.ext.serialization_format,
        offered_qos_profiles=connection.ext.offered_qos_profiles,
    )
