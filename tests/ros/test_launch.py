"""The launch files: three formats of one thing, the tables in docs/ros2.md, and what they really start.

`launch` and `launch_ros` are not everywhere. So the first half reads the files without them: XML and YAML
are parsed, and Python runs against stand-ins for launch's classes that write down what they are given.
The second half runs the files under the real thing, and is skipped with a reason where that is missing.
"""

import contextlib
import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
LAUNCH = ROOT / "launch"
NAMES = ["annotate", "annotate_composed_with_playback", "label_folder"]
FORMATS = ["py", "xml", "yaml"]

# Arguments that name the topics which the node hears, by its parameters, and those which it speaks on, by
# their own names. `test_node_runs` compares them with the topics of a running node.
INPUTS = {
    "image_topic": "topics.image",
    "depth_topic": "topics.depth",
    "camera_info_topic": "topics.camera_info",
    "depth_camera_info_topic": "topics.depth_camera_info",
    "fingertip_topic": "topics.fingertip",
    "target_topic": "topics.target",
    "task_prompt_topic": "topics.task_prompt",
    "split_topic": "episodes.split_topic",
}
OUTPUTS = {
    "step_reward_topic": "~/step_reward",
    "reward_topic": "/reward",
    "episode_done_topic": "/episode_done",
    "episode_truncated_topic": "/episode_truncated",
    "debug_image_topic": "~/debug_image/compressed",
    "diagnostics_topic": "/diagnostics",
}
# What a busy machine may take for anything. Reached only by what never comes.
PATIENCE_S = 120.0


# Reading the files without launch


class Argument(NamedTuple):
    name: str
    default: str | None
    description: str
    choices: list[str]


class Recorded:
    """Stands in for any class of launch: writes down its arguments."""

    def __init__(self, *arguments, **options):
        self.arguments, self.options = arguments, options

    def perform(self, context):
        """A LaunchConfiguration's value, for a context that is a dictionary of them."""
        return context[self.arguments[0]]


class StandIn(types.ModuleType):
    """Stands in for a module of launch: has any class, each as a kind of `Recorded`."""

    __path__ = ()  # makes it a package

    def __getattr__(self, name):
        setattr(self, name, type(name, (Recorded,), {}))
        return getattr(self, name)


@pytest.fixture
def description(monkeypatch):
    """description(NAME): the entities of a Python launch file, recorded."""
    modules = ["", ".actions", ".launch_description_sources", ".substitutions"]
    ros_modules = ["", ".actions", ".parameter_descriptions", ".substitutions"]
    for module in [*(f"launch{m}" for m in modules), *(f"launch_ros{m}" for m in ros_modules)]:
        monkeypatch.setitem(sys.modules, module, StandIn(module))

    def description(name):
        file = runpy.run_path(str(LAUNCH / f"{name}.launch.py"))
        return file["generate_launch_description"]().arguments[0]

    return description


def is_a(entity, name):
    return type(entity).__name__ == name


def arguments_of_python(entities):
    declared = [entity for entity in entities if is_a(entity, "DeclareLaunchArgument")]
    return [
        Argument(
            entity.arguments[0],
            entity.options.get("default_value"),
            entity.options["description"],
            entity.options.get("choices", []),
        )
        for entity in declared
    ]


def read_xml(name):
    """Arguments and includes; an include is its file and the names that it hands over."""
    root = ElementTree.parse(LAUNCH / f"{name}.launch.xml").getroot()
    arguments = [
        Argument(
            arg.attrib["name"],
            arg.attrib.get("default"),
            arg.attrib["description"],
            [choice.attrib["value"] for choice in arg.findall("choice")],
        )
        for arg in root.findall("arg")
    ]
    includes = [
        (include.attrib["file"], {arg.attrib["name"]: arg.attrib["value"] for arg in include.findall("arg")})
        for include in root.findall("include")
    ]
    assert len(arguments) + len(includes) == len(root)
    return arguments, includes


