//! The definitions of objects' messages that are read in bags without definitions, in ROS's own notation, newest first.

pub(super) const YOLO: &str = "\
std_msgs/Header header
Detection[] detections
MSG: yolo_msgs/Detection
int32 class_id
string class_name
float64 score
string id
BoundingBox2D bbox
BoundingBox3D bbox3d
Mask mask
KeyPoint2DArray keypoints
KeyPoint3DArray keypoints3d
MSG: yolo_msgs/BoundingBox2D
Pose2D center
Vector2 size
MSG: yolo_msgs/Pose2D
Point2D position
float64 theta
MSG: yolo_msgs/Point2D
float64 x
float64 y
MSG: yolo_msgs/Vector2
float64 x
float64 y
MSG: yolo_msgs/BoundingBox3D
geometry_msgs/Pose center
geometry_msgs/Vector3 size
string frame_id
MSG: yolo_msgs/Mask
int32 height
int32 width
Point2D[] data
MSG: yolo_msgs/KeyPoint2DArray
KeyPoint2D[] data
MSG: yolo_msgs/KeyPoint2D
int32 id
Point2D point
float64 score
MSG: yolo_msgs/KeyPoint3DArray
KeyPoint3D[] data
string frame_id
MSG: yolo_msgs/KeyPoint3D
int32 id
geometry_msgs/Point point
float64 score
";

/// vision_msgs 3 (Galactic) and 4 (Humble and later).
pub(super) const DETECTIONS_3D: &str = "\
std_msgs/Header header
Detection3D[] detections
MSG: vision_msgs/Detection3D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox3D bbox
string id
MSG: vision_msgs/ObjectHypothesisWithPose
ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/ObjectHypothesis
string class_id
float64 score
MSG: vision_msgs/BoundingBox3D
geometry_msgs/Pose center
geometry_msgs/Vector3 size
";

/// vision_msgs 2 (Foxy).
pub(super) const DETECTIONS_3D_2: &str = "\
std_msgs/Header header
Detection3D[] detections
MSG: vision_msgs/Detection3D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox3D bbox
sensor_msgs/PointCloud2 source_cloud
bool is_tracking
string tracking_id
MSG: vision_msgs/ObjectHypothesisWithPose
string id
float64 score
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/BoundingBox3D
geometry_msgs/Pose center
geometry_msgs/Vector3 size
MSG: sensor_msgs/PointCloud2
std_msgs/Header header
uint32 height
uint32 width
PointField[] fields
bool is_bigendian
uint32 point_step
uint32 row_step
uint8[] data
bool is_dense
MSG: sensor_msgs/PointField
string name
uint32 offset
uint8 datatype
uint32 count
";

pub(super) const ZED: &str = "\
std_msgs/Header header
Object[] objects
MSG: zed_msgs/Object
string label
int16 label_id
string sublabel
float32 confidence
float32[3] position
float32[6] position_covariance
float32[3] velocity
bool tracking_available
int8 tracking_state
int8 action_state
BoundingBox2Di bounding_box_2d
BoundingBox3D bounding_box_3d
float32[3] dimensions_3d
bool skeleton_available
int8 body_format
BoundingBox2Df head_bounding_box_2d
BoundingBox3D head_bounding_box_3d
float32[3] head_position
Skeleton2D skeleton_2d
Skeleton3D skeleton_3d
float32[70] skeleton_keypoint_confidence
MSG: zed_msgs/BoundingBox2Di
Keypoint2Di[4] corners
MSG: zed_msgs/Keypoint2Di
uint32[2] kp
MSG: zed_msgs/BoundingBox2Df
Keypoint2Df[4] corners
MSG: zed_msgs/Keypoint2Df
float32[2] kp
MSG: zed_msgs/BoundingBox3D
Keypoint3D[8] corners
MSG: zed_msgs/Keypoint3D
float32[3] kp
MSG: zed_msgs/Skeleton2D
Keypoint2Df[70] keypoints
MSG: zed_msgs/Skeleton3D
Keypoint3D[70] keypoints
";

pub(super) const SPATIAL_DETECTIONS: &str = "\
std_msgs/Header header
SpatialDetection[] detections
MSG: depthai_ros_msgs/SpatialDetection
vision_msgs/ObjectHypothesis[] results
vision_msgs/BoundingBox2D bbox
geometry_msgs/Point position
bool is_tracking
string tracking_id
MSG: vision_msgs/ObjectHypothesis
string class_id
float64 score
MSG: vision_msgs/BoundingBox2D
Pose2D center
float64 size_x
float64 size_y
MSG: vision_msgs/Pose2D
Point2D position
float64 theta
MSG: vision_msgs/Point2D
float64 x
float64 y
";

pub(super) const APRIL_TAGS: &str = "\
std_msgs/Header header
AprilTagDetection[] detections
MSG: apriltag_msgs/AprilTagDetection
string family
int32 id
int32 hamming
float32 goodness
float32 decision_margin
Point centre
Point[4] corners
float64[9] homography
MSG: apriltag_msgs/Point
float64 x
float64 y
";

pub(super) const ARUCO: &str = "\
std_msgs/Header header
MarkerPose[] markers
BoardPose[] boards
MSG: aruco_opencv_msgs/MarkerPose
uint16 marker_id
geometry_msgs/Pose pose
MSG: aruco_opencv_msgs/BoardPose
string board_name
geometry_msgs/Pose pose
";
