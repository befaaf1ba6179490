"""Photos of three blocks before a wall, with depth, camera and masks in files beside each; what the program makes of
them; and an endpoint that words questions anew."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from photo_rooms.regions import region

WIDTH, HEIGHT = 160, 120
NAMES = ("cup", "box", "can")
# As large as they are.
CONFIG = "photos: {height_px: 0}\n"


def photo(path, number):
    """Blocks at places of their own."""
    random = np.random.default_rng(number)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    color = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    # Slanted, so that each block has a depth of its own.
    depth = 3.0 + 0.001 * (row + column)
    regions = []
    for name, left in zip(NAMES, (8, 62, 118), strict=True):
        x, y = left + random.integers(0, 8), random.integers(15, 60)
        width, height = random.integers(24, 34), random.integers(30, 48)
        mask = (column >= x) & (column < x + width) & (row >= y) & (row < y + height)
        color[mask] = random.integers(0, 160, 3)
        depth[mask] -= random.uniform(1.2, 2.2)
        regions.append(region(name, mask))
    Image.fromarray(color).save(path.with_suffix(".png"))
    np.save(path.with_suffix(".depth.npy"), depth.astype(np.float32))
    camera = {"fx": 150, "fy": 150, "cx": 80, "cy": 60, "gravity": [0, 1, 0]}
    path.with_suffix(".camera.json").write_text(json.dumps(camera))
    path.with_suffix(".regions.json").write_text(json.dumps({"regions": regions}))


def make_photos(folder, count, broken=()):
    """So many, of which some end in the middle."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"room_{number:03}"
        photo(path, number)
        if number in broken:
            path.with_suffix(".png").write_bytes(path.with_suffix(".png").read_bytes()[:200])
    return folder


def by_the_program(photos, out, *options, code=0):
    """A data set that the program makes alone."""
    config = out.parent / f"{out.name}.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "spatial_reward", "dataset", photos, "-o", out, "--config", config, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return out


def check_same_files(made, expected):
    """Byte for byte, but for who made them."""
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (made, expected)
    ]
    told = [json.loads(own.pop("dataset.json")) for own in files]
    assert [own.pop("command") != "" for own in told] == [True, True]
    assert told[0] == told[1]
    assert files[0].keys() == files[1].keys()
    assert [name for name in files[0] if files[0][name] != files[1][name]] == []
    assert not list(made.parent.glob(f".{made.name}*")), "something unfinished is left"


class Rewording:
    """A chat endpoint on this machine; `asked` is what was, in order. From a request on it may be out of order."""

    def __init__(self, ends_after=None):
        self.asked, self.ends_after = [], ends_after
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.asked.append(body["messages"][-1]["content"])
                is_over = owner.ends_after is not None and len(owner.asked) > owner.ends_after
                said = json.dumps({"choices": [{"message": {"content": _reworded(owner.asked[-1])}}]}).encode()
                self.send_response(500 if is_over else 200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _reworded(told):
    """A question and an answer that may stand for the pair."""
    given = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    if "Question" not in given:
        return "hello"
    tags, answer = given["Tags"].split(", "), given["Answer"]
    if not all(tag in answer for tag in tags):
        answer = f"{answer.rstrip('.')}, of {' and '.join(tags)}."
    return json.dumps({"Question": f"Tell me, please: {given['Question']}", "Answer": answer})