def read_yaml(name):
    """The same of a YAML file."""
    entities = yaml.safe_load((LAUNCH / f"{name}.launch.yaml").read_text())["launch"]
    arguments = [
        Argument(
            arg["name"],
            arg.get("default"),
            arg["description"],
            [choice["value"] for choice in arg.get("choice", [])],
        )
        for arg in (entity["arg"] for entity in entities if "arg" in entity)
    ]
    includes = [
        (include["file"], {arg["name"]: arg["value"] for arg in include.get("arg", [])})
        for include in (entity["include"] for entity in entities if "include" in entity)
    ]
    assert len(arguments) + len(includes) == len(entities)
    return arguments, includes


@pytest.mark.parametrize("name", NAMES)
def test_three_formats_declare_the_same_arguments(name, description):
    python = arguments_of_python(description(name))
    assert python
    assert read_xml(name)[0] == python
    assert read_yaml(name)[0] == python


@pytest.mark.parametrize("read", [read_xml, read_yaml])
@pytest.mark.parametrize("name", NAMES)
def test_xml_and_yaml_leave_the_work_to_python(name, read):
    arguments, includes = read(name)
    required = {argument.name: f"$(var {argument.name})" for argument in arguments if argument.default is None}
    assert includes == [(f"$(find-pkg-share spatial_reward)/launch/{name}.launch.py", required)]


def table_of_page(name):
    """The rows of a launch file's table in docs/ros2.md, header and ruler left out."""
    page = (ROOT / "docs" / "ros2.md").read_text()
    (part,) = re.findall(r"<!-- launch arguments -->\n(.*?)<!-- /launch arguments -->", page, re.DOTALL)
    (table,) = re.findall(rf"^`{name}`[^|]*?\n\n((?:\|[^\n]*\n)+)", part, re.MULTILINE)
    header, _, *rows = table.splitlines()
    assert header == "| argument | default | what it does |"
    return rows


def row(argument):
    """How docs/ros2.md shows an argument."""
    default = "required" if argument.default is None else f"`{argument.default}`" if argument.default else ""
    choices = ", ".join(f"`{choice}`" for choice in argument.choices if choice)
    what = f"{argument.description} One of {choices}." if choices else argument.description
    return f"| `{argument.name}` | {default} | {what} |"


@pytest.mark.parametrize("name", NAMES)
def test_page_lists_the_arguments(name, description):
    assert table_of_page(name) == [row(argument) for argument in arguments_of_python(description(name))]


# What the Python files start, by the stand-ins


def start(entities, **given):
    """What a launch file starts with these arguments: the recorded process or node."""
    context = {argument.name: argument.default for argument in arguments_of_python(entities)} | given
    (opaque,) = [entity for entity in entities if is_a(entity, "OpaqueFunction")]
    (started,) = opaque.options["function"](context)
    return started


def settings(node):
    """The parameters that a recorded node is given beside files."""
    dictionaries = [parameters for parameters in node.options["parameters"] if isinstance(parameters, dict)]
    return {
        name: value.arguments[0] if isinstance(value, Recorded) else value
        for parameters in dictionaries
        for name, value in parameters.items()
    }


def test_empty_arguments_override_nothing(description):
    # Given no argument at all
    node = start(description("annotate"))
    # Then the node is told its name and how much to say, and nothing that a configuration could say.
    assert node.options["package"] == "spatial_reward"
    assert node.options["executable"] == "spatial-reward"
    assert node.options["arguments"] == ["node"]
    assert node.options["ros_arguments"] == ["--log-level", "info"]
    assert node.options["name"] == "spatial_reward"
    assert node.options["remappings"] == []
    assert node.options["parameters"] == []
    assert node.options["respawn"] is True
    assert node.options["respawn_delay"] == 2.0


