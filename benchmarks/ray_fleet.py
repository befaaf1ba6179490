"""Measures what `spatial_reward.ray` costs over processes that share recordings by `--shard`, and tries it with what
goes wrong in a long run.

usage: ray_fleet.py overhead [--bags N] [--repeats N] [--workers N] [--bag BAG]
       ray_fleet.py faults [--bags N] [--workers N] [--bag BAG]

overhead  labels N copies of a bag with so many workers, and with so many processes of `python -m spatial_reward label
          --shard`, in turn; prints the medians of wall time and of processor time, and the ratios. Ray's start is left
          out, that of its workers and of the processes is not
faults    labels N short bags and a broken one: kills a worker in the middle, then the driver, fills the disk (a tmpfs,
          so it needs root or user namespaces), and begins again; checks that every table is that of a plain run and
          that no bag was labelled twice

The package must be importable, built in release mode: `pip install .`; `scripts/benchmark ray_fleet` sees to it.
"""

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
import ray

import spatial_reward as sr
import spatial_reward.ray as fleet

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python" / "wheel"))

from cut_bag import first_frames  # noqa: E402

OBJECT_STORE_BYTES = 80 << 20


def main() -> None:
    arguments = parse()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray's workers step back for everybody else (15), and the processes beside them do not.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - it is called so
    busy = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} processors, load {busy:.1f}, ray {ray.__version__}, {sr.__version__}")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        {"overhead": overhead, "faults": faults}[arguments.what](arguments, Path(scratch))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "faults"])
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach")
    parser.add_argument("--bags", type=int, default=200, help="copies of the bag (200)")
    parser.add_argument("--workers", type=int, default=2, help="actors, and processes beside them (2)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (3)")
    parser.add_argument("--frames", type=int, default=10, help="of a short bag (10)")
    parser.add_argument("--scratch", type=Path, help="folder for recordings and outputs")
    return parser.parse_args()


# What Ray costs


def overhead(arguments: argparse.Namespace, folder: Path) -> None:
    recordings = copies(arguments.bag, folder / "recordings", arguments.bags)
    ways = {
        f"{arguments.workers} processes, --shard": lambda out: by_shards(recordings, out, arguments.workers),
        f"{arguments.workers} actors": lambda out: by_ray(recordings, out, arguments.workers),
    }
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(arguments.repeats):
        # The other one first every other time: a machine that others use drifts.
        for way in list(ways)[:: -1 if number % 2 else 1]:
            out = folder / "out"
            runs[way].append(ways[way](out))
            done = len(list(out.glob("*_labelled")))
            assert done == arguments.bags, f"{way}: {done} of {arguments.bags}"
            shutil.rmtree(out)
            wall, processor = runs[way][-1]
            print(f"  {way}: {wall:.1f} s, {processor:.1f} s of processors, load {os.getloadavg()[0]:.0f}", flush=True)
    print(f"\n| {arguments.bags} bags, median of {arguments.repeats} in turn | wall time | ratio | processor | ratio |")
    print("| --- | --- | --- | --- | --- |")
    first = None
    for way, results in runs.items():
        wall, processor = (median(column) for column in zip(*results, strict=True))
        first = first or (wall, processor)
        ratios = wall / first[0], processor / first[1]
        print(f"| {way} | {wall:.1f} s | {ratios[0]:.3f} | {processor:.1f} s | {ratios[1]:.3f} |")


def copies(bag: Path, folder: Path, count: int) -> Path:
    """A folder of recordings with the same bytes."""
    for number in range(count):
        shutil.copytree(bag, folder / f"bag_{number:05}", copy_function=linked)
    return folder


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # of another disk
        shutil.copy2(source, target)


def by_shards(recordings: Path, out: Path, workers: int) -> tuple[float, float]:
    """Wall and processor seconds of processes that share the recordings."""
    program = [sys.executable, "-m", "spatial_reward", "label", recordings, "-o", out, "--jobs", "1", "--resume"]
    began, before = time.monotonic(), children_seconds()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    shards = [
        subprocess.Popen([*map(str, program), "--shard", f"{number}/{workers}"], **quiet)
        for number in range(1, workers + 1)
    ]
    codes = [shard.wait() for shard in shards]
    assert codes == [0] * workers, codes
    return time.monotonic() - began, children_seconds() - before


