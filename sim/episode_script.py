"""What the hand does in an episode: scripts that see where things are and say where the fingertips should go.

A script is a generator; each `yield` is one frame. What came of it is for the rules to say, not for the script.
"""

from collections.abc import Iterator

import numpy as np

from bag import FRAMES_PER_SECOND
from episode_rules import LOST, TOUCH
from episode_scene import Scene, World

Script = Iterator[tuple[np.ndarray, float]]
HELD = {"insert": 0.018, "pour": 0.028}  # what is held by its upper end: how far below it the fingertips are, metres
POURED = (np.radians(72), np.radians(95))  # how far a cup is tilted that is poured out
OUTCOMES = {  # what is tried in ten episodes in a row
    "reach": "success failure success retry failure success success failure success failure",
    "push": "success failure retry success failure success success failure retry success",
    "": "success failure retry drop success drop_retry failure success success failure",
}


def outcome_of(task: str, number: int) -> str:
    return OUTCOMES.get(task, OUTCOMES[""]).split()[number % 10]


class Hand:
    """The set point of the hand, and the ways to move it."""

    def __init__(self, world: World, scene: Scene, rng: np.random.Generator):
        self.world, self.scene, self.rng = world, scene, rng
        self.at = world.tips().copy()
        self.wide = world.widest()
        self.opening = self.wide
        self.speed = rng.uniform(0.3, 0.42)
        self.lean = 0.0  # to the side, radians
        self.table = world.layout.table

    def wait(self, frames: int) -> Script:
        for _ in range(frames):
            yield self.at, self.opening

    def go(self, to: np.ndarray, speed: float | None = None) -> Script:
        """Straight to a place, at a speed in m/s, gently off and gently to a stop."""
        fastest, now = speed or self.speed, 0.0
        while (far := float(np.linalg.norm(to - self.at))) > 1e-4:
            now = min(fastest, now + fastest / 3, max(far * FRAMES_PER_SECOND / 2, 0.02))
            self.at = self.at + (to - self.at) * min(1.0, now / FRAMES_PER_SECOND / far)
            yield self.at, self.opening

    def lift(self, by: float, speed: float | None = None) -> Script:
        yield from self.go(self.at + np.array([0, 0, by]), speed)

    def set_opening(self, to: float, speed: float = 0.12) -> Script:
        """Opens or closes the fingers."""
        while abs(to - self.opening) > 1e-4:
            self.opening += float(np.clip(to - self.opening, -speed / FRAMES_PER_SECOND, speed / FRAMES_PER_SECOND))
            yield self.at, self.opening

    def roll(self, to: float, speed: float) -> Script:
        """Leans to the side, at a speed in radians/s."""
        step = speed / FRAMES_PER_SECOND
        while abs(to - self.lean) > 1e-4:
            self.lean += float(np.clip(to - self.lean, -step, step))
            yield self.at, self.opening

    def grip(self) -> Script:
        """Closes until both fingers have the thing for three frames, or nothing is between them."""
        held = 0
        while held < 3 and self.opening > 0.0:
            self.opening = max(0.0, self.opening - 0.1 / FRAMES_PER_SECOND)
            yield self.at, self.opening
            held = held + 1 if self.world.facts().farthest < TOUCH / 2 else 0
        if held:
            self.opening = max(0.0, self.opening - 0.015)
            yield self.at, self.opening

    def over(self, place: np.ndarray, height: float) -> np.ndarray:
        """A fingertip place above a spot of the table."""
        return np.array([place[0], place[1], self.table + height])


def script(hand: Hand, outcome: str) -> Script:
    """The whole episode, and then a second of standing still."""
    task = hand.scene.task
    plan = {"reach": _reach, "push": _push, "open_drawer": _open}.get(task, _pick)
    yield from hand.wait(int(hand.rng.integers(2, 7)))
    yield from plan(hand, outcome)
    yield from hand.wait(int(hand.rng.integers(10, 16)))


def _reach(hand: Hand, outcome: str) -> Script:
    rng, thing = hand.rng, hand.world.thing()
    top = 2 * (thing[2] - hand.table)
    yield from hand.set_opening(float(rng.uniform(0.0, 0.03)), 0.3)
    hand.speed *= 0.35
    touch = hand.over(thing, top + rng.uniform(0.0, 0.005))
    if outcome == "failure" and rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        touch = touch + np.r_[np.cos(angle), np.sin(angle), 0] * rng.uniform(0.08, 0.12)
    elif outcome != "success":
        short = touch + (hand.at - touch) * rng.uniform(0.25, 0.5)
        yield from hand.go(short)
        yield from hand.wait(int(rng.integers(10, 18)))
        if outcome == "failure":
            yield from hand.go(short + rng.normal(0, 0.03, 3) + np.array([0, 0, 0.05]))
            return
    yield from hand.go(touch + np.array([0, 0, rng.uniform(0.02, 0.07)]))
    yield from hand.go(touch)


