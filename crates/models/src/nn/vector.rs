//! What a decoder does with a row between its products, on a processor: each row by itself, in an order that no other row
//! changes.

use pulp::{Arch, Simd, WithSimd};

/// x + more, in place.
pub fn add(x: &mut [f32], more: &[f32]) {
    for (x, more) in x.iter_mut().zip(more) {
        *x += more;
    }
}

/// x / rms(x) * weight of each row of x (R, C), the mean square taken in float32.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let arch = Arch::new();
    let mut normed = vec![0.0; x.len()];
    let size = weight.len().max(1);
    for (x, normed) in x.chunks_exact(size).zip(normed.chunks_exact_mut(size)) {
        let mean = arch.dispatch(SquareSum(x)) / size as f32;
        let scale = (mean + eps).sqrt().recip();
        for ((y, x), weight) in normed.iter_mut().zip(x).zip(weight) {
            *y = x * scale * weight;
        }
    }
    normed
}

struct SquareSum<'a>(&'a [f32]);

impl WithSimd for SquareSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (head, tail) = S::as_simd_f32s(self.0);
        let mut sum = simd.splat_f32s(0.0);
        for &x in head {
            sum = simd.mul_add_f32s(x, x, sum);
        }
        simd.reduce_sum_f32s(sum) + tail.iter().map(|x| x * x).sum::<f32>()
    }
}

/// silu(gate) * up of rows that hold both one after the other, (R, 2 I) -> (R, I).
pub fn gated(both: &[f32], inner: usize) -> Vec<f32> {
    let arch = Arch::new();
    let mut y = vec![0.0; both.len() / 2];
    let inner = inner.max(1);
    for (both, y) in both.chunks_exact(2 * inner).zip(y.chunks_exact_mut(inner)) {
        let (gate, up) = both.split_at(inner);
        arch.dispatch(Gated { gate, up, y });
    }
    y
}

struct Gated<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (gate, gate_tail) = S::as_simd_f32s(self.gate);
        let (up, up_tail) = S::as_simd_f32s(self.up);
        let (y, y_tail) = S::as_mut_simd_f32s(self.y);
        let one = simd.splat_f32s(1.0);
        for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
            let shrunk = simd.add_f32s(one, exp(simd, simd.neg_f32s(gate)));
            *y = simd.mul_f32s(simd.div_f32s(gate, shrunk), up);
        }
        for ((y, gate), up) in y_tail.iter_mut().zip(gate_tail).zip(up_tail) {
            *y = gate / (1.0 + (-gate).exp()) * up;
        }
    }
}

/// (x - mean) / deviation * weight + bias of each row of x (R, C).
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    let arch = Arch::new();
    let mut normed = vec![0.0; x.len()];
    let size = weight.len().max(1);
    for (x, normed) in x.chunks_exact(size).zip(normed.chunks_exact_mut(size)) {
        let mean = arch.dispatch(Sum(x)) / size as f32;
        for (y, x) in normed.iter_mut().zip(x) {
            *y = x - mean;
        }
        let variance = arch.dispatch(SquareSum(normed)) / size as f32;
        let scale = (variance + eps).sqrt().recip();
        for ((y, weight), bias) in normed.iter_mut().zip(weight).zip(bias) {
            *y = *y * scale * weight + bias;
        }
    }
    normed
}

struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (head, tail) = S::as_simd_f32s(self.0);
        let mut sum = simd.splat_f32s(0.0);
        for &x in head {
            sum = simd.add_f32s(sum, x);
        }
        simd.reduce_sum_f32s(sum) + tail.iter().sum::<f32>()
    }
}

/// x sigmoid(a x + b x^3) of each: GELU as `quick_gelu` has it with a = 1.702 and b = 0, and by tanh with
/// a = 2 sqrt(2 / pi) and b = 0.044715 a.
pub fn gelu(x: &mut [f32], linear: f32, cubic: f32) {
    Arch::new().dispatch(Gelu { x, linear, cubic });
}

struct Gelu<'a> {
    x: &'a mut [f32],
    linear: f32,
    cubic: f32,
}

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, linear, cubic } = self;
        let (head, tail) = S::as_mut_simd_f32s(x);
        let (a, b) = (simd.splat_f32s(-linear), simd.splat_f32s(-cubic));
        let one = simd.splat_f32s(1.0);
        for x in head {
            let square = simd.mul_f32s(*x, *x);
            let power = simd.mul_f32s(simd.mul_add_f32s(b, square, a), *x);
            *x = simd.div_f32s(*x, simd.add_f32s(one, exp(simd, power)));
        }
        for x in tail {
            let power = -(linear + cubic * *x * *x) * *x;
            *x /= 1.0 + power.exp();
        }
    }
}

