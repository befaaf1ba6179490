//! Bytes to the network's numbers by a table: a byte has only 256 values, so what NumPy computes
//! for each pixel is computed once for each value.

/// What each byte of each channel becomes.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    tables: [[f32; 256]; 3],
}

impl Normalizer {
    /// `((byte * factor) as f32 - mean) / std`: the product in double precision, the rest in single,
    /// as the image processors have it.
    pub(super) fn new(factor: f64, mean: [f64; 3], std: [f64; 3]) -> Self {
        let mut tables = [[0.0; 256]; 3];
        for ((table, mean), std) in tables.iter_mut().zip(mean).zip(std) {
            for (byte, value) in table.iter_mut().enumerate() {
                *value = ((byte as f64 * factor) as f32 - mean as f32) / std as f32;
            }
        }
        Self { tables }
    }

    /// What torchvision's processors compute, all in single precision: mean and deviation are brought to the bytes' range,
    /// not the bytes to theirs. `factor` is `None` where bytes are taken as they are, `mean_and_std` where nothing is
    /// normalised.
    pub(super) fn torchvision(
        factor: Option<f64>,
        mean_and_std: Option<([f64; 3], [f64; 3])>,
    ) -> Self {
        let mut tables = [[0.0; 256]; 3];
        let widened = factor.map_or(1.0, |factor| (1.0 / factor) as f32);
        for (channel, table) in tables.iter_mut().enumerate() {
            let of = |numbers: [f64; 3]| numbers[channel] as f32 * widened;
            for (byte, value) in table.iter_mut().enumerate() {
                *value = match mean_and_std {
                    Some((mean, std)) => (byte as f32 - of(mean)) / of(std),
                    None => byte as f32 * factor.unwrap_or(1.0) as f32,
                };
            }
        }
        Self { tables }
    }

    /// [height, width, 3] bytes to [3, height, width].
    pub(super) fn planes(&self, rgb: &[u8]) -> Vec<f32> {
        let mut planes = Vec::with_capacity(rgb.len());
        for (channel, table) in self.tables.iter().enumerate() {
            let pixels = rgb.chunks_exact(3);
            planes.extend(pixels.map(|pixel| table[usize::from(pixel[channel])]));
        }
        planes
    }

    /// [height, width] bytes, the same for each channel, to [3, height, width].
    pub(super) fn gray_planes(&self, gray: &[u8]) -> Vec<f32> {
        let mut planes = Vec::with_capacity(gray.len() * 3);
        for table in &self.tables {
            planes.extend(gray.iter().map(|&byte| table[usize::from(byte)]));
        }
        planes
    }
}
