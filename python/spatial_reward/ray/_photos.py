"""A data set of photos by a fleet: workers make its parts, 32 photos each, and the driver joins them.

The folder in which the program lets a data set grow is the memory of a run here, too: each part lies in it once it is
made, there whole or not at all, and the program's own joining makes the data set of all. So a run goes on where it was
ended, by a fleet or by the program, and its files are those that the program makes alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_reward import _native
from spatial_reward._errors import error
from spatial_reward.ray._fleet import Crew, log
from spatial_reward.ray._places import locate
from spatial_reward.ray._progress import Progress
from spatial_reward.ray._session import Wants
from spatial_reward.ray._tasks import OTHER_FOLDER, REPLACING, Error, Job, Outcome, patiently, written

AnyPath = str | os.PathLike[str]

LATE_S = 90.0
"""How long a file system may need until all machines see a file; NFS takes up to a minute."""
LOST_WORKERS = (
    "memory that runs out is the usual cause; if it is one photo's, an empty file in its place makes an error of that "
    "photo alone, and the same call goes on"
)


@dataclass(frozen=True, slots=True)
class PartJob(Job):
    """A part of the photos."""

    number: int
    photos: int


@dataclass
class PhotoTask:
    """Makes parts of a data set that the driver has begun; `config` is a file's contents where it came as a file."""

    photos: list[str]
    out: str
    options: dict[str, Any]
    config: dict[str, Any] | bytes | None = None
    _set: _native.PhotoSet | None = None

    def photo_set(self, scratch: Path, **more: Any) -> _native.PhotoSet:
        """The data set, as this process knows it."""
        config: Any = self.config
        if isinstance(config, bytes):
            config = written(scratch / "config.yaml", config)
        return _native.PhotoSet(self.photos, self.out, config=config, **self.options, **more)

    def begin(self, scratch: Path) -> None:
        """Read the settings."""
        self._set = self.photo_set(scratch)

    def ready(self) -> None:
        """Look whether the photos are seen from here, and load the networks that are named."""
        self._here().load()

    def __call__(self, job: PartJob, scratch: Path) -> Outcome:
        """Make a part, unless that is done."""
        began = time.monotonic()
        photos = self._here()
        made = patiently(lambda: photos.make(job.number))
        return Outcome("made", made["photos"], made["rows"], time.monotonic() - began)

    def _here(self) -> _native.PhotoSet:
        if self._set is None:
            raise error("not_begun", "a worker reads the settings before it makes parts")
        return self._set


@dataclass(frozen=True)
class PhotosReport:
    """What a fleet has made of photos."""

    folder: str
    """The data set; it is there if all of `counts` are `made` or `skipped`."""
    errors: str
    """A line for each photo that could not be used: photo, reason, file, why."""
    total: int
    """Photos."""
    counts: dict[str, int]
    """How many photos were `made` now, `skipped` as made before, `failed` with their part, are `unfinished`."""
    failures: list[dict[str, Any]]
    """Parts that could not be made: photos, kind, message, remedy, attempt (of how many)."""
    dataset: dict[str, Any] | None
    """What `dataset.json` says; None where the data set is not finished."""
    retried: int
    """How many parts took more than one attempt."""
    seconds: float
    stopped: str | None
    """Why the run ended before all was tried; None where it did not."""

    @property
    def complete(self) -> bool:
        """The data set is there."""
        return self.dataset is not None

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)
        words = f"{self.total} photos in {self.seconds:.0f} s: {counted or 'nothing to do'}"
        if self.dataset is not None:
            words += f"; {self.dataset['counts']['rows']} rows"
            if self.dataset["errors"]:
                words += f"; {self.dataset['errors']} could not be used, {self.errors} says why"
        for failure in self.failures[:1]:
            words += f"; {failure['photos']}: {failure['message']}"
        return f"{words}; stopped: {self.stopped}" if self.stopped else words


