//! numpy arrays as pictures and depth, without a copy: an array stays alive as long as something looks at it.

use bytes::Bytes;
use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArray, PyArray1, PyArray2, PyArray3, PyArrayDescrMethods, PyArrayMethods,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use spatial_reward_core::frame::{BoundingBox, ColorImage, DepthImage, Mask};

use crate::error::Failure;

/// The memory of an array, held for as long as it is read.
struct Held<Array> {
    array: Array,
    address: *const u8,
    bytes: usize,
}

// SAFETY: the memory is only read, and stays where it is while the array is held, which is counted by Python.
unsafe impl<Array: Send> Send for Held<Array> {}

impl<Array> AsRef<[u8]> for Held<Array> {
    fn as_ref(&self) -> &[u8] {
        let _ = &self.array;
        // SAFETY: `address` is that of `bytes` bytes of an array in one piece, which `array` keeps.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }
}

/// The bytes of an array where they are, at whatever address; none is interpreted here.
///
/// # Errors
/// An array of which the rows do not follow each other.
fn memory<T: Element + 'static, D: Dimension + 'static>(
    what: &str,
    array: &Bound<'_, PyArray<T, D>>,
) -> Result<Bytes, Failure> {
    // numpy counts columns one after the other as one piece, too.
    if !array.is_c_contiguous() {
        let words = format!("{what} does not lie in memory in one piece, row by row");
        return Err(Failure::of("array", words).remedy("numpy.ascontiguousarray(...) makes it so"));
    }
    Ok(Bytes::from_owner(Held {
        array: array.clone().unbind(),
        address: array.data().cast_const().cast(),
        bytes: array.len() * size_of::<T>(),
    }))
}

/// An array; one of numpy.ma hides values that its memory has all the same.
fn untyped<'a, 'py>(
    what: &str,
    given: &'a Bound<'py, PyAny>,
) -> Result<&'a Bound<'py, PyUntypedArray>, Failure> {
    if given.hasattr("_sharedmask").unwrap_or_default() {
        let words = format!("{what} is a masked array, of which the mask would be passed over");
        return Err(Failure::of("array", words)
            .remedy("depth.filled(numpy.nan) has nothing where it hides something"));
    }
    given.cast::<PyUntypedArray>().map_err(|_| {
        let name = given
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |name| name.to_string());
        Failure::of(
            "array",
            format!("{what} is a {name}, and a numpy array is needed"),
        )
        .remedy("numpy.asarray(...) makes one")
    })
}

fn described(array: &Bound<'_, PyUntypedArray>) -> String {
    let dtype = array.dtype().to_string();
    let order = match array.dtype().byteorder() {
        b'>' => " (big-endian)",
        _ => "",
    };
    format!("of shape {:?} and dtype {dtype}{order}", array.shape())
}

/// A picture of shape (height, width, 3), RGB, uint8.
pub(crate) fn color(given: &Bound<'_, PyAny>) -> Result<ColorImage, Failure> {
    let array = untyped("color", given)?;
    let typed = match given.cast::<PyArray3<u8>>() {
        Ok(typed) if array.shape().last() == Some(&3) => typed,
        _ => {
            let found = described(array);
            let words = format!(
                "color is {found}, and (height, width, 3) of uint8, in the order RGB, is needed"
            );
            let remedy = match array.shape() {
                [_, _, 4] => {
                    "color[..., :3] leaves the fourth channel out, made one piece by numpy.ascontiguousarray"
                }
                [3, _, _] => {
                    "numpy.ascontiguousarray(color.transpose(1, 2, 0)) moves the channels to the end"
                }
                _ => {
                    "a float picture from 0 to 1 becomes (255 * color).round().astype(numpy.uint8)"
                }
            };
            return Err(Failure::of("array", words).remedy(remedy));
        }
    };
    let (height, width) = sides("color", array)?;
    Ok(ColorImage {
        width,
        height,
        rgb: memory("color", typed)?,
    })
}

/// Depth of shape (height, width): float32 in metres, or uint16 in millimetres.
pub(crate) fn depth(given: &Bound<'_, PyAny>) -> Result<DepthImage, Failure> {
    let array = untyped("depth", given)?;
    let native = array.dtype().byteorder() != b'>';
    if let Ok(metres) = given.cast::<PyArray2<f32>>()
        && native
    {
        let (height, width) = sides("depth", array)?;
        let bytes = memory("depth", metres)?;
        return Ok(DepthImage::of_metres(width, height, bytes));
    }
    if let Ok(millimetres) = given.cast::<PyArray2<u16>>()
        && native
    {
        let (height, width) = sides("depth", array)?;
        let bytes = memory("depth", millimetres)?;
        return Ok(DepthImage::of_millimetres(width, height, bytes));
    }
    let found = described(array);
    let words = format!(
        "depth is {found}, and (height, width) of float32 in metres or uint16 in millimetres is needed"
    );
    let remedy = match array.shape() {
        [_, _, 1] => {
            "depth[..., 0] is of two dimensions, made one piece by numpy.ascontiguousarray"
        }
        _ if matches!(array.dtype().kind(), b'i' | b'u') => {
            "depth.astype(numpy.uint16), where it is in millimetres"
        }
        _ => "depth.astype(numpy.float32), times the metres that one of its numbers stands for",
    };
    Err(Failure::of("array", words).remedy(remedy))
}

