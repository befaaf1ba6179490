"""How long a whole `label` step with the model takes, and where the time goes.

usage: label_step_time.py [--bag BAG] [--model MODEL] [--dtype TYPE] [--batch N] [--repeats N] [--program BIN]
                          [--stages BIN] [--before BIN]

Labels a bag as a user would and reads the steps' own times back from the rewards in its copy: decoding, and a step's
share of the batch that the network takes. The wall time is that of the whole program, its start and the writing of
bag, table and reports among it, over the steps. Then times the network's stages one by one on frames of the same
bag (crates/models/examples/time_stages.rs). Prints tables in Markdown.
With --batch 1 each frame is answered before the next one is looked at, as the live node does it. With --before, another
build's program labels in turns with it, and the ratio of their steps is printed in place of the stages.
Run it on an otherwise idle machine. Programs that are not given are built in release mode.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

# The arrays are small: several BLAS threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from PIL import Image
from rosbags.rosbag2 import Reader

from bags import REWARD_TYPE, typestore
from label_vs_python import build, processor, run, words
from python_peer import nanos

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "nano"
FRAMES = 5  # of the bag, for the stages
VARIANTS = {"colour and relative depth": "camera", "colour only": "none"}
# Key of time_stages' JSON, what the table calls it.
STAGES = {
    "prepare_ms": "two pictures and the masks, resized and normalised",
    "vision_ms": "vision tower, both pictures",
    "regions_ms": "enlarged map, projector, regions",
    "prefill_ms": "prompt",
    "decode_ms": "further tokens of the answer",
    "frame_ms": "the network's frame",
}


def main() -> None:
    arguments = parse()
    program = arguments.program or build("--features", "torch", "--bin", "spatial-reward")
    print(f"{processor()}, {os.cpu_count()} cores; {arguments.bag.name}, {arguments.model.name}, {arguments.dtype}\n")
    if arguments.before:
        print_ratios(program, arguments)
        return
    stages = arguments.stages or build("--package", "spatial-reward-models", "--example", "time_stages")
    print("| `label`, a step | p50 | p95 | wall time of the program |")
    print("| --- | --- | --- | --- |")
    longest = 0
    for name, depth in VARIANTS.items():
        runs = [labelled(program, arguments, depth) for _ in range(arguments.repeats)]
        print_variant(name, runs)
        longest = max(longest, *(one["longest"] for one in runs))
    print(f"\nMedians over {arguments.repeats} runs. The longest answer has {longest} letters.\n")
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder)
        write_inputs(arguments.bag, inputs)
        print_stages([timed(stages, arguments, inputs) for _ in range(arguments.repeats)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bag", type=Path, default=ROOT / "data" / "fetch_approach", help="640x480 (the sample bag)")
    parser.add_argument("--model", type=Path, default=MODEL, help="checkpoint (models/nano)")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"), help="(bfloat16)")
    parser.add_argument("--batch", type=int, help="frames that are answered together (model.batch's default)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (3)")
    parser.add_argument("--new-tokens", type=int, default=8, help="of an answer, for the stages (8)")
    parser.add_argument("--program", type=Path, help="spatial-reward, built with the feature torch")
    parser.add_argument("--stages", type=Path, help="the example time_stages")
    parser.add_argument("--before", type=Path, help="another build's spatial-reward")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.new_tokens < 2:
        parser.error("--repeats is 1 or more, --new-tokens 2 or more")
    return arguments


def labelled(program: Path, arguments: argparse.Namespace, depth: str) -> dict:
    """One run: the times of its steps in milliseconds, and its answers."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "labelled"
        options = {
            "--estimator": "spatialrgpt",
            "--model": arguments.model,
            "--dtype": arguments.dtype,
            "--relative-depth": depth,
        }
        if arguments.batch:
            options["--batch"] = arguments.batch
        done = run([program, "label", arguments.bag, "-o", output, "--quiet", *words(options)])
        with Reader(output) as reader:
            store = typestore(reader)
            rewards = [c for c in reader.connections if c.msgtype == REWARD_TYPE]
            steps = [store.deserialize_cdr(data, c.msgtype) for c, _, data in reader.messages(rewards)]
    decode = np.array([step.latency_decode_s for step in steps])
    estimate = np.array([step.latency_estimate_s for step in steps])
    return {
        "p50": 1e3 * np.percentile(decode + estimate, 50),
        "p95": 1e3 * np.percentile(decode + estimate, 95),
        "wall": 1e3 * done.seconds / len(steps),
        "longest": max(len(step.answer) for step in steps),
    }