/// x (1 + erf(x / sqrt(2))) / 2 of each, within 2e-7 of x (Abramowitz and Stegun 1964, 7.1.26).
pub fn gelu_by_erf(x: &mut [f32]) {
    Arch::new().dispatch(GeluByErf(x));
}

struct GeluByErf<'a>(&'a mut [f32]);

impl WithSimd for GeluByErf<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (head, tail) = S::as_mut_simd_f32s(self.0);
        for x in head {
            *x = by_erf(simd, *x);
        }
        if !tail.is_empty() {
            // As many as a register holds, of which these are the first.
            let mut last = [simd.splat_f32s(0.0)];
            let lanes: &mut [f32] = bytemuck::cast_slice_mut(&mut last);
            lanes[..tail.len()].copy_from_slice(tail);
            let mut found = [by_erf(simd, last[0])];
            let found: &mut [f32] = bytemuck::cast_slice_mut(&mut found);
            tail.copy_from_slice(&found[..tail.len()]);
        }
    }
}

#[inline(always)]
fn by_erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const P: f32 = 0.327_591_1;
    const TERMS: [f32; 5] = [
        1.061_405_4,
        -1.453_152,
        1.421_413_7,
        -0.284_496_74,
        0.254_829_6,
    ];
    let splat = |value| simd.splat_f32s(value);
    let z = simd.mul_f32s(simd.abs_f32s(x), splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.div_f32s(splat(1.0), simd.mul_add_f32s(splat(P), z, splat(1.0)));
    let mut sum = splat(TERMS[0]);
    for term in &TERMS[1..] {
        sum = simd.mul_add_f32s(sum, t, splat(*term));
    }
    let rest = simd.mul_f32s(
        simd.mul_f32s(sum, t),
        exp(simd, simd.neg_f32s(simd.mul_f32s(z, z))),
    );
    // Half of what is beyond |x|: x times it where x is below zero, x times all but it above.
    let share = simd.mul_f32s(splat(0.5), rest);
    let is_above = simd.greater_than_f32s(x, splat(0.0));
    let share = simd.select_f32s(is_above, simd.sub_f32s(splat(1.0), share), share);
    simd.mul_f32s(x, share)
}

/// exp(scale (x - the largest)) of a row, each divided by their sum.
pub fn softmax(row: &mut [f32], scale: f32) {
    Arch::new().dispatch(Softmax { row, scale });
}

struct Softmax<'a> {
    row: &'a mut [f32],
    scale: f32,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { row, scale } = self;
        let (head, tail) = S::as_simd_f32s(row);
        let mut most = simd.splat_f32s(f32::NEG_INFINITY);
        for &x in head {
            most = simd.max_f32s(most, x);
        }
        let largest = tail
            .iter()
            .fold(simd.reduce_max_f32s(most), |most, x| most.max(*x));
        let share = exp_all(simd, row, scale, largest).recip();
        let (head, tail) = S::as_mut_simd_f32s(row);
        let factor = simd.splat_f32s(share);
        for x in head {
            *x = simd.mul_f32s(*x, factor);
        }
        for x in tail {
            *x *= share;
        }
    }
}

/// e^x within 2e-7 of it, between the smallest and the largest normal float32; 2^n by its bits, and the rest by a polynomial.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LEAST: f32 = -87.0;
    const MOST: f32 = 88.0;
    /// Added and taken off again it rounds to a whole number, which then stands in the lowest bits.
    const ROUNDS: f32 = 12_582_912.0; // 1.5 * 2^23
    /// ln(2) in two parts, the first with few bits.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const TERMS: [f32; 6] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let (least, most) = (simd.splat_f32s(LEAST), simd.splat_f32s(MOST));
    let x = simd.min_f32s(simd.max_f32s(x, least), most);
    let (log2_e, rounds) = (
        simd.splat_f32s(std::f32::consts::LOG2_E),
        simd.splat_f32s(ROUNDS),
    );
    let shifted = simd.mul_add_f32s(x, log2_e, rounds);
    let whole = simd.sub_f32s(shifted, rounds);
    let rest = simd.mul_add_f32s(whole, simd.splat_f32s(-LN_2[0]), x);
    let rest = simd.mul_add_f32s(whole, simd.splat_f32s(-LN_2[1]), rest);
    let mut power = simd.splat_f32s(TERMS[0]);
    for term in &TERMS[1..] {
        power = simd.mul_add_f32s(power, rest, simd.splat_f32s(*term));
    }
    let power = simd.mul_add_f32s(power, rest, simd.splat_f32s(1.0));
    // The exponent is added to that of the power.
    let exponent =
        simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(power), exponent))
}

