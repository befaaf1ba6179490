//! A whole task: what several regions have to do with each other, as far as several cameras see it, and the phases that
//! follow from it, with a reward that keeps the best policy the best one.
//!
//! In four steps: each pair's measurements by several cameras become one (`fused`); quantities follow from them, some of them
//! against how things stood when the episode began (`observed`), hidden things are taken to stay (`whereabouts`), and what leans is a
//! cylinder that does (`leaning`); conditions hold or not, with uncertainty, hysteresis and hold
//! times (`condition`); and the machine goes from phase to phase, with a potential for where it is (`machine`). `TaskRewarder`
//! carries all of that through steps, and `Beside` finds what belongs to a step.

mod beside;
mod condition;
mod cylinder;
mod fused;
mod leaning;
mod machine;
#[cfg(test)]
mod mdp_tests;
mod observed;
mod reading;
mod rewarder;
mod step;
#[cfg(test)]
mod tests;
mod whereabouts;

pub use beside::{Beside, When};
pub use fused::fused;
pub use machine::{Machine, Outcome};
pub use observed::{Observed, Observer};
pub use reading::{PairReading, Seen, Value};
pub use rewarder::TaskRewarder;
pub use step::{PairStep, QuantityStep, TaskStep};
