"""LeRobot datasets, in and out; LeRobot itself is not needed."""
