"""What the detector's training and its judge take for asked, meant and found. Needs numpy and Pillow."""

import json
import random

import pytest
from PIL import Image

from word_detector import judge, phrases, pictures


def region(shape, colour=None, box=(0, 0, 10, 10), *, near_colours=(), near_shapes=(), target=False):
    return {
        "shape": shape,
        "colour": colour,
        "box": list(box),
        "near_colours": list(near_colours),
        "near_shapes": list(near_shapes),
        "target": target,
    }


def recorded(folder, regions):
    """A recording of one picture of 40 x 30 pixels."""
    turn = folder / "00000"
    turn.mkdir(parents=True)
    Image.new("RGB", (40, 30), (200, 30, 30)).save(turn / "000.jpg")
    row = {"picture": "000.jpg", "robot": "kuka", "task": "table", "regions": regions}
    (turn / "sightings.json").write_text(json.dumps(row) + "\n")
    return pictures.read(folder)


def test_a_phrase_means_colour_and_shape():
    # given a red cube that is nearly pink, and a fingertip
    cube, tip = region("cube", "red", near_colours=["pink"]), region("fingertip")
    # when phrases are held against them
    said = {c: phrases.thing("cube", c).means(cube) for c in ("red", "pink", "blue")}
    # then the colour decides, and what is nearly so is neither right nor wrong
    assert said == {"red": 1, "pink": -1, "blue": 0}
    assert phrases.thing("ball", "red").means(cube) == 0
    # and a fingertip is meant by its own words alone
    assert phrases.fingertip().means(tip) == 1
    assert phrases.fingertip().means(cube) == 0
    assert phrases.thing("cube", "red").means(tip) == 0


def test_every_word_of_training_is_in_the_vocabulary():
    # given phrases for everything that the recorder names
    rng = random.Random(1)
    regions = [region(s, c) for s in (*phrases.NOUNS, *phrases.OTHERS) for c in phrases.COLOURS]
    # when training asks for them
    asked = [phrase.text for _ in range(20) for phrase in phrases.ask(regions, rng)]
    # then each of their words is one that the tokenizer keeps whole
    assert {word for text in asked for word in text.split()} <= set(phrases.words())


def test_riddles_are_not_asked(tmp_path):
    # given pictures whose target is a red cube: alone, beside another, without a colour
    tip, cube = region("fingertip", box=(1, 1, 9, 9)), region("cube", "red", (10, 10, 20, 20), target=True)
    alone = recorded(tmp_path / "alone", [tip, cube, region("cube", "blue")])
    twice = recorded(tmp_path / "twice", [tip, cube, region("cube", "red")])
    patterned = recorded(tmp_path / "patterned", [tip, cube | {"colour": None}])
    # when questions are made of them
    asked = [[question.words for question in judge.questions(rows)] for rows in (alone, twice, patterned)]
    # then only the first has one answer
    assert asked == [["red cube"], [], []]


def test_a_picture_counts_where_both_boxes_share_half(tmp_path):
    # given a question
    tip, cube = region("fingertip", box=(0, 0, 10, 10)), region("cube", "red", (20, 10, 30, 20), target=True)
    (question,) = judge.questions(recorded(tmp_path, [tip, cube]))
    # when boxes are told that share two thirds with the fingertip, half with the target, and less than half
    good, half, less = [0, 0, 10, 15], [20, 10, 30, 30], [20, 10, 30, 31]
    # then half is enough, and both have to have it
    assert judge.shares([question], [(good, half)]) == {"fingertip": 1.0, "target": 1.0, "both": 1.0}
    assert judge.shares([question], [(good, less)]) == {"fingertip": 1.0, "target": 0.0, "both": 0.0}
    # and the table has a row of its robot and one of all
    assert [row["robot"] for row in judge.table([question], [(good, half)])] == ["kuka", "all"]


def test_a_cut_picture_keeps_its_boxes_on_what_they_are_of(tmp_path):
    # given a picture that is black but for a red square
    (row,) = recorded(tmp_path, [region("fingertip", box=(12, 8, 20, 16))])
    image = Image.new("RGB", (40, 30))
    image.paste((255, 0, 0), (12, 8, 20, 16))
    row["path"] = tmp_path / "square.png"
    image.save(row["path"])
    rng = random.Random(5)
    for _ in range(30):
        # when it is cut and mirrored
        example = pictures.varied(row, 80, rng, any_shape=True)
        left, top, right, bottom = (round(float(edge) * 80) for edge in example.regions[0]["box"])
        # then the box is where the red is
        red = example.pixels[0] - example.pixels[1]
        inside = red[top + 1 : bottom - 1, left + 1 : right - 1]
        assert inside.mean() == pytest.approx(1.0, abs=0.25)
        outside = red.copy()
        outside[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4] = 0
        assert outside.max() < 0.3
