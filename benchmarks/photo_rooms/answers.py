"""What the answers of `dataset` say, as numbers."""

import re

UNITS = {"centimeters": 0.01, "inches": 1 / 39.3701, "feet": 1 / 3.28084, "meters": 1.0}
# The words for more and for less.
POLES = {
    "left_right": ("left", "right"),
    "above_below": (("above", "higher up"), ("below", "lower down")),
    "front_behind": ("in front of", "behind"),
    "big_small": ("bigger", "smaller"),
    "tall_short": ("taller", "shorter"),
    "wide_thin": ("wider", "thinner"),
}


def length_m(answer: str) -> float:
    value, unit = re.search(r"([\d.]+) (centimeters|inches|feet|meters)", answer).groups()
    return float(value) * UNITS[unit]


def hour(answer: str) -> int:
    return int(re.search(r"(\d+) o'clock", answer).group(1))


def said_to_be_more(category: str, answer: str) -> bool:
    """Whether the answer says that the first thing is more so."""
    more = POLES[category][0]
    more = more if isinstance(more, tuple) else (more,)
    if answer.startswith(("Yes", "No")):
        return any(word in answer for word in more)
    first = "Region [0]" in answer
    return first == (any(word in answer for word in more) or "nearer" in answer)
