"""Colour as video, encoded by PyAV and written by rosbags: the same distances as of the pictures that it was made of,
the same colours as PyAV decodes, and a reason where packets are missing or damaged."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rosbags.rosbag2 import Reader

import video
from video import FFMPEG_PACKET, FOXGLOVE_LINEAGE, FOXGLOVE_PLAIN, GOP

CODECS = list(video.ENCODERS)
DEFINITIONS = {"plain": FOXGLOVE_PLAIN, "lineage": FOXGLOVE_LINEAGE, "ffmpeg": FFMPEG_PACKET}


@pytest.fixture(scope="session")
def pictures(sample_bag):
    return [rgb for _, rgb in video.pictures_of(sample_bag)]


@pytest.fixture(scope="session")
def packets(pictures):
    """The sample bag's colour, by each codec."""
    return {codec: video.encode(pictures, codec) for codec in CODECS}


def steps(folder):
    """Distance in metres and reason of each step."""
    table = pq.read_table(folder / f"{folder.name}_reward.parquet")
    distance_m = np.array(table["reward.spatial.distance_m"].to_pylist(), float)
    return distance_m, table["reward.spatial.reason"].to_pylist(), table["timestamp"].to_pylist()


@pytest.fixture(scope="session")
def original(labelled):
    return steps(labelled)


@pytest.fixture
def made(packets, sample_bag, tmp_path):
    """Makes a bag with video: made(codec), or of other packets or with what `video.with_video` takes besides."""

    def made(codec, changed=None, **options):
        video.with_video(sample_bag, tmp_path / "bag", codec, packets[codec] if changed is None else changed, **options)
        return tmp_path / "bag"

    return made


@pytest.fixture
def label(run, tmp_path):
    def label(bag):
        out = tmp_path / "labelled"
        result = run("label", bag, "-o", out)
        assert result.returncode == 0, result.stderr
        return steps(out), result.stderr

    return label


@pytest.fixture
def data_set(run, tmp_path):
    """The pictures of every so-manyth frame, as `dataset` writes them, by the frames' places."""

    def data_set(bag, every):
        result = run("dataset", bag, "-o", tmp_path / "set", "--every", every)
        assert result.returncode == 0, result.stderr
        images = (tmp_path / "set" / "images").iterdir()
        return {int(path.stem[-6:]): np.asarray(Image.open(path)) for path in images}

    return data_set


def reasons(found):
    """Reason to the steps that have it."""
    return {reason: [at for at, it in enumerate(found) if it == reason] for reason in set(found) if reason}


