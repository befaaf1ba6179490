//! A product of rows with a matrix, its outputs shared out among a team.

use super::team::in_parts;

/// What one thread takes at a time: as many bytes of weights as stay near it while all rows pass, and no more than so many
/// outputs, for there must be something to share.
const CHUNK_BYTES: usize = 256 << 10;
const MOST_OUTPUTS: usize = 128;

/// How many outputs one thread takes at a time, where one has so many bytes of weights.
pub(super) fn at_once(bytes: usize) -> usize {
    (CHUNK_BYTES / bytes.max(1)).clamp(2, MOST_OUTPUTS)
}

/// `product` is given the first of so many outputs and makes their sums, (R, those outputs) -> (R, out). `products` is how many
/// of two numbers it takes in all.
pub(super) fn share_out(
    rows: usize,
    outputs: usize,
    at_once: usize,
    products: usize,
    product: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let size = (at_once * rows).max(1);
    let mut sums = vec![0.0_f32; rows * outputs]; // chunk by chunk (R, outputs of the chunk)
    let firsts = (0..outputs).step_by(at_once.max(1));
    let chunks = firsts.clone().zip(sums.chunks_mut(size));
    in_parts(products, chunks, |(first, sums)| product(first, sums));
    if rows == 1 || at_once >= outputs {
        return sums;
    }
    let mut y = vec![0.0; sums.len()];
    for (first, sums) in firsts.zip(sums.chunks(size)) {
        let count = sums.len() / rows.max(1);
        let rows = y
            .chunks_exact_mut(outputs)
            .zip(sums.chunks_exact(count.max(1)));
        for (y, sums) in rows {
            y[first..first + count].copy_from_slice(sums);
        }
    }
    y
}