def test_every_topic_is_remappable(description):
    entities = description("annotate")
    declared = {argument.name for argument in arguments_of_python(entities)}
    assert {name for name in declared if name.endswith("_topic")} == {*INPUTS, *OUTPUTS}
    for name, parameter in INPUTS.items():
        assert settings(start(entities, **{name: "/elsewhere"})) == {parameter: "/elsewhere"}
    for name, topic in OUTPUTS.items():
        assert start(entities, **{name: "/elsewhere"}).options["remappings"] == [(topic, "/elsewhere")]


@pytest.mark.parametrize(
    ("argument", "text", "parameter", "value"),
    [
        ("estimator", "geometry", "estimator.kind", "geometry"),
        ("distance", "center", "estimator.distance", "center"),
        ("fingertip_frame", "tool0", "regions.fingertip.frame", "tool0"),
        ("target_size_m", "0.08", "regions.target.size_m", 0.08),
        ("fingertip_offset_m", "0,0,0.1", "regions.fingertip.offset_m", "0,0,0.1"),
        ("target_offset_m", "0,0,-0.02", "regions.target.offset_m", "0,0,-0.02"),
        ("fingertip_box", "340,220,410,258", "regions.fingertip.box", ["340,220,410,258"]),
        ("target_box", "3,4,5,6  1,2,3,4@1.5", "regions.target.box", ["3,4,5,6", "1,2,3,4@1.5"]),
        ("fingertip_fixed", "1,2,3,4", "regions.fingertip.fixed", "1,2,3,4"),
        ("target_fixed", "380,255,424,305", "regions.target.fixed", "380,255,424,305"),
        ("depth_registered", "true", "depth.registered", True),
        ("model", "123", "model.path", "123"),
        ("device", "cuda:0", "model.device", "cuda:0"),
        ("reward", "tanh", "reward.kind", "tanh"),
        ("image_transport", "compressed", "live.image_transport", "compressed"),
        ("depth_transport", "raw", "live.depth_transport", "raw"),
        ("box_type", "region_of_interest", "live.box_type", "region_of_interest"),
        ("fingertip_class", "gripper", "topics.fingertip_class", ["gripper"]),
        ("target_class", "mug, 7", "topics.target_class", ["mug", "7"]),
        ("use_sim_time", "True", "use_sim_time", True),
        ("managed", "true", "live.managed", True),
    ],
)
def test_an_argument_becomes_its_parameter(argument, text, parameter, value, description):
    # Given, when
    node = start(description("annotate"), **{argument: text})
    # Then that parameter is set and no other, and it is one that config/default.yaml knows.
    assert settings(node) == {parameter: value}
    if parameter != "use_sim_time":
        known = yaml.safe_load((ROOT / "config" / "default.yaml").read_text())
        *sections, key = parameter.split(".")
        for section in sections:
            known = known[section]
        assert key in known


@pytest.mark.parametrize(
    ("source", "text", "value"),
    [("frame", "cup", "cup"), ("box", "1,2,3,4", ["1,2,3,4"]), ("fixed", "1,2,3,4", "1,2,3,4")],
)
def test_another_source_stands_in_the_place_of_a_topic(source, text, value, description):
    given = {"target_topic": "/boxes", f"target_{source}": text, "fingertip_topic": "/boxes"}
    node = start(description("annotate"), **given)
    assert settings(node) == {"topics.fingertip": "/boxes", f"regions.target.{source}": value}


def test_files_are_handed_over(description, tmp_path, monkeypatch):
    # Given
    (tmp_path / "rig.yaml").write_text("")
    (tmp_path / "parameters.yaml").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    # When
    node = start(description("annotate"), config="~/rig.yaml", params_file="~/parameters.yaml", reward="exp")
    # Then; the arguments come after the file, so that they win.
    assert node.options["arguments"] == ["node", "--config", str(tmp_path / "rig.yaml")]
    file, arguments = node.options["parameters"]
    assert file == str(tmp_path / "parameters.yaml")
    assert list(arguments) == ["reward.kind"]


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("config", "missing.yaml"),
        ("params_file", "missing.yaml"),
        ("respawn", "maybe"),
        ("respawn_delay", "soon"),
        ("use_sim_time", "2"),
        ("fingertip_size_m", "10cm"),
        ("managed", "yes"),
    ],
)
def test_what_cannot_be_is_refused_by_name(argument, text, description):
    with pytest.raises(RuntimeError, match=re.escape(f"{argument}:={text}")):
        start(description("annotate"), **{argument: text})


