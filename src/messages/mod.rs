//! ROS messages decoded from CDR, and their conversion to parts of a frame.
