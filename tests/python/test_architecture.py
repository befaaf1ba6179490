"""ARCHITECTURE.md draws the crates and what they need of each other; this holds the drawing against cargo's word."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# One for each foreign dependency that matters; pick (axum) and serve (hyper, without libtorch) are the last that came.
MOST_CRATES = 12
MOST_LEVELS = 6


def drawn() -> tuple[dict[str, set[str]], dict[str, int]]:
    """The crates of the drawing with what they need, and their levels."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    block = re.search(r"## The graph\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block, "ARCHITECTURE.md has no drawing under 'The graph'"
    needs, levels, level = {}, {}, 0
    for line in block.group(1).splitlines():
        head = re.match(r"level (\d+)\s+", line)
        if head:
            level = int(head.group(1))
        name, _, needed = line[head.end() if head else 0 :].strip().partition(" -> ")
        needs[name] = {one.strip() for one in needed.split(",") if one.strip()}
        levels[name] = level
    return needs, levels


def known_to_cargo() -> dict[str, set[str]]:
    """The workspace's crates with those of its crates that they link (not those that only their tests do)."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    packages = json.loads(done.stdout)["packages"]
    names = {package["name"] for package in packages}
    return {
        package["name"]: {
            one["name"] for one in package["dependencies"] if one["kind"] is None and one["name"] in names
        }
        for package in packages
    }


def test_the_drawing_is_what_cargo_builds():
    assert drawn()[0] == known_to_cargo()


def test_each_crate_stands_one_level_above_what_it_needs():
    needs, levels = drawn()
    for name, needed in needs.items():
        assert levels[name] == 1 + max((levels[one] for one in needed), default=0), name


def test_the_house_stays_small():
    needs, levels = drawn()
    assert len(needs) <= MOST_CRATES
    assert max(levels.values()) <= MOST_LEVELS


def test_a_crate_that_is_published_needs_no_other_language():
    command = ["cargo", "tree", "--package", "spatial-reward-core", "--edges", "normal,build", "--prefix", "none"]
    done = subprocess.run([*command, "--locked"], cwd=ROOT, check=True, capture_output=True, text=True)
    crates = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    foreign = {name for name in crates if name.endswith("-sys") or name in {"cc", "cmake", "bindgen", "pkg-config"}}
    assert not foreign
    assert not crates & {"clap", "indicatif", "tch", "r2r", "rusqlite", "mcap"}
