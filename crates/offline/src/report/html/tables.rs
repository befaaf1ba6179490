//! The page's sections around the picture: cards, reasons, metrics, how to read it, provenance.

use std::fmt::Write;

use crate::report::contents::Report;
use crate::report::metrics::Metrics;
use crate::report::summary::Summary;
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_core::settings::{self, RewardKind};
use spatial_reward_figures::style;
use spatial_reward_figures::style::State;
use spatial_reward_figures::svg::escaped;

/// The figures that matter most.
pub(crate) fn cards(summary: &Summary) -> String {
    let metres = |value: Option<f64>| match value {
        Some(value) => format!("{value:.3} <small>m</small>"),
        None => "n/a".to_owned(),
    };
    let valid = match summary.valid_percent() {
        Some(percent) => format!("{percent:.1} <small>% of {}</small>", summary.steps),
        None => "no step".to_owned(),
    };
    let success = match (summary.success_s, summary.episodes) {
        (None, _) => "<span class=\"bad\">no</span>".to_owned(),
        (Some(time), 0 | 1) => {
            format!("<span class=\"good\">yes</span> <small>at {time:.2} s</small>")
        }
        (Some(_), episodes) => {
            let successful = summary.successful_episodes;
            format!("{successful} <small>of {episodes} episodes</small>")
        }
    };
    let mut cards = vec![
        ("Valid steps", valid),
        ("Success", success),
        ("First distance", metres(summary.first_m)),
        ("Last distance", metres(summary.last_m)),
        ("Least distance", metres(summary.min_m)),
        (
            "Duration",
            format!("{:.2} <small>s</small>", summary.duration_s),
        ),
    ];
    if summary.episodes > 1 {
        cards.push(("Episodes", summary.episodes.to_string()));
    }
    if summary.bridged > 0 {
        let bridged = format!("{} <small>steps</small>", summary.bridged);
        cards.push(("Bridged by the tracker", bridged));
    }
    let cards: String = cards
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"))
        .collect();
    format!("<dl class=\"cards\">\n{cards}</dl>\n")
}

/// Why steps are not valid, the most frequent first.
pub(crate) fn reasons(summary: &Summary) -> String {
    if summary.reasons.is_empty() {
        return String::new();
    }
    let mut reasons: Vec<(Reason, usize)> = summary.reasons.clone().into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let mut table = "<h2>Steps that are not valid</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Reason</th>\
         <th class=\"number\">Steps</th><th class=\"number\">Share</th><th>Meaning</th></tr></thead>\n"
        .to_owned();
    for (reason, count) in reasons {
        let share = 100.0 * count as f64 / summary.steps as f64;
        let swatch = swatch(&style::class(State::Invalid(reason)));
        let (name, meaning) = (reason.name(), meaning(reason));
        let _ = writeln!(
            table,
            "<tr><td>{swatch}<code>{name}</code></td><td class=\"number\">{count}</td>\
             <td class=\"number\">{share:.1} %</td><td>{meaning}</td></tr>"
        );
    }
    table.push_str("</table></div>\n");
    table
}

fn swatch(class: &str) -> String {
    format!(
        "<svg class=\"swatch\" viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"1\" height=\"1\"/></svg>"
    )
}

pub(crate) fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::NoImage => "The camera image is missing or does not decode.",
        Reason::NoFingertipBox => "No box of the fingertip within the matching tolerance.",
        Reason::NoTargetBox => "No box of the target within the matching tolerance.",
        Reason::StaleBox => "The newest box is older than matching.box_max_age_s.",
        Reason::BoxOutsideImage => "A box has no area inside the image.",
        Reason::NoDepth => "No depth image within the matching tolerance.",
        Reason::DepthInvalid => "Too few usable depth pixels in a box.",
        Reason::UnparsedAnswer => "The model's answer holds no distance.",
        Reason::ImplausibleDistance => "The distance is above estimator.max_distance_m.",
        Reason::ModelError => "The model failed on this frame.",
        Reason::Late => "The frame's inputs came too late.",
        Reason::WildStamp => {
            "The image's stamp lies far from its neighbours and from the log times."
        }
        Reason::Uncertain => "The distance's standard deviation is above reward.max_std_m.",
        Reason::NoTransform => {
            "No chain of transforms leads from a region's TF frame to the camera at that time."
        }
        Reason::Occluded => "Something stands before the place where a region's TF frame is.",
        Reason::LostBox => {
            "A drawn region is lost: hidden, out of view, or no longer to be told from something else."
        }
    }
}

