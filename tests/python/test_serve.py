"""`spatial-reward serve` asked by the official `openai` client: answers are those of `ask`, whoever else asks.

Needs a program with the model, in SPATIAL_REWARD_BIN (`scripts/test python` builds one). SERVE_REQUESTS (optional)
is how many requests the eight clients send in all; docs/serve.md gives the figures of 1000.
"""

import base64
import concurrent.futures
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy
import openai
import pytest
from PIL import Image
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from conftest import ROOT

REQUESTS = int(os.environ.get("SERVE_REQUESTS", "64"))
CLIENTS = 8
# As many different questions as are asked of `ask`, which loads the model for each.
PICTURES = 12
QUESTION = "How far is <region0> from <region1>?"
# Both sides alike, and exactly.
MODEL = ["--dtype", "float32", "--device", "cpu"]
TOKEN = "correct-horse-battery"
# What the first requests do not need any more: an allocator keeps pieces.
GROWTH_BYTES = 40 << 20


@pytest.fixture(scope="session")
def program():
    given = os.environ.get("SPATIAL_REWARD_BIN")
    if not given:
        pytest.skip("needs a program with the model: SPATIAL_REWARD_BIN names one (scripts/test python builds it)")
    return Path(given).resolve(strict=True)


@dataclass
class Case:
    """A question as files for `ask`, and as the fields of a request."""

    ask: list
    body: dict


def data_url(path):
    return f"data:image/{path.suffix[1:]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def edges(detections):
    box = detections.detections[0].bbox
    x, y = box.center.position.x, box.center.position.y
    return [x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2]


def frames(bag):
    """(JPEG, depth in millimetres, fingertip's box, target's box) of pictures that have all of them."""
    topics = {
        "/camera/color/image_raw/compressed": lambda message: message.data.tobytes(),
        "/camera/aligned_depth_to_color/image_raw": lambda message: message.data.view(numpy.uint16).reshape(
            message.height, message.width
        ),
        "/fingertip/detections": edges,
        "/target/detections": edges,
    }
    found = {}
    with Reader(bag) as reader:
        store = get_typestore(Stores.ROS2_JAZZY)
        for connection in reader.connections:
            if connection.msgdef.data:
                store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        for connection, _, data in reader.messages([c for c in reader.connections if c.topic in topics]):
            message = store.deserialize_cdr(data, connection.msgtype)
            stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
            if hasattr(message, "detections") and not message.detections:
                continue
            found.setdefault(stamp, {})[connection.topic] = topics[connection.topic](message)
    return [tuple(one[topic] for topic in topics) for _, one in sorted(found.items()) if len(one) == len(topics)]


