"""The Ray that a fleet runs on: one that is there, a cluster's, or one that is begun here and ended afterwards."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import yaml

from spatial_reward._errors import error
from spatial_reward.ray._places import Place

OBJECT_STORE_BYTES = 80 << 20
"""Of a Ray that is begun here; next to nothing goes through it, and Ray takes no less than 75 MiB."""

KNOCK_S = 10.0


@dataclass(frozen=True)
class Wants:
    """What a run asks of Ray."""

    actors: int | None
    num_cpus: int
    num_gpus: float
    address: str | None


def estimator_of(estimator: str | None, config: dict[str, Any] | bytes | None) -> str:
    """Who measures, as the program understands argument and settings, which are known to be right."""
    if estimator is not None:
        return estimator
    settings = yaml.safe_load(config) if isinstance(config, bytes) else config
    kind = ((settings or {}).get("estimator") or {}).get("kind")
    return kind or "geometry"


def free() -> dict[str, float]:
    """What of the cluster nobody has."""
    return _resources("available_resources")


def _resources(of: str) -> dict[str, float]:
    # Ray says nothing of their types.
    found: dict[str, float] = getattr(ray, of)()
    return found


@contextmanager
def session(wants: Wants, jobs: int) -> Iterator[int]:
    """A Ray to run on, as long as it is needed: how many workers it is to have.

    Raises:
        Error: no cluster at the address, GPUs that are not there, numbers that are none.
    """
    if (wants.actors is not None and wants.actors < 1) or wants.num_cpus < 1 or wants.num_gpus < 0:
        words = f"actors={wants.actors}, num_cpus={wants.num_cpus}, num_gpus={wants.num_gpus}"
        raise error("config", f"{words}: a fleet needs a worker and a processor for each")
    ours = not ray.is_initialized()
    address = wants.address or os.environ.get("RAY_ADDRESS")
    if ours:
        _begin(wants, address)
    try:
        there = _resources("cluster_resources")
        gpus = there.get("GPU", 0.0)
        if gpus < wants.num_gpus and address is None and ours:
            raise error(
                "no_gpu",
                f"a worker is to have {wants.num_gpus:g} GPU, and this machine has {gpus:g}",
                "num_gpus=0 runs the model on the processor, address='...' on a cluster",
            )
        fitting = there.get("CPU", 1.0) / wants.num_cpus
        if wants.num_gpus:
            fitting = min(fitting, gpus / wants.num_gpus)
        yield min(wants.actors or max(1, int(fitting)), max(1, jobs))
    finally:
        if ours:
            ray.shutdown()


def _begin(wants: Wants, address: str | None) -> None:
    try:
        if address is not None:
            _reach(address)
            ray.init(address=address)
            return
        # More workers than processors are no mistake where storage is what they wait for.
        asked = math.ceil((wants.actors or 0) * wants.num_cpus)
        cpus = max(asked, len(os.sched_getaffinity(0)))
        ray.init(num_cpus=cpus, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as problem:
        where = "on this machine" if address is None else f"at {address}"
        remedy = (
            None if address is None else "'ray start --head' begins one there; without an address it is this machine"
        )
        raise error("ray", f"there is no Ray {where}: {problem}", remedy, address) from problem


def _reach(address: str) -> None:
    """Knock where Ray should be, which itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def token(closing: ExitStack, out: Place) -> Place | None:
    """A file beside the outputs, by which a worker tells that it sees them; None where they are in a store."""
    local = out.local
    if local is None:
        return None
    name = f".fleet-{socket.gethostname()}-"
    seen = out.child(f"{name}{os.getpid()}")
    path = Path(seen.path)
    try:
        local.mkdir(parents=True, exist_ok=True)
        for left in local.glob(f"{name}*"):
            # Of a driver on this machine that was killed.
            if not Path("/proc", left.name.removeprefix(name)).exists():
                left.unlink(missing_ok=True)
        path.touch()
    except OSError as problem:
        words = f"cannot write to {out.shown}: {problem.strerror}"
        raise error("output", words, "name another folder for the outputs", out.shown) from problem
    closing.callback(path.unlink, missing_ok=True)
    return seen
