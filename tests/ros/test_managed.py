"""A managed node (live.managed): its transitions, those that are forbidden, and what it does in each state."""

import contextlib
import signal
import socket

import pytest
from lifecycle_msgs.msg import TransitionEvent
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSReliabilityPolicy

from manager import SERVICES, Manager
from node import INPUTS, Node, diagnosed, usual_topic
from scene import Frame, nanoseconds, request_for, slow_request
from spatial_reward.srv import AnnotateStep
from test_life import CHECKPOINT

STATES = ("unconfigured", "inactive", "active", "finalized")
# What may be asked for: (state, id, label, state of transition, state afterwards).
ASKED = [
    ("unconfigured", 1, "configure", "configuring", "inactive"),
    ("inactive", 2, "cleanup", "cleaningup", "unconfigured"),
    ("inactive", 3, "activate", "activating", "active"),
    ("active", 4, "deactivate", "deactivating", "inactive"),
    ("unconfigured", 5, "shutdown", "shuttingdown", "finalized"),
    ("inactive", 6, "shutdown", "shuttingdown", "finalized"),
    ("active", 7, "shutdown", "shuttingdown", "finalized"),
]
# Every id and label of lifecycle_msgs and rcl_lifecycle, and some that nobody has.
IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 20, 22, 30, 32, 40, 42, 50, 52, 60, 61, 62, 90, 97, 98, 99, 255)
LABELS = ("configure", "cleanup", "activate", "deactivate", "shutdown", "destroy", "create", "active_shutdown")
LABELS += ("transition_success", "transition_failure", "transition_error", "Activate", "nonsense")


@contextlib.contextmanager
def managed(**parameters):
    """A managed node, and who drives it."""
    with Node(parameters={"live.managed": True} | parameters, connect=False) as node:
        manager = Manager(node)
        manager.node = node
        yield manager


@pytest.fixture
def manager():
    with managed() as manager:
        yield manager


def logged(manager, *words):
    """The lines of the node's log with these words, once there is one: what it prints is read by a thread."""

    def lines():
        return [line for line in manager.node.process.lines if all(word in line for word in words)]

    return manager.peer.until(lines, f"the words {words} in the log")


def rewarded(peer):
    """Frames are published until one is rewarded, for the ends have to find each other: its step."""
    published = set()

    def valid():
        published.add(peer.publish_frame())
        peer.pump(0.1)
        return [step for step in peer.steps if step.valid and nanoseconds(step.header.stamp) in published]

    step = peer.until(valid, "a reward")[0]
    assert step.distance_m == pytest.approx(Frame().gap_m, abs=1e-4)
    return step


def assert_silent(peer, seconds=0.6):
    """Frames are published, and nothing comes of them on any topic."""
    peer.settle()
    peer.forget()
    for _ in range(5):
        peer.publish_frame()
        peer.pump(seconds / 5)
    peer.settle()
    assert not peer.steps and not peer.rewards and not peer.dones and not peer.truncations


def test_what_it_offers_is_what_a_lifecycle_node_of_ros_offers(manager):
    # given a lifecycle node of ROS's own
    peer = manager.peer
    other = LifecycleNode("reference", context=peer.context)
    peer._executor.add_node(other)
    try:
        reference = Manager(manager.node, "/reference")
        # then states, graph and transitions of ours are its, in the same order
        assert manager.states() == reference.states()
        assert manager.graph() == reference.graph()
        assert manager.available() == reference.available()

        # and so are the services' names and types, and the quality of the events
        def services(name):
            found = dict(peer.ros.get_service_names_and_types())
            return {service: found.get(f"/{name}/{service}") for service in SERVICES}

        assert all(services("reference").values())
        assert services("spatial_reward") == services("reference")

        def quality(name):
            topic = f"/{name}/transition_event"
            [publisher] = peer.ros.get_publishers_info_by_topic(topic)
            assert publisher.topic_type == "lifecycle_msgs/msg/TransitionEvent"
            return publisher.qos_profile.reliability, publisher.qos_profile.durability

        assert quality("spatial_reward") == quality("reference")
        assert quality("spatial_reward")[0] == QoSReliabilityPolicy.RELIABLE
    finally:
        peer._executor.remove_node(other)
        other.destroy_node()


@pytest.mark.parametrize("by", ["id", "label"])
def test_every_transition_but_the_last_leads_where_it_should(manager, by):
    # given a node that has just started, when it is told to do everything that it can undo, twice
    ways = {way[2]: way for way in ASKED if way[2] != "shutdown"}
    for label in ["configure", "activate", "deactivate", "activate", "deactivate", "cleanup"] * 2:
        start, transition, _, through, goal = ways[label]
        assert manager.state == start
        assert {(one[0], one[1]) for one in manager.available()} == {(w[1], w[2]) for w in ASKED if w[0] == start}
        asked = {"id": transition} if by == "id" else {"label": label}
        # then each succeeds, is told in two events, and leaves the node where it should
        assert manager.change(**asked), label
        assert manager.told(2) == [(start, through), (through, goal)]
        assert manager.state == goal


