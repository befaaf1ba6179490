"""Pictures and depth to PNG, and depth to the codes of LeRobot's depth video.

zlib with one filter for the whole picture: several times as fast as an encoder that tries all of them, and no larger.
The work is numpy's and zlib's, which let other threads run meanwhile.
"""

import struct
import zlib

import numpy as np
import numpy.typing as npt

DEPTH_MIN_M = 0.01
DEPTH_MAX_M = 10.0
DEPTH_SHIFT_M = 3.5
DEPTH_CODES = 4095
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2  # the filter: each byte less the one above it
_RGB, _GRAY = 2, 0  # PNG's colour types


def png_of_color(color: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of a picture of (height, width, 3) in the order RGB."""
    height, width = color.shape[:2]
    # Runs of zeros are what the filter leaves of smooth areas: looking for nothing else is fastest, and packs best.
    return _png(color.reshape(height, 3 * width), width, 8, _RGB, zlib.Z_RLE)


def png_of_depth(depth_mm: npt.NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a pixel of depth of (height, width) in millimetres."""
    height, width = depth_mm.shape
    return _png(
        depth_mm.astype(">u2").view(np.uint8).reshape(height, 2 * width), width, 16, _GRAY, zlib.Z_DEFAULT_STRATEGY
    )


def _png(rows: npt.NDArray[np.uint8], width: int, bits: int, color_type: int, strategy: int) -> bytes:
    filtered = np.empty((rows.shape[0], 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, strategy)
    packed = packer.compress(filtered.data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, rows.shape[0], bits, color_type, 0, 0, 0)
    return b"".join((_SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", packed), *_chunk(b"IEND", b"")))


def _chunk(name: bytes, content: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    return struct.pack(">I", len(content)), name, content, struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))


def millimetres(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Depth in metres as whole millimetres: 0 where nothing was measured, 65535 for all that is farther."""
    scaled = np.multiply(depth, np.float32(1000))
    np.rint(scaled, out=scaled)
    np.fmax(scaled, np.float32(0), out=scaled)  # of a NaN and a number it is the number
    np.fmin(scaled, np.float32(65535), out=scaled)
    whole: npt.NDArray[np.uint16] = scaled.astype(np.uint16)
    return whole


def depth_codes(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Depth in metres as LeRobot 0.6 codes it: 12 bits, logarithmic; 0 also where nothing was measured."""
    low, high = (np.log(bound + DEPTH_SHIFT_M) for bound in (DEPTH_MIN_M, DEPTH_MAX_M))
    codes = np.add(depth, np.float32(DEPTH_SHIFT_M))
    with np.errstate(invalid="ignore", divide="ignore"):  # what is far below 0 is no measurement either
        np.log(codes, out=codes)
    codes -= np.float32(low)
    codes /= np.float32(high - low)
    codes *= np.float32(DEPTH_CODES)
    np.rint(codes, out=codes)
    np.fmax(codes, np.float32(0), out=codes)
    np.fmin(codes, np.float32(DEPTH_CODES), out=codes)
    whole: npt.NDArray[np.uint16] = codes.astype(np.uint16)
    return whole
