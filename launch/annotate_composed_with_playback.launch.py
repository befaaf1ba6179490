"""Plays a bag with `ros2 bag play --clock` and annotates it live, in the bag's own time.

    ros2 launch spatial_reward annotate_composed_with_playback.launch.py bag:=data/fetch_approach

Takes every argument of annotate.launch.py too; those declared here have another default there, which is
that of the sample bag. Rewards that the bag already holds are played under /recorded, so that they do not
mix with the new ones. All ends `shutdown_delay` seconds after the bag.

This file is the canonical one. The XML and YAML launch files of the same name declare the same arguments
and include it, because only Python can leave an option out of the command line.
"""

import os
import shlex

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
    TimerAction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

# What a bag may hold of an earlier annotation.
RECORDED = ["/spatial_reward/step_reward", "/reward", "/episode_done", "/episode_truncated"]


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="The bag: a folder or a file, as for ros2 bag play."),
            DeclareLaunchArgument(
                "rate",
                default_value="1.0",
                description="How fast it is played; 2.0 is twice as fast as it was recorded.",
            ),
            DeclareLaunchArgument(
                "loop",
                default_value="false",
                description="true or false: begin again at its end, with a new episode, for the clock is set back.",
            ),
            DeclareLaunchArgument(
                "start_delay",
                default_value="2.0",
                description="Seconds before the first message, in which publishers and node find each other.",
            ),
            DeclareLaunchArgument(
                "shutdown_delay",
                default_value="2.0",
                description="Seconds from the end of the bag until the node is stopped too.",
            ),
            DeclareLaunchArgument(
                "play_arguments",
                default_value="",
                description="Further options of ros2 bag play, such as --start-offset 10.",
            ),
            DeclareLaunchArgument(
                "image_topic",
                default_value="/camera/color/image_raw/compressed",
                description="The colour image in the bag.",
            ),
            DeclareLaunchArgument(
                "image_transport",
                default_value="compressed",
                choices=["", "raw", "compressed"],
                description="How the colour image stands in the bag: as Image or as CompressedImage.",
            ),
            DeclareLaunchArgument(
                "depth_topic",
                default_value="/camera/aligned_depth_to_color/image_raw",
                description="Depth in the bag, registered to the colour image.",
            ),
            DeclareLaunchArgument(
                "camera_info_topic",
                default_value="/camera/color/camera_info",
                description="sensor_msgs/CameraInfo of the colour image.",
            ),
            DeclareLaunchArgument(
                "fingertip_topic", default_value="/fingertip/detections", description="Boxes of the fingertip."
            ),
            DeclareLaunchArgument(
                "target_topic",
                default_value="/target/detections",
                description="Boxes of the target; may be the topic of the fingertip too.",
            ),
            DeclareLaunchArgument(
                "task_prompt_topic", default_value="/task_prompt", description="std_msgs/String with the task in words."
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="true",
                description="true or false: take the time from /clock, which the player publishes.",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution([FindPackageShare("spatial_reward"), "launch", "annotate.launch.py"])
                )
            ),
            OpaqueFunction(function=start_player),
        ]
    )


def start_player(context):
    """`ros2 bag play`, with those options that are not empty."""

    def value(name):
        return LaunchConfiguration(name).perform(context).strip()

    bag = os.path.expanduser(value("bag"))
    if not os.path.exists(bag):
        raise RuntimeError(f"bag:={value('bag')} does not exist: give the path of a bag's folder or file")

    command = ["ros2", "bag", "play", bag, "--clock", "--disable-keyboard-controls"]
    command += ["--rate", value("rate")]
    if seconds("start_delay", value("start_delay")) > 0:
        command += ["--delay", value("start_delay")]
    if truth("loop", value("loop")):
        command += ["--loop"]
    command += ["--remap", *(f"{topic}:=/recorded{topic}" for topic in RECORDED)]
    command += shlex.split(value("play_arguments"))

    shutdown_delay = seconds("shutdown_delay", value("shutdown_delay"))

    def end(event, context):
        if context.is_shutdown:
            return None
        if event.returncode != 0:
            raise RuntimeError(f"ros2 bag play ended with exit code {event.returncode}; its message stands above")
        # The last frames are still being measured.
        return [TimerAction(period=shutdown_delay, actions=[Shutdown(reason="the bag has been played")])]

    return [ExecuteProcess(cmd=command, output="screen", on_exit=end)]


def truth(name, text):
    if text.lower() not in ("true", "false"):
        raise RuntimeError(f"{name}:={text} is neither true nor false")
    return text.lower() == "true"


def seconds(name, text):
    try:
        return float(text)
    except ValueError:
        raise RuntimeError(f"{name}:={text} is no number of seconds") from None
