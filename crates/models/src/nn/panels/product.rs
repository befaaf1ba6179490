//! Products of rows with panels, by the widest instructions that a processor has.

#![expect(
    clippy::needless_range_loop,
    reason = "rows and panels are numbers of registers here, and all loops over them are alike"
)]

use std::ops::Range;
use std::slice;
use std::sync::LazyLock;

use bytemuck::cast_ref;

use super::rows::{MOST_ROWS, QuantisedRows, Rows, rows_together};
use super::sixteen::{LANES, MultipliesHalves, Portable, STEP, Sixteen};
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};

/// What a processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Which multiply bfloat16, too.
    #[cfg(target_arch = "x86_64")]
    Avx512Halves,
}

impl Instructions {
    /// Those that this processor has, the widest last.
    pub(super) fn available() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self::Avx512);
                if is_x86_feature_detected!("avx512bf16") {
                    all.push(Self::Avx512Halves);
                }
            }
        }
        all
    }

    pub(super) fn fastest() -> Self {
        static FASTEST: LazyLock<Instructions> = LazyLock::new(|| {
            Instructions::available()
                .pop()
                .unwrap_or(Instructions::Portable)
        });
        *FASTEST
    }

    /// Whether [`run_halves`](Self::run_halves) multiplies them.
    pub(super) fn multiply_halves(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Halves => true,
            _ => false,
        }
    }

    /// Fills the sums.
    pub(super) fn run(self, product: Product, of: impl Blocks) {
        match self {
            Self::Portable => product.run(Portable, of),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` names what this processor has alone, and nobody else makes an `Instructions`.
            Self::Avx2 => unsafe { with_avx2(product, of) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 | Self::Avx512Halves => unsafe { with_avx512(product, of) },
        }
    }

    /// Fills the sums where the processor [multiplies bfloat16](Self::multiply_halves), and leaves them elsewhere.
    pub(super) fn run_halves(self, product: Product, of: OfColumns<u32>) {
        #[cfg(target_arch = "x86_64")]
        if self.multiply_halves() {
            // SAFETY: as above.
            unsafe { with_halves(product, of) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(product: Product, of: impl Blocks) {
    // SAFETY: the processor has it, or this function could not be called.
    product.run(unsafe { Avx2::new() }, of);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn with_avx512(product: Product, of: impl Blocks) {
    // SAFETY: as above.
    product.run(unsafe { Avx512::<false>::new() }, of);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512bf16")]
fn with_halves(product: Product, of: OfColumns<u32>) {
    // SAFETY: as above.
    product.run(unsafe { Avx512::<true>::new() }, of);
}

/// Sums (R, outputs of some panels) to fill.
pub(super) struct Product<'a> {
    /// The first of the panels.
    pub first: usize,
    pub rows: usize,
    pub sums: &'a mut [f32],
}

/// Products of `R` rows with `P` panels, for instructions of some kind.
pub(super) trait BlocksBy<S: Sixteen> {
    /// Parts of a row that are added one after the other, and how many bytes of a panel one is multiplied with.
    fn parts(&self) -> (usize, usize);

    /// Adds what these parts of the rows from `row` on come to. Every sum is made in the same order whatever `P` and `R` are.
    fn add<const P: usize, const R: usize>(
        &self,
        sixteen: S,
        panel: usize,
        row: usize,
        parts: Range<usize>,
        sums: &mut [[S::Float; R]; P],
    );
}

/// Products for all instructions.
#[cfg(target_arch = "x86_64")]
pub(super) trait Blocks:
    BlocksBy<Portable> + BlocksBy<Avx2> + BlocksBy<Avx512<false>>
{
}
#[cfg(target_arch = "x86_64")]
impl<B: BlocksBy<Portable> + BlocksBy<Avx2> + BlocksBy<Avx512<false>>> Blocks for B {}
/// Products for all instructions.
#[cfg(not(target_arch = "x86_64"))]
pub(super) trait Blocks: BlocksBy<Portable> {}
#[cfg(not(target_arch = "x86_64"))]
impl<B: BlocksBy<Portable>> Blocks for B {}

/// Weights that stay nearest to a core while all rows pass.
const NEAR_BYTES: usize = 16 << 10;

impl Product<'_> {
    #[inline(always)]
    fn run<S: Sixteen>(mut self, sixteen: S, of: impl BlocksBy<S>) {
        let count = self.sums.len() / self.rows.max(1) / LANES;
        let mut panel = 0;
        while panel < count {
            // Panels together use each input as often.
            panel += match count - panel {
                4.. if S::IS_WIDE => self.panels::<S, 4>(sixteen, &of, panel),
                2.. if S::IS_WIDE => self.panels::<S, 2>(sixteen, &of, panel),
                _ => self.panels::<S, 1>(sixteen, &of, panel),
            };
        }
    }

    #[inline(always)]
    fn panels<S: Sixteen, const P: usize>(
        &mut self,
        sixteen: S,
        of: &impl BlocksBy<S>,
        panel: usize,
    ) -> usize {
        let (parts, bytes) = of.parts();
        let at_once = match self.rows {
            // Nothing is read again.
            ..=MOST_ROWS => parts,
            _ => (NEAR_BYTES / (P * bytes).max(1)).max(1),
        };
        let mut first = 0;
        while first < parts {
            let last = (first + at_once).min(parts);
            let mut row = 0;
            while row < self.rows {
                // Rows together use each weight as often.
                let place = (panel, row);
                row += match rows_together(self.rows - row) {
                    4 => self.block::<S, P, 4>(sixteen, of, place, first..last),
                    2 => self.block::<S, P, 2>(sixteen, of, place, first..last),
                    _ => self.block::<S, P, 1>(sixteen, of, place, first..last),
                };
            }
            first = last;
        }
        P
    }

    #[inline(always)]
    fn block<S: Sixteen, const P: usize, const R: usize>(
        &mut self,
        sixteen: S,
        of: &impl BlocksBy<S>,
        (panel, row): (usize, usize),
        parts: Range<usize>,
    ) -> usize {
        let outputs = self.sums.len() / self.rows.max(1);
        let place = |p, r| (row + r) * outputs + (panel + p) * LANES;
        let mut sums = [[sixteen.splat(0.0); R]; P];
        if parts.start > 0 {
            for p in 0..P {
                for r in 0..R {
                    if let Some(from) = self.sums[place(p, r)..].first_chunk() {
                        sums[p][r] =
                            sixteen.floats(sixteen.load(cast_ref::<[f32; LANES], _>(from)));
                    }
                }
            }
        }
        of.add::<P, R>(sixteen, self.first + panel, row, parts, &mut sums);
        for p in 0..P {
            for r in 0..R {
                if let Some(to) = self.sums[place(p, r)..].first_chunk_mut() {
                    sixteen.store(sums[p][r], to);
                }
            }
        }
        R
    }
}

// No closures around what the registers do: they would not be compiled for them.

/// Of weights of few bits.
#[derive(Clone, Copy)]
pub(super) struct OfGroups<'a, const FOUR: bool> {
    /// (panels, groups, steps)
    pub weights: &'a [[u8; STEP]],
    /// (panels, groups, 1 or 2): scales, and of four bits least weights behind them.
    pub shared: &'a [[u16; LANES]],
    pub x: &'a QuantisedRows,
}

impl<S: Sixteen, const FOUR: bool> BlocksBy<S> for OfGroups<'_, FOUR> {
    #[inline(always)]
    fn parts(&self) -> (usize, usize) {
        let words = self.x.group_words;
        let steps = if FOUR { words / 2 } else { words };
        (self.x.groups, steps * STEP)
    }

    #[inline(always)]
    fn add<const P: usize, const R: usize>(
        &self,
        sixteen: S,
        panel: usize,
        row: usize,
        parts: Range<usize>,
        sums: &mut [[S::Float; R]; P],
    ) {
        let groups = self.x.groups;
        let words = self.x.group_words;
        let steps = if FOUR { words / 2 } else { words };
        let kinds = if FOUR { 2 } else { 1 };
        let rows = Rows {
            values: &self.x.words,
            columns: groups * words,
        };
        let low = Rows {
            values: &self.x.low,
            columns: groups * words,
        };
        for group in parts {
            let inputs = rows.part::<R>(row, &(group * words..(group + 1) * words));
            let mut whole = [[sixteen.zero(); R]; P];
            let mut weights: [&[[u8; STEP]]; P] = [&[]; P];
            for p in 0..P {
                weights[p] = &self.weights[((panel + p) * groups + group) * steps..][..steps];
            }
            if FOUR {
                for step in 0..steps {
                    // An input is spread over all lanes once, not for each panel anew.
                    let first = every(sixteen, &inputs, 2 * step);
                    let next = every(sixteen, &inputs, 2 * step + 1);
                    for p in 0..P {
                        let [low, high] = sixteen.halves(sixteen.load(&weights[p][step]));
                        for r in 0..R {
                            let sum = sixteen.dot_four(whole[p][r], low, first[r]);
                            whole[p][r] = sixteen.dot_four(sum, high, next[r]);
                        }
                    }
                }
            } else {
                for whole in &mut whole {
                    for r in 0..R {
                        let sums = self.x.shared[(row + r) * groups + group].sums;
                        whole[r] = sixteen.zero_eight(sums[0]);
                    }
                }
                add_eight(sixteen, &mut whole, &weights, &inputs);
                for whole in &mut whole {
                    for r in 0..R {
                        let sums = self.x.shared[(row + r) * groups + group].sums;
                        whole[r] = sixteen.upper_to_lower(whole[r], sums[1]);
                    }
                }
                let inputs = low.part::<R>(row, &(group * words..(group + 1) * words));
                add_eight(sixteen, &mut whole, &weights, &inputs);
            }
            for p in 0..P {
                let shared = &self.shared[((panel + p) * groups + group) * kinds..][..kinds];
                let scale = sixteen.widened(&shared[0]);
                for r in 0..R {
                    let input = self.x.shared[(row + r) * groups + group];
                    let scaled = sixteen.mul(sixteen.float(whole[p][r]), scale);
                    let found = sixteen.mul(scaled, sixteen.splat(input.scale));
                    sums[p][r] = sixteen.add(sums[p][r], found);
                    if FOUR {
                        let least = sixteen.widened(&shared[1]);
                        let found = sixteen.mul(least, sixteen.splat(input.total));
                        sums[p][r] = sixteen.add(sums[p][r], found);
                    }
                }
            }
        }
    }
}

/// Adds a group's products of weights of eight bits with one part of the inputs.
#[inline(always)]
fn add_eight<S: Sixteen, const P: usize, const R: usize>(
    sixteen: S,
    whole: &mut [[S::Whole; R]; P],
    weights: &[&[[u8; STEP]]; P],
    inputs: &[&[u32]; R],
) {
    for step in 0..weights[0].len() {
        let inputs = every(sixteen, inputs, step);
        for p in 0..P {
            let loaded = sixteen.load(&weights[p][step]);
            for r in 0..R {
                whole[p][r] = sixteen.dot_eight(whole[p][r], loaded, inputs[r]);
            }
        }
    }
}

/// What a row has in a column: as much as a step of weights is multiplied with.
pub(super) trait Column<S: Sixteen>: Copy + Default {
    /// It for all lanes.
    type Spread: Copy;
    /// A step's weights.
    type Weights: Copy;

    fn spread(self, sixteen: S) -> Self::Spread;
    fn weights(sixteen: S, loaded: S::Weights) -> Self::Weights;
    /// Adds the products of both.
    fn add(sixteen: S, sums: S::Float, weights: Self::Weights, input: Self::Spread) -> S::Float;
}

/// Float32 for weights of it.
impl<S: Sixteen> Column<S> for f32 {
    type Spread = S::Float;
    type Weights = S::Float;

    #[inline(always)]
    fn spread(self, sixteen: S) -> S::Float {
        sixteen.splat(self)
    }

    #[inline(always)]
    fn weights(sixteen: S, loaded: S::Weights) -> S::Float {
        sixteen.floats(loaded)
    }

    #[inline(always)]
    fn add(sixteen: S, sums: S::Float, weights: S::Float, input: S::Float) -> S::Float {
        sixteen.mul_add(weights, input, sums)
    }
}

/// Two of float32 for weights of bfloat16.
impl<S: Sixteen> Column<S> for [f32; 2] {
    type Spread = [S::Float; 2];
    type Weights = [S::Float; 2];

    #[inline(always)]
    fn spread(self, sixteen: S) -> [S::Float; 2] {
        [sixteen.splat(self[0]), sixteen.splat(self[1])]
    }

    #[inline(always)]
    fn weights(sixteen: S, loaded: S::Weights) -> [S::Float; 2] {
        sixteen.pairs(loaded)
    }

    #[inline(always)]
    fn add(sixteen: S, sums: S::Float, weights: [S::Float; 2], inputs: [S::Float; 2]) -> S::Float {
        let sums = sixteen.mul_add(weights[0], inputs[0], sums);
        sixteen.mul_add(weights[1], inputs[1], sums)
    }
}

/// Two of bfloat16, the even one in the lower half, for weights of it.
impl<S: MultipliesHalves> Column<S> for u32 {
    type Spread = S::Weights;
    type Weights = S::Weights;

    #[inline(always)]
    fn spread(self, sixteen: S) -> S::Weights {
        sixteen.every(self)
    }

    #[inline(always)]
    fn weights(_: S, loaded: S::Weights) -> S::Weights {
        loaded
    }

    #[inline(always)]
    fn add(sixteen: S, sums: S::Float, weights: S::Weights, inputs: S::Weights) -> S::Float {
        sixteen.dot_pair(sums, weights, inputs)
    }
}

/// Of weights that are multiplied as they are.
#[derive(Clone, Copy)]
pub(super) struct OfColumns<'a, T> {
    /// (panels, columns)
    pub weights: &'a [[u8; STEP]],
    pub x: Rows<'a, T>,
}

impl<S: Sixteen, T: Column<S>> BlocksBy<S> for OfColumns<'_, T> {
    #[inline(always)]
    fn parts(&self) -> (usize, usize) {
        (self.x.columns, STEP)
    }

    #[inline(always)]
    fn add<const P: usize, const R: usize>(
        &self,
        sixteen: S,
        panel: usize,
        row: usize,
        parts: Range<usize>,
        sums: &mut [[S::Float; R]; P],
    ) {
        let mut weights = of_panels::<P>(self.weights, panel, self.x.columns, &parts);
        let rows = self.x.part::<R>(row, &parts);
        for step in 0..parts.len() {
            let mut inputs = [T::default().spread(sixteen); R];
            for r in 0..R {
                inputs[r] = rows[r][step].spread(sixteen);
            }
            for p in 0..P {
                let Some(bytes) = weights[p].next() else {
                    return;
                };
                let weights = T::weights(sixteen, sixteen.load(bytes));
                for r in 0..R {
                    sums[p][r] = T::add(sixteen, sums[p][r], weights, inputs[r]);
                }
            }
        }
    }
}

/// What stands in a column of each row, for all lanes.
#[inline(always)]
fn every<S: Sixteen, const R: usize>(
    sixteen: S,
    rows: &[&[u32]; R],
    column: usize,
) -> [S::Weights; R] {
    let mut all = [sixteen.every(0); R];
    for r in 0..R {
        all[r] = sixteen.every(rows[r][column]);
    }
    all
}

/// These parts of `P` panels from `first` on, which have so many steps each.
#[inline(always)]
fn of_panels<'a, const P: usize>(
    weights: &'a [[u8; STEP]],
    first: usize,
    steps: usize,
    parts: &Range<usize>,
) -> [slice::Iter<'a, [u8; STEP]>; P] {
    let mut panels = [const { [].as_slice() }; P].map(<[[u8; STEP]]>::iter);
    for (p, panel) in panels.iter_mut().enumerate() {
        *panel = weights[(first + p) * steps..][..steps][parts.clone()].iter();
    }
    panels
}
