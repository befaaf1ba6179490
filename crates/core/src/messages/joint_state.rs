//! `sensor_msgs/msg/JointState`, of which positions are read: how wide a gripper is open.

use serde::{Deserialize, Serialize};

use super::cdr;
use super::types::Header;
use crate::error::Result;

/// The message's name.
pub const TYPE_NAME: &str = "sensor_msgs/msg/JointState";

/// Joints and where they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JointState {
    /// When they were there.
    pub header: Header,
    /// The joints' names.
    pub name: Vec<String>,
    /// Radians, or metres of a sliding joint; as many as names, or none.
    pub position: Vec<f64>,
    /// As `position`, a second.
    pub velocity: Vec<f64>,
    /// Newton metres, or newtons of a sliding joint.
    pub effort: Vec<f64>,
}

impl JointState {
    /// The sum of these joints' positions, of all where none is named; `None` where one of them is not in the message or not
    /// known.
    pub fn sum(&self, joints: &[String]) -> Option<f64> {
        let position = |joint: &String| {
            let at = self.name.iter().position(|name| name == joint)?;
            self.position.get(at).copied()
        };
        let sum = match joints.is_empty() {
            true if self.position.is_empty() => None,
            true => Some(self.position.iter().sum()),
            false => joints.iter().map(position).sum(),
        };
        sum.filter(|sum: &f64| sum.is_finite())
    }
}

/// Fast DDS leaves room for the alignment of numbers that are not there: of no velocities and of no efforts.
const EMPTY_PADDING_BYTES: usize = 8;

/// Reads one.
///
/// # Errors
/// Bytes that are no such message.
pub fn decode(bytes: &[u8]) -> Result<JointState> {
    let (state, left_over) = cdr::decode_prefix::<JointState>(TYPE_NAME, bytes)?;
    let is_padded = state.velocity.is_empty() && state.effort.is_empty();
    match left_over == EMPTY_PADDING_BYTES && is_padded {
        true => Ok(state),
        // What else is left is as with any message.
        false => cdr::decode(TYPE_NAME, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_alone_were_refused_for_the_room_that_fast_dds_leaves() {
        // Given a message without velocities and efforts, as rclpy serialises it: 8 bytes longer than its fields
        let state = JointState {
            header: Header::default(),
            name: vec!["finger".to_owned()],
            position: vec![0.25],
            velocity: Vec::new(),
            effort: Vec::new(),
        };
        let mut bytes = cdr::encode(TYPE_NAME, &state).unwrap();
        bytes.extend([0xaa; 8]);
        // Then
        assert_eq!(decode(&bytes).unwrap(), state);
        // and one that is longer is of another layout
        bytes.push(0);
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn an_opening_is_the_sum_of_the_joints_that_are_named() {
        // Given a robot with more joints than its gripper's
        let joints = ["elbow", "left_finger", "right_finger"].map(str::to_owned);
        let state = JointState {
            header: Header::default(),
            name: joints.to_vec(),
            position: vec![1.5, 0.02, 0.03],
            velocity: Vec::new(),
            effort: Vec::new(),
        };
        // Then
        assert_eq!(state.sum(&joints[1..]), Some(0.05));
        assert_eq!(state.sum(&[]), Some(1.55));
        assert_eq!(state.sum(&["thumb".to_owned()]), None);
        // and a message without positions says nothing
        let silent = JointState {
            position: Vec::new(),
            ..state
        };
        assert_eq!((silent.sum(&[]), silent.sum(&joints[1..])), (None, None));
    }
}
