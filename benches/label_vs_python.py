"""Measures `spatial-reward label` against the equal pipeline in Python (python_peer.py), and that its
memory does not grow with the length of the bag.

usage: label_vs_python.py speed|memory [--bag BAG] [--times N] [--repeats N] [--cores N] [--skip-color]

speed   labels the bag, played N times in a row, with both in turn; prints frames a second and the ratio
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

HERE = Path(__file__).parent
ROOT = HERE.parent


def main():
    arguments = parse()
    if arguments.cores:  # children inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    program = arguments.program or build()
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores in use; Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        long_bag = Path(scratch, "long")
        python("repeat_bag.py", arguments.bag, long_bag, arguments.times)
        measure = {"speed": speed, "memory": memory}[arguments.what]
        measure(arguments, program, long_bag, Path(scratch, "out"))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach")
    parser.add_argument("--times", type=int, default=10, help="repetitions in the long bag (10)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--cores", type=int, help="let both use only so many cores")
    parser.add_argument("--skip-color", action="store_true", help="the Python side leaves colour images undecoded")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--scratch", type=Path, help="folder for temporary bags")
    return parser.parse_args()


def speed(arguments, program, bag, out):
    ours, theirs = [], []
    frames = 0
    peer_options = ["--skip-color"] if arguments.skip_color else []
    for repeat in range(arguments.repeats):
        seconds, _ = label(program, bag, out)
        result = json.loads(python("python_peer.py", bag, out.with_name("peer"), *peer_options))
        remove(out.with_name("peer"))
        frames = result["frames"]
        ours.append(frames / seconds)
        theirs.append(frames / result["seconds"])
        print(f"run {repeat + 1}: spatial-reward {ours[-1]:7.1f} frames/s   Python {theirs[-1]:7.1f} frames/s", flush=True)
    print(f"{frames} frames, median of {arguments.repeats} runs: spatial-reward {median(ours):.1f} frames/s, "
          f"Python {median(theirs):.1f} frames/s, ratio {median(ours) / median(theirs):.1f}")  # fmt: skip


def memory(arguments, program, long_bag, out):
    short, long = [], []
    for _ in range(arguments.repeats):
        short.append(label(program, arguments.bag, out)[1])
        long.append(label(program, long_bag, out)[1])
    print(f"peak memory, median of {arguments.repeats} runs: {median(short) / 1024:.1f} MiB once, "
          f"{median(long) / 1024:.1f} MiB {arguments.times} times in a row, ratio {median(long) / median(short):.2f}")  # fmt: skip


def label(program, bag, out):
    """Wall time in seconds, start of the process included, and peak resident memory in KiB."""
    started = time.perf_counter()
    process = subprocess.Popen([program, "label", bag, "-o", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{program} label {bag} ended with {process.returncode}:\n{complaint.decode(errors='replace')}")
    # A child's peak counts from the fork on, so this program must stay smaller than what it measures.
    assert usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "the measuring program is the larger one"
    remove(out)
    return seconds, usage.ru_maxrss


def python(script, *arguments):
    run = subprocess.run([sys.executable, HERE / script, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return run.stdout


def build():
    """The release build's program, as cargo names it."""
    run = subprocess.run(["cargo", "build", "--release", "--locked", "--message-format=json"],
                         cwd=ROOT, stdout=subprocess.PIPE, check=True)  # fmt: skip
    messages = map(json.loads, run.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable"))


def remove(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