def test_playback_plays_the_bag_and_includes_the_node(description, tmp_path):
    entities = description("annotate_composed_with_playback")
    # Given and when
    player = start(entities, bag=str(tmp_path), loop="true", rate="0.5", play_arguments="--start-offset 10")
    # Then
    command = player.options["cmd"]
    assert command[:4] == ["ros2", "bag", "play", str(tmp_path)]
    assert command[4:10] == ["--clock", "--disable-keyboard-controls", "--rate", "0.5", "--delay", "2.0"]
    assert "--loop" in command
    assert command[-2:] == ["--start-offset", "10"]
    (include,) = [entity for entity in entities if is_a(entity, "IncludeLaunchDescription")]
    path = include.arguments[0].arguments[0].arguments[0]
    assert path[1:] == ["launch", "annotate.launch.py"]


def test_playback_has_the_topics_of_the_sample_bag(description):
    # Given the sample bag
    metadata = yaml.safe_load((ROOT / "data" / "fetch_approach" / "metadata.yaml").read_text())
    topics = metadata["rosbag2_bagfile_information"]["topics_with_message_count"]
    types = {topic["topic_metadata"]["name"]: topic["topic_metadata"]["type"] for topic in topics}
    # When
    defaults = {a.name: a.default for a in arguments_of_python(description("annotate_composed_with_playback"))}
    # Then
    inputs = {name: default for name, default in defaults.items() if name.endswith("_topic")}
    assert {name: types[topic] for name, topic in inputs.items()} == {
        "image_topic": "sensor_msgs/msg/CompressedImage",
        "depth_topic": "sensor_msgs/msg/Image",
        "camera_info_topic": "sensor_msgs/msg/CameraInfo",
        "fingertip_topic": "vision_msgs/msg/Detection2DArray",
        "target_topic": "vision_msgs/msg/Detection2DArray",
        "task_prompt_topic": "std_msgs/msg/String",
    }
    assert defaults["image_transport"] == "compressed"
    assert defaults["use_sim_time"] == "true"


class Ended(NamedTuple):
    returncode: int


class Context(NamedTuple):
    is_shutdown: bool


def test_playback_ends_everything(description, tmp_path):
    end = start(description("annotate_composed_with_playback"), bag=str(tmp_path)).options["on_exit"]
    # When the bag is at its end
    (timer,) = end(Ended(0), Context(is_shutdown=False))
    # Then so is the rest, a little later
    assert timer.options["period"] == 2.0
    assert is_a(timer.options["actions"][0], "Shutdown")
    # When it could not be played
    with pytest.raises(RuntimeError, match="exit code 1"):
        end(Ended(1), Context(is_shutdown=False))
    # When the user ended it
    assert end(Ended(-2), Context(is_shutdown=True)) is None


def test_playback_refuses_a_missing_bag(description):
    with pytest.raises(RuntimeError, match="bag:=nowhere does not exist"):
        start(description("annotate_composed_with_playback"), bag="nowhere")


def test_label_folder_passes_what_is_given(description):
    entities = description("label_folder")
    executable, *arguments = start(entities, folder="bags", output="out").options["cmd"]
    assert executable.options == {"package": "spatial_reward", "executable": "spatial-reward"}
    assert arguments == ["label", "bags", "-o", "out", "--resume"]

    process = start(entities, folder="b", output="o", config="c.yaml", reward="exp", label_arguments="-v --json")
    assert process.options["cmd"][1:] == shlex.split("label b -o o --resume --config c.yaml --reward exp -v --json")


