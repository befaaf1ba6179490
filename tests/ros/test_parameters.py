"""Settings as ROS parameters: described, changed at run time where they may be, refused with a reason."""

import json
import math

import pytest
import yaml
from rcl_interfaces.msg import ParameterEvent, ParameterType
from rcl_interfaces.srv import GetParameterTypes

from conftest import ROOT
from node import Node, run_to_exit
from scene import Frame

# What may change while the node runs, with another value than the default.
CHANGEABLE = {
    "reward.kind": "exp",
    "reward.threshold_m": 0.04,
    "reward.k_per_m": 5.0,
    "reward.sigma_m": 0.2,
    "reward.base": "dense",
    "reward.kappa": 2.0,
    "reward.gamma": 0.9,
    "reward.max_std_m": 0.5,
    "success.enter_m": 0.02,
    "success.exit_m": 0.05,
    "success.hold_s": 0.5,
    "filter.kind": "median",
    "filter.window": 3,
    "filter.alpha": 0.3,
    "filter.measurement_m": 0.01,
    "filter.acceleration_m_s2": 1.0,
    "estimator.max_distance_m": 2.0,
    "live.debug_rate_hz": 2.0,
}
# What decides how the node is built, and so only counts at the start.
START_ONLY = {
    "estimator.kind": "spatialrgpt",
    "estimator.distance": "center",
    "matching.tolerance_s": 0.05,
    "matching.wait_s": 1.0,
    "geometry.min_depth_m": 0.1,
    "episodes.end_on_success": True,
    "tracker.enabled": True,
    "topics.fingertip_class": ["gripper"],
    "live.image_transport": "compressed",
    "live.box_type": "region_of_interest",
    "live.queue_frames": 2,
}


@pytest.fixture
def unchanged(peer):
    """The shared node's peer; whatever the test changes is set back afterwards."""
    kept = peer.get_parameters(list(CHANGEABLE))
    yield peer
    result = peer.set_parameters_atomically(kept)
    assert result.successful, result.reason


def test_every_parameter_says_what_it_is(peer):
    names = [name for name in peer.parameter_names() if "." in name and not name.startswith("qos_overrides")]
    assert set(CHANGEABLE) | set(START_ONLY) <= set(names)
    for descriptor in peer.describe_parameters(names):
        assert descriptor.description, f"{descriptor.name} has no description"


def test_a_parameter_is_what_the_settings_schema_declares(peer):
    schema = json.loads((ROOT / "config" / "settings.schema.json").read_text())
    declared = {}

    def walk(prefix, properties):
        for key, one in properties.items():
            name = f"{prefix}{key}"
            if "properties" in one:
                walk(f"{name}.", one["properties"])
            elif one.get("type") != "object" and one.get("x-node", True):  # names of the user's choice are none
                declared[name] = one

    walk("", schema["properties"])
    ours = {name for name in peer.parameter_names() if "." in name and not name.startswith("qos_overrides")}
    assert ours == set(declared)
    types = {
        "boolean": ParameterType.PARAMETER_BOOL,
        "integer": ParameterType.PARAMETER_INTEGER,
        "number": ParameterType.PARAMETER_DOUBLE,
        "array": ParameterType.PARAMETER_STRING_ARRAY,
    }
    for descriptor in peer.describe_parameters(sorted(declared)):
        name, one = descriptor.name, declared[descriptor.name]
        kind = one.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        assert descriptor.type == types.get(kind, ParameterType.PARAMETER_STRING), name
        assert descriptor.description == one["description"].replace("\n", " "), name
        assert descriptor.read_only == (not one.get("x-live", False)), name
        assert one.get("x-unit", "") in descriptor.additional_constraints, name
        # Where both ends are included, ROS's own tools see the range.
        for found in [*descriptor.floating_point_range, *descriptor.integer_range]:
            assert (found.from_value, found.to_value) == (one["minimum"], one["maximum"]), name
    [rate] = peer.describe_parameters(["live.debug_rate_hz"])
    assert [(one.from_value, one.to_value) for one in rate.floating_point_range] == [(0.0, 60.0)]