@pytest.fixture(scope="session")
def cases(sample_bag, tmp_path_factory):
    """Boxes alone, with relative depth, and with a mask in a box's place, in turn."""
    folder = tmp_path_factory.mktemp("pictures")
    recorded = frames(sample_bag)
    cases = []
    for index in range(PICTURES):
        jpeg, depth, fingertip, target = recorded[index * len(recorded) // PICTURES]
        picture = folder / f"{index}.jpeg"
        picture.write_bytes(jpeg)
        boxes = [fingertip, target]
        ask, body = [picture], {}
        if index % 3 == 1:
            grey = folder / f"{index}_depth.png"
            near = 1 / numpy.maximum(depth.astype(float), 300)
            Image.fromarray((255 * near / near.max()).astype(numpy.uint8)).save(grey)
            ask += ["--depth", grey]
            body["depth"] = data_url(grey)
        if index % 3 == 2:
            mask = Image.new("L", Image.open(io.BytesIO(jpeg)).size)
            left, top, right, bottom = map(int, target)
            mask.paste(255, (left, top, right, bottom))
            mask.save(folder / f"{index}_mask.png")
            boxes = boxes[:1]
            ask += ["--mask", folder / f"{index}_mask.png"]
            body["masks"] = [data_url(folder / f"{index}_mask.png")]
        for box in boxes:
            ask += ["--box", ",".join(map(repr, map(float, box)))]
        body["regions"] = boxes
        body["url"] = data_url(picture)
        cases.append(Case(ask, body))
    return cases


@pytest.fixture(scope="session")
def asked(program, cases):
    """What `ask --json` says, without the time that it took."""

    def ask(case):
        command = [program, "ask", *case.ask, QUESTION, "--json", *MODEL]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return without_time(json.loads(done.stdout))

    return [ask(case) for case in cases]


def without_time(told):
    return {key: value for key, value in told.items() if key != "seconds"}


class Server:
    def __init__(self, program, *options, environment=None):
        command = [program, "serve", "--listen", "127.0.0.1:0", *MODEL, *map(str, options)]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address.endswith("/v1"), self.process.communicate(timeout=10)[1]

    def client(self, **options):
        return openai.OpenAI(**{"base_url": self.address, "api_key": "none", "max_retries": 0} | options)

    def metric(self, name):
        with urllib.request.urlopen(self.address.removesuffix("/v1") + "/metrics") as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{name} (.+)$", text, re.MULTILINE).group(1))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=20)
        return self.process.returncode, log


@pytest.fixture
def serve(program):
    begun = []

    def serve(*options, **more):
        begun.append(Server(program, *options, **more))
        return begun[-1]

    yield serve
    for server in begun:
        server.process.kill()
        server.process.communicate()


def complete(client, case, question=QUESTION, **options):
    body = dict(case.body)
    picture = {"type": "image_url", "image_url": {"url": body.pop("url")}}
    content = [picture, {"type": "text", "text": question}]
    return client.chat.completions.create(
        model="nano", messages=[{"role": "user", "content": content}], extra_body=body, **options
    )


def test_eight_clients_hear_what_ask_says(serve, cases, asked):
    # given the answers of `ask`, of which each speaks of a distance
    assert all(told["distance_m"] for told in asked)
    server = serve()
    order = [index % PICTURES for index in range(REQUESTS // 2)]
    random.Random(7).shuffle(order)

    # when eight clients ask at the same time, again and again
    def client(number):
        own = server.client()
        wrong = []
        for index in order[number::CLIENTS]:
            told = complete(own, cases[index])
            same = without_time(told.spatial_reward) == asked[index]
            if not same or told.choices[0].message.content != asked[index]["answer"]:
                wrong.append((index, told))
        return wrong

    def together():
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
            return [wrong for one in clients.map(client, range(CLIENTS)) for wrong in one]

    begin = time.monotonic()
    assert together() == []
    took = time.monotonic() - begin
    before = server.metric("process_resident_memory_bytes")
    # then every answer is that of `ask`, and further ones take no more memory
    assert together() == []
    after = server.metric("process_resident_memory_bytes")
    answers = server.metric("spatial_reward_answers_total")
    assert answers == REQUESTS // 2 * 2
    batches = server.metric("spatial_reward_batches_total")
    print(
        f"\n{answers:.0f} requests of {CLIENTS} clients, the first half in {took:.1f} s,"
        f" {answers / batches:.1f} together;"
        f" memory {before / 1e6:.0f} MB after the first half and {after / 1e6:.0f} MB after the second"
    )
    assert after - before < GROWTH_BYTES
    assert server.metric("spatial_reward_held_bytes") == 0
    code, log = server.end()
    assert (code, "ERROR" in log) == (0, False), log


def test_the_worker_on_the_page_measures(serve, cases, asked):
    # given what docs/serve.md shows, with this server's address and model
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "serve.md").read_text(), re.DOTALL)
    code = code.replace("http://127.0.0.1:8000/v1", serve().address).replace("CHECKPOINT", "nano")
    worker = {}
    exec(code, worker)
    # when it is asked for a distance, then that is what `ask` states
    jpeg = cases[0].ask[0].read_bytes()
    assert worker["distance_m"](jpeg, *cases[0].body["regions"]) == asked[0]["distance_m"]


def test_a_stream_brings_the_same_answer(serve, cases, asked):
    server = serve()
    stream = complete(server.client(), cases[0], stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == asked[0]["answer"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens > 3
    assert without_time(chunks[0].spatial_reward) == asked[0]


def test_models_are_listed_and_others_refused(serve, cases):
    client = serve("--model-name", "my/reward").client()
    assert [model.id for model in client.models.list()] == ["my/reward"]
    with pytest.raises(openai.NotFoundError) as refused:
        complete(client, cases[0])
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert "my/reward" in refused.value.message


def test_what_the_model_does_not_do_is_refused_by_name(serve, cases, asked):
    server = serve()
    client = server.client()
    for field, value in {
        "temperature": 0.7,
        "n": 2,
        "stop": ["."],
        "logit_bias": {"5": 1},
        "logprobs": True,
        "tools": [{"type": "function", "function": {"name": "move"}}],
        "response_format": {"type": "json_object"},
    }.items():
        with pytest.raises(openai.BadRequestError) as refused:
            complete(client, cases[0], **{field: value})
        assert refused.value.param == field
        assert field in refused.value.message
    # and what changes no answer is not
    harmless = {"temperature": 0, "n": 1, "seed": 5, "user": "me", "top_p": 0.9, "metadata": {"a": "b"}}
    told = complete(client, cases[0], max_tokens=64, **harmless)
    assert without_time(told.spatial_reward) == asked[0]
    # and a shorter answer is the beginning of the long one
    short = complete(client, cases[0], max_completion_tokens=3)
    assert short.choices[0].finish_reason == "length"
    assert asked[0]["answer"].startswith(short.choices[0].message.content)
    # and a question that the model was not trained on is no answer
    with pytest.raises(openai.BadRequestError) as refused:
        complete(client, cases[0], question="How wide is <region0>?")
    assert "trained" in refused.value.message


def test_a_token_lets_in_who_knows_it(serve, cases, asked, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    for server in (serve("--token-file", file), serve(environment={"SPATIAL_REWARD_TOKEN": TOKEN})):
        with pytest.raises(openai.AuthenticationError):
            complete(server.client(), cases[0])
        told = complete(server.client(api_key=TOKEN), cases[0])
        assert without_time(told.spatial_reward) == asked[0]


def test_nothing_is_fetched(serve, cases):
    # given somebody who would notice
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(1)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/picture.png"
        client = serve().client()
        # when a picture is to be had there, then that is refused, and nobody comes
        for url in (address, "file:///etc/passwd", "//127.0.0.1/x"):
            with pytest.raises(openai.BadRequestError) as refused:
                complete(client, Case([], cases[0].body | {"url": url}))
            assert "data URL" in refused.value.message
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_who_is_told_to_come_back_gets_the_answer_then(serve, cases, asked):
    # given a server that takes one question at a time
    server = serve("--queue", 1)
    impatient, patient = server.client(), server.client(max_retries=20)

    def refused_or(client):
        try:
            return without_time(complete(client, cases[0]).spatial_reward)
        except openai.RateLimitError as error:
            return int(error.response.headers["retry-after"])

    # when several ask at once
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(refused_or, [impatient] * CLIENTS))
        retried = list(clients.map(refused_or, [patient] * 3))
    # then one at least is answered, others hear when to come back, and who does is answered
    assert asked[0] in answers
    assert {answer for answer in answers if answer != asked[0]} <= set(range(1, 61))
    assert any(isinstance(answer, int) for answer in answers)
    assert retried == [asked[0]] * 3
