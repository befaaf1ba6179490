//! What is read from answers of any model. The labelled ones stand in tests/fixtures/bench.

use super::read;
use super::statement::{Length, Relation, Statement, Unread, Wanted};

const ALL: [Wanted; 6] = [
    Wanted::Length(Length::Distance),
    Wanted::Length(Length::HorizontalDistance),
    Wanted::Length(Length::Width),
    Wanted::Direction,
    Wanted::YesOrNo(Relation::Wide),
    Wanted::Choice(Relation::Tall),
];

fn metres(answer: &str, length: Length) -> Option<f64> {
    match read(answer, Wanted::Length(length), None) {
        Ok(Statement::Metres(metres)) => Some(metres),
        _ => None,
    }
}

#[test]
fn the_length_that_was_asked_for_is_found_among_others() {
    let answer = "It is 2 m wide, 3 m tall, 4 m away horizontally and 5 m away vertically.";
    for (length, expected) in [
        (Length::Width, 2.0),
        (Length::Height, 3.0),
        (Length::HorizontalDistance, 4.0),
        (Length::VerticalDistance, 5.0),
    ] {
        assert_eq!(metres(answer, length), Some(expected), "{length:?}");
    }
}

#[test]
fn the_conclusion_counts_before_what_led_to_it() {
    let answer = "The gap looks like 2 m. A car is 4.5 m long. Therefore, 3 m.";
    assert_eq!(metres(answer, Length::Distance), Some(3.0));
    // what is concluded about something else does not
    let answer = "The distance is 2 m. So the height is 3 m.";
    assert_eq!(metres(answer, Length::Distance), Some(2.0));
}

#[test]
fn what_a_length_is_reckoned_from_is_no_answer() {
    for (answer, expected) in [
        ("Given that the table is 0.9 m wide, the gap is 1.1 m.", 1.1),
        (
            "Compared with the bed, which is 1.6 m long, they are 2 m apart.",
            2.0,
        ),
        (
            "A car is usually 4.5 m long. The gap is a bit longer: 5 m.",
            5.0,
        ),
        ("I first thought 2 m, but it is 1.1 m.", 1.1),
        ("2 m? No, 1.1 m.", 1.1),
        ("1.1 m rather than 2 m", 1.1),
        ("Half of 1.8 m is 0.9 m.", 0.9),
        ("Four tiles of 50 cm each, which makes 2 m", 2.0),
        ("1 cm per pixel and 420 pixels, so 4.2 m", 4.2),
        (
            "2.1 m from the camera and 6 m from the camera, hence 3.9 m apart",
            3.9,
        ),
        ("1.2 m. The desk is 1.5 m away from the door.", 1.2),
    ] {
        assert_eq!(metres(answer, Length::Distance), Some(expected), "{answer}");
    }
    // and what is so far from the viewer says nothing of the two
    let answer = "[0] is 5 m from the camera, and [1] is 9 m from the camera.";
    assert_eq!(metres(answer, Length::Distance), None);
}

#[test]
fn a_line_ends_what_is_said_of_a_length() {
    let answer = "Width: 40 cm\nHeight: 60 cm\nDepth: 30 cm";
    assert_eq!(metres(answer, Length::Width), Some(0.4));
    assert_eq!(metres(answer, Length::Height), Some(0.6));
}

#[test]
fn measures_of_two_regions_are_compared() {
    let tall = |answer| read(answer, Wanted::Choice(Relation::Tall), None);
    for answer in [
        "Region [0] is 1.2 m tall and Region [1] is 1.9 m tall.",
        "Region [0]: 120 cm\nRegion [1]: 1.9 m",
        "Region [0] and Region [1] are 1.2 m and 1.9 m tall, respectively.",
        "Region [0] is 1.2 m high, compared to 1.9 m for Region [1].",
    ] {
        assert_eq!(tall(answer), Ok(Statement::Region(1)), "{answer}");
        let short = read(answer, Wanted::Choice(Relation::Short), None);
        assert_eq!(short, Ok(Statement::Region(0)), "{answer}");
        let is_taller = read(answer, Wanted::YesOrNo(Relation::Tall), None);
        assert_eq!(is_taller, Ok(Statement::Yes(false)), "{answer}");
    }
    // widths say nothing of heights, and equal ones prefer none
    for answer in [
        "[0] is 1.2 m wide and [1] is 1.9 m wide",
        "[0] is 2 m tall, [1] is 2 m tall",
    ] {
        assert_eq!(tall(answer), Err(Unread::SeveralRegions), "{answer}");
    }
}

#[test]
fn what_an_answer_takes_back_is_no_answer() {
    let left = Wanted::YesOrNo(Relation::Left);
    assert_eq!(read("No, wait: yes.", left, None), Ok(Statement::Yes(true)));
    let big = Wanted::YesOrNo(Relation::Big);
    for answer in [
        "It looks bigger, but it is smaller.",
        "Although it looks bigger, Region [0] is smaller than Region [1].",
        "It looks bigger. In reality it is smaller.",
    ] {
        assert_eq!(
            read(answer, big, None),
            Ok(Statement::Yes(false)),
            "{answer}"
        );
    }
    for (answer, hours) in [
        ("1 o'clock... no, 2 o'clock", 2.0),
        ("8 o'clock rather than 9 o'clock", 8.0),
        ("3 o'clock, not 9 o'clock", 3.0),
        ("10 o'clock, where Region [1] is at 12 o'clock", 10.0),
        (
            "The left is 9 o'clock and behind is 6 o'clock; it is at 8 o'clock",
            8.0,
        ),
        ("8 o'clock. The left would be 9 o'clock.", 8.0),
    ] {
        let read = read(answer, Wanted::Direction, None);
        assert_eq!(read, Ok(Statement::Hours(hours)), "{answer}");
    }
}

