"""Bags whose colour is video, made of others by PyAV (its own FFmpeg) and rosbags, and the other way round: what PyAV
decodes of a packet. Shares no code with what is tested."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

GOP = 15

# Each packet a picture, none of which needs a later one.
ENCODERS = {
    "h264": ("libx264", {"crf": "12", "preset": "veryfast", "tune": "zerolatency"}),
    "h265": ("libx265", {"crf": "12", "preset": "veryfast", "tune": "zerolatency"}),
    "av1": ("libsvtav1", {"crf": "12", "preset": "10", "svtav1-params": "pred-struct=1:lookahead=0:scd=0"}),
    "vp9": ("libvpx-vp9", {"crf": "12", "b": "0", "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}

FOXGLOVE = "foxglove_msgs/msg/CompressedVideo"
FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"

# Without and with what the newest foxglove-sdk adds.
FOXGLOVE_PLAIN = """builtin_interfaces/Time timestamp
string frame_id
uint8[] data
string format
"""
FOXGLOVE_LINEAGE = (
    FOXGLOVE_PLAIN
    + """string uuid
foxglove_msgs/LineageInfo lineage
================================================================================
MSG: foxglove_msgs/LineageInfo
foxglove_msgs/InputReference[] inputs
string processing_node
foxglove_msgs/StateReference state
================================================================================
MSG: foxglove_msgs/InputReference
string topic
string uuid
================================================================================
MSG: foxglove_msgs/StateReference
string topic
string uuid
"""
)
FFMPEG_PACKET = """std_msgs/Header header
int32 width
int32 height
string encoding
uint64 pts
uint8 flags
bool is_bigendian
uint8[] data
"""


def encoder(codec, width, height, gop=GOP, **changed):
    """An encoder; `changed` are settings of its context, such as the colour's range."""
    name, options = ENCODERS[codec]
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.gop_size, context.max_b_frames, context.thread_count = gop, 0, 1
    context.options = dict(options)
    for key, value in changed.items():
        setattr(context, key, value)
    return context


def encode(pictures, codec, gop=GOP, **changed):
    """One packet a picture, as bytes."""
    height, width, _ = pictures[0].shape
    context = encoder(codec, width, height, gop, **changed)
    full = changed.get("color_range") == 2
    matrix = {1: "ITU709"}.get(changed.get("colorspace"), "ITU601")
    packets = []
    for index, rgb in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=matrix, src_color_range="JPEG", dst_color_range="JPEG" if full else "MPEG"
        )
        frame.pts = index
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    assert len(packets) == len(pictures), f"{codec}: {len(packets)} packets of {len(pictures)} pictures"
    return packets


def decode(packets, codec):
    """The pictures of the packets, by PyAV."""
    context = av.CodecContext.create({"h265": "hevc", "av1": "libdav1d"}.get(codec, codec), "r")
    context.thread_count = 1
    frames = [frame for data in packets for frame in context.decode(av.Packet(data))] + context.decode(None)
    return [frame.to_ndarray(format="rgb24") for frame in frames]


def psnr(one, other):
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def is_color(connection):
    return connection.topic.startswith("/camera/color/image_raw")


def pictures_of(bag):
    """(header, RGB) of each colour image."""
    store = get_typestore(Stores.ROS2_JAZZY)
    found = []
    with Reader(bag) as reader:
        for connection, _, data in reader.messages([c for c in reader.connections if is_color(c)]):
            message = store.deserialize_cdr(data, connection.msgtype)
            if connection.msgtype.endswith("CompressedImage"):
                rgb = np.asarray(Image.open(io.BytesIO(message.data.tobytes())).convert("RGB"))
            else:
                rgb = message.data.reshape(message.height, message.width, 3)
            found.append((message.header, rgb))
    return found


def type_store(definition, msgtype):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(definition, msgtype))
    return store


def video_message(store, msgtype, packet, codec, *, header, index, size):
    """The serialized message of one packet."""
    data = np.frombuffer(packet, np.uint8)
    types = store.types
    if msgtype == FFMPEG:
        encoding = f"{ENCODERS[codec][0] if codec in ENCODERS else codec};yuv420p;bgr8;bgr8"
        message = types[FFMPEG](
            header=header,
            width=size[0],
            height=size[1],
            encoding=encoding,
            pts=index,
            flags=0,
            is_bigendian=False,
            data=data,
        )
    else:
        fields = {"timestamp": header.stamp, "frame_id": header.frame_id, "data": data, "format": codec}
        if "foxglove_msgs/msg/LineageInfo" in types:
            state = types["foxglove_msgs/msg/StateReference"](topic="/a", uuid="b")
            source = types["foxglove_msgs/msg/InputReference"](topic="/c", uuid="d")
            lineage = types["foxglove_msgs/msg/LineageInfo"](inputs=[source], processing_node="camera", state=state)
            fields |= {"uuid": "0b8", "lineage": lineage}
        message = types[FOXGLOVE](**fields)
    return bytes(store.serialize_cdr(message, msgtype))


def with_video(bag, target, codec, packets, *, definition=FOXGLOVE_PLAIN, indices=None, named=None, late=None):
    """A copy of a bag whose colour is video: `packets` of the images at `indices`, by default all. `named` is what the
    messages call the codec; boxes on the topic `late` are logged 3 s later."""
    msgtype = FFMPEG if definition == FFMPEG_PACKET else FOXGLOVE
    pictures = pictures_of(bag)
    kept = dict(zip(range(len(pictures)) if indices is None else indices, packets, strict=True))
    store = type_store(definition, msgtype)
    topic = "/camera/color/image_raw/" + ("ffmpeg" if msgtype == FFMPEG else "foxglove")
    with Reader(bag) as reader, Writer(target, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        copies = {}
        for connection in reader.connections:
            if is_color(connection):
                copies[connection.id] = writer.add_connection(topic, msgtype, typestore=store)
            else:
                copies[connection.id] = writer.add_connection(
                    connection.topic,
                    connection.msgtype,
                    msgdef=connection.msgdef.data,
                    rihs01=connection.digest,
                )
        index = -1
        messages = [
            (log_time + 3_000_000_000 * (connection.topic == late), connection, data)
            for connection, log_time, data in reader.messages()
        ]
        for log_time, connection, data in sorted(messages, key=lambda message: message[0]):
            if is_color(connection):
                index += 1
                if index not in kept:
                    continue
                header, rgb = pictures[index]
                size = (rgb.shape[1], rgb.shape[0])
                packet = kept[index]
                message = video_message(store, msgtype, packet, named or codec, header=header, index=index, size=size)
                writer.write(copies[connection.id], log_time, message)
            else:
                writer.write(copies[connection.id], log_time, data)
