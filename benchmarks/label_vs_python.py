"""Measures `spatial-reward label` against the same pipeline in Python (python_peer.py), that both
measure the same, and that memory does not grow with the length of the bag.

usage: label_vs_python.py check|speed|memory [--bag BAG] [--times N] [--repeats N] [--cores N] [--jobs N ...]

check   labels the bag with both; prints how far their distances are apart
speed   labels the bag, played N times in a row, with both in turn; prints frames a second and the ratios
memory  labels the bag and the same bag played N times in a row; prints the peak memory and the ratio
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent


class Run(NamedTuple):
    """What one run of a program took, from the start of its process to its end."""

    seconds: float
    cpu_seconds: float  # of all its threads and processes
    peak_kib: int
    output: bytes


def main() -> None:
    arguments = parse()
    if arguments.cores:  # children inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    program = arguments.program or build()
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores in use; Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        {"check": check, "speed": speed, "memory": memory}[arguments.what](arguments, program, Path(scratch))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "speed", "memory"])
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach")
    parser.add_argument("--times", type=int, default=10, help="repetitions in the long bag (10)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--cores", type=int, help="let both use only so many cores")
    parser.add_argument(
        "--jobs",
        type=int,
        nargs="+",
        default=[1, 2],
        help="numbers of measuring processes to try on the Python side (1 2)",
    )
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--scratch", type=Path, help="folder for temporary bags")
    return parser.parse_args()


def check(arguments: argparse.Namespace, program: Path, scratch: Path) -> None:
    ours, peer = scratch / "ours", scratch / "peer"
    run([program, "label", arguments.bag, "-o", ours])
    run(python("python_peer.py", arguments.bag, peer))
    print(run(python("agreement.py", ours, peer)).output.decode(), end="")


def speed(arguments: argparse.Namespace, program: Path, scratch: Path) -> None:
    bag, out = lengthened(arguments, scratch), scratch / "out"
    names = ["spatial-reward", *(f"Python --jobs {jobs}" for jobs in arguments.jobs)]
    rates, cpu = {name: [] for name in names}, {name: [] for name in names}
    for repeat in range(arguments.repeats):
        ours = run([program, "label", bag, "-o", out])
        remove(out)
        for name, jobs in zip(names[1:], arguments.jobs, strict=True):
            theirs = run(python("python_peer.py", bag, out, "--jobs", jobs))
            remove(out)
            result = json.loads(theirs.output)
            frames = result["frames"]
            rates[name].append(frames / result["seconds"])
            cpu[name].append(theirs.cpu_seconds / frames)
        rates[names[0]].append(frames / ours.seconds)
        cpu[names[0]].append(ours.cpu_seconds / frames)
        figures = (f"{name} {rates[name][-1]:.1f} frames/s" for name in names)
        print(f"run {repeat + 1}: {',   '.join(figures)}", flush=True)
    print(f"{frames} frames, median of {arguments.repeats} runs:")
    rate = {name: median(values) for name, values in rates.items()}
    cost = {name: median(values) for name, values in cpu.items()}
    for name in names:
        print(f"{name:16} {rate[name]:7.1f} frames/s   {cost[name] * 1000:6.1f} ms of processor time a frame")
    for name in names[1:]:
        print(
            f"spatial-reward against {name}: {rate[names[0]] / rate[name]:.1f} times the frames/s, "
            f"1/{cost[name] / cost[names[0]]:.1f} of the processor time"
        )


def memory(arguments: argparse.Namespace, program: Path, scratch: Path) -> None:
    bag, out = lengthened(arguments, scratch), scratch / "out"
    short, long = [], []
    for _ in range(arguments.repeats):
        for recording, peaks in ((arguments.bag, short), (bag, long)):
            peaks.append(run([program, "label", recording, "-o", out]).peak_kib)
            remove(out)
    # A child's peak counts from the fork on, so this program must stay smaller than what it measures.
    assert min(short) > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "the measuring program is the larger one"
    once, repeated = median(short) / 1024, median(long) / 1024
    print(
        f"peak memory, median of {arguments.repeats} runs: {once:.1f} MiB once, "
        f"{repeated:.1f} MiB {arguments.times} times in a row, ratio {repeated / once:.2f}"
    )


def lengthened(arguments: argparse.Namespace, scratch: Path) -> Path:
    """The bag, played several times in a row."""
    bag = scratch / "long"
    run(python("repeat_bag.py", arguments.bag, bag, arguments.times))
    return bag


def run(command: list) -> Run:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        started = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=complaint)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        complaint.seek(0)
        if process.returncode != 0:
            sys.exit(f"{process.args} ended with {process.returncode}:\n{complaint.read().decode(errors='replace')}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, output.read())


def words(options: dict) -> list:
    """Options and their values, as a command line has them."""
    return [word for option in options.items() for word in option]


def python(script: str, *arguments) -> list:
    return [sys.executable, HERE / script, *arguments]


def build(*what: str) -> Path:
    """The release build's program, as cargo names it; `what` are cargo's options for another than the plain one."""
    built = subprocess.run(
        ["cargo", "build", "--release", "--locked", *what, "--message-format=json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    messages = map(json.loads, built.stdout.splitlines())
    return Path(next(m["executable"] for m in messages if m.get("executable")))


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
