//! Answers as the model gives them, as people write lengths, and as nobody should.

use super::*;

/// The metres that an answer states, and the texts of its numbers.
fn parsed(answer: &str) -> Option<(f64, Vec<&str>)> {
    let parsed = parse_distance(answer)?;
    let numbers = parsed
        .numbers
        .into_iter()
        .map(|range| &answer[range])
        .collect();
    Some((parsed.distance_m, numbers))
}

#[track_caller]
fn check(answer: &str, metres: f64, numbers: &[&str]) {
    let (found, texts) = parsed(answer).unwrap_or_else(|| panic!("{answer:?} is unparsed"));
    assert!(
        (found - metres).abs() < 1e-9,
        "{answer:?}: {found} m instead of {metres} m"
    );
    assert_eq!(texts, numbers, "{answer:?}");
}

#[track_caller]
fn check_none(answer: &str) {
    assert_eq!(parsed(answer), None, "{answer:?}");
}

#[test]
fn the_wording_of_the_models_training_answers_is_parsed() {
    for (answer, metres, number) in [
        ("[0] and [1] are 12.3 inches apart.", 12.3 * 0.0254, "12.3"),
        (
            "A distance of 1.04 meters exists between [0] and [1].",
            1.04,
            "1.04",
        ),
        ("The width of [0] is 3.46 feet.", 3.46 * 0.3048, "3.46"),
        ("[0] is 57.66 centimeters away from [1].", 0.5766, "57.66"),
        ("They are 2.13 meters apart.", 2.13, "2.13"),
        (
            "[0] and [1] are 2.0 feet apart from each other.",
            2.0 * 0.3048,
            "2.0",
        ),
        (
            "The distance of [0] from [1] is 16.47 inches.",
            16.47 * 0.0254,
            "16.47",
        ),
        (
            "[0] is around 5.1 feet from [1] horizontally.",
            5.1 * 0.3048,
            "5.1",
        ),
        ("Approximately 98.0 centimeters.", 0.98, "98.0"),
        ("The height of [3] is 1.7 meters.", 1.7, "1.7"),
        ("5.92 inches", 5.92 * 0.0254, "5.92"),
    ] {
        check(answer, metres, &[number]);
    }
}

#[test]
fn every_unit_is_known_by_word_abbreviation_and_mark() {
    for (units, metres) in [
        ("m|meter|meters|metre|metres|Meters|M", 1.0),
        ("cm|centimeter|centimeters|centimetre|centimetres|CM", 0.01),
        ("mm|millimeter|millimeters|millimetre|millimetres", 0.001),
        ("ft|ft.|foot|feet|'|’|′", 0.3048),
        ("in|in.|inch|inches|\"|”|″|''", 0.0254),
    ] {
        for unit in units.split('|') {
            check(&format!("It is 12.5{unit} away."), 12.5 * metres, &["12.5"]);
            if unit.starts_with(char::is_alphabetic) {
                check(&format!("12.5 {unit}"), 12.5 * metres, &["12.5"]);
                check(&format!("a 12-{unit} gap"), 12.0 * metres, &["12"]);
            }
        }
    }
}

