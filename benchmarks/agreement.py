"""Compares two labelled copies of one bag, step by step: do both programs measure the same?

usage: agreement.py OURS PEER
prints for each kind of distance the median, the 95th percentile and the largest difference in
millimetres, the steps on which only one of them has a distance, and how far each is from the bag's
own truth where it has one
"""

import sys
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from bags import REWARD_TYPE, typestore
from python_peer import nanos

TRUTH_TOPIC, POINT_TOPIC = "/ground_truth/surface_distance", "/ground_truth/fingertip"
KINDS = ("center_m", "surface_m", "cloud_m")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    ours, peer = steps(Path(sys.argv[1])), steps(Path(sys.argv[2]))
    stamps = sorted(ours.keys() & peer.keys())
    if not stamps:
        sys.exit("no step has the same stamp in both bags: they are not copies of one bag")
    print(f"{len(ours)} and {len(peer)} steps, {len(stamps)} with a common stamp")
    a, b = (np.array([side[stamp] for stamp in stamps]) for side in (ours, peer))
    measured = np.isfinite(a[:, 1]), np.isfinite(b[:, 1])
    both = measured[0] & measured[1]
    print(
        f"{both.sum()} measured by both, {(measured[0] & ~both).sum()} by spatial-reward only, "
        f"{(measured[1] & ~both).sum()} by Python only"
    )
    for column, kind in enumerate(KINDS):
        scale, unit = (1000, "mm") if kind.endswith("_m") else (1, "")
        apart = np.abs(a[both, column] - b[both, column]) * scale
        figures = {"median": np.median(apart), "95th percentile": np.percentile(apart, 95), "largest": apart.max()}
        print(f"{kind.removesuffix('_m'):10}", *(f"  {name} {value:7.4f} {unit:2}" for name, value in figures.items()))
    truth = a[both, -1]
    if np.isfinite(truth).any():
        errors = [np.nanmean(np.abs(side[both, 1] - truth)) * 1000 for side in (a, b)]
        print(f"mean error of surface: spatial-reward {errors[0]:.2f} mm, Python {errors[1]:.2f} mm")


def steps(bag: Path) -> dict[int, tuple]:
    """By image stamp: the values of KINDS and the true surface distance; NaN where there is none.

    The truth has no stamp of its own: the point that was logged with it lends it its."""
    stamps, values, truths = {}, {}, {}
    with Reader(bag) as reader:
        store = typestore(reader)
        for connection, log_time, data in reader.messages():
            if connection.topic == TRUTH_TOPIC:
                truths[log_time] = store.deserialize_cdr(data, connection.msgtype).data
            elif connection.topic == POINT_TOPIC:
                stamps[log_time] = nanos(store.deserialize_cdr(data, connection.msgtype).header)
            elif connection.msgtype == REWARD_TYPE:
                step = store.deserialize_cdr(data, connection.msgtype)
                values[nanos(step.header)] = tuple(getattr(step, kind) for kind in KINDS)
    truth_at = {stamps.get(log_time, log_time): truth for log_time, truth in truths.items()}
    return {stamp: (*row, truth_at.get(stamp, np.nan)) for stamp, row in values.items()}


if __name__ == "__main__":
    main()
