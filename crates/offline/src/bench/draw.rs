//! The rows' pictures: found in the folder, decoded, their regions in the picture's own size; and drawn with numbered marks,
//! for models that take no regions.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::row::Row;
use crate::error::{Error, Result};
use spatial_reward_core::imaging::{self, Mask};
use spatial_reward_core::question::MarkedPicture;
use spatial_reward_figures::marks;

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

/// Draws the rows' pictures into a folder, `questions.jsonl` beside them: id, category, image and question, in which
/// `Region [N]` is the region with the number N. Gives the rows that were left out, with the reason.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn draw<'a>(
    rows: &'a [Row],
    images: &Path,
    output: &Path,
    on_row: &mut dyn FnMut(),
) -> Result<Vec<(&'a Row, String)>> {
    fs::create_dir_all(output).map_err(Error::io("create", output))?;
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
                let path = output.join(&name);
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
    let path = output.join("questions.jsonl");
    fs::write(&path, lines).map_err(Error::io("write", path))?;
    Ok(left_out)
}
