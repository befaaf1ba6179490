"""The node under fire: texts that are none, messages that are wrong, everybody calling at once, clocks that jump or
stand still, a pause, a second node of its name. Each alone; `scripts/soak` mixes them for longer.
"""

import signal

import pytest
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.qos import QoSProfile, qos_profile_services_default
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from abuse import MALFORMED, TEXTS, spoilt
from node import INPUTS, Node, NodeProcess, Simulator, diagnosed, parameter_messages
from scene import SECOND, Frame, nanoseconds, request_for
from spatial_reward.srv import AnnotateStep

# A step that waits for an input that does not come shall not hold a test up.
IMPATIENT = {"matching.wait_s": 0.2}


@pytest.fixture(scope="module")
def node():
    """One node for all that should not hurt it, with a debug view that somebody watches."""
    # An image whose header cannot be read has the time when it came, which is not to be wild among the others.
    with Node(parameters=IMPATIENT | {"live.debug_rate_hz": 60.0}, machine_time=True) as node:
        node.prompts = node.peer.publisher(String, "/task_prompt")
        node.peer.until(node.prompts.get_subscription_count, "the node to hear the task")
        node.debug_images = node.peer.collect(CompressedImage, f"{node.peer.private}/debug_image/compressed")
        yield node


def send(node, role, make, frame):
    """A frame of which one message is another: its stamp."""
    peer = node.peer
    stamp = peer.next_stamp()
    for input in INPUTS:
        peer.publish(input, make(frame, stamp) if input == role else peer.message(input, frame, stamp))
    if role == "task_prompt":
        node.prompts.publish(make(frame, stamp))
    return stamp


def drawn(node, condition=lambda image: True):
    """Publish frames until a debug image comes that meets the condition."""
    node.debug_images.clear()

    def came():
        node.peer.publish_frame()
        node.peer.pump(0.02)
        return [image for image in node.debug_images if condition(image)]

    return node.peer.until(came, "a debug image")[0]


CASES = [(role, what) for role, makers in MALFORMED.items() for what in makers]


@pytest.mark.parametrize(("role", "what"), CASES, ids=[f"{role} {what}" for role, what in CASES])
def test_what_nobody_should_send_costs_no_more_than_its_own_frame(role, what, node):
    peer, frame = node.peer, Frame()
    # when it comes in the place of a frame's own, and then a good frame
    send(node, role, MALFORMED[role][what], frame)
    stamp = peer.publish_frame(frame)
    # then that one is measured and shown, and diagnostics come
    step = peer.step_of(stamp)
    assert step.valid, step.reason
    assert step.distance_m == pytest.approx(frame.gap_m, abs=1e-4)
    drawn(node)
    peer.diagnostics.clear()
    peer.until(lambda: peer.diagnostics, "diagnostics")


def test_every_frame_of_those_is_in_the_books(node):
    # given frames of which one message each is cut, an image that comes late, and one between episodes
    peer = node.peer
    for role, makers in MALFORMED.items():
        for what in makers.keys() & {"that is cut", "that are cut", "with bytes that are no UTF-8"}:
            send(node, role, makers[what], Frame())
    early = peer.next_stamp()
    peer.step_for()
    peer.publish_frame(stamp=early, inputs=("image",))
    assert peer.end_episode().success
    peer.publish_frame(inputs=("image",))
    peer.settle()
    assert peer.start_episode().success
    peer.step_for()
    # then each image that came is a step, or counted by name
    peer.until(lambda: balance(peer)[0] == 0, "the books to balance")
    _, books = balance(peer)
    assert books["between_episodes"] == 1, books
    assert peer.steps.total == books["steps"]
    # and what was no message of its type is counted, too
    _, inputs = diagnosed(peer, "inputs")
    for name in ("camera_info", "target_box", "task_prompt"):
        assert int(inputs[f"{name}_unreadable"]) >= 1, inputs


