"""The two tables of a fleet, `bags.parquet` and `errors.parquet`: what each recording became, and why some became
nothing.

A table is written whole or not at all. Rows of recordings that a run does not name are kept, so that several runs can
share a folder of outputs.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from spatial_reward._errors import error
from spatial_reward.ray._places import Place, write_whole
from spatial_reward.ray._tasks import Job, Outcome

RESULTS = pa.schema(
    [
        ("path", pa.string()),
        ("output", pa.string()),
        ("status", pa.string()),
        ("steps", pa.int64()),
        ("valid", pa.int64()),
        ("seconds", pa.float64()),
        ("attempts", pa.int32()),
        ("advice", pa.string()),
        ("loss", pa.string()),
    ]
)
ERRORS = pa.schema(
    [
        ("path", pa.string()),
        ("kind", pa.string()),
        ("message", pa.string()),
        ("remedy", pa.string()),
        ("attempt", pa.int32()),
    ]
)


@dataclass
class Tables:
    """The rows of a run and where they go."""

    results: Place
    errors: Place
    jobs: list[Job]
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    _failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    _earlier: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))

    def begin(self) -> None:
        """Read what earlier runs have left.

        Raises:
            Error: a file of that name that is no such table.
        """
        results, errors = _read(self.results, RESULTS), _read(self.errors, ERRORS)
        self._earlier = {_name(row["output"]): row for row in results}, {row["path"]: row for row in errors}

    def add(self, job: Job, outcome: Outcome, attempts: int) -> None:
        """What a job became. It stands there once, however often it is told."""
        row = {"path": job.path, "output": job.output.shown, "status": outcome.status, "attempts": attempts}
        row |= {name: getattr(outcome, name) for name in ("steps", "valid", "seconds", "advice", "loss")}
        if outcome.status == "skipped":
            # It was not worked on now, so what was told of it then is what is known.
            before = self._earlier[0].get(job.output.name, {})
            row |= {name: before.get(name) for name, value in row.items() if value is None}
        self._rows[job.output.name] = row
        if outcome.status == "failed":
            words = {"kind": outcome.kind, "message": outcome.message, "remedy": outcome.remedy}
            self._failures[job.path] = {"path": job.path, **words, "attempt": attempts}

    def write(self) -> None:
        """Write both. What was not come to is as an earlier run left it, or `unfinished`."""
        results, errors = self._earlier
        open_rows = {job.output.name: results.get(job.output.name) or _unfinished(job) for job in self.jobs}
        # A recording may have been called otherwise then, from another folder.
        told = {rows[name]["path"] for rows in (results, self._rows) for name in self._rows if name in rows}
        errors = {path: row for path, row in errors.items() if path not in told}
        for place, schema, rows in (
            (self.results, RESULTS, results | open_rows | self._rows),
            (self.errors, ERRORS, errors | self._failures),
        ):
            buffer = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(list(rows.values()), schema), buffer, compression="zstd")
            try:
                if place.local is None:
                    place.filesystem.create_dir(place.path.rpartition("/")[0], recursive=True)
                write_whole(place, buffer.getvalue())
            except (OSError, pa.ArrowException) as problem:
                raise error("storage", f"cannot write {place.shown}: {problem}", path=place.shown) from problem

    def counts(self) -> dict[str, int]:
        """How many have which status."""
        counts = dict.fromkeys(("labelled", "no_valid_step", "skipped", "failed"), 0)
        for row in self._rows.values():
            counts[row["status"]] += 1
        return counts | {"unfinished": len(self.jobs) - len(self._rows)}

    def report(self, seconds: float, stopped: str | None) -> Report:
        """What the run came to."""
        steps = sum(row["steps"] or 0 for row in self._rows.values())
        valid = sum(row["valid"] or 0 for row in self._rows.values())
        retried = sum(row["attempts"] > 1 for row in self._rows.values())
        places = self.results.shown, self.errors.shown
        return Report(*places, len(self.jobs), self.counts(), steps, valid, retried, seconds, stopped)


@dataclass(frozen=True)
class Report:
    """What a fleet has done; the tables name each recording."""

    results: str
    """Where the table of results is: path, output, status, steps, valid, seconds, attempts, advice, loss."""
    errors: str
    """Where the table of errors is, a row for each that failed: path, kind, message, remedy, attempt."""
    total: int
    counts: dict[str, int]
    """How many are `labelled`, have `no_valid_step`, were `skipped` as finished before, `failed`, are `unfinished`."""
    steps: int
    valid: int
    retried: int
    """How many took more than one attempt."""
    seconds: float
    stopped: str | None
    """Why the run ended before all was tried; None where it did not."""

    @property
    def complete(self) -> bool:
        """Every recording has its output."""
        return self.counts["failed"] == self.counts["unfinished"] == 0

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in self.counts.items() if count)
        words = f"{self.total} in {self.seconds:.0f} s: {counted or 'nothing to do'}"
        words += f"; {self.valid} of {self.steps} steps valid"
        if self.counts["failed"]:
            words += f"; {self.errors} says why"
        return f"{words}; stopped: {self.stopped}" if self.stopped else words


def _unfinished(job: Job) -> dict[str, Any]:
    return {"path": job.path, "output": job.output.shown, "status": "unfinished", "attempts": 0}


def _name(output: str) -> str:
    """What tells outputs apart, wherever the folder of all is seen from."""
    return output.rstrip("/").rsplit("/", 1)[-1]


def _read(place: Place, schema: pa.Schema) -> list[dict[str, Any]]:
    """The rows of a table."""
    try:
        if place.filesystem.get_file_info(place.path).type == pafs.FileType.NotFound:
            return []
        with place.filesystem.open_input_file(place.path) as file:
            table = pq.read_table(file)
        missing = set(schema.names) - set(table.column_names)
        if missing:
            raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(missing))}")
    except (OSError, pa.ArrowException) as problem:
        words = f"cannot read {place.shown}, which earlier runs should have left: {problem}"
        raise error("storage", words, "move it away, or name another folder for the outputs", place.shown) from problem
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
