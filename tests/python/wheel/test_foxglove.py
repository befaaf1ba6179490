"""A labelled bag shows itself: others read its annotations by the schema that it carries, which is Foxglove's own, and
Rerun loads them."""

from importlib.util import find_spec

import pytest

REASON = "what Foxglove and Rerun show needs mcap_ros2, foxglove_schemas_protobuf and rerun"
for peer in ("mcap", "mcap_ros2", "foxglove_schemas_protobuf", "rerun"):
    if find_spec(peer) is None:
        pytest.skip(REASON, allow_module_level=True)

from foxglove_schemas_protobuf import ImageAnnotations_pb2, PointsAnnotation_pb2  # noqa: E402 - after they were looked for
from google.protobuf.descriptor import FieldDescriptor  # noqa: E402
from mcap.reader import make_reader  # noqa: E402
from mcap_ros2.decoder import DecoderFactory  # noqa: E402
from rerun.chunk import McapReader  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.typesys import get_types_from_msg  # noqa: E402

import spatial_reward as sr  # noqa: E402

IMAGE = "/camera/image_raw"
ANNOTATIONS = f"{IMAGE}/annotations"
FRAMES = 12
TASK = {
    "topics": {"fingertip": "/fingertip/detections"},
    "regions": {"cube": {"topic": "/target/detections", "class": ["target"]}},
    "reward": {"kind": "task"},
    "task": {
        "pairs": ["fingertip-cube"],
        "phases": [
            {
                "name": "reach",
                "potential": {"distance": "fingertip-cube", "from": 0.4},
                "next": [{"to": "success", "when": [{"distance": "fingertip-cube", "below": 0.001}]}],
            }
        ],
    },
    "output": {"annotations": True},
}


@pytest.fixture(scope="module")
def shown(bags, tmp_path_factory):
    """A task labelled with annotations; in two of its frames the cube is not seen."""
    folder = tmp_path_factory.mktemp("shown")
    bag = bags.write(folder / "bag", frames=FRAMES, without_target=(4, 5))
    sr.label(bag, folder / "labelled", config=TASK)
    return folder / "labelled"


def mcap(labelled):
    return next(labelled.glob("*.mcap"))


def read(labelled, topic):
    """Schemas and messages, as mcap_ros2 reads them by the former."""
    with mcap(labelled).open("rb") as file:
        return list(make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages(topics=[topic]))


def decoded(labelled, topic):
    return [message.decoded_message for message in read(labelled, topic)]


def schema(labelled):
    found = read(labelled, ANNOTATIONS)[0].schema
    assert (found.name, found.encoding) == ("foxglove_msgs/msg/ImageAnnotations", "ros2msg")
    return found.data.decode()


KINDS = {
    "float64": FieldDescriptor.TYPE_DOUBLE,
    "string": FieldDescriptor.TYPE_STRING,
    "uint8": FieldDescriptor.TYPE_ENUM,
}


def check_fields(types, name, descriptor):
    """The same fields in the same order, down to numbers and texts."""
    fields = types[f"foxglove_msgs/msg/{name}"][1]
    assert [field for field, _ in fields] == [field.name for field in descriptor.fields], name
    for (_, (outer, of)), field in zip(fields, descriptor.fields, strict=True):
        is_list = outer.name in ("SEQUENCE", "ARRAY")
        assert field.is_repeated == is_list, (name, field.name)
        node, kind = of[0] if is_list else (outer, of)
        if node.name == "BASE":
            assert field.type == KINDS[kind[0]], (name, field.name)
        elif kind == "builtin_interfaces/msg/Time":
            assert field.message_type.full_name == "google.protobuf.Timestamp"
        else:
            inner = kind.removeprefix("foxglove_msgs/msg/")
            assert field.message_type.full_name == f"foxglove.{inner}"
            check_fields(types, inner, field.message_type)


def test_the_schema_in_the_bag_is_foxgloves(shown):
    # Given the schema that a labelled bag carries, and the one that Foxglove publishes
    types = get_types_from_msg(schema(shown), "foxglove_msgs/msg/ImageAnnotations")
    # Then both have the same fields, and the ways to join points the same numbers
    check_fields(types, "ImageAnnotations", ImageAnnotations_pb2.ImageAnnotations.DESCRIPTOR)
    constants = {name: value for name, _, value in types["foxglove_msgs/msg/PointsAnnotation"][0]}
    assert constants == dict(PointsAnnotation_pb2.PointsAnnotation.Type.items())


