//! One line of a data set's `dataset.jsonl`, as it is written and as a training reads it: a frame with its regions and what
//! is asked about them, in the shape of the Open Spatial Dataset.

use serde::Deserialize;

use crate::prompt::format;

/// One frame: the names of its pictures, its regions, and questions with their answers.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRow {
    /// The colour picture's file in the data set.
    pub color: String,
    /// 8-bit relative depth, as the labeller shows it.
    pub depth: Option<String>,
    /// 16-bit millimetres.
    pub metric: Option<String>,
    /// fx, fy, cx, cy of the colour picture.
    pub intrinsics: Option<[f64; 4]>,
    /// Pixels, end-exclusive; each finite and of positive area.
    pub boxes: Vec<[f64; 4]>,
    /// Each region's centre in the camera's optical frame, metres; one for each box.
    pub points: Vec<Option<[f32; 3]>>,
    /// What is asked about it; at least one.
    pub turns: Vec<Turn>,
}

/// A question, its answer and the regions that its `<mask>`s stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// With `<mask>`, and perhaps `<depth>`, for each region.
    pub question: String,
    /// What the model is to say.
    pub answer: String,
    /// The regions in the order of their `<mask>`s; each has a box.
    pub mentions: Vec<usize>,
    /// What kind of question the dataset calls it; may be empty.
    pub category: String,
}

/// A row as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    filename: String,
    #[serde(default)]
    depth: Option<String>,
    #[serde(default)]
    metric: Option<String>,
    #[serde(default)]
    intrinsics: Option<[f64; 4]>,
    bbox: Vec<[f64; 4]>,
    #[serde(default)]
    points: Vec<Option<[f32; 3]>>,
    conversations: Vec<Said>,
    #[serde(default)]
    mentions: Option<Vec<Vec<usize>>>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Said {
    from: String,
    value: String,
}

impl TrainingRow {
    /// From one line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let proper = |b: &[f64; 4]| b.iter().all(|v| v.is_finite()) && b[0] < b[2] && b[1] < b[3];
        if let Some(wrong) = written.bbox.iter().find(|bbox| !proper(bbox)) {
            return Err(format!("{wrong:?} is no box"));
        }
        if !written.points.is_empty() && written.points.len() != written.bbox.len() {
            let (points, boxes) = (written.points.len(), written.bbox.len());
            return Err(format!("{points} points for {boxes} boxes"));
        }
        let turns = turns(&written)?;
        if turns.is_empty() {
            return Err("nothing is asked".into());
        }
        Ok(Self {
            color: written.filename,
            depth: written.depth,
            metric: written.metric,
            intrinsics: written.intrinsics,
            points: match written.points.is_empty() {
                true => vec![None; written.bbox.len()],
                false => written.points,
            },
            boxes: written.bbox,
            turns,
        })
    }
}

/// The turns of a row. Without `mentions`, as in the published dataset, the regions are mentioned in the
/// order of the boxes, over all turns.
fn turns(row: &Written) -> Result<Vec<Turn>, String> {
    let mut next_box = 0;
    let pairs = row.conversations.chunks(2).enumerate();
    pairs
        .map(|(index, pair)| {
            let [human, model] = pair else {
                return Err("the last question has no answer".into());
            };
            if human.from != "human" || model.from != "gpt" {
                let order = format!("'{}' then '{}'", human.from, model.from);
                return Err(format!("turn {index} is {order}, not 'human' then 'gpt'"));
            }
            let question = format::without_image(&human.value);
            let masks = question.matches(format::MASK).count();
            let mentions = match &row.mentions {
                Some(mentions) => mentions.get(index).cloned().unwrap_or_default(),
                None => (next_box..next_box + masks).collect(),
            };
            next_box += masks;
            if mentions.len() != masks {
                let named = mentions.len();
                return Err(format!(
                    "turn {index} has {masks} <mask>, but mentions {named} regions"
                ));
            }
            if let Some(region) = mentions.iter().find(|&&region| region >= row.bbox.len()) {
                return Err(format!(
                    "turn {index} mentions region {region}, which has no box"
                ));
            }
            Ok(Turn {
                question,
                answer: model.value.trim().to_owned(),
                mentions,
                category: row.categories.get(index).cloned().unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"{"filename":"a.png","bbox":[[0,0,2,2],[1,1,3,3]],"conversations":[{"from":"human","value":"<image>\nHow far is <mask> <depth> from <mask> <depth>?"},{"from":"gpt","value":"1.00 inches"}],"mentions":[[1,0]]}"#;

    #[test]
    fn a_sound_line_is_read() {
        let row = TrainingRow::parse(SOUND).unwrap();
        assert_eq!(
            (row.color.as_str(), row.points),
            ("a.png", vec![None, None])
        );
        let [turn] = row.turns.as_slice() else {
            panic!("{:?}", row.turns);
        };
        assert_eq!(
            turn.question,
            "How far is <mask> <depth> from <mask> <depth>?"
        );
        assert_eq!(
            (turn.mentions.as_slice(), turn.answer.as_str()),
            ([1, 0].as_slice(), "1.00 inches")
        );
    }

    #[test]
    fn without_mentions_regions_are_the_boxes_in_order() {
        let row = TrainingRow::parse(&SOUND.replace(r#","mentions":[[1,0]]"#, "")).unwrap();
        assert_eq!(row.turns[0].mentions, [0, 1]);
    }

    #[test]
    fn a_line_that_makes_no_sense_says_why() {
        for (from, to, expected) in [
            ("{\"filename\"", "{", "line 1"),
            ("[0,0,2,2]", "[2,0,0,2]", "is no box"),
            ("\"gpt\"", "\"human\"", "not 'human' then 'gpt'"),
            (
                ",{\"from\":\"gpt\",\"value\":\"1.00 inches\"}",
                "",
                "has no answer",
            ),
            ("[[1,0]]", "[[1,7]]", "region 7, which has no box"),
            ("[[1,0]]", "[[1]]", "mentions 1 regions"),
            (
                "\"mentions\"",
                "\"points\":[[0,0,1]],\"mentions\"",
                "1 points for 2 boxes",
            ),
        ] {
            let broken = SOUND.replace(from, to);
            assert_ne!(broken, SOUND);
            let why = TrainingRow::parse(&broken).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
