"""`spatial-reward pick` in a real browser: bags without detections are labelled from boxes that are dragged there.

Needs Chromium (scripts/setup --tests installs it where it may). SAMPLE_BAGS (optional) is a folder of more bags with
detections, which are left out of the copies that are drawn in. SCREENSHOTS (optional) is a folder for pictures of the
page.
"""

import io
import os
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pyarrow.parquet
import pytest
import yaml
from PIL import Image, ImageOps
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

import video

MOST_ACTIONS = 12
MEDIAN_M = 0.003
# A gripper that closes is lost for a few steps until it is drawn again.
LEAST_VALID = 0.85
# What closes and opens while the mirror shows it from the other side wants more drawings than twelve actions are.
LEAST_VALID_OF = {"c_mirrored": 0.8}
# The coder blurs what the gripper is known by, so that it is lost a little sooner.
LEAST_VALID_OF_VIDEO = 0.8
# At 200 % a window of 1280x800 has half as many pixels of CSS, each of two of the screen.
ZOOMS = {100: (1280, 800, 1), 200: (640, 400, 2)}
DETECTIONS = "vision_msgs/msg/Detection2DArray"


def stamp_of(message):
    stamp = message.header.stamp
    return stamp.sec * 10**9 + stamp.nanosec


@dataclass
class Seen:
    """What the detections of a bag say, by the pictures' places: (left, top, right, bottom)."""

    fingertip: list
    target: list


@dataclass
class Drawable:
    """A bag without detections, its original with them, and what those say."""

    bag: Path
    original: Path
    seen: Seen


def store_of(reader):
    store = get_typestore(Stores.ROS2_JAZZY)
    for connection in reader.connections:
        if connection.msgdef.data:
            store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
    return store


def copy(source, out, *, keep=lambda index: True, mirrored=False, storage=StoragePlugin.MCAP, detections=True):
    """A copy with some of the pictures, or seen in a mirror. Returns what its detections say."""
    writer = Writer(out, version=9, storage_plugin=storage)
    if storage is StoragePlugin.MCAP:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with Reader(source) as reader, writer:
        store = store_of(reader)
        connections, stamps, boxes = {}, [], {}
        images = [c for c in reader.connections if c.topic.startswith("/camera/color") and "Image" in c.msgtype]
        messages = list(reader.messages())
        for connection, _, data in messages:
            if connection in images:
                stamps.append(stamp_of(store.deserialize_cdr(data, connection.msgtype)))
        kept = {stamp for index, stamp in enumerate(stamps) if keep(index)}
        for connection, time, data in messages:
            message = store.deserialize_cdr(data, connection.msgtype)
            stamp = stamp_of(message) if hasattr(message, "header") else None
            near = stamp is None or min(abs(stamp - one) for one in kept) < 20_000_000
            if not near or connection.topic.startswith("/ground_truth"):
                continue
            if mirrored:
                message = in_a_mirror(message, connection.msgtype)
            if connection.msgtype == DETECTIONS:
                note(boxes, connection.topic, stamp, message)
                if not detections:
                    continue
            if connection.id not in connections:
                connections[connection.id] = writer.add_connection(
                    connection.topic, connection.msgtype, typestore=store
                )
            writer.write(connections[connection.id], time, store.serialize_cdr(message, connection.msgtype))
    ordered = sorted(kept)

    def of(name):
        found = {stamp: corners for (role, stamp), corners in boxes.items() if role == name}
        nearest = [min(found, key=lambda one, at=at: abs(one - at)) for at in ordered]
        return [found[one] if abs(one - at) < 20_000_000 else None for one, at in zip(nearest, ordered, strict=True)]

    return Seen(of("fingertip"), of("target"))


def note(boxes, topic, stamp, message):
    for detection in message.detections:
        name = detection.results[0].hypothesis.class_id if detection.results else ""
        role = name if name in ("fingertip", "target") else topic.split("/")[1]
        x, y = detection.bbox.center.position.x, detection.bbox.center.position.y
        half = (detection.bbox.size_x / 2, detection.bbox.size_y / 2)
        boxes[role, stamp] = (x - half[0], y - half[1], x + half[0], y + half[1])


