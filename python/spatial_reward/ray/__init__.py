"""Label many recordings, or ask about many photos, on many processors: on this machine or on a Ray cluster.

    import spatial_reward.ray as fleet
    report = fleet.label_bags("recordings", "labelled")     # on all processors of this machine
    report = fleet.label_bags("s3://bucket/recordings", "s3://bucket/labelled", address="auto")
    print(report)

Each recording becomes a folder of `out`, as `spatial_reward.label` makes it, under the name that
`spatial-reward label BAG... -o OUT` gives it. What is finished is not done again: the outputs that are there are the
memory of a run, so one that was killed goes on where it was, and the two ways can be mixed. A recording that cannot be
labelled is a row of `out/errors.parquet`; `out/bags.parquet` has a row for each.

    report = fleet.photo_dataset("photos", "rooms")         # as `spatial-reward dataset photos -o rooms`
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from spatial_reward._errors import error

try:
    import pyarrow  # noqa: F401
    import ray  # noqa: F401
except ImportError as missing:
    raise error(
        "missing_package", f"spatial_reward.ray needs {missing.name}", "pip install spatial-reward[ray]"
    ) from missing

from spatial_reward.ray import _photos
from spatial_reward.ray._discover import AnyPath, Paths, bag_jobs, dataset_jobs
from spatial_reward.ray._fleet import Crew, log
from spatial_reward.ray._photos import PhotosReport
from spatial_reward.ray._places import Place, as_pyarrow, locate
from spatial_reward.ray._progress import Progress
from spatial_reward.ray._session import Wants, estimator_of
from spatial_reward.ray._tables import Report, Tables
from spatial_reward.ray._tasks import BagTask, DatasetTask, Job, Outcome

__all__ = ["PhotosReport", "Report", "label_bags", "label_lerobot", "photo_dataset"]

WRITE_S = 300.0
"""How often the tables are written while a run lasts: what a killed driver loses of them, the next run makes anew."""


def label_bags(
    paths: Paths,
    out: AnyPath,
    *,
    actors: int | None = None,
    config: dict[str, Any] | AnyPath | None = None,
    reward: str | None = None,
    distance: str | None = None,
    estimator: str | None = None,
    fingertip: Any = None,
    target: Any = None,
    regions: AnyPath | None = None,
    num_cpus: int = 1,
    num_gpus: float | None = None,
    resume: bool = True,
    address: str | None = None,
    filesystem: Any = None,
    scratch: AnyPath | None = None,
    progress: bool | Callable[[int, int], object] = True,
) -> Report:
    """Label recordings, each into a folder of `out` that is there whole or not at all.

    Args:
        paths: bags, bag files and folders of them, here or as URIs (`s3://`, `gs://`, `hdfs://`, what fsspec knows); or
            `{path: name of its output}`. Folders are searched two levels deep, and outputs in them are passed over.
        out: the folder of outputs, here or as a URI. On a cluster, one that all machines see.
        actors: how many workers; as many as there are processors, or GPUs where each has one.
        config: settings as `spatial_reward.label` takes them; so are `reward`, `distance`, `estimator`, `fingertip`,
            `target` and `regions`. A file is read here and sent along.
        num_cpus: processors a worker, and threads with which it labels.
        num_gpus: GPUs a worker; one where the estimator is a model, none for geometry.
        resume: keep what is finished with the same settings; else an output that exists is an error of its recording.
        address: of a Ray cluster; without it, `RAY_ADDRESS` or this machine. A Ray that runs in this process is used as
            it is.
        filesystem: of pyarrow or fsspec, for paths and outputs that are given without a scheme.
        scratch: a folder on each machine for recordings from elsewhere while they are worked on: one recording with its
            output a worker. The temporary folder of the system otherwise.
        progress: a line on standard error, or a function that is called with how many are done and how many there are.

    Returns:
        What the run came to. Recordings that fail do not raise: `report.complete` and the table of errors tell.

    Raises:
        Error: settings that are none, a path without a bag, two bags for one output, no cluster at the address.
    """
    store = None if filesystem is None else as_pyarrow(filesystem)
    options = {"reward": reward, "distance": distance, "estimator": estimator, "fingertip": fingertip, "target": target}
    sent = config if config is None or isinstance(config, dict) else _contents(config)
    task = BagTask(
        {name: value for name, value in options.items() if value is not None} | {"jobs": num_cpus},
        sent,
        None if regions is None else _contents(regions),
        resume,
    )
    task.check()
    place = locate(out, store)
    jobs = bag_jobs(paths, place, store)
    model = estimator_of(estimator, sent) != "geometry"
    wants = Wants(actors, num_cpus, float(model) if num_gpus is None else num_gpus, address)
    return _Run(task, jobs, place, "bags.parquet", scratch, progress).on(wants)


def label_lerobot(
    roots: AnyPath | Iterable[AnyPath] | Mapping[str, str],
    out: AnyPath,
    *,
    actors: int | None = None,
    num_cpus: int = 1,
    num_gpus: float = 0,
    resume: bool = True,
    address: str | None = None,
    progress: bool | Callable[[int, int], object] = True,
    label: Callable[..., Any] | None = None,
    **options: Any,
) -> Report:
    """Label LeRobot datasets, each into a folder of `out` that is called as the dataset.

    A dataset is one worker's work: its videos, tables and statistics belong together. Datasets and `out` are folders of
    a file system that all workers see. The table of results is `out/datasets.parquet`.

    Args:
        roots: folders of datasets, or `{folder: name of its output}`.
        label: what labels one, called with the dataset's folder, a folder to make, and the options; the package's own
            `spatial_reward.lerobot.label_dataset` otherwise. It has to be importable where the workers are.
        options: for `label`.

    The others, what is returned and what is raised are as for `label_bags`.
    """
    place = locate(out)
    wants = Wants(actors, num_cpus, num_gpus, address)
    task = DatasetTask(label or _label_dataset(), options, resume)
    run = _Run(task, dataset_jobs(roots, place), place, "datasets.parquet", None, progress)
    return run.on(wants)


def photo_dataset(
    photos: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    *,
    actors: int | None = None,
    config: dict[str, Any] | AnyPath | None = None,
    vocabulary: AnyPath | list[str] | None = None,
    detector: str | None = None,
    segmenter: str | None = None,
    depth_model: str | None = None,
    every: int = 1,
    seed: int = 0,
    rephrase: str | None = None,
    rephrase_model: str | None = None,
    rephrase_timeout: int = 60,
    rephrase_requests: int = 4,
    num_cpus: int = 1,
    num_gpus: float | None = None,
    resume: bool = True,
    address: str | None = None,
    progress: bool | Callable[[int, int], object] = True,
) -> PhotosReport:
    """Make one data set of many photos: the files that `spatial-reward dataset PHOTOS -o OUT` makes of them.

    Args:
        photos: photos and folders of photos, with what belongs to them beside each (docs/photos.md).
        out: the folder to make. On a cluster it is, as the photos are, on a file system that all machines see.
        actors: how many workers; as many as there are processors, or GPUs where each has one.
        config: settings, as a dict or a file, which is read here and sent along.
        vocabulary: a file of words to look for, or the words; regions of other names are left out.
        detector: finds what the words name, where no file of regions does; `segmenter` tells its pixels, `depth_model`
            metres where no file of depth does. A folder or ORG/NAME on a hub, as the workers see it.
        every: take every so manieth photo.
        seed: what is asked follows from it and from a photo's name, however many workers there are.
        rephrase: an OpenAI-compatible endpoint that gives other words for all questions, with `rephrase_model`,
            `rephrase_timeout` (s) and `rephrase_requests` at a time. This process asks it, once all parts are made.
        num_cpus: processors a worker, and threads with which it works.
        num_gpus: GPUs a worker; one where networks are named, else none.
        resume: go on where a run of the same photos and settings was ended; else what is there of one is an error.

    `address` and `progress` are as for `label_bags`; progress counts photos.

    Returns:
        What the run came to. A photo that cannot be used is a row of `out/errors.jsonl` and raises nothing; what ends a
        worker again and again leaves the data set unfinished (`report.complete`), and the next call goes on.

    Raises:
        Error: settings that are none, a path without a photo, an output that is there of something else, no cluster at
            the address, networks that cannot be loaded, not one photo that gave a row.
    """
    rephrasing = {
        "rephrase": rephrase,
        "rephrase_model": rephrase_model,
        "rephrase_timeout": rephrase_timeout,
        "rephrase_requests": rephrase_requests,
    }
    options = {"detector": detector, "segmenter": segmenter, "depth_model": depth_model, "every": every, "seed": seed}
    given = [photos] if isinstance(photos, str | os.PathLike) else list(photos)
    task = _photos.PhotoTask(
        [_photos.seen_here(path, "photos are worked on where they lie") for path in given],
        _photos.seen_here(out, "a data set grows where it is to be"),
        options | {"jobs": num_cpus, "vocabulary": _words(vocabulary)},
        config if config is None or isinstance(config, dict) else _contents(config),
    )

    def wants(has_networks: bool) -> Wants:
        return Wants(actors, num_cpus, float(has_networks) if num_gpus is None else num_gpus, address)

    return _photos.run(task, wants, resume, progress, rephrasing)


def _words(vocabulary: AnyPath | list[str] | None) -> str | None:
    if vocabulary is None:
        return None
    if not isinstance(vocabulary, str | os.PathLike):
        return "".join(f"{word}\n" for word in vocabulary)
    try:
        return _contents(vocabulary).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error("io", f"cannot read {vocabulary}: {problem}", path=os.fspath(vocabulary)) from problem


def _label_dataset() -> Callable[..., Any]:
    try:
        found: Any = import_module("spatial_reward.lerobot")
    except ImportError as missing:
        words = f"labelling datasets needs {missing.name}"
        raise error("missing_package", words, "pip install spatial-reward[lerobot]") from missing
    label: Callable[..., Any] = found.label_dataset
    return label


def _contents(path: AnyPath) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise error("io", f"cannot read {path}: {problem.strerror}", path=os.fspath(path)) from problem


@dataclass
class _Run:
    """A run whose jobs each have an output and rows in tables."""

    task: BagTask | DatasetTask
    jobs: list[Job]
    out: Place
    table: str
    scratch: AnyPath | None
    progress: bool | Callable[[int, int], object]

    def on(self, wants: Wants) -> Report:
        """Do all jobs, and tell."""
        began = written = time.monotonic()
        tables = Tables(self.out.child(self.table), self.out.child("errors.parquet"), self.jobs)
        tables.begin()
        shown = Progress(len(self.jobs), self.progress)

        def told(job: Job, outcome: Outcome, attempts: int) -> None:
            tables.add(job, outcome, attempts)
            if outcome.status == "failed":
                log.warning("%s is not labelled: %s", job.path, outcome.message)
            shown.done(outcome.status)

        def tick() -> None:
            nonlocal written
            if time.monotonic() - written > WRITE_S:
                tables.write()
                written = time.monotonic()

        folder = None if self.scratch is None else os.fspath(self.scratch)
        # Whatever ends a run, what it has done is told.
        stopped = Crew(self.task, self.out, wants, folder, shown, told, tick, tables.write).work(self.jobs)
        if stopped:
            log.error("stopped: %s; %d are not labelled yet", stopped, tables.counts()["unfinished"])
        return tables.report(time.monotonic() - began, stopped)