def test_an_event_says_which_transition_it_was_and_when(manager):
    manager.change(1)
    manager.peer.until(lambda: len(manager.events) == 2, "two events")
    begun, done = manager.events
    assert isinstance(begun, TransitionEvent)
    assert (begun.transition.id, begun.transition.label) == (1, "configure")
    assert (done.transition.id, done.transition.label) == (10, "transition_success")
    assert (begun.start_state.id, begun.goal_state.id, done.goal_state.id) == (1, 10, 2)
    now = manager.peer.ros.get_clock().now().nanoseconds
    assert 0 < begun.timestamp <= done.timestamp
    assert now - 60e9 < begun.timestamp < now + 1e9


@pytest.mark.parametrize("state", STATES)
def test_every_forbidden_transition_is_refused_and_changes_nothing(manager, state):
    manager.reach(state)
    allowed = {value for way in ASKED if way[0] == state for value in way[1:3]}
    # when whatever cannot be is asked for, by id, by label, and by a label beside an id that would do
    asked = [{"id": value} for value in IDS if value not in allowed]
    asked += [{"label": label} for label in LABELS if label not in allowed]
    asked += [{"id": value, "label": "nonsense"} for value in allowed if isinstance(value, int)]
    refused = [one for one in asked if not manager.change(**one)]
    # then each is refused, and the node is where it was, without an event
    assert refused == asked
    assert manager.state == state
    assert not manager.events
    manager.peer.until(lambda: len(logged(manager, "is refused", f"the node is {state}")) == len(asked), "the refusals")


def test_of_a_label_and_an_id_the_label_counts(manager):
    assert manager.change(id=3, label="configure")
    assert manager.state == "inactive"
    assert manager.change(id=1, label="activate")
    assert manager.state == "active"


@pytest.mark.parametrize("by", ["id", "label"])
@pytest.mark.parametrize("state", STATES[:3])
def test_a_shutdown_from_any_state_ends_in_finalized_and_a_signal_then_ends_the_process(manager, state, by):
    manager.reach(state)
    transition = {"unconfigured": 5, "inactive": 6, "active": 7}[state]
    if state == "active":
        rewarded(manager.peer)
    # when the node is shut down
    assert manager.change(**({"id": transition} if by == "id" else {"label": "shutdown"}))
    assert manager.told(2) == [(state, "shuttingdown"), ("shuttingdown", "finalized")]
    # then it still says where it is, as who shuts a system down wants to know, and does nothing
    assert manager.state == "finalized"
    assert manager.available() == []
    assert_silent(manager.peer)
    assert manager.peer.annotate(AnnotateStep.Request()).status == AnnotateStep.Response.NOT_ACTIVE
    # and ends well
    code, seconds = manager.node.stop(signal.SIGINT)
    assert code == 0 and seconds < 5, manager.node.process.log
    assert not manager.events


def test_a_node_hears_and_says_something_only_while_it_is_active(manager):
    peer = manager.peer
    assert_silent(peer)
    assert not any(peer.ros.count_subscribers(f"/{usual_topic(role)}") for role in INPUTS)
    assert manager.change(1)
    assert_silent(peer)
    assert not any(peer.ros.count_subscribers(f"/{usual_topic(role)}") for role in INPUTS)
    # when it is activated again and again
    episodes = []
    for _ in range(3):
        assert manager.change(3)
        episodes.append(rewarded(peer).episode_id)
        peer.until(peer.all_arrived, "each step on all its topics")
        peer.forget()
        # while frames are on their way through it, one of them without its boxes
        peer.publish_frame(inputs=("camera_info", "depth", "image"))
        for _ in range(20):
            peer.publish_frame()
        assert manager.change(4)
        # then the open episode is truncated, once, and no step comes after that
        peer.until(lambda: any(one.data for one in peer.truncations), "the truncation")
        peer.settle()
        assert [one.data for one in peer.truncations].count(True) == 1
        assert peer.truncations[-1].data
        assert_silent(peer)
    # and each time an episode of its own begins
    assert episodes == sorted(set(episodes)) and len(episodes) == 3
    # and each image that it received is in the books
    assert manager.change(3)
    rewarded(peer)
    peer.until(peer.all_arrived, "each step on all its topics")
    _, inputs = diagnosed(peer, "inputs")
    _, books = diagnosed(peer, "rewards")
    assert int(books["steps"]) == peer.steps.total
    counted = ("steps", "skipped", "between_episodes", "duplicates", "deactivated")
    assert int(inputs["image_received"]) == sum(int(books[name]) for name in counted)
    # and a node that is configured anew begins anew
    assert manager.change(4) and manager.change(2) and manager.change(1) and manager.change(3)
    peer.forget()
    assert rewarded(peer).episode_id == 0


