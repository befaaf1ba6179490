"""What README.md and the pages of docs/ show works as it stands there."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# Every topic of the sample bag that a configuration may name otherwise, and its class ids.
SAMPLE = {
    "--image-topic": "/camera/color/image_raw/compressed",
    "--depth-topic": "/camera/aligned_depth_to_color/image_raw",
    "--camera-info-topic": "/camera/color/camera_info",
    "--fingertip-topic": "/fingertip/detections",
    "--target-topic": "/target/detections",
    "--fingertip-class": "fingertip",
    "--target-class": "target",
}


def blocks(language):
    """The code blocks in a language, of all pages in their order."""
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, code in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL))
        # The Python package's are run where it is installed (tests/python/wheel/test_pages.py), what asks a server
        # there (test_serve.py), and what a data set of LeRobot is labelled by is no configuration of the program
        # (tests/python/wheel/test_lerobot.py).
        if not re.search(r"^(import|from) spatial_reward", code, re.MULTILINE)
        and (language, page.name) not in {("yaml", "lerobot.md"), ("python", "serve.md")}
    ]


def texts(language):
    return [block.values[0] for block in blocks(language)]


def lines(beginning):
    """The commands that begin like this, comments left out."""
    joined = "\n".join(texts("sh")).replace("\\\n", " ").splitlines()
    commands = [command.strip() for line in joined for command in line.split("#")[0].split(" && ")]
    return [command for command in commands if command.startswith(beginning)]


def test_there_are_pages():
    assert PAGES[0].exists() and len(PAGES) > 1
    assert blocks("python") and blocks("yaml") and blocks("sh")


def test_every_code_block_is_of_a_language_that_is_tested():
    languages = {language for page in PAGES for language in re.findall(r"^ *```(\w+)", page.read_text(), re.MULTILINE)}
    assert languages == {"python", "yaml", "sh"}


@pytest.mark.parametrize("code", blocks("python"))
def test_python_example_runs(code, labelled):
    command = [sys.executable, "-c", code]
    example = subprocess.run(command, cwd=labelled.parent, capture_output=True, text=True, check=False)
    assert example.returncode == 0, example.stderr
    assert example.stdout.strip()


def test_configuration_is_accepted_and_the_command_line_wins(run, sample_bag, tmp_path):
    # a topic that the sample does not have
    (configuration,) = [text for text in texts("yaml") if "image: /wrist/color/image_raw" in text]
    config = tmp_path / "my_rig.yaml"
    config.write_text(configuration)
    image_topic = "/camera/color/image_raw/compressed"
    result = run("label", sample_bag, "-o", tmp_path / "out", "--config", config, "--image-topic", image_topic)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("configuration", blocks("yaml"))
def test_every_configuration_is_accepted(configuration, run, sample_bag, tmp_path):
    config = tmp_path / "shown.yaml"
    config.write_text(configuration)
    options = [word for option in SAMPLE.items() for word in option]
    result = run("label", sample_bag, "-o", tmp_path / "out", "--config", config, *options)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("label", "evaluate", "inspect", "pick", "ask", "depth", "detect", "segment"),
        *("dataset", "train", "serve", "bench", "node"),
    ],
)
def test_options_shown_exist(run, command):
    # What follows --ros-args is ROS's own.
    shown = [line.split("--ros-args")[0] for line in lines(f"spatial-reward {command} ")]
    assert shown
    help_text = run(command, "--help").stdout
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(shown)):
        assert re.search(rf"(?<!\S){option}\b", help_text), f"{option} is not in `{command} --help`"


@pytest.mark.parametrize("code", blocks("sh"))
def test_shell_can_read_the_commands(code):
    result = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_scripts_shown_exist():
    shown = {line.removeprefix(". ").split()[0] for line in lines(("scripts/", ". scripts/"))}
    assert {"scripts/demo", "scripts/env.sh"} <= shown
    assert [script for script in shown if not (ROOT / script).is_file()] == []


def test_launch_files_and_arguments_shown_exist():
    shown = lines("ros2 launch spatial_reward ")
    assert shown
    for line in shown:
        _, _, _, name, *words = line.split()
        launch_file = (ROOT / "launch" / name).with_suffix(".yaml").read_text()
        declared = set(re.findall(r"^ +name: (\w+)$", launch_file, re.MULTILINE))
        for argument in re.findall(r"(\w+):=", " ".join(words)):
            assert argument in declared, f"{argument} is not an argument of {name}"
