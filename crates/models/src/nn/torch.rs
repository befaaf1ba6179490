//! What libtorch answers, and its errors as ours.

use std::slice;

use tch::{Device, Kind, TchError, Tensor};

use crate::error::Error;

/// What a forward pass gives. Shapes are checked when a checkpoint is loaded, so what is left to go wrong there is
/// memory; whoever calls the network turns it into an [`Error`] with [`torch_error`].
pub type TchResult<T> = std::result::Result<T, TchError>;

/// Characters of a message of libtorch's.
const LONGEST_MESSAGE: usize = 300;

/// Makes libtorch's errors ours: `.map_err(torch_error("resize the position embedding"))`. Keeps the first
/// line of its message, and of that what a reader can bear; what follows is a trace of C++ calls.
pub fn torch_error(action: impl Into<String>) -> impl FnOnce(TchError) -> Error {
    move |error| {
        let text = match &error {
            TchError::Torch(text) => text.clone(),
            other => other.to_string(),
        };
        let first_line = text.lines().next().unwrap_or_default().trim();
        let shortened: String = first_line.chars().take(LONGEST_MESSAGE).collect();
        Error::Torch {
            action: action.into(),
            message: shortened,
            out_of_memory: ["out of memory", "allocate memory"]
                .iter()
                .any(|words| first_line.contains(words)),
        }
    }
}

/// A tensor of float32 on the processor, whose numbers `fill` writes, row by row; zeros are there before.
pub fn filled(shape: &[i64], fill: impl FnOnce(&mut [f32])) -> TchResult<Tensor> {
    let tensor = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
    // SAFETY: the tensor is new, so nobody else sees it; it is contiguous, of `numel` numbers of float32 that are initialised, and
    // outlives the slice.
    fill(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), tensor.numel()) });
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::torch_error;
    use crate::error::{Error, Remedy};

    #[test]
    fn libtorch_speaks_in_one_line() {
        let failure = Tensor::f_zeros([2], (Kind::Float, Device::Cpu))
            .and_then(|tensor| tensor.f_view([3]))
            .map_err(torch_error("test"))
            .unwrap_err();
        assert!(matches!(failure, Error::Torch { .. }));
        let message = failure.to_string();
        assert!(message.contains("libtorch cannot test"), "{message}");
        assert!(message.contains("shape '[3]'"), "{message}");
        assert!(!message.contains('\n'), "more than a line: {message}");
    }

    #[test]
    fn memory_that_libtorch_cannot_get_has_a_way_out() {
        let failure = Tensor::f_zeros([1 << 46], (Kind::Float, Device::Cpu))
            .map_err(torch_error("make room"))
            .unwrap_err();
        let message = failure.to_string();
        assert!(message.contains("cannot make room"), "{message}");
        assert!(!message.contains('\n'), "more than a line: {message}");
        // The program says it in flags.
        assert_eq!(failure.remedy(), Some(Remedy::LessMemory));
    }
}
