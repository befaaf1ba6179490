"""A region as it stands in a photo's `.regions.json`."""

import numpy as np


def region(name: str, mask: np.ndarray) -> dict:
    """Of a mask that is not empty."""
    rows, columns = np.nonzero(mask)
    box = [int(at) for at in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
    return {"name": name, "score": 0.9, "box": box, "mask": {"size": list(mask.shape), "counts": _runs(mask)}}


def _runs(mask: np.ndarray) -> list[int]:
    """COCO's, down the columns, beginning with those outside."""
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(int), [2]])
    return np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat))])).tolist()
