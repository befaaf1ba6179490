"""Photos with the files beside them that `dataset` reads, and the truth of all of them in truth.json."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from photo_rooms.engines import ENGINES, Picture, engine
from photo_rooms.regions import region
from photo_rooms.room import Room, build
from photo_rooms.truth import truth

TRUTH = "truth.json"


def made(folder: Path, engines: list[str], photos: int, seed: int) -> dict[str, dict]:
    """The truth by the photos' names; the engines take turns. Photos that are there already are not made again."""
    told = folder / TRUTH
    asked = {"engines": engines, "photos": photos, "seed": seed}
    if told.exists():
        known = json.loads(told.read_text())
        if known["asked"] != asked:
            sys.exit(f"{folder} has photos of other options: {known['asked']}")
        return known["photos"]
    folder.mkdir(parents=True, exist_ok=True)
    known = {}
    for number in range(photos):
        name = engines[number % len(engines)]
        draw, catalogue, furniture = engine(name)
        room = build(catalogue, furniture, (seed, list(ENGINES).index(name), number))
        picture = draw(room)
        photo = f"{name}_{number:03}"
        write(folder, photo, room, picture)
        known[photo] = {"engine": name, **truth(room, picture)}
        print(f"\r{number + 1} of {photos} photos", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    told.write_text(json.dumps({"asked": asked, "photos": known}))
    return known


def write(folder: Path, name: str, room: Room, picture: Picture) -> None:
    Image.fromarray(picture.colour).save(folder / f"{name}.png")
    np.save(folder / f"{name}.depth.npy", picture.depth.astype(np.float32))
    regions = [
        region(thing.name, mask)
        for number, thing in enumerate(room.things)
        if thing.name and (mask := picture.seen == number).any()
    ]
    (folder / f"{name}.regions.json").write_text(json.dumps({"regions": regions}))
    camera = picture.camera
    told = {"fx": camera.focal, "fy": camera.focal, "cx": camera.cx, "cy": camera.cy}
    told["gravity"] = (-camera.rotation[2]).tolist()
    (folder / f"{name}.camera.json").write_text(json.dumps(told))


def without_gravity(folder: Path, target: Path) -> None:
    """The same photos in another folder, their cameras without gravity."""
    target.mkdir()
    for path in folder.iterdir():
        if path.name.endswith(".camera.json"):
            camera = json.loads(path.read_text())
            del camera["gravity"]
            (target / path.name).write_text(json.dumps(camera))
        elif path.name != TRUTH:
            os.link(path, target / path.name)
