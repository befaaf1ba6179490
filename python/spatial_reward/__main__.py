"""The whole command line: `python -m spatial_reward`, and the script `spatial-reward`.

It is the program's own, but for LeRobot datasets: `label DATASET` and `export BAG... --lerobot OUT` are Python's (see
their `--help`).
"""

import sys

from spatial_reward import _native


def main() -> int:
    """Run the program with the process's arguments; what the process is to say at its end comes back."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["label"]:
        from spatial_reward.lerobot import command

        if command.is_about_a_dataset(arguments[1:]):
            return command.main(arguments[1:])
    if arguments[:1] == ["export"]:
        from spatial_reward.lerobot import export_cli

        return export_cli.main(arguments[1:])
    return _native.main(["spatial-reward", *arguments])


if __name__ == "__main__":
    sys.exit(main())
