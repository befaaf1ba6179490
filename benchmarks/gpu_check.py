"""Whether the model is right on a GPU and how fast it is there, beside eager PyTorch, in minutes. Run by
scripts/gpu_check, which builds and installs what it needs.

usage: gpu_check.py --programs DIR [--python FILE] [--device cuda:0] [--minutes 8] [--threads N] [--work DIR]
                    [--out gpu_check.json] [--dry-run]

Parity first (answers and logits of tiny checkpoints and of models/nano, in float32, bfloat16 and few bits), then times
with a random checkpoint of the published 8B shape. What does not fit into the minutes or the memory is left out by
name. `--dry-run` does the same on the processor with tiny shapes. `--programs` is cargo's folder with spatial-reward,
examples/trace and examples/time_stages; `--python` one with benchmarks/requirements-torch.txt (without it a dry run
leaves out what needs PyTorch).

Exit codes: 0 what was compared holds; 1 something does not or failed, or there was no time to compare; 2 the machine
lacks something.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from gpu.machine import lacks, look
from gpu.running import Broken, LeftOut, Runner
from gpu.steps import stage_rows, steps
from label_vs_python import processor
from spatialrgpt_vs_pytorch import environment

NO_FEW_BITS = "a GPU takes no weights of few bits (docs/model.md): they are compared on the processor"


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        found = look(arguments.python, work, environment(arguments.threads))
        missing = lacks(found, arguments.programs, dry_run=arguments.dry_run)
        if missing:
            print("gpu_check: this machine lacks", *(f"  - {one}" for one in missing), sep="\n", file=sys.stderr)
            sys.exit(2)
        report = checked(Runner(arguments, found, work))
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    show(report)
    print(f"\nAll of it as JSON: {arguments.out}")
    holds = [row["holds"] for row in report["parity"]]
    sys.exit(bool(report["failed"]) or not holds or not all(holds))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="cargo's folder with the built programs")
    parser.add_argument("--python", type=Path, help="with benchmarks/requirements-torch.txt installed")
    parser.add_argument("--device", default="cuda:0", help="of both programs (cuda:0)")
    parser.add_argument("--minutes", type=float, default=8, help="after which nothing begins or goes on (8)")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 2, 16), help="of each program")
    parser.add_argument("--work", type=Path, help="where checkpoints are written and kept (a temporary folder)")
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"), help="the report (gpu_check.json)")
    parser.add_argument("--dry-run", action="store_true", help="on the processor, with tiny shapes")
    arguments = parser.parse_args()
    if arguments.dry_run:
        arguments.device, arguments.threads = "cpu", min(arguments.threads, 2)
    return arguments


def checked(runner: Runner) -> dict:
    machine = {"processor": processor(), "device": runner.device, "threads": runner.threads, **runner.found._asdict()}
    report = {"dry_run": runner.dry_run, "machine": machine}
    report |= {"parity": [], "times": [], "left_out": [], "failed": [], "seconds": {}}
    if not runner.dry_run:
        report["left_out"].append({"what": "int8 and int4 on the GPU", "why": NO_FEW_BITS})
    for step in steps(runner):
        begun = time.monotonic()
        try:
            runner.needs(seconds=step.seconds)
            for row in step.rows():
                report["parity" if "holds" in row else "times"].append({"what": step.name, **row})
        except LeftOut as reason:
            report["left_out"].append({"what": step.name, "why": str(reason)})
        except (Broken, ValueError) as reason:
            report["failed"].append({"what": step.name, "why": str(reason)})
        report["seconds"][step.name] = round(time.monotonic() - begun, 1)
        print(f"{step.name}: {report['seconds'][step.name]:.0f} s", file=sys.stderr, flush=True)
    report["seconds"]["all"] = round(runner.spent_s(), 1)
    return report


def show(report: dict) -> None:
    """The report as tables in Markdown."""
    machine = report["machine"]
    print(f"{machine['processor']}, {', '.join(machine['gpus']) or 'no GPU'}; device {machine['device']}", end="")
    if machine["pytorch"]:
        print(f"; PyTorch {machine['pytorch']['torch']}, transformers {machine['pytorch']['transformers']}", end="")
    print(f"; {report['seconds']['all']:.0f} s\n")
    print("| parity | answers | the same | least cosine of first logits (wanted) | holds |")
    print("| --- | --- | --- | --- | --- |")
    for row in report["parity"]:
        cosine = f"{row['cosine_least']:.6f} ({row['cosine_wanted']})"
        holds = "yes" if row["holds"] else "NO"
        print(f"| {row['what']}: {row['checkpoint']} | {row['answers']} | {row['same_answers']} | {cosine} | {holds} |")
    for row in report["times"]:
        print(f"\n{row['what']} ({row['checkpoint']}, {row['device']})", end="")
        if "ours" not in row:
            print(f": {row['seconds']:.1f} s")
            continue
        print("\n\n| stage | spatial-reward | PyTorch | time, ours / PyTorch's |\n| --- | --- | --- | --- |")
        for name, ours, theirs, ratio in stage_rows(row):
            shown = [f"{value:.4g}" if value is not None else "" for value in (ours, theirs)]
            print(f"| {name} | {shown[0]} | {shown[1]} | {'' if ratio is None else f'{ratio:.2f}'} |")
        print(f"\nLoading takes {row['ours']['load_s']:.1f} s")
    for title, key in (("Left out", "left_out"), ("FAILED", "failed")):
        if report[key]:
            print(f"\n{title}:")
        for one in report[key]:
            print(f"- {one['what']}: {one['why']}")


if __name__ == "__main__":
    main()
