//! Stamps are nanoseconds in an `i64`, as ROS writes them; settings are seconds. The conversions
//! saturate, so a hostile stamp can make a wrong number but never an overflow.

/// Nanoseconds in one second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A duration in seconds as whole nanoseconds, rounded; NaN and less than nothing are 0.
pub fn nanos_from_seconds(seconds: f64) -> i64 {
    (seconds.max(0.0) * NANOS_PER_SECOND as f64).round() as i64
}

/// The same of a duration that may be negative.
pub fn nanos_from_signed_seconds(seconds: f64) -> i64 {
    nanos_from_seconds(seconds) - nanos_from_seconds(-seconds)
}

/// Seconds from one stamp to a later one; negative if `later` is the earlier one.
pub fn seconds_between(earlier_nanos: i64, later_nanos: i64) -> f64 {
    later_nanos.saturating_sub(earlier_nanos) as f64 / NANOS_PER_SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_fractions_round_to_the_nanosecond() {
        assert_eq!(nanos_from_seconds(0.02), 20_000_000);
        assert_eq!(nanos_from_seconds(0.1), 100_000_000);
        assert_eq!(seconds_between(1_500_000_000, 2_000_000_000), 0.5);
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(nanos_from_seconds(f64::NAN), 0);
        assert_eq!(nanos_from_seconds(-1.0), 0);
        assert_eq!(nanos_from_seconds(f64::INFINITY), i64::MAX);
        assert!(seconds_between(i64::MIN, i64::MAX) > 9e9);
    }
}
