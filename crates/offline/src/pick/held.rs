//! Gathers the encoded pictures of a bag while it is read, as long as there is room.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::label::roles::Roles;
use crate::role::Role;
use crate::video::Video;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::Ordinal;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagMessage};

/// The encoded pictures of a bag.
pub(super) struct Held<'a> {
    info: &'a BagInfo,
    /// Pictures of a video are held decoded.
    video: Option<(Decoder, Video)>,
    image_topic: Option<usize>,
    depth_topic: Option<usize>,
    read: HashMap<usize, Ordinal>,
    pub images: HashMap<Ordinal, Bytes>,
    pub depths: HashMap<Ordinal, Bytes>,
    /// What they take.
    pub bytes: usize,
    room: usize,
}

impl<'a> Held<'a> {
    /// `packets` reads the colour image's, where that is a video.
    pub(super) fn new(
        info: &'a BagInfo,
        roles: &Roles,
        room: usize,
        packets: Option<Decoder>,
        video: &VideoDecoders,
    ) -> Self {
        Self {
            video: packets.map(|packets| (packets, Video::new(video))),
            info,
            image_topic: roles.topic(Role::Image),
            depth_topic: roles.topic(Role::Depth),
            read: HashMap::new(),
            images: HashMap::new(),
            depths: HashMap::new(),
            bytes: 0,
            room,
        }
    }

    pub(super) fn take(&mut self, message: &BagMessage) -> Result<()> {
        let topic = Some(message.topic);
        if topic != self.image_topic && topic != self.depth_topic {
            return Ok(());
        }
        let next = self.read.entry(message.topic).or_default();
        let ordinal = *next;
        *next += 1;
        // A picture of its own: else it would hold all that was recorded beside it.
        let data = match &mut self.video {
            Some((packets, video)) if topic == self.image_topic => {
                video.decode(packets, &message.data)?.bytes
            }
            _ => Bytes::copy_from_slice(&message.data),
        };
        self.bytes += data.len();
        if self.bytes > self.room {
            return Err(Error::TooLong {
                path: self.info.path.clone(),
                mebibytes: (self.room >> 20) as u64,
            });
        }
        if topic == self.image_topic {
            self.images.insert(ordinal, data.clone());
        }
        if topic == self.depth_topic {
            self.depths.insert(ordinal, data);
        }
        Ok(())
    }
}
