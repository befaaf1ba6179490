//! Weight matrices and their products with rows, on a processor: a row's numbers are the same alone and among others.
//!
//! When tokens come one at a time, each reads the whole language model once, so its speed is that of the memory, and fewer bytes a
//! weight are as much faster. Published weights are stored in bfloat16: kept so, they give the numbers of the float32 weights
//! in half the bytes. Few bits a weight (`groups`) are fewer yet, and come near. Where an answer was guessed beforehand, many
//! tokens are checked in one reading of the weights; so that each of them is what it would have been by itself, every sum is
//! made in the same order whatever the other rows are, which libtorch's products do not promise.
//!
//! A matrix stands in panels of sixteen outputs: the weights of all sixteen for the same few inputs stand together, so that memory
//! is read from one end to the other, and sixteen sums grow side by side and never have to be added across
//! (`sixteen`).

mod groups;
mod memory;
mod product;
mod rows;
mod sixteen;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;
use std::{slice, thread};

use tch::{Device, Kind, Tensor};

use super::outputs;
use super::torch::TchResult;
use memory::Memory;
use product::{Instructions, OfColumns, OfGroups, Product};
use rows::{QuantisedRows, Rows, pair_of_halves};
use sixteen::{LANES, STEP};

pub use groups::{Bits, Groups};

/// Whether many rows of float32 are multiplied faster here than by libtorch: on processors with wide registers that are not
/// Intel's, whose own library libtorch multiplies with.
pub fn is_faster() -> bool {
    static FASTER: LazyLock<bool> = LazyLock::new(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let vendor = std::arch::x86_64::__cpuid(0);
            let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
            name.as_flattened() != b"GenuineIntel" && is_x86_feature_detected!("avx512f")
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    });
    *FASTER
}

/// A weight matrix (out, in), ready to be multiplied with.
#[derive(Debug)]
pub struct Panels {
    outputs: usize,
    inputs: usize,
    weights: Weights,
    /// (panels, steps) of [`STEP`] bytes; lanes beyond `outputs` are zero.
    memory: Memory,
}

/// What a step's bytes are.
#[derive(Debug)]
enum Weights {
    /// (lanes, 4): of eight bits, four inputs'; of four bits, the lower halves are the first four inputs', and the upper halves
    /// the next four's.
    Groups {
        bits: Bits,
        /// (panels, groups, 1 or 2) in bfloat16: scales, and of four bits least weights behind them.
        shared: Vec<[u16; LANES]>,
    },
    /// (lanes, 2) of bfloat16.
    Pairs,
    /// The same, of a network that computes in bfloat16.
    Halves,
    /// (lanes) of float32.
    Floats,
}

impl Weights {
    /// Inputs that a step is multiplied with.
    fn inputs_a_step(&self) -> usize {
        match self {
            Self::Groups { bits, .. } => bits.weights_in(STEP / LANES),
            Self::Pairs | Self::Halves => 2,
            Self::Floats => 1,
        }
    }
}

