//! What targets share: bag readers, for which the input becomes a file that is read to its end; and the decoders of
//! pictures, which may panic.

use std::panic;
use std::path::Path;

use spatial_reward::bag::BagReader;

/// Reads `bytes` as the bag file `name` inside `folder`.
///
/// # Panics
/// If the reader breaks a promise: its times go back and it does not say so, or a message is of no topic of the bag; and
/// if the file cannot be written, which is no finding.
pub fn read_bag(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the temporary folder takes the input");
    let Ok(mut reader) = BagReader::open(&path) else {
        return;
    };
    let (mut newest, mut in_order) = (i64::MIN, true);
    while let Ok(Some(message)) = reader.next_message() {
        assert!(
            message.topic < reader.info().topics.len(),
            "a message is of no topic"
        );
        in_order &= newest <= message.log_time_nanos;
        newest = message.log_time_nanos;
    }
    assert!(in_order || reader.loss().is_some(), "log times go back");
    if let Some(loss) = reader.loss() {
        assert!(
            !loss.to_string().is_empty(),
            "a loss says nothing of itself"
        );
    }
}

/// Crates that decode pictures for us. Where they panic, the fence around them (`imaging::fence`) has to hold.
const DECODERS: [&str; 6] = [
    "/image-",
    "/image-webp-",
    "/libjpeg-turbo-rs-",
    "/png-",
    "/zune-core-",
    "/zune-jpeg-",
];

/// A panic ends the fuzzing even where it is caught, but for those of decoders. Once, before the first input.
pub fn let_decoders_panic() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let file = panicked.location().map_or("", |location| location.file());
        if !DECODERS.iter().any(|decoder| file.contains(decoder)) {
            end(panicked);
        }
    }));
}
