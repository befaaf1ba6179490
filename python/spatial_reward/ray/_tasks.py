"""What a worker does with one recording or one dataset, and what comes of it. Nothing here knows of Ray.

On this machine's own file system a bag is labelled where it lies, into its output: there the program itself sees to it
that the output is whole and that one process at a time writes it. From and to other file systems it goes through a
folder of the machine that works on it.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spatial_reward import _native
from spatial_reward._errors import error
from spatial_reward.ray._places import LAST, Place, fetch, fetch_files, publish, state, table_of

Status = Literal["labelled", "no_valid_step", "made", "skipped", "failed", "unfinished"]
Error = _native.Error
T = TypeVar("T")

HELD_S = 10.0
"""How long an output may be held: a process that was killed gives it back within moments, another fleet does not."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording, dataset or part of one, by the path that the tables call it, and where its output goes."""

    path: str
    source: Place
    output: Place


@dataclass(slots=True)
class Outcome:
    """What became of a job: a row of the table of results, or of that of errors."""

    status: Status
    steps: int | None = None
    valid: int | None = None
    seconds: float | None = None
    advice: str | None = None
    loss: str | None = None
    kind: str = ""
    message: str = ""
    remedy: str | None = None
    again: bool = False
    """Another attempt may go well."""
    full: bool = False
    """There is no room where the worker writes: it can do nothing more."""


class Task(Protocol):
    """What workers do with jobs."""

    def begin(self, scratch: Path) -> None:
        """Lay out what each job needs, in a worker's folder."""

    def ready(self) -> None:
        """Load what each job needs; the folder of outputs is seen by then."""

    def __call__(self, job: Any, scratch: Path) -> Outcome:
        """Do a job in a folder of its own."""


REPLACING = {"output_exists", "other_settings", "output_refused", "other_run"}
"""Kinds of errors over an output that is there; a fleet replaces none."""
OTHER_FOLDER = "name another folder for the outputs, or remove this one"


def failed(problem: BaseException) -> Outcome:
    """What a job's exception becomes."""
    if isinstance(problem, Error):
        kind, message, remedy = problem.kind, problem.message, problem.remedy
    else:
        kind, message, remedy = type(problem).__name__, str(problem), None
    full = _is_full(problem, message)
    again = full or kind in {"storage", "output_held"}
    if full:
        remedy = "make room, then call this again: what is finished stays"
    elif kind in REPLACING:
        remedy = OTHER_FOLDER
    return Outcome("failed", kind=kind, message=message, remedy=remedy, again=again, full=full)


def _is_full(problem: BaseException, message: str) -> bool:
    if isinstance(problem, OSError) and problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    # The program's errors are words, and so are those of file systems under pyarrow.
    words = (f"os error {errno.ENOSPC})", f"os error {errno.EDQUOT})", "[errno 28]", "No space left on device")
    return any(word in message for word in words)


@dataclass
class BagTask:
    """Labels bags; `config` and `regions` are files' contents where they came as files, for workers elsewhere."""

    options: dict[str, Any]
    config: dict[str, Any] | bytes | None = None
    regions: bytes | None = None
    resume: bool = True
    _files: dict[str, Any] = field(default_factory=dict)

    def begin(self, scratch: Path) -> None:
        """Lay out what each bag needs in a worker's folder."""
        self._files = {"config": self.config, "regions": None}
        if isinstance(self.config, bytes):
            self._files["config"] = written(scratch / "config.yaml", self.config)
        if self.regions is not None:
            self._files["regions"] = written(scratch / "regions.yaml", self.regions)

    def ready(self) -> None:
        """Nothing is loaded: what a bag needs is loaded with it."""

    def check(self) -> None:
        """Raise what is wrong with the settings, before a million bags fail for it."""
        with tempfile.TemporaryDirectory(prefix="spatial_reward-") as folder:
            self.begin(Path(folder))
            self._probe(folder, {**self._files, "regions": None})
            self._probe(folder, self._files)

    def _probe(self, folder: str, files: dict[str, Any]) -> None:
        none, taken = Path(folder) / "no bag", Path(folder) / "taken"
        taken.mkdir(exist_ok=True)
        try:
            _native.label(none, taken, **self.options, **files)
        except Error as problem:
            # An output that exists is refused once the settings are read and before anything is opened; only with drawn
            # boxes their bag is opened before.
            if problem.kind != "output_exists" and problem.path != str(none):
                raise

    def __call__(self, job: Job, scratch: Path) -> Outcome:
        """Label a bag, unless that is done."""
        target = job.output.local
        if target is None:
            target = scratch / "out" / job.output.name
            finished = self._fetched_before(job, target)
        else:
            finished = (target / LAST).is_file() and (target / table_of(target.name)).is_file()
        bag = job.source.local
        if bag is None:
            # What is finished needs no bag, but for drawn boxes, which belong to certain pictures.
            needed = not finished or self.regions is not None
            bag = fetch(job.source, scratch / "in") if needed else scratch / "in" / job.source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        labelled = self._label(bag, target)
        if labelled is None:
            return _finished_before(target)
        if job.output.local is None:
            publish(target, job.output)
        told = labelled.to_dict()
        return Outcome(
            "labelled" if labelled.valid else "no_valid_step",
            labelled.steps,
            labelled.valid,
            labelled.seconds,
            labelled.advice,
            _loss_in_words(told["loss"]),
        )

    def _fetched_before(self, job: Job, target: Path) -> bool:
        """Whether an output elsewhere is finished; then what tells its settings is here."""
        found = state(job.output)
        if found == "foreign":
            words = f"{job.output.shown} exists and is no bag that this package labelled, so it is never replaced"
            raise error("output_refused", words, path=job.output.shown)
        if found != "finished":
            return False
        fetch_files(job.output, [LAST, table_of(target.name)], target)
        return True

    def _label(self, bag: Path, target: Path) -> _native.Labelled | None:
        exists: Literal["resume", "fail"] = "resume" if self.resume else "fail"
        try:
            return patiently(lambda: _native.label(bag, target, if_exists=exists, **self.options, **self._files))
        except Error as problem:
            if problem.kind == "finished_meanwhile":
                return None
            raise


