"""Programs that run within the minutes that the check on a GPU has."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from spatialrgpt_vs_pytorch import environment

HERE = Path(__file__).parent.parent


class LeftOut(Exception):
    """A step that was not done, and why."""


class Broken(Exception):
    """A program that failed, in its own words."""


class Runner:
    """Where programs are, where they run, and until when."""

    def __init__(self, arguments, found, work: Path):
        self.begun = time.monotonic()
        self.limit_s = 60 * arguments.minutes
        self.found, self.work, self.device = found, work, arguments.device
        self.dry_run, self.threads = arguments.dry_run, arguments.threads
        self.programs, self.python = arguments.programs, arguments.python

    def spent_s(self) -> float:
        return time.monotonic() - self.begun

    def needs(self, *, seconds: float = 0, disk_gb: float = 0, memory_gb: float = 0, gpu_gb: float = 0) -> None:
        """Leaves a step out that would not fit. A dry run fits anywhere."""
        if self.dry_run:
            return
        left_s = self.limit_s - self.spent_s()
        gpu = (self.found.pytorch or {}).get("free_gb", 0.0)
        for what, needed, there in (
            ("seconds", seconds, left_s),
            ("GB of disk", disk_gb, shutil.disk_usage(self.work).free / 1e9),
            ("GB of memory", memory_gb, self.found.memory_gb),
            ("GB of the GPU's memory", gpu_gb, gpu),
        ):
            if there < needed:
                raise LeftOut(f"it takes some {needed:.0f} {what}, and {max(there, 0):.0f} are left")

    def needs_pytorch(self) -> None:
        if self.found.pytorch is None:
            raise LeftOut(f"PyTorch is not there: {self.found.why_no_pytorch}")

    def run(self, command: list, options: list) -> str:
        """What a program writes, if it ends in time."""
        command = [str(word) for word in (*command, *options)]
        try:
            done = subprocess.run(
                command,
                env=environment(self.threads) | {"CUDA_MODULE_LOADING": "LAZY", "HF_HUB_OFFLINE": "1"},
                timeout=max(self.limit_s - self.spent_s(), 1),
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LeftOut(f"the {self.limit_s / 60:.0f} minutes were over while {Path(command[0]).name} ran") from None
        if done.returncode:
            raise Broken(f"{' '.join(command[:3])} ended with code {done.returncode}: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def program(self, name: str, *arguments, **options) -> str:
        return self.run([self.programs / name, *arguments], flags(options))

    def peer(self, script: str, *arguments, **options) -> str:
        """A script of this folder, with PyTorch."""
        self.needs_pytorch()
        return self.run([self.python, HERE / script, *arguments], flags(options))

    def timed(self, side, *arguments, **options) -> dict:
        """The last line of `program` or `peer`, which is JSON."""
        return json.loads(side(*arguments, **options).splitlines()[-1])


def flags(options: dict) -> list:
    """As a command line has them; of a list each, of True the name alone."""
    found = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [] if value is True else [value]
        found += [f"--{name.replace('_', '-')}", *values]
    return found