#[test]
fn feet_and_inches_are_added() {
    let metres = 5.0 * 0.3048 + 3.0 * 0.0254;
    for answer in [
        "5'3\"",
        "5' 3\"",
        "5’3”",
        "5′3″",
        "5'3''",
        "5'3",
        "5 ft 3 in",
        "5ft 3in.",
        "5 ft. 3 in.",
        "5 ft., 3 in.",
        "5 feet 3 inches",
        "5 feet and 3 inches",
        "5 feet, 3 inches",
        "5-foot 3-inch",
    ] {
        check(answer, metres, &["5", "3"]);
    }
    check("five feet three inches", metres, &["five", "three"]);
    check("1 meter and 20 centimeters", 1.2, &["1", "20"]);
    check("1 m 20 cm 5 mm", 1.205, &["1", "20", "5"]);
    // What is no part of the larger unit is another length.
    check("1.2 m, 120 cm", 1.2, &["1.2"]);
    check("1 m, 100 cm", 1.0, &["1"]);
    check("2 feet 0.61 m", 2.0 * 0.3048, &["2"]);
    check("3.5 feet 6 inches", 3.5 * 0.3048, &["3.5"]);
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for (answer, metres, number) in [
        ("1,234.5 mm", 1.2345, "1,234.5"),
        ("1,234 mm", 1.234, "1,234"),
        ("1\u{202f}234,5 mm away, or so: 2 m", 2.0, "2"),
        ("1\u{202f}234 mm", 1.234, "1\u{202f}234"),
        ("0,85 m", 0.85, "0,85"),
        ("0,850 m", 0.85, "0,850"),
        (".5 m", 0.5, ".5"),
        ("007 cm", 0.07, "007"),
        ("5e-1 m", 0.5, "5e-1"),
        ("1/2 inch", 0.0127, "1/2"),
        ("1 1/2 inches", 0.0381, "1 1/2"),
        ("2½ feet", 2.5 * 0.3048, "2½"),
        ("¾ m", 0.75, "¾"),
        ("two feet", 0.6096, "two"),
        ("Twenty-five centimeters", 0.25, "Twenty-five"),
        ("one hundred twenty cm", 1.2, "one hundred twenty"),
        ("half a meter", 0.5, "half a"),
        ("about half an inch", 0.0127, "half an"),
        ("two and a half feet", 0.762, "two"),
        ("2 and a half feet", 0.762, "2"),
        ("about a foot and a half", 0.4572, "a"),
        ("a distance of a foot", 0.3048, "a"),
        ("an inch apart", 0.0254, "an"),
        ("0 m", 0.0, "0"),
    ] {
        check(answer, metres, &[number]);
    }
}

#[test]
fn a_range_is_its_middle() {
    let metres = 11.0 * 0.0254;
    for answer in [
        "between 10 and 12 inches",
        "between about 10 and 12 inches",
        "10 to 12 inches",
        "10-12 inches",
        "10 - 12 inches",
        "10–12\"",
        "10 or 12 inches",
        "between 10 inches and 12 inches",
        "10 inches to 12 inches",
        "10 in - 12 in",
        "12 to 10 inches",
    ] {
        check(
            answer,
            metres,
            if answer.starts_with("12") {
                &["12", "10"]
            } else {
                &["10", "12"]
            },
        );
    }
    check("10 inches to 1 foot", metres, &["10", "1"]);
    check("5'2\" to 5'4\"", 63.0 * 0.0254, &["5", "2", "5", "4"]);
    // A tolerance is no range.
    check("2 ± 0.1 m", 2.0, &["2"]);
    check("2 m +/- 0.1 m", 2.0, &["2"]);
    // Nor is the same length in another unit.
    check("2 meters or 6.56 feet", 2.0, &["2"]);
    check("2 meters (6.56 feet)", 2.0, &["2"]);
}

#[test]
fn the_distance_is_found_among_other_numbers() {
    for (answer, metres, number) in [
        ("[0] is at 3 o'clock, 2.5 m from [1].", 2.5, "2.5"),
        ("Region 1 and Region 12 are 30 cm apart.", 0.3, "30"),
        ("<region0> and <region1>: 2 m", 2.0, "2"),
        ("Between [0] and [1] there are 40 cm.", 0.4, "40"),
        ("[10] m is 3 m", 3.0, "3"),
        ("Regions 1 and 2 in the image are 3 m apart", 3.0, "3"),
        ("There are 2 in front, 4 in total, 1 m away.", 1.0, "1"),
        ("[0] is 2 ft. It is 3 in. from [1].", 0.0762, "3"),
        ("The cup is 2 feet wide and 3 feet away.", 0.9144, "3"),
        (
            "[0] is 1.2 m tall and the distance between [0] and [1] is 3 m.",
            3.0,
            "3",
        ),
        (
            "The height is 1.2 m, the distance 3 m, the width 4 m.",
            3.0,
            "3",
        ),
        ("The distance is 3 m and [0] is 1.2 m tall.", 3.0, "3"),
        ("The camera (a D435 m) is 2 m away.", 2.0, "2"),
        ("At 0.5 m/s and over 3 m² it is 2 m.", 2.0, "2"),
        ("At 45 degrees, 90% sure: 15 mm.", 0.015, "15"),
    ] {
        check(answer, metres, &[number]);
    }
}