def test_the_defaults_are_those_of_the_documented_file(peer):
    documented = yaml.safe_load((ROOT / "config" / "default.yaml").read_text())
    sections = ("matching", "tracker", "geometry", "reward", "filter", "success")
    expected = {
        f"{section}.{key}": value
        for section in sections
        for key, value in documented[section].items()
        if isinstance(value, bool | int | float | str)
    }
    # The shared node has another one; a table and a recording are none of a node's.
    del expected["matching.wait_s"], expected["reward.alignment"], expected["matching.as_live"]
    assert peer.get_parameters(list(expected)) == expected


def test_a_reward_changed_mid_episode_counts_from_the_next_frame_on(unchanged):
    peer, frame = unchanged, Frame()
    # given an episode with the dense reward
    before = peer.step_for(frame)
    assert (before.reward_kind, before.reward) == ("dense", -before.distance_m)
    # when it is changed to tanh
    [result] = peer.set_parameters({"reward.kind": "tanh"})
    assert result.successful, result.reason
    # then the same scene has the same distance and the other reward, in the same episode
    after = peer.step_for(frame)
    assert after.reward_kind == "tanh"
    assert after.distance_m == before.distance_m
    assert after.reward == pytest.approx(1 - math.tanh(10 * after.distance_m), rel=1e-12)
    assert (after.episode_id, after.step) == (before.episode_id, before.step + 1)


def test_success_thresholds_changed_mid_episode_count_at_once(unchanged):
    peer, frame = unchanged, Frame(gap_px=10)
    assert not peer.step_for(frame).success
    values = {"success.enter_m": 0.2, "success.exit_m": 0.3, "success.hold_s": 0.0}
    result = peer.set_parameters_atomically(values)
    assert result.successful, result.reason
    assert peer.step_for(frame).success


def test_a_limit_changed_mid_episode_counts_at_once(unchanged):
    peer, frame = unchanged, Frame()
    assert peer.step_for(frame).valid
    [result] = peer.set_parameters({"estimator.max_distance_m": 0.1})
    assert result.successful, result.reason
    step = peer.step_for(frame)
    assert (step.valid, step.reason) == (False, "implausible_distance")


def test_a_filter_changed_mid_episode_smooths_from_then_on(unchanged):
    peer = unchanged
    peer.step_for(Frame(gap_px=40))
    result = peer.set_parameters_atomically({"filter.kind": "exponential", "filter.alpha": 0.5})
    assert result.successful, result.reason
    first, second = peer.step_for(Frame(gap_px=40)), peer.step_for(Frame(gap_px=20))
    # The raw distance stays beside the reward of the smoothed one.
    assert second.distance_m == pytest.approx(0.1, abs=1e-4)
    assert second.reward == pytest.approx(-(first.distance_m + second.distance_m) / 2, abs=1e-9)


@pytest.mark.parametrize(("name", "value"), CHANGEABLE.items(), ids=CHANGEABLE)
def test_these_may_change_at_run_time(name, value, unchanged):
    [result] = unchanged.set_parameters({name: value})
    assert result.successful, result.reason
    assert unchanged.get_parameters([name]) == {name: pytest.approx(value) if isinstance(value, float) else value}


@pytest.mark.parametrize(("name", "value"), START_ONLY.items(), ids=START_ONLY)
def test_these_count_at_the_start_only_and_say_so(name, value, unchanged):
    kept = unchanged.get_parameters([name])
    [result] = unchanged.set_parameters({name: value})
    assert not result.successful
    assert name in result.reason and "set it at start" in result.reason.lower(), result.reason
    assert unchanged.get_parameters([name]) == kept