def test_label_folder_fails_as_the_program_does(description):
    end = start(description("label_folder"), folder="bags", output="out").options["on_exit"]
    assert end(Ended(0), Context(is_shutdown=False)) is None
    assert end(Ended(-2), Context(is_shutdown=True)) is None
    with pytest.raises(RuntimeError, match="exit code 3"):
        end(Ended(3), Context(is_shutdown=False))


# Under the real launch


def is_installed(module):
    """Whether a module can be imported; a folder that happens to have its name, as launch/ here, is none."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


MISSING = [module for module in ("launch", "launch_ros", "launch_xml", "launch_yaml") if not is_installed(module)]
under_launch = pytest.mark.skipif(
    bool(MISSING), reason=f"this ROS 2 has no {', '.join(MISSING)}: the launch files are read, not run"
)

# What `ros2 launch FILE name:=value ...` does, which needs ros2cli besides.
LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
file, *arguments = sys.argv[1:]
given = [argument.split(":=", 1) for argument in arguments]
include = IncludeLaunchDescription(AnyLaunchDescriptionSource(file), launch_arguments=given)
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""

# Stands in for a program: writes its command line down, with the parameter files that launch made for it.
SCRIBE = """#!{python}
import json, pathlib, sys
given = sys.argv[1:]
files = {{text: pathlib.Path(text).read_text() for text in given if "launch_params_" in text}}
with open({notes!r}, "a") as notes:
    print(json.dumps([given, files]), file=notes)
"""

# Stands in for `ros2 bag play`, which few machines have: publishes a bag's messages and /clock.
PLAYER = """#!{python}
import importlib, pathlib, sys, time
import rclpy
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
assert sys.argv[1:3] == ["bag", "play"] and "--clock" in sys.argv
rclpy.init(args=[])
node = rclpy.create_node("player")
with AnyReader([pathlib.Path(sys.argv[3])]) as bag:
    publishers = {{}}
    for connection in bag.connections:
        if not connection.topic.startswith("/ground_truth"):
            package, _, name = connection.msgtype.split("/")
            kind = getattr(importlib.import_module(package + ".msg"), name)
            publishers[connection.topic] = node.create_publisher(kind, connection.topic, 100)
    clock = node.create_publisher(Clock, "/clock", 10)
    while not all(publisher.get_subscription_count() for publisher in publishers.values()):
        rclpy.spin_once(node, timeout_sec=0.02)
    begun, first = time.monotonic(), None
    for connection, stamp, data in bag.messages():
        first = first or stamp
        time.sleep(max(0.0, begun + (stamp - first) / 1e9 - time.monotonic()))
        now = Clock()
        now.clock.sec, now.clock.nanosec = divmod(stamp, 10**9)
        clock.publish(now)
        if connection.topic in publishers:
            publishers[connection.topic].publish(bytes(data))
