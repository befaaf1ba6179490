"""Labels every bag in a folder that is not labelled yet, and ends: `spatial-reward label ... --resume`.

    ros2 launch spatial_reward label_folder.launch.py folder:=recordings output:=labelled

No node runs here; this is the offline program under `ros2 launch`. An argument that is left empty is not
passed on: the program's own default holds, or what `config` says. `ros2 launch` ends with an error if a
bag could not be labelled, or was damaged.

This file is the canonical one. The XML and YAML launch files of the same name declare the same arguments
and include it, because only Python can leave an option out of the command line.
"""

import os
import shlex

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

# Argument -> the option of `spatial-reward label`.
OPTIONS = {
    "estimator": "--estimator",
    "distance": "--distance",
    "model": "--model",
    "device": "--device",
    "reward": "--reward",
    "image_topic": "--image-topic",
    "depth_topic": "--depth-topic",
    "camera_info_topic": "--camera-info-topic",
    "fingertip_topic": "--fingertip-topic",
    "target_topic": "--target-topic",
    "fingertip_class": "--fingertip-class",
    "target_class": "--target-class",
    "task_prompt_topic": "--task-prompt-topic",
    "shard": "--shard",
    "jobs": "--jobs",
}


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("folder", description="The folder with the bags."),
            DeclareLaunchArgument("output", description="The folder that gets one labelled bag for each."),
            DeclareLaunchArgument(
                "image_topic",
                default_value="",
                description="The colour image. Empty: found by type and name, like all topics here.",
            ),
            DeclareLaunchArgument("depth_topic", default_value="", description="Depth registered to the colour image."),
            DeclareLaunchArgument(
                "camera_info_topic", default_value="", description="sensor_msgs/CameraInfo of the colour image."
            ),
            DeclareLaunchArgument("fingertip_topic", default_value="", description="Boxes of the fingertip."),
            DeclareLaunchArgument(
                "target_topic",
                default_value="",
                description="Boxes of the target; may be the topic of the fingertip too.",
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
                "task_prompt_topic", default_value="", description="std_msgs/String with the task in words."
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
            DeclareLaunchArgument("config", default_value="", description="Settings in the project's own YAML."),
            DeclareLaunchArgument(
                "shard", default_value="", description="Label only part I of N of the bags, written I/N. Empty: all."
            ),
            DeclareLaunchArgument(
                "jobs", default_value="", description="Threads that decode and measure. Empty: one a processor."
            ),
            DeclareLaunchArgument(
                "label_arguments",
                default_value="",
                description="Further options of spatial-reward label, such as --storage sqlite3.",
            ),
            OpaqueFunction(function=start_label),
        ]
    )


def start_label(context):
    """The program, with those options that are not empty."""

    def value(name):
        return LaunchConfiguration(name).perform(context).strip()

    command = [ExecutableInPackage(package="spatial_reward", executable="spatial-reward"), "label"]
    command += [os.path.expanduser(value("folder")), "-o", os.path.expanduser(value("output")), "--resume"]
    if value("config"):
        command += ["--config", os.path.expanduser(value("config"))]
    for name, option in OPTIONS.items():
        if value(name):
            command += [option, value(name)]
    command += shlex.split(value("label_arguments"))

    return [ExecuteProcess(cmd=command, output="screen", on_exit=end)]


def end(event, context):
    """Hands on that something went wrong, for `ros2 launch` itself would end with exit code 0."""
    if event.returncode != 0 and not context.is_shutdown:
        raise RuntimeError(f"spatial-reward label ended with exit code {event.returncode}; its messages stand above")
