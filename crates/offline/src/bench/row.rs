//! A row of the benchmark: a picture, its regions, a question and the true answer.

use serde_json::Value;

use super::category::Category;
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging::Mask;
use spatial_reward_core::imaging::rle;

/// A row of the benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As the file has it; a repeated one is followed by `#2`.
    pub id: String,
    /// What it asks for.
    pub category: Category,
    /// The picture's place in the folder of pictures.
    pub picture: String,
    /// Width and height of the picture that boxes and masks are of, in pixels.
    pub size: (u32, u32),
    /// With `<regionN>` for the N-th region.
    pub question: String,
    /// The true answer in words.
    pub truth: String,
    /// The regions that it is about, in the order of their mentions.
    pub(super) regions: Vec<Region>,
}

/// A region as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Region {
    /// Left, top, right, bottom.
    Box([f64; 4]),
    /// COCO's runs, coded or as numbers, and the size (width, height) that they are of.
    Coded(String, (u32, u32)),
    Runs(Vec<i64>, (u32, u32)),
}

impl Row {
    /// The regions as the original makes them, in the size that the file names: the runs where there are some, else the box,
    /// its corners clamped to the picture and cut to whole numbers. One that covers no pixel is empty and no error, as there.
    ///
    /// # Errors
    /// What is wrong with a mask, in words.
    pub fn masks(&self) -> Result<Vec<Mask>, String> {
        self.regions
            .iter()
            .map(|region| self.mask(region))
            .collect()
    }

    /// The regions whose boxes cover no pixel of the picture: beside it, or turned inside out.
    pub fn boxes_outside(&self) -> Vec<usize> {
        let cut = |corner: f64, side: u32| (corner.trunc() as u32).min(side);
        let (width, height) = self.size;
        let is_outside = |region: &Region| match region {
            Region::Box([left, top, right, bottom]) => {
                cut(*left, width) >= cut(*right, width) || cut(*top, height) >= cut(*bottom, height)
            }
            Region::Coded(..) | Region::Runs(..) => false,
        };
        let regions = self.regions.iter().enumerate();
        regions
            .filter(|(_, region)| is_outside(region))
            .map(|(number, _)| number)
            .collect()
    }

    fn mask(&self, region: &Region) -> Result<Mask, String> {
        let of = |data, (width, height)| Mask {
            width,
            height,
            data,
        };
        let (width, height) = self.size;
        Ok(match region {
            Region::Box([left, top, right, bottom]) => {
                let bbox = BoundingBox::new(*left, *top, *right, *bottom);
                Mask::from_box(&bbox, width, height)
            }
            Region::Coded(counts, size) => of(rle::decode(counts, size.0, size.1)?, *size),
            Region::Runs(runs, size) => of(rle::decode_runs(runs, size.0, size.1)?, *size),
        })
    }

    /// The question as people read it: with the regions' numbers.
    pub fn question_in_words(&self) -> String {
        let mut words = self.question.clone();
        for region in 0..self.regions.len() {
            words = words.replace(&format!("<region{region}>"), &format!("Region [{region}]"));
        }
        words
    }

