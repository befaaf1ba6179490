#!/usr/bin/env python3
"""OWLv2 of the published base shape at 960 pixels, with random weights: this program against eager PyTorch.

Both take the same picture through image processor, vision tower and heads, and compare it with phrases that were
read before: what a recording's second picture costs. Processes take turns, because a machine's speed changes.

usage: owlv2_vs_pytorch.py --program FILE [--rounds 3] [--repeats 2] [--threads 2] [--folder DIR]

The program is the example time_detector; the Python that runs this has benchmarks/requirements-networks.txt.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = ["a photo of a red cube", "a robot gripper"]


def make(folder):
    import torch
    from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests/fixtures/owlv2"))
    from generate import picture, vocabulary

    torch.manual_seed(0)
    model = Owlv2ForObjectDetection(Owlv2Config(vision_config=dict(image_size=960)))
    model.save_pretrained(folder)
    tokens, merges = vocabulary("!")
    tokenizer = CLIPTokenizer(vocab=tokens, merges=merges, pad_token="!", model_max_length=16)
    Owlv2Processor(Owlv2ImageProcessor(), tokenizer).save_pretrained(folder)
    picture("wide").resize((1280, 720)).save(folder / "picture.png")


def peer(folder, repeats):
    """What transformers takes, tuned as this program is: phrases are read once, and nobody asks for objectness."""
    import torch
    from PIL import Image
    from transformers import Owlv2ForObjectDetection, Owlv2Processor

    torch.set_grad_enabled(False)
    model = Owlv2ForObjectDetection.from_pretrained(folder).eval()
    processor = Owlv2Processor.from_pretrained(folder)
    image = Image.open(folder / "picture.png").convert("RGB")
    inputs = processor(text=[WORDS], images=image, return_tensors="pt")
    words = model.owlv2.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
    words = (words / words.norm(dim=-1, keepdim=True))[None]
    seconds, processor_seconds = [], []
    for _ in range(repeats + 1):
        begun, used = time.perf_counter(), time.process_time()
        pixels = processor(images=image, return_tensors="pt")["pixel_values"]
        features = model.image_embedder(pixels)[0]
        flat = features.flatten(1, 2)
        logits, _ = model.class_predictor(flat, words)
        boxes = model.box_predictor(flat, features)
        scores = torch.sigmoid(logits.max(-1).values)
        kept = boxes[scores > 0.1]
        seconds.append(time.perf_counter() - begun)
        processor_seconds.append(time.process_time() - used)
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
    times = {"seconds": seconds[1:], "processor_seconds": processor_seconds[1:]}
    print(json.dumps({**times, "found": len(kept), "peak_mb": int(peak) // 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="the example time_detector")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the checkpoint is, or is made [default: a temporary folder]")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        peer(options.folder, options.repeats)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").exists():
            make(folder)
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        words = [word for phrase in WORDS for word in ("--words", phrase)]
        repeats = ["--repeats", str(options.repeats)]
        ours = [options.program, "--model", folder, "--picture", folder / "picture.png", *words, *repeats]
        theirs = [sys.executable, __file__, "--program", options.program, "--peer", "--folder", folder, *repeats]
        measured = {"spatial_reward": [], "pytorch": []}
        for _ in range(options.rounds):
            for name, command in (("spatial_reward", ours), ("pytorch", theirs)):
                # libtorch's folder, which the program finds itself, is not to be PyTorch's.
                output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                measured[name].append(json.loads(output.splitlines()[-1]))
                print(name, measured[name][-1], flush=True)
    # The processors' time tells on a machine that others use too; best with --threads 1, for threads wait busily.
    for kind in ("seconds", "processor_seconds"):
        taken = {name: [s for run in runs for s in run[kind]] for name, runs in measured.items()}
        for what, of in (("median", statistics.median), ("best", min)):
            ours_s, theirs_s = of(taken["spatial_reward"]), of(taken["pytorch"])
            print(f"{what} {kind}: {ours_s:.2f} and {theirs_s:.2f}, ratio {ours_s / theirs_s:.3f}")
    peak = {n: max(run["peak_mb"] for run in runs) for n, runs in measured.items()}
    print(f"peak MB {peak}, ratio {peak['spatial_reward'] / peak['pytorch']:.3f}")


if __name__ == "__main__":
    main()
