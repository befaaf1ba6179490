//! A fence around decoders of pictures. They are other people's code, and broken files have made them panic: that is one
//! broken picture, and not the end of a recording.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a decoder gives, or why it gives nothing; a panic is said in its own words. What the decoder had is dropped, so
/// that nothing half done is looked at.
pub(crate) fn fenced<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("its decoder gave up: {}", words(&*panic))),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    let made = || panic.downcast_ref::<String>().map(String::as_str);
    literal.or_else(made).unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_panicked_took_the_recording_with_it() {
        // given a decoder that panics, with words of its own or somebody's
        let literal = fenced::<(), String>(|| panic!("no block"));
        let made = fenced::<(), String>(|| panic!("no block {}", 7));
        // then it is an error like others
        assert_eq!(literal, Err("its decoder gave up: no block".to_owned()));
        assert_eq!(made, Err("its decoder gave up: no block 7".to_owned()));
        // and whoever decodes goes on to
        assert_eq!(fenced(|| Ok::<_, String>(3)), Ok(3));
    }
}
