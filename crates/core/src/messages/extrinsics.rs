//! `realsense2_camera_msgs/Extrinsics`: where one camera of a RealSense is in another one's coordinates, as its driver tells
//! on `extrinsics/depth_to_color`.
//!
//! Source: realsense-ros copies librealsense's `rs2_extrinsics` into it as they are (`rsExtrinsicsToMsg`), those of
//! `base.get_extrinsics_to(stream)`, and names the topic `<base>_to_<stream>`: with the matrix column by column, `rotation *
//! point + translation` maps a point of the first camera's optical axes into the second's, in metres. Its TF takes the other
//! direction. What realsense-ros wrote for ROS 1 had a header in front of it and is not read.

use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion};
use serde::{Deserialize, Serialize};

/// `float32` numbers lie nearer to a rotation than this; a matrix of another kind does not.
const TOLERANCE: f64 = 1e-3;

/// `realsense2_camera_msgs/msg/Extrinsics`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extrinsics {
    /// Column by column.
    pub rotation: [f64; 9],
    /// x, y, z in metres.
    pub translation: [f64; 3],
}

impl Extrinsics {
    /// The pose of the first camera's optical frame in the second's, or what is wrong with the numbers.
    pub(super) fn pose(&self) -> Result<Isometry3<f64>, &'static str> {
        if !(self.rotation.iter().chain(&self.translation)).all(|number| number.is_finite()) {
            return Err("it has a number that is not finite");
        }
        let matrix = Matrix3::from_column_slice(&self.rotation);
        let off = (matrix * matrix.transpose() - Matrix3::identity()).amax();
        if off > TOLERANCE || matrix.determinant() < 0.0 {
            return Err("its matrix is no rotation");
        }
        let rotation = Rotation3::from_matrix_unchecked(matrix);
        let [x, y, z] = self.translation;
        Ok(Isometry3::from_parts(
            Translation3::new(x, y, z),
            UnitQuaternion::from_rotation_matrix(&rotation),
        ))
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Point3;

    use super::*;

    #[test]
    fn the_matrix_is_read_column_by_column() {
        // given a quarter turn about z that takes x to y, as columns
        let sent = Extrinsics {
            rotation: [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            translation: [0.1, 0.2, 0.3],
        };
        // when a point on x is mapped, then it lies on y, beside the other camera
        let mapped = sent.pose().unwrap() * Point3::new(1.0, 0.0, 0.0);
        assert!((mapped - Point3::new(0.1, 1.2, 0.3)).norm() < 1e-12);
    }

    #[test]
    fn what_is_no_rotation_is_refused() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        for (at, value, words) in [
            (0, -1.0, "no rotation"),
            (0, 1.01, "no rotation"),
            (1, 0.1, "no rotation"),
            (4, f64::NAN, "not finite"),
        ] {
            let mut rotation = identity;
            rotation[at] = value;
            let sent = Extrinsics {
                rotation,
                translation: [0.0; 3],
            };
            assert!(sent.pose().unwrap_err().contains(words));
        }
        let sent = Extrinsics {
            rotation: [0.0; 9],
            translation: [0.0; 3],
        };
        assert!(sent.pose().is_err());
    }
}
