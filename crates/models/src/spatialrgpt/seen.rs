//! Pictures that the vision tower has seen: of a camera that stands still, of several questions about one frame, of depth that is
//! measured less often than colour. What it makes of a picture depends on nothing but its pixels.

use tch::Tensor;

use crate::nn::torch::TchResult;

/// So many pictures are remembered: two frames with their depth.
const MOST: usize = 4;

/// Those that were seen last, the last one at the end.
#[derive(Default)]
pub(super) struct Seen(Vec<Picture>);

struct Picture {
    pixels: Vec<f32>,
    /// (N, C)
    features: Tensor,
}

impl Seen {
    /// What is made of pictures, (P, N, C); `look` makes it of those that are new, in their order.
    ///
    /// # Errors
    /// As `look`'s.
    pub(super) fn look(
        &mut self,
        pictures: &[&[f32]],
        look: impl FnOnce(&[&[f32]]) -> TchResult<Tensor>,
    ) -> TchResult<Tensor> {
        let mut new: Vec<&[f32]> = Vec::new();
        let places: Vec<Place> = (pictures.iter())
            .map(|pixels| {
                if let Some(index) = self.0.iter().position(|seen| seen.pixels == *pixels) {
                    return Place::Seen(index);
                }
                Place::New(
                    new.iter()
                        .position(|other| other == pixels)
                        .unwrap_or_else(|| {
                            new.push(pixels);
                            new.len() - 1
                        }),
                )
            })
            .collect();
        let features = match new.is_empty() {
            true => Vec::new(),
            false => {
                let features = look(&new)?; // (new, N, C)
                if new.len() == pictures.len() {
                    self.remember(&new, &features.f_unbind(0)?)?;
                    return Ok(features);
                }
                features.f_unbind(0)?
            }
        };
        let rows = places.iter().map(|place| match place {
            Place::Seen(index) => &self.0[*index].features,
            Place::New(index) => &features[*index],
        });
        let all = Tensor::f_stack(&rows.collect::<Vec<_>>(), 0)?;
        self.remember(&new, &features)?;
        Ok(all)
    }

    fn remember(&mut self, pictures: &[&[f32]], features: &[Tensor]) -> TchResult<()> {
        let first = pictures.len().saturating_sub(MOST);
        for (pixels, features) in pictures.iter().zip(features).skip(first) {
            self.0.push(Picture {
                pixels: pixels.to_vec(),
                // Of its own: the batch that it was made in is let go.
                features: features.f_detach_copy()?,
            });
        }
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
        Ok(())
    }
}

enum Place {
    Seen(usize),
    New(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the first pixel of each, and how many were looked at.
    fn looked(seen: &mut Seen, pictures: &[&[f32]]) -> (Vec<f32>, usize) {
        let mut count = 0;
        let features = seen.look(pictures, |new| {
            count = new.len();
            let doubled: Vec<f32> = new.iter().map(|pixels| 2.0 * pixels[0]).collect();
            Tensor::f_from_slice(&doubled)?.f_reshape([-1, 1, 1])
        });
        let features = features.unwrap().reshape([-1]);
        (Vec::try_from(features).unwrap(), count)
    }

    #[test]
    fn a_picture_is_looked_at_once() {
        let mut seen = Seen::default();
        assert_eq!(looked(&mut seen, &[&[1.0], &[2.0]]), (vec![2.0, 4.0], 2));
        assert_eq!(looked(&mut seen, &[&[2.0], &[1.0]]), (vec![4.0, 2.0], 0));
        assert_eq!(looked(&mut seen, &[&[2.0], &[3.0]]), (vec![4.0, 6.0], 1));
        assert_eq!(looked(&mut seen, &[&[5.0], &[5.0]]), (vec![10.0, 10.0], 1));
    }

    #[test]
    fn what_is_no_number_is_looked_at_anew() {
        let mut seen = Seen::default();
        for _ in 0..2 {
            assert_eq!(looked(&mut seen, &[&[1.0, f32::NAN]]), (vec![2.0], 1));
        }
    }

    #[test]
    fn only_the_last_ones_are_remembered() {
        let mut seen = Seen::default();
        for first in 0..10 {
            looked(&mut seen, &[&[first as f32], &[first as f32 + 0.5]]);
        }
        assert_eq!(seen.0.len(), MOST);
        assert_eq!(looked(&mut seen, &[&[9.5], &[8.0], &[7.5]]).1, 1);
    }
}
