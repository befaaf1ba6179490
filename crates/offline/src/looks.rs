//! The decoded pictures of a bag: as many are kept as there is room for, so that nobody who comes back to one decodes it
//! again.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spatial_reward_core::pipeline::Look;

/// Where the system does not say how much memory is free.
const USUAL_BUDGET: usize = 1 << 30;

/// By the frame's place; several threads may look at the same time.
#[derive(Debug)]
pub(crate) struct Looks {
    looks: Vec<Mutex<Looked>>,
    /// Bytes that decoded pictures may still take.
    left: AtomicUsize,
}

/// What became of the attempt to decode a picture.
#[derive(Debug, Default)]
enum Looked {
    #[default]
    NotYet,
    Broken,
    At(Arc<Look>),
}

impl Looks {
    /// None yet of so many frames, for which there are so many bytes.
    pub(crate) fn new(frames: usize, budget: usize) -> Self {
        Self {
            looks: (0..frames).map(|_| Mutex::default()).collect(),
            left: AtomicUsize::new(budget),
        }
    }

    /// The one that is kept of a frame.
    pub(crate) fn held(&self, index: usize) -> Option<Arc<Look>> {
        match &*self.looked(index)? {
            Looked::At(look) => Some(Arc::clone(look)),
            Looked::NotYet | Looked::Broken => None,
        }
    }

    /// What a frame shows, which `look` decodes unless it is kept; `None` if its picture does not decode, or there is no such
    /// frame.
    pub(crate) fn at(
        &self,
        index: usize,
        look: impl FnOnce() -> Option<Look>,
    ) -> Option<Arc<Look>> {
        self.try_at(index, || Ok::<_, std::convert::Infallible>(look()))
            .unwrap_or_default()
    }

    /// The same of a frame that may have to be read.
    ///
    /// # Errors
    /// Those of `look`.
    pub(crate) fn try_at<E>(
        &self,
        index: usize,
        look: impl FnOnce() -> Result<Option<Look>, E>,
    ) -> Result<Option<Arc<Look>>, E> {
        let Some(mut looked) = self.looked(index) else {
            return Ok(None);
        };
        match &*looked {
            Looked::Broken => return Ok(None),
            Looked::At(look) => return Ok(Some(Arc::clone(look))),
            Looked::NotYet => {}
        }
        let Some(look) = look()?.map(Arc::new) else {
            *looked = Looked::Broken;
            return Ok(None);
        };
        if self.takes(look.bytes()) {
            *looked = Looked::At(Arc::clone(&look));
        }
        Ok(Some(look))
    }

    fn looked(&self, index: usize) -> Option<MutexGuard<'_, Looked>> {
        let looked = self.looks.get(index)?;
        // Whoever panicked had not changed it.
        Some(looked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn takes(&self, bytes: usize) -> bool {
        let taken = |left: usize| left.checked_sub(bytes);
        (self.left)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }
}

/// How many bytes the pictures of a bag may take: half of what is free.
pub(crate) fn half_of_free() -> usize {
    let told = fs::read_to_string("/proc/meminfo").ok();
    let free = told.and_then(|told| {
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    free.map_or(USUAL_BUDGET, |free| free / 2)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::message_types::IMAGE;
    use spatial_reward_core::frame::Masks;
    use spatial_reward_core::geometry::GeometryEstimator;
    use spatial_reward_core::messages::Decoder;
    use spatial_reward_core::pipeline::measure::Measurer;
    use spatial_reward_core::pipeline::{FrameInfo, MatchedFrame};
    use spatial_reward_core::settings::Settings;

    /// What a grey picture of 4 x 4 pixels shows: 48 bytes of red, green and blue.
    fn decoded() -> Option<Look> {
        // In CDR: an empty header, height, width, encoding, order, step, data.
        let mut image = vec![0, 1, 0, 0];
        image.extend([0_u8; 8]);
        image.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        image.extend([4_u32, 4, 6].map(u32::to_le_bytes).as_flattened());
        image.extend(*b"mono8\0");
        image.extend([0, 0]);
        image.extend([4_u32, 16].map(u32::to_le_bytes).as_flattened());
        image.extend([128; 16]);
        let settings = Settings::geometry();
        let measurer = Measurer {
            estimator: &GeometryEstimator::new(&settings.geometry),
            image: Decoder::for_channel(IMAGE, None).unwrap(),
            depth: None,
            registration: None,
            regions: settings.regions.clone(),
            transforms: None,
        };
        measurer.look(&MatchedFrame {
            info: FrameInfo::at(1),
            image: image.into(),
            depth: None,
            intrinsics: None,
            places: None,
            registration: None,
            masks: Masks::default(),
        })
    }

    #[test]
    fn each_picture_was_decoded_for_each_region_and_each_direction_of_time() {
        // given room for two pictures of three, and a fourth that does not decode
        let looks = Looks::new(4, 100);
        let decodings = Cell::new(0);
        let at = |index: usize| {
            looks.at(index, || {
                decodings.set(decodings.get() + 1);
                decoded().filter(|_| index < 3)
            })
        };
        // when each is asked for four times
        for _ in 0..4 {
            for index in 0..4 {
                let look = at(index);
                assert_eq!(look.is_some(), index < 3, "{index}");
                assert!(look.is_none_or(|look| look.color().rgb[..] == [128; 48]));
            }
        }
        // then only the one without room was decoded more than once
        assert_eq!(decodings.get(), 1 + 1 + 4 + 1);
        let held = [0, 1, 2, 3, 4].map(|index| looks.held(index).is_some());
        assert_eq!(held, [true, true, false, false, false]);
        // and there is nothing beyond the last frame
        assert!(at(4).is_none());
    }
}
