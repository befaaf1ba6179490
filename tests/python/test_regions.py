"""The benchmark of followed regions, on painted recordings with known masks: its table against what the program says by
other ways. Needs numpy, Pillow, pyarrow, rosbags and a program with the networks, in SPATIAL_REWARD_BIN (`scripts/test
python` builds one).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from approaches import FRAMES, FRAMES_PER_S, HAND, HEIGHT, THING, WIDTH, Approach, record
from conftest import ROOT

# Of the fixtures the one that sees something in these pictures.
SEGMENTER = ROOT / "tests/fixtures/sam2/without"
REGIONS = {"fingertip": HAND, "target": THING}
# The folders that the benchmark is given, and the bags in them; the last one is a bag itself.
PAINTED = {"plain": Approach("plain", (8, 10)), "grained": Approach("grained", (100, 4))}
SHADED = Approach("shaded", (4, 76), without_thing=(3, 4))
FOLDERS = {"painted": PAINTED, "shaded": {"shaded": SHADED}}
UNSEEN = Approach("plain", (8, 10), without_thing=(0,))


@pytest.fixture(scope="session")
def program():
    given = os.environ.get("SPATIAL_REWARD_BIN")
    if not given:
        pytest.skip("needs a program with the model: SPATIAL_REWARD_BIN names one (scripts/test python builds it)")
    return Path(given).resolve(strict=True)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name, approach in {**PAINTED, "unseen": UNSEEN}.items():
        record(approach, folder / "painted" / name)
    record(SHADED, folder / "shaded")
    return folder


def benchmark(program, *arguments):
    command = [sys.executable, ROOT / "benchmarks/regions.py", *arguments, "--program", program]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def printed(program, recordings):
    result = benchmark(program, recordings / "painted", recordings / "shaded", "--segmenter", SEGMENTER)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rows(printed):
    """By folder's name and source: the numbers of a row, in the order of the columns."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if "|" in line]
    assert cells[0] == ["recordings", "regions", "IoU", "wrong", "followed", "valid", "distance", "s/frame", "found"]
    numbers = {}
    for folder, source, *row in cells[2:]:
        numbers[Path(folder).name, source] = [float(cell.rstrip(" %")) for cell in row if cell]
    return numbers


def edges(mask):
    """Left, top, right and bottom of a mask, one pixel after another."""
    pixels = [(x, y) for y in range(HEIGHT) for x in range(WIDTH) if mask[y, x]]
    if not pixels:
        return None
    xs, ys = zip(*pixels, strict=True)
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def typed(box):
    return ",".join(map(str, box))


def overlap(box, mask):
    """Of a box and the box around a mask, from how much of each pixel it covers; 0 for none."""
    if box is None or np.isnan(box).any():
        return 0.0
    left, top, right, bottom = edges(mask)
    truth = np.zeros((HEIGHT, WIDTH), bool)
    truth[top:bottom, left:right] = True

    def covered(low, high, count):
        return np.clip(np.minimum(high, np.arange(count) + 1) - np.maximum(low, np.arange(count)), 0, 1)

    pixels = np.outer(covered(box[1], box[3], HEIGHT), covered(box[0], box[2], WIDTH))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return float(pixels[truth].sum() / (truth.sum() + area - pixels[truth].sum()))


def judged(followed):
    """IoU, wrong and followed in per cent, of [(approach, boxes by frame and region, None for none)]."""
    found = []
    for approach, boxes in followed:
        for frame in range(1, FRAMES):
            for region, number in REGIONS.items():
                mask = approach.masks(frame)[number]
                if mask.any():
                    box = boxes[frame][region]
                    found.append((overlap(box, mask), box is not None and not np.isnan(box).any()))
    overlaps, are_followed = np.array(found).T
    return [np.mean(overlaps), 100 * np.mean((overlaps < 0.2) & (are_followed > 0)), 100 * np.mean(are_followed)]


def first_boxes(approach):
    return {region: typed(edges(approach.masks(0)[number])) for region, number in REGIONS.items()}


