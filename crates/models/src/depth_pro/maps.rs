//! Tokens of many patches as one map, and maps in another size.

use tch::Tensor;

use crate::nn::torch::TchResult;

/// Tokens (B, 1 + g g, C), the class token first -> B maps (1, C, g, g).
pub(super) fn maps_of(tokens: &Tensor) -> TchResult<Vec<Tensor>> {
    let (batch, count, channels) = tokens.size3()?;
    let side = whole_root(count);
    // Tokens are pixels with their channels side by side, so this copies nothing.
    let maps = tokens
        .f_narrow(1, count - side * side, side * side)? // (B, g g, C): the class token has no place in a map
        .f_reshape([batch, side, side, channels])? // (B, g, g, C)
        .f_permute([0, 3, 1, 2])?; // (B, C, g, g)
    (0..batch).map(|index| maps.f_narrow(0, index, 1)).collect()
}

/// Maps (1, C, g, g) of patches, row by row, side by side: (1, C, G, G). Those that fill no square are left out. Where patches
/// meet, `padding` tokens of each are cut away, at most a quarter of a side.
pub(super) fn merged(maps: &[Tensor], padding: i64) -> TchResult<Tensor> {
    let rows = whole_root(maps.len() as i64);
    let side = maps
        .first()
        .map_or(0, |map| map.size().last().copied().unwrap_or(0));
    let padding = padding.min(side / 4);
    let mut merged = Vec::new();
    for (row, maps) in maps
        .chunks(rows.max(1) as usize)
        .enumerate()
        .take(rows as usize)
    {
        let (top, height) = inside(row as i64, rows, side, padding);
        let mut parts = Vec::new();
        for (column, map) in maps.iter().enumerate() {
            let (left, width) = inside(column as i64, rows, side, padding);
            parts.push(map.f_narrow(2, top, height)?.f_narrow(3, left, width)?);
        }
        merged.push(Tensor::f_cat(&parts, 3)?); // (1, C, height, G)
    }
    Tensor::f_cat(&merged, 2)
}

/// Where what is kept of a patch begins and how long it is, along one side: seams are cut, borders are not.
fn inside(index: i64, patches: i64, side: i64, padding: i64) -> (i64, i64) {
    let before = if index > 0 { padding } else { 0 };
    let behind = if index + 1 < patches { padding } else { 0 };
    (before, side - before - behind)
}

/// Bilinear, without antialiasing, pixels seen as areas: (B, C, H, W) -> (B, C, side, side)
pub(super) fn resized(map: &Tensor, side: i64) -> TchResult<Tensor> {
    let (_, _, height, width) = map.size4()?;
    match (height, width) == (side, side) {
        true => Ok(map.shallow_clone()),
        false => map.f_upsample_bilinear2d([side, side], false, None, None),
    }
}

/// The side of the largest square of so many.
fn whole_root(count: i64) -> i64 {
    (count as f64).sqrt() as i64
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::{inside, maps_of, merged};

    #[test]
    fn patches_stand_row_by_row_and_their_seams_are_cut() {
        // Given five maps of 4 x 4, of which four fill a square, each of one number
        let map = |number: i64| Tensor::full([1, 1, 4, 4], number, (Kind::Float, tch::Device::Cpu));
        let maps: Vec<Tensor> = (0..5).map(map).collect();

        // When they are merged
        let merged = merged(&maps, 3).unwrap();

        // Then a quarter of a side is cut at each seam, and nothing at the borders
        assert_eq!(merged.size(), [1, 1, 6, 6]);
        let at = |y, x| merged.double_value(&[0, 0, y, x]);
        assert_eq!(
            [at(2, 2), at(2, 3), at(3, 2), at(3, 3)],
            [0.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(inside(1, 3, 4, 1), (1, 2));
    }

    #[test]
    fn the_class_token_has_no_place_in_a_map() {
        let tokens = Tensor::arange(10, (Kind::Float, tch::Device::Cpu)).view([1, 5, 2]);
        let maps = maps_of(&tokens).unwrap();
        assert_eq!(maps.len(), 1);
        assert_eq!(maps[0].size(), [1, 2, 2, 2]);
        assert_eq!(maps[0].double_value(&[0, 1, 1, 1]), 9.0);
        assert_eq!(maps[0].double_value(&[0, 0, 0, 0]), 2.0);
    }
}
