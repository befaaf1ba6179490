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
    # then
    assert said(code, tmp_path)


def test_the_first_example_learned_no_more_than_a_constant(tmp_path):
    # when README's first lines are run, then they learn the reward to less than half of a constant's error
    words = said(EXAMPLES[0].values[0], tmp_path)
    learnt, constant = map(float, re.search(r"learnt to within (\S+) m, a constant is off by (\S+) m", words).groups())
    assert 0 < learnt < constant / 2


def said(code, folder):
    """What an example prints in a folder that has the sample, with a way to render without a screen."""
    (folder / "data").symlink_to(ROOT / "data")
    environment = {"MUJOCO_GL": "osmesa", **os.environ}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