def print_ratios(program: Path, arguments: argparse.Namespace) -> None:
    """Both programs in turns: what other work on the machine does to one, it does to the other."""
    print("| a step | before | now | now / before |\n| --- | --- | --- | --- |")
    for name, depth in VARIANTS.items():
        times: dict[Path, list[float]] = {arguments.before: [], program: []}
        for _ in range(arguments.repeats):
            for build_of, found in times.items():
                found.append(labelled(build_of, arguments, depth)["p50"])
        before, now = (median(found) for found in times.values())
        print(f"| {name} | {before:.1f} ms | {now:.1f} ms | {now / before:.2f} |", flush=True)


def print_variant(name: str, runs: list[dict]) -> None:
    figures = [median(one[key] for one in runs) for key in ("p50", "p95", "wall")]
    print(f"| {name} | " + " | ".join(f"{figure:.1f} ms" for figure in figures) + " |", flush=True)


def write_inputs(bag: Path, folder: Path) -> None:
    """Some frames of the bag as time_stages takes them: a picture, its relative depth, two boxes."""
    pictures, depths = {}, {}
    with Reader(bag) as reader:
        store = typestore(reader)
        for connection, _, data in reader.messages():
            if connection.topic.startswith("/ground_truth") or not connection.msgtype.endswith("Image"):
                continue
            image = store.deserialize_cdr(data, connection.msgtype)
            if connection.msgtype == "sensor_msgs/msg/CompressedImage":
                pictures[nanos(image.header)] = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB"))
            elif image.encoding == "rgb8":
                rows = image.data.reshape(image.height, image.step)[:, : 3 * image.width]
                pictures[nanos(image.header)] = rows.reshape(image.height, image.width, 3)
            elif image.encoding in ("16UC1", "32FC1"):
                kind = np.uint16 if image.encoding == "16UC1" else np.float32
                depths[nanos(image.header)] = image.data.view(kind).reshape(image.height, image.width)
    both = sorted(pictures.keys() & depths.keys())
    if not both:
        sys.exit(f"{bag} has no rgb8 or compressed picture with a depth image of the same stamp")
    cases = []
    for number, stamp in enumerate(both[:: max(len(both) // FRAMES, 1)][:FRAMES]):
        height, width = pictures[stamp].shape[:2]
        disparity = 1 / np.maximum(depths[stamp].astype(float), 1e-3)
        disparity[depths[stamp] == 0] = 0
        names = [f"{kind}{number}.png" for kind in ("image", "depth")]
        Image.fromarray(np.ascontiguousarray(pictures[stamp])).save(folder / names[0])
        Image.fromarray((255 * disparity / disparity.max()).astype(np.uint8)).save(folder / names[1])
        boxes = [
            [0.4 * width, 0.4 * height, 0.46 * width, 0.48 * height],
            [0.5 * width, 0.6 * height, 0.56 * width, 0.68 * height],
        ]
        cases.append(
            {"image": names[0], "depth": names[1], "boxes": boxes, "turns": ["How far is <region0> from <region1>?"]}
        )
    (folder / "meta.json").write_text(json.dumps(cases))


def timed(stages: Path, arguments: argparse.Namespace, inputs: Path) -> dict:
    options = {
        "--model": arguments.model,
        "--inputs": inputs,
        "--dtype": arguments.dtype,
        "--frames": 40,
        "--new-tokens": arguments.new_tokens,
        "--threads": os.cpu_count(),
    }
    done = run([stages, *words(options)])
    found = json.loads(done.output.splitlines()[-1])
    found["vision_ms"] = 2 * found["vision_per_image_ms"]
    found["decode_ms"] = 1e3 * (arguments.new_tokens - 1) / found["decode_tokens_per_s"]
    return found


def print_stages(runs: list[dict]) -> None:
    prompt = int(runs[0]["prompt_tokens"])
    print(f"| stage, {prompt} tokens of prompt | median |\n| --- | --- |")
    for key, name in STAGES.items():
        print(f"| {name} | {median(one[key] for one in runs):.1f} ms |")


if __name__ == "__main__":
    main()