def test_annotations_say_what_the_rewards_say(shown):
    # Given a labelled bag as mcap_ros2 reads it
    annotations = decoded(shown, ANNOTATIONS)
    steps, tasks = (decoded(shown, f"/spatial_reward/{name}_reward") for name in ("step", "task"))
    images = decoded(shown, IMAGE)
    assert len(annotations) == len(steps) == len(tasks) == len(images) == FRAMES
    for index, (shows, step, task, image) in enumerate(zip(annotations, steps, tasks, images, strict=True)):
        # Then all of a picture's annotations have its stamp
        stamp = (image.header.stamp.sec, image.header.stamp.nanosec)
        parts = [shows, *shows.points, *shows.texts]
        assert {(part.timestamp.sec, part.timestamp.nanosec) for part in parts} == {stamp}
        # and the boxes are those that were measured
        texts = [text.text for text in shows.texts]
        assert texts[-2 if index in (4, 5) else -1].startswith("no reward" if index in (4, 5) else "reach")
        boxes = {
            fact.value: [points.points[0].x, points.points[0].y, points.points[2].x, points.points[2].y]
            for points in shows.points
            for fact in points.metadata
            if fact.key == "region"
        }
        if index in (4, 5):
            assert set(boxes) == {"fingertip"}
            assert "fingertip-cube no cube box" in texts
            continue
        assert boxes == {"fingertip": list(step.fingertip_box), "cube": list(step.target_box)}
        # and so is the distance, in words for people and as a number for programs
        distance_m = task.pair_distance_m[0]
        assert texts[:3] == ["fingertip", "cube", f"{distance_m * 100:.1f} cm"]
        facts = {fact.key: fact.value for fact in shows.points[-1].metadata}
        assert (facts["pair"], float(facts["distance_m"])) == ("fingertip-cube", distance_m)
        assert {fact.key: fact.value for fact in shows.metadata}["phase"] == task.phase == "reach"


def test_foxgloves_own_message_takes_all_of_it(shown):
    # Given what mcap_ros2 reads
    def filled(target, source):
        for field in target.DESCRIPTOR.fields:
            value = getattr(source, field.name)
            if field.message_type is not None and field.message_type.name == "Timestamp":
                getattr(target, field.name).FromNanoseconds(value.sec * 10**9 + value.nanosec)
            elif field.is_repeated:
                for one in value:
                    filled(getattr(target, field.name).add(), one)
            elif field.message_type is not None:
                filled(getattr(target, field.name), value)
            else:
                setattr(target, field.name, value)
        return target

    # When it is put into Foxglove's protobuf message, and that through its bytes
    for shows in decoded(shown, ANNOTATIONS):
        message = filled(ImageAnnotations_pb2.ImageAnnotations(), shows)
        again = ImageAnnotations_pb2.ImageAnnotations.FromString(message.SerializeToString())
        # Then nothing of it is lost
        assert [text.text for text in again.texts] == [text.text for text in shows.texts]
        assert {points.type for points in again.points} <= {
            PointsAnnotation_pb2.PointsAnnotation.LINE_LOOP,
            PointsAnnotation_pb2.PointsAnnotation.LINE_STRIP,
        }


def test_rosbags_reads_the_same(shown):
    expected = decoded(shown, ANNOTATIONS)
    with AnyReader([shown]) as reader:
        connections = [connection for connection in reader.connections if connection.topic == ANNOTATIONS]
        read = [reader.deserialize(raw, connection.msgtype) for connection, _, raw in reader.messages(connections)]
    assert [[text.text for text in shows.texts] for shows in read] == [
        [text.text for text in shows.texts] for shows in expected
    ]


def test_rerun_loads_pictures_annotations_and_values(shown):
    # Given a labelled bag as Rerun loads it
    rows = {}
    for chunk in McapReader(mcap(shown)).stream():
        batch = chunk.to_record_batch()
        for name in batch.schema.names:
            rows.setdefault((chunk.entity_path, name), []).extend(batch.column(name).to_pylist())
    # Then every picture is one that it draws
    assert len(rows[IMAGE, "Image:buffer"]) == FRAMES
    # and every annotation has arrived, with its words
    arrived = [message for (message,) in rows[ANNOTATIONS, "foxglove_msgs.msg.ImageAnnotations:message"]]
    words = [[text["text"] for text in message["texts"]] for message in arrived]
    assert words == [[text.text for text in shows.texts] for shows in decoded(shown, ANNOTATIONS)]
    # and so have the values
    rewards = [message for (message,) in rows["/spatial_reward/step_reward", "spatial_reward.msg.StepReward:message"]]
    expected = decoded(shown, "/spatial_reward/step_reward")
    assert [step["reward"] for step in rewards] == pytest.approx([step.reward for step in expected], nan_ok=True)
    tasks = [message for (message,) in rows["/spatial_reward/task_reward", "spatial_reward.msg.TaskReward:message"]]
    assert [task["phase"] for task in tasks] == ["reach"] * FRAMES