impl Panels {
    /// A matrix (out, in), in bfloat16 where that holds its numbers exactly, and in float32 elsewhere. `None` if it does not lie on
    /// the processor in one of the two types.
    pub fn of(weight: &Tensor) -> TchResult<Option<Self>> {
        let (outputs, inputs) = weight.size2()?;
        if weight.device() != Device::Cpu || !matches!(weight.kind(), Kind::Float | Kind::BFloat16)
        {
            return Ok(None);
        }
        let weight = weight.f_detach()?.f_contiguous()?;
        let half = weight.f_to_kind(Kind::BFloat16)?;
        let (stored, weights) = if weight.kind() == Kind::BFloat16 {
            (half, Weights::Halves)
        } else if half.f_to_kind(Kind::Float)?.f_equal(&weight)? {
            (half, Weights::Pairs)
        } else {
            (weight, Weights::Floats)
        };
        let width = stored.kind().elt_size_in_bytes();
        // SAFETY: the tensor is contiguous and on the processor, of `numel` elements of `width` bytes each. It is owned by `stored`,
        // which outlives the slice, and nobody writes to weights.
        let bytes = unsafe {
            slice::from_raw_parts(stored.data_ptr().cast::<u8>(), stored.numel() * width)
        };
        let (outputs, inputs) = (outputs as usize, inputs as usize);
        let steps = inputs.div_ceil(weights.inputs_a_step());
        let mut memory = Memory::zeros(outputs.div_ceil(LANES) * steps * STEP);
        let row = inputs * width;
        on_all_cores(memory.bytes_mut(), steps * STEP, |panel, place| {
            for lane in 0..LANES.min(outputs - panel * LANES) {
                let row = &bytes[(panel * LANES + lane) * row..][..row];
                for (step, bytes) in place.chunks_exact_mut(STEP).zip(row.chunks(4)) {
                    step[4 * lane..][..bytes.len()].copy_from_slice(bytes);
                }
            }
        });
        Ok(Some(Self {
            outputs,
            inputs,
            weights,
            memory,
        }))
    }

    /// Matrices of the same bits and inputs as one, whose outputs stand one after the other. `None` where there are none, or
    /// they differ.
    pub fn joined(parts: &[Groups]) -> Option<Self> {
        let first = parts.first()?;
        let (bits, inputs) = (first.bits(), first.shape()[1]);
        let are_alike = |part: &Groups| part.bits() == bits && part.shape()[1] == inputs;
        if !parts.iter().all(are_alike) {
            return None;
        }
        let rows = parts
            .iter()
            .flat_map(|part| (0..part.shape()[0]).map(move |row| (part, row)));
        let rows: Vec<(&Groups, usize)> = rows.collect();
        let (groups, kinds) = (first.groups(), bits.shared());
        let group_bytes = bits.bytes_of(bits.group());
        let panels = rows.len().div_ceil(LANES);
        let mut shared = vec![[0; LANES]; panels * groups * kinds];
        for (output, (part, row)) in rows.iter().enumerate() {
            let (panel, lane) = (output / LANES, output % LANES);
            for group in 0..groups {
                let place = (panel * groups + group) * kinds;
                for (kind, value) in part.shared_of(row * groups + group).enumerate() {
                    if let Some(lanes) = shared.get_mut(place + kind) {
                        lanes[lane] = value;
                    }
                }
            }
        }
        let mut memory = Memory::zeros(panels * groups * group_bytes * LANES);
        let row_bytes = groups * group_bytes;
        on_all_cores(memory.bytes_mut(), row_bytes * LANES, |panel, place| {
            let rows = rows.iter().skip(panel * LANES).take(LANES);
            for (lane, (part, row)) in rows.enumerate() {
                let stored = &part.numbers()[row * row_bytes..][..row_bytes];
                let steps = place.chunks_exact_mut(STEP);
                for (step, stored) in steps.zip(stored.as_chunks::<4>().0) {
                    step[4 * lane..][..4].copy_from_slice(&match bits {
                        Bits::Eight => *stored,
                        Bits::Four => halves_apart(*stored),
                    });
                }
            }
        });
        Some(Self {
            outputs: rows.len(),
            inputs,
            weights: Weights::Groups { bits, shared },
            memory,
        })
    }

