//! Who measures a distance: the trait that geometry, the model and a scripted stand-in for tests share, and the registry
//! of those that settings can name.

mod interface;
mod profile;
mod registry;
mod scripted;

pub use interface::{Estimator, Order, Origin};
pub use profile::Profile;
pub use registry::{Estimators, Open, OpenDetector, OpenSegmenter, RegionNetworks, Registration};
pub use scripted::Scripted;