def balance(peer):
    """Images that came and are neither steps nor counted by name; and the counts."""
    status = {}
    peer.diagnostics.clear()
    peer.until(lambda: len(peer.diagnostics) >= 2, "diagnostics")
    for one in peer.diagnostics[-1].status:
        status |= {value.key: value.value for value in one.values}
    names = ("steps", "skipped", "between_episodes", "duplicates", "image_unreadable", "image_before_clock")
    books = {name: int(status.get(name, 0)) for name in names}
    return int(status["image_received"]) - sum(books.values()), books


def test_a_task_with_zero_bytes_ended_the_node_at_the_next_diagnostics(node):
    node.prompts.publish(spoilt(String(data="touch @@@@ the red block"), b"\0\0\0\0"))

    def task():
        return diagnosed(node.peer, "inputs")[1].get("task", "")

    # It is shown with what stands for a character that cannot be.
    node.peer.until(lambda: task() == "touch \ufffd\ufffd\ufffd\ufffd the red block", "the task")
    node.peer.until(lambda: "zero byte" in node.process.log, "a word about it")


def test_a_frame_id_with_zero_bytes_ended_the_debug_views_thread_in_silence(node):
    peer = node.peer
    make = TEXTS["zero bytes"]["image"]["of a coordinate frame with zero bytes"]
    # given frames whose coordinate frame has them
    node.debug_images.clear()

    def shown():
        stamp = send(node, "image", make, Frame())
        assert peer.step_of(stamp).header.frame_id == "camera\ufffd\ufffd\ufffd\ufffdframe"
        return node.debug_images

    # then they are drawn, and so is every other
    image = peer.until(shown, "a debug image")[0]
    assert image.header.frame_id == "camera\ufffd\ufffd\ufffd\ufffdframe"
    drawn(node, lambda image: image.header.frame_id == "camera_color_optical_frame")


def test_a_task_of_megabytes_is_not_repeated_every_second(node):
    node.prompts.publish(String(data="touch the red block " * 200_000))

    def task():
        return diagnosed(node.peer, "inputs")[1].get("task", "")

    shown = node.peer.until(lambda: "more bytes" in task() and task(), "the task")
    assert shown.startswith("touch the red block touch") and len(shown) < 5_000


# Bursts of calls

BURST = 200
REQUESTS = {
    "get_parameters": (GetParameters, GetParameters.Request(names=["reward.kind"])),
    "list_parameters": (ListParameters, ListParameters.Request()),
    "describe_parameters": (DescribeParameters, DescribeParameters.Request(names=["reward.kind"])),
    "set_parameters": (
        SetParameters,
        SetParameters.Request(parameters=parameter_messages({"reward.kind": "tanh"})),
    ),
}


DEEP = QoSProfile(depth=1000)


def callers(peer, service_type, service, count, quality=DEEP):
    """So many clients, which keep all that they ask and are answered unless told otherwise."""
    clients = [
        peer.ros.create_client(service_type, f"{peer.private}/{service}", qos_profile=quality) for _ in range(count)
    ]
    peer.until(lambda: all(client.service_is_ready() for client in clients), "the service")
    # The node has to know them, too, or their answers are lost.
    peer.connect()
    return clients