"""


class Launch:
    """A launch file that runs, from a package prefix with this checkout's launch files."""

    def __init__(self, folder, executable):
        """`executable` takes the place of the package's program."""
        self.folder = folder
        share = folder / "share" / "spatial_reward"
        (folder / "lib" / "spatial_reward").mkdir(parents=True)
        (folder / "lib" / "spatial_reward" / "spatial-reward").symlink_to(executable)
        index = folder / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True)
        (index / "spatial_reward").touch()
        shutil.copytree(LAUNCH, share / "launch")
        self.environment = os.environ | {
            "AMENT_PREFIX_PATH": f"{folder}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}",
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "ROS_LOG_DIR": str(folder / "log"),
        }
        self.lines = []
        self._process = None

    def start(self, file, **arguments):
        given = [f"{name}:={value}" for name, value in arguments.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, LAUNCH / file, *given],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self):
        return "\n".join(self.lines)

    def pids(self):
        """Of the package's program, in the order in which it was started."""
        return [int(pid) for pid in re.findall(r"\[spatial-reward-\d+\]: process started with pid \[(\d+)\]", self.log)]

    def wait(self):
        """The exit code. Everything that was said is in `lines` then."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"launch does not end:\n{self.log}")
        self._reader.join(PATIENCE_S)
        return code

    def interrupt(self):
        """What Ctrl-C does: the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def until(self, condition, what):
        """Wait for a condition: its value. Fails with what launch said if it never holds."""
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert self._process.poll() is None, f"waiting for {what}, but launch has ended:\n{self.log}"
            assert time.monotonic() < end, f"waited in vain for {what}:\n{self.log}"
            time.sleep(0.02)
        return value

    def close(self):
        """Ends whatever a failed test left behind."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def scribe(tmp_path):
    """A launch whose programs only write their command lines down, and `scribe.notes()` to read them."""
    notes = tmp_path / "notes"
    executable = tmp_path / "ros2"
    executable.write_text(SCRIBE.format(python=sys.executable, notes=str(notes)))
    executable.chmod(0o755)
    launch = Launch(tmp_path, executable)
    launch.notes = lambda: [json.loads(line) for line in notes.read_text().splitlines()]
    yield launch
    launch.close()


@pytest.fixture
def launch(tmp_path):
    """A launch of the program under test: $SPATIAL_REWARD_BIN, or the one on the PATH."""
    found = shutil.which(os.environ.get("SPATIAL_REWARD_BIN", "spatial-reward"))
    assert found, "no spatial-reward to test: name a build with the feature ros in SPATIAL_REWARD_BIN"
    launch = Launch(tmp_path, Path(found).resolve())
    yield launch
    launch.close()


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_command_line_of_the_node_alone(scribe, file_format):
    # When
    scribe.start(f"annotate.launch.{file_format}", respawn="false")
    assert scribe.wait() == 0, scribe.log
    # Then
    ((command, files),) = scribe.notes()
    assert command == shlex.split("node --ros-args --log-level info --ros-args -r __node:=spatial_reward -r __ns:=/")
    assert files == {}


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_command_line_of_the_node_with_everything(scribe, file_format, tmp_path):
    # Given
    rig, parameters = tmp_path / "rig.yaml", tmp_path / "parameters.yaml"
    rig.write_text("")
    parameters.write_text("")
    # When
    scribe.start(
        f"annotate.launch.{file_format}",
        **{name: f"/elsewhere/{name}" for name in (*INPUTS, *OUTPUTS)},
        fingertip_class="gripper",
        target_class="mug,7",
        namespace="robot",
        node_name="judge",
        estimator="geometry",
        distance="center",
        model="123",
        device="cuda:0",
        reward="tanh",
        image_transport="compressed",
        depth_transport="compressed",
        box_type="detections",
        config=rig,
        params_file=parameters,
        use_sim_time="true",
        managed="true",
        log_level="debug",
        respawn="false",
        respawn_delay="1",
    )
    assert scribe.wait() == 0, scribe.log
    # Then
    ((command, files),) = scribe.notes()
    ((written, text),) = files.items()
    assert command == [
        *["node", "--config", str(rig), "--ros-args", "--log-level", "debug"],
        *["--ros-args", "-r", "__node:=judge", "-r", "__ns:=/robot"],
        *["--params-file", str(parameters), "--params-file", written],
        *(part for name, topic in OUTPUTS.items() for part in ("-r", f"{topic}:=/elsewhere/{name}")),
    ]
    # launch marks a list as a Python tuple, which YAML needs to be told about and rcl ignores.
    assert yaml.safe_load(text.replace(" !!python/tuple", "")) == {
        "/robot/judge": {
            "ros__parameters": {
                **{parameter: f"/elsewhere/{name}" for name, parameter in INPUTS.items()},
                "estimator.kind": "geometry",
                "estimator.distance": "center",
                "model.path": "123",
                "model.device": "cuda:0",
                "reward.kind": "tanh",
                "live.image_transport": "compressed",
                "live.depth_transport": "compressed",
                "live.box_type": "detections",
                "topics.fingertip_class": ["gripper"],
                "topics.target_class": ["mug", "7"],
                "use_sim_time": True,
                "live.managed": True,
            }
        }
    }


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_command_lines_of_playback(scribe, file_format, tmp_path):
    # When
    scribe.start(
        f"annotate_composed_with_playback.launch.{file_format}",
        bag=tmp_path,
        shutdown_delay="0.5",
        respawn="false",
        node_name="judge",
        play_arguments="--start-offset 10",
    )
    assert scribe.wait() == 0, scribe.log
    # Then the node gets the sample's topics, and the arguments that only annotate.launch.py declares
    commands = {command[0]: (command, files) for command, files in scribe.notes()}
    node, files = commands["node"]
    assert "__node:=judge" in node
    (text,) = files.values()
    assert yaml.safe_load(text) == {
        "/judge": {
            "ros__parameters": {
                "topics.image": "/camera/color/image_raw/compressed",
                "topics.depth": "/camera/aligned_depth_to_color/image_raw",
                "topics.camera_info": "/camera/color/camera_info",
                "topics.fingertip": "/fingertip/detections",
                "topics.target": "/target/detections",
                "topics.task_prompt": "/task_prompt",
                "live.image_transport": "compressed",
                "use_sim_time": True,
            }
        }
    }
    # and the player
    player, _ = commands["bag"]
    recorded = "/spatial_reward/step_reward", "/reward", "/episode_done", "/episode_truncated"
    assert player == [
        *["bag", "play", str(tmp_path), "--clock", "--disable-keyboard-controls", "--rate", "1.0", "--delay", "2.0"],
        *["--remap", *(f"{topic}:=/recorded{topic}" for topic in recorded), "--start-offset", "10"],
    ]


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_command_line_of_label_folder(scribe, file_format):
    # When
    scribe.start(
        f"label_folder.launch.{file_format}", folder="bags", output="out", shard="1/2", label_arguments="-v --json"
    )
    assert scribe.wait() == 0, scribe.log
    # Then
    ((command, _),) = scribe.notes()
    assert command == shlex.split("label bags -o out --resume --shard 1/2 -v --json")


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_wrong_choice_is_refused_before_anything_starts(scribe, file_format):
    scribe.start(f"annotate.launch.{file_format}", reward="tanhh")
    assert scribe.wait() == 1
    assert '"reward"' in scribe.log and "tanhh" in scribe.log
    assert scribe.pids() == []


@under_launch
def test_label_folder_labels(launch, tmp_path):
    # Given a folder with a bag and a file that is none
    bags, out = tmp_path / "bags", tmp_path / "out"
    bags.mkdir()
    shutil.copytree(ROOT / "data" / "fetch_approach", bags / "pick")
    # When
    launch.start("label_folder.launch.py", folder=bags, output=out, reward="tanh")
    # Then
    assert launch.wait() == 0, launch.log
    assert (out / "pick_labelled" / "metadata.yaml").exists()
    # When a bag cannot be read, launch says so too
    (bags / "broken.mcap").write_bytes(b"no bag")
    launch.start("label_folder.launch.py", folder=bags, output=out)
    assert launch.wait() == 1
    assert "spatial-reward label ended with exit code" in launch.log


@pytest.fixture
def peer():
    """A node that looks at the one under test."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    node = rclpy.create_node("peer", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    executor.shutdown()
    rclpy.shutdown(context=context)
    thread.join()


