//! Bits of a header, the highest first, and the numbers that video codecs write with them.

/// The bits of some bytes. Beyond the end there are none, and every read says so.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// At most 32 bits.
    pub(super) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits.min(32)).try_fold(0, |number, _| Some(number << 1 | u32::from(self.bit()?)))
    }

    pub(super) fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.bit().map(|_| ()))
    }

    /// Exponential Golomb: so many zeros, a one, as many bits. AV1 calls it `uvlc`, H.264 `ue(v)`.
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = u64::from(self.number(zeros)?);
        u32::try_from((1_u64 << zeros) - 1 + rest).ok()
    }

    /// The same with a sign: `se(v)`.
    pub(super) fn signed_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.golomb()?);
        Some(match code % 2 {
            1 => (code + 1) / 2,
            _ => -(code / 2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standards_write_them() {
        // 1 | 010 | 011 | 00100 | 101 and a one
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_1011]);
        assert_eq!(bits.golomb(), Some(0));
        assert_eq!(bits.golomb(), Some(1));
        assert_eq!(bits.golomb(), Some(2));
        assert_eq!(bits.golomb(), Some(3));
        assert_eq!(bits.number(3), Some(0b101));
        assert_eq!(bits.number(2), None);
        // ue 1, 2, 3 are se 1, -1, 2
        let mut bits = Bits::new(&[0b0100_1100, 0b1000_0000]);
        assert_eq!(bits.signed_golomb(), Some(1));
        assert_eq!(bits.signed_golomb(), Some(-1));
        assert_eq!(bits.signed_golomb(), Some(2));
    }

    #[test]
    fn zeros_without_end_are_no_number() {
        assert_eq!(Bits::new(&[0; 100]).golomb(), None);
        assert_eq!(Bits::new(&[]).golomb(), None);
    }
}
