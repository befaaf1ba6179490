//! Which colours an object has and its surroundings have not: two histograms.

use super::window::Cell;

/// Bins a channel.
const BINS: usize = 14;
/// So many cells of either kind are taken to have been seen of each colour, as a share of all.
const PRIOR: f32 = 0.003;

/// Shares of colours among the object's cells and among those around it.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    object: Vec<f32>,
    around: Vec<f32>,
    likeness: Vec<f32>,
}

impl Palette {
    /// From cells and how surely each is the object's, 0 to 1.
    pub(super) fn of(cells: impl Iterator<Item = (Cell, f32)>) -> Self {
        let mut palette = Self {
            object: vec![0.0; BINS * BINS * BINS],
            around: vec![0.0; BINS * BINS * BINS],
            likeness: vec![0.5; BINS * BINS * BINS],
        };
        for (cell, share) in cells {
            for (bin, weight) in bins(cell.color) {
                palette.object[bin] += weight * share;
                palette.around[bin] += weight * (1.0 - share);
            }
        }
        for counts in [&mut palette.object, &mut palette.around] {
            let sum = counts.iter().sum::<f32>().max(1e-6);
            counts.iter_mut().for_each(|count| *count /= sum);
        }
        palette.weigh();
        palette
    }

    fn weigh(&mut self) {
        let shares = self.object.iter().zip(&self.around);
        for (likeness, (object, around)) in self.likeness.iter_mut().zip(shares) {
            *likeness = (object + PRIOR) / (object + around + 2.0 * PRIOR);
        }
    }

    /// How likely a colour is the object's, 0 to 1, if either is as likely beforehand; 0 beyond the picture.
    pub(super) fn likeness(&self, color: [f32; 3]) -> f32 {
        if color[0].is_nan() {
            return 0.0;
        }
        let [x, y, z] = places(color).map(|place| (place + 0.5) as usize);
        self.likeness[(x * BINS + y) * BINS + z]
    }
}

/// Where a colour lies among the bins, 0 to `BINS - 1` each way.
fn places(color: [f32; 3]) -> [f32; 3] {
    let spans = [color[0], color[1] * 0.75 + 0.5, color[2] * 0.75 + 0.5];
    spans.map(|value| value.clamp(0.0, 1.0) * (BINS - 1) as f32)
}

/// The eight bins around a colour and how near it is to each; none of what has no colour.
fn bins(color: [f32; 3]) -> impl Iterator<Item = (usize, f32)> {
    let corners = if color[0].is_nan() { 0 } else { 8 };
    let places = places(color);
    let low = places.map(|place| (place as usize).min(BINS - 2));
    let rest = [0, 1, 2].map(|k| places[k] - low[k] as f32);
    (0..corners).map(move |corner| {
        let (mut bin, mut weight) = (0, 1.0);
        for k in 0..3 {
            let up = (corner >> k) & 1;
            bin = bin * BINS + low[k] + up;
            weight *= if up == 1 { rest[k] } else { 1.0 - rest[k] };
        }
        (bin, weight)
    })
}
