//! The door to the vision-language model that measures without depth (feature `torch`).

#[cfg(feature = "torch")]
pub mod hub;
#[cfg(feature = "torch")]
pub mod weights;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::estimator::Estimator;

/// The model as an estimator.
///
/// # Errors
/// `Error::NotInThisBuild`: this version has the door but not yet the model behind it.
pub fn estimator(_config: &Config) -> Result<Box<dyn Estimator>> {
    Err(Error::NotInThisBuild {
        what: "the spatialrgpt estimator",
        remedy: if cfg!(feature = "torch") {
            "the feature `torch` is on, but this version does not have the model yet. Use --estimator \
             geometry with a bag that has depth, or a later version"
        } else {
            "this version does not have the model yet; a version that has it needs to be built with \
             --features torch. Use --estimator geometry with a bag that has depth"
        },
    })
}