def topics_of(peer, name, namespace):
    """The topics that a node has, but for those that every node has."""
    from rclpy.node import NodeNameNonExistentError

    try:
        published = peer.get_publisher_names_and_types_by_node(name, namespace)
        subscribed = peer.get_subscriber_names_and_types_by_node(name, namespace)
    except NodeNameNonExistentError:
        return set()
    return {topic for topic, _ in published + subscribed} - {"/parameter_events", "/rosout", "/clock"}


def parameters_of(launch, peer, node, names):
    """Values of a node's parameters.

    Asked again every second: for a while, a killed node's service looks as if it were there.
    """
    from rcl_interfaces.srv import GetParameters
    from rclpy.parameter import parameter_value_to_python

    client = peer.create_client(GetParameters, f"{node}/get_parameters")
    calls, asked = [], float("-inf")

    def answer():
        nonlocal asked
        if client.service_is_ready() and time.monotonic() - asked > 1.0:
            calls.append(client.call_async(GetParameters.Request(names=names)))
            asked = time.monotonic()
        return next((call.result() for call in calls if call.done()), None)

    values = launch.until(answer, f"parameters of {node}").values
    return [parameter_value_to_python(value) for value in values]


@under_launch
@pytest.mark.parametrize("file_format", FORMATS)
def test_node_runs(launch, peer, file_format, tmp_path):
    from std_msgs.msg import Empty

    # Given settings in both kinds of file, of which the arguments leave some alone
    rig, parameters = tmp_path / "rig.yaml", tmp_path / "parameters.yaml"
    rig.write_text(
        "topics: {image: /wrist/image}\nreward: {kind: exp, sigma_m: 0.2}\n"
        "filter: {kind: median}\nsuccess: {hold_s: 1.5}\n"
    )
    parameters.write_text("/**: {ros__parameters: {filter.kind: exponential, reward.kind: sparse}}\n")
    # When every topic is named; of the one that splits episodes, a publisher has to tell the type
    elsewhere = {name: f"/elsewhere/{name}" for name in (*INPUTS, *OUTPUTS)}
    peer.create_publisher(Empty, elsewhere["split_topic"], 1)
    launch.start(
        f"annotate.launch.{file_format}",
        **elsewhere,
        namespace="robot",
        node_name="judge",
        config=rig,
        params_file=parameters,
        reward="tanh",
        target_class="mug,7",
    )
    # Then the node has those topics and no other
    launch.until(lambda: topics_of(peer, "judge", "/robot") >= set(elsewhere.values()), "the node's topics")
    assert topics_of(peer, "judge", "/robot") == set(elsewhere.values())
    # and an argument wins over the parameter file, that over the configuration, and that over the default.
    names = ["reward.kind", "filter.kind", "success.hold_s", "reward.sigma_m", "topics.target_class", "reward.k_per_m"]
    values = parameters_of(launch, peer, "/robot/judge", names)
    assert values == ["tanh", "exponential", 1.5, 0.2, ["mug", "7"], 10.0]
    # When interrupted, it ends and is not started again
    assert launch.interrupt() == 0, launch.log
    assert len(launch.pids()) == 1
    assert "process has finished cleanly" in launch.log, launch.log


