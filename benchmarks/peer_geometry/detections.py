"""The box of a detector's message, for both peers: rosbags and rclpy name the fields alike."""

from .window import Box


def best_box(message, class_id: str) -> Box | None:
    """The box with the best score of a class in a Detection2DArray; None if there is no message or no such box."""
    if message is None:
        return None
    scored = [
        (result.hypothesis.score, detection.bbox)
        for detection in message.detections
        for result in detection.results
        if result.hypothesis.class_id == class_id
    ]
    if not scored:
        return None
    box = max(scored, key=lambda pair: pair[0])[1]
    x, y = box.center.position.x, box.center.position.y
    return Box(x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2)
