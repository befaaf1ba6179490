//! How far the distance that an answer states may be off by the model's own odds: what else it would have written at each
//! token of the number.

use std::ops::Range;

use super::{ParsedDistance, parse_distance};

/// A token that a model wrote, and what it would have written instead.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenToken {
    /// Its bytes in the answer.
    pub span: Range<usize>,
    /// The probability that the model gave it, 0 to 1.
    pub probability: f32,
    /// The likeliest others. Those that make no number in its place do not count.
    pub alternatives: Vec<Alternative>,
}

/// A token that a model did not write.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// Its text.
    pub text: String,
    /// The probability that the model gave it, 0 to 1.
    pub probability: f32,
}

/// A digit of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Digit {
    /// Its byte in the answer.
    at: usize,
    value: f64,
    /// What one more of it adds to the distance, in metres.
    weight_m: f64,
}

/// Digits in a row that one token has written.
struct Written<'a> {
    token: &'a WrittenToken,
    digits: Range<usize>,
    places: Places,
}

/// Which places another token's digits take, if it has not as many.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Places {
    /// Those up to the decimal point: the token writes all that stands before it.
    UpToPoint,
    /// Those from its own first on, behind the decimal point.
    FromFirst,
    /// Nobody can tell.
    Unknown,
}

impl ParsedDistance {
    /// The root of the mean squared difference between what the model might have stated and what it states, in metres:
    /// a standard deviation as far as its odds are to be believed, which has to be found out (see
    /// [`Calibration`](crate::calibration::Calibration)). `answer` is the text that this was parsed from, `tokens` wrote it.
    ///
    /// At each token the model may leave what it wrote for another of the likeliest that are digits too. What would
    /// follow then, nobody knows: any digits in the places that are left, each as likely. Where it leaves nowhere, the
    /// last place is rounded. `None` where digits do not stand for tenths of each other, or are told apart from what
    /// stands around them by no token: words, fractions, ranges, powers.
    pub fn spread_m(&self, answer: &str, tokens: &[WrittenToken]) -> Option<f64> {
        let digits = self.digits(answer)?;
        let last_m = digits.last()?.weight_m;
        let (mut stays, mut square_m2) = (1.0, 0.0);
        for written in self.written(answer, &digits, tokens)? {
            let others: Vec<(f64, f64)> = (written.token.alternatives.iter())
                .filter_map(|other| {
                    let place_m2 = written.squared_m2(answer, &digits, &other.text)?;
                    Some((f64::from(other.probability), place_m2))
                })
                .collect();
            let others_sum: f64 = others.iter().map(|(probability, _)| probability).sum();
            let all = f64::from(written.token.probability) + others_sum;
            if all.is_nan() || all <= 0.0 {
                return None;
            }
            let expected_m2: f64 = others.iter().map(|(p, square_m2)| p * square_m2).sum();
            square_m2 += stays * expected_m2 / all;
            stays *= 1.0 - others_sum / all;
        }
        square_m2 += stays * last_m * last_m / 12.0;
        Some(square_m2.sqrt()).filter(|spread_m| spread_m.is_finite())
    }

    /// The digits of its numbers, the larger first. What one is worth is read off the distance with another in its
    /// place, whatever the unit.
    fn digits(&self, answer: &str) -> Option<Vec<Digit>> {
        let mut digits: Vec<Digit> = Vec::new();
        for at in self.numbers.iter().cloned().flatten() {
            let Some(byte) = answer.as_bytes().get(at).filter(|b| b.is_ascii_digit()) else {
                continue;
            };
            let value = f64::from(byte - b'0');
            let weight_m = self.weight_m(answer, at, value)?;
            let is_less = |larger: &Digit| weight_m < 0.999 * larger.weight_m;
            if weight_m <= 0.0 || !digits.last().is_none_or(is_less) {
                return None;
            }
            digits.push(Digit {
                at,
                value,
                weight_m,
            });
        }
        Some(digits)
    }

    /// What one more of the digit at a byte adds, in metres: the same for all digits that may stand there.
    fn weight_m(&self, answer: &str, at: usize, value: f64) -> Option<f64> {
        let mut known: Option<f64> = None;
        // A 0 may make decimals of thousands (0,250), so it counts where no other digit may stand alone.
        for other in "1234567890".chars() {
            if other == '0' && known.is_some() {
                break;
            }
            let other_value = f64::from(other.to_digit(10)?);
            let mut text = answer.to_owned();
            text.replace_range(at..at + 1, other.encode_utf8(&mut [0; 4]));
            let read = parse_distance(&text).filter(|read| read.numbers == self.numbers);
            let Some(read) = read.filter(|_| other_value != value) else {
                continue;
            };
            let weight_m = (read.distance_m - self.distance_m) / (other_value - value);
            if known.is_some_and(|known| (known - weight_m).abs() > 1e-6 * known.abs()) {
                return None;
            }
            known = known.or(Some(weight_m));
        }
        known
    }

    /// The tokens that wrote the digits. `None` where one wrote more than digits, or a digit is nobody's.
    fn written<'a>(
        &self,
        answer: &str,
        digits: &[Digit],
        tokens: &'a [WrittenToken],
    ) -> Option<Vec<Written<'a>>> {
        let mut written = Vec::new();
        let mut next = 0;
        for token in tokens {
            let begin = next;
            while digits.get(next).is_some_and(|d| token.span.contains(&d.at)) {
                next += 1;
            }
            if begin == next {
                continue;
            }
            let text = answer.get(token.span.clone())?.trim_start();
            if text.len() != next - begin || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            written.push(Written {
                token,
                digits: begin..next,
                places: self.places(answer, token.span.end - text.len()..token.span.end),
            });
        }
        (next == digits.len()).then_some(written)
    }

    fn places(&self, answer: &str, bytes: Range<usize>) -> Places {
        let is_digit = |at: usize| answer.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        if self
            .numbers
            .iter()
            .any(|number| number.start == bytes.start)
            && !is_digit(bytes.end)
        {
            return Places::UpToPoint;
        }
        match answer.get(..bytes.start).and_then(|text| text.rfind('.')) {
            Some(point) if (point + 1..bytes.start).all(is_digit) => Places::FromFirst,
            _ => Places::Unknown,
        }
    }
}

impl Written<'_> {
    /// The mean squared difference in square metres where another token stands here and what follows is unknown. `None`
    /// where that makes no number, or the same one.
    fn squared_m2(&self, answer: &str, digits: &[Digit], other: &str) -> Option<f64> {
        let other = other.trim();
        let own = answer.get(self.token.span.clone())?.trim_start();
        let is_number = !other.is_empty() && other.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || other == own {
            return None;
        }
        let (first, last) = (
            digits.get(self.digits.start)?,
            digits.get(self.digits.end - 1)?,
        );
        let cell_m = match self.places {
            _ if other.len() == own.len() => last.weight_m,
            Places::UpToPoint => last.weight_m,
            Places::FromFirst => first.weight_m * 0.1_f64.powi(other.len() as i32 - 1),
            Places::Unknown => return None,
        };
        let rounding_m = digits.last()?.weight_m;
        let stated_m: f64 = (digits.get(self.digits.start..)?.iter())
            .map(|digit| digit.value * digit.weight_m)
            .sum();
        // Of the digits that may follow, none to all nines, the mean is half a place below the cell's middle.
        let following_m = (cell_m - rounding_m).max(0.0) / 2.0;
        let difference_m = other.parse::<f64>().ok()? * cell_m + following_m - stated_m;
        Some(difference_m * difference_m + cell_m * cell_m / 12.0)
    }
}
