"""What a camera of a MuJoCo environment sees, with the boxes of named geoms, bodies and sites: rendered colour, depth
and segmentation. The environment is left as its own rendering leaves it."""

from __future__ import annotations

import dataclasses
import difflib
import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import numpy.typing as npt

from spatial_reward._errors import error
from spatial_reward._native import Camera, Tracked
from spatial_reward.gymnasium._episode import Box, Observed, Place
from spatial_reward.gymnasium._regions import Bodies, Geoms, Named, Region, Sites
from spatial_reward.gymnasium._renderer import Renderer

Mask: TypeAlias = npt.NDArray[np.bool_]

# MuJoCo draws the groups 0, 1 and 2 of geoms and sites unless it is told otherwise.
DRAWN_GROUPS = 3
# The estimator wants some pixels of a region (geometry.min_pixels).
LEAST_PIXELS = 6


class View:
    """Renders one camera of a MuJoCo environment.

    Args:
        camera: the name or number of a camera of the model, or a `mujoco.MjvCamera`.
        width, height: of the picture, in pixels.
        regions: as `checked_regions` gives them.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], camera: Any, width: int, height: int, regions: Mapping[str, Region]
    ):
        self._renderer: Renderer | None = None
        self._release: weakref.finalize[Any, View] | None = None
        if not (width > 0 and height > 0):
            raise error("camera", f"a picture of {width}x{height} pixels has none")
        self._named_camera, self._size, self._regions = camera, (width, height), dict(regions)
        self._model: Any = None
        self._ids: dict[str, npt.NDArray[np.int64]] = {}
        self._mujoco = _mujoco()
        self._open(_simulation(env, self._mujoco)[0])

    def look(self, env: gymnasium.Env[Any, Any]) -> tuple[Observed, Camera]:
        """What the camera sees now, and how."""
        mujoco = self._mujoco
        model, data = _simulation(env, mujoco)
        if model is not self._model:
            # Some environments compile their model anew for each episode.
            self.close()
            self._open(model)
        prepare = getattr(env.unwrapped, "_render_callback", None)
        if callable(prepare):
            # gymnasium-robotics draws its goal where it was until then.
            prepare()
        renderer = self._draws()
        picture = renderer.draw(data, self._named_camera)
        picture.depth[picture.kinds == -1] = math.nan
        eye = _Eye.of(renderer.scene, *self._size)
        seen = _Seen(picture.depth, picture.ids, picture.kinds, eye, data, mujoco)
        places = {name: self._place(name, region, env, seen) for name, region in self._regions.items()}
        fingertip, target = places.pop("fingertip", None), places.pop("target", None)
        return Observed(picture.color, picture.depth, fingertip, target, regions=places), eye.camera

    def close(self) -> None:
        """Give the renderer's memory back."""
        if self._release is not None:
            self._release()

    def _open(self, model: Any) -> None:
        self._model = model
        _check_camera(model, self._named_camera, self._mujoco)
        self._ids = {}
        for name, region in self._regions.items():
            if isinstance(region, Named):
                self._ids[name] = _ids(model, region)
                _check_drawn(model, name, region, self._ids[name])
                if region.near is not None:
                    _id(model, "site", region.near)
        self._renderer = None

    def _draws(self) -> Renderer:
        """The renderer, begun by whoever draws first: AsyncVectorEnv makes an environment before it forks, and software
        OpenGL that has begun does not survive that.
        """
        if self._renderer is None:
            self._renderer = _renderer(self._model, *self._size, self._mujoco)
            # When nobody has the view any more, or the program ends, too: MuJoCo's own end comes after OpenGL's.
            self._release = weakref.finalize(self, self._renderer.close)
        return self._renderer

    def _place(self, name: str, region: Region, env: gymnasium.Env[Any, Any], seen: _Seen) -> Place:
        if isinstance(region, Named):
            return seen.place(region, self._ids[name], self._model)
        if callable(region):
            place: Place = region(env)
            if not _is_place(place):
                raise error(
                    "region",
                    f"the function regions[{name!r}] gave {place!r}, and a box (x_min, y_min, x_max, y_max) in pixels, "
                    "a mask of the picture, or None where it is not seen, is needed",
                )
            return place
        return region


def _is_place(place: object) -> bool:
    """None, what a tracker found, a mask, or four numbers; the annotator looks closer."""
    if place is None or isinstance(place, Tracked):
        return True
    if isinstance(place, np.ndarray) and place.ndim == 2:
        return bool(place.dtype == np.bool_)
    return isinstance(place, (Sequence, np.ndarray)) and not isinstance(place, str) and len(place) == 4


