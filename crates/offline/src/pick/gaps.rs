//! Stretches of steps without a distance, and which region to draw again there.

use crate::report::html::meaning;
use crate::role::Role;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::step::Step;

/// Steps in a row that are invalid for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first of these steps.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// Why there is no distance.
    pub reason: Reason,
    /// What the reason means.
    pub meaning: &'static str,
    /// The region that was lost, if that is why.
    pub lost: Option<Role>,
}

impl Gap {
    /// All of them, in order.
    pub(super) fn of(steps: &[Step]) -> Vec<Self> {
        let kind = |step: &Step| Some((step.reason?, lost(step)));
        let mut gaps = Vec::new();
        let mut first = 0;
        for stretch in steps.chunk_by(|step, next| kind(step) == kind(next)) {
            let last = first + stretch.len() - 1;
            if let Some((reason, lost)) = stretch.first().and_then(kind) {
                gaps.push(Self {
                    first,
                    last,
                    reason,
                    meaning: meaning(reason),
                    lost,
                });
            }
            first = last + 1;
        }
        gaps
    }
}

/// The target is followed first; where both are lost, it is the one to begin with.
fn lost(step: &Step) -> Option<Role> {
    (step.reason == Some(Reason::LostBox)).then_some(match step.target_source {
        None => Role::Target,
        Some(_) => Role::Fingertip,
    })
}
