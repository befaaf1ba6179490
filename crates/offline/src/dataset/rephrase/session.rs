//! Rephrasing of a run's rows: what they ask is asked about, and of what was said a row in other words is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};
use spatial_reward_core::prompt::format;

use super::asking::{Asking, Wanted};
use super::cache::Cache;
use super::counts::Rephrased;
use super::endpoint::Rephrase;
use super::pair::{Pair, pairs_of};
use super::prompt;
use super::reply::Worded;
use super::wording::{Turn, accepted, turn};
use crate::dataset::row::in_turn;
use crate::error::{Error, Result};

/// The ending of the file beside a data set that keeps what was said.
const ENDING: &str = "rephrased.jsonl";

/// A row in other words, as lines of `dataset.jsonl` and of `published.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reworded {
    pub(crate) row: String,
    pub(crate) published: String,
}

/// One run's.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    asking: Asking<'a>,
    target: &'a Path,
}

impl<'a> Session<'a> {
    /// For a data set, with what was said before.
    ///
    /// # Errors
    /// `Error::Core` for a file beside it that cannot be read or written.
    pub(crate) fn open(
        rephrase: Rephrase<'a>,
        target: &'a Path,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let cache = Cache::open(&beside(target))?;
        Ok(Self {
            asking: Asking::new(rephrase, target, stop, cache),
            target,
        })
    }

    /// Ask about the pairs of these rows that nothing is known of.
    ///
    /// # Errors
    /// Those of asking; `Error::Core` for a line that is no row.
    pub(crate) fn ask<'r>(&self, rows: impl Iterator<Item = &'r str>) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for row in rows {
            for pair in self.pairs(row)? {
                let key = prompt::key(self.asking.model(), &pair);
                let shared = &mut *self.asking.shared();
                let is_known = match shared.cache.get(&key) {
                    None => false,
                    Some(kept) => match &kept.worded {
                        Some(worded) => accepted(&pair, worded).is_ok(),
                        None => kept.refused.is_some(),
                    },
                };
                if is_known || wanted.contains_key(&key) {
                    shared.counts.from_cache += 1;
                } else {
                    shared.counts.asked += 1;
                    wanted.insert(key, pair);
                }
            }
        }
        let wanted = wanted.into_iter().map(|(key, pair)| Wanted { key, pair });
        self.asking.ask(&wanted.collect::<Vec<_>>())
    }

    /// A row in other words, if there are any for one of its turns.
    ///
    /// # Errors
    /// `Error::Core` for a line that is no row.
    pub(crate) fn reworded(&self, row: &str) -> Result<Option<Reworded>> {
        let broken = |error: serde_json::Error| Error::output(self.target, error);
        let mut fields: Map<String, Value> = serde_json::from_str(row).map_err(broken)?;
        let region = format::region(fields.get("depth").is_some_and(Value::is_string));
        let pairs = self.pairs(row)?;
        let mut turns = Vec::new();
        for pair in &pairs {
            if let Some(worded) = self.worded(pair) {
                turns.push((pair.category.as_str(), turn(pair, &worded, region)));
            }
        }
        let counts = &mut self.asking.shared().counts;
        counts.left += (pairs.len() - turns.len()) as u64;
        if turns.is_empty() {
            return Ok(None);
        }
        counts.rows += 1;
        counts.questions += turns.len() as u64;
        let said = turns.iter().map(|(_, turn)| turn);
        let said = said.map(|turn| (turn.question.clone(), turn.answer.clone()));
        let conversations = json!(in_turn(said));
        let published = published(&fields, &conversations, turns.iter().map(|(_, turn)| turn));
        let mentions = turns.iter().map(|(_, turn)| &turn.mentions);
        let mentions: Vec<_> = mentions.collect();
        let categories: Vec<_> = turns.iter().map(|(category, _)| category).collect();
        fields.insert("conversations".into(), conversations);
        fields.insert("mentions".into(), json!(mentions));
        fields.insert("categories".into(), json!(categories));
        fields.insert("wording".into(), "rephrased".into());
        Ok(Some(Reworded {
            row: Value::Object(fields).to_string(),
            published: published.to_string(),
        }))
    }

    /// What it gave and cost.
    pub(crate) fn counts(&self) -> Rephrased {
        self.asking.shared().counts.clone()
    }

    fn worded(&self, pair: &Pair) -> Option<Worded> {
        let key = prompt::key(self.asking.model(), pair);
        let worded = self.asking.shared().cache.get(&key)?.worded.clone()?;
        // Whoever changed the file may have changed facts.
        accepted(pair, &worded).ok().map(|()| worded)
    }

    fn pairs(&self, row: &str) -> Result<Vec<Pair>> {
        pairs_of(row).map_err(|error| Error::output(self.target, error))
    }
}

