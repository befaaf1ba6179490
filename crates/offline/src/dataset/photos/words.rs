//! The words by which things are looked for in a photo: tags beside it, a file of the user's, or a list for rooms and streets.

use std::collections::BTreeSet;

/// A word with one of these in it names no thing: places, weather, colours, what somebody does; and what is around things.
const STOP_WORDS: [&str; 51] = [
    "room",
    "kitchen",
    "office",
    "house",
    "home",
    "building",
    "corner",
    "shadow",
    "carpet",
    "photo",
    "sea",
    "shade",
    "stall",
    "space",
    "aquarium",
    "apartment",
    "image",
    "city",
    "blue",
    "skylight",
    "hallway",
    "bureau",
    "modern",
    "salon",
    "doorway",
    "wall lamp",
    "scene",
    "sun",
    "sky",
    "smile",
    "cloudy",
    "comfort",
    "white",
    "black",
    "red",
    "green",
    "yellow",
    "purple",
    "pink",
    "stand",
    "wear",
    "area",
    "shine",
    "lay",
    "walk",
    "lead",
    "bite",
    "sing",
    "wall",
    "floor",
    "ceiling",
];

/// Asked for where nobody says what is in a photo.
const COMMON: &str = "person,man,woman,child,dog,cat,bird,horse,cow,sheep,bicycle,car,motorcycle,bus,truck,train,boat,\
    traffic light,street sign,fire hydrant,bench,tree,flower,plant,chair,couch,bed,table,desk,shelf,cabinet,drawer,door,\
    window,curtain,lamp,clock,mirror,picture frame,pillow,blanket,towel,television,laptop,keyboard,computer mouse,monitor,\
    phone,remote,book,box,basket,bag,backpack,suitcase,umbrella,shoe,hat,bottle,cup,mug,glass,bowl,plate,fork,knife,spoon,\
    pot,pan,kettle,microwave,oven,toaster,refrigerator,sink,faucet,toilet,bathtub,apple,banana,orange,bread,cake,vase,toy,\
    ball,guitar,scissors,tool,hammer,screwdriver,robot,robot arm,gripper,cube,can";

/// What a list of words names: one word or phrase a line, or several with commas between; `#` begins a remark.
pub fn parse(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split([',', '|']));
    distinct(words)
}

/// The list of this program.
pub(super) fn common() -> Vec<String> {
    distinct(COMMON.split(','))
}

/// Those of words that name things.
pub(super) fn of_things(words: Vec<String>) -> Vec<String> {
    let names_thing = |word: &String| !STOP_WORDS.iter().any(|stop| word.contains(stop));
    words.into_iter().filter(names_thing).collect()
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let words = words.map(|word| word.trim().to_lowercase());
    words
        .filter(|word| !word.is_empty() && known.insert(word.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_by_lines_and_commas_once_each() {
        let words = parse("Cup, mug # drinking\n\n cup |plate\n");
        assert_eq!(words, ["cup", "mug", "plate"]);
    }

    #[test]
    fn a_word_with_a_stop_word_in_it_is_dropped_as_in_the_original() {
        let words = parse("table,living room,blueberry,wallet,cup");
        assert_eq!(of_things(words), ["table", "cup"]);
    }

    #[test]
    fn the_common_words_are_many_and_distinct() {
        assert_eq!(parse(COMMON), common());
        assert!(common().len() > 80);
    }
}