def test_an_episode_without_a_step_is_not_truncated(manager):
    peer = manager.peer
    manager.reach("inactive")
    for _ in range(2):
        assert manager.change(3) and manager.change(4)
    assert_silent(peer)
    assert peer.truncations.total_true == 0


def test_inputs_are_given_up_in_inactive_and_none_are_left_behind(manager):
    peer = manager.peer
    topics = [f"/{usual_topic(role)}" for role in INPUTS]
    manager.reach("active")
    rewarded(peer)
    assert manager.change(4)

    # when messages come that nobody takes
    def given_up():
        peer.publish_frame()
        peer.pump(0.05)
        return not any(peer.ros.count_subscribers(topic) for topic in topics)

    # then ROS brings them to the node no more
    peer.until(given_up, "the subscriptions' end")
    # and topics on which nothing comes have one subscription however often the node is activated
    for _ in range(5):
        assert manager.change(3) and manager.change(4) and manager.change(2) and manager.change(1)
    assert manager.change(3)
    subscribers = lambda: [peer.ros.count_subscribers(topic) for topic in [*topics, "/task_prompt"]]  # noqa: E731
    peer.until(lambda: subscribers() == [1] * 6, "one subscription of each")
    peer.settle()
    assert subscribers() == [1] * 6
    assert rewarded(peer).valid


def test_calls_and_orders_are_answered_in_every_state(manager):
    peer = manager.peer
    ways_out = {"unconfigured": "configure", "inactive": "activate"}
    for state, transition in (("unconfigured", 1), ("inactive", 3)):
        # given a node that is not active, when it is asked to measure or to begin an episode
        response = peer.annotate(request_for(Frame()))
        # then it says that it does not, and what makes it
        assert response.status == AnnotateStep.Response.NOT_ACTIVE
        assert state in response.message and ways_out[state] in response.message
        assert not response.step.valid
        for order in (peer.start_episode(), peer.end_episode()):
            assert not order.success
            assert state in order.message and ways_out[state] in order.message
        assert manager.change(transition)
    assert peer.annotate(request_for(Frame())).status == AnnotateStep.Response.DONE
    assert peer.end_episode().success
    # An episode that was ended does not outlive the activation.
    assert manager.change(4) and manager.change(3)
    assert rewarded(peer).valid


def test_a_call_that_is_at_work_is_answered_when_the_node_is_deactivated(manager):
    peer = manager.peer
    manager.reach("active")
    client = peer.client("annotate_step")
    # given calls that take the estimator a while
    futures = [client.call_async(slow_request()) for _ in range(4)]
    peer.settle()
    assert manager.change(4)
    # then each has its answer: measured before, or not at all
    peer.until(lambda: all(future.done() for future in futures), "the answers")
    statuses = {future.result().status for future in futures}
    assert AnnotateStep.Response.NOT_ACTIVE in statuses
    assert statuses <= {AnnotateStep.Response.NOT_ACTIVE, AnnotateStep.Response.DONE}


def test_a_model_that_cannot_be_loaded_is_an_error_with_its_reason_and_may_be_corrected():
    # given a node with a model that is not there, which it does not look for yet
    with managed(**{"estimator.kind": "spatialrgpt", "model.path": "/nowhere/model"}) as manager:
        peer = manager.peer
        # when it is configured
        assert not manager.change(1)
        # then it goes through the processing of the error, and can be configured again
        assert manager.told(3) == [
            ("unconfigured", "configuring"),
            ("configuring", "errorprocessing"),
            ("errorprocessing", "unconfigured"),
        ]
        assert manager.state == "unconfigured"
        # and says why, in its log and in the diagnostics
        assert len(logged(manager, "configuring failed", "/nowhere/model")) == 1
        status, values = diagnosed(peer, "rewards")
        assert status.level == b"\x02" and "/nowhere/model" in status.message
        assert values["state"] == "unconfigured" and "/nowhere/model" in values["last_error"]
        # and with another model it works
        assert peer.set_parameters_atomically({"model.path": str(CHECKPOINT)}).successful
        assert manager.change(1), manager.node.process.log
        logged(manager, "ready to measure with spatialrgpt")
        status, values = diagnosed(peer, "rewards")
        assert (status.level, status.message, values["last_error"]) == (b"\x00", "inactive", "")
        assert manager.change(3)
        peer.until(lambda: (peer.publish_frame(), peer.pump(0.1), peer.steps)[-1], "a step of the model")
        # given one that is configured, then the model cannot be changed until it has cleaned up
        refusal = peer.set_parameters_atomically({"estimator.kind": "geometry"})
        assert not refusal.successful and "cleanup" in refusal.reason
        assert manager.change(4) and manager.change(2)
        assert peer.set_parameters_atomically({"estimator.kind": "geometry"}).successful
        assert manager.change(1) and manager.change(3)
        peer.forget()
        assert rewarded(peer).estimator == "geometry"