    /// A matrix (outputs, inputs) that is needed for a while, of float32 or, where `rounds`, rounded to bfloat16 with all that it
    /// is multiplied with.
    pub fn passing(
        [outputs, inputs]: [usize; 2],
        rounds: bool,
        value: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let weights = match rounds {
            true => Weights::Halves,
            false => Weights::Floats,
        };
        let steps = inputs.div_ceil(weights.inputs_a_step());
        let word = |output, step| match rounds {
            false => value(output, step).to_bits(),
            true => {
                let odd = 2 * step + 1;
                let odd = if odd < inputs {
                    value(output, odd)
                } else {
                    0.0
                };
                pair_of_halves([value(output, 2 * step), odd])
            }
        };
        let mut memory = Memory::for_a_while(outputs.div_ceil(LANES) * steps * STEP);
        let places = memory.bytes_mut().as_chunks_mut::<STEP>().0;
        for (index, place) in places.iter_mut().enumerate() {
            let (panel, step) = (index / steps, index % steps);
            let outputs = panel * LANES..outputs.min((panel + 1) * LANES);
            for (output, lane) in outputs.zip(place.as_chunks_mut::<4>().0) {
                *lane = word(output, step).to_ne_bytes();
            }
        }
        Self {
            outputs,
            inputs,
            weights,
            memory,
        }
    }

    /// How many numbers a row of products has.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// (R, in) -> (R, out), each with its rows one after the other.
    pub fn multiply(&self, x: &[f32]) -> Vec<f32> {
        self.multiply_part(x, 0, self.outputs)
    }

    /// Some of the outputs, as if the others were not there: (R, in) -> (R, count).
    pub fn multiply_part(&self, x: &[f32], first: usize, count: usize) -> Vec<f32> {
        let by = Instructions::fastest();
        self.prepared(by, x, |rows, product| {
            self.share_out(rows, first, count, product)
        })
    }

    /// The same as [`multiply`](Self::multiply) on this thread alone: for who has shared out the rows.
    pub fn multiply_alone(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.inputs.max(1) * self.outputs];
        self.multiply_into(x, &mut y);
        y
    }

    /// The same into `y`.
    pub fn multiply_into(&self, x: &[f32], y: &mut [f32]) {
        self.multiply_by(Instructions::fastest(), x, y);
    }

    fn multiply_by(&self, by: Instructions, x: &[f32], y: &mut [f32]) {
        self.prepared(by, x, |rows, product| {
            let outputs = self.outputs.next_multiple_of(LANES);
            let whole = |sums: &mut [f32]| {
                product(Product {
                    first: 0,
                    rows,
                    sums,
                })
            };
            if outputs == self.outputs {
                return whole(y);
            }
            let mut sums = vec![0.0; rows * outputs];
            whole(&mut sums);
            let each = y.chunks_exact_mut(self.outputs.max(1));
            for (y, sums) in each.zip(sums.chunks_exact(outputs.max(1))) {
                y.copy_from_slice(&sums[..self.outputs]);
            }
        });
    }

    /// (..., in) -> (..., count): some of the outputs in the type of `x`.
    pub fn forward_part(&self, x: &Tensor, first: usize, count: usize) -> TchResult<Tensor> {
        let mut shape = x.size();
        if let Some(last) = shape.last_mut() {
            *last = count as i64;
        }
        let rows = Vec::<f32>::try_from(x.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
        let y = Tensor::f_from_slice(&self.multiply_part(&rows, first, count))?;
        y.f_reshape(shape)?.f_to_kind(x.kind())
    }

    /// Brings rows into the form that the weights are multiplied with; `then` is given how many they are, and what fills sums.
    fn prepared<T>(
        &self,
        by: Instructions,
        x: &[f32],
        then: impl FnOnce(usize, &(dyn Fn(Product) + Sync)) -> T,
    ) -> T {
        let rows = x.len() / self.inputs.max(1);
        let weights = self.memory.steps();
        match &self.weights {
            Weights::Groups { bits, shared } => {
                let x = &QuantisedRows::of(x, self.inputs, *bits);
                match bits {
                    Bits::Eight => {
                        let of = OfGroups::<false> { weights, shared, x };
                        then(rows, &|product| by.run(product, of))
                    }
                    Bits::Four => {
                        let of = OfGroups::<true> { weights, shared, x };
                        then(rows, &|product| by.run(product, of))
                    }
                }
            }
            Weights::Floats => {
                let columns = self.inputs;
                let x = Rows { values: x, columns };
                let of = OfColumns { weights, x };
                then(rows, &|product| by.run(product, of))
            }
            Weights::Pairs | Weights::Halves => {
                let padded = (!self.inputs.is_multiple_of(2)).then(|| rows::padded(x, self.inputs));
                let x = padded.as_deref().unwrap_or(x);
                let columns = self.inputs.div_ceil(2);
                if matches!(self.weights, Weights::Halves) && by.multiply_halves() {
                    let values = &rows::halves(x);
                    let x = Rows { values, columns };
                    let of = OfColumns { weights, x };
                    return then(rows, &|product| by.run_halves(product, of));
                }
                let values = x.as_chunks::<2>().0;
                let x = Rows { values, columns };
                let of = OfColumns { weights, x };
                then(rows, &|product| by.run(product, of))
            }
        }
    }

    /// Some of the outputs, whole panels shared out among the team.
    fn share_out(
        &self,
        rows: usize,
        first: usize,
        count: usize,
        product: &(dyn Fn(Product) + Sync),
    ) -> Vec<f32> {
        let panels = first / LANES..(first + count).div_ceil(LANES);
        let outputs = panels.len() * LANES;
        let steps = self.inputs.div_ceil(self.weights.inputs_a_step());
        let at_once = outputs::at_once(steps * STEP / LANES).next_multiple_of(4 * LANES);
        let products = rows * outputs * self.inputs;
        let y = outputs::share_out(rows, outputs, at_once, products, |first, sums| {
            product(Product {
                first: panels.start + first / LANES,
                rows,
                sums,
            });
        });
        if outputs == count {
            return y;
        }
        let before = first - panels.start * LANES;
        let mut cut = Vec::with_capacity(rows * count);
        for row in y.chunks_exact(outputs.max(1)) {
            cut.extend_from_slice(&row[before..before + count]);
        }
        cut
    }
}

