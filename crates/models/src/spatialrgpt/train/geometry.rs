//! What only training has: heads that say where things are from what the tower and the regions' embeddings
//! hold. A dataset with depth knows a point for every cell of a picture, thousands a frame, where its
//! questions have a few numbers; so the tower learns space from these and the language model learns to speak
//! of it. The heads are linear and are not part of the model that is written.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use tch::{Device, Kind, Reduction, Tensor};

use super::example::Geometry;
use super::parameters::{HEADS, Named, Parameters};
use crate::error::{Error, Result};
use crate::nn::layers::Linear;
use crate::nn::torch::TchResult;
use crate::spatialrgpt::config::ModelConfig;
use crate::spatialrgpt::model::{Regions, TowerFeatures};
use crate::spatialrgpt::region_extractor::{Refined, in_cell_order};
use spatial_reward_core::random::Random;

/// Errors below this many metres count by their square, above by their size.
const SMOOTH_BELOW_M: f64 = 0.02;

/// What the heads are evaluated by, as a table's columns: metres, the disparity's shares counting like them; what a
/// frame's points are off together and what each is off beside that, added; for the last two how far the vision
/// half's embedding of a region is from the oracle's. Their names are those of the tables that there are.
pub(super) const COLUMNS: &str =
    "cells_m,depth_cells_m,regions_m,depth_regions_m,regions_from_told,depth_regions_from_told";
/// How many those are.
pub(super) const COUNT: usize = 6;

/// What a head says of a cell or a region: x, y and z in metres, and its relative disparity. That one is asked
/// of the colour picture too: what stands before what can be seen where the camera's distance, which all metres hang
/// on, cannot (compare Ranftl et al. 2022, who train on disparity up to scale and shift).
const PLACE: i64 = 4;

/// Where a region is (x, y, z) and how wide and high it looks there, in metres: what is usual on a table
/// before a robot, and by how much it differs.
const REGION: i64 = 5;
const USUAL_M: [f32; REGION as usize] = [0.0, 0.05, 1.0, 0.08, 0.08];
/// Beside these numbers, a region's place is put into waves of so many directions and lengths (random Fourier
/// features, Rahimi and Recht 2007): centimetres stand out in them, and the product of two places' waves falls
/// with their distance, wherever they are. Attention makes such products.
const WAVES: usize = 48;
/// The shortest and the longest.
const WAVE_M: [f64; 2] = [0.15, 1.5];
const DIFFERENCE_M: [f32; REGION as usize] = [0.15, 0.15, 0.3, 0.08, 0.08];

/// The name of the oracle's tensors in a saved state.
const ORACLE: &str = "told";

