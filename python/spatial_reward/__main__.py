"""The whole command line: `python -m spatial_reward`, and the script `spatial-reward`."""

import sys

from spatial_reward import _native


def main() -> int:
    """Run the program with the process's arguments; what the process is to say at its end comes back."""
    if sys.argv[1:2] == ["export"]:
        from spatial_reward.lerobot import export_cli

        return export_cli.main(sys.argv[2:])
    return _native.main(["spatial-reward", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
