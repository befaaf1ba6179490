"""Finds the built program and labels the sample bag once for the tests that only read the result.

`pytest tests/python` builds the program, with video, in the profile that `cargo test` uses, so nothing is compiled
twice; `--program PATH` tests another build.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# What judges photos is shared with the benchmark.
sys.path.append(str(ROOT / "benchmarks"))


def pytest_addoption(parser):
    parser.addoption("--program", type=Path, help="a built spatial-reward (built with cargo if not given)")


@pytest.fixture(scope="session")
def program(pytestconfig):
    """Path of the spatial-reward program under test."""
    given = pytestconfig.getoption("--program")
    if given:
        return given.resolve(strict=True)
    build = subprocess.run(
        ["cargo", "build", "--locked", "--features", "video", "--message-format=json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    messages = map(json.loads, build.stdout.splitlines())
    return Path(next(message["executable"] for message in messages if message.get("executable")))


@pytest.fixture(scope="session")
def run(program):
    """Runs the program: run("label", bag, ...) gives the completed process, its output as text."""

    def run(*arguments):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def sample_bag():
    return ROOT / "data" / "fetch_approach"


@pytest.fixture(scope="session")
def labelled(run, sample_bag, tmp_path_factory):
    """The sample bag labelled with the defaults. Read it, never write into it."""
    out = tmp_path_factory.mktemp("sample") / "labelled"
    result = run("label", sample_bag, "-o", out)
    assert result.returncode == 0, result.stderr
    return out


def chromium():
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next(found, None)


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium to show the page in: apt-get install chromium")
    # The package's tests, which share this file, have no browser.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not have; the page is our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
