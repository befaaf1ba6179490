"""The packages that datasets are read with. One that is missing is told with the command that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._errors import error

# A module's name, where it is not the package's.
_PACKAGES = {"av": "av", "pyarrow": "pyarrow", "PIL": "pillow", "yaml": "pyyaml", "huggingface_hub": "huggingface-hub"}


def needed(module: str, purpose: str) -> Any:
    """The module of this name.

    Raises:
        Error: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as cause:
        name = _PACKAGES.get(module.split(".", maxsplit=1)[0], module)
        install = name if name == "huggingface-hub" else "'spatial-reward[lerobot]'"
        raise error("missing_package", f"{purpose} needs {name} ({cause})", f"pip install {install}") from cause
