"""The true surface of a gripper's links, cut into small triangles once, and its exact gap to solids.

The gap is found by branch and bound: a piece whose middle is `d` away from the solids and whose corners lie within `r`
of its middle has no point nearer than `d - r`. Pieces that could be nearer than the nearest point seen so far are
cut into four, until none is left. So no point of the surface is nearer than the answer less the tolerance.
"""

import numpy as np

from solids import Solid, signed_distance

EXACT = 0.00005  # the truth's tolerance, metres
ROUGH = 0.001  # enough to look for a way
PIECE = 0.003  # longest edge of the stored pieces, metres
CLUSTER = 0.012  # pieces whose middles share a cube of this side are first looked at together, metres


class Surface:
    """Triangles in the gripper's frame, none with an edge longer than `PIECE`, in clusters of neighbours."""

    def __init__(self, triangles: np.ndarray, piece: float = PIECE):
        pieces = _cut(np.asarray(triangles, float), piece)
        cells = np.floor(pieces.mean(1) / CLUSTER).astype(int)
        _, owner = np.unique(cells, axis=0, return_inverse=True)
        order = np.argsort(owner, kind="stable")
        self.pieces, owner = pieces[order], owner[order]
        self.starts = np.searchsorted(owner, np.arange(owner.max() + 2))
        counts = np.diff(self.starts)
        own_middles, own_radii = _balls(self.pieces)
        self.middles = np.add.reduceat(own_middles, self.starts[:-1]) / counts[:, None]
        reach = np.linalg.norm(own_middles - self.middles[owner], axis=1) + own_radii
        self.radii = np.maximum.reduceat(reach, self.starts[:-1])

    def gap(
        self, solids: list[Solid], rotation: np.ndarray, translation: np.ndarray, tolerance: float = EXACT
    ) -> float:
        """Smallest distance from the surface, put at the pose, to the solids; below zero where they overlap."""
        here = [solid.moved(rotation.T, -rotation.T @ translation) for solid in solids]
        distances = _distances(here, self.middles)
        bound = float((distances.min(0) + self.radii).min())  # a cluster's middle is no point of the surface
        here, open_ = _left(here, distances, self.radii, bound)
        pieces, best = self._of_clusters(np.nonzero(open_)[0]), np.inf
        while len(pieces):
            middles, radii = _balls(pieces)
            distances = _distances(here, middles)
            best = min(best, float(distances.min()))
            here, open_ = _left(here, distances, radii, best - tolerance)
            pieces = _quarters(pieces[open_])
        return best

    def _of_clusters(self, clusters: np.ndarray) -> np.ndarray:
        return np.concatenate([self.pieces[self.starts[c] : self.starts[c + 1]] for c in clusters])


def _distances(solids: list[Solid], points: np.ndarray) -> np.ndarray:
    """One row a solid, one column a point."""
    return np.array([signed_distance([solid], points) for solid in solids])


def _left(
    solids: list[Solid], distances: np.ndarray, radii: np.ndarray, bound: float
) -> tuple[list[Solid], np.ndarray]:
    """The solids that may be nearer than the bound to some ball, and which balls may be."""
    nearest = distances - radii
    kept = [solid for solid, row in zip(solids, nearest.min(1), strict=True) if row <= bound]
    return kept or solids, nearest.min(0) < bound + 1e-12


def _balls(pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middles = pieces.mean(1)
    radii = np.linalg.norm(pieces - middles[:, None], axis=2).max(1, initial=0) if len(pieces) else np.zeros(0)
    return middles, radii


def _quarters(pieces: np.ndarray) -> np.ndarray:
    a, b, c = pieces[:, 0], pieces[:, 1], pieces[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(part, 1) for part in parts]) if len(pieces) else pieces


def _cut(triangles: np.ndarray, longest: float) -> np.ndarray:
    """Halves the longest edge until no edge is longer: slivers are cut across, never along."""
    done = []
    while len(triangles):
        edges = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=2)
        small = edges.max(1) <= longest
        done.append(triangles[small])
        triangles, edges = triangles[~small], edges[~small]
        if not len(triangles):
            break
        at, row = edges.argmax(1), np.arange(len(triangles))
        a, b, c = triangles[row, at], triangles[row, (at + 1) % 3], triangles[row, (at + 2) % 3]
        middle = (a + b) / 2
        triangles = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
    return np.concatenate(done) if done else np.zeros((0, 3, 3))
