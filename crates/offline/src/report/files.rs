//! Writes a report's three files.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use super::contents::Report;
use super::{html, parquet, plot};
use crate::error::Result;

/// Where a report was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The table for learners.
    pub parquet: PathBuf,
    /// The picture.
    pub png: PathBuf,
    /// The page.
    pub html: PathBuf,
}

/// Write `<name>_reward.parquet`, `.png` and `.html` into the folder `dir`.
///
/// # Errors
/// `Error::Output` with the path of the file that cannot be written.
pub fn write_all(dir: &Path, name: &str, report: &Report) -> Result<Files> {
    let [parquet, png, html] =
        ["parquet", "png", "html"].map(|extension| format!("{name}_reward.{extension}"));
    let files = Files {
        parquet: dir.join(&parquet),
        png: dir.join(&png),
        html: dir.join(&html),
    };
    let options = parquet::TableOptions {
        alignment: report.settings.reward.alignment,
        bridged: report.settings.tracker.enabled,
        tf_m: {
            let regions = &report.settings.regions;
            regions.fingertip.frame.is_some() && regions.target.frame.is_some()
        },
    };
    // The picture and the page are drawn apart, and each takes about as long as many frames.
    let drawn = thread::scope(|scope| {
        let plot = scope.spawn(|| plot::write(&files.png, report));
        let page = html::write(&files.html, report, &[&parquet, &png, &html]);
        let table = parquet::write(&files.parquet, report.steps, report.provenance, options);
        let plot = plot.join().unwrap_or_else(|panic| resume_unwind(panic));
        table.and(plot).and(page)
    });
    drawn.map(|()| files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;
    use spatial_reward_core::settings::Settings;

    #[test]
    fn writes_three_files_named_after_the_labelling() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::geometry();
        let provenance = fixtures::provenance(&settings);
        let steps = fixtures::approach(5);
        let report = fixtures::report(&steps, &settings, &provenance);
        let files = write_all(folder.path(), "pick", &report).unwrap();
        for (path, name) in [
            (&files.parquet, "pick_reward.parquet"),
            (&files.png, "pick_reward.png"),
            (&files.html, "pick_reward.html"),
        ] {
            assert_eq!(path, &folder.path().join(name));
            assert!(path.metadata().unwrap().len() > 0);
        }
        let error = write_all(&folder.path().join("gone"), "pick", &report).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