def in_a_mirror(message, kind):
    if kind == "sensor_msgs/msg/CompressedImage":
        picture = ImageOps.mirror(Image.open(io.BytesIO(message.data.tobytes())))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=95)
        return replace(message, data=numpy.frombuffer(data.getvalue(), numpy.uint8))
    if kind == "sensor_msgs/msg/Image":
        rows = message.data.reshape(message.height, message.width, -1)
        return replace(message, data=numpy.ascontiguousarray(rows[:, ::-1]).reshape(-1))
    if kind == "sensor_msgs/msg/CameraInfo":
        k, p = message.k.copy(), message.p.copy()
        k[2], p[2] = message.width - 1 - k[2], message.width - 1 - p[2]
        return replace(message, k=k, p=p)
    if kind == DETECTIONS:
        for detection in message.detections:
            detection.bbox.center.position.x = 640 - detection.bbox.center.position.x
    return message


@pytest.fixture(scope="session")
def drawables(sample_bag, tmp_path_factory):
    """Five recordings: whole, begun later, in a mirror, in other storage, ended sooner; and those of SAMPLE_BAGS."""
    folder = tmp_path_factory.mktemp("bags")
    kinds = {
        "a_whole": {},
        "b_later": {"keep": lambda index: index >= 12},
        "c_mirrored": {"mirrored": True},
        "d_sqlite3": {"storage": StoragePlugin.SQLITE3},
        "e_sooner": {"keep": lambda index: index < 60},
    }
    sources = [(name, sample_bag, kind) for name, kind in kinds.items()]
    more = os.environ.get("SAMPLE_BAGS")
    found = sorted(Path(more).glob("*/metadata.yaml")) if more else []
    # Without depth there is no distance to see.
    sources += [(f"f_{one.parent.name}", one.parent, {}) for one in found if "depth" in one.read_text()]
    drawables = []
    for name, source, kind in sources:
        seen = copy(source, folder / "with" / name, **kind)
        copy(source, folder / "without" / name, detections=False, **kind)
        drawables.append(Drawable(folder / "without" / name, folder / "with" / name, seen))
    return drawables


