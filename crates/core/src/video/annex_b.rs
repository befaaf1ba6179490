//! The byte stream of H.264 and H.265 (Annex B): units behind start codes, with bytes put in so that no start code
//! occurs within a unit.

/// A start code, whatever zeros stand in front of it.
const START: [u8; 3] = [0, 0, 1];

/// The units, without start codes. Trailing zeros of one are left with it.
pub(super) fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start(data);
    std::iter::from_fn(move || {
        let unit = rest?;
        rest = after_start(unit);
        let behind = rest.map_or(0, |rest| rest.len() + START.len());
        unit.get(..unit.len() - behind)
    })
}

fn after_start(data: &[u8]) -> Option<&[u8]> {
    let at = data.windows(START.len()).position(|three| three == START)?;
    data.get(at + START.len()..)
}

/// The first bytes of a unit as they were before the encoder put bytes in; at most so many.
pub(super) fn unescaped(unit: &[u8], most: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(most.min(unit.len()));
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
        if bytes.len() == most {
            break;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_what_stands_between_start_codes() {
        let data = [9, 0, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 0, 0, 1];
        let found: Vec<&[u8]> = units(&data).collect();
        assert_eq!(found, [[0x67, 5].as_slice(), &[0x68], &[]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[]).count(), 0);
    }

    #[test]
    fn bytes_that_were_put_in_are_taken_out() {
        assert_eq!(unescaped(&[1, 0, 0, 3, 1, 3], 10), [1, 0, 0, 1, 3]);
        assert_eq!(unescaped(&[0, 0, 3, 0, 0, 3, 1], 4), [0, 0, 0, 0]);
    }
}
