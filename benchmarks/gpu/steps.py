"""What the check on a GPU looks at: each step gives rows, of parity (with `holds`) or of times."""

import shutil
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import traces
import transcripts
from spatialrgpt_vs_pytorch import STAGES

from .running import HERE, LeftOut, Runner

ROOT = HERE.parent
FIXTURES = ROOT / "tests" / "fixtures" / "spatialrgpt"
INPUTS = FIXTURES / "inputs"
NANO = ROOT / "models" / "nano"
SAMPLE = ROOT / "data" / "fetch_approach"
# The least cosine of the first token's logits, and the share of answers that are the same, token for token.
EXACT, ROUNDED, FEW_BITS = (0.99999, 1.0), (0.999, 0.0), (0.999, 0.0)
# What a random checkpoint of the published shape takes: in files, in the program's memory, in the GPU's.
LARGE_GB = {None: {"disk_gb": 18, "memory_gb": 24, "gpu_gb": 20}, 4: {"disk_gb": 8, "memory_gb": 10}}


class Step(NamedTuple):
    name: str
    seconds: float  # that it takes about, on a machine with a GPU
    rows: Callable[[], list[dict]]
    dry: bool = True  # whether a dry run, whose time goes into starting programs, does it too


def steps(runner: Runner) -> list[Step]:
    """The most telling ones first: who comes last is left out."""
    large, tiny = Large(runner), FIXTURES / "a" / "checkpoint"
    shape = "8b" if not runner.dry_run else "tiny"
    found = [
        Step("tiny checkpoints, float32, against golden files", 20, partial(against_golden, runner)),
        *(
            Step(
                f"tiny, {dtype}, against PyTorch", 25, partial(against_pytorch, runner, tiny, INPUTS, dtype), dry=False
            )
            for dtype in ("float32", "bfloat16")
        ),
        *(
            Step(f"models/nano, {dtype}, against PyTorch", 25, partial(against_pytorch, runner, NANO, None, dtype))
            for dtype in ("float32", "bfloat16")
        ),
        *(
            Step(f"models/nano, {bits} on the processor, against PyTorch", 25, partial(few_bits, runner, bits))
            for bits in ("int4", "int8")
        ),
        Step(f"{shape}, bfloat16, 64 new tokens", 150, partial(large.stages, 64)),
        Step(f"{shape}, bfloat16, against PyTorch", 60, large.parity),
        Step(f"{shape}, int4 on the processor, 24 new tokens", 60, large.four_bits),
        Step("`label` with models/nano", 20, partial(labelled, runner), dry=False),
        Step(f"{shape}, bfloat16, 24 new tokens", 60, partial(large.stages, 24), dry=False),
    ]
    return [step for step in found if step.dry or not runner.dry_run]


# Parity


def parity(one: Path, other: Path, bounds: tuple[float, float], **about) -> dict:
    """A row: how near two folders of traces are, and whether that is near enough."""
    found = traces.compare(one, other)
    least, share = bounds
    holds = found["cosine_least"] >= least and found["same_answers"] >= share * found["answers"]
    return {**about, **found, "cosine_wanted": least, "same_wanted": share, "holds": holds}


def against_golden(runner: Runner) -> list[dict]:
    """Against what the original's program answered (a, c) and its peer, stored with the tests."""
    names = ["linear", "identity"] if runner.dry_run else ["a", "c", "clip", "siglip_resized", "linear", "identity"]
    rows = []
    for name in names:
        folder = FIXTURES / name
        inputs = INPUTS if name in ("a", "c") else FIXTURES / "inputs_small"
        ours = ours_traced(runner, folder / "checkpoint", inputs, dtype="float32", device=runner.device)
        rows.append(parity(ours, folder / "golden", EXACT, checkpoint=name, dtype="float32", device=runner.device))
    return rows


def against_pytorch(runner: Runner, model: Path, inputs: Path | None, dtype: str) -> list[dict]:
    """Both on the device, in one type."""
    runner.needs_pytorch()
    inputs = inputs or frames(runner, reasoning=False)
    bounds = EXACT if dtype == "float32" else ROUNDED
    options = {"dtype": dtype, "device": runner.device}
    ours = ours_traced(runner, model, inputs, **options)
    return [parity(ours, peer_traced(runner, model, inputs, **options), bounds, checkpoint=model.name, **options)]


def few_bits(runner: Runner, bits: str) -> list[dict]:
    """Against PyTorch with the same weights in float32, on the processor: a GPU takes no weights of few bits."""
    runner.needs_pytorch()
    small, exact = (runner.work / f"nano_{bits}{suffix}" for suffix in ("", "_exact"))
    runner.program("spatial-reward", "quantise", NANO, small, weights=bits, tower_weights="int8")
    runner.peer("exact_weights.py", small, exact)
    inputs, options = frames(runner, reasoning=False), {"dtype": "float32", "device": "cpu"}
    ours = ours_traced(runner, small, inputs, **options)
    theirs = peer_traced(runner, exact, inputs, **options)
    return [parity(ours, theirs, FEW_BITS, checkpoint="nano", **options, weights=bits)]