def by_ray(recordings: Path, out: Path, workers: int) -> tuple[float, float]:
    """Wall and processor seconds of actors: all of Ray's processes, and this one."""
    ray.init(num_cpus=workers, num_gpus=0, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False)
    # Of those that ended, only what their parents waited for is seen: what is running is asked for before it ends.
    began, before = time.monotonic(), tree_seconds()
    peak = 0.0

    def so_far(done: int, total: int) -> None:
        nonlocal peak
        if done == total:
            peak = tree_seconds()

    report = fleet.label_bags(recordings, out, actors=workers, progress=so_far)
    seconds = time.monotonic() - began
    ray.shutdown()
    assert report.complete, report
    return seconds, peak - before


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_seconds() -> float:
    """Processor seconds of this process and of all that descend from it and run."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        stats[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    for _ in range(10):  # generations
        ours |= {pid for pid, (parent, _) in stats.items() if parent in ours}
    return sum(stats[pid][1] for pid in ours) / os.sysconf("SC_CLK_TCK")


# What goes wrong

RUN = """
import logging, sys
import spatial_reward.ray as fleet
logging.basicConfig(level=logging.INFO)
recordings, out, workers = sys.argv[1:]
print(fleet.label_bags(recordings, out, actors=int(workers), progress=lambda *done: print(*done, flush=True)))
"""


def faults(arguments: argparse.Namespace, folder: Path) -> None:
    short = first_frames(arguments.bag, folder / "short", arguments.frames)
    recordings = copies(short, folder / "recordings", arguments.bags)
    broken = recordings / "broken"
    broken.mkdir()
    (broken / "broken_0.mcap").write_bytes(b"this is no recording" * 100)
    plain = sr.label(short, folder / "plain", jobs=1)
    assert plain is not None and plain.valid, plain

    out = folder / "out"
    disk = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", "."], cwd=made(out), check=False)
    if disk.returncode:
        sys.exit("a tmpfs is the disk that is full; mounting one needs root, or unshare --user --map-root-user --mount")
    try:
        run_with_faults(arguments, recordings, out)
        check(plain, out, arguments.bags)
    finally:
        subprocess.run(["umount", "--lazy", out], check=True)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def run_with_faults(arguments: argparse.Namespace, recordings: Path, out: Path) -> None:
    third = arguments.bags // 3
    # A worker is killed at a sixth, the driver at a third.
    first = begin(recordings, out, arguments.workers)
    workers: list[int] = []
    at = killed = 0
    for line in first.stdout:
        if found := re.search(r"a worker is process (\d+)", line):
            workers.append(int(found[1]))
        if found := re.match(r"(\d+) (\d+)$", line):
            at = int(found[1])
        if at >= third // 2 and not killed:
            killed = workers[0]
            print(f"at {at}: worker {killed} is killed")
            os.kill(killed, signal.SIGKILL)
        if at >= third:
            print(f"at {at}: the driver is killed, after {len(workers) - arguments.workers} new workers")
            first.kill()
            break
    first.communicate()
    # What it had at work dies with it, sooner or later.
    time.sleep(5)
    stamps = stamps_of(out)
    half = [path.name for path in out.glob(".*")]
    print(f"{len(stamps)} outputs are there, and {len(half)} things that are hidden: {half}")

    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    room = size + size // 2
    subprocess.run(["mount", "-o", f"remount,size={room}", out], check=True)
    second = begin(recordings, out, arguments.workers)
    words, _ = second.communicate()
    print(f"with room for {room >> 20} MiB: {words.splitlines()[-1]}")
    assert "every worker's disk is full" in words, words[-3000:]
    after = stamps_of(out)
    assert stamps.items() <= after.items(), "an output was made again"

    subprocess.run(["mount", "-o", "remount,size=4g", out], check=True)
    third_run = begin(recordings, out, arguments.workers)
    words, _ = third_run.communicate()
    print(f"with room for all: {words.splitlines()[-1]}")
    assert after.items() <= stamps_of(out).items(), "an output was made again"


def begin(recordings: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), recordings, out, str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stamps_of(out: Path) -> dict[Path, int]:
    """When each output's table was written."""
    return {path: path.stat().st_mtime_ns for path in out.glob("*_labelled/*_reward.parquet")}


def check(plain: sr.Labelled, out: Path, bags: int) -> None:
    """Every table is that of a plain run but for the recording's name, and the two tables of the fleet tell of all."""
    expected = pq.read_table(plain.parquet)
    for number in range(bags):
        name = f"bag_{number:05}_labelled"
        table = pq.read_table(out / name / f"{name}_reward.parquet")
        assert table.equals(expected), name
        named = {b"spatial_reward.source_bag": expected.schema.metadata[b"spatial_reward.source_bag"]}
        assert table.schema.metadata | named == expected.schema.metadata, name
    results = pq.read_table(out / "bags.parquet").to_pylist()
    errors = pq.read_table(out / "errors.parquet").to_pylist()
    assert len(results) == bags + 1
    assert {row["steps"] for row in results if row["status"] != "failed"} == {plain.steps}
    assert [Path(row["path"]).name for row in errors] == ["broken"], errors
    left = [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert not left, left
    print(f"{bags} tables are those of a plain run, value by value; the broken one: {errors[0]['message']}")


if __name__ == "__main__":
    main()
