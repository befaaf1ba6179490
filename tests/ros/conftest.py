"""Fixtures of the tests that run the live node against the real middleware.

They need a sourced ROS 2 with rclpy and this package's messages, and a program built with the feature
`ros`: SPATIAL_REWARD_BIN names it, else it is the `spatial-reward` on the PATH.
"""

import os
import subprocess
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader

from node import ENVIRONMENT, Domain, Node, program

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "data" / "fetch_approach"


@pytest.fixture(scope="session", autouse=True)
def domain_id():
    """A ROS domain of this run's own, in the environment of whatever the tests start."""
    domain = Domain()
    kept = os.environ.copy()
    os.environ |= ENVIRONMENT | {"ROS_DOMAIN_ID": str(domain.id)}
    yield domain.id
    os.environ.clear()
    os.environ.update(kept)
    domain.close()


@pytest.fixture
def node(domain_id):
    """A running node with the defaults, reliable streams, and a peer, in the domain of the environment."""
    with Node(parameters={}, domain_id=domain_id) as node:
        yield node


@pytest.fixture(scope="module")
def shared():
    """One running node for the tests of a file, which waits for a frame's inputs however long that takes."""
    with Node(parameters={"matching.wait_s": 30.0}) as node:
        yield node


@pytest.fixture
def peer(shared):
    """The shared node's peer, at the beginning of an episode."""
    shared.peer.fresh_episode()
    return shared.peer


@pytest.fixture(scope="session")
def sample_messages():
    """The sample bag: (topic, message type, CDR bytes) in the order they were logged."""
    with AnyReader([SAMPLE]) as bag:
        return [(connection.topic, connection.msgtype, data) for connection, _, data in bag.messages()]


@pytest.fixture(scope="session")
def label(tmp_path_factory):
    """Labels the sample bag as the node would, with the program under test: label(config) gives its StepRewards.

    They are read with rosbags, which shares no code with the program or with rclpy.
    """
    labels = {}

    def label(config=None):
        if config not in labels:
            out = tmp_path_factory.mktemp("sample") / "labelled"
            options = ["--config", config] if config else []
            command = [program(), "label", SAMPLE, "-o", out, "--as-live", *options]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            with AnyReader([out]) as bag:
                rewards = [c for c in bag.connections if c.topic == "/spatial_reward/step_reward"]
                labels[config] = [bag.deserialize(data, c.msgtype) for c, _, data in bag.messages(rewards)]
        return labels[config]

    return label
