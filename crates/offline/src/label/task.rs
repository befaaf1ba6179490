//! A whole task in a recording: every pair of regions measured as every camera sees it, each as if it were the only one, then
//! all of them joined by their stamps and carried through the task's phases.

mod beside;
mod fold;
mod gripper;
mod measured;
mod readings;
mod views;

pub(crate) use self::fold::Fold;
pub(crate) use self::readings::Readings;
pub(crate) use self::views::Other;
