//! A linear axis: a range of values laid over a range of the picture, with round ticks.

/// Values `low..high` at positions `begin..end`; `begin` may be the larger (y grows downwards).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// A range that is empty or not finite is widened to one that can be drawn.
    pub fn new((low, high): (f64, f64), (begin, end): (f64, f64)) -> Self {
        let (low, high) = match (low.is_finite() && high.is_finite(), high > low) {
            (true, true) => (low, high),
            (true, false) => (low - 0.5, low + 0.5),
            (false, _) => (0.0, 1.0),
        };
        Self {
            low,
            high,
            begin,
            end,
        }
    }

    /// Where a value is; one outside the range lies outside too.
    pub fn position(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.begin + share * (self.end - self.begin)
    }

    /// The range of values that one unit of the picture covers.
    pub fn per_unit(&self) -> f64 {
        ((self.high - self.low) / (self.end - self.begin)).abs()
    }

    /// The value at the begin.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The value at the end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// At most `count` + 1 round values inside the range with their labels.
    pub fn ticks(&self, count: u32) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / f64::from(count.max(1));
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough * (1.0 - 1e-9))
            .unwrap_or(10.0 * magnitude);
        // As many decimals as tell neighbours apart: 0.25 needs two, 0.2 one.
        let decimals = (0..=9)
            .find(|decimals| {
                let scaled = step * 10f64.powi(*decimals);
                (scaled - scaled.round()).abs() < 1e-6 * scaled
            })
            .unwrap_or(9) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .take(count as usize + 2)
            .map(|multiple| {
                let value = multiple as f64 * step;
                (value, format!("{value:.decimals$}").replace('-', "−"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: u32) -> Vec<String> {
        let axis = Axis::new((low, high), (0.0, 100.0));
        axis.ticks(count).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(0.0, 0.43, 5), ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(labels(-1.0, 0.0, 2), ["−1.0", "−0.5", "0.0"]);
        assert_eq!(labels(-0.03, 5.3, 12)[..3], ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(0.0, 3600.0, 12)[..2], ["0", "500"]);
    }

    #[test]
    fn a_range_without_width_can_be_drawn() {
        for range in [(0.3, 0.3), (f64::NAN, f64::NAN), (f64::INFINITY, 0.0)] {
            let axis = Axis::new(range, (0.0, 100.0));
            assert!(axis.position(axis.low()).is_finite() && axis.per_unit() > 0.0);
            assert!(!axis.ticks(5).is_empty());
        }
    }

    #[test]
    fn y_grows_downwards() {
        let axis = Axis::new((0.0, 2.0), (200.0, 100.0));
        assert_eq!(axis.position(0.0), 200.0);
        assert_eq!(axis.position(2.0), 100.0);
        assert_eq!(axis.per_unit(), 0.02);
    }
}