def labelled(program, bag, out, settings):
    """Boxes by frame and region, and distances in millimetres by frame, NaN for none."""
    out.mkdir()
    config = out / "config.yaml"
    config.write_text(json.dumps(settings))
    command = [program, "--quiet", "label", bag, "-o", out / "bag", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # 1 where no step is valid, which is a row too.
    assert (out / "bag").is_dir(), done.stderr
    boxes = []
    with Reader(out / "bag") as reader:
        [rewards] = [one for one in reader.connections if one.topic == "/spatial_reward/step_reward"]
        store = get_typestore(Stores.ROS2_HUMBLE)
        store.register(get_types_from_msg(rewards.msgdef.data, rewards.msgtype))
        for _, _, data in reader.messages(connections=[rewards]):
            step = store.deserialize_cdr(data, rewards.msgtype)
            boxes.append({"fingertip": step.fingertip_box, "target": step.target_box})
    table = pq.read_table(out / "bag" / "bag_reward.parquet")
    return boxes, 1000 * np.array(table["reward.spatial.distance_m"].to_pylist(), float)


def drawn_once(approach):
    return {"regions": {region: {"box": [box]} for region, box in first_boxes(approach).items()}}


def by_masks(approach):
    regions = {region: {"box": [box], "follow": "sam2"} for region, box in first_boxes(approach).items()}
    return {"regions": regions, "segmenter": {"path": str(SEGMENTER)}}


def drawn_always(approach):
    """In each picture that shows it."""
    boxes = {region: [] for region in REGIONS}
    for frame in range(FRAMES):
        for region, number in REGIONS.items():
            if approach.masks(frame)[number].any():
                boxes[region].append(f"{typed(edges(approach.masks(frame)[number]))}@{frame / FRAMES_PER_S:.4f}")
    return {"regions": {region: {"box": drawn} for region, drawn in boxes.items()}}


SOURCES = {"tracker": drawn_once, "SAM 2.1": by_masks}


@pytest.fixture(scope="module")
def true(program, recordings, tmp_path_factory):
    """By name a bag and its distances from boxes that are drawn around the known masks in every picture."""
    bags_and_distances = {}
    for folder, bags in FOLDERS.items():
        for name, approach in bags.items():
            out = tmp_path_factory.mktemp("true") / name
            bag = recordings / folder / (name if folder == "painted" else "")
            boxes, distances = labelled(program, bag, out, drawn_always(approach))
            bags_and_distances[name] = bag, distances
            for frame in set(range(FRAMES)) - set(approach.without_thing):
                masks = approach.masks(frame)
                assert all(tuple(boxes[frame][region]) == edges(masks[number]) for region, number in REGIONS.items())
    return bags_and_distances


@pytest.mark.parametrize("source", SOURCES)
def test_a_row_is_what_labels_say_against_the_known_masks(program, printed, true, source, tmp_path):
    for folder, bags in FOLDERS.items():
        # Given the program's labels from the boxes of the first picture
        followed, off, valid = [], [], []
        for name, approach in bags.items():
            bag, true_distances = true[name]
            boxes, distances = labelled(program, bag, tmp_path / name, SOURCES[source](approach))
            followed.append((approach, boxes))
            for frame in set(range(1, FRAMES)) - set(approach.without_thing):
                valid.append(np.isfinite(distances[frame]))
                off.append(abs(distances[frame] - true_distances[frame]))
        # When the benchmark judges the same
        found = rows(printed)[folder, f"one box, {source}"]
        # Then its row says what they say
        overlap, wrong, share = judged(followed)
        assert found[0] == pytest.approx(overlap, abs=6e-4)
        assert found[1:4] == pytest.approx([wrong, share, 100 * np.mean(valid)], abs=0.06)
        if np.any(valid):
            assert found[4] == pytest.approx(np.nanmedian(off), abs=0.02)
        # And the tracker, which is no random network, has followed what is there
        assert source != "tracker" or (found[0] > 0.9 and found[1] == 0 and found[4] < 5)


def segmented(program, approach, folder):
    """Boxes around the masks that `segment` finds, by frame and region, None where it sees none."""
    folder.mkdir()
    pictures = [folder / f"{frame:02}.jpg" for frame in range(FRAMES)]
    for frame, picture in enumerate(pictures):
        picture.write_bytes(approach.jpeg(frame))
    command = [program, "segment", *pictures, "--model", SEGMENTER, "--json"]
    command += [f"--box={box}" for box in first_boxes(approach).values()]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = [frame["masks"] for frame in json.loads(done.stdout)["frames"]]

    def box(mask):
        return edges(pixels(mask["rle"])) if mask["object_score"] > 0 else None

    return [dict(zip(REGIONS, map(box, masks), strict=True)) for masks in frames]


def pixels(rle):
    """COCO's compressed runs, column after column."""
    runs, characters = [], iter(rle["counts"].encode())
    for character in characters:
        number, shift, bits = 0, 0, character - 48
        while bits & 0x20:
            number |= (bits & 0x1F) << shift
            shift, bits = shift + 5, next(characters) - 48
        number |= (bits & 0x1F) << shift
        if bits & 0x10:
            number -= 1 << (shift + 5)
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(rle["size"][::-1]).T


def test_the_masks_numbers_are_those_that_segment_tells(program, printed, tmp_path):
    for folder, bags in FOLDERS.items():
        # Given the masks of the same pictures as files
        followed = [(approach, segmented(program, approach, tmp_path / name)) for name, approach in bags.items()]
        # When the benchmark lets the network follow in the recordings
        found = rows(printed)[folder, "one box, SAM 2.1"]
        # Then its row says what they say
        overlap, wrong, share = judged(followed)
        assert 0 < overlap < 1
        assert found[0] == pytest.approx(overlap, abs=6e-4)
        assert found[1:3] == pytest.approx([wrong, share], abs=0.06)


def test_a_recording_that_begins_without_a_region_is_left_out_and_told(printed):
    assert "unseen: left out, the first picture does not show the target" in printed


def test_without_masks_the_detector_s_boxes_are_the_truth(program, sample_bag, tmp_path):
    # Given a recording that says nothing of pixels, its own boxes, and the tracker's from the first of them
    true, _ = labelled(program, sample_bag, tmp_path / "own", {})
    drawn = {region: {"box": [typed(np.round(true[0][region], 1))]} for region in REGIONS}
    followed, _ = labelled(program, sample_bag, tmp_path / "followed", {"regions": drawn})
    # When
    result = benchmark(program, sample_bag)
    # Then those are what the tracker's are held against
    assert result.returncode == 0, result.stderr
    [found] = rows(result.stdout).values()
    pairs = [
        (one[region], other[region]) for one, other in zip(true[1:], followed[1:], strict=True) for region in REGIONS
    ]
    pairs = [pair for pair in pairs if np.isfinite(pair[0]).all()]
    shares = [np.isfinite(box).all() for _, box in pairs]
    assert found[0] == pytest.approx(np.mean([shared(*pair) for pair in pairs]), abs=6e-4)
    assert found[2] == pytest.approx(100 * np.mean(shares), abs=0.06)


def shared(one, other):
    """Of two boxes, by a grid of points that is fine enough."""
    if np.isnan(other).any():
        return 0.0
    low, high = np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])
    x, y = (low[axis] + (np.arange(2000) + 0.5) / 2000 * (high - low)[axis] for axis in (0, 1))
    first, second = (((box[0] < x) & (x < box[2]))[:, None] & ((box[1] < y) & (y < box[3])) for box in (one, other))
    return (first & second).sum() / (first | second).sum()


def test_a_network_that_is_not_there_was_taken_for_regions_that_are_not_found(program, recordings, tmp_path):
    for network in ("--segmenter", "--detector"):
        result = benchmark(program, recordings / "shaded", network, tmp_path / "nothing")
        assert result.returncode == 1
        assert "nothing" in result.stderr and "|" not in result.stdout
