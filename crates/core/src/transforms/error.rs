//! What can be missing of a transform, by name.

use crate::stamp::seconds_between;

/// Why there is no transform. Frames are named without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A sample has an empty name for its parent or its child.
    #[error("a transform names no frame for its {role}")]
    Unnamed {
        /// `parent` or `child`.
        role: &'static str,
    },
    /// A rotation is no quaternion of some length, or a number is not finite.
    #[error("the transform of {child:?} in {parent:?} has {what}")]
    NoTransform {
        /// The parent frame.
        parent: String,
        /// The child frame.
        child: String,
        /// What its numbers are instead of a transform.
        what: &'static str,
    },
    /// No sample ever named that frame.
    #[error("there is no frame {frame:?}")]
    UnknownFrame {
        /// The frame.
        frame: String,
    },
    /// Both frames are known, and no chain of transforms leads from one to the other.
    #[error(
        "{from:?} and {into:?} are not connected: the chain of the one ends in {from_root:?}, that of the other in \
         {into_root:?}, and no transform leads from there on"
    )]
    NotConnected {
        /// The frame whose coordinates were to be mapped.
        from: String,
        /// The frame without a parent above it.
        from_root: String,
        /// The frame that they were to be mapped into.
        into: String,
        /// The frame without a parent above it.
        into_root: String,
    },
    /// Frames are each other's ancestors.
    #[error("the frames {} go round in a circle: each is the next one's child", frames.join(" -> "))]
    Loop {
        /// Each is the child of the next; the first comes again at the end.
        frames: Vec<String>,
    },
    /// Two publishers say different things about where a frame hangs.
    #[error(
        "{child:?} has two parents at a time, {:?} and {:?}: two publishers contradict each other",
        parents[0],
        parents[1]
    )]
    TwoParents {
        /// The frame.
        child: String,
        /// The parents whose samples take turns.
        parents: [String; 2],
    },
    /// The stamp lies before the first sample, by more than the limit.
    #[error("the first transform of {child:?} in {parent:?} comes {:.3} s later", seconds_between(0, *by_nanos))]
    BeforeFirst {
        /// The parent frame.
        parent: String,
        /// The child frame.
        child: String,
        /// How much later, in nanoseconds.
        by_nanos: i64,
    },
    /// The stamp lies after the last sample, by more than the limit.
    #[error("the last transform of {child:?} in {parent:?} is {:.3} s old", seconds_between(0, *by_nanos))]
    AfterLast {
        /// The parent frame.
        parent: String,
        /// The child frame.
        child: String,
        /// How old, in nanoseconds.
        by_nanos: i64,
    },
}
