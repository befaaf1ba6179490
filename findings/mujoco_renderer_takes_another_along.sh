#!/usr/bin/env bash
# A mujoco.Renderer that goes takes another one along, which from then on returns pictures that nobody has drawn.
#
# Version    mujoco 3.17.0, the last of 3.x, beside 4.0.0, which is mended. 3.3.0, which metaworld 3.1.1 requires with
#            ==, does the same (run here too). MUJOCO_GL=osmesa, without a GPU.
# Behaviour  close(), and __del__ through it, frees the renderer's framebuffers and textures by their OpenGL numbers in
#            the context that is current, without making its own current first. Each context counts from 1, so that
#            while another renderer's is current, that one's framebuffer goes. Its render() then draws and reads nothing
#            and returns without an error: the array is numpy.empty, or the caller's `out`, turned upside down.
#            Who rendered last decides, and when the garbage collector comes.
# Seen       Two renderers of one scene, 80x60, both right; `second` renders, `first` goes; `second` renders with out
#            full of 77:
#              first.close(), or del first         every byte still 77, at every later call; glGetError is 0x506
#              r = Renderer(...), and so once more  the new one: every byte still 77
#              depth, into out full of 77.0        0.00009 m everywhere; right is 0.9 to 1.2 m
#              segmentation                        IndexError
#              `first` renders last, then goes     right
#              mujoco 4.0.0, all of these          right
#            Without out the array held, at 320x240 and 640x480, an older picture upside down at 99.9 % of the bytes,
#            or noise; the depth was 35 m, 0 or NaN.
# Source     https://github.com/google-deepmind/mujoco python/mujoco/rendering/classic/renderer.py at 3.17.0 (close; in
#            render, np.empty and mjr_readPixels); at 4.0.0 close() binds its own context. mjr_freeContext in
#            render_context.c. Issues 1185 and 1186 there: since 3.1.0 users are to call close(), which does it too.
# Hurt       Who makes a renderer again in the same program (a model an episode, a cell of a notebook run twice), or has
#            one for evaluation that goes while training renders: a policy learns, and a data set is made, from
#            leftovers of memory. Old pictures look like pictures.
# Do         mujoco 4.0.0; before that, renderer._gl_context.make_current() just before renderer.close(), never leaving
#            it to the garbage collector.
set -euo pipefail

if ! python3 -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library("OSMesa") is None)'; then
    echo "not run: it needs the library OSMesa (Debian and Ubuntu: apt install libosmesa6)" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 3.17.0 4.0.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check \
        "mujoco==$version" numpy==2.4.6 PyOpenGL==3.1.10
done

cat >"$work/see.py" <<'PY'
import gc
import sys

import mujoco
import numpy as np
from OpenGL import GL

W, H, FILL = 80, 60, 77
broken = mujoco.__version__.startswith("3.")
model = mujoco.MjModel.from_xml_string("""<mujoco>
    <visual><quality offsamples="0"/></visual>
    <worldbody>
      <light pos="0 0 3" dir="0 0 -1"/><camera name="above" pos="0 0 1"/>
      <geom type="plane" size="2 2 .1" pos="0 0 -.2" rgba=".6 .6 .6 1"/>
      <geom type="box" size=".2 .2 .1" rgba="1 0 0 1"/><geom type="sphere" pos=".3 0 0" size=".1" rgba="0 1 0 1"/>
    </worldbody></mujoco>""")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + f"{mujoco.__version__}: {what}")
    if not true:
        failures.append(what)


def render(renderer, out):
    renderer.update_scene(data, "above")
    return renderer.render(out=out)


def color(renderer):
    return render(renderer, np.full((H, W, 3), FILL, np.uint8))


def depth(renderer):
    renderer.enable_depth_rendering()
    metres = render(renderer, np.full((H, W), FILL, np.float32))
    renderer.disable_depth_rendering()
    return metres


def segmentation_raises(renderer):
    renderer.enable_segmentation_rendering()
    try:
        render(renderer, np.full((H, W, 3), FILL, np.uint8) if broken else None)
        return False
    except IndexError as error:
        print("segmentation:", error)
        return True
    finally:
        renderer.disable_segmentation_rendering()


def new():
    return mujoco.Renderer(model, H, W)


def after(what, renderer):
    """What a renderer shows after another one has gone."""
    for _ in range(2):
        picture, metres = color(renderer), depth(renderer)
        print(f"{what}: {(picture == FILL).mean():.1%} of the bytes are 77, {(picture != truth).mean():.1%} are wrong, "
              f"depth {metres.min():.5f} to {metres.max():.5f} m")
        upside_down = (render(renderer, truth.copy()) == truth[::-1]).all()
        if broken:
            check(upside_down, f"{what}: what was in out is turned upside down")
            check((picture == FILL).all(), f"{what}: render() writes nothing and says nothing")
            check(metres.min() == metres.max() < 0.001, f"{what}: one depth everywhere")
        else:
            check((picture == truth).all() and (metres == far).all(), f"{what}: the pictures stay right")
            check(not upside_down, f"{what}: out is drawn over")
    check(segmentation_raises(renderer) == broken, f"{what}: segmentation {'raises' if broken else 'works'}")
    # Reading from a framebuffer that is not there any more is an error which nobody asks for.
    expected = GL.GL_INVALID_FRAMEBUFFER_OPERATION if broken else GL.GL_NO_ERROR
    check(GL.glGetError() == expected, f"{what}: OpenGL's error is {int(expected):#x}")


first = new()
truth, far = color(first), depth(first)
check((truth == FILL).mean() < 0.5 and abs(far.min() - 0.9) < 0.001, "alone: right")
second = new()
for name, renderer in (("first", first), ("second", second)):
    check((color(renderer) == truth).all() and (depth(renderer) == far).all(), f"two, {name}: right")

first.close()  # while the second's context is current
after("close()", second)

second.close()
first, second = new(), new()
check((color(first) == truth).all() and (color(second) == truth).all(), "two new ones: right")
del first
renderer = None
gc.collect()
after("del", second)

second.close()
renderer = new()
check((color(renderer) == truth).all(), "another new one: right")
renderer = new()  # the new one is made, and is current, before the old one goes
gc.collect()
after("assigned anew", renderer)

renderer.close()
first, second = new(), new()
color(second)
color(first)
first.close()
check((color(second) == truth).all(), "who goes was the last to render: the other stays right")

second.close()
first, second = new(), new()
color(second)
first._gl_context.make_current()
first.close()
check((color(second) == truth).all(), "make_current() before close(): the other stays right")
second.close()
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
for version in 3.17.0 4.0.0; do
    MUJOCO_GL=osmesa PYOPENGL_PLATFORM=osmesa "$work/$version/bin/python" "$work/see.py"
done
