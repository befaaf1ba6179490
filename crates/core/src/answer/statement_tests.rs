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
                  $|**|<b>|<think>|quarter|three|point|hundred|minus|x|by|cannot|é|深|🙂|½|1st|camera|actually|in fact|I|it|n't";
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
