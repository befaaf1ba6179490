"""`dataset` of rendered photos, held against what the renderer knows: lengths, comparisons, directions, gravity; and
the published file's form. Needs pytest, numpy, scipy and Pillow.
"""

import json
import shutil
import subprocess
import time

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from photo_rooms.answers import POLES, length_m, said_to_be_more
from photo_rooms.judge import degrees_between, hours_off, is_more, side
from photo_scenes import make

SCENES = 60
# As much as there is to ask, so that every kind is asked often.
EVERYTHING = "photos: {pairs: 10, questions: 24}\n"


@pytest.fixture(scope="module", params=[True, False], ids=["gravity in a file", "gravity estimated"])
def made(request, run, tmp_path_factory):
    """The rooms with their truth, and the rows that came of them."""
    folder = tmp_path_factory.mktemp("photos")
    rooms = make(folder / "rooms", SCENES, gravity=request.param)
    (folder / "config.yaml").write_text(EVERYTHING)
    result = run("dataset", folder / "rooms", "-o", folder / "out", "--config", folder / "config.yaml")
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (folder / "out" / "dataset.jsonl").read_text().splitlines()]
    return rooms, rows, folder / "out"


def turns(made, *categories):
    """Category, truth of both, answer and scene of all turns of these categories whose regions are wholly seen."""
    rooms, rows, _ = made
    for row in rows:
        scene, known = rooms[row["photo"]]
        said = [message["value"] for message in row["conversations"]]
        for turn, (category, mentions) in enumerate(zip(row["categories"], row["mentions"], strict=True)):
            names = [row["regions"][number] for number in mentions]
            if category in categories and all(name in known for name in names):
                yield category, [known[name] for name in names], said[2 * turn + 1], scene


def surface_distance(a, b):
    """The mean from each seen point of one to the nearest of the other, both ways."""
    a, b = a["surface"], b["surface"]
    return np.concatenate([cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]]).mean()


def true_m(category, things):
    if category == "width":
        return side(things[0], 0)
    if category == "height":
        return side(things[0], 1)
    return surface_distance(*things)


def test_lengths_are_the_renderers(made):
    """Within 10 % (median) for things of 20 cm and more, within 2 cm for smaller ones."""
    shares, smalls, counts = {}, [], {}
    for category, things, answer, _ in turns(made, "width", "height", "direct_distance"):
        true, said = true_m(category, things), length_m(answer)
        counts[category] = counts.get(category, 0) + 1
        if true >= 0.2:
            shares.setdefault(category, []).append(abs(said - true) / true)
        else:
            smalls.append(abs(said - true))
    medians = {category: float(np.median(off)) for category, off in shares.items()}
    print("median share off:", medians, "of", counts)
    print("small things, metres off: median", np.median(smalls), "95 %", np.quantile(smalls, 0.95), "of", len(smalls))
    assert set(medians) == {"width", "height", "direct_distance"}
    assert all(median < 0.1 for median in medians.values())
    assert len(smalls) > 30
    assert np.median(smalls) < 0.02


def test_comparisons_are_the_renderers(made):
    right = {}
    for category, things, answer, _ in turns(made, *POLES):
        said = said_to_be_more(category, answer)
        right.setdefault(category, []).append(said == is_more(category, *things))
    shares = {category: (float(np.mean(of)), len(of)) for category, of in right.items()}
    print("comparisons right:", shares)
    for category in ("left_right", "above_below", "front_behind"):
        assert shares[category][1] > 50
        assert shares[category][0] >= 0.97, category


def test_directions_are_within_an_hour(made):
    near = []
    for _, (a, b), answer, _ in turns(made, "direction"):
        near.append(hours_off(answer, a, b) <= 1)
    print("directions within an hour:", np.mean(near), "of", len(near))
    assert len(near) > 50
    assert np.mean(near) >= 0.95


def degrees_off(rooms, rows):
    """How far up is from the truth in the rows that say where it is."""
    return [degrees_between(row["up"], rooms[row["photo"]][0].world.T @ [0, 1, 0]) for row in rows if "up" in row]


def test_gravity_is_right_where_it_is_claimed(made):
    rooms, rows, _ = made
    off = degrees_off(rooms, rows)
    print(f"up: {len(off)} of {len(rows)} claimed, median {np.median(off):.3f}, most {max(off):.2f} degrees off")
    assert len(off) > SCENES / 2
    # Exact planes: one that is degrees off has lost the floor on its way to it.
    assert max(off) < 0.5


def test_gravity_withstands_depth_that_is_bent(run, tmp_path):
    """Depth that is wrong by 2 % (standard deviation) and smoothly so, as a network's is."""
    rooms = make(tmp_path / "rooms", 16, gravity=False)
    random = np.random.default_rng(0)
    for name in rooms:
        path = tmp_path / "rooms" / f"{name}.depth.npy"
        depth = np.load(path)
        bent = gaussian_filter(random.normal(size=depth.shape), 40)
        np.save(path, (depth * (1 + 0.02 * bent / bent.std())).astype(np.float32))
    assert run("dataset", tmp_path / "rooms", "-o", tmp_path / "out").returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "dataset.jsonl").read_text().splitlines()]
    off = degrees_off(rooms, rows)
    print(
        f"bent depth: {len(off)} of {len(rows)} claimed, median {np.median(off):.2f}, most {max(off):.2f} degrees off"
    )
    assert len(off) > 8
    assert np.median(off) < 3


