"""How long it takes from a drag on the page of `spatial-reward pick` to the curve of the whole bag.

The boxes of the bag's detections are dragged in a copy without them (as tests/python/test_pick.py does), in a picture
a third into the recording; then they are changed by a corner, and one more is drawn.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from playwright.sync_api import sync_playwright  # noqa: E402

from repeat_bag import repeat  # noqa: E402
from test_pick import Pick, chromium, copy  # noqa: E402

ROUNDS = 7


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path, nargs="?", default=ROOT / "data" / "fetch_approach")
    parser.add_argument("--program", type=Path, required=True, help="a built spatial-reward")
    parser.add_argument("--times", type=int, default=4, help="the bag is played so often in a row")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        long, plain = Path(folder) / "long", Path(folder) / "plain"
        repeat(options.bag, long, options.times)
        seen = copy(long, plain, detections=False)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        measure(Pick(options.program.resolve(), browser, plain, 100, "#stage"), seen)
        browser.close()


def measure(page, seen):
    frames = len(seen.target)
    frame = len(seen.target) // 3
    # The user looks for a picture to draw in; meanwhile pictures are decoded.
    time.sleep(3)
    page.seek(frame)
    frame = page.frame()
    page.drag(seen.fingertip[frame])
    page.wait()
    first = timed(page, lambda: page.drag(seen.target[frame]))
    print(f"{frames} pictures on {os.cpu_count()} processors; first curve, after the second box: {told([first])}")
    for region in ("fingertip", "target"):
        page.press(region[0])
        again = []
        for k in range(ROUNDS):
            # By its lower right corner, out and in again.
            right, bottom = page.box(region)[2:]
            by = -2 if k % 2 else 2
            again.append(timed(page, lambda ends=(right, bottom, right + by, bottom + by): page.drag(ends)))
        print(f"the {region} drawn again: {told(again)}")
    page.seek(frames // 2)
    page.press("f")
    added = timed(page, lambda: page.drag(seen.fingertip[page.frame()]))
    print(f"the fingertip drawn in one more picture: {told([added])}")
    page.end()


def processor_s(page):
    """What the program has used so far."""
    fields = Path(f"/proc/{page.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def told(seconds):
    """Wall time; on a busy machine the processor time says more."""
    wall, used = zip(*seconds, strict=True)
    median = f"median {statistics.median(wall):.2f} s, worst {max(wall):.2f} s"
    return f"{median} ({statistics.median(used):.2f} s of processors)"


def timed(page, drag):
    """From the moment at which the mouse is let go: wall and processor time."""
    before = page.page.get_attribute("#curve", "data-shown")
    used = processor_s(page)
    drag()
    begin = time.perf_counter()
    page.page.wait_for_function(
        "before => ![before, ''].includes(document.getElementById('curve').dataset.shown)", arg=before, timeout=60_000
    )
    return time.perf_counter() - begin, processor_s(page) - used


if __name__ == "__main__":
    main()
