"""What README.md shows works as it stands there."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_example_runs(code, labelled):
    command = [sys.executable, "-c", code]
    example = subprocess.run(command, cwd=labelled.parent, capture_output=True, text=True, check=False)
    assert example.returncode == 0, example.stderr
    assert example.stdout.strip()


def test_configuration_is_accepted_and_the_command_line_wins(run, sample_bag, tmp_path):
    (configuration,) = blocks("yaml")
    assert "image: /wrist/color/image_raw" in configuration  # a topic that the sample does not have
    config = tmp_path / "my_rig.yaml"
    config.write_text(configuration)
    image_topic = "/camera/color/image_raw/compressed"
    result = run("label", sample_bag, "-o", tmp_path / "out", "--config", config, "--image-topic", image_topic)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["label", "evaluate", "inspect"])
def test_options_shown_exist(run, command):
    commands = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    lines = [line.split("#")[0] for line in commands if line.startswith(f"spatial-reward {command} ")]
    assert lines
    help_text = run(command, "--help").stdout
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(lines)):
        assert re.search(rf"(?<!\S){option}\b", help_text), f"{option} is not in `{command} --help`"