@pytest.mark.parametrize("service", REQUESTS)
@pytest.mark.parametrize("count", [1, 20], ids=["one caller", "twenty callers"])
def test_ten_of_two_hundred_requests_about_parameters_were_answered(count, service, node):
    peer = node.peer
    service_type, request = REQUESTS[service]
    clients = callers(peer, service_type, service, count)
    try:
        # when two hundred come at the same moment, while frames do
        futures = [client.call_async(request) for client in clients for _ in range(BURST // count)]
        peer.publish_frame()
        # then each is answered
        peer.until(lambda: all(future.done() for future in futures), "two hundred answers")
        if service == "set_parameters":
            assert all(result.successful for future in futures for result in future.result().results)
    finally:
        for client in clients:
            peer.ros.destroy_client(client)


def test_a_client_with_room_for_ten_answers_has_all_two_hundred(node):
    """As ROS makes clients: the answers must not come faster than it reads."""
    peer = node.peer
    service_type, request = REQUESTS["get_parameters"]
    [client] = callers(peer, service_type, "get_parameters", 1, qos_profile_services_default)
    try:
        futures = [client.call_async(request) for _ in range(BURST)]
        peer.until(lambda: all(future.done() for future in futures), "two hundred answers")
    finally:
        peer.ros.destroy_client(client)


def test_forty_five_of_sixty_four_callers_were_answered(node):
    peer = node.peer
    clients = callers(peer, AnnotateStep, "annotate_step", 64)
    try:
        # when 64 environments ask at the same moment
        frames = [Frame(gap_px=10 + index % 30) for index in range(64)]
        futures = [
            client.call_async(request_for(frame, series=f"environment_{index}"))
            for index, (client, frame) in enumerate(zip(clients, frames, strict=True))
        ]
        peer.until(lambda: all(future.done() for future in futures), "64 answers")
        # then each hears its distance, or that the node is busy
        responses = [future.result() for future in futures]
        busy = [response for response in responses if response.status == AnnotateStep.Response.BUSY]
        done = [
            (response, frame)
            for response, frame in zip(responses, frames, strict=True)
            if response.status == AnnotateStep.Response.DONE
        ]
        assert len(done) + len(busy) == 64 and len(done) >= 8, (len(done), len(busy))
        for response, frame in done:
            assert response.step.distance_m == pytest.approx(frame.gap_m, abs=1e-4)
    finally:
        for client in clients:
            peer.ros.destroy_client(client)


# Clocks

WITHOUT_DEPTH = ("camera_info", "fingertip", "target", "image")


@pytest.fixture
def simulated():
    """A node that lives by the clock of a simulator, which stands at 50 s, and has measured a frame."""
    # What was waited for may be given up all at once; none is skipped for that.
    with Node(parameters=IMPATIENT | {"use_sim_time": True, "live.queue_frames": 1000}) as node:
        node.simulator = Simulator(node.peer, 50)
        assert node.peer.step_for().valid
        yield node


def assert_waits_end(node):
    """A frame that waits for its depth is given up when the simulator's clock has gone on."""
    peer = node.peer
    stamp = peer.publish_frame(inputs=WITHOUT_DEPTH)
    peer.settle()
    node.simulator.set(node.simulator.now + SECOND)
    assert peer.step_of(stamp).reason == "no_depth"
    assert peer.step_for().valid


@pytest.mark.parametrize(
    "wild", [-5 * SECOND, -(2**31) * SECOND, 2**31 * SECOND - 1, 0], ids=lambda nanos: f"{nanos} ns"
)
def test_one_negative_clock_message_stopped_waiting_for_good(wild, simulated):
    # given a clock that shows something else for a moment
    right = simulated.simulator.now
    simulated.simulator.set(wild)
    simulated.simulator.set(right)
    # then frames are waited for as before
    assert_waits_end(simulated)


def test_a_clock_that_is_set_to_and_fro_does_not_stop_waiting(simulated):
    right = simulated.simulator.now
    for wild in [2**31 * SECOND - 1, -(2**31) * SECOND] * 3:
        simulated.simulator.set(wild)
    simulated.simulator.set(right)
    assert_waits_end(simulated)


def test_frames_waited_for_good_where_the_clock_stands_still(simulated):
    peer = simulated.peer
    peer.forget()
    # given a clock that stands still, while a camera without depth goes on
    sent = []

    def step():
        sent.append(peer.publish_frame(inputs=WITHOUT_DEPTH))
        peer.pump(1 / 30)
        return len(peer.steps) >= 10

    # then its frames are given up
    peer.until(step, "steps")
    assert {one.reason for one in peer.steps} == {"no_depth"}
    assert [nanoseconds(one.header.stamp) for one in peer.steps] == sent[: len(peer.steps)]
    print(f"{len(sent)} frames until the tenth step")
    # and when it moves again, everything is as it was
    simulated.simulator.set(simulated.simulator.now + SECOND)
    peer.until(lambda: len(peer.steps) == len(sent), "the other steps")
    assert_waits_end(simulated)


def test_frames_before_the_clocks_first_message_are_counted():
    with Node(parameters={"use_sim_time": True}) as node:
        peer = node.peer
        for _ in range(3):
            peer.publish_frame()
        peer.settle()
        missing, books = balance(peer)
        assert (missing, books["image_before_clock"], books["steps"]) == (0, 3, 0)


# Pauses

PAUSE_FRAMES = 300


def paused(node):
    """Frames of ten seconds that are sent while the node is stopped: their stamps, once the last has its step."""
    peer = node.peer
    assert peer.step_for().valid
    peer.forget()
    node.process.send(signal.SIGSTOP)
    try:
        sent = []
        for _ in range(PAUSE_FRAMES):
            sent.append(peer.publish_frame())
            peer.pump(0.005)
    finally:
        node.process.send(signal.SIGCONT)
    peer.step_of(sent[-1])
    peer.settle()
    return sent


def test_reliable_inputs_lost_what_came_in_a_pause():
    # given a node that may keep everything, for the estimator too
    with Node(parameters={"live.queue_frames": 1000, "matching.wait_s": 60.0}) as node:
        sent = paused(node)
        # then each frame has its step
        assert [nanoseconds(step.header.stamp) for step in node.peer.steps] == sent
        assert all(step.valid for step in node.peer.steps)


def test_a_short_history_keeps_the_newest_of_a_pause():
    with Node(parameters={"live.history": 10, "live.queue_frames": 1000, "matching.wait_s": 1.0}) as node:
        sent = paused(node)
        stamps = [nanoseconds(step.header.stamp) for step in node.peer.steps]
        # then some are lost before the node sees them, and what it saw is in its books
        assert 1 <= len(stamps) < PAUSE_FRAMES and stamps == sorted(stamps)
        assert stamps[-1] == sent[-1]
        missing, books = balance(node.peer)
        assert missing == 0, books


# A second node


def warnings(process):
    return [line for line in process.lines if "another node is called" in line]


def test_two_nodes_of_one_name_are_told():
    with Node(parameters={}) as node:
        peer = node.peer
        others = []

        def start(*arguments):
            others.append(NodeProcess(arguments, node.domain_id))
            peer.processes.append(others[-1])
            return others[-1]

        try:
            # given a node of another name, and one of the same in another namespace
            named = start("--ros-args", "-r", "__node:=judge")
            elsewhere = start("--ros-args", "-r", "__ns:=/left")
            peer.until(lambda: peer.ros.count_publishers("/parameter_events") >= 4, "all of them")
            assert diagnosed(peer, "rewards")[1]["nodes_of_this_name"] == "1"
            assert not warnings(node.process)
            # when one of the same name begins
            twin = start()
            # then both say so, and what to do
            peer.until(lambda: warnings(node.process) and warnings(twin), "a warning of both")
            assert "/spatial_reward" in warnings(twin)[0] and "__node" in warnings(twin)[0]
            assert not warnings(named) and not warnings(elsewhere)
            peer.pump(3)
            assert len(warnings(node.process)) == 1
            # and again when it has gone and comes back
            peer.processes.remove(twin)
            assert twin.stop()[0] == 0
            peer.until(lambda: alone(peer), "the other to be forgotten")
            back = start()
            # (its own log tells whether it was there at all)
            peer.until(lambda: warnings(back), "a warning of the one that came back")
            peer.until(lambda: len(warnings(node.process)) == 2, "another warning")
        finally:
            peer.processes = [node.process]
            for process in others:
                process.kill()


def alone(peer):
    return diagnosed(peer, "rewards")[1]["nodes_of_this_name"] == "1"