def _push(hand: Hand, outcome: str) -> Script:
    rng, world = hand.rng, hand.world
    yield from hand.set_opening(0.6 * 2 * float(min(hand.scene.thing.half[:2])), 0.4)
    height = min(0.02, float(world.thing()[2] - hand.table))
    short = rng.uniform(0.06, 0.09) if outcome == "failure" else 0.0
    miss = outcome == "failure" and rng.random() < 0.4
    aside = rng.choice([-1, 1]) * rng.uniform(0.06, 0.09) if miss else 0.0
    first_stop = rng.uniform(0.07, 0.1) if outcome == "retry" else None
    for stop in [first_stop, short] if first_stop else [short]:
        way = _flat(world.goal() - world.thing())
        across = np.array([-way[1], way[0], 0])
        behind = world.thing() - way * rng.uniform(0.08, 0.1) + across * aside
        yield from hand.go(hand.over(behind, 0.1))
        yield from hand.go(hand.over(behind, height))
        target = world.goal() - way * stop
        for _ in range(60):
            thing = world.thing()
            if (target - thing) @ way < 0.006 or (miss and (hand.at - behind) @ way > 0.2):
                break
            on = way if miss else _flat(target - thing)  # it sticks to the fingers, so it goes where they go
            hand.at = hand.at + on * 0.11 / FRAMES_PER_SECOND
            yield hand.at, hand.opening
        yield from hand.wait(6)
        yield from hand.go(hand.at - way * 0.04)
        yield from hand.lift(0.1)


def _flat(vector: np.ndarray) -> np.ndarray:
    flat = np.array([vector[0], vector[1], 0.0])
    return flat / np.linalg.norm(flat)


def _pick(hand: Hand, outcome: str) -> Script:
    """Lift, place and stack, with what may go wrong on the way."""
    rng = hand.rng
    misses = outcome == "retry" or (outcome == "failure" and rng.random() < 0.3)
    if misses:
        angle = rng.uniform(0, 2 * np.pi)
        yield from _grasp(hand, np.array([np.cos(angle), np.sin(angle), 0]) * rng.uniform(0.055, 0.075))
        yield from hand.lift(rng.uniform(0.05, 0.09))
        if outcome == "failure":
            return
        yield from hand.set_opening(hand.wide, 0.3)
    yield from _grasp(hand, np.zeros(3))
    yield from _carry(hand, outcome)
    if outcome == "drop_retry":
        yield from hand.wait(5)
        yield from hand.set_opening(hand.wide, 0.4)
        yield from hand.go(np.r_[hand.at[:2], hand.table + max(0.1, hand.scene.thing.top + 0.03)])
        yield from _grasp(hand, np.zeros(3))
        yield from _carry(hand, "success")
    if outcome == "drop":
        yield from hand.wait(8)


def _grasp(hand: Hand, aside: np.ndarray) -> Script:
    thing = hand.world.thing() + aside
    half = float(thing[2] - hand.table)
    held = HELD.get(hand.scene.task)
    depth = 2 * half - held if held else float(np.clip(half - 0.008, 0.01, 0.02))
    yield from hand.go(hand.over(thing, max(2 * half + 0.03, hand.at[2] - hand.table - 0.05)))
    yield from hand.go(hand.over(thing, depth), hand.speed * 0.8)
    yield from hand.grip()
    yield from hand.wait(int(hand.rng.integers(1, 5)))