/// Writes every part of `size` bytes, given its index.
fn on_all_cores(bytes: &mut [u8], size: usize, write: impl Fn(usize, &mut [u8]) + Sync) {
    let size = size.max(1);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = (bytes.len() / size).div_ceil(cores).max(1);
    thread::scope(|scope| {
        for (index, bytes) in bytes.chunks_mut(share * size).enumerate() {
            let write = &write;
            scope.spawn(move || {
                for (part, bytes) in bytes.chunks_mut(size).enumerate() {
                    write(index * share + part, bytes);
                }
            });
        }
    });
}

/// Four bytes of two weights each, the even one in the lower half -> the first four weights in the lower halves.
fn halves_apart(stored: [u8; 4]) -> [u8; 4] {
    let weight = |index: usize| stored[index / 2] >> (4 * (index % 2)) & 15;
    std::array::from_fn(|byte| weight(byte) | weight(4 + byte) << 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers about zero, the same each time.
    fn random(count: usize, seed: i64) -> Vec<f32> {
        tch::manual_seed(seed);
        Vec::try_from(Tensor::randn([count as i64], (Kind::Float, Device::Cpu))).unwrap()
    }

    /// The products in float64.
    fn exact(weights: &[f32], x: &[f32], inputs: usize) -> Vec<f64> {
        let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(x * w)).sum();
        let rows = x.chunks(inputs);
        rows.flat_map(|x| weights.chunks(inputs).map(move |w| dot(x, w)))
            .collect()
    }

    fn cosine(a: &[f32], b: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let a: Vec<f64> = a.iter().map(|a| f64::from(*a)).collect();
        dot(&a, b) / (dot(&a, &a) * dot(b, b)).sqrt()
    }

    #[test]
    fn products_come_near_those_of_the_weights() {
        for (bits, least) in [(Bits::Eight, 0.99995), (Bits::Four, 0.996)] {
            for (outputs, inputs) in [(96, 192), (1, 64), (67, 100), (530, 96), (16, 31)] {
                let weights = random(outputs * inputs, 1);
                let panels = Panels::joined(&[Groups::of(&weights, inputs, bits)]).unwrap();
                for rows in [1, 2, 3, 5, 9] {
                    let x = random(rows * inputs, 2);

                    let y = panels.multiply(&x);

                    assert_eq!(y.len(), rows * outputs);
                    let near = cosine(&y, &exact(&weights, &x, inputs));
                    // One number has no direction.
                    if outputs > 1 {
                        assert!(near >= least, "{bits:?} {outputs}x{inputs}: {near}");
                    }
                }
            }
        }
    }

    /// A matrix (71, 130) in every form.
    fn every_form() -> Vec<Panels> {
        let values = random(71 * 130, 3);
        let weights = matrix(&values, [71, 130]);
        let half = weights.to_kind(Kind::BFloat16);
        let tensors = [&half, &half.to_kind(Kind::Float), &weights];
        let mut forms = tensors
            .map(|weights| Panels::of(weights).unwrap().unwrap())
            .into_iter()
            .collect::<Vec<_>>();
        for bits in [Bits::Eight, Bits::Four] {
            forms.push(Panels::joined(&[Groups::of(&values, 130, bits)]).unwrap());
        }
        forms
    }

    /// Products by these instructions.
    fn by(panels: &Panels, instructions: Instructions, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / panels.inputs * panels.outputs];
        panels.multiply_by(instructions, x, &mut y);
        y
    }

    fn matrix(values: &[f32], shape: [i64; 2]) -> Tensor {
        Tensor::from_slice(values).reshape(shape)
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        for panels in every_form() {
            let x = random(23 * 130, 4);

            let together = panels.multiply(&x);

            for (row, x) in x.chunks(130).enumerate() {
                assert_eq!(panels.multiply(x), together[71 * row..71 * (row + 1)]);
            }
        }
    }

    #[test]
    fn products_with_weights_of_bfloat16_are_those_of_float32() {
        for (outputs, inputs) in [(96, 176), (1, 2), (65, 30), (130, 34), (2051, 96), (7, 33)] {
            let weights = matrix(
                &random(outputs * inputs, 1),
                [outputs as i64, inputs as i64],
            );
            let half = weights.to_kind(Kind::BFloat16).to_kind(Kind::Float);
            for weights in [half, weights] {
                let panels = Panels::of(&weights).unwrap().unwrap();
                for rows in [1, 2, 3, 4, 5, 9, 31] {
                    let x = random(rows * inputs, 2);

                    let y = panels.multiply(&x);

                    let expected =
                        matrix(&x, [rows as i64, inputs as i64]).linear(&weights, None::<&Tensor>);
                    let y = matrix(&y, [rows as i64, outputs as i64]);
                    let difference = f64::try_from((&y - &expected).abs().max()).unwrap();
                    let largest = f64::try_from(expected.abs().max()).unwrap();
                    assert!(
                        difference <= 2e-6 * largest.max(1.0),
                        "{difference} of {largest}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_network_of_bfloat16_rounds_its_inputs_at_most() {
        let weights = matrix(&random(67 * 130, 1), [67, 130]).to_kind(Kind::BFloat16);
        let panels = Panels::of(&weights).unwrap().unwrap();
        let x = random(5 * 130, 2);

        let y = panels.multiply(&x);

        let near = cosine(&y, &exact(&floats(&weights), &x, 130));
        assert!(near > 0.99999, "{near}");
    }

    #[test]
    fn weights_of_another_type_stay_where_they_are() {
        let weights = matrix(&[0.0; 8], [2, 4]).to_kind(Kind::Half);
        assert!(Panels::of(&weights).unwrap().is_none());
    }

    #[test]
    fn every_processor_gives_the_same_bits_of_few() {
        for bits in [Bits::Eight, Bits::Four] {
            for (outputs, inputs, rows) in [(48, 192, 7), (33, 70, 3), (16, 64, 1), (130, 64, 9)] {
                let groups = Groups::of(&random(outputs * inputs, 1), inputs, bits);
                let panels = Panels::joined(&[groups]).unwrap();
                let x = random(rows * inputs, 2);

                let portable = by(&panels, Instructions::Portable, &x);

                for instructions in Instructions::available() {
                    let y = by(&panels, instructions, &x);
                    let are_equal = y
                        .iter()
                        .zip(&portable)
                        .all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(are_equal, "{instructions:?}, {bits:?}, {outputs}x{inputs}");
                }
            }
        }
    }

    #[test]
    fn every_processor_comes_to_the_same_products() {
        for panels in every_form() {
            let x = random(9 * 130, 2);
            let portable = by(&panels, Instructions::Portable, &x);
            let portable: Vec<f64> = portable.into_iter().map(f64::from).collect();

            for instructions in Instructions::available() {
                let y = by(&panels, instructions, &x);

                let near = cosine(&y, &portable);
                assert!(near > 0.99999, "{instructions:?}: {near}");
            }
        }
    }

    #[test]
    fn the_largest_sums_are_exact() {
        // Given weights and inputs at the ends of what eight bits hold
        let panels = Panels::joined(&[Groups::of(&[-1.0; 16 * 64], 64, Bits::Eight)]).unwrap();
        for sign in [1.0, -1.0] {
            for instructions in Instructions::available() {
                let y = by(&panels, instructions, &[sign; 64]);

                assert!(
                    y.iter().all(|y| (y + 64.0 * sign).abs() < 0.3),
                    "{instructions:?}: {y:?}"
                );
            }
        }
    }

    #[test]
    fn some_outputs_are_those_of_all() {
        let weights = random(71 * 64, 5);
        let groups = |range: std::ops::Range<usize>| {
            Groups::of(&weights[64 * range.start..64 * range.end], 64, Bits::Four)
        };
        let panels = Panels::joined(&[groups(0..30), groups(30..71)]).unwrap();
        let x = random(3 * 64, 6);
        let all = Panels::joined(&[groups(0..71)]).unwrap().multiply(&x);
        assert_eq!(panels.multiply(&x), all);

        for (first, count) in [(0, 16), (5, 1), (15, 40), (16, 55), (70, 1)] {
            let some = panels.multiply_part(&x, first, count);

            for (row, some) in some.chunks(count).enumerate() {
                assert_eq!(some, &all[71 * row + first..][..count]);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for bits in [Bits::Eight, Bits::Four] {
            let mut weights = random(32 * 64, 7);
            let mut x = random(64, 8);
            let of = |weights: &[f32]| Panels::joined(&[Groups::of(weights, 64, bits)]).unwrap();
            x[40] = f32::INFINITY;
            assert!(of(&weights).multiply(&x).iter().all(|y| y.is_nan()));
            x[40] = 1.0;
            weights[3 * 64 + 5] = f32::NAN;

            let y = of(&weights).multiply(&x);

            assert!(
                y.iter()
                    .enumerate()
                    .all(|(output, y)| y.is_nan() == (output == 3))
            );
        }
    }

    #[test]
    fn zeros_and_equal_weights_are_exact() {
        for bits in [Bits::Eight, Bits::Four] {
            let panels = |weight| Panels::joined(&[Groups::of(&[weight; 64], 64, bits)]).unwrap();
            assert_eq!(panels(0.5).multiply(&[0.0; 64]), [0.0]);
            assert_eq!(panels(0.0).multiply(&[1.0; 64]), [0.0]);
            let y = panels(0.5).multiply(&[1.0; 64])[0];
            assert!((y - 32.0).abs() < 0.3, "{y}");
        }
    }

    fn floats(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap()
    }
}
