"""Labels bags with the program itself, as a user would, and reads the distances back from its tables.

Only the tables are kept. A labelled bag holds a copy of its source, so it is removed once its table is taken.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .episodes import Episode

STAMP_TOLERANCE_NANOS = 1_000_000  # the table's seconds are rounded
GEOMETRY = ("--estimator", "geometry", "--distance", "cloud")
# The two ways to look, as the paper has them.
RELATIVE_DEPTH = {"depth": "camera", "colour": "none"}


@dataclass
class Labeller:
    """The program with its model; `work` gets one folder of tables for each way to label."""

    program: Path
    model: str | None  # None: the program's own default
    dtype: str | None
    work: Path
    digests: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)

    def options(self, annotator: str) -> list[str]:
        """What `label` is told for an annotator: `depth`, `colour` or `geometry`."""
        if annotator == "geometry":
            return list(GEOMETRY)
        options = ["--estimator", "spatialrgpt", "--distance", "cloud", "--relative-depth", RELATIVE_DEPTH[annotator]]
        options += ["--model", self.model] if self.model else []
        return options + (["--dtype", self.dtype] if self.dtype else [])

    def label(self, bags: list[Path], annotator: str, group: str = "real") -> None:
        """Labels in one process those of the bags that have no table yet."""
        tables = self.work / "tables" / group / annotator
        tables.mkdir(parents=True, exist_ok=True)
        left = [bag for bag in bags if not (tables / f"{bag.name}.parquet").exists()]
        if not left:
            return
        print(f"{group}, {annotator}: {len(left)} episodes to label, {len(bags) - len(left)} done", flush=True)
        copies = self.work / "labelled" / group / annotator
        copies.mkdir(parents=True, exist_ok=True)
        outputs = {bag: copies / f"{bag.name}_labelled" for bag in left}
        # For a single bag the output is its own folder, for several the folder of all.
        output = copies if len(left) > 1 else outputs[left[0]]
        command = [self.program, "label", *left, "-o", output, *self.options(annotator), "--resume", "--quiet"]
        begin = time.monotonic()
        ended = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, check=False)
        took = (time.monotonic() - begin) / len(left)
        for bag, copy in outputs.items():  # also after a failure: what is done stays done
            table = copy / f"{copy.name}_reward.parquet"
            if table.exists():
                shutil.copyfile(table, tables / ".part")
                (tables / ".part").rename(tables / f"{bag.name}.parquet")
                shutil.rmtree(copy)
        if ended.returncode != 0:
            sys.exit(
                f"{self.program} label ended with {ended.returncode}; its message is above. The command was:\n"
                f"{' '.join(map(str, command))}\n--resume goes on where it stopped"
            )
        self.seconds[f"{group}, {annotator}"] = round(took, 2)
        print(f"  {took:.1f} s an episode", flush=True)

    def distances(self, episode: Episode, annotator: str, group: str = "real") -> np.ndarray:
        """Metres at each frame of the episode; NaN where the step is not valid."""
        path = self.work / "tables" / group / annotator / f"{episode.name}.parquet"
        table = pq.read_table(path)
        kinds = set(table.column("reward.spatial.distance_kind").to_pylist()) - {None, ""}
        if kinds - {"cloud"}:
            sys.exit(f"{path} holds {' and '.join(sorted(kinds))} distances where `cloud` was asked for")
        if annotator != "geometry":
            self.digests.add((table.schema.metadata or {}).get(b"spatial_reward.model_digest", b"").decode())
        stamps = np.round(np.array(table.column("timestamp"), float) * 1e9).astype(np.int64)
        metres = np.array(table.column("reward.spatial.distance_m"), float)
        metres[~np.array(table.column("reward.spatial.valid"), bool)] = np.nan
        apart = np.abs(stamps[:, None] - episode.stamps[None, :])
        nearest = apart.argmin(axis=0)
        if (apart.min(axis=0) > STAMP_TOLERANCE_NANOS).any():
            sys.exit(f"{path} lacks frames that {episode.bag} has truth for: delete it and use --resume")
        return metres[nearest]

    def digest(self) -> str | None:
        """The digest of the model that made every table read."""
        if len(self.digests) > 1:
            sys.exit(f"the tables below {self.work} come from {len(self.digests)} models: run again without --resume")
        return next(iter(self.digests), None)


def prepare(labeller: Labeller, resume: bool) -> None:
    """Clears the work of earlier runs, or makes sure that it was done by the same program with the same model."""
    settings = {
        "program": fingerprint(labeller.program),
        "model": labeller.model and fingerprint(Path(labeller.model)),
        "dtype": labeller.dtype,
    }
    path = labeller.work / "settings.json"
    if not resume:
        for name in ("tables", "labelled", "controls"):
            shutil.rmtree(labeller.work / name, ignore_errors=True)
    elif path.exists() and (earlier := json.loads(path.read_text())) != settings:
        changed = ", ".join(key for key in settings if settings[key] != earlier.get(key))
        sys.exit(f"{labeller.work} was begun with another {changed}: leave --resume out, or use another --output")
    labeller.work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1))


def fingerprint(path: Path) -> str:
    """Names, sizes and times of a file or of all files below a folder; of what is no path, its name."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    return hashlib.sha256(json.dumps([str(path), facts]).encode()).hexdigest()
