"""Starts the live node; a camera driver and a detector that publish its inputs already run.

    ros2 launch spatial_reward annotate.launch.py image_topic:=/camera/color/image_raw

`--show-args` lists the arguments, and so does docs/ros2.md. An argument that is left empty is not passed on:
the node's own name or default holds, or what `config` and `params_file` say.

This file is the canonical one. The XML and YAML launch files of the same name declare the same arguments
and include it, because only Python can leave a setting out of the command line. tests/ros/test_launch.py
compares all three with each other and with docs/ros2.md.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

# Argument -> the node's parameter. The topics that it hears are among them, for a remapping would lose to a
# name that `config` gives them.
TEXT_PARAMETERS = {
    "image_topic": "topics.image",
    "depth_topic": "topics.depth",
    "camera_info_topic": "topics.camera_info",
    "depth_camera_info_topic": "topics.depth_camera_info",
    "fingertip_topic": "topics.fingertip",
    "target_topic": "topics.target",
    "fingertip_frame": "regions.fingertip.frame",
    "fingertip_offset_m": "regions.fingertip.offset_m",
    "fingertip_fixed": "regions.fingertip.fixed",
    "target_frame": "regions.target.frame",
    "target_offset_m": "regions.target.offset_m",
    "target_fixed": "regions.target.fixed",
    "task_prompt_topic": "topics.task_prompt",
    "split_topic": "episodes.split_topic",
    "estimator": "estimator.kind",
    "distance": "estimator.distance",
    "model": "model.path",
    "device": "model.device",
    "reward": "reward.kind",
    "image_transport": "live.image_transport",
    "depth_transport": "live.depth_transport",
    "box_type": "live.box_type",
}
# With what stands between their parts; None is spaces.
LIST_PARAMETERS = {
    "fingertip_class": ("topics.fingertip_class", ","),
    "target_class": ("topics.target_class", ","),
    "fingertip_box": ("regions.fingertip.box", None),
    "target_box": ("regions.target.box", None),
}
NUMBER_PARAMETERS = {
    "fingertip_size_m": "regions.fingertip.size_m",
    "target_size_m": "regions.target.size_m",
}
TRUTH_PARAMETERS = {
    "depth_registered": "depth.registered",
    "use_sim_time": "use_sim_time",
    "managed": "live.managed",
}

# Argument -> the name that the node gives a topic of its own; remapped.
OUTPUTS = {
    "step_reward_topic": "~/step_reward",
    "reward_topic": "/reward",
    "episode_done_topic": "/episode_done",
    "episode_truncated_topic": "/episode_truncated",
    "debug_image_topic": "~/debug_image/compressed",
    "diagnostics_topic": "/diagnostics",
}


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "image_topic",
                default_value="",
                description="The colour image: sensor_msgs/Image or CompressedImage. Empty: image.",
            ),
            DeclareLaunchArgument(
                "depth_topic",
                default_value="",
                description="Depth, of the colour image's camera or of one beside it. Empty: depth.",
            ),
            DeclareLaunchArgument(
                "camera_info_topic",
                default_value="",
                description="sensor_msgs/CameraInfo of the colour image. Empty: camera_info.",
            ),
            DeclareLaunchArgument(
                "depth_camera_info_topic",
                default_value="",
                description="sensor_msgs/CameraInfo of depth that is of a camera of its own. Empty: depth/camera_info.",
            ),
            DeclareLaunchArgument(
                "depth_registered",
                default_value="",
                description="true or false: depth is registered to the image, whatever frames the headers name.",
            ),
            DeclareLaunchArgument(
                "fingertip_topic", default_value="", description="Boxes of the fingertip. Empty: fingertip/detections."
            ),
            DeclareLaunchArgument(
                "target_topic",
                default_value="",
                description="Boxes of the target; may be the topic of the fingertip too. Empty: target/detections.",
            ),
            DeclareLaunchArgument(
                "fingertip_class",
                default_value="",
                description="Class ids that are a fingertip, separated by commas. "
                "Empty: any, or fingertip where both share a topic.",
            ),
            DeclareLaunchArgument(
                "target_class",
                default_value="",
                description="Class ids that are a target, separated by commas. "
                "Empty: any, or target where both share a topic.",
            ),
            DeclareLaunchArgument(
                "fingertip_frame",
                default_value="",
                description="TF frame of the fingertip, in the place of fingertip_topic. Empty: boxes.",
            ),
            DeclareLaunchArgument(
                "fingertip_size_m",
                default_value="",
                description="With a frame: the diameter of what the camera sees there, in metres. Empty: 0.03.",
            ),
            DeclareLaunchArgument(
                "fingertip_offset_m",
                default_value="",
                description="With a frame: where in it the middle of that is, as X,Y,Z in metres. Empty: its origin.",
            ),
            DeclareLaunchArgument(
                "fingertip_box",
                default_value="",
                description="The box drawn around the fingertip in the first image, X0,Y0,X1,Y1 in pixels, in the "
                "place of fingertip_topic. It is followed; later ones as X0,Y0,X1,Y1@SECONDS, "
                "separated by spaces. Empty: boxes.",
            ),
            DeclareLaunchArgument(
                "fingertip_fixed",
                default_value="",
                description="One box for every image, X0,Y0,X1,Y1 in pixels, in the place of fingertip_topic. "
                "Empty: boxes.",
            ),
            DeclareLaunchArgument(
                "target_frame",
                default_value="",
                description="TF frame of the target, in the place of target_topic. Empty: boxes.",
            ),
            DeclareLaunchArgument(
                "target_size_m",
                default_value="",
                description="With a frame: the diameter of what the camera sees there, in metres. Empty: 0.03.",
            ),
            DeclareLaunchArgument(
                "target_offset_m",
                default_value="",
                description="With a frame: where in it the middle of that is, as X,Y,Z in metres. Empty: its origin.",
            ),
            DeclareLaunchArgument(
                "target_box",
                default_value="",
                description="The box drawn around the target in the first image, X0,Y0,X1,Y1 in pixels, in the "
                "place of target_topic. It is followed; later ones as X0,Y0,X1,Y1@SECONDS, separated "
                "by spaces. Empty: boxes.",
            ),
            DeclareLaunchArgument(
                "target_fixed",
                default_value="",
                description="One box for every image, X0,Y0,X1,Y1 in pixels, in the place of target_topic. Empty: "
                "boxes.",
            ),
            DeclareLaunchArgument(
                "task_prompt_topic",
                default_value="",
                description="std_msgs/String with the task in words. Empty: /task_prompt.",
            ),
            DeclareLaunchArgument(
                "split_topic",
                default_value="",
                description="Each message on this topic, of any type, begins a new episode. Empty: no such topic.",
            ),
            DeclareLaunchArgument(
                "step_reward_topic",
                default_value="",
                description="Where steps go: spatial_reward/StepReward. Empty: ~/step_reward.",
            ),
            DeclareLaunchArgument(
                "reward_topic", default_value="", description="Where rewards go: std_msgs/Float64. Empty: /reward."
            ),
            DeclareLaunchArgument(
                "episode_done_topic",
                default_value="",
                description="Where the ends of episodes by success go: std_msgs/Bool. Empty: /episode_done.",
            ),
            DeclareLaunchArgument(
                "episode_truncated_topic",
                default_value="",
                description="Where the ends of episodes without success go: std_msgs/Bool. Empty: /episode_truncated.",
            ),
            DeclareLaunchArgument(
                "debug_image_topic",
                default_value="",
                description="Where frames with boxes and reward go: sensor_msgs/CompressedImage. "
                "Empty: ~/debug_image/compressed.",
            ),
            DeclareLaunchArgument(
                "diagnostics_topic",
                default_value="",
                description="Where the state of the node goes, once a second. Empty: /diagnostics.",
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of the node and of its relative topics."
            ),
            DeclareLaunchArgument(
                "node_name",
                default_value="spatial_reward",
                description="Name of the node; what is written ~/ stands under it.",
            ),
            DeclareLaunchArgument(
                "estimator",
                default_value="",
                choices=["", "geometry", "spatialrgpt"],
                description="Who measures the distance.",
            ),
            DeclareLaunchArgument(
                "distance",
                default_value="",
                choices=["", "center", "surface", "cloud"],
                description="The distance that is rewarded.",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description="Checkpoint of the vision-language model: a folder, or a hub's ORG/NAME. "
                "Empty: models/nano.",
            ),
            DeclareLaunchArgument(
                "device", default_value="", description="Where the model runs: auto, cpu, cuda or cuda:N."
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="",
                choices=["", "dense", "sparse", "tanh", "exp", "progress", "shaped"],
                description="The form of the reward.",
            ),
            DeclareLaunchArgument(
                "image_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="How the colour image comes: as Image or as CompressedImage.",
            ),
            DeclareLaunchArgument(
                "depth_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="How depth comes: as Image or as compressedDepth.",
            ),
            DeclareLaunchArgument(
                "box_type",
                default_value="",
                choices=["", "detections", "region_of_interest"],
                description="How boxes come: as vision_msgs/Detection2DArray or as sensor_msgs/RegionOfInterest.",
            ),
            DeclareLaunchArgument(
                "config",
                default_value="",
                description="Settings in the project's own YAML, as for spatial-reward label.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="ROS parameter file; wins over config, and loses to the arguments here.",
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="", description="true or false: take the time from /clock."
            ),
            DeclareLaunchArgument(
                "managed",
                default_value="",
                description="true or false: a managed (lifecycle) node, which measures only once it was told to "
                "configure and to activate.",
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                description="debug, info, warn, error or fatal; or NAME:=LEVEL for one logger.",
            ),
            DeclareLaunchArgument(
                "respawn",
                default_value="true",
                description="true or false: start the node again when it ends without being asked to.",
            ),
            DeclareLaunchArgument(
                "respawn_delay", default_value="2.0", description="Seconds from its end until it is started again."
            ),
            OpaqueFunction(function=start_node),
        ]
    )


def start_node(context):
    """The node, with those arguments that are not empty."""

    def value(name):
        return LaunchConfiguration(name).perform(context).strip()

    arguments = ["node"]
    if value("config"):
        arguments += ["--config", existing_file("config", value("config"))]

    parameters = []
    if value("params_file"):
        parameters.append(existing_file("params_file", value("params_file")))
    # Texts stay texts, even if they look like a number or like YAML.
    settings = {
        parameter: ParameterValue(value(name), value_type=str)
        for name, parameter in TEXT_PARAMETERS.items()
        if value(name)
    }
    for name, (parameter, between) in LIST_PARAMETERS.items():
        if value(name):
            settings[parameter] = [text.strip() for text in value(name).split(between)]
    # A launch file that includes this one may give topics of its own.
    for region in ("fingertip", "target"):
        if any(f"regions.{region}.{source}" in settings for source in ("frame", "box", "fixed")):
            settings.pop(f"topics.{region}", None)
    for name, parameter in NUMBER_PARAMETERS.items():
        if value(name):
            settings[parameter] = number(name, value(name))
    for name, parameter in TRUTH_PARAMETERS.items():
        if value(name):
            settings[parameter] = truth(name, value(name))
    if settings:
        parameters.append(settings)

    return [
        Node(
            package="spatial_reward",
            executable="spatial-reward",
            name=value("node_name"),
            namespace=value("namespace"),
            arguments=arguments,
            ros_arguments=["--log-level", value("log_level")] if value("log_level") else None,
            parameters=parameters,
            remappings=[(topic, value(name)) for name, topic in OUTPUTS.items() if value(name)],
            output="screen",
            respawn=truth("respawn", value("respawn")),
            respawn_delay=seconds("respawn_delay", value("respawn_delay")),
        )
    ]


def existing_file(name, text):
    """The file's path. Said here, because a node that cannot start would be started again forever."""
    path = os.path.expanduser(text)
    if not os.path.isfile(path):
        raise RuntimeError(f"{name}:={text} is no file: give the path of a YAML file, or leave {name} out")
    return path


def number(name, text):
    """A number, or an error that names the argument."""
    try:
        return float(text)
    except ValueError:
        raise RuntimeError(f"{name}:={text} is no number") from None


def truth(name, text):
    if text.lower() not in ("true", "false"):
        raise RuntimeError(f"{name}:={text} is neither true nor false")
    return text.lower() == "true"


def seconds(name, text):
    try:
        return float(text)
    except ValueError:
        raise RuntimeError(f"{name}:={text} is no number of seconds") from None