REFUSED = {
    "below its bound": ({"reward.k_per_m": -1.0}, "reward.k_per_m"),
    "not a number": ({"reward.sigma_m": float("nan")}, "reward.sigma_m"),
    "against another one": ({"success.exit_m": 0.001}, "success.exit_m"),
    "unknown kind": ({"reward.kind": "dens"}, "reward.kind"),
    "unknown name": ({"reward.k_per_metre": 1.0}, "reward.k_per_metre"),
    "text for a number": ({"reward.k_per_m": "fast"}, "reward.k_per_m"),
    "a number for text": ({"reward.kind": 3.0}, "reward.kind"),
    "an even window": ({"filter.window": 4}, "filter.window"),
    "a base of its own kind": ({"reward.base": "shaped"}, "reward.base"),
    "a negative rate": ({"live.debug_rate_hz": -1.0}, "live.debug_rate_hz"),
}


@pytest.mark.parametrize(("values", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(values, named, unchanged):
    peer = unchanged
    kept = peer.get_parameters(list(CHANGEABLE))
    before = peer.step_for()
    # when a value is set that cannot be
    [result] = peer.set_parameters(values)
    # then the answer names the parameter, and says more than its name
    assert not result.successful
    assert named in result.reason and len(result.reason) > len(named) + 5, result.reason
    # and the node goes on as before
    assert peer.get_parameters(list(CHANGEABLE)) == kept
    after = peer.step_for()
    assert (after.reward_kind, after.reward) == (before.reward_kind, before.reward)


def test_several_at_once_are_all_set_or_none(unchanged):
    peer = unchanged
    # given two that belong together
    together = {"success.enter_m": 0.05, "success.exit_m": 0.06}
    result = peer.set_parameters_atomically(together)
    assert result.successful, result.reason
    assert peer.get_parameters(list(together)) == together
    # when one of two is wrong
    result = peer.set_parameters_atomically({"reward.kind": "tanh", "reward.k_per_m": 0.0})
    # then neither is set
    assert not result.successful
    assert "reward.k_per_m" in result.reason, result.reason
    assert peer.get_parameters(["reward.kind", "reward.k_per_m"]) == {"reward.kind": "dense", "reward.k_per_m": 10.0}
    assert peer.step_for().reward_kind == "dense"


def test_one_by_one_the_right_ones_are_set_and_the_wrong_ones_refused(unchanged):
    peer = unchanged
    right, wrong = peer.set_parameters({"reward.kind": "tanh", "reward.k_per_m": 0.0})
    assert right.successful, right.reason
    assert not wrong.successful
    assert peer.get_parameters(["reward.kind", "reward.k_per_m"]) == {"reward.kind": "tanh", "reward.k_per_m": 10.0}


def test_a_whole_number_will_do_for_a_real_one(unchanged):
    # as `ros2 param set /spatial_reward reward.k_per_m 5` sends it
    [result] = unchanged.set_parameters({"reward.k_per_m": 5})
    assert result.successful, result.reason
    assert unchanged.get_parameters(["reward.k_per_m"]) == {"reward.k_per_m": 5.0}


def test_a_change_is_told_to_everybody(unchanged):
    events = []
    subscription = unchanged.subscribe(ParameterEvent, "/parameter_events", events.append)
    try:
        unchanged.until(subscription.get_publisher_count, "the node's events")
        unchanged.set_parameters({"reward.k_per_m": 5.0, "filter.window": 4})
        unchanged.until(lambda: events, "an event")
        [event] = events
        assert event.node == "/spatial_reward"
        # What was refused is no change.
        assert [changed.name for changed in event.changed_parameters] == ["reward.k_per_m"]
    finally:
        unchanged.unsubscribe(subscription)


def test_types_are_told(peer):
    client = peer.client("get_parameter_types")
    types = {
        "reward.kind": ParameterType.PARAMETER_STRING,
        "reward.k_per_m": ParameterType.PARAMETER_DOUBLE,
        "filter.window": ParameterType.PARAMETER_INTEGER,
        "tracker.enabled": ParameterType.PARAMETER_BOOL,
        "topics.target_class": ParameterType.PARAMETER_STRING_ARRAY,
        "no.such_name": ParameterType.PARAMETER_NOT_SET,
    }
    told = peer.call(client, GetParameterTypes.Request(names=list(types))).types
    assert list(told) == list(types.values())


def test_file_parameter_file_and_arguments_each_win_over_the_one_before(tmp_path):
    # given a settings file, a ROS parameter file and an argument that overlap
    config = tmp_path / "rig.yaml"
    config.write_text("reward: {kind: exp, sigma_m: 0.3, k_per_m: 3.0}\nfilter: {window: 7}\n")
    parameter_file = tmp_path / "parameters.yaml"
    parameter_file.write_text("/**:\n  ros__parameters:\n    reward:\n      kind: sparse\n      sigma_m: 0.4\n")
    with Node(options=["--config", config], parameters={"reward.kind": "tanh"}, parameter_file=parameter_file) as node:
        # then the argument wins over the parameter file, and that over the settings file
        expected = {"reward.kind": "tanh", "reward.sigma_m": 0.4, "reward.k_per_m": 3.0, "filter.window": 7}
        assert node.peer.get_parameters(list(expected)) == expected
        # and they are in force
        assert node.peer.step_for().reward_kind == "tanh"


WRONG_AT_START = {
    "below its bound": (["-p", "reward.k_per_m:=-1.0"], "reward.k_per_m"),
    "against another one": (["-p", "success.exit_m:=0.001"], "success.exit_m"),
    "unknown kind": (["-p", "estimator.kind:=guess"], "estimator.kind"),
    "text for a number": (["-p", "reward.k_per_m:=fast"], "reward.k_per_m"),
    "unknown transport": (["-p", "live.image_transport:=pigeon"], "live.image_transport"),
    "negative queue": (["-p", "live.queue_frames:=-1"], "live.queue_frames"),
}


@pytest.mark.parametrize(("arguments", "named"), WRONG_AT_START.values(), ids=WRONG_AT_START)
def test_a_node_with_a_wrong_parameter_does_not_start_and_names_it(arguments, named):
    code, said = run_to_exit("--ros-args", *arguments)
    assert code not in (0, None) and code > 0, said
    assert named in said, said


def test_a_whole_number_will_do_for_a_real_one_at_the_start():
    with Node(parameters={"reward.k_per_m": 5, "live.debug_rate_hz": 2}) as node:
        expected = {"reward.k_per_m": 5.0, "live.debug_rate_hz": 2.0}
        assert node.peer.get_parameters(expected) == expected


def test_a_name_that_is_no_parameter_is_warned_of_at_the_start():
    # A parameter file may be meant for several nodes, so it is no error.
    with Node(parameters={"reward.k_per_metre": 1.0}) as node:
        assert [line for line in node.process.lines if "reward.k_per_metre" in line], node.process.log
        assert node.peer.step_for().valid


def test_a_node_with_a_wrong_settings_file_does_not_start_and_names_file_and_line(tmp_path):
    config = tmp_path / "rig.yaml"
    config.write_text("reward:\n  kind: dense\n  k_per_metre: 1.0\n")
    code, said = run_to_exit("--config", config)
    assert code == 1, said
    assert "rig.yaml" in said and "k_per_metre" in said and "line 3" in said, said


def test_a_node_without_its_settings_file_does_not_start_and_names_it(tmp_path):
    code, said = run_to_exit("--config", tmp_path / "none.yaml")
    assert code == 1, said
    assert "none.yaml" in said, said


def test_a_node_with_a_remap_that_is_none_does_not_start():
    code, said = run_to_exit("--ros-args", "-r", "image=camera")
    assert code != 0, said
    assert "image=camera" in said, said
