//! Rosbag2 bags without ROS: reading (MCAP, sqlite3) and writing.
