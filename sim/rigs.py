"""The grippers: where each model is found, how its joints stand when open and closed, and its links as triangles.

Models come from the installed packages robosuite (MJCF) and pybullet_data (URDF, SDF); nothing of them is stored here.
A gripper is read once per scene, with its fingers at the scene's openness, into triangles in one frame: z points from
the palm to the fingertips. From then on it is rigid, and both engines draw the very triangles that the truth is
computed from.
"""

import importlib.util
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np

import solids

TIP_SLICE = 0.003  # a fingertip's end is the middle of what lies within this distance of its farthest point, metres
FOREARM = 0.45  # length of the capsule that stands for the arm, metres


@dataclass(frozen=True)
class Gripper:
    """One gripper of a package: its file, its joints when closed and when open, and which links make up each finger."""

    source: str  # robosuite or pybullet
    file: str
    joints: dict[str, tuple[float, float]]  # joint -> position when closed, when open
    fingers: tuple[tuple[str, ...], ...]  # links of each finger, the palm's not among them
    palm: tuple[str, ...]
    axis: tuple[float, float, float] = (0, 0, 1)  # from palm to fingertips: robosuite's world, pybullet's palm frame
    held_out: bool = True
    forearm: float = 0.042  # radius of the capsule that stands for the arm, metres


@dataclass
class Part:
    """A piece of one link: triangles in the gripper's frame, colour, and the finger it belongs to (-1: the palm)."""

    triangles: np.ndarray
    colour: tuple[float, float, float]
    finger: int


@dataclass
class Rig:
    """A gripper at one openness."""

    name: str
    parts: list[Part]
    forearm: list[solids.Solid]
    tips: np.ndarray = field(init=False)

    def __post_init__(self):
        count = max(part.finger for part in self.parts) + 1
        self.tips = np.array([_far_end(self.triangles([finger])) for finger in range(count)])

    def triangles(self, fingers) -> np.ndarray:
        """All triangles of some fingers."""
        return np.concatenate([part.triangles for part in self.parts if part.finger in fingers])

    def all_fingers(self) -> np.ndarray:
        return self.triangles(range(len(self.tips)))


def _mirrored(left: str, right: str, closed: float, opened: float) -> dict[str, tuple[float, float]]:
    return {left: (closed, opened), right: (-closed, -opened)}


