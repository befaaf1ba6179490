//! The tokenizers of both fixture checkpoints against what the original's gave, and broken files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::*;

const FIXTURES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/fixtures/spatialrgpt"
);

#[derive(Deserialize)]
struct Facts {
    tokenizer: std::collections::BTreeMap<String, TokenizerFacts>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct TokenizerFacts {
    special_ids: Vec<i64>,
    special_decode: Vec<String>,
    rows: Vec<Row>,
    random_decode: Vec<Random>,
}

/// `ids` is the text as a prompt, `encode` the text on its own.
#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<i64>,
    encode: Vec<i64>,
    decode: String,
}

#[derive(Deserialize)]
struct Random {
    ids: Vec<i64>,
    decode: String,
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    prompts: Vec<String>,
    texts: Vec<String>,
    output_ids: Vec<Vec<i64>>,
    input_ids: Vec<i64>,
}

fn facts() -> Facts {
    let json = std::fs::read_to_string(format!("{FIXTURES}/misc.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn llm(checkpoint: &str) -> PathBuf {
    Path::new(FIXTURES).join(checkpoint).join("checkpoint/llm")
}

fn load(checkpoint: &str) -> Tokenizer {
    Tokenizer::load(&llm(checkpoint)).unwrap()
}

/// A copy of a checkpoint's tokenizer that a test may break.
fn copy(checkpoint: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(llm(checkpoint)).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|e| e != "safetensors") {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

fn failure(folder: &Path) -> String {
    Tokenizer::load(folder).err().unwrap().to_string()
}

#[test]
fn texts_become_the_originals_ids() {
    for (checkpoint, facts) in facts().tokenizer {
        let tokenizer = load(&checkpoint);
        for row in facts.rows {
            let context = format!("{checkpoint}: {:?}", row.text);
            assert_eq!(
                tokenizer.encode(&row.text).unwrap(),
                row.encode,
                "{context}"
            );
            assert_eq!(
                tokenizer.encode_prompt(&row.text).unwrap(),
                row.ids,
                "{context}"
            );
        }
    }
}

#[test]
fn ids_become_the_originals_texts() {
    for (checkpoint, facts) in facts().tokenizer {
        let tokenizer = load(&checkpoint);
        for row in facts.rows {
            let ids: Vec<i64> = row
                .ids
                .into_iter()
                .filter(|id| *id != IMAGE_TOKEN)
                .collect();
            assert_eq!(
                tokenizer.decode(&ids).unwrap(),
                row.decode,
                "{checkpoint}: {:?}",
                row.text
            );
        }
        for row in facts.random_decode {
            assert_eq!(
                tokenizer.decode(&row.ids).unwrap(),
                row.decode,
                "{checkpoint}"
            );
        }
        for (id, text) in facts.special_ids.iter().zip(facts.special_decode) {
            assert_eq!(
                tokenizer.decode(&[*id]).unwrap(),
                text,
                "{checkpoint}: {id}"
            );
        }
    }
}

#[test]
fn golden_prompts_and_answers_are_the_originals() {
    for case in facts().cases {
        let tokenizer = load(&case.checkpoint);
        let prompt = case.prompts.last().unwrap();
        assert_eq!(
            tokenizer.encode_prompt(prompt).unwrap(),
            case.input_ids,
            "{prompt}"
        );
        for (ids, text) in case.output_ids.iter().zip(&case.texts) {
            assert_eq!(tokenizer.decode(ids).unwrap().trim(), text);
        }
    }
}

#[test]
fn special_tokens_are_read_from_the_files() {
    for (checkpoint, length, bos, mask, depth, stop) in [
        ("a", 2051, 1792, 2049, 2050, "<|eot_id|>"),
        ("c", 1602, 1, 1600, 1601, "</s>"),
    ] {
        let tokenizer = load(checkpoint);
        assert_eq!(tokenizer.len(), length);
        assert_eq!(tokenizer.bos_id(), Some(bos));
        assert_eq!(tokenizer.mask_id().unwrap(), mask);
        assert_eq!(tokenizer.depth_id().unwrap(), depth);
        assert!(tokenizer.id_of(stop).is_some());
        assert_eq!(tokenizer.id_of("<image>"), None);
    }
}

#[test]
fn spans_cover_the_text_and_hold_what_each_token_says() {
    for (checkpoint, facts) in facts().tokenizer {
        let tokenizer = load(&checkpoint);
        let rows = facts.rows.into_iter().map(|row| row.ids);
        let all = rows.chain(facts.random_decode.into_iter().map(|row| row.ids));
        for ids in all {
            let ids: Vec<i64> = ids.into_iter().filter(|id| *id != IMAGE_TOKEN).collect();
            // When ids are decoded with spans
            let (text, spans) = tokenizer.decode_spans(&ids).unwrap();
            // Then the text is the same, and the spans are its parts in order
            assert_eq!(text, tokenizer.decode(&ids).unwrap());
            assert_eq!(spans.len(), ids.len());
            let parts: Vec<&str> = spans.iter().map(|span| &text[span.clone()]).collect();
            assert_eq!(parts.concat(), text);
            for (id, part) in ids.iter().zip(parts) {
                if facts.special_ids.contains(id) {
                    assert_eq!(part, "", "{checkpoint}: {id}");
                }
            }
        }
    }
}

#[test]
fn spans_name_the_tokens_of_a_number_after_a_character_of_several_tokens() {
    for checkpoint in ["a", "c"] {
        // Given an answer with characters that are made of several tokens each
        let tokenizer = load(checkpoint);
        let ids = tokenizer.encode("深度 — 2.54 m").unwrap();
        let (text, spans) = tokenizer.decode_spans(&ids).unwrap();
        assert_eq!(text, "深度 — 2.54 m");
        // When the tokens of the number are looked up
        let number = text.find("2.54").unwrap()..text.find(" m").unwrap();
        let inside = |span: &Range<usize>| !span.is_empty() && number.start <= span.start;
        let of_number: Vec<String> = ids
            .iter()
            .zip(&spans)
            .filter(|(_, span)| inside(span) && span.end <= number.end)
            .map(|(_, span)| text[span.clone()].to_string())
            .collect();
        // Then they are exactly those
        assert_eq!(of_number.concat(), "2.54", "{checkpoint}");
        assert!(of_number.iter().all(|part| part.is_ascii()));
    }
}

#[test]
fn an_id_that_no_token_has_is_named() {
    for checkpoint in ["a", "c"] {
        let tokenizer = load(checkpoint);
        for id in [-200, 9999, i64::MAX] {
            let error = tokenizer.decode(&[id]).unwrap_err().to_string();
            assert!(error.contains(&id.to_string()), "{error}");
        }
    }
}

#[test]
fn cleaning_up_spaces_is_the_configs_choice() {
    // Given the same tokenizer with the setting turned round
    let folder = copy("a");
    let path = folder.path().join("tokenizer_config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let (on, off) = (
        "\"clean_up_tokenization_spaces\": true",
        "\"clean_up_tokenization_spaces\": false",
    );
    assert!(config.contains(on));
    let ids = load("a").encode("Yes , it is n't .").unwrap();
    assert_eq!(load("a").decode(&ids).unwrap(), "Yes, it isn't.");
    std::fs::write(&path, config.replace(on, off)).unwrap();
    // Then the spaces stay
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "Yes , it is n't .");
}

#[test]
fn tokens_that_only_added_tokens_json_has_are_found() {
    // Given an older checkpoint's files: no list of added tokens in the config
    let folder = copy("c");
    std::fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    let older = Tokenizer::load(folder.path()).unwrap();
    // Then the ids are the same
    let text = "x<mask>y <depth> z</s>";
    assert_eq!(older.len(), 1602);
    assert_eq!(older.encode(text).unwrap(), load("c").encode(text).unwrap());
    assert_eq!(older.decode(&older.encode(text).unwrap()).unwrap(), "xy  z");
}

#[test]
fn a_special_token_without_an_id_gets_the_next_one() {
    // Given a padding token that no file gives an id
    let folder = copy("c");
    let path = folder.path().join("tokenizer_config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let named = "\"pad_token\": \"[PAD]\"";
    std::fs::write(&path, config.replace("\"pad_token\": \"<unk>\"", named)).unwrap();
    // When it is loaded, then the tokenizer has one token more
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.id_of("[PAD]"), Some(1602));
    assert_eq!(tokenizer.len(), 1603);
    assert_eq!(tokenizer.encode("[PAD]").unwrap(), [1, 1602]);
}

#[test]
fn both_files_present_the_class_decides() {
    // Given a folder with the fast file of one checkpoint and the slow one of the other
    let folder = copy("c");
    let fast = llm("a").join("tokenizer.json");
    std::fs::copy(fast, folder.path().join("tokenizer.json")).unwrap();
    // Then LlamaTokenizer is the slow one, as the original loads it
    assert_eq!(Tokenizer::load(folder.path()).unwrap().len(), 1602);
}

#[test]
fn a_checkpoint_without_region_tokens_is_told_what_it_lacks() {
    // Given a plain language model's tokenizer
    let folder = copy("c");
    for file in [
        "added_tokens.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    // When its region tokens are asked for
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let (mask, depth) = (tokenizer.mask_id(), tokenizer.depth_id());
    // Then the errors name them and the file
    for (result, token) in [(mask, "<mask>"), (depth, "<depth>")] {
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains(token) && error.contains("tokenizer.model"),
            "{error}"
        );
    }
}

#[test]
fn broken_files_are_named() {
    let empty = tempfile::tempdir().unwrap();
    assert!(failure(empty.path()).contains("neither tokenizer.json nor tokenizer.model"));
    for (checkpoint, file, contents) in [
        ("a", "tokenizer.json", "{\"version\": "),
        ("a", "tokenizer.json", "[]"),
        ("a", "tokenizer_config.json", "{"),
        ("a", "special_tokens_map.json", "[1]"),
        ("c", "added_tokens.json", "{\"<mask>\": \"one\"}"),
        ("c", "added_tokens.json", "{\"<mask>\": 1599}"),
        ("c", "added_tokens.json", "{\"<other>\": 1600}"),
        ("c", "tokenizer.model", "no protobuf"),
        ("c", "tokenizer.model", ""),
    ] {
        let folder = copy(checkpoint);
        std::fs::write(folder.path().join(file), contents).unwrap();
        let error = failure(folder.path());
        assert!(error.contains(file), "{file} = {contents:?}: {error}");
    }
}

#[test]
fn a_sentencepiece_model_cut_anywhere_is_an_error_or_shorter_never_a_panic() {
    let bytes = std::fs::read(llm("c").join("tokenizer.model")).unwrap();
    for length in (0..bytes.len()).step_by(37) {
        // Its settings stand at the end, so every cut loses its type.
        assert!(
            SentencePiece::parse(&bytes[..length]).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn a_model_that_is_not_bpe_or_rewrites_its_text_is_refused() {
    let bytes = std::fs::read(llm("c").join("tokenizer.model")).unwrap();
    let piece = [
        0x0a, 0x09, 0x0a, 0x05, b'<', b'u', b'n', b'k', b'>', 0x18, 0x02,
    ];
    // Given a model of one piece, of type unigram; then one whose normalizer is not written down
    let unigram = [&piece[..], &[0x12, 0x02, 0x18, 0x01]].concat();
    let rewriting = [
        &piece[..],
        &[0x12, 0x02, 0x18, 0x02],
        &[0x1a, 0x02, 0x20, 0x01],
    ]
    .concat();
    let plain = [
        &piece[..],
        &[0x12, 0x02, 0x18, 0x02],
        &[0x1a, 0x02, 0x20, 0x00],
    ]
    .concat();
    let said = |bytes: &[u8]| SentencePiece::parse(bytes).err();
    assert!(said(&unigram).unwrap().contains("BPE"));
    assert!(said(&rewriting).unwrap().contains("normalizer"));
    assert_eq!(said(&plain), None);
    assert_eq!(said(&bytes), None);
}

#[test]
fn any_text_survives_the_round_trip() {
    // Given texts of random characters from the corners of Unicode
    let mut state = 7u64;
    let mut random = move |bound: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % bound
    };
    let alphabet: Vec<char> = "ab .,'n\t\n09é深🙂\u{0}\u{301}\u{2028}<>|"
        .chars()
        .collect();
    for checkpoint in ["a", "c"] {
        let mut tokenizer = load(checkpoint);
        tokenizer.clean_up_spaces = false;
        for _ in 0..300 {
            let length = random(24);
            let text: String = (0..length)
                .map(|_| alphabet[random(alphabet.len() as u64) as usize])
                .collect();
            // When they are encoded and decoded, then they are the same
            let ids = tokenizer.encode(&text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{checkpoint}");
        }
    }
}

#[test]
fn a_sentencepiece_model_with_wrong_bytes_never_panics() {
    let bytes = std::fs::read(llm("c").join("tokenizer.model")).unwrap();
    let mut state = 3u64;
    let mut random = move |bound: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let mut readable = 0;
    for _ in 0..500 {
        // Given a model of which some bytes are others
        let mut broken = bytes.clone();
        for _ in 0..=random(4) {
            broken[random(bytes.len())] = random(256) as u8;
        }
        // When it can be read all the same, then texts can still be encoded, to ids that it has
        if let Ok(model) = SentencePiece::parse(&broken) {
            readable += 1;
            let ids = model.encode("a chat▁ between  a 深 user\u{0}<unk>");
            assert!(ids.iter().all(|id| model.piece(*id).is_some()));
        }
    }
    assert!(
        (50..500).contains(&readable),
        "{readable} of 500 could be read"
    );
}
