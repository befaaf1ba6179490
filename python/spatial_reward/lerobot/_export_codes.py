"""Depth to the codes of LeRobot's depth video."""

import numpy as np
import numpy.typing as npt

DEPTH_MIN_M = 0.01
DEPTH_MAX_M = 10.0
DEPTH_SHIFT_M = 3.5
DEPTH_CODES = 4095


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