/// A mask of shape (height, width), bool, with the box around its pixels; `None` for what is no array of two dimensions.
#[expect(
    clippy::type_complexity,
    reason = "a box and a mask, each where there is one"
)]
pub(crate) fn mask(
    what: &str,
    given: &Bound<'_, PyAny>,
) -> Result<Option<(Option<BoundingBox>, Option<Mask>)>, Failure> {
    let Ok(array) = given.cast::<PyUntypedArray>() else {
        return Ok(None);
    };
    if array.ndim() != 2 {
        return Ok(None);
    }
    let typed = given.cast::<PyArray2<bool>>().map_err(|_| {
        let words = format!(
            "{what} is {}, and a mask is (height, width) of bool",
            described(array)
        );
        let remedy = "mask.astype(bool), or mask == the object's number";
        Failure::of("region", words).remedy(remedy)
    })?;
    let (height, width) = sides(what, array)?;
    // As bytes: numpy takes all but 0 for true, where a bool of Rust knows 0 and 1 alone.
    let pixels = memory(what, typed)?;
    let mask = Mask::of_pixels(width, height, pixels.clone());
    let around = mask.as_ref().map(|_| around(&pixels, width as usize));
    Ok(Some((around, mask)))
}

/// The box around the pixels of a mask that has some.
fn around(pixels: &[u8], width: usize) -> BoundingBox {
    let rows = || pixels.chunks_exact(width);
    let is_in = |row: &[u8]| row.iter().any(|pixel| *pixel != 0);
    let top = rows().position(is_in).unwrap_or_default();
    let bottom = rows().rposition(is_in).map_or(0, |last| last + 1);
    let left = rows()
        .filter_map(|row| row.iter().position(|pixel| *pixel != 0))
        .min();
    let right = rows()
        .filter_map(|row| row.iter().rposition(|pixel| *pixel != 0))
        .max();
    BoundingBox::new(
        left.unwrap_or_default() as f64,
        top as f64,
        right.map_or(0, |last| last + 1) as f64,
        bottom as f64,
    )
}

fn sides(what: &str, array: &Bound<'_, PyUntypedArray>) -> Result<(u32, u32), Failure> {
    let side = |at: usize| {
        let side = array.shape().get(at).copied().unwrap_or_default();
        u32::try_from(side).ok().filter(|side| *side > 0)
    };
    (side(0).zip(side(1))).ok_or_else(|| {
        Failure::of(
            "array",
            format!("{what} is {}: it has no pixels", described(array)),
        )
    })
}

/// A picture as an array of shape (height, width, 3).
pub(crate) fn of_color<'py>(py: Python<'py>, image: &ColorImage) -> PyResult<Bound<'py, PyAny>> {
    let shape = [image.height as usize, image.width as usize, 3];
    let array = PyArray1::from_slice(py, &image.rgb);
    Ok(array.reshape(shape)?.into_any())
}

/// Depth in metres as an array of shape (height, width); NaN where nothing was measured.
pub(crate) fn of_depth<'py>(py: Python<'py>, depth: &DepthImage) -> PyResult<Bound<'py, PyAny>> {
    let shape = [depth.height as usize, depth.width as usize];
    let metres = py.detach(|| depth.to_metres());
    let array = PyArray1::from_vec(py, metres);
    Ok(array.reshape(shape)?.into_any())
}

/// How often each level is there of red, green and blue, of shape (3, 256), in every `every`-th pixel of every `every`-th row.
pub(crate) fn of_color_levels<'py>(
    py: Python<'py>,
    image: &ColorImage,
    every: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let counted = py.detach(|| {
        // By turns, because the processor waits where the same number is counted up twice in a row.
        let mut counts = [[[0_u32; 256]; 3]; 4];
        let pixels = image.rgb.as_chunks::<3>().0;
        let pixels = every_nth(pixels, image.width as usize, every.max(1));
        for (at, pixel) in pixels.enumerate() {
            for (counts, level) in counts[at % 4].iter_mut().zip(pixel) {
                counts[usize::from(level)] += 1;
            }
        }
        let [first, others @ ..] = counts;
        let mut counted = first.as_flattened().to_vec();
        for other in others {
            for (sum, count) in counted.iter_mut().zip(other.as_flattened()) {
                *sum += count;
            }
        }
        counted
    });
    let array = PyArray1::from_vec(py, counted);
    Ok(array.reshape([3, 256])?.into_any())
}

/// Every `every`-th pixel of every `every`-th row, of shape (rows, columns).
pub(crate) fn of_thinned<'py, T: Element + Copy>(
    py: Python<'py>,
    pixels: &[T],
    width: usize,
    every: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let every = every.max(1);
    let thinned: Vec<T> = every_nth(pixels, width, every).collect();
    of_rows(py, thinned, width.div_ceil(every))
}

/// The same of depth in metres.
pub(crate) fn of_thinned_depth<'py>(
    py: Python<'py>,
    depth: &DepthImage,
    every: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let every = every.max(1);
    let thinned = py.detach(|| depth.thinned_metres(every));
    of_rows(py, thinned, (depth.width as usize).div_ceil(every))
}

fn of_rows<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    columns: usize,
) -> PyResult<Bound<'_, PyAny>> {
    let shape = [values.len() / columns.max(1), columns];
    Ok(PyArray1::from_vec(py, values).reshape(shape)?.into_any())
}

fn every_nth<T: Copy>(pixels: &[T], width: usize, every: usize) -> impl Iterator<Item = T> {
    let rows = pixels.chunks_exact(width.max(1)).step_by(every);
    rows.flat_map(move |row| row.iter().step_by(every).copied())
}