/// The metrics beside their baselines, if the labelling was evaluated.
pub(crate) fn metrics(metrics: Option<&Metrics>) -> String {
    let Some(metrics) = metrics else {
        return String::new();
    };
    let columns = metrics.columns();
    let mut table =
        "<h2>Against the truth</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Figure</th><th>Unit</th>".to_owned();
    for (name, _) in &columns {
        let _ = write!(table, "<th class=\"number\">{name}</th>");
    }
    table.push_str("</tr></thead>\n");
    let rows: Vec<_> = columns
        .iter()
        .map(|(_, figures)| metrics.rows(figures))
        .collect();
    for (row, (name, unit, _)) in metrics.rows(&metrics.annotator).iter().enumerate() {
        let _ = write!(table, "<tr><td>{name}</td><td>{unit}</td>");
        for (_, _, value) in rows.iter().filter_map(|column| column.get(row)) {
            let _ = write!(table, "<td class=\"number\">{value}</td>");
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</table></div>\n");
    table.push_str(
        "<p>The constant baseline answers the median of the truth at every step; n/a is a figure that \
         the data does not define.</p>\n",
    );
    table
}

/// What the numbers mean.
pub(crate) fn reading(report: &Report) -> String {
    let kind = match report.settings.distance() {
        DistanceKind::Center => {
            "<b>center</b>: between the 3-D centres of the two objects, their hidden halves accounted for"
        }
        DistanceKind::Surface => {
            "<b>surface</b>: the robust smallest gap between the two objects' surfaces, 0 at contact"
        }
        DistanceKind::Cloud => {
            "<b>cloud</b>: the mean of the nearest-neighbour distances of both point clouds, both ways"
        }
    };
    let (success, thresholds) = (&report.settings.success, report.settings.thresholds());
    let votes = success.votes.map_or(String::new(), |votes| {
        let settings::Votes { needed, of } = votes;
        format!(" by the vote of {needed} of the last {of} valid steps")
    });
    let ends = match report.settings.reward.kind {
        RewardKind::Task => "<li>Success and failure are phases: the conditions that lead to them are under task in the \
                             settings below. The bands behind the curves are phases.</li>\n"
            .to_owned(),
        _ => format!(
            "<li>Success: the distance stays at or below {enter} m for {hold} s{votes}, and is lost above {exit} m.</li>\n",
            enter = thresholds.enter_m,
            exit = thresholds.exit_m,
            hold = success.hold_s,
        ),
    };
    let has_intervals = (report.steps.iter()).any(|step| step.interval_90().is_some());
    let band = "<li>The band around the measured distance is its 90 % interval: 1.645 standard deviations each way, cut at \
                0.";
    let intervals = match (has_intervals, report.provenance.is_calibrated()) {
        (true, true) => format!("{band}</li>\n"),
        (true, false) => format!(
            "{band} <b>This model is not calibrated</b>: it may hold the truth in far fewer steps than 9 of 10, or \
             in more.</li>\n"
        ),
        (false, _) => String::new(),
    };
    format!(
        "<h2>How to read it</h2>\n<ul>\n\
         <li>Distances are in metres and of the kind {kind}. Never compare distances of different kinds.</li>\n\
         <li>Times are seconds since the first frame, by the stamp in the camera's message header.</li>\n\
         <li>A step that is not valid has no distance and no reward: NaN in the table, never 0. It is shaded \
         in the colour of its reason, and it moves neither filters nor success.</li>\n\
{intervals}\
{ends}\
         <li>A dashed box and a hollow dot: the tracker bridged a frame without a detection.</li>\n</ul>\n",
    )
}

/// Where the numbers come from.
pub(crate) fn provenance(report: &Report, files: &[&str]) -> String {
    let provenance = report.provenance;
    let parameters: Vec<String> = provenance
        .reward_parameters
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let mut rows = vec![
        (
            "Program",
            format!("spatial_reward {}", provenance.crate_version),
        ),
        ("Command", report.command.to_owned()),
        ("Source bag", provenance.source_bag.clone()),
        ("Estimator", provenance.estimator.clone()),
        ("Model digest", provenance.model_digest.clone()),
        ("Prompt", provenance.prompt.clone()),
        ("Distance", provenance.distance_kind.clone()),
        ("Reward", provenance.reward_kind.clone()),
        ("Reward parameters", parameters.join(", ")),
        (
            "Alignment of the table's rows",
            provenance.alignment.clone(),
        ),
        ("Config digest", provenance.config_digest.clone()),
    ];
    let topics = provenance.topics.iter();
    let topics: Vec<String> = topics
        .map(|(role, topic)| format!("{role}: {topic}"))
        .collect();
    rows.extend(topics.into_iter().map(|topic| ("Topic", topic)));
    rows.extend(files.iter().map(|name| ("File", (*name).to_owned())));
    rows.retain(|(_, value)| !value.is_empty());
    let rows: String = rows
        .iter()
        .map(|(name, value)| {
            let value = escaped(value);
            format!("<tr><th>{name}</th><td><code>{value}</code></td></tr>\n")
        })
        .collect();
    let settings = escaped(&provenance.config_yaml);
    format!(
        "<h2>Provenance</h2>\n<div class=\"scroll\"><table>\n{rows}</table></div>\n\
         <details><summary>Settings in force</summary>\n<pre>{settings}</pre></details>\n"
    )
}
