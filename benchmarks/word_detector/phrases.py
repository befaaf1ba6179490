"""What a detector is asked in training and by its judge: phrases, and which regions of `sim/sightings.py` they mean."""

import random

FINGERTIP = (
    "robot gripper fingertip",
    "fingertip",
    "robot fingertip",
    "gripper fingertip",
    "fingertips",
    "robot gripper",
    "gripper",
    "robot hand",
)
NOUNS = {
    "cube": ("cube", "block"),
    "box": ("box", "block"),
    "ball": ("ball", "sphere"),
    "cylinder": ("cylinder", "can"),
}
ANYTHING = ("thing", "object")
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black", "grey", "white")
OTHERS = ("capsule", "banana", "pen", "plate", "mug", "bowl", "screwdriver", "cable", "spatula")
# Parts of Meta-World's tasks.
PARTS = ("button", "handle", "lever", "dial", "hammer", "stick", "peg", "drawer", "cabinet", "wall", "bin", "door")
PRIMITIVES = tuple(NOUNS)
TEMPLATES = ("{}", "{}", "the {}", "a {}", "a photo of a {}")
ASKED_FINGERTIP = FINGERTIP[0]


def words() -> list[str]:
    """All words that phrases are made of."""
    nouns = [noun for some in NOUNS.values() for noun in some]
    frames = " ".join(TEMPLATES).replace("{}", "").split()
    return sorted({*" ".join(FINGERTIP).split(), *nouns, *ANYTHING, *COLOURS, *OTHERS, *PARTS, *frames})


class Phrase:
    """Words with what they mean: a colour or any, one of some shapes or any."""

    def __init__(self, text: str, colour: str | None, shapes: tuple[str, ...]):
        self.text, self.colour, self.shapes = text, colour, shapes

    def means(self, region: dict) -> int:
        """1: this region. 0: not this one. -1: it may be called so, and nobody could object."""
        fingertip = region["shape"] == "fingertip"
        if fingertip or self.shapes == ("fingertip",):
            return int(fingertip and self.shapes == ("fingertip",))
        shape = 1 if not self.shapes or region["shape"] in self.shapes else 0
        if not shape and set(region["near_shapes"]) & set(self.shapes):
            shape = -1
        colour = 1 if self.colour is None or region["colour"] == self.colour else 0
        if not colour and (region["colour"] is None or self.colour in region["near_colours"]):
            colour = -1
        return 0 if not shape or not colour else min(shape, colour)


def fingertip(rng: random.Random | None = None) -> Phrase:
    """One of the words for the fingertip; without a generator the one that is asked for."""
    return Phrase(rng.choice(FINGERTIP) if rng else ASKED_FINGERTIP, None, ("fingertip",))


def thing(shape: str, colour: str | None, rng: random.Random | None = None) -> Phrase:
    """A phrase for a shape of a colour; with a generator one of many, some without colour or without shape."""
    if rng is None:
        return Phrase(f"{colour} {shape}", colour, (shape,))
    noun, shapes = rng.choice(NOUNS.get(shape, (shape,))), None
    if rng.random() < 0.1 and colour is not None:
        noun, shapes = rng.choice(ANYTHING), ()
    if shapes is None:
        shapes = tuple(key for key, nouns in NOUNS.items() if noun in nouns) or (shape,)
    if colour is None or (shapes and rng.random() < 0.1):
        return Phrase(rng.choice(TEMPLATES).format(noun), None, shapes)
    return Phrase(rng.choice(TEMPLATES).format(f"{colour} {noun}"), colour, shapes)


def ask(regions: list[dict], rng: random.Random) -> list[Phrase]:
    """Phrases for a picture in training: what is there, and a little of what is not."""
    asked = [fingertip(rng)]
    asked += [thing(r["shape"], r["colour"], rng) for r in regions if r["shape"] != "fingertip"]
    asked += [thing(rng.choice(PRIMITIVES), rng.choice(COLOURS), rng) for _ in range(2)]
    return asked