def test_a_topic_that_cannot_be_is_an_error_of_activate_with_its_reason():
    with managed(**{"topics.depth": "no topic"}) as manager:
        peer = manager.peer
        assert manager.change(1)
        manager.told(2)
        # when the node is to listen to a topic whose name ROS refuses
        assert not manager.change(3)
        # then that is an error like any other, and everything can begin anew
        assert [goal for _, goal in manager.told(3)] == ["activating", "errorprocessing", "unconfigured"]
        logged(manager, "activating failed", "no topic")
        [result] = peer.set_parameters({"topics.depth": "depth"})
        assert result.successful
        assert manager.change(1) and manager.change(3)
        assert rewarded(peer).valid


@pytest.fixture
def stalled_hub(monkeypatch, tmp_path):
    """A hub that takes a question for a model and does not answer, until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hub


FAR_MODEL = {"estimator.kind": "spatialrgpt", "model.path": "somebody/model"}


def test_while_a_model_is_loaded_the_node_answers_and_takes_no_other_transition(stalled_hub):
    with managed(**FAR_MODEL) as manager:
        # given a node that is loading its model
        future = manager.ask(1)
        assert manager.told(1) == [("unconfigured", "configuring")]
        # then it says so, lists what may come of it as ROS does, and lets nobody else declare that
        assert manager.state == "configuring"
        assert [one[0] for one in manager.available()] == [10, 11, 12]
        refused = [{"id": value} for value in IDS] + [{"label": label} for label in LABELS]
        assert not any(manager.change(**one) for one in refused)
        assert manager.peer.annotate(request_for(Frame())).status == AnnotateStep.Response.NOT_ACTIVE
        assert not manager.peer.start_episode().success
        assert manager.state == "configuring" and not future.done() and not manager.events
        # and who asked is answered once that has come to an end
        stalled_hub.close()
        manager.peer.until(future.done, "the end of the load")
        assert not future.result().success
        assert [goal for _, goal in manager.told(2)] == ["errorprocessing", "unconfigured"]
        logged(manager, "configuring failed", "somebody/model")


def test_a_signal_while_a_model_is_loaded_ends_the_node(stalled_hub):
    with managed(**FAR_MODEL) as manager:
        future = manager.ask(1)
        manager.told(1)
        code, seconds = manager.node.stop()
        assert code == 0 and seconds < 5, manager.node.process.log
        manager.peer.until(future.done, "an answer to who asked")
        assert not future.result().success


def test_a_signal_shuts_an_active_node_down_and_truncates_its_episode(manager):
    manager.reach("active")
    peer = manager.peer
    rewarded(peer)
    peer.until(peer.all_arrived, "each step on all its topics")
    peer.forget()
    code, seconds = manager.node.stop()
    assert code == 0 and seconds < 5, manager.node.process.log
    assert manager.told(2) == [("active", "shuttingdown"), ("shuttingdown", "finalized")]
    peer.until(lambda: any(one.data for one in peer.truncations), "the truncation")
    peer.pump(0.3)
    assert [one.data for one in peer.truncations].count(True) == 1


def test_a_managed_node_says_what_it_is_and_does_not_ask_for_inputs(manager):
    manager.reach("inactive")
    peer = manager.peer
    for part, words in (("rewards", "inactive"), ("inputs", "none is listened to")):
        status, _ = diagnosed(peer, part)
        assert (status.level, status.message) == (b"\x00", words)
    peer.pump(6)
    # and once it is active it waits as long as any node before it says what is missing
    assert manager.change(3)
    peer.pump(1.5)
    assert not [line for line in manager.node.process.lines if "waiting for the" in line]
    [described] = peer.describe_parameters(["live.managed"])
    assert described.read_only
    [refused] = peer.set_parameters({"live.managed": False})
    assert not refused.successful and "at start" in refused.reason


def test_a_node_that_is_not_managed_has_none_of_this(node):
    services = [name for name, _ in node.peer.ros.get_service_names_and_types()]
    assert not [name for name in services if name.rsplit("/", 1)[1] in SERVICES]
    assert node.peer.ros.count_publishers("/spatial_reward/transition_event") == 0
    _, values = diagnosed(node.peer, "rewards")
    assert "state" not in values
