"""A setting is declared once. What follows from the declarations is compared here with tools that an editor uses, and
with each other: the schema, the default file, the tables in docs/."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
SCHEMA = json.loads((CONFIG / "settings.schema.json").read_text())
FILES = sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("tasks/*.yaml")])


def settings() -> dict[str, dict]:
    """Every setting's own schema, by its dotted name."""
    found = {}

    def walk(prefix: str, schema: dict):
        for key, one in schema["properties"].items():
            name = f"{prefix}.{key}" if prefix else key
            if "properties" in one:
                walk(name, one)
            elif one.get("type") != "object":  # names of the user's choice are no settings
                found[name] = one

    walk("", SCHEMA)
    return found


def value_at(tree: dict, name: str):
    for key in name.split("."):
        tree = tree[key] if tree is not None else None
    return tree


def table(page: str, part: str) -> dict[str, list[str]]:
    """The rows of a page's generated tables, by the setting's name."""
    text = (ROOT / page).read_text()
    text = text.split(f"<!-- begin generated: {part} -->")[1].split(f"<!-- end generated: {part} -->")[0]
    rows = (re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `"))
    return {row[0].strip().strip("`"): [cell.strip() for cell in row] for row in rows}


def numbers(schema: dict) -> list[float]:
    keys = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    # A bound that schemars knows from the type alone is not said: no count is negative.
    return [schema[key] for key in keys if key in schema]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_editor_accepts_every_file(file: Path):
    jsonschema.validate(yaml.safe_load(file.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        "reward: {kapa: 2}",
        "rewards: {}",
        "reward: {gamma: 1.5}",
        "reward: {gamma: 0}",
        "reward: {kind: tan}",
        "filter: {window: 4}",
        "matching: {wait_s: soon}",
        "success: {votes: {needed: 1}}",
        "geometry: {min_pixels: 0}",
    ],
)
def test_an_editor_marks_what_the_program_refuses(wrong: str):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(wrong), SCHEMA)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_setting_has_the_same_name_default_unit_and_bounds_everywhere():
    default = yaml.safe_load((CONFIG / "default.yaml").read_text())
    comments = (CONFIG / "default.yaml").read_text()
    reference = table("docs/reference.md", "settings")
    parameters = table("docs/ros2.md", "parameters")
    found = settings()
    assert len(found) > 50
    assert set(reference) == set(found)
    assert set(parameters) == {name for name, one in found.items() if one.get("x-node", True)}
    for name, schema in found.items():
        # Names and defaults.
        assert value_at(default, name) == schema.get("default"), name
        cells = " ".join(reference[name])
        told = schema.get("default")
        assert f"`{json.dumps(told)}`" in cells or f"`{told}`" in cells, (name, cells)
        # Bounds and units, in the words of every place that has words.
        places = [cells] + ([" ".join(parameters[name])] if name in parameters else [])
        for bound in numbers(schema):
            for place in [*places, comments]:
                assert re.search(rf"(?<![\d.]){bound:g}(?![\d.]*\d)", place), (name, bound, place)
        for place in places:
            assert schema.get("x-unit", "") in place, (name, place)
        # What may change while a node runs.
        if name in parameters:
            assert (parameters[name][4] == "yes") == schema.get("x-live", False), name


def test_what_label_advises_to_set_are_settings():
    # given the settings that the causes of invalid steps name, in the code and in its words
    advice = (ROOT / "crates/offline/src/label/advice.rs").read_text()
    named = set(re.findall(r'"((?:topics|matching|regions|geometry|model|estimator|reward)\.[a-z_.]+)"', advice))
    corner = (ROOT / "crates/offline/src/label/corner.rs").read_text()
    of_corner = re.findall(r'"regions\.\{\}\.(\w+)"', corner)
    named |= {f"regions.{region}.{key}" for region in ("fingertip", "target") for key in of_corner}
    # then each of them is one
    assert of_corner and len(named) > 10
    assert named <= {name for name in settings() if name}, named - set(settings())