/// The heads by what they read, and the sizes of that.
fn heads(config: &ModelConfig) -> [(&'static str, i64); 4] {
    let (vision, hidden) = (config.vision_tower.hidden_size, config.llm.hidden_size);
    [
        ("cells", vision),
        ("depth_cells", vision),
        ("regions", hidden),
        ("depth_regions", hidden),
    ]
}

/// The heads' first values.
pub(super) fn first_values(config: &ModelConfig) -> Vec<Named> {
    let options = (Kind::Float, Device::Cpu);
    let head = |(name, inputs): (&str, i64)| {
        let weight = Tensor::randn([PLACE, inputs], options) * (0.1 / (inputs as f64).sqrt());
        let tensors = [("weight", weight), ("bias", Tensor::zeros(PLACE, options))];
        tensors.map(|(end, tensor)| Named {
            part: HEADS,
            name: format!("{name}.{end}"),
            tensor,
        })
    };
    let hidden = config.llm.hidden_size;
    let oracle = [
        (
            "weight",
            Tensor::randn([hidden, REGION + 2 * WAVES as i64], options)
                / (REGION as f64 + WAVES as f64).sqrt(),
        ),
        ("bias", Tensor::randn(hidden, options) * 0.3),
    ];
    let oracle = oracle.map(|(end, tensor)| Named {
        part: HEADS,
        name: format!("{ORACLE}.{end}"),
        tensor,
    });
    let heads = heads(config).into_iter().flat_map(head);
    heads.chain(oracle).collect()
}

/// The heads of one step.
pub(super) struct Heads {
    cells: Linear,
    depth_cells: Linear,
    regions: Linear,
    depth_regions: Linear,
    /// The one that speaks: from where a region is to its oracle embedding.
    oracle: Linear,
}

/// The known places of a batch; what is not known is NaN.
pub(super) struct Targets {
    /// (B * 16 G * G, PLACE), in the order of the enlarged map's cells.
    cells: Tensor,
    /// (B * G * G, PLACE)
    patches: Tensor,
    /// (all regions, PLACE)
    places: Tensor,
    /// (all regions, 5)
    regions: Tensor,
    /// How many of them each frame has.
    regions_of_frames: Vec<i64>,
}

impl Heads {
    /// # Errors
    /// `Error::Checkpoint` if the training state has no heads.
    pub(super) fn of(parameters: &Parameters) -> Result<Self> {
        let head = |name: &str| {
            let get = |end: &str| parameters.get(HEADS, &format!("{name}.{end}"));
            let (weight, bias) = (get("weight")?.shallow_clone(), get("bias")?.shallow_clone());
            Ok::<_, Error>(Linear::from_parts(weight, Some(bias)))
        };
        Ok(Self {
            cells: head("cells")?,
            depth_cells: head("depth_cells")?,
            regions: head("regions")?,
            depth_regions: head("depth_regions")?,
            oracle: head(ORACLE)?,
        })
    }

    /// How far off each head is, in metres (smoothed), on average over what it is asked; `None` for one that is
    /// asked nothing. The last two are asked only if there are oracle regions.
    pub(super) fn losses(
        &self,
        features: &TowerFeatures,
        refined: Option<&Refined>,
        regions: &[Regions],
        targets: &Targets,
        has_oracle: bool,
    ) -> TchResult<[Option<Tensor>; COUNT]> {
        // Frames with and without depth are not mixed in one batch's heads.
        let frames = regions.len();
        let joined = |parts: Vec<&Tensor>| match parts.len() == frames && frames > 0 {
            true => Tensor::f_cat(&parts, 0).map(Some),
            false => Ok(None),
        };
        let off = |head: &Linear, x: &Option<Tensor>, target: &Tensor, sizes: &[i64]| match x {
            Some(x) => {
                // In the features' type: of the cells there are so many that to copy them costs more than the product.
                let places = head.forward_as(x)?.f_to_kind(Kind::Float)?; // (R, PLACE)
                distance_in_frames(&places, target, sizes)
            }
            None => Ok(None),
        };
        let cells = refined.map(|refined| refined.cells().f_flatten(0, 1));
        let cells = cells.transpose()?; // (B * 16 G * G, C)
        let depth = joined(features.depth.iter().flatten().collect())?; // (B * G * G, C)
        let masks = joined(regions.iter().filter_map(|r| r.color.as_ref()).collect())?;
        let depth_masks = joined(regions.iter().filter_map(|r| r.depth.as_ref()).collect())?;
        let same = |target: &Tensor| -> TchResult<Vec<i64>> {
            Ok(vec![target.size2()?.0 / frames.max(1) as i64; frames])
        };
        let (all_cells, patches, places) = (&targets.cells, &targets.patches, &targets.places);
        let sizes = &targets.regions_of_frames;
        Ok([
            off(&self.cells, &cells, all_cells, &same(all_cells)?)?,
            off(&self.depth_cells, &depth, patches, &same(patches)?)?,
            off(&self.regions, &masks, places, sizes)?,
            off(&self.depth_regions, &depth_masks, places, sizes)?,
            self.distance_to_oracle(masks.filter(|_| has_oracle), &targets.regions)?,
            self.distance_to_oracle(depth_masks.filter(|_| has_oracle), &targets.regions)?,
        ])
    }

    /// The embeddings of oracle regions: (R, 5) -> (R, hidden).
    pub(super) fn oracle(&self, regions: &[[f32; 5]], device: Device) -> TchResult<Tensor> {
        let regions: Vec<f32> = regions.iter().flatten().copied().collect();
        let regions = Tensor::f_from_slice(&regions)?.f_to_device(device)?;
        self.oracle_of(&regions.f_view([-1, REGION])?)
    }

    /// Metres (R, 5) -> embeddings (R, hidden). Of a region that is not known, those of the usual one.
    fn oracle_of(&self, regions: &Tensor) -> TchResult<Tensor> {
        let row = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(regions.device());
        let unusual = regions
            .f_sub(&row(&USUAL_M)?)?
            .f_div(&row(&DIFFERENCE_M)?)?;
        let waves = row(&RADIANS_PER_M)?.f_view([3, WAVES as i64])?;
        let phases = regions.f_narrow(1, 0, 3)?.f_matmul(&waves)?; // (R, WAVES)
        let numbers = Tensor::f_cat(&[unusual, phases.f_sin()?, phases.f_cos()?], 1)?;
        self.oracle
            .forward(&numbers.f_nan_to_num(0.0, None::<f64>, None::<f64>)?)
    }

    /// How far embeddings (R, hidden) are from those of the oracle.
    fn distance_to_oracle(
        &self,
        embeds: Option<Tensor>,
        regions: &Tensor,
    ) -> TchResult<Option<Tensor>> {
        let Some(embeds) = embeds else {
            return Ok(None);
        };
        // The oracle stays as it is: the vision half is to follow it.
        let oracle = tch::no_grad(|| -> TchResult<Tensor> {
            let unknown = regions.f_isnan()?.f_any_dim(1, true)?; // (R, 1)
            self.oracle_of(regions)?.f_masked_fill(&unknown, f64::NAN)
        })?;
        distance(&embeds.f_to_kind(Kind::Float)?, &oracle)
    }
}

/// Radians a metre along x, y and z for each wave: (3, WAVES), always the same.
static RADIANS_PER_M: LazyLock<Vec<f32>> = LazyLock::new(waves);

fn waves() -> Vec<f32> {
    let mut random = Random(1);
    let wave = |_| {
        let direction: Vec<f64> = (0..3).map(|_| random.deviation()).collect();
        let norm = direction
            .iter()
            .map(|v| v * v)
            .sum::<f64>()
            .sqrt()
            .max(1e-6);
        let [shortest, longest] = WAVE_M.map(f64::ln);
        let length = (shortest + (longest - shortest) * random.unit()).exp();
        direction
            .into_iter()
            .map(move |v| v / norm * TAU / length)
            .collect::<Vec<f64>>()
    };
    let waves: Vec<Vec<f64>> = (0..WAVES).map(wave).collect();
    let axis = |axis: usize| waves.iter().map(move |wave| wave[axis] as f32);
    (0..3).flat_map(axis).collect()
}

/// The mean distance (smoothed) over the numbers of the target that are known; `None` where none is.
fn distance(predicted: &Tensor, target: &Tensor) -> TchResult<Option<Tensor>> {
    let Some(Off { error, count, .. }) = Off::of(predicted, target)? else {
        return Ok(None);
    };
    smooth(&error)?
        .f_sum(Kind::Float)?
        .f_div_scalar(count)
        .map(Some)
}

/// The same for places (R, PLACE) of several frames, so many rows each: what a frame's points are off together, and
/// what each is off beside that. A camera's distance is hard to see and things' places to each other are not, but
/// an error that counts by its size has a gradient of the same length however large it is: as long as a whole
/// frame is taken to be too far, nothing would be learned about what stands before what (compare the
/// scale-invariant error of Eigen et al. 2014).
fn distance_in_frames(
    predicted: &Tensor,
    target: &Tensor,
    sizes: &[i64],
) -> TchResult<Option<Tensor>> {
    let Some(Off {
        error,
        known,
        count,
    }) = Off::of(predicted, target)?
    else {
        return Ok(None);
    };
    let mut sum = Tensor::f_zeros([], (Kind::Float, error.device()))?;
    let frames = error.f_split_with_sizes(sizes, 0)?;
    for (error, known) in frames.iter().zip(known.f_split_with_sizes(sizes, 0)?) {
        let counts = known.f_sum_dim_intlist(0, true, Kind::Float)?; // (1, PLACE)
        let total = error.f_sum_dim_intlist(0, true, Kind::Float)?;
        let together = total.f_div(&counts.f_clamp_min(1.0)?)?;
        let alone = error.f_sub(&together)?.f_mul(&known)?;
        sum = sum
            .f_add(&smooth(&together)?.f_mul(&counts)?.f_sum(Kind::Float)?)?
            .f_add(&smooth(&alone)?.f_sum(Kind::Float)?)?;
    }
    sum.f_div_scalar(count).map(Some)
}

/// How far off predictions are.
struct Off {
    /// Zero where the target is not known.
    error: Tensor,
    /// 1 where the target is known.
    known: Tensor,
    count: i64,
}

impl Off {
    /// `None` where nothing is known.
    fn of(predicted: &Tensor, target: &Tensor) -> TchResult<Option<Self>> {
        let known = target.f_isfinite()?;
        let count = i64::try_from(&known.f_sum(Kind::Int64)?)?;
        if count == 0 {
            return Ok(None);
        }
        let known = known.f_to_kind(Kind::Float)?;
        let target = target.f_nan_to_num(0.0, None::<f64>, None::<f64>)?;
        Ok(Some(Self {
            error: predicted.f_sub(&target)?.f_mul(&known)?,
            known,
            count,
        }))
    }
}

fn smooth(error: &Tensor) -> TchResult<Tensor> {
    error.f_smooth_l1_loss(&error.f_zeros_like()?, Reduction::None, SMOOTH_BELOW_M)
}

impl Targets {
    /// `grid` is the number of patches along a side.
    pub(super) fn of<'a>(
        geometry: impl Iterator<Item = &'a Geometry> + Clone,
        grid: i64,
        device: Device,
    ) -> TchResult<Self> {
        let side = 4 * grid;
        let (mut cells, mut places) = (Vec::<f32>::new(), Vec::<f32>::new());
        for frame in geometry.clone() {
            let disparity = relative_disparity(&frame.cells);
            let place = |[x, y, z]: [f32; 3]| [x, y, z, disparity(z)];
            cells.extend(frame.cells.iter().flat_map(|cell| place(*cell)));
            let points = frame.regions.iter().map(|[x, y, z, ..]| [*x, *y, *z]);
            places.extend(points.flat_map(place));
        }
        let regions_of_frames = geometry.clone().map(|g| g.regions.len() as i64).collect();
        let regions: Vec<f32> = geometry
            .flat_map(|g| &g.regions)
            .flatten()
            .copied()
            .collect();
        let rows = |values: &[f32], shape: &[i64]| {
            let values = Tensor::f_from_slice(values)?.f_to_device(device)?;
            values.f_view(shape)
        };
        let cells = rows(&cells, &[-1, side, side, PLACE])?;
        // A patch's middle lies between four cells; the lower right of these stands for it.
        let patches = cells
            .f_slice(1, 2, None::<i64>, 4)?
            .f_slice(2, 2, None::<i64>, 4)?
            .f_reshape([-1, PLACE])?;
        let planes = cells.f_permute([0, 3, 1, 2])?.f_reshape([-1, side, side])?; // (PLACE * B, 4G, 4G)
        let cells = in_cell_order(&planes)?
            .f_view([-1, PLACE, side * side])?
            .f_transpose(1, 2)?
            .f_reshape([-1, PLACE])?; // (B * 16 G * G, PLACE)
        Ok(Self {
            cells,
            patches,
            places: rows(&places, &[-1, PLACE])?,
            regions: rows(&regions, &[-1, REGION])?,
            regions_of_frames,
        })
    }
}

