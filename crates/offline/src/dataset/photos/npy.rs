//! Depth as numpy writes it: a `.npy` file of one picture of floats.

/// A picture of floats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Floats {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row.
    pub values: Vec<f32>,
}

const MAGIC: &[u8] = b"\x93NUMPY";

impl Floats {
    /// From a whole file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("this is no .npy file")?;
        let (header, data) = parts(rest).ok_or("the .npy file ends within its header")?;
        let kind = value(header, "descr").ok_or("its header has no descr")?;
        let kind = kind.trim_matches(['\'', '"', ' ']);
        let by_columns = value(header, "fortran_order").is_some_and(|it| it.trim() == "True");
        let (height, width) = shape(header)?;
        let count = (width as usize)
            .checked_mul(height as usize)
            .ok_or("it is too large")?;
        let values = numbers(kind, data)?;
        if values.len() != count {
            let found = values.len();
            return Err(format!("it has {found} values for {width}x{height} pixels"));
        }
        let values = match by_columns {
            false => values,
            true => {
                let (columns, rows) = (width as usize, height as usize);
                let at = |index: usize| values.get(index % columns * rows + index / columns);
                (0..count).filter_map(|index| at(index).copied()).collect()
            }
        };
        Ok(Self {
            width,
            height,
            values,
        })
    }
}

/// The header's text and what comes after it.
fn parts(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = rest.split_at_checked(2)?;
    let (length, rest) = match version.first()? {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        _ => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What stands after a key of the header, up to the next comma outside parentheses.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = header.split_once(&format!("'{key}':"))?;
    let end = match after.trim_start().starts_with('(') {
        true => after.find(')')? + 1,
        false => after.find([',', '}'])?,
    };
    after.get(..end)
}

/// Rows and columns; one channel may be written out.
fn shape(header: &str) -> Result<(u32, u32), String> {
    let text = value(header, "shape").ok_or("its header has no shape")?;
    let sides = text.trim().trim_matches(['(', ')']).split(',');
    let sides = sides.map(str::trim).filter(|side| !side.is_empty());
    let sides: Option<Vec<u32>> = sides.map(|side| side.parse().ok()).collect();
    match sides.as_deref() {
        Some([height, width] | [height, width, 1] | [1, height, width])
            if *height > 0 && *width > 0 =>
        {
            Ok((*height, *width))
        }
        _ => Err(format!(
            "its shape is {}, and not (height, width)",
            text.trim()
        )),
    }
}

fn numbers(kind: &str, data: &[u8]) -> Result<Vec<f32>, String> {
    let four =
        |read: fn([u8; 4]) -> f32| data.as_chunks::<4>().0.iter().map(|it| read(*it)).collect();
    let eight = |read: fn([u8; 8]) -> f64| {
        data.as_chunks::<8>()
            .0
            .iter()
            .map(|it| read(*it) as f32)
            .collect()
    };
    match kind {
        "<f4" => Ok(four(f32::from_le_bytes)),
        ">f4" => Ok(four(f32::from_be_bytes)),
        "<f8" => Ok(eight(f64::from_le_bytes)),
        ">f8" => Ok(eight(f64::from_be_bytes)),
        kind => Err(format!(
            "its numbers are '{kind}', and not float32 or float64 (metres)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn pictures_of_floats_are_read_in_either_order() {
        // Given the same picture by rows in float32 and by columns in float64
        let rows: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let columns: Vec<u8> = [1.0_f64, 4.0, 2.0, 5.0, 3.0, 6.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let by_rows = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
        let by_columns = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3, 1), }\n";
        for file in [file(by_rows, &rows), file(by_columns, &columns)] {
            // When it is read
            let read = Floats::parse(&file).unwrap();
            // Then it is that picture
            assert_eq!((read.width, read.height), (3, 2));
            assert_eq!(read.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused_in_words() {
        let sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
        let cases = [
            (b"hello".to_vec(), "no .npy"),
            (file(sound, &[0; 20]), "5 values for 3x2"),
            (file(&sound.replace("<f4", "<i8"), &[0; 48]), "'<i8'"),
            (
                file(&sound.replace("(2, 3)", "(2, 3, 4)"), &[]),
                "its shape",
            ),
            (file(sound, &[0; 24])[..20].to_vec(), "ends within"),
        ];
        for (bytes, expected) in cases {
            let error = Floats::parse(&bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