GRIPPERS = {
    "panda": Gripper(
        "robosuite",
        "panda_gripper.xml",
        _mirrored("finger_joint1", "finger_joint2", 0.0, 0.04),
        (("leftfinger",), ("rightfinger",)),
        ("right_gripper",),
        held_out=False,
    ),
    "rethink": Gripper(
        "robosuite",
        "rethink_gripper.xml",
        _mirrored("l_finger_joint", "r_finger_joint", -0.0115, 0.020833),
        (("l_finger", "l_finger_tip"), ("r_finger", "r_finger_tip")),
        ("gripper_base",),
        held_out=False,
    ),
    "robotiq85": Gripper(
        "robosuite",
        "robotiq_gripper_85.xml",
        {
            "finger_joint": (0.78, 0.0),
            "left_inner_knuckle_joint": (0.78, 0.0),
            "left_inner_finger_joint": (-0.78, 0.0),
            "right_outer_knuckle_joint": (0.78, 0.0),
            "right_inner_knuckle_joint": (0.78, 0.0),
            "right_inner_finger_joint": (-0.78, 0.0),
        },
        tuple((f"{s}_outer_knuckle", f"{s}_inner_finger", f"{s}_inner_knuckle") for s in ("left", "right")),
        ("robotiq_85_adapter_link",),
        held_out=False,
    ),
    "robotiq140": Gripper(
        "robosuite",
        "robotiq_gripper_140.xml",
        {
            "finger_joint": (0.68, 0.0),
            "left_inner_finger_joint": (0.68, 0.0),
            "left_inner_knuckle_joint": (-0.68, 0.0),
            "right_outer_knuckle_joint": (-0.68, 0.0),
            "right_inner_finger_joint": (0.68, 0.0),
            "right_inner_knuckle_joint": (-0.68, 0.0),
        },
        tuple((f"{s}_outer_knuckle", f"{s}_inner_finger", f"{s}_inner_knuckle") for s in ("left", "right")),
        ("right_gripper",),
    ),
    "robotiq3f": Gripper(
        "robosuite",
        "robotiq_gripper_s.xml",
        {f"finger_{f}_joint_1": (0.85, 0.05) for f in ("1", "2", "middle")}
        | {f"finger_{f}_joint_2": (0.25, 0.0) for f in ("1", "2", "middle")}
        | {f"finger_{f}_joint_3": (-0.7, -0.05) for f in ("1", "2", "middle")},
        tuple(tuple(f"finger_{f}_link_{i}" for i in range(4)) for f in ("1", "2", "middle")),
        ("palm",),
        forearm=0.05,
    ),
    "jaco": Gripper(
        "robosuite",
        "jaco_three_finger_gripper.xml",
        {f"joint_{f}": (0.3, 1.1) for f in ("thumb", "index", "pinky")}
        | {f"joint_{f}_distal": (0.2, 0.2) for f in ("thumb", "index", "pinky")},
        tuple((f"{f}_proximal", f"{f}_distal") for f in ("thumb", "index", "pinky")),
        ("right_gripper", "palm"),
    ),
    "kuka": Gripper(
        "pybullet",
        "kuka_iiwa/kuka_with_gripper2.sdf",
        {"base_left_finger_joint": (0.0, -0.25), "base_right_finger_joint": (0.0, 0.25)},
        tuple((f"{s}_finger", f"{s}_finger_base", f"{s}_finger_tip") for s in ("left", "right")),
        ("base_link",),
    ),
    "bullet_panda": Gripper(
        "pybullet",
        "franka_panda/panda.urdf",
        {"panda_finger_joint1": (0.0, 0.04), "panda_finger_joint2": (0.0, 0.04)},
        (("panda_leftfinger",), ("panda_rightfinger",)),
        ("panda_hand",),
    ),
    "wsg50": Gripper(
        "pybullet",
        "gripper/wsg50_one_motor_gripper_new_free_base.sdf",
        {"gripper_left_hinge_joint": (0.045, 0.0), "gripper_right_hinge_joint": (0.045, 0.0)},
        (("gripper_left", "finger_left"), ("gripper_right", "finger_right")),
        ("base_link",),
    ),
    "xarm": Gripper(
        "pybullet",
        "xarm/xarm6_with_gripper.urdf",
        {name: (0.8, 0.0) for s in ("left", "right") for name in (f"{s}_finger_joint", f"{s}_inner_knuckle_joint")}
        | {"drive_joint": (0.8, 0.0), "right_outer_knuckle_joint": (0.8, 0.0)},
        tuple((f"{s}_outer_knuckle", f"{s}_finger", f"{s}_inner_knuckle") for s in ("left", "right")),
        ("xarm_gripper_base_link",),
    ),
    "pr2": Gripper(
        "pybullet",
        "pr2_gripper.urdf",
        {"left_gripper_joint": (0.0, 0.548), "right_gripper_joint": (0.0, 0.548)},
        (("left_gripper", "left_tip"), ("right_gripper", "right_tip")),
        ("gripper_pole",),
        axis=(1, 0, 0),
        forearm=0.03,
    ),
}
OPENNESS = {"open": 1.0, "half": 0.5, "narrow": 0.1}


