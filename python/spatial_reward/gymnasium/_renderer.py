"""Pictures of a MuJoCo model by OpenGL: colour, depth and what each pixel shows, drawn in two passes.

`mujoco.Renderer` draws depth and segmentation one after the other, and its pass for depth is that for segmentation:
here both are read from one.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

# As many shapes as a scene of `mujoco.Renderer` has room for.
SHAPES = 10_000


@dataclasses.dataclass(frozen=True)
class Picture:
    """A rendered picture, (height, width).

    Attributes:
        color: (height, width, 3).
        depth: along the camera's axis, metres; the far end of what is drawn where nothing is.
        ids: of what a pixel shows, among its kind (`mujoco.mjtObj`); -1 where nothing is.
        kinds: as ids.
    """

    color: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int32]


class Renderer:
    """Draws one model.

    Args:
        mujoco: the package.
        model: what is drawn.
        width, height: of the pictures, in pixels.
    """

    def __init__(self, mujoco: Any, model: Any, width: int, height: int):
        self._mujoco, self._model = mujoco, model
        self._size = (height, width)
        self.scene = mujoco.MjvScene(model=model, maxgeom=SHAPES)
        self._option, self._rect = mujoco.MjvOption(), mujoco.MjrRect(0, 0, width, height)
        self._context = mujoco.GLContext(width, height)
        try:
            self._context.make_current()
            self._drawn = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except BaseException:
            self._context.free()
            raise
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawn)
        # What is far has an exact depth only where the far end is 0, for so MuJoCo draws.
        self._drawn.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR.value

    def draw(self, data: Any, camera: Any) -> Picture:
        """What the camera sees now: its name or number in the model, -1 for the free one, or a `mujoco.MjvCamera`."""
        mujoco, flags = self._mujoco, self.scene.flags
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._seen_by(camera), everything, self.scene)
        self._context.make_current()
        color, ids = (np.empty((*self._size, 3), np.uint8) for _ in range(2))
        buffer = np.empty(self._size, np.float32)

        flags[mujoco.mjtRndFlag.mjRND_SHADOW.value] = False
        mujoco.mjr_render(self._rect, self.scene, self._drawn)
        mujoco.mjr_readPixels(color, None, self._rect, self._drawn)

        passes = [mujoco.mjtRndFlag.mjRND_SEGMENT.value, mujoco.mjtRndFlag.mjRND_IDCOLOR.value]
        flags[passes] = True
        mujoco.mjr_render(self._rect, self.scene, self._drawn)
        mujoco.mjr_readPixels(ids, buffer, self._rect, self._drawn)
        flags[passes] = False

        kinds_and_ids = self._shapes()[ids.astype(np.uint32) @ np.array([1, 1 << 8, 1 << 16], np.uint32)]
        # OpenGL's first row is the lowest.
        return Picture(
            np.ascontiguousarray(color[::-1]),
            np.ascontiguousarray(self._metres(buffer)[::-1]),
            kinds_and_ids[::-1, :, 1],
            kinds_and_ids[::-1, :, 0],
        )

    def close(self) -> None:
        """Give the memory back."""
        if self._context is not None:
            # What is freed is looked up in the current context, which may be another renderer's.
            self._context.make_current()
            self._drawn.free()
            self._context.free()
            self._context = None

    def _seen_by(self, camera: Any) -> Any:
        mujoco = self._mujoco
        if isinstance(camera, mujoco.MjvCamera):
            return camera
        if isinstance(camera, str):
            camera = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA.value, camera)
        seen = mujoco.MjvCamera()
        if camera == -1:
            mujoco.mjv_defaultFreeCamera(self._model, seen)
        else:
            seen.type, seen.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, camera
        return seen

    def _shapes(self) -> npt.NDArray[np.int32]:
        """Kind and id of what is drawn in each colour of the pass for segmentation; colour 0 is nothing."""
        shapes = np.full((self.scene.ngeom + 1, 2), -1, np.int32)
        for one in self.scene.geoms[: self.scene.ngeom]:
            if one.segid >= 0:
                shapes[one.segid + 1] = one.objtype, one.objid
        return shapes

    def _metres(self, buffer: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Depth of what the depth buffer has: 1 at the near plane, 0 at the far one, and linear in 1/depth."""
        view = self.scene.camera[0]
        near, far = np.float32(view.frustum_near), np.float32(view.frustum_far)
        # OpenGL's frustum is a matrix of single precision, and what that rounds is felt far away: 1e-4 at 100 m.
        scale, shift = (far + near) / (far - near), np.float32(2) * far * near / (far - near)
        half = np.float32(0.5)
        return (float(half * shift) / (buffer.astype(np.float64) + float(half * scale - half))).astype(np.float32)