/// Keys and values of one head of one sequence: those of `room` positions, of which so many are read so far.
#[derive(Debug, Clone)]
pub struct HeadCache {
    /// (D, room): what is compared is compared with many positions at once.
    keys: Vec<f32>,
    /// (room, D)
    values: Vec<f32>,
    room: usize,
    width: usize,
}

impl HeadCache {
    /// A cache for `room` positions of `width` channels.
    pub fn new(room: usize, width: usize) -> Self {
        Self {
            keys: vec![0.0; room * width],
            values: vec![0.0; room * width],
            room,
            width,
        }
    }

    /// Of keys (D, T) and values (T, D), with room for so many more positions.
    pub fn of(keys: &[f32], values: &[f32], width: usize, more: usize) -> Self {
        let length = values.len() / width.max(1);
        let mut cache = Self::new(length + more, width);
        let rows = cache.keys.chunks_exact_mut((length + more).max(1));
        for (row, keys) in rows.zip(keys.chunks_exact(length.max(1))) {
            row[..length].copy_from_slice(keys);
        }
        cache.values[..values.len()].copy_from_slice(values);
        cache
    }

    /// The first positions, with room for so many in all.
    pub fn with_room(&self, length: usize, room: usize) -> Self {
        let mut cache = Self::new(room, self.width);
        let rows = cache.keys.chunks_exact_mut(room.max(1));
        for (row, keys) in rows.zip(self.keys.chunks_exact(self.room.max(1))) {
            row[..length].copy_from_slice(&keys[..length]);
        }
        let values = length * self.width;
        cache.values[..values].copy_from_slice(&self.values[..values]);
        cache
    }

    /// Writes a position's key and value (D).
    pub fn put(&mut self, position: usize, key: &[f32], value: &[f32]) {
        for (channel, key) in key.iter().enumerate() {
            self.keys[channel * self.room + position] = *key;
        }
        self.values[position * self.width..][..self.width].copy_from_slice(value);
    }

    /// A position's channel of its key.
    pub fn key(&self, position: usize, channel: usize) -> f32 {
        self.keys[channel * self.room + position]
    }

    /// The same of its value.
    pub fn value_at(&self, position: usize, channel: usize) -> f32 {
        self.values[position * self.width + channel]
    }

    /// A channel of the first keys.
    #[inline(always)]
    fn row<S: Simd>(&self, channel: usize, count: usize) -> (&[S::f32s], &[f32]) {
        S::as_simd_f32s(&self.keys[channel * self.room..][..count])
    }

    /// A position's value.
    #[inline(always)]
    fn value<S: Simd>(&self, position: usize) -> (&[S::f32s], &[f32]) {
        S::as_simd_f32s(&self.values[position * self.width..][..self.width])
    }

    /// Moves what stands at a position to an earlier one.
    pub fn move_back(&mut self, from: usize, to: usize) {
        for channel in 0..self.width {
            self.keys[channel * self.room + to] = self.keys[channel * self.room + from];
        }
        let from = from * self.width;
        self.values
            .copy_within(from..from + self.width, to * self.width);
    }
}

/// What a query (D) finds in the first `before` positions and in those of `path` after them, in this order, into `found` (D).
pub fn attend(query: &[f32], cache: &HeadCache, before: usize, path: &[usize], found: &mut [f32]) {
    Arch::new().dispatch(Attention {
        query,
        cache,
        before,
        path,
        found,
    });
}

struct Attention<'a> {
    query: &'a [f32],
    cache: &'a HeadCache,
    before: usize,
    path: &'a [usize],
    found: &'a mut [f32],
}

impl WithSimd for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            query,
            cache,
            before,
            path,
            found,
        } = self;
        let scale = (cache.width as f32).sqrt().recip();
        let mut shares = vec![0.0_f32; before + path.len()];
        compare(simd, query, cache, &mut shares[..before]);
        for (share, &position) in shares[before..].iter_mut().zip(path) {
            // As in the products of many: channel after channel.
            for (channel, query) in query.iter().enumerate() {
                *share = query.mul_add(cache.keys[channel * cache.room + position], *share);
            }
        }
        let largest = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = exp_all(simd, &mut shares, scale, largest);
        found.fill(0.0);
        let positions = (0..before).chain(path.iter().copied());
        gather(simd, cache, &shares, positions, found);
        for found in found {
            *found /= sum;
        }
    }
}

