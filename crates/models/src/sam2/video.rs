//! A video, frame by frame: objects begin in a box, are found again in every later frame, and are corrected by another box at
//! any time. What is remembered is bounded.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::Mask;
use tch::Tensor;

use super::memory_bank::{MemoryBank, Reach, Remembered};
use super::network::Sam2;
use super::processor::{Processor, Processors};
use super::tracker::FrameTrace;
use crate::error::{Error, Result};

/// What an object of a video is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An object in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Which one.
    pub object: ObjectId,
    /// Its pixels; none where it is not seen.
    pub mask: Mask,
    /// How well the mask is expected to fit, 0 to 1.
    pub score: f64,
    /// Above 0 the object is seen; a logit.
    pub occlusion: f64,
}

/// A network and how it is given pictures.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Tensors go from thread to thread, but are no two threads' at a time.
    network: Mutex<Sam2>,
    pub(super) processors: Processors,
}

impl Loaded {
    pub(super) fn new(network: Sam2, processors: Processors) -> Self {
        let network = Mutex::new(network);
        Self {
            network,
            processors,
        }
    }

    /// The network, once nobody else computes with it.
    pub(super) fn network(&self) -> MutexGuard<'_, Sam2> {
        // It is not written to, so what a panic left behind is whole.
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A video that is looked at, with what is remembered of it.
#[derive(Debug)]
pub struct Video {
    loaded: Arc<Loaded>,
    objects: Vec<Object>,
    /// The next frame's number.
    next: i64,
    /// Height and width of the frames, once there was one.
    size: Option<[u32; 2]>,
    reach: Reach,
}

#[derive(Debug)]
struct Object {
    id: ObjectId,
    bank: MemoryBank,
}

/// # Errors
/// Numbers that overflowed in the network's type: masks would look as if nothing was there.
pub(super) fn check_number(score: f64) -> Result<()> {
    match score.is_nan() {
        true => Err(Error::torch(
            "segment",
            "its numbers overflowed. Try it in float32",
        )),
        false => Ok(()),
    }
}

impl Video {
    pub(super) fn new(loaded: Arc<Loaded>, frames: Option<usize>) -> Result<Self> {
        let reach = loaded.network().reach(frames)?;
        Ok(Self {
            loaded,
            objects: Vec::new(),
            next: 0,
            size: None,
            reach,
        })
    }

    /// The next picture; boxes that are given here begin objects or correct them. One result for each object that is known,
    /// in the order in which they began; none, and nothing is computed, as long as there is none.
    ///
    /// # Errors
    /// A picture of another size than the ones before; a box that holds no pixel; `Error::Torch` for want of memory.
    pub fn frame(
        &mut self,
        picture: &ColorImage,
        prompts: &[(ObjectId, BoundingBox)],
    ) -> Result<Vec<Followed>> {
        let found = self.trace(picture, prompts)?;
        let size = [picture.height, picture.width];
        let mut followed = Vec::with_capacity(found.len());
        for (object, found) in found {
            let masks = Processor::masks(&found.logits, size)?;
            followed.extend(masks.into_iter().map(|mask| Followed {
                object,
                mask,
                score: found.score,
                occlusion: found.object_score,
            }));
        }
        Ok(followed)
    }

    /// As [`frame`](Self::frame), with the tensors instead of what is made of them.
    ///
    /// # Errors
    /// As for `frame`.
    pub fn trace(
        &mut self,
        picture: &ColorImage,
        prompts: &[(ObjectId, BoundingBox)],
    ) -> Result<Vec<(ObjectId, FrameTrace)>> {
        let loaded = Arc::clone(&self.loaded);
        let size = [picture.height, picture.width];
        self.check_size(size)?;
        let boxes: Vec<BoundingBox> = prompts.iter().map(|(_, bbox)| *bbox).collect();
        let processor = &loaded.processors.frame;
        let boxes = processor.boxes(&boxes, size)?;
        let known = self.objects.iter().map(|object| object.id);
        let mut ids: Vec<ObjectId> = known.collect();
        for (id, _) in prompts {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        let mut found = Vec::with_capacity(ids.len());
        if !ids.is_empty() {
            let network = loaded.network();
            let frame = network.frame(&processor.pixels(picture)?)?;
            for id in ids {
                // The last of several boxes of one object counts.
                let prompt = prompts.iter().rposition(|(prompted, _)| *prompted == id);
                let known = self.objects.iter().find(|object| object.id == id);
                let mut trace = match (prompt, known) {
                    (Some(row), _) => frame.begin(&boxes.narrow(0, row as i64, 1))?,
                    (None, Some(object)) => frame.track(&object.bank, self.next, self.reach)?,
                    (None, None) => continue,
                };
                check_number(trace.score)?;
                let memory = frame.remember(&trace, !prompts.is_empty())?;
                trace.memory = Some(memory.shallow_clone());
                found.push((id, trace, memory, prompt.is_some()));
            }
        }
        // Of a frame that failed nothing is remembered, and no object begins in it.
        self.size = Some(size);
        let number = self.next;
        self.next += 1;
        let remembered = found.into_iter().map(|(id, trace, memory, is_prompted)| {
            self.remember(id, number, &trace, memory, is_prompted);
            (id, trace)
        });
        Ok(remembered.collect())
    }

    fn remember(
        &mut self,
        id: ObjectId,
        number: i64,
        trace: &FrameTrace,
        map: Tensor,
        is_prompted: bool,
    ) {
        let at = self.objects.iter().position(|object| object.id == id);
        let at = at.unwrap_or_else(|| {
            self.objects.push(Object {
                id,
                bank: MemoryBank::default(),
            });
            self.objects.len() - 1
        });
        let remembered = Remembered {
            map,
            pointer: trace.pointer.shallow_clone(),
        };
        let Some(Object { bank, .. }) = self.objects.get_mut(at) else {
            return;
        };
        match is_prompted {
            true => bank.remember_prompted(number, remembered),
            false => bank.remember_tracked(number, remembered, self.reach),
        }
    }

    fn check_size(&self, [height, width]: [u32; 2]) -> Result<()> {
        match self.size {
            Some([first_height, first_width]) if [first_height, first_width] != [height, width] => {
                Err(Error::OtherFrameSize {
                    width,
                    height,
                    first_width,
                    first_height,
                })
            }
            _ => Ok(()),
        }
    }
}
