"""Colours, textures, lights and distractor shapes, drawn anew for each frame by editing the compiled model in place."""

import colorsys

import mujoco
import numpy as np

TEXTURES = 6  # spare textures compiled into every model
HELD_OUT_HUES = (0.70, 0.86)  # violet to magenta: no training target has such a colour, every held-out target has one
NAMED_HUES = (
    (0.03, "red"),
    (0.10, "orange"),
    (0.19, "yellow"),
    (0.43, "green"),
    (0.53, "cyan"),
    (0.69, "blue"),
    (0.80, "purple"),
    (0.94, "pink"),
    (1.01, "red"),
)
SHAPES = {
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_SPHERE: "ball",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
}


def any_colour(rng: np.random.Generator) -> np.ndarray:
    """A colour for table, floor and distractors: a fifth of them grey, the rest of any hue."""
    saturation = 0.0 if rng.random() < 0.2 else rng.uniform(0.2, 1.0)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.1, 1.0)))


def robot_colour(rng: np.random.Generator) -> np.ndarray:
    """A colour for a part of a robot: half of them grey, from black to white."""
    return np.full(3, rng.uniform(0.03, 0.97)) if rng.random() < 0.5 else any_colour(rng)


def target_colour(rng: np.random.Generator, held_out: bool) -> np.ndarray:
    """A colour for the target, inside `HELD_OUT_HUES` for a held-out recording and outside for training."""
    low, high = HELD_OUT_HUES
    if held_out:
        return np.array(colorsys.hsv_to_rgb(rng.uniform(low, high), rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.0)))
    if rng.random() < 0.15:
        return np.full(3, rng.uniform(0.05, 0.95))
    hue = (high + rng.random() * (1 - (high - low))) % 1.0
    return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.3, 1.0), rng.uniform(0.25, 1.0)))


def colour_name(rgb: np.ndarray) -> str:
    """The everyday word for a colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*map(float, rgb))
    if value < 0.2:
        return "black"
    if saturation < 0.2:
        return "white" if value > 0.8 else "grey"
    name = next(word for limit, word in NAMED_HUES if hue < limit)
    return "brown" if name == "orange" and value < 0.6 else name


def fill_textures(m: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Paints the model's spare textures; must happen before the renderer uploads them."""
    for texture in range(m.ntex):
        if m.tex(texture).name.startswith("pattern"):
            height, width, start = m.tex_height[texture], m.tex_width[texture], m.tex_adr[texture]
            m.tex_data[start : start + height * width * 3] = pattern(height, width, rng).reshape(-1)


def pattern(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / height
    kind = rng.integers(4)
    if kind == 0:  # checks
        blend = ((np.floor(x * rng.integers(2, 9)) + np.floor(y * rng.integers(2, 9))) % 2).astype(float)
    elif kind == 1:  # stripes with a wave, like wood grain
        wave = 0.15 * np.sin(2 * np.pi * rng.integers(1, 4) * y)
        blend = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.integers(2, 9) * x + wave))
    elif kind == 2:  # soft clouds
        coarse = rng.random((9, 9))
        coarse[-1], coarse[:, -1] = coarse[0], coarse[:, 0]
        rows, columns = np.linspace(0, 8, height), np.linspace(0, 8, width)
        along = np.array([np.interp(columns, range(9), row) for row in coarse])
        blend = np.array([np.interp(rows, range(9), column) for column in along.T]).T
    else:  # speckles
        blend = (rng.random((height, width)) < rng.uniform(0.05, 0.5)).astype(float)
    low, high = any_colour(rng), any_colour(rng)
    if rng.random() < 0.6:  # most surfaces in the world are of one hue
        high = np.clip(low * rng.uniform(0.5, 1.5), 0, 1)
    colours = low + blend[..., None] * (high - low) + rng.normal(0, 0.02, (height, width, 1))
    return (np.clip(colours, 0, 1) * 255).astype(np.uint8)


def paint(
    m: mujoco.MjModel, geoms: list[int], rgb: np.ndarray, rng: np.random.Generator, textured: float = 0.0
) -> bool:
    """Gives all `geoms` one colour, or with probability `textured` one of the spare textures; says whether textured."""
    use_texture = rng.random() < textured
    material = m.material(f"pattern{rng.integers(TEXTURES)}").id if use_texture else -1
    for geom in geoms:
        m.geom_matid[geom] = material
        m.geom_rgba[geom, :3] = rng.uniform(0.7, 1.0) if use_texture else rgb
        m.geom_rgba[geom, 3] = 1
    return bool(use_texture)


def shuffle_lights(m: mujoco.MjModel, rng: np.random.Generator) -> bool:
    """New directions and strengths for all lights; returns whether this frame has shadows."""
    shadows = rng.random() < 0.3
    for light in range(m.nlight):
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.4)
        direction = -np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
        m.light_dir[light] = direction
        m.light_diffuse[light] = rng.uniform(0.2, 0.9) / (1 + 0.5 * (m.nlight - 1)) * rng.uniform(0.85, 1.0, 3)
        m.light_ambient[light] = rng.uniform(0.0, 0.25)
        m.light_specular[light] = rng.uniform(0.0, 0.5)
        m.light_castshadow[light] = light == 0
    m.vis.headlight.ambient[:] = rng.uniform(0.05, 0.35)
    m.vis.headlight.diffuse[:] = rng.uniform(0.0, 0.5)
    m.vis.headlight.specular[:] = rng.uniform(0.0, 0.2)
    return shadows


def reshape(
    m: mujoco.MjModel, geom: int, rng: np.random.Generator, half_sizes: tuple[float, float], capsules: bool
) -> float:
    """Gives a primitive geom another shape and size; returns the height of its centre when it stands on a surface."""
    shapes = [mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CYLINDER]
    shape = rng.choice(shapes + ([mujoco.mjtGeom.mjGEOM_CAPSULE] if capsules else []))
    size = rng.uniform(*half_sizes, 3)
    if shape == mujoco.mjtGeom.mjGEOM_BOX and rng.random() < 0.5:
        size[:] = size[0]  # a cube
    extent = {
        mujoco.mjtGeom.mjGEOM_BOX: size,
        mujoco.mjtGeom.mjGEOM_SPHERE: np.full(3, size[0]),
        mujoco.mjtGeom.mjGEOM_CYLINDER: size[[0, 0, 1]],
        mujoco.mjtGeom.mjGEOM_CAPSULE: np.array([size[0], size[0], size[0] + size[1]]),
    }[shape]
    m.geom_type[geom] = shape
    m.geom_size[geom] = size
    m.geom_aabb[geom] = np.r_[0, 0, 0, extent]
    m.geom_rbound[geom] = np.linalg.norm(extent)
    return float(extent[2])


def shape_name(m: mujoco.MjModel, geom: int) -> str:
    """The everyday word for a primitive's shape."""
    size = m.geom_size[geom]
    if m.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX and size.max() < 1.05 * size.min():
        return "cube"
    return SHAPES[mujoco.mjtGeom(int(m.geom_type[geom]))]
