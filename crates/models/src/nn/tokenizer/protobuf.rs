//! The little of protocol buffers' wire format that a sentencepiece model needs: fields with their
//! numbers, in the order in which they are written.

/// What a field holds; which number it is of is the schema's word.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A number of any length.
    Varint(u64),
    /// Four bytes, little endian.
    Fixed32([u8; 4]),
    /// Eight bytes, little endian.
    Fixed64([u8; 8]),
    /// A text, bytes or a message within.
    Bytes(&'a [u8]),
}

/// Takes a message apart, field by field. `Err(())` where the bytes are no message; nothing follows it.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a message's bytes.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.take()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (head, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Value::Bytes(head)
            }
            5 => Value::Fixed32(self.take()?),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read_and_a_cut_message_is_an_error() {
        // Given the fields 1 (300), 2 ("ab"), 3 (fixed 32) and 20 (fixed 64)
        let mut message = vec![0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x1d, 1, 2, 3, 4];
        message.extend([0xa1, 0x01, 8, 7, 6, 5, 4, 3, 2, 1]);
        // When it is read, then they come in order
        let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
        let expected = vec![
            (1, Value::Varint(300)),
            (2, Value::Bytes(b"ab")),
            (3, Value::Fixed32([1, 2, 3, 4])),
            (20, Value::Fixed64([8, 7, 6, 5, 4, 3, 2, 1])),
        ];
        assert_eq!(fields, Ok(expected));
        // When it is cut inside a field, then that is an error, and the end of it
        for length in [1, 2, 4, 6, 9, 13, 20] {
            let fields: Vec<_> = Fields::of(&message[..length]).collect();
            assert_eq!(fields.last(), Some(&Err(())), "cut at {length}");
        }
    }

    #[test]
    fn a_number_without_end_and_a_group_are_errors() {
        assert_eq!(Fields::of(&[0xff; 12]).next(), Some(Err(())));
        assert_eq!(Fields::of(&[0x0b, 0x0c]).next(), Some(Err(())));
    }
}