def patiently(act: Callable[[], T]) -> T:
    """Act on an output, which another process may hold for a while."""
    given_up = time.monotonic() + HELD_S
    while True:
        try:
            return act()
        except Error as problem:  # noqa: PERF203 - an attempt is a whole bag
            if problem.kind != "output_held" or time.monotonic() > given_up:
                raise
            time.sleep(0.2)


def written(path: Path, contents: bytes) -> Path:
    """A file with these contents."""
    path.write_bytes(contents)
    return path


def _loss_in_words(loss: dict[str, Any] | None) -> str | None:
    if loss is None:
        return None
    lost = "messages lost: " + ("unknown" if loss["messages"] is None else str(loss["messages"]))
    return "; ".join([lost, *loss["findings"]])


def _finished_before(target: Path) -> Outcome:
    """The figures of an output that is there, from its table."""
    valid = pq.read_table(target / table_of(target.name), columns=["reward.spatial.valid"]).column(0)
    return Outcome("skipped", len(valid), pc.sum(pc.cast(valid, pa.int64())).as_py() or 0)


@dataclass
class DatasetTask:
    """Labels LeRobot datasets by `label(root, out, **options)`, which makes `out` whole or not at all."""

    label: Callable[..., Any]
    options: dict[str, Any]
    resume: bool = True

    def begin(self, scratch: Path) -> None:
        """Nothing is needed."""

    def ready(self) -> None:
        """Nothing is loaded."""

    def __call__(self, job: Job, scratch: Path) -> Outcome:
        """Label a dataset, unless its copy is there."""
        root, out = job.source.local, job.output.local
        if root is None or out is None:
            place = job.source if root is None else job.output
            words = f"{place.shown} is not on this machine's file system, and datasets are labelled where they lie"
            raise error("storage_unsupported", words, "mount it, or copy the dataset", place.shown)
        said = out.parent / ".options" / f"{out.name}.json"
        options = json.dumps(self.options, default=_as_json, sort_keys=True)
        if (out / "meta" / "info.json").is_file() and self.resume:
            # One that was labelled elsewhere says nothing.
            if said.exists() and said.read_text(encoding="utf-8") != options:
                raise error("other_settings", f"{out} was labelled with other options ({said})", path=str(out))
            return Outcome("skipped")
        said.parent.mkdir(parents=True, exist_ok=True)
        if not out.exists():
            said.write_text(options, encoding="utf-8")
        began = time.monotonic()
        # What is no folder may be the name of a hub's dataset.
        result = self.label(root if root.exists() else job.path, out, **self.options)
        steps, valid = getattr(result, "steps", None), getattr(result, "valid", None)
        status: Status = "no_valid_step" if valid == 0 else "labelled"
        return Outcome(status, steps, valid, time.monotonic() - began)


def _as_json(value: Any) -> Any:
    """Arrays and cameras among options, as what they are made of."""
    for name in ("tolist", "__getnewargs__"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)


def attempt(task: Task, job: Job, scratch: Path) -> Outcome:
    """Do a job in a folder of its own; whatever goes wrong is its outcome."""
    work = scratch / "job"
    try:
        work.mkdir()
        return task(job, work)
    except Exception as problem:
        if not isinstance(problem, Error):
            logging.getLogger("spatial_reward.ray").exception("%s", job.path)
        outcome = failed(problem)
        # Where it lay here, and is no more, helps nobody.
        for here, place in ((work / "in" / job.source.name, job.source), (work / "out" / job.output.name, job.output)):
            outcome.message = outcome.message.replace(str(here), place.shown)
        return outcome
    finally:
        shutil.rmtree(work, ignore_errors=True)
