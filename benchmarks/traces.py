"""Two folders of traces beside each other: how near the logits of the first token come, and which answers are the same.

usage: traces.py ONE OTHER

Folders are what crates/models/examples/trace.rs writes, `spatialrgpt_peer.py trace`, or golden files. Each case counts
with depth (d1) and without (d0), where both folders have it. Prints JSON. Needs nothing but the standard library.
"""

import array
import json
import math
import sys
from pathlib import Path

# What is compared of a case, with depth and without.
PAIRS = [(f"{name}.first_logits", f"{name}.output_ids") for name in ("d1", "d0")]
NAMES = [name for pair in PAIRS for name in pair]
TYPES = {"F32": "f", "I64": "q"}


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(compare(*map(Path, sys.argv[1:]))))


def compare(one: Path, other: Path) -> dict:
    """Over all answers that both folders have. `error` is the largest difference of logits, of the largest logit."""
    cosines, errors, same = [], [], 0
    for path in sorted(one.glob("case*.safetensors")):
        if not (other / path.name).exists():
            continue
        left, right = (read(folder / path.name) for folder in (one, other))
        for logits, ids in PAIRS:
            if not {logits, ids} <= left.keys() & right.keys():
                continue
            x, y = left[logits], right[logits]
            if len(x) != len(y):
                raise ValueError(f"{path.name}: {logits} are {len(x)} in {one} and {len(y)} in {other}")
            cosines.append(cosine(x, y))
            errors.append(max(abs(a - b) for a, b in zip(x, y, strict=True)) / (max(map(abs, y)) or 1.0))
            same += left[ids] == right[ids]
    if not cosines:
        raise ValueError(f"{one} and {other} have no answer in common")
    return {
        "answers": len(cosines),
        "same_answers": same,
        "cosine_least": min(cosines),
        "cosine_mean": sum(cosines) / len(cosines),
        "error": max(errors),
    }


def cosine(left: array.array, right: array.array) -> float:
    product, squares = sum(map(float.__mul__, left, right)), [sum(x * x for x in side) for side in (left, right)]
    return product / math.sqrt(math.prod(squares))


def read(path: Path) -> dict[str, array.array]:
    """Those of the tensors that a safetensors file has: its header in JSON, the length before it, then numbers."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        found = {}
        for name in header.keys() & NAMES:
            begin, end = header[name]["data_offsets"]
            file.seek(8 + length + begin)
            found[name] = array.array(TYPES[header[name]["dtype"]], file.read(end - begin))
    if sys.byteorder == "big":
        for numbers in found.values():
            numbers.byteswap()
    return found


if __name__ == "__main__":
    main()
