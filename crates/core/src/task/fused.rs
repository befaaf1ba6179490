//! One distance of what several cameras measured: weighted by inverse variance, but not of cameras that contradict each other.
//! Distances are numbers without a direction, so nobody needs to know where the cameras stand.

use super::reading::{PairReading, Seen};
use crate::frame::{DistanceKind, Reason};

/// Two cameras contradict each other from so many standard deviations of their difference on.
const CONTRADICTION: f64 = 3.0;
/// No camera is surer than this: what all cameras get wrong alike, such as a box's jitter, no number of them makes better.
const LEAST_STD_M: f64 = 1e-4;

/// One camera's distance.
struct One<'a> {
    camera: &'a str,
    distance_m: f64,
    std_m: f64,
}

/// A pair's distance of all cameras that see it.
///
/// # Errors
/// The reason of the first camera where none of them measured it.
pub fn fused(seen: &[&Seen], kind: DistanceKind, most_m: f64) -> Result<PairReading, Reason> {
    let mut reason = None;
    let mut measured = Vec::new();
    let mut unsure = Vec::new();
    for one in seen {
        match one.distance(kind, most_m) {
            Ok((distance_m, Some(std_m))) => measured.push(One {
                camera: &one.camera,
                distance_m,
                std_m: std_m.max(LEAST_STD_M),
            }),
            Ok((distance_m, None)) => unsure.push((one.camera.as_str(), distance_m)),
            Err(why) => {
                reason.get_or_insert(why);
            }
        }
    }
    if measured.is_empty() {
        // Of cameras that do not say how sure they are the first is taken: a mean would hide a contradiction.
        let (camera, distance_m) = unsure.first().ok_or(reason.unwrap_or(Reason::NoImage))?;
        return Ok(PairReading {
            distance_m: *distance_m,
            std_m: None,
            cameras: vec![(*camera).to_owned()],
            disagreeing: Vec::new(),
        });
    }
    Ok(agreed(measured, kind))
}

/// The mean by inverse variance of those that agree: as long as one contradicts what the others say together, the one that
/// does so most is left out. Of two, that is the one that sees the surfaces further apart, for what is hidden can only widen a
/// gap; of other distances the less sure one.
fn agreed(mut measured: Vec<One<'_>>, kind: DistanceKind) -> PairReading {
    let mut disagreeing = Vec::new();
    while measured.len() > 1 {
        let contradictions: Vec<f64> = (0..measured.len())
            .map(|at| contradiction(&measured, at))
            .collect();
        let most = contradictions.iter().copied().fold(0.0, f64::max);
        if most <= CONTRADICTION {
            break;
        }
        // Both of two contradict each other alike.
        let is_worse = |own: &usize, other: &usize| {
            let doubt = |one: &One<'_>| match kind {
                DistanceKind::Surface => one.distance_m,
                DistanceKind::Center | DistanceKind::Cloud => one.std_m,
            };
            // Their contradictions are equal but for rounding, which must not decide.
            let contradiction = |at: &usize| contradictions.get(*at).filter(|_| measured.len() > 2);
            let of = |at: &usize| (contradiction(at), measured.get(*at).map(doubt));
            of(own)
                .partial_cmp(&of(other))
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        let Some(worst) = (0..measured.len()).max_by(is_worse) else {
            break;
        };
        disagreeing.push(measured.remove(worst).camera.to_owned());
    }
    let (distance_m, std_m) = mean(measured.iter());
    PairReading {
        distance_m,
        std_m: Some(std_m),
        cameras: measured.iter().map(|one| one.camera.to_owned()).collect(),
        disagreeing,
    }
}

/// By how many standard deviations one differs from what the others say together.
fn contradiction(measured: &[One<'_>], at: usize) -> f64 {
    let others = measured
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at);
    let (others_m, others_std_m) = mean(others.map(|(_, one)| one));
    measured.get(at).map_or(0.0, |one| {
        (one.distance_m - others_m).abs() / one.std_m.hypot(others_std_m)
    })
}

fn mean<'a>(measured: impl Iterator<Item = &'a One<'a>>) -> (f64, f64) {
    let (mut sum, mut weights) = (0.0, 0.0);
    for one in measured {
        let weight = one.std_m.powi(-2);
        sum += weight * one.distance_m;
        weights += weight;
    }
    (sum / weights, weights.powf(-0.5))
}
