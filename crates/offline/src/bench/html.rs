//! The benchmark's result as one self-contained HTML file: the paper's table, and the pictures of the worst answers. Loads
//! nothing; all foreign text is escaped.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, RgbImage};

use super::draw::marked_picture;
use super::score::{Scored, Scores, badness, in_words};
use super::table::{SOURCE, Table};
use crate::bench::answers::Answer;
use crate::error::{Error, Result};
use spatial_reward_figures::marks;
use spatial_reward_figures::svg::escaped;

/// The longer side of a shown picture.
const SIDE_PX: u32 = 560;
const JPEG_QUALITY: u8 = 80;
const CONTENT_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Writes the page, with the pictures of the `worst` rows where a folder of pictures is given.
///
/// # Errors
/// `Error::Output` with the path if the file cannot be written.
pub fn write(
    path: &Path,
    table: &Table,
    scores: &Scores,
    images: Option<&Path>,
    worst: usize,
) -> Result<()> {
    let page = page(table, scores, images, worst);
    std::fs::write(path, page).map_err(|error| Error::output(path, error))
}

fn page(table: &Table, scores: &Scores, images: Option<&Path>, worst: usize) -> String {
    let style = include_str!("bench.css");
    let title = escaped(&table.model);
    let mut sections = String::new();
    for (quantitative, heading) in [
        (false, "Success (%)"),
        (true, "Success (%) / relative error, degrees of a direction"),
    ] {
        let _ = write!(
            sections,
            "<h2>{heading}</h2>\n{}",
            half(table, quantitative)
        );
    }
    let left_out = match table.without_truth {
        0 => String::new(),
        count => format!(" {count} rows count nowhere, because their true answer cannot be read."),
    };
    let rows = table.rows;
    let _ = writeln!(
        sections,
        "<p>Answers were read by rule, without a judge, and one that does not read is wrong. Intervals hold 95 of 100 \
         bootstrap resamples. A length is right from 0.75 to 1.25 of the true one, a direction within one hour; errors are \
         over the answers that read.{left_out} Published figures: {SOURCE}, whose answers GPT-4 judged.</p>"
    );
    sections += &worst_rows(scores, images, worst);
    format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"{CONTENT_POLICY}\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title}: SpatialRGPT-Bench</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class=\"subtitle\">SpatialRGPT-Bench, {rows} rows</p>
{sections}</main>
</body>
</html>
"
    )
}

fn half(table: &Table, quantitative: bool) -> String {
    let mut html = "<div class=\"scroll\"><table>\n<thead><tr><th></th>".to_owned();
    for title in Table::titles(quantitative) {
        let _ = write!(html, "<th class=\"number\">{title}</th>");
    }
    html += "</tr></thead>\n<tbody>\n";
    for line in table.lines(quantitative) {
        let class = if line.is_own { " class=\"own\"" } else { "" };
        let _ = write!(html, "<tr{class}><th>{}</th>", escaped(line.name.trim()));
        for cell in &line.cells {
            let _ = write!(html, "<td class=\"number\">{}</td>", escaped(cell));
        }
        html += "</tr>\n";
    }
    html += "</tbody></table></div>\n";
    html
}

fn worst_rows(scores: &Scores, images: Option<&Path>, worst: usize) -> String {
    let mut wrong: Vec<&Scored> = scores.rows.iter().filter(|row| !row.right).collect();
    wrong.sort_by(|one, other| badness(other).total_cmp(&badness(one)));
    wrong.truncate(worst);
    if wrong.is_empty() {
        return String::new();
    }
    let mut html = "<h2>The worst answers</h2>\n<div class=\"rows\">\n".to_owned();
    for row in wrong {
        html += &figure(row, images);
    }
    html += "</div>\n";
    html
}

fn figure(scored: &Scored, images: Option<&Path>) -> String {
    let row = scored.row;
    let picture = match images.map(|images| picture(scored, images)) {
        None => String::new(),
        Some(Ok(data)) => format!("<img alt=\"\" src=\"data:image/jpeg;base64,{data}\">"),
        Some(Err(why)) => format!("<p class=\"bad\">{}</p>", escaped(&why)),
    };
    let said = match &scored.answer {
        Answer::Said(text) => escaped(text),
        Answer::Unanswered(why) => format!("<em>none: {}</em>", escaped(why)),
    };
    let read = match (&scored.read, scored.error) {
        (Ok(read), Some(error)) => format!("{}, off by {error:.2}", in_words(read)),
        (Ok(read), None) => in_words(read),
        (Err(why), _) => format!("nothing: {why}"),
    };
    format!(
        "<figure>{picture}<figcaption><strong>{}</strong> <code>{} {}</code><dl><dt>Answer</dt><dd>{said}</dd>\
         <dt>Read</dt><dd>{}</dd><dt>Truth</dt><dd>{} ({})</dd></dl></figcaption></figure>\n",
        escaped(&row.question_in_words()),
        escaped(&row.category.name),
        escaped(&row.id),
        escaped(&read),
        escaped(&row.truth),
        in_words(&scored.truth),
    )
}

/// The row's picture with its regions, small, as JPEG in base64.
fn picture(scored: &Scored, images: &Path) -> std::result::Result<String, String> {
    let picture = marked_picture(scored.row, images)?;
    let marked =
        marks::marked(&picture.color, &picture.masks).map_err(|error| error.to_string())?;
    let (width, height) = (marked.width, marked.height);
    let rgb = RgbImage::from_raw(width, height, marked.rgb.to_vec());
    let mut rgb = rgb.ok_or_else(|| "a picture without its pixels".to_owned())?;
    let longer = width.max(height);
    if longer > SIDE_PX {
        let side =
            |side: u32| (u64::from(side) * u64::from(SIDE_PX) / u64::from(longer)).max(1) as u32;
        rgb = resize(&rgb, side(width), side(height), FilterType::Triangle);
    }
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    let written = DynamicImage::ImageRgb8(rgb).write_with_encoder(encoder);
    written.map_err(|error| error.to_string())?;
    Ok(STANDARD.encode(bytes))
}