#[test]
fn what_states_no_distance_is_unparsed() {
    for answer in [
        "",
        "Yes, [0] is behind [1].",
        "12.3",
        "[0] and [1] are 12.3 apart.",
        "[0] is at 3 o'clock.",
        "12 in the image",
        "[3] in",
        "[3] m",
        "<region3> m",
        "region 3 m",
        "5 miles",
        "5 kilometers",
        "3 yards",
        "5 square meters",
        "5 m²",
        "5 m^2",
        "5 m/s",
        "5 m2",
        "He said \"5\" and '6'.",
        "“5”",
        "a foot of the table",
        "The meter is broken.",
        "a m",
        "half of it",
        "1.2.3 m",
        "1,23,4 m",
        "1 234 mm",
    ] {
        check_none(answer);
    }
}

#[test]
fn what_cannot_be_a_distance_is_unparsed() {
    for answer in [
        "-5 cm",
        "It is -0.3 m away.",
        "−2 feet",
        "-10 to -5 cm",
        "1e999 m",
        "1e9 m",
        "1001 m",
        "99999999999999999999999999999999999999999999 feet",
        "1/0 m",
        "0/0 m",
        "1e99999999999999 m",
    ] {
        check_none(answer);
    }
    check("1000 m", 1000.0, &["1000"]);
    check("- 5 cm", 0.05, &["5"]);
}

#[test]
// Long by its list of words.
fn no_text_panics_and_every_distance_is_sound() {
    // Given texts of random scraps of answers, so that they meet in all orders
    let scraps = [
        "1",
        "12.5",
        "0",
        ".",
        ",",
        "-",
        "–",
        "'",
        "\"",
        "''",
        "”",
        "m",
        "cm",
        "in",
        "ft",
        "feet",
        " ",
        "  ",
        "\n",
        "[",
        "]",
        "[0]",
        "<region1>",
        "<region",
        "and",
        "a",
        "half",
        "between",
        "to",
        "or",
        "±",
        "+/-",
        "é",
        "深",
        "🙂",
        "\u{301}",
        "½",
        "/",
        "e",
        "E9",
        "hundred",
        "twenty",
        "one",
        "\u{a0}",
        "\u{202f}",
        "İ",
        "ß",
        "²",
        "region",
        "apart",
        "wide",
        "1,234",
        "99999999999999999999",
    ];
    let mut state = 1u64;
    let mut random = move |bound: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let mut found = 0;
    for _ in 0..100_000 {
        let text: String = (0..random(12))
            .map(|_| scraps[random(scraps.len())])
            .collect();
        // When they are parsed
        let Some(parsed) = parse_distance(&text) else {
            continue;
        };
        // Then whatever comes out is a distance, made of numbers that are in the text
        found += 1;
        assert!(
            (0.0..=MAX_DISTANCE_M).contains(&parsed.distance_m),
            "{text:?}"
        );
        assert!(!parsed.numbers.is_empty(), "{text:?}");
        for range in parsed.numbers {
            assert!(
                text.get(range).is_some_and(|number| !number.is_empty()),
                "{text:?}"
            );
        }
    }
    assert!(found > 2_000, "only {found} of the texts state a distance");
}

#[test]
fn every_prefix_and_every_suffix_of_an_answer_is_parsed_without_a_panic() {
    let answer = "Between 1\u{202f}234,5 and 2½ m — [0]’s 5′3″, “深度” <region1> ± 1/2 in.";
    for (at, _) in answer.char_indices() {
        for part in [&answer[..at], &answer[at..]] {
            for range in parse_distance(part)
                .iter()
                .flat_map(|parsed| &parsed.numbers)
            {
                assert!(part.get(range.clone()).is_some());
            }
        }
    }
}