def load(name: str, openness: float) -> Rig:
    """A gripper with its fingers at an openness from 0 (closed) to 1 (open)."""
    gripper = GRIPPERS[name]
    read = _read_mjcf if gripper.source == "robosuite" else _read_bullet
    joints = {joint: closed + openness * (opened - closed) for joint, (closed, opened) in gripper.joints.items()}
    rotation = solids.frame_along(np.array(gripper.axis, float)).T
    parts = [Part(part.triangles @ rotation.T, part.colour, part.finger) for part in read(gripper, joints)]
    palm = [part.triangles for part in parts if part.finger < 0]
    back = min(float(triangles[..., 2].min()) for triangles in palm)
    forearm = [solids.capsule(gripper.forearm, (0, 0, back - FOREARM), (0, 0, back - gripper.forearm * 0.3))]
    return Rig(name, parts, forearm)


def _far_end(triangles: np.ndarray) -> np.ndarray:
    """The middle of a finger's far end, as record.py has it for fingers that are boxes."""
    points = triangles.reshape(-1, 3)
    end = points[points[:, 2] > points[:, 2].max() - TIP_SLICE]
    return np.append((end[:, :2].min(0) + end[:, :2].max(0)) / 2, points[:, 2].max())


def _finger_of(gripper: Gripper, link: str) -> int | None:
    """The number of the finger that a link belongs to, -1 for the palm, None for what is left out."""
    for number, links in enumerate(gripper.fingers):
        if link in links:
            return number
    return -1 if link in gripper.palm else None


def _package(name: str) -> Path:
    """A package's folder, found without importing it."""
    return Path(importlib.util.find_spec(name).origin).parent


def _read_mjcf(gripper: Gripper, joints: dict[str, float]):
    folder = _package("robosuite") / "models" / "assets" / "grippers"
    m = _compiled(folder / gripper.file)
    d = mujoco.MjData(m)
    for joint, position in joints.items():
        d.qpos[m.joint(joint).qposadr[0]] = position
    mujoco.mj_kinematics(m, d)
    for geom in range(m.ngeom):
        finger = _finger_of(gripper, m.body(m.geom_bodyid[geom]).name)
        drawn = m.geom_group[geom] == 1 and m.geom_contype[geom] == 0
        if finger is None or not drawn:
            continue
        placed = _geom_triangles(m, geom) @ d.geom_xmat[geom].reshape(3, 3).T + d.geom_xpos[geom]
        yield Part(placed, tuple(map(float, _geom_colour(m, geom))), finger)


def _compiled(path: Path) -> mujoco.MjModel:
    """robosuite's files name a mesh twice and leave out that angles are radians; its own code mends that too."""
    tree = ElementTree.parse(path)
    root = tree.getroot()
    ElementTree.SubElement(root, "compiler", angle="radian", meshdir=str(path.parent))
    for asset in root.iter("asset"):
        seen: set[str] = set()
        for element in list(asset):
            name = f"{element.tag} {element.get('name')}"
            if name in seen:
                asset.remove(element)
            seen.add(name)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(ElementTree.tostring(root, encoding="unicode"))
        file.flush()
        return mujoco.MjModel.from_xml_path(file.name)


def _geom_triangles(m: mujoco.MjModel, geom: int) -> np.ndarray:
    if m.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = m.geom_dataid[geom]
        vertices = m.mesh_vert[m.mesh_vertadr[mesh] : m.mesh_vertadr[mesh] + m.mesh_vertnum[mesh]]
        return vertices[m.mesh_face[m.mesh_faceadr[mesh] : m.mesh_faceadr[mesh] + m.mesh_facenum[mesh]]].astype(float)
    if m.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX:
        vertices, faces = solids.mesh(solids.box(*m.geom_size[geom]))
        return vertices[faces]
    raise ValueError(f"geom {geom}: only meshes and boxes are read; teach sim/rigs.py this shape")


def _geom_colour(m: mujoco.MjModel, geom: int) -> np.ndarray:
    material = m.geom_matid[geom]
    return m.mat_rgba[material, :3] if material >= 0 else m.geom_rgba[geom, :3]


