"""What phase a manipulation episode is in, by the simulator's state alone; the rules are told in sim/README.md."""

import math
from collections.abc import Callable
from dataclasses import dataclass

FRAMES_OF_A_HOLD = {0.0: 1, 0.2: 4, 0.3: 6, 0.5: 9}  # seconds -> frames in a row, the first and the last that far apart
TOUCH, NEAR, LOST, LEFT = 0.005, 0.01, 0.01, 0.02  # gaps, metres
LIFTED, HIGH, AT_GOAL, PUSHED, OPENED, MOVED = 0.01, 0.05, 0.05, 0.03, 0.12, 0.01  # metres
POURS_FROM, TILTED = 0.1, math.radians(60)  # how far beside the goal, metres; from when on a cup is poured out, radians


@dataclass
class Facts:
    """One frame, exactly. Lengths in metres; `thing` is the handled object or the handle."""

    gap_left: float
    gap_right: float
    height: float  # of the thing's lowest point above the table
    beside: float  # the thing's centre from the goal's, horizontally
    above_goal: float  # the thing's lowest point above the goal's top, or above a container's floor
    moved: float  # how far the thing is from where it was at first
    opening: float  # between the fingers
    tilt: float  # how far the thing leans from where it stood at first, radians
    pairs: dict  # further distances, for /ground_truth/pairs

    @property
    def nearest(self) -> float:
        return min(self.gap_left, self.gap_right)

    @property
    def farthest(self) -> float:
        return max(self.gap_left, self.gap_right)

    @property
    def on_goal(self) -> bool:
        return self.beside <= AT_GOAL and abs(self.above_goal) <= 0.01


@dataclass
class Rule:
    """From which phase to which, when, and for how long that must hold, seconds."""

    source: str
    to: str
    when: Callable[[Facts], bool]
    hold: float = 0.0


def _near(f: Facts) -> bool:
    return f.nearest <= NEAR


def _pushed(f: Facts) -> bool:
    return f.beside <= PUSHED


def _up(f: Facts) -> bool:
    return f.height >= HIGH and f.farthest <= TOUCH


def _put_down(f: Facts) -> bool:
    return f.on_goal and f.nearest > LOST


def _poured(f: Facts) -> bool:
    return f.tilt >= TILTED and f.beside <= POURS_FROM + 0.02


def _open(f: Facts) -> bool:
    return f.moved >= OPENED


def _lost(f: Facts) -> bool:
    return f.nearest > LOST


def _left(f: Facts) -> bool:
    return f.nearest > LEFT


GRASP = Rule("reach", "grasp", lambda f: f.farthest <= TOUCH)
CARRYING = (
    GRASP,
    Rule("grasp", "carry", lambda f: f.height >= LIFTED),
    Rule("grasp", "reach", _lost),
    Rule("carry", "reach", _lost),
)


def _placing(phase: str) -> tuple[Rule, ...]:
    return (
        *CARRYING,
        Rule("carry", phase, lambda f: f.beside <= AT_GOAL),
        Rule(phase, "carry", lambda f: f.beside > AT_GOAL + 0.01 and f.farthest <= TOUCH),
        Rule(phase, "done", _put_down, 0.2),
        Rule(phase, "reach", lambda f: not f.on_goal and f.nearest > LOST, 0.2),
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "reach": (Rule("reach", "done", _near, 0.2),),
    "push": (
        Rule("reach", "push", lambda f: f.nearest <= TOUCH),
        Rule("push", "done", _pushed, 0.2),
        Rule("push", "reach", _left),
    ),
    "pick_and_lift": (
        GRASP,
        Rule("grasp", "lift", lambda f: f.height >= LIFTED),
        Rule("grasp", "reach", _lost),
        Rule("lift", "reach", _lost),
        Rule("lift", "done", _up, 0.3),
    ),
    "pick_and_place": _placing("place"),
    "stack": _placing("place"),
    "insert": _placing("insert"),
    "pour": (
        *CARRYING,
        Rule("carry", "pour", lambda f: f.beside <= POURS_FROM),
        Rule("pour", "reach", _lost),
        Rule("pour", "done", _poured, 0.5),
        Rule("pour", "carry", lambda f: f.beside > POURS_FROM + 0.02),
    ),
    "open_drawer": (
        Rule("reach", "grasp", lambda f: f.nearest <= TOUCH),
        Rule("grasp", "open", lambda f: f.moved >= MOVED),
        Rule("grasp", "reach", _left),
        Rule("open", "done", _open, 0.2),
        Rule("open", "reach", _left),
    ),
}
SOLVED: dict[str, Callable[[Facts], bool]] = {
    "reach": _near,
    "push": _pushed,
    "pick_and_lift": _up,
    "pick_and_place": _put_down,
    "stack": _put_down,
    "insert": _put_down,
    "pour": _poured,
    "open_drawer": _open,
}


def phases(task: str, episode: list[Facts]) -> list[str]:
    """The phase of each frame: at most one transition a frame, the rules of the phase tried in their order."""
    phase, named = "reach", []
    for i in range(len(episode)):
        for rule in RULES[task]:
            span = episode[max(0, i + 1 - FRAMES_OF_A_HOLD[rule.hold]) : i + 1]
            held = len(span) == FRAMES_OF_A_HOLD[rule.hold] and all(map(rule.when, span))
            if rule.source == phase and held:
                phase = rule.to
                break
        named.append(phase)
    return named