/// The file beside a data set.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{name}.{ENDING}"))
}

/// Boxes and masks once for each mention, in order.
fn published<'t>(
    row: &Map<String, Value>,
    conversations: &Value,
    turns: impl Iterator<Item = &'t Turn>,
) -> Value {
    let mentions: Vec<usize> = turns.flat_map(|turn| turn.mentions.clone()).collect();
    let of_mentions = |name: &str| -> Vec<Value> {
        let all = row.get(name).and_then(Value::as_array);
        let one = |at: &usize| all.and_then(|all| all.get(*at)).cloned();
        mentions.iter().filter_map(one).collect()
    };
    json!({
        "filename": row.get("photo"),
        "conversations": conversations,
        "bbox": of_mentions("bbox"),
        "rle": of_mentions("rle"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::rephrase::endpoint::{Chat, Reply, Trouble};
    use spatial_reward_core::training_row::TrainingRow;

    /// Says the same to everything.
    struct Says(&'static str);

    impl Chat for Says {
        fn post(&self, _: &str) -> std::result::Result<Reply, Trouble> {
            let body = json!({"choices": [{"message": {"content": self.0}}]}).to_string();
            Ok(Reply {
                status: 200,
                body,
                retry_after: None,
            })
        }
    }

    #[test]
    fn a_question_that_names_the_regions_the_other_way_round_has_their_boxes_so() {
        // Given a row, and a model that mentions its second region first
        let row = r#"{"filename": "images/a.png", "depth": "depth/a.png", "photo": "a", "bbox": [[0, 0, 1, 1], [1, 0, 2, 1]],
            "rle": ["of 0", "of 1"], "mentions": [[0, 1]], "categories": ["direct_distance"], "conversations": [
            {"from": "human", "value": "<image>\nHow far is <mask> <depth> from <mask> <depth>?"},
            {"from": "gpt", "value": "4.87 inches"}]}"#;
        let says = Says(
            r#"{"Question": "What lies between <region1> and <region0>?", "Answer": "<region0> is 4.87 inches away from <region1>."}"#,
        );
        let folder = tempfile::tempdir().unwrap();
        let (target, stop) = (folder.path().join("rows"), AtomicBool::new(false));
        let rephrase = Rephrase {
            chat: &says,
            url: "",
            model: "m",
            requests: 2,
        };
        let session = Session::open(rephrase, &target, &stop).unwrap();
        // When it is asked about the row
        session.ask([row, row].into_iter()).unwrap();
        let reworded = session.reworded(row).unwrap().unwrap();
        // Then once, and what a training reads has the regions in the order of the new question
        assert_eq!(session.counts().requests, 1);
        let read = TrainingRow::parse(&reworded.row).unwrap();
        assert_eq!(read.turns[0].mentions, [1, 0]);
        assert_eq!(
            read.turns[0].question,
            "What lies between <mask> <depth> and <mask> <depth>?"
        );
        assert_eq!(
            read.turns[0].answer,
            "Region [1] is 4.87 inches away from Region [0]."
        );
        // and the published form boxes and masks
        let published: Value = serde_json::from_str(&reworded.published).unwrap();
        assert_eq!(published["rle"], json!(["of 1", "of 0"]));
        assert_eq!(published["bbox"][0], json!([1, 0, 2, 1]));
    }
}
