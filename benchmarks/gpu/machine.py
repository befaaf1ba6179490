"""What a machine has for the check on a GPU, and what it lacks."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

PROGRAMS = ("spatial-reward", "examples/trace", "examples/time_stages")
LEAST_DISK_GB = 1
# Told by the Python that has PyTorch. Everything the peer imports is imported.
ASK_PYTORCH = """
import json, cv2, PIL, safetensors, sentencepiece, torch, transformers
cuda = torch.cuda.is_available()
free = torch.cuda.mem_get_info()[0] / 1e9 if cuda else 0.0
print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "cuda": cuda, "free_gb": free}))
"""


class Machine(NamedTuple):
    """What was found. Sizes in 1e9 bytes, free ones."""

    gpus: list[str]  # as nvidia-smi lists them
    pytorch: dict | None  # its versions, whether it sees a GPU and that one's memory; None where it is not there
    why_no_pytorch: str
    disk_gb: float
    memory_gb: float


def look(python: Path | None, work: Path, environment: dict) -> Machine:
    pytorch, why = None, "--python names none"
    if python is not None:
        asked = said([python, "-c", ASK_PYTORCH], environment)
        lines = (asked.stdout if asked.returncode == 0 else asked.stderr).splitlines() or [""]
        pytorch, why = (json.loads(lines[-1]), "") if asked.returncode == 0 else (None, f"{python}: {lines[-1]}")
    gpus = []
    if shutil.which("nvidia-smi"):
        gpus = said(
            ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"], environment
        )
        gpus = gpus.stdout.splitlines() if gpus.returncode == 0 else []
    return Machine(gpus, pytorch, why, shutil.disk_usage(work).free / 1e9, memory_gb())


def said(command: list, environment: dict) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


def memory_gb() -> float:
    """What programs may take without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def lacks(found: Machine, programs: Path, *, dry_run: bool) -> list[str]:
    """What is missing, each with the way out."""
    missing = [
        f"{programs / name}: scripts/gpu_check builds it where --programs is not given"
        for name in PROGRAMS
        if not (programs / name).exists()
    ]
    if found.disk_gb < LEAST_DISK_GB:
        missing.append(
            f"{LEAST_DISK_GB} GB of disk, {found.disk_gb:.1f} are free: --work names a folder on another one"
        )
    if dry_run:
        return missing
    if not found.gpus:
        missing.append("a GPU that nvidia-smi lists: install NVIDIA's driver; --dry-run needs none")
    if found.pytorch is None:
        missing.append(
            "PyTorch with what benchmarks/requirements-torch.txt names: scripts/gpu_check installs it where --python "
            f"is not given ({found.why_no_pytorch})"
        )
    elif not found.pytorch["cuda"]:
        missing.append(
            f"a GPU that PyTorch {found.pytorch['torch']} sees: install its build for this driver (nvidia-smi)"
        )
    return missing