    /// The row that a JSON object states. The error says what it lacks.
    pub(super) fn of(object: &Value) -> Result<Self, String> {
        let field = |name: &str| nested(object.get(name).unwrap_or(&Value::Null));
        let id = match object.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(id @ Value::Number(_)) => id.to_string(),
            _ => return Err("it has no id".to_owned()),
        };
        let told = |message: String| format!("{id}: {message}");
        let info = field("qa_info").map_err(told)?;
        let name = info.get("category").and_then(Value::as_str);
        let name = name.ok_or_else(|| told("it has no qa_info.category".to_owned()))?;
        let category = Category::named(name);
        let category = category.ok_or_else(|| {
            told(format!(
                "it has the category '{name}', which the benchmark has not"
            ))
        })?;
        let image = field("image_info").map_err(told)?;
        let side = |name: &str| {
            let side = image.get(name).and_then(Value::as_u64);
            side.and_then(|side| u32::try_from(side).ok())
                .filter(|side| *side > 0)
        };
        let picture = image.get("file_path").and_then(Value::as_str);
        let (Some(picture), Some(width), Some(height)) = (picture, side("width"), side("height"))
        else {
            return Err(told(
                "its image_info lacks file_path, width or height".to_owned(),
            ));
        };
        let regions = regions(&field("rle").map_err(told)?, &field("bbox").map_err(told)?);
        let regions = regions.map_err(told)?;
        let turns = field("conversations").map_err(told)?;
        let said = |turn: usize| turns.get(turn)?.get("value")?.as_str();
        let asked = said(0).or_else(|| object.get("text_q")?.as_str());
        let (Some(asked), Some(truth)) = (asked, said(1)) else {
            return Err(told(
                "its conversations have no question and answer".to_owned(),
            ));
        };
        let question = question(asked, object.get("text_q").and_then(Value::as_str));
        Ok(Self {
            category,
            picture: picture.to_owned(),
            size: (width, height),
            question,
            truth: truth.trim().to_owned(),
            regions,
            id,
        })
    }
}

/// A field as it is, or what its text states in Python or JSON.
fn nested(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => super::literal::parse(text),
        value => Ok(value.clone()),
    }
}

/// The runs where there are some, else the boxes.
fn regions(rle: &Value, bbox: &Value) -> Result<Vec<Region>, String> {
    let runs = rle.as_array().filter(|runs| !runs.is_empty());
    if let Some(runs) = runs
        && let Some(runs) = runs.iter().map(coded).collect::<Option<Vec<_>>>()
    {
        return Ok(runs);
    }
    let boxes = bbox.as_array().map(Vec::as_slice).unwrap_or_default();
    let corners = |corners: &Value| -> Option<Region> {
        let corners: Vec<f64> = corners
            .as_array()?
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        Some(Region::Box(corners.try_into().ok()?))
    };
    let boxes: Option<Vec<Region>> = boxes.iter().map(corners).collect();
    match boxes {
        Some(boxes) if !boxes.is_empty() => Ok(boxes),
        _ => Err("it has neither masks (rle) nor boxes of four corners (bbox)".to_owned()),
    }
}

fn coded(rle: &Value) -> Option<Region> {
    let side = |at: usize| {
        let side = rle.get("size")?.get(at)?.as_u64()?;
        u32::try_from(side).ok().filter(|side| *side > 0)
    };
    let size = (side(1)?, side(0)?);
    match rle.get("counts")? {
        Value::String(counts) => Some(Region::Coded(counts.clone(), size)),
        Value::Array(runs) => {
            let runs: Option<Vec<i64>> = runs.iter().map(Value::as_i64).collect();
            Some(Region::Runs(runs?, size))
        }
        _ => None,
    }
}

