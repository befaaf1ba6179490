//! Which photos there are, and what each is called in the data set.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// One of the photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its name in the data set, of its own.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Whether a path is a photo, or a folder with photos in it and no recording.
pub fn has_photos(path: &Path) -> bool {
    match path.is_dir() {
        false => is_photo(path),
        true => {
            let mut found = Vec::new();
            walk(path, &mut found).is_ok()
                && !found.is_empty()
                && !path.join("metadata.yaml").is_file()
        }
    }
}

/// A picture by its ending, and not one that lies beside a photo.
fn is_photo(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|it| it.to_string_lossy().to_lowercase());
    let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned());
    let is_picture = ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
    is_picture && stem.is_some_and(|stem| !stem.ends_with(".depth") && !stem.starts_with('.'))
}

/// All photos of the sources, in the order of their sources and then of their paths.
///
/// # Errors
/// `Error::Core` for a folder that cannot be read.
pub(super) fn listed(sources: &[PathBuf]) -> Result<Vec<Listed>> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for source in sources {
        let mut paths = Vec::new();
        match source.is_dir() {
            true => walk(source, &mut paths)?,
            false => paths.push(source.clone()),
        }
        paths.sort();
        for path in paths {
            let base = if source.is_dir() {
                source.as_path()
            } else {
                path.parent().unwrap_or(&path)
            };
            let relative = path.strip_prefix(base).unwrap_or(&path).with_extension("");
            let parts = relative.iter().map(|part| part.to_string_lossy());
            let name = parts.collect::<Vec<_>>().join("_");
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let mut names = std::iter::once(name.clone()).chain(numbered);
            let name = names.find(|name| !taken.contains(name)).unwrap_or(name);
            taken.insert(name.clone());
            all.push(Listed { name, path });
        }
    }
    Ok(all)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || Error::io("read", folder);
    for entry in fs::read_dir(folder).map_err(unreadable())? {
        let entry = entry.map_err(unreadable())?;
        let kind = entry.file_type().map_err(unreadable())?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        match kind.is_dir() {
            _ if is_hidden => {}
            true => walk(&path, found)?,
            false if is_photo(&path) => found.push(path),
            false => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_found_at_any_depth_and_named_once_each() {
        // Given photos in folders, two of one stem, and what lies beside them
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("day")).unwrap();
        for name in [
            "b.JPG",
            "a.png",
            "a.jpg",
            "a.depth.png",
            "a.regions.json",
            "day/a.jpeg",
        ] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        // When they are listed
        let all = listed(&[folder.path().to_owned()]).unwrap();
        // Then each photo has a name of its own, in the order of the paths
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "a-2", "b", "day_a"]);
        assert!(has_photos(folder.path()));
        assert!(!has_photos(&folder.path().join("a.regions.json")));
    }
}
