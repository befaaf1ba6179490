//! Spreads worked out by hand.

use super::{Alternative, ParsedDistance, WrittenToken, parse_distance};

const INCH_M: f64 = 0.0254;

/// A token with its odds, and what else it might have been.
type Token = (&'static str, f32, &'static [(&'static str, f32)]);

fn written(tokens: &[Token]) -> (String, Vec<WrittenToken>) {
    let mut text = String::new();
    let tokens = tokens.iter().map(|(token, probability, others)| {
        let start = text.len();
        text.push_str(token);
        WrittenToken {
            span: start..text.len(),
            probability: *probability,
            alternatives: (others.iter())
                .map(|(text, probability)| Alternative {
                    text: (*text).to_owned(),
                    probability: *probability,
                })
                .collect(),
        }
    });
    let tokens = tokens.collect();
    (text, tokens)
}

fn spread_m(tokens: &[Token]) -> Option<f64> {
    let (text, tokens) = written(tokens);
    let parsed: ParsedDistance = parse_distance(&text).unwrap();
    parsed.spread_m(&text, &tokens)
}

#[track_caller]
fn assert_spread(tokens: &[Token], squared_m2: f64) {
    let spread_m = spread_m(tokens).unwrap();
    let expected_m = squared_m2.sqrt();
    assert!(
        (spread_m - expected_m).abs() < 1e-9,
        "{spread_m} m is not {expected_m} m"
    );
}

#[test]
fn a_model_without_a_doubt_leaves_the_rounding_of_the_last_place() {
    // a hundredth of an inch, spread evenly
    let tokens: &[Token] = &[
        ("0", 1.0, &[]),
        ("4", 1.0, &[]),
        (".", 1.0, &[]),
        ("8", 1.0, &[]),
        ("7", 1.0, &[]),
        (" inches", 1.0, &[]),
    ];
    assert_spread(tokens, (0.01 * INCH_M).powi(2) / 12.0);
}

#[test]
fn what_follows_another_digit_is_unknown() {
    // 4.87 inches, where the 4 might have been a 5 (a quarter) and then the 8 a 9 (a half)
    let tokens: &[Token] = &[
        ("4", 0.75, &[("5", 0.25)]),
        (".", 1.0, &[]),
        ("8", 0.5, &[("9", 0.5)]),
        ("7", 1.0, &[]),
        (" inches", 1.0, &[]),
    ];
    // 5.00 to 5.99 are 5.495 in the mean, 0.625 off, over an inch; 4.90 to 4.99 are 4.945, 0.075 off, over a tenth
    let left_at_4 = 0.625_f64.powi(2) + 1.0 / 12.0;
    let left_at_8 = 0.075_f64.powi(2) + 0.01 / 12.0;
    let stays = 0.0001 / 12.0;
    let squared = 0.25 * left_at_4 + 0.75 * (0.5 * left_at_8 + 0.5 * stays);
    assert_spread(tokens, squared * INCH_M * INCH_M);
}

#[test]
fn only_what_makes_a_number_counts_and_the_same_digit_is_no_other() {
    // of the odds of 0.4, 0.2 and 0.2 that make a number, the first two stand for what is written
    let tokens: &[Token] = &[
        ("It is", 1.0, &[("9", 0.3)]),
        (
            " 3",
            0.4,
            &[("three", 0.1), ("4", 0.2), (" .", 0.1), ("", 0.1)],
        ),
        (" cm", 1.0, &[("5", 0.4)]),
    ];
    // 4 for 3 in a third of the cases; a centimetre is the last place
    assert_spread(tokens, (1.0 / 3.0 + 1.0 / 12.0) * 1e-4);
    let same: &[Token] = &[(" 3", 0.4, &[("3", 0.6)]), (" cm", 1.0, &[])];
    assert_spread(same, 1e-4 / 12.0);
}

#[test]
fn a_token_of_several_digits_is_replaced_as_a_whole() {
    // 12.50 m; before the point another token has its own places, behind it begins at the same one
    let tokens: &[Token] = &[
        ("12", 0.5, &[("9", 0.5)]),
        (".", 1.0, &[]),
        ("50", 0.5, &[("6", 0.5)]),
        (" m", 1.0, &[]),
    ];
    let left_at_12 = (9.495_f64 - 12.5).powi(2) + 1.0 / 12.0;
    let left_at_50 = (12.645_f64 - 12.5).powi(2) + 0.01 / 12.0;
    let stays = 0.0001 / 12.0;
    assert_spread(
        tokens,
        0.5 * left_at_12 + 0.5 * (0.5 * left_at_50 + 0.5 * stays),
    );
}

#[test]
fn a_token_that_would_move_the_digits_before_it_does_not_count() {
    // "1" "2" may not become "1" "34": the 1 would be a hundred
    let tokens: &[Token] = &[
        ("1", 1.0, &[]),
        ("2", 0.5, &[("34", 0.5)]),
        (" mm", 1.0, &[]),
    ];
    assert_spread(tokens, 1e-6 / 12.0);
}

#[test]
fn inches_behind_another_foot_are_unknown() {
    // 5 feet 3 inches, where it might have been 4 feet: some inch of twelve
    let tokens: &[Token] = &[
        ("5", 0.5, &[("4", 0.5)]),
        (" feet ", 1.0, &[]),
        ("3", 1.0, &[]),
        (" inches", 1.0, &[]),
    ];
    let left = (4.0 * 12.0 + 5.5 - 63.0_f64).powi(2) + 144.0 / 12.0;
    assert_spread(tokens, 0.5 * (left + 1.0 / 12.0) * INCH_M * INCH_M);
}

#[test]
fn thousands_are_separated() {
    let tokens: &[Token] = &[
        ("1", 1.0, &[]),
        (",", 1.0, &[]),
        ("250", 0.5, &[("350", 0.5)]),
        (" mm", 1.0, &[]),
    ];
    assert_spread(tokens, (0.5 * 1e4 + 1.0 / 12.0) * 1e-6);
}

#[test]
fn forms_without_tenths_have_no_spread() {
    let forms: [&[Token]; 6] = [
        &[("two", 0.5, &[("three", 0.5)]), (" feet", 1.0, &[])],
        &[
            ("1", 0.5, &[("2", 0.5)]),
            ("/", 1.0, &[]),
            ("4", 1.0, &[]),
            (" m", 1.0, &[]),
        ],
        &[
            ("10", 0.5, &[("11", 0.5)]),
            (" to ", 1.0, &[]),
            ("12", 1.0, &[]),
            (" cm", 1.0, &[]),
        ],
        &[
            ("1", 1.0, &[]),
            ("e", 1.0, &[]),
            ("2", 1.0, &[]),
            (" mm", 1.0, &[]),
        ],
        // other digits would make thousands of it
        &[
            ("0", 1.0, &[]),
            (",", 1.0, &[]),
            ("850", 1.0, &[]),
            (" m", 1.0, &[]),
        ],
        // a token that writes the unit too
        &[("3 cm", 1.0, &[("4 cm", 0.5)])],
    ];
    for form in forms {
        assert_eq!(spread_m(form), None, "{form:?}");
    }
}

#[test]
fn tokens_of_another_answer_have_no_spread() {
    let parsed = parse_distance("4.87 inches").unwrap();
    let (_, tokens) = written(&[("4", 1.0, &[]), (".", 1.0, &[])]);
    assert_eq!(parsed.spread_m("4.87 inches", &tokens), None);
    assert_eq!(parsed.spread_m("", &tokens), None);
    let (text, mut tokens) = written(&[("4", 0.0, &[]), (" cm", 1.0, &[])]);
    let parsed = parse_distance(&text).unwrap();
    assert_eq!(parsed.spread_m(&text, &tokens), None);
    tokens[0].probability = f32::NAN;
    assert_eq!(parsed.spread_m(&text, &tokens), None);
}
