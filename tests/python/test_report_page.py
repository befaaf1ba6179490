"""The report's page in a real browser: what it says of the step under the pointer.

Needs Chromium (scripts/setup --tests installs it where it may).
"""

import json
import re

SETTINGS = """
topics: {fingertip: /fingertip/detections}
regions: {cube: {topic: /target/detections, class: [target]}}
task: {pairs: [fingertip-cube]}
"""


def test_of_a_task_the_page_left_out_what_a_language_model_answered(run, sample_bag, tmp_path, browser):
    # given the page of a task, with answers as those of a model stand there
    config = tmp_path / "task.yaml"
    config.write_text(SETTINGS)
    labelled = run("label", sample_bag, "-o", tmp_path / "asked", "--config", config)
    assert labelled.returncode == 0, labelled.stderr
    path = tmp_path / "asked" / "asked_reward.html"
    answers = {str(index): f"{index} inches" for index in range(0, 80, 2)}
    written = path.read_text()
    assert '"answers":{}' in written
    path.write_text(written.replace('"answers":{}', f'"answers":{json.dumps(answers)}'))
    page = browser.new_page()
    page.goto(path.as_uri())
    picture = page.locator("#picture").bounding_box()
    seen = set()
    for part in range(40, 60):
        # when the pointer is somewhere in the curves
        page.mouse.move(picture["x"] + picture["width"] * part / 100, picture["y"] + picture["height"] / 2)
        # then it says the task's words of the step, and the answer where there is one
        lines = page.locator("#tip").inner_text().splitlines()
        index = re.match(r"step (\d+), ", lines[0])[1]
        assert re.fullmatch(r"fingertip-cube: \d\.\d+ m \(surface\)", lines[1]), lines
        assert lines[3:] == ([f"answer: {answers[index]}"] if index in answers else []), lines
        seen.add(index in answers)
    assert seen == {True, False}
    page.close()
