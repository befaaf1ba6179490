"""What the Python package costs beside the engine: a step's overhead, threads, memory, and the process with the model.

    scripts/benchmark python_package [BAG] [--steps 2000] [--model-steps 20] [--kept-steps 100000]

`overhead` is a step of 640x480 pixels that measures nothing, for it has no regions: arguments, arrays, reward and
result. `threads` is the rate of two threads with an Annotator each, beside the rate of one in the same run, in turns.
`memory` is what the process grows by in such steps, and in steps that measure. `the way to another process` is what a
step costs whose pixels go to a process that answers at once (a stand-in, written in Python), and `model` a step by the
vision-language model in a process of its own: the program that SPATIAL_REWARD_PROGRAM names.
"""

import argparse
import os
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import spatial_reward as sr
import stand_in

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "fetch_approach"


def seconds_a_step(annotator, frame, steps, **regions):
    color, depth = frame.color, frame.depth
    begin = time.perf_counter()
    for _ in range(steps):
        annotator.step(color, depth, **regions)
    return (time.perf_counter() - begin) / steps


def memory_after(annotator, frame, steps, **regions):
    """The largest that the process was until then, in KiB."""
    for _ in range(steps):
        annotator.step(frame.color, frame.depth, **regions)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def rate_of_threads(frame, count, steps):
    """Steps a second of so many threads together."""
    regions = {"fingertip": frame.fingertip, "target": frame.target}
    annotators = [sr.Annotator(camera=frame.camera) for _ in range(count)]
    threads = [
        threading.Thread(target=seconds_a_step, args=(annotator, frame, steps), kwargs=regions)
        for annotator in annotators
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count * steps / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bag", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--model-steps", type=int, default=20)
    parser.add_argument("--kept-steps", type=int, default=100_000, help="after which memory is looked at (100,000)")
    options = parser.parse_args()
    frame = list(sr.Recording(options.bag))[5]
    regions = {"fingertip": frame.fingertip, "target": frame.target}
    annotator = sr.Annotator(camera=frame.camera)
    seconds_a_step(annotator, frame, options.steps // 10, **regions)

    overhead = [seconds_a_step(annotator, frame, options.steps) for _ in range(5)]
    step = [seconds_a_step(annotator, frame, options.steps // 5, **regions) for _ in range(5)]
    print(f"overhead       {1e6 * statistics.median(overhead):8.1f} us a step")
    print(f"step           {1e6 * statistics.median(step):8.1f} us")

    ratios = []
    for _ in range(5):
        one, two = (rate_of_threads(frame, count, options.steps // 4) for count in (1, 2))
        ratios.append(two / one)
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"two threads    {statistics.median(ratios):8.2f} of the rate of one (each: {each})")

    for kind, where in (("measure nothing", {}), ("measure", regions)):
        grown = [
            memory_after(annotator, frame, steps, **where) for steps in (options.kept_steps // 50, options.kept_steps)
        ]
        kept = f"{(grown[1] - grown[0]) / 1024:8.1f} MiB more after {options.kept_steps:,} steps"
        print(f"memory         {kept} of arrays of their own that {kind}")

    program = os.environ.get("SPATIAL_REWARD_PROGRAM")
    with tempfile.TemporaryDirectory() as folder:
        program_there = Path(folder) / "stand_in"
        stand_in.write(program_there, {"Err": "model_error"})
        os.environ["SPATIAL_REWARD_PROGRAM"] = str(program_there)
        elsewhere = sr.Annotator(estimator="spatialrgpt", camera=frame.camera)
        way = [seconds_a_step(elsewhere, frame, options.steps // 10, **regions) for _ in range(5)]
    print(f"the way to another process {1e3 * statistics.median(way):.2f} ms a step")
    if program is None:
        print("model          not measured: SPATIAL_REWARD_PROGRAM names no program that has it")
        return
    os.environ["SPATIAL_REWARD_PROGRAM"] = program
    model = sr.Annotator(estimator="spatialrgpt", camera=frame.camera)
    seconds_a_step(model, frame, 2, **regions)
    whole = seconds_a_step(model, frame, options.model_steps, **regions)
    print(f"model          {1e3 * whole:8.1f} ms a step")


if __name__ == "__main__":
    main()