@dataclasses.dataclass(frozen=True)
class _Eye:
    """Where a rendered picture was seen from, and how."""

    camera: Camera
    # The axes right, down and forward, as columns.
    world_from_camera: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]

    @staticmethod
    def of(scene: Any, width: int, height: int) -> _Eye:
        left, right = scene.camera[:2]  # of a stereo pair without a baseline
        if getattr(left, "orthographic", 0):
            raise error(
                "camera", "the camera is orthographic, which shows no distance", "take one with a field of view"
            )
        forward, up = np.array(left.forward, float), np.array(left.up, float)
        axes = np.stack([np.cross(forward, up), -up, forward], axis=1)
        position = (np.array(left.pos, float) + np.array(right.pos, float)) / 2
        return _Eye(_pinhole(left, width, height), axes, position)

    def in_camera(self, point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        seen: npt.NDArray[np.float64] = (point - self.position) @ self.world_from_camera
        return seen


def _pinhole(view: Any, width: int, height: int) -> Camera:
    """The camera of an OpenGL frustum: pixels are square, and it may be off the middle."""
    top, bottom, near = float(view.frustum_top), float(view.frustum_bottom), float(view.frustum_near)
    # As single precision has it; a field of view is no more exact than that.
    focal = near * height / (top - bottom)
    is_centered = view.frustum_center == 0 and math.isclose(top, -bottom, rel_tol=1e-6)
    if is_centered:
        fovy_deg = round(math.degrees(2 * math.atan(height / 2 / focal)), 4)
        return Camera.from_fovy(fovy_deg, width, height)
    cx = width / 2 - float(view.frustum_center) / near * focal
    return Camera(focal, focal, cx, height * top / (top - bottom), width, height)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A rendered picture, by what its pixels show."""

    depth: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int32]
    eye: _Eye
    data: Any
    mujoco: Any

    def place(self, region: Named, ids: npt.NDArray[np.int64], model: Any) -> Box | Mask | None:
        if isinstance(region, Sites) and region.size_m is not None:
            return self._ball(self.data.site_xpos[ids[0]], region.size_m)
        kind = self.mujoco.mjtObj.mjOBJ_SITE if isinstance(region, Sites) else self.mujoco.mjtObj.mjOBJ_GEOM
        mask: Mask = (self.kinds == int(kind)) & np.isin(self.ids, ids)
        if region.near is not None:
            center = self.data.site_xpos[_id(model, "site", region.near)]
            mask = self._near(mask, np.array(center, float), float(region.within_m or 0.0))
        if region.as_mask:
            return mask if mask.any() else None
        return _around(mask)

    def _near(self, mask: Mask, center: npt.NDArray[np.float64], within_m: float) -> Mask:
        """Those pixels of a mask that show something near a point."""
        rows, columns = np.nonzero(mask)
        camera, z = self.eye.camera, self.depth[rows, columns].astype(float)
        x, y = (columns + 0.5 - camera.cx) / camera.fx * z, (rows + 0.5 - camera.cy) / camera.fy * z
        is_near = np.linalg.norm(np.stack([x, y, z], axis=-1) - self.eye.in_camera(center), axis=-1) < within_m
        near = np.zeros_like(mask)
        near[rows[is_near], columns[is_near]] = True
        return near

    def _ball(self, center: npt.NDArray[np.float64], size_m: float) -> Box | None:
        """The box of a ball around a point, as far as something is seen there."""
        x, y, z = self.eye.in_camera(np.array(center, float))
        if z <= size_m:
            return None
        camera, (height, width) = self.eye.camera, self.depth.shape
        u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        half_u, half_v = camera.fx * size_m / 2 / z, camera.fy * size_m / 2 / z
        x_min, x_max = np.clip([math.floor(u - half_u), math.ceil(u + half_u)], 0, width)
        y_min, y_max = np.clip([math.floor(v - half_v), math.ceil(v + half_v)], 0, height)
        around = self.depth[y_min:y_max, x_min:x_max]
        if np.count_nonzero(np.abs(around - z) <= size_m) < LEAST_PIXELS:
            return None
        return (float(x_min), float(y_min), float(x_max), float(y_max))


def _around(mask: Mask) -> Box | None:
    """The tight box of a mask's pixels; None if there are none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))


def _mujoco() -> Any:
    try:
        import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as missing:
        raise error(
            "missing_package",
            f"a camera by its name is one of MuJoCo: {missing}",
            "pip install mujoco, or give observe",
        ) from missing
    return mujoco


def _simulation(env: gymnasium.Env[Any, Any], mujoco: Any) -> tuple[Any, Any]:
    inner = env.unwrapped
    model, data = getattr(inner, "model", None), getattr(inner, "data", None)
    if not isinstance(model, mujoco.MjModel) or not isinstance(data, mujoco.MjData):
        raise error(
            "environment",
            f"{type(inner).__name__} has no MuJoCo model and data (env.unwrapped.model, env.unwrapped.data), which a "
            "camera is rendered from",
            "observe=function(env) -> Observed(color, depth, fingertip, target) and camera=spatial_reward.Camera(...) "
            "say what the camera sees",
        )
    return model, data


def _renderer(model: Any, width: int, height: int, mujoco: Any) -> Renderer:
    quality, screen = model.vis.quality, model.vis.global_
    before = quality.offsamples, screen.offwidth, screen.offheight
    # Pixels that mix an edge with what is behind it would have depths between the two.
    quality.offsamples = 0
    screen.offwidth, screen.offheight = max(width, screen.offwidth), max(height, screen.offheight)
    try:
        return Renderer(mujoco, model, width, height)
    except Exception as cause:  # OpenGL's own kinds of errors, down to AttributeError
        raise error(
            "rendering",
            f"MuJoCo cannot render here ({type(cause).__name__}: {cause})",
            "without a screen, set MUJOCO_GL=egl (with a GPU) or MUJOCO_GL=osmesa before the program starts",
        ) from cause
    finally:
        quality.offsamples, screen.offwidth, screen.offheight = before


def _check_camera(model: Any, camera: Any, mujoco: Any) -> None:
    if isinstance(camera, str):
        _id(model, "camera", camera)
    elif isinstance(camera, int):
        if not -1 <= camera < model.ncam:
            raise error("camera", f"camera is {camera}, and the model has {model.ncam}, from 0; -1 is the free one")
    elif not isinstance(camera, mujoco.MjvCamera):
        raise error(
            "camera",
            f"camera is a {type(camera).__name__}, and must be the name of a camera of the model or a mujoco.MjvCamera",
            "give observe, too, if you have pictures of your own and a spatial_reward.Camera",
        )


def _ids(model: Any, region: Named) -> npt.NDArray[np.int64]:
    """Of sites, else of geoms."""
    what = {Geoms: "geom", Bodies: "body", Sites: "site"}[type(region)]
    ids = np.array([_id(model, what, name) for name in region.names])
    if what != "body":
        return ids
    # A body's number is above its parent's.
    belongs = np.isin(np.arange(model.nbody), ids)
    for body in range(1, model.nbody):
        belongs[body] |= belongs[model.body_parentid[body]]
    geoms = np.flatnonzero(belongs[model.geom_bodyid])
    if not len(geoms):
        raise error(
            "region", f"{region!r}: no geom hangs on it, so that nothing of it can be seen", "Sites(..., size_m=...)"
        )
    return geoms


def _id(model: Any, what: str, name: str) -> int:
    try:
        return int(getattr(model, what)(name).id)
    except KeyError:
        count = {"geom": model.ngeom, "body": model.nbody, "site": model.nsite, "camera": model.ncam}[what]
        names = [found for at in range(count) if (found := getattr(model, what)(at).name)]
        near = difflib.get_close_matches(name, names, n=3) or sorted(names)[:20]
        known = f"it has {', '.join(near)}{', ...' if len(near) < len(names) else ''}" if names else "none has a name"
        plural = {"body": "bodies"}.get(what, f"{what}s")
        raise error(
            "camera" if what == "camera" else "region",
            f"the model has no {what} {name!r} (of {count} {plural}: {known})",
        ) from None


def _check_drawn(model: Any, name: str, region: Named, ids: npt.NDArray[np.int64]) -> None:
    """What is not drawn is never seen."""
    if isinstance(region, Sites):
        if region.size_m is not None:
            return
        groups, colors, materials, remedy = model.site_group, model.site_rgba, model.site_matid, ", or give size_m"
    else:
        groups, colors, materials, remedy = model.geom_group, model.geom_rgba, model.geom_matid, ""
    # A material's colour counts where there is one.
    has_material = materials[ids] >= 0
    alphas = np.where(has_material, model.mat_rgba[materials[ids], 3] if model.nmat else 1.0, colors[ids, 3])
    is_drawn = (groups[ids] < DRAWN_GROUPS) & (alphas > 0)
    if not is_drawn.any():
        raise error(
            "region",
            f"regions[{name!r}] is {region!r}, of which nothing is drawn: MuJoCo draws the groups 0 to 2, and what is "
            "not transparent",
            f"name what is drawn{remedy}",
        )