class _Told:
    """What becomes of the parts of a run, and what it came to."""

    def __init__(self, out: str, progress: bool | Callable[[int, int], object]) -> None:
        self.stopped: str | None = None
        self.shown = Progress(0, False)
        self._out = out
        self._progress = progress
        self._total = self._retried = 0
        self._counts = dict.fromkeys(("made", "skipped", "failed"), 0)
        self._failures: list[dict[str, Any]] = []

    def begin(self, total: int) -> None:
        """There are so many photos."""
        self._total = total
        self.shown = Progress(total, self._progress)

    def job(self, number: int, first: int, end: int) -> PartJob:
        """A part with these photos, which are counted from 0 there and from 1 here."""
        out = locate(self._out)
        return PartJob(f"photos {first + 1} to {end}", out, out, number, end - first)

    def skip(self, photos: int) -> None:
        """So many were made before."""
        self._total = max(self._total, photos)
        self._counts["skipped"] += photos
        if photos:
            self.shown.done("skipped", photos)

    def add(self, job: PartJob, outcome: Outcome, attempts: int) -> None:
        """What a part became."""
        self._retried += attempts > 1
        self._counts["failed" if outcome.status == "failed" else "made"] += job.photos
        self.shown.done(outcome.status, job.photos)
        if outcome.status == "failed":
            log.warning("%s are not done: %s", job.path, outcome.message)
            # Another list of photos would be another run.
            remedy = LOST_WORKERS if outcome.kind == "worker_died" else outcome.remedy
            words = {"kind": outcome.kind, "message": outcome.message, "remedy": remedy}
            self._failures.append({"photos": job.path, **words, "attempt": attempts})

    @property
    def is_all_made(self) -> bool:
        """No photo failed, and none is left."""
        return self._counts["made"] + self._counts["skipped"] == self._total

    def report(self, dataset: dict[str, Any] | None, seconds: float) -> PhotosReport:
        """What the run came to."""
        left = self._total - sum(self._counts.values())
        if dataset is None:
            log.error(
                "the data set is not finished: of %d photos %d failed and %d were not tried",
                self._total,
                self._counts["failed"],
                left,
            )
        errors = str(Path(self._out) / "errors.jsonl")
        counts = self._counts | {"unfinished": left}
        return PhotosReport(
            self._out, errors, self._total, counts, self._failures, dataset, self._retried, seconds, self.stopped
        )


def seen_here(path: AnyPath, why: str) -> str:
    """A path on a file system of this machine, whole, as workers elsewhere may have another current folder.

    Raises:
        Error: it is in a store.
    """
    place = locate(path)
    if place.local is None:
        words = f"{place.shown} is not on this machine's file system, and {why}"
        raise error("storage_unsupported", words, "mount it, or copy what is there", place.shown)
    return place.path


def run(
    task: PhotoTask,
    wants: Callable[[bool], Wants],
    resume: bool,
    progress: bool | Callable[[int, int], object],
    rephrasing: dict[str, Any],
) -> PhotosReport:
    """Have all parts made, and join them; `wants` tells what is asked of Ray with networks and without."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spatial_reward-") as folder:
        photos = task.photo_set(Path(folder), **rephrasing)
    told = _Told(task.out, progress)
    finished = _begun(photos, resume)
    if finished is not None:
        told.skip(finished["counts"]["frames"])
        return told.report(finished, time.monotonic() - began)
    try:
        told.begin(photos.photos)
        jobs = [told.job(*part) for part in photos.missing]
        told.skip(photos.photos - sum(job.photos for job in jobs))
        if jobs:
            parts = locate(photos.parts_folder)
            crew = Crew(task, parts, wants(photos.has_networks), None, told.shown, told.add)
            told.stopped = crew.work(jobs)
        dataset = photos.join() if told.is_all_made and _all_seen(photos) else None
        return told.report(dataset, time.monotonic() - began)
    finally:
        photos.close()


def _all_seen(photos: _native.PhotoSet) -> bool:
    """Whether all parts are there: a shared file system may show late what another machine has written."""
    given_up = time.monotonic() + LATE_S
    while photos.missing:
        if time.monotonic() > given_up:
            return False
        time.sleep(0.5)
    return True


def _begun(photos: _native.PhotoSet, resume: bool) -> dict[str, Any] | None:
    """Begin, or what came of it where it is finished."""
    try:
        return patiently(lambda: photos.begin(resume=resume))
    except Error as problem:
        if problem.kind not in REPLACING:
            raise
        raise error(problem.kind, problem.message, OTHER_FOLDER, problem.path) from None