def raw(bag, topic):
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        return [(log_time, bytes(data)) for _, log_time, data in reader.messages(connections)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_video_gives_the_distances_of_the_pictures(codec, kind, made, label, original):
    # given the sample bag with its colour turned into video
    bag = made(codec, definition=DEFINITIONS[kind])
    # when it is labelled
    (distance_m, why, stamps), _ = label(bag)
    # then each packet is a step, at its stamp and as far as before
    assert not reasons(why)
    assert stamps == original[2]
    assert np.median(np.abs(distance_m - original[0])) <= 0.001
    # and the packets are copied byte for byte
    topic = "/camera/color/image_raw/" + ("ffmpeg" if kind == "ffmpeg" else "foxglove")
    assert len(raw(bag, topic)) == 80
    assert raw(bag.parent / "labelled", topic) == raw(bag, topic)


@pytest.mark.parametrize(
    ("codec", "changed"),
    [(codec, {}) for codec in CODECS]
    + [("h264", {"colorspace": 1, "color_range": 1}), ("h264", {"color_range": 2}), ("h265", {"colorspace": 1})],
    ids=[*CODECS, "h264-bt709", "h264-full", "h265-bt709"],
)
def test_colours_are_those_that_pyav_decodes(codec, changed, pictures, made, data_set):
    # given colours that a wrong matrix or range would shift: each channel stretched
    vivid = [np.clip((rgb.astype(int) - 128) * 3 + 128, 0, 255).astype(np.uint8) for rgb in pictures]
    packets = video.encode(vivid, codec, **changed)
    # when a data set is made, which writes the pictures as they were decoded
    written = data_set(made(codec, packets), 8)
    # then they are PyAV's, but for how colour is spread between its samples
    decoded = video.decode(packets, codec)
    assert len(written) == len(decoded) // 8
    for index, picture in written.items():
        assert video.psnr(picture, decoded[index]) > 36, index
        assert np.abs(picture.mean((0, 1)) - vivid[index].mean((0, 1))).max() < 2, index


@pytest.mark.parametrize("codec", CODECS)
def test_a_video_that_starts_between_keyframes(codec, packets, made, label, original):
    # given a recording that begins behind a keyframe
    bag = made(codec, packets[codec][4:], indices=range(4, 80))
    # when it is labelled
    (distance_m, why, _), said = label(bag)
    # then the packets before the next keyframe are steps without a picture
    assert reasons(why) == {"no_image": list(range(GOP - 4))}
    assert "before the first keyframe" in said
    assert np.nanmedian(np.abs(distance_m - original[0][4:])) <= 0.001


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_packet(codec, kept, packets, made, label):
    # given a packet in mid-stream of which an end is missing, or all
    cut = list(packets[codec])
    cut[20] = cut[20][: int(len(cut[20]) * kept)]
    # when it is labelled, then it and those until the next keyframe have no picture
    (_, why, _), said = label(made(codec, cut))
    assert reasons(why) == {"no_image": list(range(20, 2 * GOP))}
    assert "is damaged" in said


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_keyframe(codec, packets, made, label):
    cut = list(packets[codec])
    cut[GOP] = cut[GOP][: len(cut[GOP]) // 2]
    (_, why, _), _ = label(made(codec, cut))
    assert reasons(why) == {"no_image": list(range(GOP, 2 * GOP))}


@pytest.mark.parametrize(
    ("codec", "kind"),
    # Nothing in a VP9 frame says that it follows the last; who counts is FFMPEGPacket.
    [("h264", "plain"), ("h265", "plain"), ("av1", "plain"), *((codec, "ffmpeg") for codec in CODECS)],
)
def test_a_missing_packet(codec, kind, packets, made, label):
    # given a recording that lost a packet in mid-stream
    indices = [*range(20), *range(21, 80)]
    kept = [packets[codec][at] for at in indices]
    bag = made(codec, kept, definition=DEFINITIONS[kind], indices=indices)
    # when it is labelled, then those until the next keyframe have no picture
    (_, why, _), said = label(bag)
    assert reasons(why) == {"no_image": list(range(20, 2 * GOP - 1))}
    assert "missing or damaged" in said or "is damaged" in said


@pytest.mark.parametrize("codec", CODECS)
def test_a_size_that_changes_in_mid_stream(codec, pictures, made, data_set, label):
    # given a camera that goes on in twice its size, and intrinsics that go with either
    twice = [np.asarray(Image.fromarray(rgb).resize((1280, 960))) for rgb in pictures[60:]]
    bag = made(codec, video.encode(pictures[:60], codec) + video.encode(twice, codec))
    # when pictures are made of it, then each has its size
    sizes = {index: picture.shape[:2] for index, picture in data_set(bag, 20).items()}
    assert sizes == {0: (480, 640), 20: (480, 640), 40: (480, 640), 60: (960, 1280)}
    # and labelling has a picture for each step
    (_, why, _), _ = label(bag)
    assert len(why) == 80
    assert "no_image" not in why


@pytest.mark.parametrize("command", ["label", "dataset"])
def test_an_unknown_codec_is_named(command, made, run, tmp_path):
    result = run(command, made("h264", named="vp8"), "-o", tmp_path / "out")
    assert result.returncode != 0
    assert "'vp8' on topic '/camera/color/image_raw/foxglove'" in result.stderr, result.stderr
    assert "h264, h265 (hevc), av1, vp9" in result.stderr


def test_inspect_names_an_unknown_codec(made, run):
    assert "'vp8' on topic" in run("inspect", made("h264", named="vp8")).stdout


def test_what_is_no_byte_stream(packets, made, run, tmp_path):
    # given packets with lengths in the place of start codes, as in an MP4 file
    other = [len(packet).to_bytes(4, "big") + packet[4:].replace(b"\0\0\1", b"\0\0\2") for packet in packets["h264"]]
    result = run("label", made("h264", other), "-o", tmp_path / "out")
    assert "no Annex B byte stream" in result.stderr, result.stderr


def test_boxes_that_came_late_are_joined_to_pictures_decoded_anew(made, label, original):
    # given boxes that were recorded 3 s after their images, so that stamps alone decide
    bag = made("h264", late="/target/detections")
    # when it is labelled
    (distance_m, why, stamps), said = label(bag)
    # then the bag was read again, with the same outcome
    assert "read again" in said
    assert not reasons(why)
    assert stamps == original[2]
    assert np.median(np.abs(distance_m - original[0])) <= 0.001


def test_inspect_tells_codec_size_and_keyframes(packets, made, run):
    # given a video of which the first packets were not recorded
    bag = made("h265", packets["h265"][4:], indices=range(4, 80))
    # when it is inspected
    result = run("inspect", bag, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    # then its topic is the colour image's, and is described
    assert found["roles"]["image"]["topic"] == "/camera/color/image_raw/foxglove"
    assert found["roles"]["camera_info"]["topic"] == "/camera/color/camera_info"
    label = found["label"]
    assert label["image_size"] == [640, 480]
    assert label["video"] == {"codec": "h265", "keyframes": 5, "keyframe_interval": 15.0, "before_keyframe": 11}
    text = run("inspect", bag).stdout
    assert "of h265 video with a keyframe every 15 packets" in text
    assert "11 images come before the video's first keyframe" in text


def test_no_word_of_ffmpeg_reaches_the_terminal_by_itself(packets, made, label):
    # given packets over which FFmpeg complains
    cut = [packet[: len(packet) // 2] if at > GOP else packet for at, packet in enumerate(packets["h264"])]
    # when it is labelled, then what it says comes in the program's own lines only
    _, said = label(made("h264", cut))
    assert not [line for line in said.splitlines() if line.startswith("[")], said
