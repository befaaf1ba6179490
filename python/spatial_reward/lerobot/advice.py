"""Why most frames of a dataset could not be measured, and what mends it, by the reason that most of them have."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS = {
    "lost_box": "what was drawn is not found any more: draw it in further frames ('X0,Y0,X1,Y1@SECONDS'), or draw each "
    "episode's own boxes (regions=FILE)",
    "no_fingertip_box": "the fingertip's source says nothing there: name another one (fingertip=...), or draw a box",
    "no_target_box": "the target's source says nothing there: name another one (target=...), or draw a box",
    "box_outside_image": "the regions lie outside the picture: look at the unit of their column, at intrinsics and at "
    "camera_from_frame",
    "no_depth": "there is no depth for the picture: name its feature (depth=...)",
    "depth_invalid": "the regions have too little depth: look at its holes, and at geometry.min_depth_m and "
    "geometry.max_depth_m (config=...)",
    "implausible_distance": "the distances are farther than is believed: look at the intrinsics, at the unit of depth, "
    "and at estimator.max_distance_m (config=...)",
    "uncertain": "the distances are less certain than reward.max_std_m lets through (config=...)",
    "no_image": "the pictures do not decode",
    "occluded": "something stands before the places: look at camera_from_frame, offset_m and size_m of the sources",
    "model_error": "the model failed: the log says how",
    "unparsed_answer": "the model answered, but not with a distance: ask another question (model.question)",
}


def advice(steps: int, invalid: Mapping[str, int]) -> str | None:
    """What to look at where more than half of the frames have no reward of their own; None where fewer are."""
    count = sum(invalid.values())
    if 2 * count <= steps:
        return None
    reason = max(invalid, key=lambda name: invalid[name])
    begin = f"{count} of {steps} frames could not be measured, most of them with {reason} ({invalid[reason]})"
    return f"{begin}: {_WORDS[reason]}" if reason in _WORDS else begin