def _carry(hand: Hand, outcome: str) -> Script:
    rng, world, task = hand.rng, hand.world, hand.scene.task
    drops = outcome in ("drop", "drop_retry")
    high = rng.uniform(0.09, 0.13)
    if task == "pick_and_lift":
        if drops or outcome == "failure":
            high = rng.uniform(0.02, 0.036)
        yield from hand.lift(high, 0.12)
        if drops:
            yield from _drop(hand)
        elif outcome == "failure":
            yield from hand.wait(int(rng.integers(5, 10)))
            yield from hand.lift(-high, 0.1)
        return
    if drops and task in HELD:  # from higher it would fall over
        yield from hand.lift(rng.uniform(0.02, 0.03), 0.12)
        yield from _drop(hand)
        return
    yield from hand.lift(high, 0.22)
    if task == "pour":
        yield from _pour(hand, outcome)
        return
    shift = world.thing() - hand.at
    aim = world.goal() - shift
    stays_above = task == "insert" and outcome == "failure" and rng.random() < 0.4
    if outcome == "failure" and not stays_above:
        angle = rng.uniform(0, 2 * np.pi)
        aim = aim + np.array([np.cos(angle), np.sin(angle), 0]) * rng.uniform(0.1, 0.13)
    way = np.r_[aim[:2], hand.at[2]] - hand.at
    if drops:
        yield from hand.go(hand.at + way * rng.uniform(0.15, 0.6))
        yield from _drop(hand)
        return
    yield from hand.go(hand.at + way)
    if stays_above or (outcome == "failure" and rng.random() < 0.3):
        return  # stops over the goal, or over a wrong place
    yield from _put_down(hand)


def _pour(hand: Hand, outcome: str) -> Script:
    """Tilts the cup beside the goal; what fails stays above it, tilts too little, or elsewhere."""
    rng, world = hand.rng, hand.world
    fails = rng.choice(["upright", "too little", "elsewhere"]) if outcome == "failure" else ""
    angle = rng.uniform(0, 2 * np.pi)
    aside = rng.uniform(0.19, 0.22) if fails == "elsewhere" else rng.uniform(0.0, 0.03)
    aim = world.goal() - (world.thing() - hand.at) + np.array([np.cos(angle), np.sin(angle), 0]) * aside
    yield from hand.go(np.r_[aim[:2], hand.at[2]])
    yield from hand.wait(int(rng.integers(1, 5)))
    if fails == "upright":
        return
    side, far = rng.choice([-1, 1]), rng.uniform(*(np.radians((20, 45)) if fails == "too little" else POURED))
    yield from hand.roll(side * far, rng.uniform(0.9, 1.6))


def _put_down(hand: Hand) -> Script:
    """Lowers until the thing stands on something, lets it go and draws back."""
    for _ in range(40):
        facts = hand.world.facts()
        room = facts.above_goal if facts.beside < 0.05 else facts.height
        if room < 0.002 or facts.nearest > LOST:
            break
        hand.at = hand.at - np.array([0, 0, min(0.18 / FRAMES_PER_SECOND, max(room / 2, 0.001))])
        yield hand.at, hand.opening
    yield from hand.wait(2)
    hand.opening = hand.world.opening()
    yield from hand.set_opening(min(hand.wide, hand.opening + 0.045), 0.15)
    yield from hand.wait(1)
    yield from hand.lift(0.07, 0.25)


def _drop(hand: Hand) -> Script:
    """The thing slips out: the fingers give way by more than they squeeze."""
    hand.opening = hand.world.opening()
    yield from hand.set_opening(hand.opening + 0.03, 0.3)
    yield from hand.wait(2)


def _open(hand: Hand, outcome: str) -> Script:
    """Hooks a finger's width behind the handle and pulls; the drawer slides towards -y."""
    rng, world = hand.rng, hand.world
    yield from hand.set_opening(0.04, 0.3)
    pull = rng.uniform(0.13, 0.145)
    if outcome == "failure":
        pull = rng.uniform(0.03, 0.08)
    misses = outcome == "retry" or (outcome == "failure" and rng.random() < 0.35)
    if misses:  # comes down in front of the handle and pulls nothing
        yield from _hook(hand, np.array([rng.uniform(-0.02, 0.02), -rng.uniform(0.05, 0.07), 0]))
        yield from hand.go(hand.at + np.array([0, -0.08, 0]), 0.12)
        if outcome == "failure":
            return
        yield from hand.lift(0.08)
    yield from _hook(hand, np.zeros(3))
    if outcome in ("drop", "drop_retry"):
        part = rng.uniform(0.04, 0.08)
        yield from hand.go(hand.at + np.array([0, -part - 0.012, 0]), 0.1)
        yield from hand.lift(0.08, 0.25)
        yield from hand.wait(4)
        if outcome == "drop":
            return
        yield from _hook(hand, np.zeros(3))
    yield from hand.go(hand.at + np.array([0, -(pull - world.facts().moved) - 0.012, 0]), 0.1)


def _hook(hand: Hand, aside: np.ndarray) -> Script:
    behind = hand.world.hook() + aside
    yield from hand.go(behind + np.array([0, 0, 0.08]))
    yield from hand.go(behind, hand.speed * 0.7)
    yield from hand.wait(int(hand.rng.integers(1, 4)))
