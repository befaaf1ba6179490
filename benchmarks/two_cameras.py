"""What a second camera is worth: each pair's distance by the one camera, by the other and by both, in recorded
episodes of sim/episodes.py with two cameras, against the simulator's.

usage: two_cameras.py FOLDER ... [--program PROGRAM] [--each]

  not measured   the share of frames without a distance, by the front camera, the side one and both, where one camera
                 sees nothing for a second, then the other, in turn
  mean error     over the frames of the episode as it is in which each camera has a distance
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from bags import copied_connection, types_of
from label_vs_python import build, run
from task_phases import PHASE, bags_of

TRUTH = "/ground_truth/pairs"
BLOCKED_NANOS = 1_000_000_000
PAIRS = ("fingertip-cube", "cube-goal")
FRONT = {
    "image": "/camera/color/image_raw/compressed",
    "depth": "/camera/aligned_depth_to_color/image_raw",
    "camera_info": "/camera/color/camera_info",
}
SIDE = {key: topic.replace("/camera/", "/side/", 1) for key, topic in FRONT.items()}
BOXES = ("/regions/detections", "/side/regions/detections")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="holds episodes, or is one")
    parser.add_argument("--program", type=Path, help="a built spatial-reward (built in release mode if not given)")
    parser.add_argument("--each", action="store_true", help="a line an episode, too, on standard error")
    arguments = parser.parse_args()
    program = arguments.program or build()
    measured = defaultdict(list)  # pair -> of each episode its distances: cameras blocked in turn, and as it is
    for bag in bags_of(arguments.folders, ""):
        with tempfile.TemporaryDirectory() as scratch:
            source = blocked(bag, Path(scratch) / bag.name)
            if source is None:
                continue
            truth = truth_of(bag)
            in_turn = distances(program, source, truth, Path(scratch) / "in_turn")
            as_it_is = distances(program, bag, truth, Path(scratch) / "as_it_is")
            for pair in PAIRS:
                measured[pair].append((in_turn[pair], as_it_is[pair]))
                if arguments.each:
                    print(f"{bag.name} {pair}: {row(*measured[pair][-1])}", file=sys.stderr, flush=True)
    if not measured:
        sys.exit("no episode has two cameras: record some with sim/episodes.py --cameras 2")
    print("| pair | episodes | frames | not measured: front, side, both | mean error: front, side, both |")
    print("|" + " --- |" * 5)
    for pair, episodes in measured.items():
        in_turn, as_it_is = (np.vstack(values) for values in zip(*episodes, strict=True))
        print(f"| {pair} | {len(episodes)} | {len(as_it_is)} | {row(in_turn, as_it_is)} |")


def settings(cameras: dict) -> dict:
    named = {region: {} for region in ("cube", "goal")}
    return {"regions": named, "cameras": cameras, "task": {"pairs": list(PAIRS)}}


def camera(topics: dict, boxes: str) -> dict:
    regions = {region: {"topic": boxes, "class": [region]} for region in ("fingertip", "cube", "goal")}
    return {**topics, "regions": regions}


def distances(program: Path, bag: Path, truth: list[dict], scratch: Path) -> dict[str, np.ndarray]:
    """Of each pair, by frame: the front camera's distance, the side one's, both's and the true one; NaN is none."""
    front, side = camera(FRONT, BOXES[0]), camera(SIDE, BOXES[1])
    columns = []
    for name, cameras in {"front": {"a": front}, "side": {"b": side}, "both": {"a": front, "b": side}}.items():
        scratch.mkdir(exist_ok=True)
        chosen, out = scratch / f"{name}.yaml", scratch / name
        chosen.write_text(json.dumps(settings(cameras)))  # JSON is YAML
        run([program, "label", bag, "-o", out, "--quiet", "--config", chosen])
        columns.append(pq.read_table(next(out.glob("*_reward.parquet"))))
    found = {}
    for pair in PAIRS:
        values = [table[f"reward.spatial.pair.{pair}.distance_m"].to_numpy(zero_copy_only=False) for table in columns]
        if {len(column) for column in values} != {len(truth)}:
            sys.exit(f"{bag.name}: {[len(column) for column in values]} steps for {len(truth)} frames")
        found[pair] = np.column_stack([*values, [frame[pair] for frame in truth]])
    return found


def truth_of(bag: Path) -> list[dict]:
    with Reader(bag) as reader:
        store = types_of(reader)
        wanted = [c for c in reader.connections if c.topic == TRUTH]
        messages = reader.messages(connections=wanted)
        return [json.loads(store.deserialize_cdr(data, c.msgtype).data) for c, _, data in messages]


def blocked(source: Path, target: Path) -> Path | None:
    """The bag `source` as `target`, in which one camera sees nothing for a second, then the other, and so on; None if
    it has but one camera."""
    with Reader(source) as reader:
        store = types_of(reader)
        if not any(c.topic == BOXES[1] for c in reader.connections):
            return None
        with Writer(target, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            connections = {c.id: copied_connection(writer, c) for c in reader.connections}
            first = None
            for connection, time, data in reader.messages():
                if connection.topic == PHASE and first is None:
                    first = time
                turn = 0 if first is None else (time - first) // BLOCKED_NANOS
                boxes, depth = BOXES[turn % 2], (FRONT, SIDE)[turn % 2]["depth"]
                said = data
                if connection.topic in (boxes, depth):
                    message = store.deserialize_cdr(data, connection.msgtype)
                    if connection.topic == boxes:
                        message.detections = []
                    else:
                        message.data = np.zeros_like(message.data)
                    said = store.serialize_cdr(message, connection.msgtype)
                writer.write(connections[connection.id], time, said)
    return target


def row(in_turn: np.ndarray, as_it_is: np.ndarray) -> str:
    missing = np.isnan(in_turn[:, :3]).mean(axis=0)
    said, truth = as_it_is[:, :3], as_it_is[:, 3:]
    seen = ~np.isnan(said).any(axis=1)
    errors = 1000 * np.abs(said - truth)[seen].mean(axis=0) if seen.any() else np.full(3, np.nan)
    return f"{', '.join(f'{share:.1%}' for share in missing)} | {', '.join(f'{error:.2f} mm' for error in errors)}"


if __name__ == "__main__":
    main()