/// The products of a query with the first keys. Each is summed channel after channel.
#[inline(always)]
fn compare<S: Simd>(simd: S, query: &[f32], cache: &HeadCache, products: &mut [f32]) {
    const BLOCK: usize = 4;
    let count = products.len();
    let (heads, tail) = S::as_mut_simd_f32s(products);
    let mut first = 0;
    let mut blocks = heads.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        let mut sums = [simd.splat_f32s(0.0); BLOCK];
        for (channel, query) in query.iter().enumerate() {
            let query = simd.splat_f32s(*query);
            let keys = &cache.row::<S>(channel, count).0[first..first + BLOCK];
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = simd.mul_add_f32s(query, *key, *sum);
            }
        }
        block.copy_from_slice(&sums);
        first += BLOCK;
    }
    for product in blocks.into_remainder() {
        let mut sum = simd.splat_f32s(0.0);
        for (channel, query) in query.iter().enumerate() {
            let key = cache.row::<S>(channel, count).0[first];
            sum = simd.mul_add_f32s(simd.splat_f32s(*query), key, sum);
        }
        *product = sum;
        first += 1;
    }
    for (at, product) in tail.iter_mut().enumerate() {
        let mut sum = 0.0_f32;
        for (channel, query) in query.iter().enumerate() {
            sum = query.mul_add(cache.row::<S>(channel, count).1[at], sum);
        }
        *product = sum;
    }
}

/// exp(scale (x - largest)) of each, and their sum.
#[inline(always)]
fn exp_all<S: Simd>(simd: S, values: &mut [f32], scale: f32, largest: f32) -> f32 {
    let (head, tail) = S::as_mut_simd_f32s(values);
    let (factor, most) = (simd.splat_f32s(scale), simd.splat_f32s(largest));
    let mut sum = simd.splat_f32s(0.0);
    for value in head {
        *value = exp(simd, simd.mul_f32s(factor, simd.sub_f32s(*value, most)));
        sum = simd.add_f32s(sum, *value);
    }
    let mut rest = 0.0;
    for value in tail {
        *value = (scale * (*value - largest)).exp();
        rest += *value;
    }
    simd.reduce_sum_f32s(sum) + rest
}

