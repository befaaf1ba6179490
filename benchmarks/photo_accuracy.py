"""How right `dataset` is about photos: rooms from three renderers (MuJoCo, PyBullet's TinyRenderer, Mitsuba), with the
renderer's depth, masks and camera in the files beside each photo, held against what the renderers know.

usage: photo_accuracy.py [--program PROGRAM] [--photos 200] [--engines mujoco,pybullet,mitsuba] [--seed 0]
                         [--folder FOLDER] [--jobs 2] [--workers]

Two tables: with gravity in the camera's file, and with `dataset` finding it. Judged are things of which at least 97 %
is seen of what would be seen of them alone, with 60 pixels or more, none at the edge of the picture. In brackets is of
how many answers; a comparison is asked for in up to four ways.

  the whole thing   its mesh's extent across the camera's view and up; for a distance the mean from each point all over
                    one thing's surface to the nearest of the other's, both ways
  what is seen      the same of the points that the renderer shows

Exit code 1: something is missed that is asked for (marked with !). `--workers` also makes the rows with one thread,
with three and in two shards: they must be the same. scripts/test does all this on a few rooms of our own z-buffer
(engine numpy), for the renderers' packages are large.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from label_vs_python import build
from photo_rooms import files
from photo_rooms.engines import ENGINES
from photo_rooms.judge import judged
from photo_rooms.table import printed

# All pairs, as much as there is to ask.
EVERYTHING = "photos: {pairs: 100, questions: 24}\n"


def main() -> None:
    arguments = options()
    program = (arguments.program or build()).resolve(strict=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder and arguments.folder.parent) as scratch:
        rooms = arguments.folder or Path(scratch) / "rooms"
        truths = files.made(rooms, arguments.engines, arguments.photos, arguments.seed)
        holds = measured(program, rooms, truths, Path(scratch), arguments)
    sys.exit(0 if holds else 1)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--photos", type=int, default=200, help="of all engines together")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=["mujoco", "pybullet", "mitsuba"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="where the photos are kept; those of another run are taken from there"
    )
    parser.add_argument("--jobs", type=int, default=2, help="threads of dataset")
    parser.add_argument(
        "--workers", action="store_true", help="compare rows from several numbers of threads and shards"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.engines) - set(ENGINES)
    if unknown:
        parser.error(f"no engine {', '.join(sorted(unknown))}; there are {', '.join(ENGINES)}")
    return arguments


def measured(program: Path, rooms: Path, truths: dict, scratch: Path, arguments: argparse.Namespace) -> bool:
    """Prints both tables; whether all that is asked holds."""
    seen = {
        name: sum(len(it["things"]) for it in truths.values() if it["engine"] == name) for name in arguments.engines
    }
    print(f"{len(truths)} photos; things wholly seen: {', '.join(f'{name} {count}' for name, count in seen.items())}")
    files.without_gravity(rooms, scratch / "gravity_found")
    holds = True
    for title, photos in {"told by a file": rooms, "found by `dataset`": scratch / "gravity_found"}.items():
        rows = dataset(program, photos, scratch / "out", arguments.jobs)
        claimed = sum("up" in row for row in rows)
        print(f"\nGravity {title}: {len(rows)} rows, {claimed} with gravity\n")
        holds = printed([judged(name, rows, truths) for name in arguments.engines]) and holds
    if arguments.workers:
        same = same_rows(program, scratch / "gravity_found", scratch)
        print(f"\nOne thread, three, two shards: the rows are {'the same' if same else 'NOT the same'}")
        holds = holds and same
    return holds


def dataset(program: Path, photos: Path, out: Path, jobs: int, *more: str) -> list[dict]:
    """The rows."""
    config = out.with_suffix(".yaml")
    config.write_text(EVERYTHING)
    command = [program, "dataset", photos, "-o", out, "--config", config, "--jobs", str(jobs), "--overwrite", *more]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"dataset ended with {result.returncode}: {result.stderr}")
    return [json.loads(line) for line in (out / "dataset.jsonl").read_text().splitlines()]


def same_rows(program: Path, photos: Path, scratch: Path) -> bool:
    one = dataset(program, photos, scratch / "one", 1)
    three = dataset(program, photos, scratch / "three", 3)
    shards = [row for part in "12" for row in dataset(program, photos, scratch / part, 2, "--shard", f"{part}/2")]
    return one == three and sorted(one, key=_photo) == sorted(shards, key=_photo)


def _photo(row: dict) -> str:
    return row["photo"]


if __name__ == "__main__":
    main()
