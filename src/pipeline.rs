//! From stamped messages to steps, without any IO.
