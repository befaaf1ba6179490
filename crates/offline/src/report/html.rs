//! The report as one self-contained HTML file, light and dark: summary, the picture with a pointer that
//! names steps, reasons, metrics, provenance, how to read it. Loads nothing; all foreign text is escaped.

mod hover;
mod hover_task;
mod tables;

pub(crate) use tables::meaning;

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};

use super::chart::{self, Drawing, Tile};
use super::contents::Report;
use super::summary::Summary;
use crate::error::{Error, Result};
use spatial_reward_figures::style;
use spatial_reward_figures::svg::{escaped, number};

const JPEG_QUALITY: u8 = 82;
/// Pixels of a film strip frame for each unit of the picture, for sharp screens.
const PIXELS_PER_UNIT: f64 = 2.0;

/// Nothing may be fetched from anywhere; styles, script and pictures are inside the file.
const CONTENT_POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Write the report as HTML. `files` are the names of what lies beside it.
///
/// # Errors
/// `Error::Output` with the path if the file cannot be written.
pub fn write(path: &Path, report: &Report, files: &[&str]) -> Result<()> {
    let failed = |message: String| Error::output(path, message);
    let page = page(report, files).map_err(failed)?;
    std::fs::write(path, page).map_err(|error| failed(error.to_string()))
}

/// The page. The error says which frame's picture could not be encoded.
fn page(report: &Report, files: &[&str]) -> std::result::Result<String, String> {
    let summary = Summary::new(report.steps);
    let drawing = chart::draw(report, false);
    let picture = inline_svg(&drawing, &summary)?;
    let title = escaped(&report.provenance.source_bag);
    let subtitle = escaped(&format!(
        "{} distance · {} reward · measured by {}",
        report.provenance.distance_kind, report.provenance.reward_kind, report.provenance.estimator
    ));
    let sections = [
        tables::cards(&summary),
        format!("<h2>Distance and reward over time</h2>\n<div class=\"picture\">{picture}</div>"),
        tables::reasons(&summary),
        tables::metrics(report.metrics),
        tables::reading(report),
        tables::provenance(report, files),
    ]
    .concat();
    let style = include_str!("html/report.css");
    let (light, dark) = (style::LIGHT.rules(), style::DARK.rules());
    let script = include_str!("html/report.js");
    let steps = hover::json(report, &drawing);
    let of_task = hover_task::scripts(report);
    Ok(format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"{CONTENT_POLICY}\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title}: spatial reward</title>
<style>
{style}{light}@media (prefers-color-scheme: dark) {{
{dark}}}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class=\"subtitle\">{subtitle}</p>
{sections}</main>
<div id=\"tip\" hidden></div>
<script type=\"application/json\" id=\"steps\">{steps}</script>
<script>
{script}</script>
{of_task}</body>
</html>
"
    ))
}

/// The picture as an inline `<svg>`, the frames' pixels beneath it as data URIs.
fn inline_svg(drawing: &Drawing, summary: &Summary) -> std::result::Result<String, String> {
    let (width, height) = (number(chart::WIDTH), number(drawing.height));
    let label = escaped(&format!(
        "Film strip, distance and reward over time: {}",
        summary.sentence()
    ));
    let mut svg = format!(
        "<svg id=\"picture\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{label}\">\n"
    );
    for tile in &drawing.tiles {
        let rect = tile.rect;
        let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(number);
        let data = STANDARD.encode(jpeg(tile)?);
        let _ = writeln!(
            svg,
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,{data}\"/>"
        );
    }
    let [top, bottom] = [drawing.distance.y, drawing.curves_bottom].map(number);
    let _ = write!(
        svg,
        "{}<line id=\"cursor\" class=\"cursor\" visibility=\"hidden\" y1=\"{top}\" y2=\"{bottom}\"/>\n</svg>",
        drawing.body
    );
    Ok(svg)
}

