"""Label many recordings on many processors, on this machine or on a Ray cluster.

    import spatial_reward.ray as fleet
    report = fleet.label_bags("recordings", "labelled")     # on all processors of this machine
    report = fleet.label_bags("s3://bucket/recordings", "s3://bucket/labelled", address="auto")
    print(report)

Each recording becomes a folder of `out`, as `spatial_reward.label` makes it, under the name that
`spatial-reward label BAG... -o OUT` gives it. What is finished is not done again: the outputs that are there are the
memory of a run, so one that was killed goes on where it was, and the two ways can be mixed. A recording that cannot be
labelled is a row of `out/errors.parquet`; `out/bags.parquet` has a row for each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from spatial_reward._errors import error

try:
    import pyarrow  # noqa: F401
    import ray
except ImportError as missing:
    raise error(
        "missing_package", f"spatial_reward.ray needs {missing.name}", "pip install spatial-reward[ray]"
    ) from missing

from spatial_reward.ray import _session
from spatial_reward.ray._discover import AnyPath, Paths, bag_jobs, dataset_jobs
from spatial_reward.ray._fleet import Fleet, Worker, log
from spatial_reward.ray._places import Place, as_pyarrow, locate
from spatial_reward.ray._progress import Progress
from spatial_reward.ray._tables import Report, Tables
from spatial_reward.ray._tasks import BagTask, DatasetTask, Job, Outcome

__all__ = ["Report", "label_bags", "label_lerobot"]

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
    model = _session.estimator_of(estimator, sent) != "geometry"
    wants = _session.Wants(actors, num_cpus, float(model) if num_gpus is None else num_gpus, address)
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
    wants = _session.Wants(actors, num_cpus, num_gpus, address)
    task = DatasetTask(label or _label_dataset(), options, resume)
    run = _Run(task, dataset_jobs(roots, place), place, "datasets.parquet", None, progress)
    return run.on(wants)


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
    """A run, whatever its jobs are."""

    task: BagTask | DatasetTask
    jobs: list[Job]
    out: Place
    table: str
    scratch: AnyPath | None
    progress: bool | Callable[[int, int], object]

    def on(self, wants: _session.Wants) -> Report:
        """Do all jobs, and tell."""
        began = written = time.monotonic()
        tables = Tables(self.out.child(self.table), self.out.child("errors.parquet"), self.jobs)
        tables.begin()
        with ExitStack() as closing:
            seen = _session.token(closing, self.out)
            size = closing.enter_context(_session.session(wants, len(self.jobs)))
            shown = closing.enter_context(Progress(len(self.jobs), self.progress))
            actor = ray.remote(Worker).options(
                num_cpus=wants.num_cpus, num_gpus=wants.num_gpus, max_restarts=0, scheduling_strategy="SPREAD"
            )
            folder = None if self.scratch is None else os.fspath(self.scratch)

            def told(job: Job, outcome: Outcome, attempts: int) -> None:
                tables.add(job, outcome, attempts)
                if outcome.status == "failed":
                    log.warning("%s is not labelled: %s", job.path, outcome.message)
                shown.done(outcome.status)

            def tick(busy: int) -> None:
                nonlocal written
                shown.tick(busy)
                if time.monotonic() - written > WRITE_S:
                    tables.write()
                    written = time.monotonic()

            fleet = Fleet(lambda: actor.remote(self.task, folder, seen), size, told, tick)
            try:
                fleet.run(self.jobs)
            finally:
                # Whatever ends a run, what it has done is told.
                tables.write()
        if fleet.stopped:
            log.error("stopped: %s; %d are not labelled yet", fleet.stopped, tables.counts()["unfinished"])
        return tables.report(time.monotonic() - began, fleet.stopped)
