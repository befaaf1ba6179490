"""What the pages show of the package runs as it stands there."""

import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    if re.search(r"^(import|from) spatial_reward", code, re.MULTILINE)
]
# What they read or write is the reader's own.
OTHERS_DATA = re.compile(r"recordings/pick|run_1|s3://|\"photos\"")

# What some examples need beyond the package.
PEERS = ("gymnasium", "mujoco", "ray", "stable_baselines3")


def test_there_are_examples():
    assert {"README.md", "python.md"} <= {example.id.rsplit("-", 1)[0] for example in EXAMPLES}


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_as_it_stands_there(code, tmp_path):
    if OTHERS_DATA.search(code):
        compile(code, "page", "exec")
        pytest.skip("it is of recordings that only its reader has; it compiles")
    for peer in PEERS:
        if re.search(rf"^(import|from) (spatial_reward\.)?{peer}\b", code, re.MULTILINE):
            pytest.importorskip(peer, reason=f"{peer} is not installed")
    # given a folder in which the sample's folder is at hand, and a way to render without a screen
    (tmp_path / "data").symlink_to(ROOT / "data")
    environment = {"MUJOCO_GL": "osmesa", **os.environ}
    # when
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
