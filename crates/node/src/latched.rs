//! Static transforms. They are said once, to whoever comes whenever: so they are kept while the node is at rest, and while a
//! simulator's clock has not begun.

use spatial_reward_core::messages::TransformStamped;

/// More are not kept; no robot has so many.
const MOST: usize = 10_000;

/// The newest static transform of each frame in each parent, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Latched {
    all: Vec<TransformStamped>,
    /// Those that the matcher does not know yet.
    untold: Vec<TransformStamped>,
}

impl Latched {
    pub(crate) fn push(&mut self, transforms: Vec<TransformStamped>) {
        for sent in transforms {
            let is_other = |one: &TransformStamped| {
                one.child_frame_id != sent.child_frame_id
                    || one.header.frame_id != sent.header.frame_id
            };
            self.all.retain(is_other);
            if self.all.len() < MOST {
                self.all.push(sent.clone());
                self.untold.push(sent);
            }
        }
        // Nobody takes them while the node is at rest.
        if self.untold.len() > MOST {
            self.tell_anew();
        }
    }

    /// A matcher that knows none is to hear all.
    pub(crate) fn tell_anew(&mut self) {
        self.untold.clone_from(&self.all);
    }

    /// Those that the matcher does not know yet.
    pub(crate) fn take_untold(&mut self) -> Vec<TransformStamped> {
        std::mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::messages::Header;

    fn sent(parent: &str, child: &str, x: f64) -> TransformStamped {
        TransformStamped {
            header: Header {
                frame_id: parent.to_owned(),
                ..Header::default()
            },
            child_frame_id: child.to_owned(),
            translation: [x, 0.0, 0.0],
            rotation: [0.0, 0.0, 0.0, 1.0],
        }
    }

    #[test]
    fn static_transforms_were_lost_where_nobody_said_them_again() {
        // given some that were told, one of them corrected
        let mut latched = Latched::default();
        latched.push(vec![sent("base", "camera", 1.0), sent("base", "tip", 2.0)]);
        assert_eq!(latched.take_untold().len(), 2);
        latched.push(vec![sent("base", "camera", 3.0)]);
        assert_eq!(latched.take_untold(), [sent("base", "camera", 3.0)]);
        // when a matcher comes that knows none
        assert!(latched.take_untold().is_empty());
        latched.tell_anew();
        // then it hears the newest of each
        let expected = [sent("base", "tip", 2.0), sent("base", "camera", 3.0)];
        assert_eq!(latched.take_untold(), expected);
    }
}
