"""MJCF files of robots, brought down to what a picture needs: bodies with joints and geoms, and their assets."""

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

KEPT = ("default", "asset", "worldbody")  # no physics runs: motors, sensors and contacts would only cost time
REFERENCES = ("name", "mesh", "material", "texture", "class", "childclass", "joint")


def package(name: str) -> Path:
    """A package's folder, found without importing it: most would bring in a simulator of their own."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"error: the package {name} is missing: pip install --no-deps -r sim/requirements-robots.txt")
    return Path(found.origin).parent


def read(files: Iterable[Path], meshes: Path, renamed: Callable[[str], str] = str) -> Element:
    """Files as one model; meshes are looked for in a folder. A file that others include may hold bodies at its top."""
    model = Element("mujoco")
    sections = {name: ElementTree.SubElement(model, name) for name in KEPT}
    for file in files:
        for element in ElementTree.parse(file).getroot():
            if element.tag == "body":
                sections["worldbody"].append(element)
            elif element.tag in sections:
                sections[element.tag].extend(list(element))
    _settle(model, meshes)
    for element in model.iter():
        for key in REFERENCES:
            if key in element.attrib:
                element.set(key, renamed(element.get(key)))
    return model


def _settle(model: Element, meshes: Path) -> None:
    """Absolute paths, one asset of a name, and nothing but bodies with their joints and geoms."""
    assets, seen = model.find("asset"), set()
    for element in list(assets):
        file = element.get("file")
        if file:
            element.set("file", str(meshes / file))
        name = (element.tag, element.get("name") or (Path(file).stem if file else None))
        if name in seen or element.get("type") == "skybox":
            assets.remove(element)
        seen.add(name)
    for parent in list(model.iter()):
        for child in list(parent):
            if child.tag in ("site", "camera", "light", "general", "tendon", "pair", "exclude"):
                parent.remove(child)


def body(model: Element, name: str) -> Element:
    """A body by its name."""
    for element in model.iter("body"):
        if element.get("name") == name:
            return element
    known = ", ".join(str(element.get("name")) for element in model.iter("body"))
    raise ValueError(f"the model has no body `{name}`, only {known}")


def joined(arm: Element, hand: Element, mount: str) -> Element:
    """An arm with a hand at one of its bodies; their names must differ."""
    body(arm, mount).extend(list(hand.find("worldbody")))
    for name in ("default", "asset"):
        arm.find(name).extend(list(hand.find(name)))
    return arm


def add(parent: Element, tag: str, **attributes) -> Element:
    """A child with its attributes; numbers are joined as MJCF has them."""
    return ElementTree.SubElement(parent, tag, {key.rstrip("_"): _text(value) for key, value in attributes.items()})


def _text(value) -> str:
    if isinstance(value, str):
        return value
    numbers = value if hasattr(value, "__iter__") else [value]
    return " ".join(f"{float(number):.6g}" for number in numbers)
