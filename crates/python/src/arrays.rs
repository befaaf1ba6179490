//! numpy arrays as pictures and depth, without a copy: an array stays alive as long as something looks at it.

use bytes::Bytes;
use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray2, PyReadonlyArray3,
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

fn memory<T: Element>(array: &Bound<'_, PyUntypedArray>, slice: &[T]) -> Bytes {
    Bytes::from_owner(Held {
        array: array.clone().unbind(),
        address: slice.as_ptr().cast(),
        bytes: size_of_val(slice),
    })
}

fn untyped<'a, 'py>(
    what: &str,
    given: &'a Bound<'py, PyAny>,
) -> Result<&'a Bound<'py, PyUntypedArray>, Failure> {
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

fn in_pieces(what: &str) -> Failure {
    Failure::of(
        "array",
        format!("{what} does not lie in memory in one piece, row by row"),
    )
    .remedy("numpy.ascontiguousarray(...) makes it so")
}

/// A picture of shape (height, width, 3), RGB, uint8.
pub(crate) fn color(given: &Bound<'_, PyAny>) -> Result<ColorImage, Failure> {
    let array = untyped("color", given)?;
    let typed: PyReadonlyArray3<'_, u8> = match given.extract() {
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
    let slice = typed.as_slice().map_err(|_| in_pieces("color"))?;
    let (height, width) = sides("color", array)?;
    Ok(ColorImage {
        width,
        height,
        rgb: memory(array, slice),
    })
}

/// Depth of shape (height, width): float32 in metres, or uint16 in millimetres.
pub(crate) fn depth(given: &Bound<'_, PyAny>) -> Result<DepthImage, Failure> {
    let array = untyped("depth", given)?;
    let native = array.dtype().byteorder() != b'>';
    if let Ok(metres) = given.extract::<PyReadonlyArray2<'_, f32>>()
        && native
    {
        let slice = metres.as_slice().map_err(|_| in_pieces("depth"))?;
        let (height, width) = sides("depth", array)?;
        return Ok(DepthImage::of_metres(width, height, memory(array, slice)));
    }
    if let Ok(millimetres) = given.extract::<PyReadonlyArray2<'_, u16>>()
        && native
    {
        let slice = millimetres.as_slice().map_err(|_| in_pieces("depth"))?;
        let (height, width) = sides("depth", array)?;
        return Ok(DepthImage::of_millimetres(
            width,
            height,
            memory(array, slice),
        ));
    }
    let found = described(array);
    let words = format!(
        "depth is {found}, and (height, width) of float32 in metres or uint16 in millimetres is needed"
    );
    let remedy = match array.shape() {
        [_, _, 1] => {
            "depth[..., 0] is of two dimensions, made one piece by numpy.ascontiguousarray"
        }
        _ => "depth.astype(numpy.float32) in metres",
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
    let typed: PyReadonlyArray2<'_, bool> = given.extract().map_err(|_| {
        let words = format!(
            "{what} is {}, and a mask is (height, width) of bool",
            described(array)
        );
        Failure::of("region", words).remedy("mask.astype(bool), or mask == the object's number")
    })?;
    let slice = typed.as_slice().map_err(|_| in_pieces(what))?;
    let (height, width) = sides(what, array)?;
    let mask = Mask::of_pixels(width, height, memory(array, slice));
    let around = mask.as_ref().map(|_| around(slice, width as usize));
    Ok(Some((around, mask)))
}

/// The box around the pixels of a mask that has some.
fn around(pixels: &[bool], width: usize) -> BoundingBox {
    let rows = || pixels.chunks_exact(width);
    let is_in = |row: &[bool]| row.contains(&true);
    let top = rows().position(is_in).unwrap_or_default();
    let bottom = rows().rposition(is_in).map_or(0, |last| last + 1);
    let left = rows()
        .filter_map(|row| row.iter().position(|pixel| *pixel))
        .min();
    let right = rows()
        .filter_map(|row| row.iter().rposition(|pixel| *pixel))
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
    let array = PyArray1::from_vec(py, depth.to_metres());
    Ok(array.reshape(shape)?.into_any())
}
