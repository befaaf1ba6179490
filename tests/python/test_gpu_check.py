"""The dry run of scripts/gpu_check: the model against stored answers and, where there is PyTorch, against that.

SPATIAL_REWARD_PROGRAMS names a folder with spatial-reward, examples/trace and examples/time_stages, built with the
model (`scripts/test python` does), and SPATIAL_REWARD_PYTORCH a Python with what the peer needs (`scripts/test peers`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PROGRAMS = os.environ.get("SPATIAL_REWARD_PROGRAMS")
PYTORCH = os.environ.get("SPATIAL_REWARD_PYTORCH")
needs_programs = pytest.mark.skipif(not PROGRAMS, reason="SPATIAL_REWARD_PROGRAMS names no programs with the model")
# On a busy machine it takes longer than what it gives itself, and leaves the rest out.
DRY_RUN = ["--dry-run", "--minutes", "600"]

# Stands in for examples/trace: a checkpoint's golden files, as they are or, with `swapped`, each in another's place.
TRACE = """#!{python}
import shutil, sys
from pathlib import Path

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
golden, out = Path(options["--model"]).parent / "golden", Path(options["--out"])
out.mkdir()
for case in (0, 1):
    shutil.copy(golden / f"case{{case}}.safetensors", out / f"case{{case ^ {swapped:d}}}.safetensors")
"""


def gpu_check(out, programs, python, *arguments):
    command = [ROOT / "scripts" / "gpu_check", "--programs", programs, "--python", python, "--out", out, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def stand_ins(folder, *, swapped):
    """Programs that answer in no time, all but `trace` with failure."""
    program(folder / "examples" / "trace", TRACE.format(python=sys.executable, swapped=swapped))
    for name in ("spatial-reward", "examples/time_stages"):
        program(folder / name, "#!/bin/sh\necho there is no model >&2\nexit 3\n")
    return folder


@needs_programs
def test_a_dry_run_compares_with_stored_answers_and_says_that_pytorch_is_not_there(tmp_path):
    # given a Python without PyTorch
    out = tmp_path / "report.json"
    # when
    done = gpu_check(out, PROGRAMS, sys.executable, *DRY_RUN)
    # then
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert [row["checkpoint"] for row in report["parity"]] == ["linear", "identity"]
    assert all(row["same_answers"] == row["answers"] == 4 for row in report["parity"])
    assert len(report["times"]) == 2 and all(row["ours"]["frame_ms"] > 0 for row in report["times"])
    assert report["failed"] == []
    left_out = {one["what"]: one["why"] for one in report["left_out"]}
    assert all(why.startswith("PyTorch is not there") for why in left_out.values())
    assert len(left_out) == 5 and "Left out:" in done.stdout


@needs_programs
@pytest.mark.skipif(not PYTORCH, reason="SPATIAL_REWARD_PYTORCH names no Python with PyTorch and transformers")
def test_a_dry_run_compares_with_pytorch(tmp_path):
    # given, when
    out = tmp_path / "report.json"
    done = gpu_check(out, PROGRAMS, PYTORCH, *DRY_RUN)
    # then
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert report["failed"] == report["left_out"] == []
    compared = {(row["checkpoint"], row["dtype"], row.get("weights")) for row in report["parity"]}
    nano = {
        ("nano", "float32", None),
        ("nano", "bfloat16", None),
        ("nano", "float32", "int8"),
        ("nano", "float32", "int4"),
    }
    assert nano < compared
    assert [bool(row.get("pytorch")) for row in report["times"]] == [True, False]


@pytest.mark.parametrize("swapped", [False, True])
def test_answers_that_are_not_the_stored_ones_are_told(tmp_path, swapped):
    # given
    programs = stand_ins(tmp_path, swapped=swapped)
    # when
    done = gpu_check(tmp_path / "report.json", programs, sys.executable, "--dry-run")
    # then programs that fail are told, and they alone where answers are the stored ones
    report = json.loads((tmp_path / "report.json").read_text())
    assert done.returncode == 1
    assert [row["holds"] for row in report["parity"]] == [not swapped] * 2
    assert all("there is no model" in one["why"] for one in report["failed"])


def test_a_machine_that_lacks_something_is_told_what_and_the_way_out(tmp_path):
    # given programs that are not there, and a Python without PyTorch
    # when
    done = gpu_check(tmp_path / "report.json", tmp_path / "none", sys.executable)
    # then
    assert done.returncode == 2
    assert "examples/trace: scripts/gpu_check builds it" in done.stderr
    assert "PyTorch" in done.stderr and "--python" in done.stderr
    assert not Path(tmp_path / "report.json").exists()
