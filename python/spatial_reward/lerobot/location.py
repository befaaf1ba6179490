"""Where a dataset is: a folder, or a hub's id in the user's cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .._errors import error
from .dataset import EPISODES, INFO, STATS
from .packages import needed

_HUB = "hf://datasets/"
_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


def is_dataset(argument: str) -> bool:
    """Whether a command line's argument is a LeRobot dataset: a folder of one, `hf://datasets/ORG/NAME`, or the
    ORG/NAME of one that LeRobot has on this machine. One whose meta/info.json is missing is one, too: no bag has the
    rest."""
    if argument.startswith(_HUB) or any((Path(argument) / part).exists() for part in (INFO, STATS, EPISODES)):
        return True
    return bool(_ID.fullmatch(argument)) and not Path(argument).exists() and (_home() / argument / INFO).is_file()


def located(dataset: str | os.PathLike[str]) -> Path:
    """The folder of a dataset. A hub's id is looked for where LeRobot keeps datasets, then in the hub's cache, and is
    fetched there if it is not in it.

    Raises:
        Error: there is none.
    """
    name = os.fspath(dataset)
    if not name.startswith(_HUB) and Path(name).exists():
        return Path(name)
    repository = name.removeprefix(_HUB)
    if not _ID.fullmatch(repository):
        raise error("no_dataset", f"there is no {name}", "name a folder, or ORG/NAME of a hub's dataset", name)
    if (_home() / repository / INFO).is_file():
        return _home() / repository
    hub = needed("huggingface_hub", f"there is no folder {name}, and fetching a dataset of that id")
    try:
        return Path(hub.snapshot_download(repository, repo_type="dataset"))
    except Exception as cause:  # of the network, of the hub, of the disk: all mean that there is none
        words = f"there is no folder {name}, and no dataset of that id could be fetched ({cause})"
        raise error("no_dataset", words, "name a folder, or ORG/NAME of a hub's dataset", name) from cause


def _home() -> Path:
    """Where LeRobot keeps the datasets that it fetched or recorded."""
    if home := os.environ.get("HF_LEROBOT_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(cache).expanduser() / "lerobot"