class Pick:
    """The program with its page, and a user who counts what they do."""

    def __init__(self, program, browser, folder, zoom, shows):
        command = [program, "pick", folder, "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        width, height, scale = ZOOMS[zoom]
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme="light"
        )
        self.zoom, self.actions, self.faults, self.foreign = zoom, 0, [], []
        self.page = context.new_page()
        self.page.on("console", lambda line: line.type == "error" and self.faults.append(line.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked(request.url))
        self.page.goto(self.address)
        self.page.wait_for_selector(shows, state="visible")

    def asked(self, url):
        if not url.startswith((self.address, "data:", "blob:http://127.0.0.1")):
            self.foreign.append(url)

    def act(self):
        self.actions += 1

    def task(self):
        return self.page.inner_text("#task")

    def wait(self):
        """Until the curve is there."""
        self.page.wait_for_function(
            "() => !/Following|Reading/.test(document.getElementById('task').textContent)", timeout=60_000
        )

    def wait_for_bag(self, name):
        self.page.wait_for_function(
            "name => document.getElementById('bag').textContent.endsWith(name)"
            " && !/Reading/.test(document.getElementById('task').textContent)",
            arg=name,
            timeout=60_000,
        )

    def frame(self):
        return int(self.page.input_value("#time"))

    def drag(self, corners):
        """With the mouse, over the picture, from corner to corner."""
        self.act()
        overlay = self.page.locator("#overlay")
        place = overlay.bounding_box()
        width, height = map(float, overlay.get_attribute("viewBox").split()[2:])
        at = [place["x"] + corners[i] / width * place["width"] for i in (0, 2)]
        down = [place["y"] + corners[i] / height * place["height"] for i in (1, 3)]
        mouse = self.page.mouse
        mouse.move(at[0], down[0])
        mouse.down()
        mouse.move(at[1], down[1], steps=6)
        mouse.up()

    def press(self, key):
        self.act()
        self.page.keyboard.press(key)

    def click(self, selector):
        self.act()
        self.page.locator(selector).click()

    def seek(self, frame):
        """A click on the curve at a picture."""
        self.act()
        place = self.page.locator("#curve").bounding_box()
        most = int(self.page.get_attribute("#time", "max"))
        x = place["x"] + 8 + frame / most * (place["width"] - 16)
        self.page.mouse.click(x, place["y"] + place["height"] / 2)

    def drawn(self):
        return self.page.locator("#drawn .what").all_inner_texts()

    def box(self, region):
        rect = self.page.locator(f"#overlay .{region} rect.line")
        x, y, width, height = (float(rect.get_attribute(name)) for name in ("x", "y", "width", "height"))
        return tuple(round(edge, 1) for edge in (x, y, x + width, y + height))

    def tab_to(self, name):
        """With the tabulator alone."""
        for _ in range(60):
            if self.page.evaluate("() => document.activeElement.id") == name:
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no tabulator leads to {name}")

    def type_box(self, corners):
        for index, corner in enumerate(corners):
            self.page.locator(f"[data-corner='{index}']").focus()
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(str(round(corner)))
        self.page.keyboard.press("Tab")

    def fits_the_window(self):
        return self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth
              && document.documentElement.scrollHeight <= innerHeight
              && ['stage', 'curve', 'time', 'next', 'finish', 'task', 'where'].every((id) => {
                const { left, right, top, bottom, width } = document.getElementById(id).getBoundingClientRect();
                return width > 0 && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
              })"""
        )

    def shoot(self, name):
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}_{self.zoom}.png")

    def end(self):
        """Finish, and what the program printed."""
        self.click("#finish")
        self.page.wait_for_selector("#end", state="visible")
        self.shoot("end")
        out, log = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, log
        assert not self.faults and not self.foreign
        self.page.context.close()
        return out

    def draw_bag(self, seen):
        """As a user would: both boxes where the gripper is near, then again where a region is lost."""
        frame = self.frame()
        if self.page.is_visible("#proposal") and fits(seen, frame, self.proposed()):
            self.press("Enter")
        else:
            if frame == 0:
                self.seek(len(seen.target) // 3)
                frame = self.frame()
            self.drag(seen.fingertip[frame])
            self.drag(seen.target[frame])
        self.wait()
        while self.actions < MOST_ACTIONS - 3 and self.draw_again(seen):
            pass

    def draw_again(self, seen):
        """In the longest gap, if the lost region can be seen there."""
        told = self.page.evaluate("() => fetch('curve').then(answer => answer.json())")
        gaps = [gap for gap in told["gaps"] if gap["lost"] and gap["last"] - gap["first"] >= 2]
        if not gaps:
            return False
        gap = max(gaps, key=lambda gap: gap["last"] - gap["first"])
        self.click(f"#gaps li:nth-child({told['gaps'].index(gap) + 1}) button")
        corners = getattr(seen, gap["lost"])[self.frame()]
        if corners is None:
            return False
        self.drag(corners)
        self.wait()
        return True

    def proposed(self):
        return {region: self.box(region) for region in ("fingertip", "target")}


@pytest.fixture
def pick(program, browser):
    """Begins to pick in a folder: pick(folder, zoom) gives the page. What is left of it is ended after the test."""
    begun = []

    def pick(folder, zoom=100, shows="#stage"):
        begun.append(Pick(program, browser, folder, zoom, shows))
        return begun[-1]

    yield pick
    for page in begun:
        page.process.kill()


def fits(seen, frame, proposed):
    """Whether a user would take a proposed box for right."""

    def overlap(one, other):
        sides = [min(one[2 + k], other[2 + k]) - max(one[k], other[k]) for k in (0, 1)]
        shared = max(0, sides[0]) * max(0, sides[1])
        whole = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
        return shared / whole

    return all(
        getattr(seen, region)[frame] and overlap(getattr(seen, region)[frame], proposed[region]) > 0.8
        for region in ("fingertip", "target")
    )


def steps_of(labelled):
    """Distance by stamp, None where there is none."""
    table = pyarrow.parquet.read_table(next(labelled.glob("*_reward.parquet"))).to_pydict()
    rows = zip(table["timestamp"], table["reward.spatial.distance_m"], table["reward.spatial.reason"], strict=True)
    return {round(time, 4): None if reason else distance for time, distance, reason in rows}


def shown_in(page):
    """The curve as the page has it."""
    return page.page.evaluate("() => fetch('curve').then(answer => answer.json())")["distance_m"]


def check_labels(run, one, labelled, shown, least_valid=LEAST_VALID):
    """The steps are those that were shown, and their distances those that detections give."""
    steps = steps_of(labelled)
    as_shown = [None if distance is None else numpy.float32(distance) for distance in shown]
    assert list(steps.values()) == as_shown
    expected = labelled.parent / f"{one.bag.name}_expected"
    result = run("label", one.original, "-o", expected)
    assert result.returncode == 0, result.stderr
    detected = steps_of(expected)
    off = [
        abs(distance - detected[time])
        for time, distance in steps.items()
        if distance is not None and detected.get(time) is not None
    ]
    share = len([distance for distance in steps.values() if distance is not None]) / len(steps)
    print(f"{one.bag.name}: {share:.0%} valid, median {1000 * numpy.median(off):.2f} mm off of detections")
    assert numpy.median(off) <= MEDIAN_M
    assert share >= least_valid


@pytest.mark.parametrize("zoom", ZOOMS)
def test_bags_are_labelled_from_dragged_boxes(pick, run, drawables, zoom, tmp_path):
    # given a folder of bags without detections
    bags = tmp_path / "bags"
    bags.mkdir()
    for one in drawables:
        shutil.copytree(one.bag, bags / one.bag.name)
    page = pick(bags, zoom)
    page.shoot("first")
    actions, shown = {}, {}
    # when somebody draws in one after the other
    for index, one in enumerate(drawables):
        name = one.bag.name
        page.wait_for_bag(name)
        page.actions = 0
        page.shoot(f"{name}_begin")
        page.draw_bag(one.seen)
        page.shoot(name)
        shown[name] = shown_in(page)
        # then nothing lies where the window does not reach
        assert page.fits_the_window()
        if index + 1 < len(drawables):
            page.press("n")
        else:
            out = page.end()
        actions[name] = page.actions
    print(f"\nat {zoom} %: actions a bag {actions}")
    # then that took few actions a bag
    assert max(actions.values()) <= MOST_ACTIONS
    # and the command that is printed labels them all
    regions = bags / "regions.yaml"
    assert f"{regions} has the boxes of {len(drawables)} bags" in out
    assert f"spatial-reward label {bags} --regions {regions}" in out
    result = run("label", bags, "--regions", regions)
    assert result.returncode == 0, result.stderr
    for one in drawables:
        name = one.bag.name
        check_labels(run, one, bags / f"{name}_labelled", shown[name], LEAST_VALID_OF.get(name, LEAST_VALID))


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_bag_of_video_is_labelled_from_dragged_boxes(pick, run, drawables, tmp_path, codec):
    # given a bag without detections, whose colour is video
    one = drawables[0]
    bag = tmp_path / codec
    pictures = [rgb for _, rgb in video.pictures_of(one.bag)]
    video.with_video(one.bag, bag, codec, video.encode(pictures, codec))
    page = pick(bag)
    page.wait_for_bag(codec)
    # then each picture is shown as it was filmed, whichever is asked for first
    for frame in (79, 16, 0):
        with urllib.request.urlopen(f"{page.address}frames/0/{frame}") as answer:
            jpeg = numpy.asarray(Image.open(io.BytesIO(answer.read())))
        assert video.psnr(jpeg, pictures[frame]) > 30
    # when somebody draws in it
    page.draw_bag(one.seen)
    shown = shown_in(page)
    page.end()
    assert page.actions <= MOST_ACTIONS
    # then labelling gives what was shown, and nearly what detections in the pictures give
    result = run("label", bag, "--regions", tmp_path / "regions.yaml")
    assert result.returncode == 0, result.stderr
    labelled = tmp_path / f"{codec}_labelled"
    check_labels(run, replace(one, bag=bag), labelled, shown, least_valid=LEAST_VALID_OF_VIDEO)


def test_a_bag_is_drawn_by_keyboard_alone(pick, run, drawables, tmp_path):
    # given the page, and nobody who touches a mouse
    one = drawables[0]
    bag = tmp_path / one.bag.name
    shutil.copytree(one.bag, bag)
    page = pick(bag)
    keyboard = page.page.keyboard
    frame = 26
    # when the slider is moved, and the boxes are typed
    page.tab_to("time")
    for _ in range(frame):
        keyboard.press("ArrowRight")
    assert page.frame() == frame
    for region in ("fingertip", "target"):
        keyboard.press(region[0])
        page.type_box(getattr(one.seen, region)[frame])
        page.page.wait_for_function(
            "region => document.getElementById('drawn').textContent.includes(region)", arg=region
        )
    page.page.wait_for_function("() => / of 80 steps/.test(document.getElementById('steps').textContent)")
    # and moved by arrows, one of them twice as far as back
    page.tab_to("stage")
    before = page.box("target")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Shift+ArrowDown", "Control+ArrowUp"):
        keyboard.press(key)
    left, top, right, bottom = before
    assert page.box("target") == (left + 1, top - 10, right + 1, bottom + 1 - 10)
    keyboard.press("Control+ArrowDown")
    # and drawn once more in another picture, and taken back
    page.wait()
    keyboard.press(".")
    keyboard.press("ArrowLeft")
    assert page.drawn() == ["fingertip at 1.73 s", "target at 1.73 s", "target at 1.80 s"]
    keyboard.press("Delete")
    assert page.drawn() == ["fingertip at 1.73 s", "target at 1.73 s"]
    # and the way to the next gap is asked for
    page.wait()
    keyboard.press("g")
    assert page.frame() != frame + 1
    page.tab_to("finish")
    keyboard.press("Enter")
    page.page.wait_for_selector("#end", state="visible")
    _, log = page.process.communicate(timeout=20)
    # then the file has the boxes
    assert page.process.returncode == 0, log
    drawn = yaml.safe_load((tmp_path / "regions.yaml").read_text())["bags"][0]
    assert (drawn["bag"], drawn["pictures"]) == (one.bag.name, 80)
    assert [len(drawn[region]) for region in ("fingertip", "target")] == [1, 1]
    result = run("label", bag, "--regions", tmp_path / "regions.yaml")
    assert result.returncode == 0, result.stderr


def test_a_bag_that_cannot_be_used_is_told_and_the_others_go_on(pick, drawables, tmp_path):
    # given a bag without pictures beside a good one
    bad, good = tmp_path / "a_bad", tmp_path / "b_good"
    writer = Writer(bad, version=9, storage_plugin=StoragePlugin.MCAP)
    with writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        text = writer.add_connection("/task", "std_msgs/msg/String", typestore=store)
        message = store.types["std_msgs/msg/String"](data="reach")
        writer.write(text, 1, store.serialize_cdr(message, "std_msgs/msg/String"))
    shutil.copytree(drawables[0].bag, good)
    # when the page shows it
    page = pick(tmp_path, shows="#broken")
    told = page.page.inner_text("#broken")
    # then it says why, with the way out
    assert "image" in told and "--image-topic" in told
    # and the next one can be drawn in
    page.press("n")
    page.wait_for_bag("b_good")
    page.draw_bag(drawables[0].seen)
    # and after a reload it is still there
    before = page.drawn()
    page.page.reload()
    page.wait_for_bag("b_good")
    page.page.wait_for_function("count => document.querySelectorAll('#drawn li').length === count", arg=len(before))
    assert page.drawn() == before
    out = page.end()
    assert "has the boxes of 1 bag\n" in out


def test_a_closed_page_ends_the_program(pick, drawables, tmp_path):
    bag = tmp_path / "bag"
    shutil.copytree(drawables[0].bag, bag)
    page = pick(bag)
    page.wait_for_bag("bag")
    page.page.wait_for_timeout(1000)
    page.page.goto("about:blank")
    page.process.communicate(timeout=30)
    assert page.process.returncode == 0
