"""Times the model's stages against eager PyTorch (spatialrgpt_peer.py): the same checkpoint, the same frames,
as many threads, in turn on the same machine. Prints a table in Markdown for each type.

usage: spatialrgpt_vs_pytorch.py --model DIR [--repeats N] [--frames N] [--new-tokens N] [--threads N]
                                 [--dtypes float32 bfloat16] [--device cpu] [--best] [--python FILE] [--program FILE]
                                 [--dataset DIR] [--weights int8|int4] [--tower-weights int8|int4]

Needs nothing but the standard library itself; `--python` is one with benchmarks/requirements-torch.txt installed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import transcripts
from label_vs_python import build, processor, words

SHORT_TOKENS = 32  # longer answers reason
HERE = Path(__file__).parent
ROOT = HERE.parent

# Key of both programs' JSON, what the table calls it, its unit, and whether more of it is better.
STAGES = [
    ("prepare_ms", "prepare two pictures and the masks", "ms", False),
    ("vision_per_image_ms", "vision tower, a picture", "ms", False),
    ("regions_ms", "enlarged map, projector, regions", "ms", False),
    ("prefill_ms", "prompt", "ms", False),
    ("decode_tokens_per_s", "further tokens", "a second", True),
    ("frame_ms", "whole frame", "ms", False),
    ("peak_rss_mb", "peak memory of the process", "MB", False),
]


def main() -> None:
    arguments = parse()
    program = arguments.program or build("--package", "spatial-reward-models", "--example", "time_stages")
    if arguments.dataset:
        with tempfile.TemporaryDirectory() as folder:
            arguments.inputs = Path(folder) / "inputs"
            transcripts.write(
                arguments.dataset, arguments.inputs, arguments.frames + 1, reasoning=arguments.new_tokens > SHORT_TOKENS
            )
            compare(program, arguments)
    else:
        compare(program, arguments)


def compare(program: Path, arguments: argparse.Namespace) -> None:
    few = ["--weights", arguments.weights, "--tower-weights", arguments.tower_weights]
    commands = {"ours": [program, *few], "peer": [arguments.python, HERE / "spatialrgpt_peer.py", "time", "--json"]}
    print(f"{processor()}, {arguments.threads} threads, device {arguments.device}, checkpoint {arguments.model.name}")
    for dtype in arguments.dtypes:
        runs = {name: [] for name in commands}
        for repeat in range(arguments.repeats):
            # Whoever comes second finds the files in the page cache and the processor warm: take turns.
            for name in list(commands)[:: -1 if repeat % 2 else 1]:
                runs[name].append(timed(commands[name], dtype, arguments))
        report(dtype, runs, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint in the original layout")
    parser.add_argument(
        "--inputs",
        type=Path,
        default=ROOT / "tests" / "fixtures" / "spatialrgpt" / "inputs",
        help="folder with meta.json and its pictures (the tests' own)",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        help="a folder that `spatial-reward dataset` wrote: both sides follow what it answers on consecutive frames",
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each program and type (3)")
    parser.add_argument("--frames", type=int, default=5, help="timed frames a run, after one to warm up (5)")
    parser.add_argument("--new-tokens", type=int, default=64, help="made for each frame, come what may (64)")
    parser.add_argument("--threads", type=int, default=2, help="of each program (2)")
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=("float32", "bfloat16", "float16"),
        default=["float32", "bfloat16"],
        help="types of the network's numbers (both)",
    )
    for part, name in (("the language model's", "--weights"), ("the tower's", "--tower-weights")):
        parser.add_argument(
            name, default="stored", choices=("stored", "int8", "int4"), help=f"how ours keeps {part} (stored)"
        )
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N (cpu)")
    parser.add_argument("--best", action="store_true", help="the fastest frame of all runs, for a busy machine")
    parser.add_argument("--python", default=sys.executable, help="Python with the peer's packages (this one)")
    parser.add_argument("--program", type=Path, help="the example time_stages (built in release mode if not given)")
    arguments = parser.parse_args()
    if min(arguments.repeats, arguments.frames, arguments.threads) < 1 or arguments.new_tokens < 2:
        parser.error("--repeats, --frames and --threads are 1 or more, --new-tokens 2 or more")
    return arguments


def timed(command: list, dtype: str, arguments: argparse.Namespace) -> dict:
    """One run of a program: medians over its frames, as its JSON has them."""
    options = {
        "--model": arguments.model,
        "--inputs": arguments.inputs,
        "--frames": arguments.frames,
        "--new-tokens": arguments.new_tokens,
        "--threads": arguments.threads,
        "--dtype": dtype,
        "--device": arguments.device,
    }
    full = [*command, *words(options)]
    done = subprocess.run(
        list(map(str, full)), env=environment(arguments.threads), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{Path(command[0]).name} failed with code {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def environment(threads: int) -> dict:
    """The caller's, with pools of as many threads as are timed. Without our libtorch on the library path:
    PyTorch brings its own, and the example knows where its is."""
    ours = str(Path(os.environ.get("LIBTORCH", "")) / "lib")
    paths = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path and path != ours]
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(pools, str(threads)), "LD_LIBRARY_PATH": ":".join(paths)}


def report(dtype: str, runs: dict, arguments: argparse.Namespace) -> None:
    ours, peer = runs["ours"], runs["peer"]
    passes = median(run["passes"] for run in ours if "passes" in run) if "passes" in ours[0] else None
    prompt = {int(run["prompt_tokens"]) for run in ours + peer}
    if len(prompt) != 1:
        sys.exit(f"the prompts differ in length, so this compares nothing: {sorted(prompt)} tokens")
    what = "best frame" if arguments.best else "median frame, median"
    print(
        f"\n{dtype}: {prompt.pop()} prompt tokens and {arguments.new_tokens} new ones; {what} of "
        f"{arguments.repeats} x {arguments.frames}; PyTorch {peer[0]['torch']}, "
        f"transformers {peer[0]['transformers']}\n"
    )
    if {arguments.weights, arguments.tower_weights} != {"stored"}:
        print(f"Ours keeps its weights as {arguments.weights}, the tower's as {arguments.tower_weights}\n")
    print("| stage | spatial-reward | PyTorch | time, ours / PyTorch's |\n| --- | --- | --- | --- |")
    for key, name, unit, more_is_better in STAGES:
        left, right = (figure(side, key, more_is_better, arguments.best) for side in (ours, peer))
        ratio = right / left if more_is_better else left / right
        print(f"| {name} | {left:.{digits(left)}f} {unit} | {right:.{digits(right)}f} {unit} | {ratio:.2f} |")
    if passes is not None:
        print(f"\nPasses through the decoder after the prompt: {passes:.1f} a frame")


def figure(runs: list[dict], key: str, more_is_better: bool, best: bool) -> float:
    """One figure of all runs; of memory there is only the peak."""
    if best and key in runs[0]["best"]:
        return (max if more_is_better else min)(run["best"][key] for run in runs)
    return median(run[key] for run in runs)


def digits(value: float) -> int:
    """Decimal places that leave three figures."""
    return 0 if value >= 100 else 1


if __name__ == "__main__":
    main()
