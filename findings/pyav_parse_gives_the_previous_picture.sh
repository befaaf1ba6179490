#!/usr/bin/env bash
# PyAV's parse() answers each whole video message with the picture of the message before.
#
# Version    av 18.1.0 (PyPI, with its own FFmpeg); H.264 and H.265 in Annex B, no B frames.
# Behaviour  A foxglove CompressedVideo message holds exactly one picture, begins and ends on packet boundaries and has
#            no B frames, so that message N should decode to picture N at once. `CodecContext.parse(data)`, the way
#            that PyAV's guide shows for raw streams, cannot know that a picture is complete before the next one
#            starts: the first message gives nothing, every later one the picture BEFORE, and the last picture comes
#            only after parse(None). No error, and the list is as long as the topic, less one.
#            `thread_type = "AUTO"`, the guide's advice for speed, adds threads - 1 messages (a "delay", it says).
# Seen       Eight messages, message k holding picture k:
#              decode(parse(data))            -, 0, 1, 2, 3, 4, 5, 6        (h264 and hevc)
#              the same, AUTO with 4 threads  -, -, -, -, 0, 1, 2, 3
#              decode(Packet(data))           0, 1, 2, 3, 4, 5, 6, 7
#              Packet with pts = k, AUTO      late by 3, but each frame.pts is its own k
# Source     https://github.com/PyAV-Org/PyAV av/codec/context.py, CodecContext.parse (its text speaks of partial
#            packets only); docs/cookbook/basics.rst, "Parsing" and "Threading". What a message holds:
#            https://github.com/foxglove/foxglove-sdk schemas/proto/foxglove/CompressedVideo.proto.
# Hurt       Labels from compressed video: each picture is taken for the next message's, and with it come that message's
#            stamp, depth and boxes. At 15 Hz and 0.3 m/s picture and distance are 20 mm apart, always the same way.
# Do         Build av.Packet(data) yourself, set packet.pts from the message's stamp, and join by frame.pts, never by
#            the order of calls. Decode None at the end of the topic.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6

"$work/venv/bin/python" - <<'PY'
import sys
from fractions import Fraction

import av
import numpy as np

N = 8


def messages(codec, options):
    """One byte string a picture; picture k is a plain grey of its own."""
    c = av.CodecContext.create(codec, "w")
    c.width, c.height, c.pix_fmt = 320, 240, "yuv420p"
    c.time_base, c.framerate, c.options = Fraction(1, 15), 15, options
    out = []
    for k in range(N):
        f = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 20 + 25 * k, np.uint8), format="rgb24")
        f.pts = k
        packets = c.encode(f)
        assert len(packets) == 1, "the encoder itself delays"
        out.append(bytes(packets[0]))
    assert not c.encode(None)
    return out


def which(frame):
    return round((frame.to_ndarray(format="rgb24").mean() - 20) / 25)


def decoder(name, threads):
    d = av.CodecContext.create(name, "r")
    if threads:
        d.thread_type, d.thread_count = "AUTO", threads
    return d


def parsed(name, data, threads=0):
    d = decoder(name, threads)
    answers = [[which(f) for p in d.parse(m) for f in d.decode(p)] for m in data]
    rest = [which(f) for p in d.parse(None) for f in d.decode(p)] + [which(f) for f in d.decode(None)]
    return answers, rest


def packed(name, data, threads=0):
    d = decoder(name, threads)
    answers = []
    for k, m in enumerate([*data, None]):
        packet = None if m is None else av.Packet(m)
        if packet:
            packet.pts = k
        answers.append([(f.pts, which(f)) for f in d.decode(packet)])
    return answers[:-1], answers[-1]


failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


late = [[]] + [[k] for k in range(N - 1)]
for codec, name, options in (
    ("libx264", "h264", {"tune": "zerolatency", "bf": "0"}),
    ("libx265", "hevc", {"tune": "zerolatency", "x265-params": "bframes=0:repeat-headers=1:log-level=none"}),
):
    data = messages(codec, options)
    answers, rest = parsed(name, data)
    print(f"{name}: decode(parse(data)): {answers}, at the end {rest}")
    check(answers == late and rest == [N - 1], f"{name}: parse gives the picture of the message before")
    answers, rest = parsed(name, data, threads=4)
    print(f"{name}: the same, AUTO, 4 threads: {answers}, at the end {rest}")
    check(answers[:4] == [[]] * 4 and answers[4] == [0], f"{name}: frame threads add three messages")
    answers, rest = packed(name, data)
    check([[w for _, w in a] for a in answers] == [[k] for k in range(N)], f"{name}: a Packet a message is in step")
    answers, rest = packed(name, data, threads=4)
    check(answers[0] == [] and all(p == w for a in [*answers, rest] for p, w in a),
          f"{name}: with frame threads frame.pts still names the right message")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