/// The question with `<regionN>` for its N-th `<mask>`; where the conversation has none, of the question in words.
fn question(asked: &str, in_words: Option<&str>) -> String {
    let source = match in_words {
        Some(words) if !asked.contains("<mask>") && words.contains("Region [") => words,
        _ => asked,
    };
    let source = source.replace("<image>", "");
    let source = source.replace(" <depth>", "").replace("<depth>", "");
    let mut parts = source.split("<mask>");
    let mut question = parts.next().unwrap_or_default().to_owned();
    for (region, part) in parts.enumerate() {
        question.push_str(&format!("<region{region}>"));
        question.push_str(part);
    }
    let mut named = String::with_capacity(question.len());
    let mut rest = question.as_str();
    while let Some((before, behind)) = rest.split_once("Region [") {
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        named.push_str(before);
        match behind
            .strip_prefix(&digits)
            .and_then(|rest| rest.strip_prefix(']'))
        {
            Some(after) if !digits.is_empty() => {
                named.push_str(&format!("<region{digits}>"));
                rest = after;
            }
            _ => {
                named.push_str("Region [");
                rest = behind;
            }
        }
    }
    named.push_str(rest);
    let words: Vec<&str> = named.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Value {
        json!({
            "id": "quantitative_0",
            "image_info": {"file_path": "KITTI/1.jpg", "height": 30, "width": 40},
            "text_q": "How wide is Region [0]?",
            "qa_info": {"type": "quantitative", "category": "width_data"},
            "conversations": [
                {"from": "human", "value": "<image>\nHow wide is <mask> <depth>?"},
                {"from": "gpt", "value": "It is 2 meters wide."}
            ],
            "bbox": [[-3.7, 5.2, 12.9, 99.0]],
            "rle": []
        })
    }

    #[test]
    fn a_row_is_read_as_the_file_has_it() {
        let row = Row::of(&object()).unwrap();
        assert_eq!(row.question, "How wide is <region0>?");
        assert_eq!(
            (row.size, row.truth.as_str()),
            ((40, 30), "It is 2 meters wide.")
        );
        assert_eq!(row.question_in_words(), "How wide is Region [0]?");
        // The box, clamped and cut: columns 0 to 11, rows 5 to 29.
        let masks = row.masks().unwrap();
        assert_eq!(masks.len(), 1);
        let inside = |x: usize, y: usize| masks[0].data[y * 40 + x] == 1;
        assert!(inside(0, 5) && inside(11, 29) && !inside(12, 5) && !inside(0, 4));
    }

    #[test]
    fn runs_come_before_boxes() {
        let mut object = object();
        object["rle"] = json!([{"size": [30, 40], "counts": [1199, 1]}]);
        let masks = Row::of(&object).unwrap().masks().unwrap();
        assert_eq!(
            masks[0].data.iter().filter(|inside| **inside == 1).count(),
            1
        );
        // and what is wrong with them is told by the row that has them
        object["rle"] = json!([{"size": [30, 40], "counts": "~"}]);
        assert!(Row::of(&object).unwrap().masks().is_err());
        // none are null
        object["rle"] = Value::Null;
        assert_eq!(Row::of(&object).unwrap().regions.len(), 1);
    }

    #[test]
    fn nested_fields_may_be_python_text() {
        let mut object = object();
        object["qa_info"] = json!("{'type': 'quantitative', 'category': 'width_data'}");
        object["bbox"] = json!("[[-3.7, 5.2, 12.9, 99.0]]");
        object["conversations"] = json!(
            "[{'from': 'human', 'value': '<image>\\nHow wide is <mask>?'}, {'from': 'gpt', 'value': 'It is 2 meters wide.'}]"
        );
        let row = Row::of(&object).unwrap();
        assert_eq!(
            (row.question.as_str(), row.category.name.as_str()),
            ("How wide is <region0>?", "width_data")
        );
    }

    #[test]
    fn a_question_in_words_stands_in_for_one_without_masks() {
        assert_eq!(
            question("Is it wide?", Some("Is Region [1] wider than Region [0]?")),
            "Is <region1> wider than <region0>?"
        );
        assert_eq!(
            question("Is <mask> wider than <mask>?", Some("x")),
            "Is <region0> wider than <region1>?"
        );
        assert_eq!(
            question("Region [ and Region [x]", None),
            "Region [ and Region [x]"
        );
    }

    #[test]
    fn what_a_row_lacks_is_named() {
        for (field, words) in [
            ("id", "no id"),
            ("qa_info", "qa_info.category"),
            ("image_info", "file_path"),
            ("conversations", "question and answer"),
            ("bbox", "neither masks"),
        ] {
            let mut object = object();
            object.as_object_mut().unwrap().remove(field);
            let message = Row::of(&object).unwrap_err();
            assert!(message.contains(words), "{field}: {message}");
        }
        let mut object = object();
        object["qa_info"]["category"] = json!("speed_data");
        assert!(Row::of(&object).unwrap_err().contains("speed_data"));
    }
}
