"""What drives a managed node: a client of lifecycle_msgs' services, as launch, nav2 and `ros2 lifecycle` are one."""

import time

from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState

SERVICES = {
    "change_state": ChangeState,
    "get_state": GetState,
    "get_available_states": GetAvailableStates,
    "get_available_transitions": GetAvailableTransitions,
    "get_transition_graph": GetAvailableTransitions,
}


class Manager:
    """Clients of a node's lifecycle services, which are on its peer, and its transition events."""

    def __init__(self, node, private=None):
        self.peer = node.peer
        self.private = private or node.peer.private
        self.events = self.peer.collect(TransitionEvent, f"{self.private}/transition_event")
        self._clients = {
            name: self.peer.ros.create_client(service_type, f"{self.private}/{name}")
            for name, service_type in SERVICES.items()
        }
        self._connect()

    def _connect(self):
        """Wait until the node knows these clients: an answer to one whom it does not know yet is lost."""
        clients = self._clients.values()

        def found():
            return all(client.service_is_ready() for client in clients) and self.peer.ros.count_publishers(
                f"{self.private}/transition_event"
            )

        self.peer.until(found, "the lifecycle services")
        for client in clients:
            if client.srv_name.endswith("change_state"):
                continue
            asked = []

            def answered(client=client, asked=asked):
                if not asked or time.monotonic() - asked[-1][0] > 1:
                    asked.append((time.monotonic(), client.call_async(client.srv_type.Request())))
                return any(future.done() for _, future in asked)

            self.peer.until(answered, f"an answer of {client.srv_name}")

    def call(self, name, **request):
        client = self._clients[name]
        return self.peer.call(client, client.srv_type.Request(**request))

    def ask(self, id=0, label=""):
        """Ask for a transition, without waiting for the answer."""
        transition = Transition(id=id, label=label)
        return self._clients["change_state"].call_async(ChangeState.Request(transition=transition))

    def change(self, id=0, label=""):
        """Ask for a transition: whether it succeeded."""
        future = self.ask(id, label)
        self.peer.until(future.done, f"the answer to transition {label or id}")
        return future.result().success

    @property
    def state(self):
        return self.call("get_state").current_state.label

    def available(self):
        return transitions(self.call("get_available_transitions"))

    def graph(self):
        return transitions(self.call("get_transition_graph"))

    def states(self):
        return [(state.id, state.label) for state in self.call("get_available_states").available_states]

    def told(self, count):
        """The next events, as pairs of states, once there are so many."""
        self.peer.until(lambda: len(self.events) >= count, f"{count} transition events")
        events = [(event.start_state.label, event.goal_state.label) for event in self.events]
        self.events.clear()
        return events

    def reach(self, state):
        """Bring a node that was just started to a primary state."""
        ways = {"unconfigured": [], "inactive": [1], "active": [1, 3], "finalized": [5]}
        for transition in ways[state]:
            assert self.change(transition), transition
        self.told(2 * len(ways[state]))
        assert self.state == state


def transitions(response):
    return [
        (
            one.transition.id,
            one.transition.label,
            (one.start_state.id, one.start_state.label),
            (one.goal_state.id, one.goal_state.label),
        )
        for one in response.available_transitions
    ]