@under_launch
def test_node_is_started_again(launch, peer):
    # Given a node that runs
    launch.start("annotate.launch.py", node_name="phoenix", respawn_delay="0.1")
    launch.until(lambda: topics_of(peer, "phoenix", "/"), "the node")
    (first,) = launch.pids()
    # When it dies
    os.kill(first, signal.SIGKILL)
    # Then another takes its place, under the same name
    launch.until(lambda: len(launch.pids()) == 2, "a second start")
    assert parameters_of(launch, peer, "/phoenix", ["reward.kind"]) == ["dense"]
    assert launch.interrupt() == 0, launch.log


@under_launch
def test_playback_annotates_the_sample(launch, peer, tmp_path):
    from rclpy.qos import QoSProfile

    from spatial_reward.msg import StepReward

    # Given something that plays bags, and somebody who listens
    player = tmp_path / "ros2"
    player.write_text(PLAYER.format(python=sys.executable))
    player.chmod(0o755)
    steps = []
    peer.create_subscription(StepReward, "/spatial_reward/step_reward", steps.append, QoSProfile(depth=1000))
    # When the sample is played with the defaults
    launch.start("annotate_composed_with_playback.launch.py", bag=ROOT / "data" / "fetch_approach")
    # Then launch ends by itself, and the frames have been rewarded
    assert launch.wait() == 0, launch.log
    assert len(steps) > 40, launch.log  # of 80; a busy machine may skip some
    assert sum(step.valid for step in steps) > 40, [step.reason for step in steps]
    assert steps[0].header.frame_id == "camera_color_optical_frame"
