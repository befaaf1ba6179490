#!/usr/bin/env bash
# The MuJoCo that Meta-World 3.1.1 pins calls far geoms ten million kilometres apart and concentric ones just touching.
#
# Version    mujoco 3.3.0, which metaworld 3.1.1 (its newest release) requires with ==; read from its metadata here.
# Behaviour  mj_geomDistance(model, data, a, b, distmax, fromto) is documented as bounded by distmax, which it returns
#            for geoms further apart. Pairs that go through the convex solver (box and box, box and cylinder, mesh and
#            sphere among others) return 1e10 metres instead; pairs solved in closed form (box and sphere, say) return
#            distmax. Boxes, cylinders and ellipsoids also give exactly 0.0, contact, when their centres coincide,
#            however deep they overlap.
# Seen       Boxes of 4 cm and 2 cm, distmax 1.5:
#              gap 1.49 m      1.49
#              gap 1.51 m      10000000000.0      (box and sphere: 1.5)
#              gap 4.97 m      10000000000.0      (box and sphere: 1.5)
#              same centre     0.0                (box and sphere: -0.03)
#              1 mm aside      -0.029
# Source     https://github.com/google-deepmind/mujoco doc/APIreference/functions_override.rst, mj_geomDistance, and
#            issue 2710 there. Run here too: 3.3.1 to 3.3.4 return 1.8e308, 3.3.5 is the first that returns distmax, and
#            its 0.0 at one centre is still there; 4.0.0 has neither. The pin: METADATA of the metaworld 3.1.1 wheel
#            (https://github.com/Farama-Foundation/Metaworld).
# Hurt       True gaps recorded from Meta-World scenes: one frame out of reach puts 1e10 into the mean error, into the
#            reward -d, or into the first distance of an episode, against which all later progress is 1. A finger sunk
#            into an object reads as contact. min() over several pairs hides it only while one pair is a closed form.
# Do         min(distance, distmax), with fromto all zero for "further than distmax"; or a distmax beyond the scene.
#            Do not trust an exact 0.0: move one geom by a micrometre and ask again.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mujoco==3.3.0 numpy==2.4.6
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps metaworld==3.1.1

"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import requires

import mujoco
import numpy as np

failures = []


def check(true, what):
    print(("holds   " if true else "CHANGED ") + what)
    if not true:
        failures.append(what)


pins = [r for r in requires("metaworld") if r.startswith("mujoco")]
check(pins == ["mujoco==3.3.0"], f"metaworld 3.1.1 requires {pins}")


OCTAHEDRON = "2 0 0 -2 0 0 0 2 0 0 -2 0 0 0 2 0 0 -2"


def distance(one, other, offset, distmax=1.5):
    """Between a geom of half-size 2 cm at the origin and one of 1 cm at x = offset."""
    shape = 'mesh="octahedron"' if one == "mesh" else 'size=".02 .02 .02"'
    model = mujoco.MjModel.from_xml_string(f"""<mujoco>
        <asset><mesh name="octahedron" vertex="{OCTAHEDRON}" scale=".01 .01 .01"/></asset><worldbody>
        <geom type="{one}" {shape}/>
        <body mocap="true" pos="{offset} 0 0"><geom type="{other}" size=".01 .01 .01"/></body>
        </worldbody></mujoco>""")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    ends = np.ones(6)
    return mujoco.mj_geomDistance(model, data, 0, 1, distmax, ends), ends


for pair in (("box", "box"), ("box", "sphere")):
    for offset in (1.52, 1.54, 5.0, 0.0, 0.001):
        print(f"{pair[0]}, {pair[1]:6} centres {offset:5} m apart: {distance(*pair, offset)[0]:.6g}")
check(abs(distance("box", "box", 1.52)[0] - 1.49) < 1e-9, "below distmax the gap is right")
for one, other in (("box", "box"), ("box", "cylinder"), ("cylinder", "ellipsoid"), ("mesh", "box"), ("mesh", "sphere")):
    far, ends = distance(one, other, 5.0)
    check(far == 1e10 and not ends.any(), f"{one} and {other} beyond distmax: 1e10")
for one, other in (("box", "box"), ("box", "cylinder"), ("cylinder", "ellipsoid"), ("box", "ellipsoid")):
    check(distance(one, other, 0.0)[0] == 0.0, f"{one} and {other} with one centre: exactly 0.0")
    check(distance(one, other, 1e-6)[0] < -0.02, f"{one} and {other}, a micrometre aside: deep overlap")
for one, other in (("box", "sphere"), ("cylinder", "sphere"), ("box", "capsule")):
    check(distance(one, other, 5.0)[0] == 1.5, f"{one} and {other} beyond distmax: distmax")
check(distance("box", "sphere", 0.0)[0] < -0.02, "box and sphere with one centre: deep overlap")
if failures:
    sys.exit("no longer as described: " + "; ".join(failures))
PY