/// From a depth z in metres to the disparity 1 / z, between those of a frame's farthest cell (0) and its nearest
/// (1), much as the picture of relative depth has it; NaN where the frame does not know these.
fn relative_disparity(cells: &[[f32; 3]]) -> impl Fn(f32) -> f32 {
    let known = cells.iter().map(|[_, _, z]| 1.0 / z);
    let known = known.filter(|disparity| disparity.is_finite());
    let (farthest, nearest) = known.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), d| {
        (d.min(low), d.max(high))
    });
    let range = match nearest > farthest {
        true => nearest - farthest,
        false => f32::NAN,
    };
    move |z| (1.0 / z - farthest) / range
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::{Device, Tensor};

    use super::{Targets, distance_in_frames, first_values};
    use crate::spatialrgpt::config::ModelConfig;
    use crate::spatialrgpt::train::example::Geometry;

    #[test]
    fn a_state_that_was_saved_earlier_finds_its_heads() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/spatialrgpt/a/checkpoint");
        let config = ModelConfig::read(&fixture).unwrap();
        let names: Vec<String> = first_values(&config)
            .into_iter()
            .map(|named| format!("{}/{}", named.part, named.name))
            .collect();
        let heads = ["cells", "depth_cells", "regions", "depth_regions", "told"];
        let saved = heads.map(|head| ["weight", "bias"].map(|end| format!("heads/{head}.{end}")));
        assert_eq!(names, saved.concat());
    }

    fn points(z: &[f32]) -> Tensor {
        let xyz: Vec<f32> = z.iter().flat_map(|&z| [0.0, 0.0, z]).collect();
        Tensor::from_slice(&xyz).view([-1, 3])
    }

    fn off(predicted: &[f32], target: &[f32], sizes: &[i64]) -> f64 {
        let off = distance_in_frames(&points(predicted), &points(target), sizes).unwrap();
        f64::try_from(off.unwrap()).unwrap()
    }

    #[test]
    fn what_stands_before_what_counts_however_far_the_whole_frame_is_off() {
        let target = [1.0, 1.2, 0.8];
        let frames = [2, 1];
        let together = off(&[2.0, 2.2, 0.8], &target, &frames);
        let apart = off(&[1.9, 2.3, 0.8], &target, &frames);
        // Two of three points are 0.1 m off their frame, along one of three axes; 0.01 m are smoothed away.
        assert!(
            (apart - together - 2.0 * 0.09 / 9.0).abs() < 1e-5,
            "{together} {apart}"
        );
        assert!(off(&target, &target, &frames) < 1e-9);
    }

    #[test]
    fn points_that_are_not_known_count_for_nothing() {
        let off = off(&[1.0, 5.0], &[1.1, f32::NAN], &[2]);
        // One point's three numbers, and the x and y of the other.
        assert!((off - 0.09 / 5.0).abs() < 1e-5, "{off}");
    }

    fn frame(z: &[f32], regions: &[f32]) -> Geometry {
        Geometry {
            cells: z.iter().map(|&z| [0.1 * z, 0.2 * z, z]).collect(),
            regions: regions.iter().map(|&z| [0.3, 0.4, z, 0.05, 0.06]).collect(),
            perturbed: Vec::new(),
        }
    }

    #[test]
    fn disparity_is_between_a_frames_own_farthest_and_nearest_at_any_scale() {
        // Given two frames of one patch each, the second twice as far away in all; one cell is not known
        let mut z = [2.0; 16];
        (z[0], z[1], z[2]) = (1.0, 4.0 / 3.0, f32::NAN);
        let frames = [
            frame(&z, &[4.0 / 3.0]),
            frame(&z.map(|z| 2.0 * z), &[2.0, f32::NAN]),
        ];

        let targets = Targets::of(frames.iter(), 1, Device::Cpu).unwrap();

        // Then both have the same disparities, of cells and regions
        let column = |places: &Tensor| Vec::<f32>::try_from(places.select(1, 3)).unwrap();
        let cells = column(&targets.cells);
        let of = |wanted: f32| {
            let same = |frame: &[f32]| frame.iter().filter(|d| (*d - wanted).abs() < 1e-6).count();
            (same(&cells[..16]), same(&cells[16..]))
        };
        assert_eq!([of(0.0), of(0.5), of(1.0)], [(13, 13), (1, 1), (1, 1)]);
        let regions = column(&targets.places);
        assert!((regions[0] - 0.5).abs() < 1e-6 && (regions[1] - 1.0).abs() < 1e-6);
        assert!(regions[2].is_nan(), "{regions:?}");

        // And of a frame that knows no depth, none
        let blind = Targets::of([frame(&[f32::NAN; 16], &[1.0])].iter(), 1, Device::Cpu).unwrap();
        assert!(column(&blind.cells).iter().all(|d| d.is_nan()));
        assert!(column(&blind.places).iter().all(|d| d.is_nan()));
    }
}
