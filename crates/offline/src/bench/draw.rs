//! The rows' pictures: found in the folder, decoded, their regions in the picture's own size; and drawn with numbered marks,
//! for models that take no regions.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::row::Row;
use crate::error::{Error, Result};
use spatial_reward_core::imaging::{self, Mask};
use spatial_reward_core::question::MarkedPicture;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_figures::marks;

/// The questions beside the pictures that are drawn.
const QUESTIONS: &str = "questions.jsonl";

/// Where a row's picture is: by its path below the folder, or by its name alone in it, as copies of a data set have it.
/// `None` where it is in neither place.
pub fn find(row: &Row, folder: &Path) -> Option<PathBuf> {
    let relative = Path::new(&row.picture);
    let named = relative.file_name().map(|name| folder.join(name));
    let below = folder.join(relative);
    [Some(below), named]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
}

/// A row's picture with its regions. The error says why there is none, in words.
///
/// # Errors
/// A picture that is not there or does not decode, masks that do not.
pub fn marked_picture(row: &Row, folder: &Path) -> std::result::Result<MarkedPicture, String> {
    let path = find(row, folder);
    let path = path.ok_or_else(|| format!("no picture {}", row.picture))?;
    let color = imaging::open_color(&path).map_err(|error| error.to_string())?;
    let size = (color.width, color.height);
    let fitted = |mask: Mask| match (mask.width, mask.height) == size {
        true => Ok(mask),
        false => mask
            .resize_nearest(size.0, size.1)
            .map_err(|error| error.to_string()),
    };
    let masks = row.masks()?.into_iter().map(fitted);
    Ok(MarkedPicture {
        masks: masks.collect::<std::result::Result<_, _>>()?,
        color,
        depth: None,
    })
}

/// A line of the questions beside the drawn pictures.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    id: &'a str,
    category: &'a str,
    image: String,
    question: String,
}

/// Whether a folder is free to be drawn into, or may be replaced because nothing but such drawings is in it.
///
/// # Errors
/// `Error::OutputExists` or `Error::Core` if not.
pub fn check_target(folder: &Path, overwrite: bool) -> Result<()> {
    let refuse = |why: String| Err(Error::output_refused(folder, why));
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return refuse("it is no folder".to_owned());
    };
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let is_drawn = names.iter().any(|name| name == QUESTIONS);
    let foreign = names.iter().find(|name| !is_drawn || !is_of_drawing(name));
    match foreign {
        Some(name) => refuse(format!(
            "it holds what was not drawn here ({name}), so it is never replaced: name another folder"
        )),
        None if is_drawn && !overwrite => Err(Error::OutputExists {
            path: folder.into(),
            can_resume: false,
        }),
        None => Ok(()),
    }
}

/// `0000.jpg` or the questions.
fn is_of_drawing(name: &str) -> bool {
    let number = name.strip_suffix(".jpg").unwrap_or_default();
    let is_picture = number.len() >= 4 && number.chars().all(|c| c.is_ascii_digit());
    name == QUESTIONS || is_picture
}

/// Draws the rows' pictures into a folder, `questions.jsonl` beside them: id, category, image and question, in which
/// `Region [N]` is the region with the number N. The folder is whole or not there, and replaces what [`check_target`] lets it.
/// Gives the rows that were left out, with the reason.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn draw<'a>(
    rows: &'a [Row],
    images: &Path,
    output: &Path,
    on_row: &mut dyn FnMut(),
) -> Result<Vec<(&'a Row, String)>> {
    let folder = WholeFolder::create(output)?;
    let mut left_out = Vec::new();
    let mut lines = String::new();
    for (number, row) in rows.iter().enumerate() {
        let picture = marked_picture(row, images).and_then(|picture| {
            marks::jpeg(&picture.color, &picture.masks).map_err(|error| error.to_string())
        });
        match picture {
            Err(why) => left_out.push((row, why)),
            Ok(bytes) => {
                let name = format!("{number:04}.jpg");
                let path = folder.path().join(&name);
                fs::write(&path, bytes).map_err(Error::io("write", path))?;
                let asked = Asked {
                    id: &row.id,
                    category: &row.category.name,
                    image: name,
                    question: row.question_in_words(),
                };
                let line = serde_json::to_string(&asked);
                lines += &line.map_err(|error| Error::output(output, error))?;
                lines.push('\n');
            }
        }
        on_row();
    }
    let path = folder.path().join(QUESTIONS);
    fs::write(&path, lines).map_err(Error::io("write", path))?;
    folder.finish()?;
    Ok(left_out)
}
