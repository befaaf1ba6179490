//! Attention of many positions at once, on a processor: keys and values are matrices that queries, and their shares, are multiplied
//! with. A query's numbers do not depend on the others.

use super::panels::Panels;
use super::vector::softmax;

/// Queries that are looked at together: their shares stay near the core.
const CHUNK: usize = 64;

/// Keys and values of one head.
pub struct Head {
    keys: Panels,
    values: Panels,
    tokens: usize,
    width: usize,
}

impl Head {
    /// Of so many tokens and channels; `key` and `value` give a token's channel. `rounds` as for [`Panels::passing`].
    pub fn of(
        [tokens, width]: [usize; 2],
        rounds: bool,
        key: impl Fn(usize, usize) -> f32,
        value: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self {
            keys: Panels::passing([tokens, width], rounds, key),
            values: Panels::passing([width, tokens], rounds, |channel, token| {
                value(token, channel)
            }),
            tokens,
            width,
        }
    }

    /// What queries (R, D), one after the other, find into `found` (R, D); the R-th sees the first `sees(R)` tokens.
    pub fn find(&self, queries: &[f32], sees: impl Fn(usize) -> usize, found: &mut [f32]) {
        let scale = (self.width as f32).sqrt().recip();
        let chunk = CHUNK * self.width;
        let chunks = queries.chunks(chunk).zip(found.chunks_mut(chunk));
        for (index, (queries, found)) in chunks.enumerate() {
            let mut shares = self.keys.multiply_alone(queries); // (R, N)
            for (row, shares) in shares.chunks_exact_mut(self.tokens.max(1)).enumerate() {
                let (seen, unseen) = shares.split_at_mut(sees(index * CHUNK + row));
                softmax(seen, scale);
                unseen.fill(0.0);
            }
            self.values.multiply_into(&shares, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn what_is_found_is_what_libtorch_finds() {
        // given more tokens than a chunk has, each seeing those up to its own
        tch::manual_seed(1);
        let (tokens, width) = (150, 24);
        let [q, k, v] =
            [(); 3].map(|()| Tensor::randn([1, 1, tokens, width], (Kind::Float, Device::Cpu)));
        let flat = |tensor: &Tensor| Vec::<f32>::try_from(tensor.reshape([-1])).unwrap();
        let (tokens, width) = (tokens as usize, width as usize);
        let [queries, keys, values] = [&q, &k, &v].map(flat);
        for is_causal in [false, true] {
            // when
            let head = Head::of(
                [tokens, width],
                false,
                |token, channel| keys[token * width + channel],
                |token, channel| values[token * width + channel],
            );
            let mut found = vec![0.0; queries.len()];
            let sees = |query| if is_causal { query + 1 } else { tokens };
            head.find(&queries, sees, &mut found);
            // then
            let expected = Tensor::scaled_dot_product_attention(
                &q,
                &k,
                &v,
                None::<&Tensor>,
                0.0,
                is_causal,
                None,
                false,
            );
            for (found, expected) in found.iter().zip(flat(&expected)) {
                assert!((found - expected).abs() < 2e-6, "{found} and {expected}");
            }
            // and a query finds the same alone
            let mut alone = vec![0.0; width];
            head.find(&queries[77 * width..78 * width], |_| sees(77), &mut alone);
            assert_eq!(alone, found[77 * width..78 * width]);
        }
    }
}