fn jpeg(tile: &Tile) -> std::result::Result<Vec<u8>, String> {
    let kept = &tile.frame.image;
    let shown = (tile.rect.width * PIXELS_PER_UNIT).round() as u32;
    let mut bytes = vec![];
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    let encoded = if shown < kept.width() {
        let height = (tile.rect.height * PIXELS_PER_UNIT).round().max(1.0) as u32;
        encoder.encode_image(&resize(kept, shown.max(1), height, FilterType::Triangle))
    } else {
        encoder.encode_image(kept)
    };
    let step = tile.frame.step_index;
    encoded.map_err(|error| format!("the frame of step {step} does not go into JPEG: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::film_strip::{FilmStrip, StripFrame};
    use crate::report::fixtures;
    use crate::report::metrics::{Metrics, Sample};
    use crate::report::provenance::Provenance;
    use spatial_reward_core::calibration::Calibration;
    use spatial_reward_core::frame::{ColorImage, Reason};
    use spatial_reward_core::settings::Settings;
    use spatial_reward_core::step::Step;

    fn frames(steps: &[Step], count: u32) -> Vec<StripFrame> {
        let color = ColorImage {
            width: 640,
            height: 480,
            rgb: (0..640 * 480 * 3)
                .map(|i| (i % 251) as u8)
                .collect::<Vec<_>>()
                .into(),
        };
        let mut strip = FilmStrip::new(count, Some(steps.len() as u64));
        let plan = strip.plan();
        for step in steps.iter().filter(|step| plan.wants(step.index)) {
            strip.push(plan.shrink(step.index, &color).unwrap());
        }
        strip.finish()
    }

    fn page_of(steps: &[Step], provenance: &Provenance, metrics: Option<&Metrics>) -> String {
        let settings = Settings::geometry();
        let report = Report {
            frames: &frames(steps, 8),
            metrics,
            command: "spatial-reward label bag",
            ..fixtures::report(steps, &settings, provenance)
        };
        page(&report, &["x_reward.parquet"]).unwrap()
    }

    #[test]
    fn is_deterministic_and_loads_nothing() {
        let steps = fixtures::approach(20);
        let provenance = fixtures::provenance(&Settings::geometry());
        let page = page_of(&steps, &provenance, None);
        assert_eq!(page, page_of(&steps, &provenance, None));
        // The one address is the name of SVG's namespace, which nobody fetches.
        let addresses = page.matches("://").count();
        assert_eq!(
            addresses,
            page.matches("http://www.w3.org/2000/svg").count()
        );
        for attribute in ["src=", "url(", "@import", "<link"] {
            assert!(!page.contains(attribute), "{attribute}");
        }
        assert_eq!(page.matches("<image ").count(), 8);
    }

    #[test]
    fn intervals_of_a_model_that_nobody_calibrated_are_said_to_be_that() {
        let mut steps = fixtures::approach(20);
        let mut provenance = fixtures::provenance(&Settings::geometry());
        let words = "not calibrated";
        for step in &mut steps {
            step.distance_std_m = f64::NAN;
        }
        provenance.model_digest = "abc".into();
        assert!(!page_of(&steps, &provenance, None).contains(words));
        for step in &mut steps {
            step.distance_std_m = 0.01;
        }
        assert!(page_of(&steps, &provenance, None).contains(words));
        // and neither those of a calibrated one nor geometry's
        provenance.model_calibration = Some(Calibration {
            scale: 1.0,
            floor_m: 0.01,
        });
        assert!(!page_of(&steps, &provenance, None).contains(words));
        let geometry = fixtures::provenance(&Settings::geometry());
        assert!(!page_of(&steps, &geometry, None).contains(words));
    }

    #[test]
    fn hostile_text_stays_text() {
        let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
        let settings = Settings::geometry();
        let mut provenance = fixtures::provenance(&settings);
        provenance.source_bag = evil.into();
        provenance.prompt = evil.into();
        provenance.config_yaml = evil.into();
        provenance.topics.insert(evil.into(), evil.into());
        let mut steps = fixtures::approach(3);
        steps[1].answer = evil.into();
        let page = page_of(&steps, &provenance, None);
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("<img"));
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert!(
            page.contains("\\u003c/script>"),
            "the answer is still there"
        );
    }

    #[test]
    fn names_reasons_metrics_and_provenance() {
        let mut steps = fixtures::approach(10);
        steps[4] = fixtures::invalid(4, Reason::StaleBox);
        let provenance = fixtures::provenance(&Settings::geometry());
        let samples = Sample::of_steps(&steps, &[Some(0.2); 10]);
        let kind = spatial_reward_core::frame::DistanceKind::Surface;
        let metrics = Metrics::new(kind, &samples, None, &[], None);
        let page = page_of(&steps, &provenance, Some(&metrics));
        for expected in [
            "<code>stale_box</code>",
            "mean absolute error",
            "constant baseline",
            &provenance.config_digest,
            "/camera/color/image_raw",
            "x_reward.parquet",
            "spatial-reward label bag",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        let without = page_of(&steps, &provenance, None);
        assert!(!without.contains("mean absolute error"));
    }

    #[test]
    fn long_recordings_stay_below_two_megabytes() {
        let mut steps = fixtures::approach(100_000);
        for index in (0..steps.len()).step_by(3) {
            let reason = Reason::ALL[index % Reason::ALL.len()];
            steps[index] = fixtures::invalid(index as u64, reason);
        }
        let provenance = fixtures::provenance(&Settings::geometry());
        let size = page_of(&steps, &provenance, None).len();
        assert!(size < 2_000_000, "{size} bytes");
    }

    #[test]
    fn no_step_and_no_valid_step_are_said() {
        let provenance = fixtures::provenance(&Settings::geometry());
        assert!(page_of(&[], &provenance, None).contains("no step"));
        let steps: Vec<Step> = (0..3)
            .map(|index| fixtures::invalid(index, Reason::NoDepth))
            .collect();
        assert!(page_of(&steps, &provenance, None).contains("no valid step"));
    }
}
