//! What drawing boxes in bags by hand stands on, without a page: a bag held open with its pictures, boxes followed through it
//! at once, and the steps that labelling would write.

mod bag;
mod following;
mod gaps;
mod held;
mod measuring;
mod pictures;

pub use self::bag::{Curve, OpenBag, Regions, are_drawn};
pub use self::gaps::Gap;
pub use self::measuring::Progress;
pub use self::pictures::HeldPictures;
