//! What the network is trained on of one frame: plain data, as a row of a dataset and chance make it.

use crate::spatialrgpt::model::View;

/// How often the language model reads the embeddings of oracle regions, which hold where a region truly is, in place
/// of what the vision half makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OracleRegions {
    /// It gets nothing of the vision half, which learns by itself.
    Always,
    /// It learns to do with the vision half's features, and keeps on knowing what it has to say.
    Sometimes,
    /// The vision half's features are all that there will be.
    Never,
}

/// What the network is trained on of one frame.
pub(super) struct Example {
    /// What the vision half is shown.
    pub view: View,
    /// Whether the language model may read oracle regions.
    pub oracle: OracleRegions,
    /// What the language model reads and is to say.
    pub sequence: Sequence,
    /// What the heads are asked.
    pub geometry: Geometry,
}

/// Token ids of a beginning and of several questions with their answers behind it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sequence {
    /// With the image's placeholder.
    pub ids: Vec<i64>,
    /// The question that a token belongs to, counted from 1; 0 for the beginning that all share.
    pub blocks: Vec<i64>,
    /// The place of each token in its own conversation; the image counts as one.
    pub positions: Vec<i64>,
    /// Whether the token belongs to an answer, so that it is learned to come after what is before it.
    pub is_answer: Vec<bool>,
    /// The rows of embeddings that replace the `<mask>`s, in order: a region's number where its embedding is the
    /// vision half's; [`oracle_row`] has the others.
    pub mask_mentions: Vec<usize>,
    /// The same for the `<depth>`s.
    pub depth_mentions: Vec<usize>,
    /// Questions that see nothing but themselves and their regions.
    pub blind: Vec<i64>,
}

/// Where things are, metres in the camera's optical frame.
pub(super) struct Geometry {
    /// (4G, 4G) cells, row by row; NaN where nothing is known.
    pub cells: Vec<[f32; 3]>,
    /// One a region: where it is and how wide and high it looks at that distance.
    pub regions: Vec<[f32; 5]>,
    /// The same from an oracle that knows depth badly.
    pub perturbed: Vec<[f32; 5]>,
}

/// The row of embeddings of an oracle region: after the rows of the vision half come those of where the regions are,
/// then those of where one might take them to be.
pub(super) fn oracle_row(region: usize, regions: usize, perturbed: bool) -> usize {
    region + regions * if perturbed { 2 } else { 1 }
}