def _read_bullet(gripper: Gripper, joints: dict[str, float]):
    import pybullet

    folder = _package("pybullet_data")
    client = pybullet.connect(pybullet.DIRECT)
    try:
        yield from _bullet_parts(pybullet, folder, gripper, joints)
    finally:
        pybullet.disconnect(client)


def _bullet_parts(bullet, folder: Path, gripper: Gripper, joints: dict[str, float]):
    bullet.setAdditionalSearchPath(str(folder))
    path = str(folder / gripper.file)
    body = bullet.loadSDF(path)[0] if path.endswith(".sdf") else bullet.loadURDF(path, useFixedBase=True)
    links = {-1: bullet.getBodyInfo(body)[0].decode()}
    unknown = dict(joints)
    for joint in range(bullet.getNumJoints(body)):
        info = bullet.getJointInfo(body, joint)
        links[joint] = info[12].decode()
        position = unknown.pop(info[1].decode(), None)
        if position is not None:
            bullet.resetJointState(body, joint, position)
    if unknown:
        raise ValueError(f"{gripper.file} has no joint {', '.join(unknown)}; see sim/rigs.py")
    palm = next(number for number, link in links.items() if link == gripper.palm[0])
    base, turn = _link_pose(bullet, body, palm)
    for shape in bullet.getVisualShapeData(body):
        finger = _finger_of(gripper, links[shape[1]])
        if finger is None:
            continue
        position, rotation = _link_pose(bullet, body, shape[1])
        local = _rotation(bullet, shape[6])
        placed = (_bullet_triangles(bullet, shape) @ local.T + np.array(shape[5])) @ rotation.T + position
        yield Part((placed - base) @ turn, tuple(shape[7][:3]), finger)


def _link_pose(bullet, body: int, link: int) -> tuple[np.ndarray, np.ndarray]:
    """A link's own frame, in which its visual shapes are given. pybullet answers with the frame of its mass first."""
    if link >= 0:
        state = bullet.getLinkState(body, link, computeForwardKinematics=True)
        return np.array(state[4]), _rotation(bullet, state[5])
    inverse = bullet.invertTransform(*bullet.getDynamicsInfo(body, -1)[3:5])
    position, turn = bullet.multiplyTransforms(*bullet.getBasePositionAndOrientation(body), *inverse)
    return np.array(position), _rotation(bullet, turn)


def _rotation(bullet, quaternion) -> np.ndarray:
    return np.array(bullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)


def _bullet_triangles(bullet, shape) -> np.ndarray:
    kind, size = shape[2], shape[3]
    if kind == bullet.GEOM_BOX:
        vertices, faces = solids.mesh(solids.box(*(np.array(size) / 2)))
        return vertices[faces]
    if kind == bullet.GEOM_CYLINDER:
        vertices, faces = solids.mesh(solids.cylinder(size[1], (0, 0, -size[0] / 2), (0, 0, size[0] / 2)))
        return vertices[faces]
    if kind == bullet.GEOM_MESH:
        path = Path(shape[4].decode())
        return _file_triangles(path) * np.array(size)
    raise ValueError(f"visual shape {kind}: only boxes, cylinders and meshes are read; teach sim/rigs.py this shape")


def _file_triangles(path: Path) -> np.ndarray:
    """The triangles of a binary STL or an OBJ file."""
    if path.suffix.lower() == ".stl":
        data = path.read_bytes()
        count = struct.unpack_from("<I", data, 80)[0]
        rows = np.frombuffer(data, np.dtype([("numbers", "<f4", 12), ("flags", "<u2")]), count, 84)
        return rows["numbers"][:, 3:].reshape(-1, 3, 3).astype(float)
    vertices, triangles = [], []
    for line in path.read_text().splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words[:3]])
        elif kind == "f":
            corners = [int(word.split("/")[0]) for word in words]
            corners = [c - 1 if c > 0 else len(vertices) + c for c in corners]
            triangles += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
    return np.array(vertices)[np.array(triangles)]