def test_rows_have_the_published_files_form(made):
    _, rows, folder = made
    published = json.loads((folder / "published.json").read_text())
    assert len(published) == len(rows)
    for row, own in zip(published, rows, strict=True):
        assert set(row) == {"filename", "conversations", "bbox", "rle"}
        assert (folder / "images" / f"{row['filename']}.png").is_file()
        assert (folder / "depth" / f"{row['filename']}.png").is_file()
        assert [message["from"] for message in row["conversations"]] == ["human", "gpt"] * len(own["categories"])
        assert row["conversations"][0]["value"].startswith("<image>\n")
        assert all(isinstance(message["value"], str) for message in row["conversations"])
        masks = sum(message["value"].count("<mask> <depth>") for message in row["conversations"])
        assert masks == len(row["bbox"]) == len(row["rle"])
        assert all(len(box) == 4 and box[0] < box[2] and box[1] < box[3] for box in row["bbox"])
        assert all(set(rle) == {"size", "counts"} and isinstance(rle["counts"], str) for rle in row["rle"])


def files(folder):
    """All files of a data set but the record of the command."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "dataset.json")
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def test_any_number_of_jobs_and_all_shards_give_the_same_rows(run, tmp_path):
    make(tmp_path / "rooms", 6, gravity=False)
    for out, options in {"one": ["--jobs", 1], "four": ["--jobs", 4], "again": ["--seed", 1]}.items():
        assert run("dataset", tmp_path / "rooms", "-o", tmp_path / out, *options).returncode == 0
    assert files(tmp_path / "one") == files(tmp_path / "four")
    assert files(tmp_path / "one") != files(tmp_path / "again")
    rows = []
    for shard in ("1/2", "2/2"):
        out = tmp_path / shard.replace("/", "of")
        assert run("dataset", tmp_path / "rooms", "-o", out, "--shard", shard).returncode == 0
        rows += (out / "dataset.jsonl").read_text().splitlines()
    assert sorted(rows) == sorted((tmp_path / "one" / "dataset.jsonl").read_text().splitlines())


def test_what_is_wrong_with_a_photo_is_a_row_of_errors_and_the_others_go_on(run, tmp_path):
    rooms = tmp_path / "rooms"
    make(rooms, 8, gravity=False)
    (rooms / "room_000.png").write_bytes(b"no picture")
    (rooms / "room_001.depth.npy").unlink()
    np.save(rooms / "room_002.depth.npy", np.ones((7, 5), np.float32))
    camera = json.loads((rooms / "room_003.camera.json").read_text())
    (rooms / "room_003.camera.json").write_text(json.dumps(camera | {"focal": 1}))
    (rooms / "room_004.regions.json").write_text("{")
    (rooms / "room_005.camera.json").unlink()
    result = run("dataset", rooms, "-o", tmp_path / "out")
    assert result.returncode == 3, result.stderr
    errors = [json.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_text().splitlines()]
    expected = {
        "room_000": "photo_broken",
        "room_001": "no_depth",
        "room_002": "depth_of_another_size",
        "room_003": "camera_broken",
        "room_004": "regions_broken",
        "room_005": "no_camera",
    }
    assert {error["photo"].split("/")[-1][:8]: error["reason"] for error in errors} == expected
    assert "focal" in errors[3]["why"]
    assert len((tmp_path / "out" / "dataset.jsonl").read_text().splitlines()) == 2
    # And a data set that is there stays, unless it is said otherwise.
    assert run("dataset", rooms, "-o", tmp_path / "out").returncode == 1
    assert run("dataset", rooms, "-o", tmp_path / "out", "--resume").returncode == 3


def test_a_run_that_was_killed_goes_on_and_gives_the_same(program, run, tmp_path):
    # Given a whole run, and one that is killed once a part of it is kept
    rooms = tmp_path / "rooms"
    make(rooms, 34, gravity=False)
    assert run("dataset", rooms, "-o", tmp_path / "whole").returncode == 0
    command = [program, "dataset", rooms, "-o", tmp_path / "ended", "--jobs", "1"]
    begun = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    parts = tmp_path / ".ended.unfinished" / "parts"
    while begun.poll() is None and not list(parts.glob("0*.jsonl")):
        time.sleep(0.01)
    begun.kill()
    assert begun.wait() != 0, "it was faster than the test"
    assert not (tmp_path / "ended").exists()
    # When it is begun again, then only --resume goes on, and only with what it was begun with
    assert run("dataset", rooms, "-o", tmp_path / "ended").returncode == 1
    assert run("dataset", rooms, "-o", tmp_path / "ended", "--seed", 5, "--resume").returncode == 1
    assert run("dataset", rooms, "-o", tmp_path / "ended", "--resume").returncode == 0
    assert files(tmp_path / "ended") == files(tmp_path / "whole")


def test_a_finished_set_of_other_photos_and_words_was_taken_as_its_own_by_resume(run, tmp_path):
    # Given a finished set of photos
    rooms, words = tmp_path / "rooms", tmp_path / "words.txt"
    make(rooms, 4, gravity=False)
    command = ["dataset", rooms, "-o", tmp_path / "out"]
    assert run(*command).returncode == 0
    before = files(tmp_path / "out")
    assert run(*command, "--resume").returncode == 0
    # When it is gone on with for words of one's own, for fewer photos, or with a photo more
    words.write_text("chair\n")
    results = [run(*command, "--vocabulary", words, "--resume"), run(*command, "--every", 2, "--resume")]
    shutil.copy(rooms / "room_000.png", rooms / "room_more.png")
    results.append(run(*command, "--resume"))
    # Then each is refused, and what is there stays
    for result in results:
        assert result.returncode == 1, result.stdout
        assert "begun with other settings" in result.stderr
    assert files(tmp_path / "out") == before
