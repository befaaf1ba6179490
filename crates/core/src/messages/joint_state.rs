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

/// Reads one.
///
/// # Errors
/// Bytes that are no such message.
pub fn decode(bytes: &[u8]) -> Result<JointState> {
    cdr::decode(TYPE_NAME, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
