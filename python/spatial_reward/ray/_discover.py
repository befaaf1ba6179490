"""Which bags some paths stand for, and where their outputs go: the rules of `spatial-reward label BAG... -o OUT`, on
any file system."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.fs as pafs

from spatial_reward._errors import error
from spatial_reward.ray._places import BAG_FILES, LAST, UNFINISHED, Place, locate, table_of
from spatial_reward.ray._tasks import Job

AnyPath = str | os.PathLike[str]
Paths = AnyPath | Iterable[AnyPath] | Mapping[str, str]

MAX_DEPTH = 2
"""Folders of bags are often sorted by day or robot, hardly deeper."""
AT_ONCE = 1000
"""Paths that a file system is asked for in one go: stores answer many at once, one after the other they take hours."""


def bag_jobs(paths: Paths, out: Place, filesystem: Any = None) -> list[Job]:
    """Each bag with its output, in the order of the paths, a folder's sorted by name.

    Raises:
        Error: a folder without a bag; two bags with one output.
    """
    if isinstance(paths, Mapping):
        named = [(locate(path, filesystem), name) for path, name in paths.items()]
        for _, name in named:
            if not name or "/" in name or name.startswith("."):
                raise error("output", f"{name!r} is no name for a folder in {out.shown}")
        return _apart([Job(source.shown, source, out.child(name)) for source, name in named])
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    places = [locate(path, filesystem) for path in given]
    jobs: dict[str, Job] = {}
    for place, bags in zip(places, _bags_of(places), strict=True):
        if not bags:
            words = f"{place.shown} is a folder, and there is no bag to label in it, up to {MAX_DEPTH} levels deep"
            raise error("not_a_bag", words, path=place.shown)
        for bag in bags:
            jobs.setdefault(bag.path, Job(bag.shown, bag, out.child(f"{bag_name(bag.name)}_labelled")))
    return _apart(list(jobs.values()))


def dataset_jobs(roots: AnyPath | Iterable[AnyPath] | Mapping[str, str], out: Place) -> list[Job]:
    """Each dataset with its output, which is called as the dataset."""
    if isinstance(roots, Mapping):
        pairs = list(roots.items())
    else:
        given = [roots] if isinstance(roots, str | os.PathLike) else list(roots)
        pairs = [(os.fspath(root), locate(root).name) for root in given]
    return _apart([Job(root, locate(root), out.child(name)) for root, name in pairs])


def bag_name(name: str) -> str:
    """A bag's name without a file's endings."""
    ending = next((ending for ending in BAG_FILES if name.endswith(ending)), "")
    return name.removesuffix(ending)


def _apart(jobs: list[Job]) -> list[Job]:
    taken: dict[str, Job] = {}
    for job in jobs:
        other = taken.setdefault(job.output.path, job)
        if other is not job:
            raise error(
                "output",
                f"{job.output.shown} would be the result of two, {other.path} and {job.path}",
                "give each a name of its own: {path: name, ...} in the place of the paths",
                job.output.shown,
            )
    return jobs


def _bags_of(places: list[Place]) -> list[list[Place]]:
    """The bags that each path stands for. What is not there stands for itself: it fails when its turn comes."""
    found: list[list[Place]] = []
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        kinds = _kinds(some)
        # Only of folders it is to be known whether they are a bag: a file is one, whatever it is called.
        folders = [place for place, kind in zip(some, kinds, strict=True) if kind == pafs.FileType.Directory]
        described = _kinds([folder.child(LAST) for folder in folders])
        bags = {f.path for f, kind in zip(folders, described, strict=True) if kind == pafs.FileType.File}
        others = {folder.path for folder in folders} - bags
        found += [_search(place) if place.path in others else [place] for place in some]
    return found


def _kinds(places: list[Place]) -> list[Any]:
    """What each is, asked for together where they share a file system."""
    kinds: dict[int, Any] = {}
    together: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        together.setdefault(id(place.filesystem), []).append(index)
    for indices in together.values():
        filesystem = places[indices[0]].filesystem
        infos = filesystem.get_file_info([places[index].path for index in indices])
        kinds.update((index, info.type) for index, info in zip(indices, infos, strict=True))
    return [kinds[index] for index in range(len(places))]


def _search(root: Place) -> list[Place]:
    """The bags in a folder, or the folder itself where its files are the parts of one bag; from one listing."""
    below = len(root.path.rstrip("/")) + 1
    listing = root.filesystem.get_file_info(pafs.FileSelector(root.path, recursive=True, allow_not_found=True))
    files: dict[str, list[str]] = {}
    for info in listing:
        folder, _, name = info.path[below:].rpartition("/")
        hidden = any(part.startswith(".") for part in folder.split("/"))
        if info.is_file and not hidden and (name == UNFINISHED or not name.startswith(".")):
            files.setdefault(folder, []).append(name)
    bags: list[str] = []
    taken: set[str] = set()
    for folder in sorted(files, key=lambda folder: (folder.count("/"), folder)):
        names = files[folder]
        depth = len(folder.split("/")) if folder else 0
        own = folder.rsplit("/", 1)[-1] or root.name
        parts = sorted(name for name in names if name.endswith(BAG_FILES))
        if depth > MAX_DEPTH or any(folder.startswith(f"{other}/") for other in taken):
            continue
        if {LAST, table_of(own)} <= set(names) or UNFINISHED in names:
            taken.add(folder)  # an output
        elif LAST in names or _are_parts(own, parts):
            if not folder:
                return [root]
            taken.add(folder)
            bags.append(folder)
        elif depth < MAX_DEPTH:
            bags += [f"{folder}/{name}".lstrip("/") for name in parts]
    return [root.child(bag) for bag in sorted(bags)]


def _are_parts(folder: str, files: list[str]) -> bool:
    """Recorders call the files of one bag NAME_0, NAME_1, ...; some call the only file of a bag as its folder."""
    names = [bag_name(name) for name in files]
    if names == [folder]:
        return True
    stems = {match[1] if (match := re.fullmatch(r"(.*)_\d+", name)) else None for name in names}
    return len(stems) == 1 and None not in stems
