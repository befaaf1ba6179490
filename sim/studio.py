"""One loaded task with its camera: dresses the scene, places distractors, and takes a frame with its truth."""

from collections.abc import Sequence

import mujoco
import numpy as np

import appearance
import camera
import truth
from bag import Frame
from simulators import DISTRACTORS, Furnish, Simulator
from tasks import WORKBENCH, Task
from workbench import Workbench

HIDDEN_PLACE = np.array([0.0, 0.0, -5.0])  # below the floor: unused distractors wait there
NEAREST = 0.2  # anything nearer to the camera means that it stands inside the robot, metres
EDGE = 0.03  # fingertip and target centre stay this share of the image away from its border


class Studio:
    """A simulator, its renderer, and the names of everything in view that is neither fingertip nor target."""

    def __init__(
        self,
        task: Task,
        size: tuple[int, int],
        held_out: bool,
        rng: np.random.Generator,
        furnish: Furnish | None = None,
    ):
        self.sim = Workbench(task, rng) if task.simulator in WORKBENCH else Simulator(task, rng, furnish)
        self.eye = camera.Eye(self.sim.model, *size)
        self.held_out, self.rng = held_out, rng
        self.names: dict[str, list[int]] = {}
        self.shadows = False
        model = self.sim.model
        self.default_colours = model.geom_rgba.copy(), model.geom_matid.copy()
        self.static_base = self._static_base()
        self.base_pose = model.body_pos[self.static_base].copy(), model.body_quat[self.static_base].copy()

    def _static_base(self) -> int:
        """The top body of a target that hangs on a fixed base (a drawer, a door), 0 for a target that moves freely."""
        m, root = self.sim.model, self.sim.target_root
        joint = m.body_jntadr[root]
        return 0 if joint >= 0 and m.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE else root

    def primitive_target(self) -> int | None:
        """The target's geom where it is a single box, ball or cylinder, whose shape can change."""
        geoms = self.sim.target_geoms
        simple = self.sim.model.geom_type[geoms[0]] != mujoco.mjtGeom.mjGEOM_MESH
        return geoms[0] if simple and len(geoms) == 1 and self.sim.task.key != "peg-insert-side" else None

    def dress(self) -> None:
        """New colours, textures and lights for the whole scene."""
        sim, rng, m = self.sim, self.rng, self.sim.model
        m.geom_rgba[:], m.geom_matid[:] = self.default_colours
        if rng.random() < 0.85:
            appearance.paint(m, sim.table_geoms, appearance.any_colour(rng), rng, textured=0.5)
        if rng.random() < 0.85:
            appearance.paint(m, sim.floor_geoms, appearance.any_colour(rng), rng, textured=0.5)
        for geoms in sim.backdrop:
            appearance.paint(m, geoms, appearance.any_colour(rng), rng, textured=0.6)
        if rng.random() < 0.3:
            appearance.paint(m, sim.finger_geoms, appearance.any_colour(rng), rng)
        self.names = {}
        for name, geoms in sim.other_parts.items():
            if rng.random() < 0.5:
                appearance.paint(m, geoms, appearance.any_colour(rng), rng)
            self.names[name] = geoms
        appearance.paint(m, sim.target_geoms, appearance.target_colour(rng, self.held_out), rng)
        if not self.held_out and rng.random() < 0.15:
            self._keep_target_material()
        self.shadows = appearance.shuffle_lights(m, rng)

    def _keep_target_material(self) -> None:
        """Shows the target as the simulator's authors drew it."""
        geoms, (colours, materials) = self.sim.target_geoms, self.default_colours
        self.sim.model.geom_rgba[geoms], self.sim.model.geom_matid[geoms] = colours[geoms], materials[geoms]

    def place_distractors(self, keep_clear: Sequence[np.ndarray] = ()) -> None:
        """Puts two to five random objects on the table, apart from each other, target, hand and `keep_clear`."""
        sim, rng, m = self.sim, self.rng, self.sim.model
        x0, x1, y0, y1 = sim.robot.table_area
        taken = [(sim.target_point(), self._target_radius()), (sim.fingertips().mean(0), 0.03)]
        taken += [(point, 0.04) for point in keep_clear]
        wanted = rng.integers(2, min(5, DISTRACTORS) + 1)
        for i, geom in enumerate(sim.distractors):
            body = m.geom_bodyid[geom]
            m.body_pos[body] = HIDDEN_PLACE
            if i >= wanted:
                continue
            height = appearance.reshape(m, geom, rng, (0.01, 0.05), capsules=True)
            m.body_quat[body] = upright(rng) if rng.random() < 0.75 else any_turn(rng)
            for _ in range(10):
                lifted = rng.uniform(0.02, 0.2) if rng.random() < 0.1 else 0.0
                place = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1), sim.robot.table_height + height + lifted])
                radius = float(m.geom_rbound[geom])
                if all(np.linalg.norm(place - other) > 0.8 * (radius + reach) for other, reach in taken):
                    m.body_pos[body] = place
                    taken.append((place, radius))
                    break
            rgb = appearance.any_colour(rng)
            patterned = appearance.paint(m, [geom], rgb, rng, textured=0.2)
            look = "patterned" if patterned else appearance.colour_name(rgb)
            self._name(f"{look} {appearance.shape_name(m, geom)}", geom)

    def _name(self, name: str, geom: int) -> None:
        """Two things of one name would be a riddle in a question: the second gets a number."""
        unique, number = name, 2
        while unique in self.names:
            unique, number = f"{name} {number}", number + 1
        self.names[unique] = [geom]

    def _target_radius(self) -> float:
        m, d, centre = self.sim.model, self.sim.data, self.sim.target_point()
        return max(
            float(np.linalg.norm(d.geom_xpos[g] - centre)) * 0.7 + 0.5 * float(m.geom_rbound[g])
            for g in self.sim.target_geoms
        )

    def shoot(self, view: camera.View, coloured: bool = True) -> Frame | None:
        """Takes a frame, or returns None where the fingertip or the target is out of view or hidden."""
        sim = self.sim
        intrinsics, pose = self.eye.aim(sim.data, view)
        pixels = camera.project(np.vstack([sim.fingertips(), sim.target_point()]), intrinsics, pose)
        size = np.array([self.eye.width, self.eye.height])
        if not np.all((pixels > EDGE * size) & (pixels < (1 - EDGE) * size)):
            return None
        picture = self.eye.measure(intrinsics, pose)
        if picture.depth[picture.depth > 0].min() < NEAREST:
            return None
        known = truth.judge(sim, picture, self.names)
        if known is None:
            return None
        colour = self.eye.colour(self.shadows) if coloured else np.zeros((0, 0, 3), np.uint8)
        return Frame(colour, picture.depth, intrinsics, pose[:3, :3].T @ [0.0, 0.0, 1.0], known)

    def close(self) -> None:
        self.eye.close()
        self.sim.close()


def upright(rng: np.random.Generator) -> np.ndarray:
    """A quaternion that turns about the vertical only."""
    half = rng.uniform(0, np.pi)
    return np.array([np.cos(half), 0, 0, np.sin(half)])


def any_turn(rng: np.random.Generator) -> np.ndarray:
    """A quaternion drawn evenly from all rotations."""
    quaternion = rng.normal(size=4)
    return quaternion / np.linalg.norm(quaternion)