/// Adds the values of positions to `found`, each times its share, position after position.
#[inline(always)]
fn gather<S: Simd>(
    simd: S,
    cache: &HeadCache,
    shares: &[f32],
    positions: impl Iterator<Item = usize> + Clone,
    found: &mut [f32],
) {
    const BLOCK: usize = 4;
    let (heads, tail) = S::as_mut_simd_f32s(found);
    let mut first = 0;
    for block in heads.chunks_mut(BLOCK) {
        let mut sums = [simd.splat_f32s(0.0); BLOCK];
        let sums = &mut sums[..block.len()];
        for (share, position) in shares.iter().zip(positions.clone()) {
            let share = simd.splat_f32s(*share);
            for (sum, value) in sums.iter_mut().zip(&cache.value::<S>(position).0[first..]) {
                *sum = simd.mul_add_f32s(share, *value, *sum);
            }
        }
        block.copy_from_slice(sums);
        first += block.len();
    }
    for (share, position) in shares.iter().zip(positions) {
        for (found, value) in tail.iter_mut().zip(cache.value::<S>(position).1) {
            *found = share.mul_add(*value, *found);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    /// Numbers between -1 and 1.
    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        std::iter::repeat_with(next)
            .take(count)
            .map(|value| value as f32)
            .collect()
    }

    struct Exponentials<'a>(&'a mut [f32]);

    impl WithSimd for Exponentials<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            exp_all(simd, self.0, 1.0, 0.0)
        }
    }

    #[test]
    fn exponentials_are_those_of_the_library() {
        let x: Vec<f32> = (-870..=880).map(|tenth| tenth as f32 / 10.0).collect();
        let mut y = x.clone();
        Arch::new().dispatch(Exponentials(&mut y));
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x).exp();
            assert!((f64::from(*y) / exact - 1.0).abs() < 3e-7, "e^{x} = {y}");
        }
    }

    #[test]
    fn a_norm_has_a_mean_square_of_one() {
        let x = noise(37, 1);
        let y = rms_norm(&x, &[1.0; 37], 0.0);
        let mean = y.iter().map(|y| f64::from(y * y)).sum::<f64>() / 37.0;
        assert!((mean - 1.0).abs() < 1e-6);
        assert!((y[3] / x[3] - y[36] / x[36]).abs() < 1e-5);
    }

    #[test]
    fn a_gate_is_silu_of_one_half_times_the_other() {
        let both = noise(2 * 2 * 21, 2);
        let y = gated(&both, 21);
        for row in 0..2 {
            for i in 0..21 {
                let (gate, up) = (both[42 * row + i], both[42 * row + 21 + i]);
                let expected = gate / (1.0 + (-gate).exp()) * up;
                assert!((y[21 * row + i] - expected).abs() < 1e-6);
            }
        }
    }

    /// A cache of noise, and a query.
    fn head(room: usize, width: usize) -> (Vec<f32>, HeadCache) {
        let mut cache = HeadCache::new(room, width);
        let numbers = noise(2 * room * width, 3);
        for (position, both) in numbers.chunks(2 * width).enumerate() {
            cache.put(position, &both[..width], &both[width..]);
        }
        (noise(width, 4), cache)
    }

    #[test]
    fn attention_is_the_mean_of_values_by_softmax() {
        for (room, width) in [(83, 64), (5, 24), (130, 96), (1, 32)] {
            let (query, cache) = head(room, width);
            let mut found = vec![0.0; width];

            attend(&query, &cache, room, &[], &mut found);

            let key = |position: usize, channel: usize| cache.keys[channel * room + position];
            let products: Vec<f64> = (0..room)
                .map(|position| {
                    let channels = query.iter().enumerate();
                    let product: f64 = channels
                        .map(|(c, q)| f64::from(*q) * f64::from(key(position, c)))
                        .sum();
                    (product / (width as f64).sqrt()).exp()
                })
                .collect();
            for (channel, found) in found.iter().enumerate() {
                let values = products.iter().enumerate();
                let sum: f64 = values
                    .map(|(p, share)| share * f64::from(cache.values[p * width + channel]))
                    .sum();
                let expected = sum / products.iter().sum::<f64>();
                assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_position_beside_others_is_found_as_in_its_place() {
        // given positions 60 to 63 of a sequence, which stand elsewhere in another cache
        let (query, cache) = head(64, 40);
        let mut scattered = HeadCache::new(90, 40);
        let path = [71, 62, 88, 79];
        for position in 0..64 {
            let key: Vec<f32> = (0..40).map(|c| cache.keys[c * 64 + position]).collect();
            let value = &cache.values[position * 40..][..40];
            let place = position.checked_sub(60).map_or(position, |at| path[at]);
            scattered.put(place, &key, value);
        }
        let (mut one, mut other, mut moved) = ([0.0; 40], [0.0; 40], [0.0; 40]);
        // when they are found there, and after they were moved to where they belong
        attend(&query, &cache, 64, &[], &mut one);
        attend(&query, &scattered, 60, &path, &mut other);
        for (to, from) in [(61, 62), (60, 71), (62, 88), (63, 79)] {
            scattered.move_back(from, to);
        }
        attend(&query, &scattered, 64, &[], &mut moved);
        // then not one bit differs
        assert_eq!(one, other);
        assert_eq!(one, moved);
    }

    /// Within 1e-6 of what libtorch makes of the same numbers.
    fn expect_near(ours: &[f32], theirs: &Tensor) {
        let theirs = Vec::<f32>::try_from(theirs.reshape([-1])).unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let tolerance = 1e-6 * theirs.abs().max(1.0);
            assert!((ours - theirs).abs() <= tolerance, "{ours} and {theirs}");
        }
    }

    #[test]
    fn a_towers_steps_are_libtorchs() {
        // given rows of a length that no register divides, some numbers far from zero
        let columns = 37;
        let x: Vec<f32> = noise(9 * columns, 5).iter().map(|x| 6.0 * x).collect();
        let rows = Tensor::from_slice(&x).reshape([9, columns as i64]);
        let (weight, bias) = (noise(columns, 6), noise(columns, 7));
        let [scale, shift] = [&weight, &bias].map(|values| Tensor::from_slice(values));
        // then
        let normed = rows.layer_norm([columns as i64], Some(&scale), Some(&shift), 1e-6, true);
        expect_near(&layer_norm(&x, &weight, &bias, 1e-6), &normed);
        let mut shares = x.clone();
        for row in shares.chunks_mut(columns) {
            softmax(row, 0.3);
        }
        expect_near(&shares, &(&rows * 0.3).softmax(-1, Kind::Float));
        let mut by_tanh = x.clone();
        let linear = 2.0 * (2.0 / std::f32::consts::PI).sqrt();
        gelu(&mut by_tanh, linear, 0.044715 * linear);
        expect_near(&by_tanh, &rows.gelu("tanh"));
        let mut by_erf = x.clone();
        gelu_by_erf(&mut by_erf);
        expect_near(&by_erf, &rows.gelu("none"));
        let mut quick = x.clone();
        gelu(&mut quick, 1.702, 0.0);
        expect_near(&quick, &(&rows * (&rows * 1.702).sigmoid()));
    }
}