def ours_traced(runner: Runner, model: Path, inputs: Path, **options) -> Path:
    out = fresh(runner, "ours")
    runner.program("examples/trace", model=model, inputs=inputs, out=out, names=traces.NAMES, **options)
    return out


def peer_traced(runner: Runner, model: Path, inputs: Path, **options) -> Path:
    out = fresh(runner, "pytorch")
    runner.peer("spatialrgpt_peer.py", "trace", model=model, inputs=inputs, out=out, threads=runner.threads, **options)
    return out


def fresh(runner: Runner, name: str) -> Path:
    """A folder for traces, emptied: what is inside was compared."""
    out = runner.work / f"traces_{name}"
    shutil.rmtree(out, ignore_errors=True)
    return out


@cache
def frames(runner: Runner, *, reasoning: bool) -> Path:
    """Frames of the sample bag with what a trained network would answer, of at least 64 tokens with reasoning."""
    dataset, inputs = runner.work / "dataset", runner.work / ("frames_long" if reasoning else "frames_short")
    if not dataset.exists():
        runner.program(
            "spatial-reward", "dataset", SAMPLE, output=dataset, every=20, direct=1, default_wording=1, quiet=True
        )  # fmt: skip
    shutil.rmtree(inputs, ignore_errors=True)
    transcripts.write(dataset, inputs, 2 if runner.dry_run else 4, reasoning=reasoning)
    return inputs


# Times


class Large:
    """Random checkpoints of the published shape, made when they are first asked for; a tiny one in a dry run."""

    def __init__(self, runner: Runner):
        self.runner = runner

    def checkpoint(self, bits: int | None) -> Path:
        runner, shape = self.runner, "tiny-siglip" if self.runner.dry_run else "8b"
        out = runner.work / f"{shape}{bits or ''}"
        if out.exists():
            return out
        if runner.found.pytorch is None and runner.dry_run:
            tiny = FIXTURES / "linear" / "checkpoint"
            if bits is None:
                return tiny
            runner.program("spatial-reward", "quantise", tiny, out, weights=f"int{bits}")
            return out
        runner.needs(**LARGE_GB[bits])
        partial_folder = runner.work / "partial"
        shutil.rmtree(partial_folder, ignore_errors=True)
        runner.peer("make_checkpoint.py", shape, partial_folder, **({} if bits is None else {"bits": bits}))
        return partial_folder.rename(out)

    def stages(self, new_tokens: int) -> list[dict]:
        """Both programs' times in one type, with the transcript that a trained network would give."""
        runner, model = self.runner, self.checkpoint(None)
        options = {
            "model": model,
            "inputs": frames(runner, reasoning=new_tokens > 32),
            "frames": 1 if runner.dry_run else 3,
            "new_tokens": new_tokens,
            "threads": runner.threads,
            "dtype": "bfloat16",
            "device": runner.device,
        }
        ours = runner.timed(runner.program, "examples/time_stages", **options)
        row = {"checkpoint": model.name, "dtype": "bfloat16", "device": runner.device, "ours": ours}
        try:
            row["pytorch"] = runner.timed(runner.peer, "spatialrgpt_peer.py", "time", json=True, **options)
        except LeftOut as reason:
            row["pytorch"], row["why_no_pytorch"] = None, str(reason)
        return [row]

    def parity(self) -> list[dict]:
        return against_pytorch(self.runner, self.checkpoint(None), None, "bfloat16")

    def four_bits(self) -> list[dict]:
        runner, model = self.runner, self.checkpoint(4)
        runner.needs(memory_gb=LARGE_GB[4]["memory_gb"])
        options = {"frames": 1, "new_tokens": 24, "threads": runner.threads, "dtype": "bfloat16", "device": "cpu"}
        inputs = frames(runner, reasoning=False)
        ours = runner.timed(runner.program, "examples/time_stages", model=model, inputs=inputs, **options)
        return [{"checkpoint": model.name, "dtype": "bfloat16", "weights": "int4", "device": "cpu", "ours": ours}]


def labelled(runner: Runner) -> list[dict]:
    """The whole program on the sample bag, from its start to its report."""
    out, begun = runner.work / "labelled", time.monotonic()
    options = {"output": out, "estimator": "spatialrgpt", "device": runner.device, "dtype": "bfloat16", "quiet": True}
    runner.program("spatial-reward", "label", SAMPLE, overwrite=True, **options)
    seconds = time.monotonic() - begun
    return [{"checkpoint": "nano", "dtype": "bfloat16", "device": runner.device, "seconds": seconds}]


def stage_rows(row: dict) -> list[tuple]:
    """(stage, ours, PyTorch's or None, ratio of times or None) of a row of times."""
    ours, peer, found = row["ours"], row.get("pytorch"), []
    for key, name, unit, more_is_better in STAGES:
        theirs = peer and peer[key]
        ratio = theirs and (theirs / ours[key] if more_is_better else ours[key] / theirs)
        found.append((f"{name}, {unit}", ours[key], theirs, ratio))
    return found
