//! What FFmpeg has to say: it goes to `tracing`, never to the terminal, and an error is kept for whoever decodes on the
//! same thread.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::catch_unwind;
use std::sync::Once;

use ffmpeg_sys_the_third as ffi;

/// Longer lines are cut.
const LINE_BYTES: usize = 512;
/// Said of information beside the picture, which is not looked at.
const ABOUT_SUPPLEMENTS: &str = "SEI type";

/// FFmpeg's type of arguments differs between processors, but all of them hand it on as a pointer.
type Callback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *mut c_void);

unsafe extern "C" {
    fn av_log_set_callback(callback: Callback);
    fn av_log_format_line2(
        speaker: *mut c_void,
        level: c_int,
        format: *const c_char,
        arguments: *mut c_void,
        line: *mut c_char,
        line_bytes: c_int,
        with_prefix: *mut c_int,
    ) -> c_int;
}

thread_local! {
    static FIRST_ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Take FFmpeg's words from now on.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    // SAFETY: the callback lives as long as the program, may be called from any thread, and never unwinds.
    LISTENING.call_once(|| unsafe { av_log_set_callback(hear) });
}

/// The first error said on this thread since the last call.
pub(crate) fn take_error() -> Option<String> {
    FIRST_ERROR.take()
}

/// # Safety
/// FFmpeg calls it: `format` and `arguments` belong together, and `speaker` is null or begins with its class.
unsafe extern "C" fn hear(
    speaker: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut c_void,
) {
    if level > ffi::AV_LOG_WARNING {
        return;
    }
    let mut line: [c_char; LINE_BYTES] = [0; LINE_BYTES];
    let mut with_prefix = 0;
    // SAFETY: as FFmpeg called; the line is as long as is said, and zero-terminated by FFmpeg.
    let said = unsafe {
        av_log_format_line2(
            speaker,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            LINE_BYTES as c_int,
            &raw mut with_prefix,
        );
        CStr::from_ptr(line.as_ptr())
    };
    let said = said.to_string_lossy();
    // Whoever takes the log may be gone; nothing unwinds into FFmpeg.
    let _ = catch_unwind(|| note(level, said.trim()));
}

fn note(level: c_int, said: &str) {
    tracing::debug!(target: "ffmpeg", "{said}");
    if level <= ffi::AV_LOG_ERROR && !said.starts_with(ABOUT_SUPPLEMENTS) {
        FIRST_ERROR.with_borrow_mut(|first| {
            first.get_or_insert_with(|| said.to_owned());
        });
    }
}