#[test]
fn a_refusal_names_no_region() {
    for answer in [
        "I can't tell which one is further left.",
        "It is hard to say whether Region [0] is on the left.",
    ] {
        let yes = read(answer, Wanted::YesOrNo(Relation::Left), None);
        assert!(yes.is_err(), "{answer}: {yes:?}");
        let choice = read(answer, Wanted::Choice(Relation::Left), None);
        assert!(choice.is_err(), "{answer}: {choice:?}");
    }
    let answer = "I can't tell exactly, but Region [0] is on the left.";
    let choice = read(answer, Wanted::Choice(Relation::Left), None);
    assert_eq!(choice, Ok(Statement::Region(0)));
}

#[test]
fn the_first_is_the_first_of_the_question() {
    let question = Some("Which is taller, Region [1] or Region [0]?");
    for (answer, region) in [
        ("the former", 1),
        ("The second one is taller.", 0),
        ("the 1st", 1),
    ] {
        let choice = read(answer, Wanted::Choice(Relation::Tall), question);
        assert_eq!(choice, Ok(Statement::Region(region)), "{answer}");
    }
}

#[test]
fn why_nothing_was_read_is_told() {
    let distance = Wanted::Length(Length::Distance);
    let yes = Wanted::YesOrNo(Relation::Left);
    let choice = Wanted::Choice(Relation::Left);
    for (answer, wanted, why) in [
        ("  ", distance, Unread::Empty),
        ("near", distance, Unread::NoNumber),
        ("2.5", distance, Unread::NoUnit),
        ("2 yards", distance, Unread::OtherUnit("yards".to_owned())),
        ("-2 m", distance, Unread::Negative),
        ("2000 m", distance, Unread::Implausible),
        ("I cannot determine it.", distance, Unread::Refusal),
        ("to the left", Wanted::Direction, Unread::NoHour),
        ("14 o'clock", Wanted::Direction, Unread::NoHourOfTheClock),
        ("3, 6 or 9", Wanted::Direction, Unread::SeveralNumbers),
        ("Perhaps", yes, Unread::NoYesOrNo),
        ("yes and no", yes, Unread::YesAndNo),
        ("neither", choice, Unread::Neither),
        ("the tree", choice, Unread::NoRegion),
        ("[0] and [1]", choice, Unread::SeveralRegions),
    ] {
        assert_eq!(read(answer, wanted, None), Err(why), "{answer}");
    }
}

#[test]
fn the_question_says_which_region_a_yes_is_about() {
    let wide = Wanted::YesOrNo(Relation::Wide);
    let answer = "Region [1] is wider than Region [0].";
    assert_eq!(read(answer, wide, None), Ok(Statement::Yes(false)));
    let question = Some("Is Region [1] wider than Region [0]?");
    assert_eq!(read(answer, wide, question), Ok(Statement::Yes(true)));
}

#[test]
fn no_text_panics_and_every_statement_is_sound() {
    // Given texts of random scraps of answers, so that they meet in all orders
    let scraps = "1|12.5|0|.|,|-|–|'|\"|m|cm|in|ft|feet| |\n|[|]|[0]|[1]|<region1>|region|Region 1|and|a|half|between|to|or|not|\
                  yes|no|is|than|o'clock|o|clock|:30|:|wider|taller|left|the second|one|so|therefore|answer|=|(|)|\\text{|\\boxed{|}|\
                  $|**|<b>|<think>|quarter|three|point|hundred|minus|x|by|cannot|é|深|🙂|½|1st|camera|actually|in fact|I|it|n't|\
                  but|although|looks|each|which makes|i.e.|wait|rather than|5/6|of|m)|2 m|1m50|usually|given|neither|same|,";
    let scraps: Vec<&str> = scraps.split('|').collect();
    let mut state = 7u64;
    let mut random = move |bound: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let mut stated = 0;
    for _ in 0..30_000 {
        let scraps = (0..random(12)).map(|_| scraps[random(scraps.len())]);
        let text = scraps
            .collect::<Vec<_>>()
            .join(if random(2) == 0 { "" } else { " " });
        // When they are read as each kind
        for wanted in ALL {
            // Then what is stated is what was asked for, and within its bounds
            let Ok(statement) = read(&text, wanted, None) else {
                continue;
            };
            stated += 1;
            let is_sound = match (wanted, statement) {
                (Wanted::Length(_), Statement::Metres(metres)) => (0.0..=1000.0).contains(&metres),
                (Wanted::Direction, Statement::Hours(hours)) => (1.0..13.0).contains(&hours),
                (Wanted::YesOrNo(_), Statement::Yes(_)) => true,
                (Wanted::Choice(_), Statement::Region(_)) => true,
                _ => false,
            };
            assert!(is_sound, "{text:?} {wanted:?} {statement:?}");
        }
    }
    assert!(stated > 10_000, "only {stated}");
}
