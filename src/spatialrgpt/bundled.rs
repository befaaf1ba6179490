//! Where the model that comes with this program lies: `models/nano` of the ROS 2 package that it was
//! installed with, or of the checkout that it was built in.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const NAME: &str = "models/nano";

/// Its folder.
///
/// # Errors
/// `Error::NoModel` with the places where it was looked for.
pub fn folder() -> Result<PathBuf> {
    let places = places(std::env::current_exe().ok().as_deref());
    let found = places
        .iter()
        .find(|place| place.join("config.json").is_file());
    found.cloned().ok_or_else(|| {
        let looked = places.iter().map(|place| place.display().to_string());
        Error::NoModel {
            looked: looked.collect::<Vec<_>>().join(" or "),
        }
    })
}

/// A ROS 2 package has its programs in `lib/PACKAGE` and all else in `share/PACKAGE`.
fn places(program: Option<&Path>) -> Vec<PathBuf> {
    let prefix = program.and_then(|program| program.ancestors().nth(3));
    let installed = prefix.map(|prefix| prefix.join("share/spatial_reward").join(NAME));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(NAME);
    installed.into_iter().chain([built]).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::places;

    #[test]
    fn an_installed_program_looks_in_its_package_first() {
        let places = places(Some(Path::new(
            "/ws/install/lib/spatial_reward/spatial-reward",
        )));
        assert_eq!(
            places[0],
            Path::new("/ws/install/share/spatial_reward/models/nano")
        );
        assert_eq!(places.len(), 2);
    }
}
