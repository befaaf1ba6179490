"""A pool of Ray actors and the loop that gives them work: one job a worker at a time, so that whatever happens to a
worker is known to be about one job.

Actors and not Ray Data: a stream of blocks tries a block again that killed its worker until the whole run fails, or
drops it without a name, and its rows travel through the object store. Here a job that kills three workers is a row in
the table of errors, nothing but its few figures travels, and a job costs the driver a millisecond.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import ray
from ray.exceptions import RayError, RayTaskError

from spatial_reward._errors import error
from spatial_reward.ray import _session
from spatial_reward.ray._places import Place
from spatial_reward.ray._progress import Progress
from spatial_reward.ray._tasks import Job, Outcome, Task, attempt, failed

ATTEMPTS = 3
"""How often a job is tried that dies with its worker, or meets storage that fails."""
WAIT_S = 1.0
TELL_S = 60.0
CLOSE_S = 5.0

log = logging.getLogger("spatial_reward.ray")


class Worker:
    """An actor: a process with a task and a folder of its own, which the next worker here removes if this is killed."""

    def __init__(self, task: Task, scratch: str | None, seen: Place | None) -> None:
        self._task = task
        self._seen = seen
        root = Path(scratch or tempfile.gettempdir()) / f"spatial_reward-fleet-{os.getuid()}"
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        self._scratch = Path(tempfile.mkdtemp(dir=root))
        self._lock = _locked(self._scratch)
        task.begin(self._scratch)

    def check(self) -> dict[str, Any]:
        """Who this is, and whether it sees the folder of outputs; then it is ready."""
        seen = self._seen is None or (self._seen.local or Path()).exists()
        if seen:
            self._task.ready()
        return {"pid": os.getpid(), "node": socket.gethostname(), "seen": seen}

    def do(self, job: Job) -> Outcome:
        """Do a job."""
        return attempt(self._task, job, self._scratch)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._scratch, ignore_errors=True)


def _locked(folder: Path) -> TextIO | None:
    """A lock on the folder as long as the process lives; None where another has it."""
    file = (folder / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _sweep(root: Path) -> None:
    """Remove what killed workers have left."""
    for folder in root.iterdir():
        # One that has no lock yet was made by a worker that is about to take it.
        if (folder / ".lock").exists() and (lock := _locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


@dataclass
class Crew:
    """Who works on which task, and who hears of it."""

    task: Task
    seen_in: Place
    """A folder that all workers have to see."""
    wants: _session.Wants
    scratch: str | None
    progress: Progress
    told: Callable[[Any, Outcome, int], None]
    """Hears of each job's end once; progress is another's."""
    tick: Callable[[], None] = lambda: None
    """Hears of time passing."""
    ended: Callable[[], None] = lambda: None
    """Whatever ends a run that was begun, this is called then."""

    def work(self, jobs: Sequence[Job]) -> str | None:
        """Do jobs on a Ray that is there or is begun for it; why that ended before all was tried, where it did.

        Raises:
            Error: no cluster at the address, no worker starts, or they do not see the folder.
        """
        with ExitStack() as closing:
            seen = _session.token(closing, self.seen_in)
            size = closing.enter_context(_session.session(self.wants, len(jobs)))
            shown = closing.enter_context(self.progress)
            actor = ray.remote(Worker).options(
                num_cpus=self.wants.num_cpus,
                num_gpus=self.wants.num_gpus,
                max_restarts=0,
                scheduling_strategy="SPREAD",
            )

            def tick(busy: int) -> None:
                shown.tick(busy)
                self.tick()

            fleet = Fleet(lambda: actor.remote(self.task, self.scratch, seen), size, self.told, tick)
            try:
                fleet.run(jobs)
            finally:
                self.ended()
            return fleet.stopped


@dataclass
class Fleet:
    """Runs jobs on actors; `told` hears of each job's end once, `tick` of time passing."""

    start: Callable[[], Any]
    """Begins an actor of `Worker`."""
    size: int
    told: Callable[[Any, Outcome, int], None]
    tick: Callable[[int], None]
    stopped: str | None = None
    _pending: deque[tuple[Job, int]] = field(default_factory=deque)
    _idle: list[Any] = field(default_factory=list)
    _beginning: dict[Any, Any] = field(default_factory=dict)
    _busy: dict[Any, tuple[Any, Job, int]] = field(default_factory=dict)
    _failures: dict[str, Outcome] = field(default_factory=dict)
    _lost_at_once: int = 0

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all jobs, or as many as there are workers for.

        Raises:
            Error: no worker starts, or they do not see the outputs.
        """
        self._pending.extend((job, 1) for job in jobs)
        for _ in range(min(self.size, len(jobs))):
            self._begin()
        waiting_since = time.monotonic()
        try:
            while self._pending or self._busy:
                while self._pending and self._idle:
                    self._give(self._idle.pop())
                refs = [*self._busy, *self._beginning]
                if not refs:
                    self._give_up()
                    return
                ready, _ = ray.wait(refs, num_returns=1, timeout=WAIT_S)
                for ref in ready:
                    self._begun(ref) if ref in self._beginning else self._done(ref)
                self.tick(len(self._busy))
                if self._busy or ready:
                    waiting_since = time.monotonic()
                elif time.monotonic() - waiting_since > TELL_S:
                    waiting_since = time.monotonic()
                    log.warning("no worker has started yet: the cluster has free %s", _session.free())
        finally:
            self._end()

    def _begin(self) -> None:
        worker = self.start()
        self._beginning[worker.check.remote()] = worker

    def _begun(self, ref: Any) -> None:
        worker = self._beginning.pop(ref)
        try:
            found = ray.get(ref)
        except RayError as problem:
            self._lost_at_once += 1
            if self._lost_at_once >= ATTEMPTS:
                # What a worker says of itself is at the end of Ray's long words.
                raise error("worker", f"workers do not start: {problem}") from problem
            log.warning("a worker did not start, another one is tried: %s", _short(problem))
            self._begin()
            return
        if not found["seen"]:
            words = f"{found['node']} does not see the folder of outputs, which is on another machine's file system"
            remedy = "name a folder that all machines mount, or a URI such as s3://bucket/folder"
            raise error("out_not_shared", words, remedy)
        self._lost_at_once = 0
        log.info("a worker is process %d on %s", found["pid"], found["node"])
        self._idle.append(worker)

    def _give(self, worker: Any) -> None:
        job, number = self._pending.popleft()
        self._busy[worker.do.remote(job)] = (worker, job, number)

    def _done(self, ref: Any) -> None:
        worker, job, number = self._busy.pop(ref)
        try:
            outcome = ray.get(ref)
        except RayTaskError as problem:
            outcome = failed(problem)
        except RayError as problem:
            words = f"the worker died {number} times over it" if number > 1 else "the worker died over it"
            outcome = Outcome(
                "failed",
                kind="worker_died",
                message=f"{words}: {_short(problem)}",
                remedy="label it alone to see what it does; memory that runs out is the usual cause",
                again=True,
            )
            log.warning("%s: %s", job.path, outcome.message)
            self._begin()
        else:
            if outcome.full:
                # It would fail with every further job; another worker may be on another disk.
                log.error("%s: %s; this worker is given no more work", job.path, outcome.message)
                ray.kill(worker)
            else:
                self._idle.append(worker)
        if outcome.again and number < ATTEMPTS:
            self._failures[job.path] = outcome
            self._pending.append((job, number + 1))
        else:
            self.told(job, outcome, number)

    def _give_up(self) -> None:
        """There is no worker left: what was tried has failed, the rest stays as it is."""
        self.stopped = "every worker's disk is full"
        for job, number in self._pending:
            if number > 1:
                self.told(job, self._failures[job.path], number - 1)

    def _end(self) -> None:
        closing = [worker.close.remote() for worker in self._idle]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_S)
        others = [worker for worker, _, _ in self._busy.values()]
        for worker in [*others, *self._beginning.values()]:
            ray.kill(worker)


def _short(problem: BaseException) -> str:
    """What Ray says of a death, without its advice."""
    lines = [line for line in str(problem).splitlines() if line and not line.startswith("\t")]
    words = " ".join(lines[-1:]) or type(problem).__name__
    return words.split(" Some common causes")[0]
