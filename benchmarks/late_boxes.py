"""Measures what `spatial-reward label` costs where boxes were recorded long after their images, or were added to a bag
later: against the same bag with its boxes on time, and against another build of the program.

usage: late_boxes.py [--late SECONDS ...] [--before PROGRAM] [--bag BAG] [--times N] [--repeats N]

The bag is played N times in a row. All runs are made in turn; the table has the medians of wall time and peak memory,
and the ratios to the first line.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
from pathlib import Path
from statistics import median

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from bags import copied_connection
from label_vs_python import ROOT, build, processor, python, remove, run

DAY_S = 86_400.0
BOXES = "vision_msgs/msg/Detection2DArray"


def main() -> None:
    arguments = parse()
    programs = {"": arguments.program or build()}
    if arguments.before:
        programs["before, "] = arguments.before
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores in use")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        folder = Path(scratch)
        run(python("repeat_bag.py", arguments.bag, folder / "on_time", arguments.times))
        bags = {"boxes on time": folder / "on_time"}
        for late_s in arguments.late:
            bags[f"boxes {late_s:g} s late"] = folder / f"late_{late_s:g}"
            # In a process of its own: a child's peak counts from the fork on, so this one has to stay small.
            work = (folder / "on_time", folder / f"late_{late_s:g}", late_s)
            process = multiprocessing.get_context("spawn").Process(target=delay, args=work)
            process.start()
            process.join()
            assert process.exitcode == 0, "the bag with late boxes could not be written"
        measure(arguments.repeats, programs, bags, folder / "out")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--late", type=float, nargs="*", default=[1.0, DAY_S], help="how late the boxes are (1 86400)")
    parser.add_argument("--before", type=Path, help="another build of the program; it gets the boxes that are on time")
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach")
    parser.add_argument("--times", type=int, default=10, help="repetitions of the bag (10)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--scratch", type=Path, help="folder for temporary bags")
    return parser.parse_args()


def delay(source: Path, target: Path, late_s: float) -> None:
    """Write the bag with its boxes logged so much later, in the order of the log."""
    late_nanos = round(late_s * 1e9)
    writer = Writer(target, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(source) as reader, writer:
        copies = {c.id: copied_connection(writer, c) for c in reader.connections}
        logged = [
            (log_time + late_nanos * (connection.msgtype == BOXES), connection.id, data)
            for connection, log_time, data in reader.messages()
        ]
        for log_time, connection, data in sorted(logged, key=lambda message: message[0]):
            writer.write(copies[connection], log_time, data)


def measure(repeats: int, programs: dict[str, Path], bags: dict[str, Path], out: Path) -> None:
    on_time = next(iter(bags))
    what = {name: (programs[""], bag) for name, bag in bags.items()}
    what |= {build + on_time: (program, bags[on_time]) for build, program in programs.items()}
    runs = {name: [] for name in what}
    for _ in range(repeats):
        for name, (program, bag) in what.items():
            runs[name].append(run([program, "label", bag, "-o", out]))
            remove(out)
    smallest = min(result.peak_kib for results in runs.values() for result in results)
    assert smallest > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "the measuring program is the larger one"
    print(f"\n| median of {repeats} runs in turn | wall time | ratio | peak memory | ratio |")
    print("| --- | --- | --- | --- | --- |")
    first = None
    for name, results in runs.items():
        seconds = median(result.seconds for result in results)
        peak_mib = median(result.peak_kib for result in results) / 1024
        first = first or (seconds, peak_mib)
        ratios = seconds / first[0], peak_mib / first[1]
        print(f"| {name} | {seconds:.2f} s | {ratios[0]:.2f} | {peak_mib:.0f} MiB | {ratios[1]:.2f} |")


if __name__ == "__main__":
    main()
