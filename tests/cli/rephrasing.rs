//! `dataset PHOTOS --rephrase`: other words for what photos ask, by an endpoint that behaves and by one that does not.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ImageBuffer, Luma, RgbImage};
use serde_json::{Value, json};

use crate::chat_endpoint::*;
use crate::fixtures::*;

const KEY: &str = "sk-nobody-shall-see-this";
/// In a photo that is asked about as it is.
const CONFIG: &str = "photos: {height_px: 0}\n";

/// A folder with two photos of three blocks each before a wall, and what belongs to them.
pub(crate) fn photos() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fs::create_dir(path.join("photos")).unwrap();
    fs::write(path.join("config.yaml"), CONFIG).unwrap();
    for (name, shift) in [("a", 0), ("b", 6)] {
        let blocks: [(&str, [u32; 4], f64); 3] = [
            ("cup", [10 + shift, 60, 40, 100], 0.8),
            ("box", [60, 20, 110 + shift, 90], 1.6),
            ("can", [120, 70 - shift, 150, 110], 1.1),
        ];
        photo(&path.join("photos").join(name), &blocks);
    }
    (folder, path)
}

fn photo(path: &Path, blocks: &[(&str, [u32; 4], f64)]) {
    let inside =
        |[x0, y0, x1, y1]: [u32; 4], x: u32, y: u32| (x0..x1).contains(&x) && (y0..y1).contains(&y);
    let color = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let shade = blocks.iter().position(|block| inside(block.1, x, y));
        image::Rgb([shade.map_or(200, |at| 40 * at as u8), 80, 90])
    });
    let depth = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(WIDTH, HEIGHT, |x, y| {
        let block = blocks.iter().find(|block| inside(block.1, x, y));
        // Slanted, so that each block has a depth of its own.
        Luma([(1000.0 * block.map_or(3.0, |block| block.2)) as u16 + (x + y) as u16])
    });
    color.save(path.with_extension("png")).unwrap();
    depth.save(path.with_extension("depth.png")).unwrap();
    let camera = json!({"fx": 150, "fy": 150, "cx": 80, "cy": 60, "gravity": [0, 1, 0]});
    fs::write(path.with_extension("camera.json"), camera.to_string()).unwrap();
    let region = |(name, bbox, _): &(&str, [u32; 4], f64)| {
        let mut counts = vec![0];
        for x in 0..WIDTH {
            for y in 0..HEIGHT {
                let is_inside = inside(*bbox, x, y);
                if is_inside != (counts.len() % 2 == 0) {
                    counts.push(0);
                }
                *counts.last_mut().unwrap() += 1;
            }
        }
        json!({"name": name, "score": 0.9, "box": bbox, "mask": {"size": [HEIGHT, WIDTH], "counts": counts}})
    };
    let regions: Vec<Value> = blocks.iter().map(region).collect();
    fs::write(
        path.with_extension("regions.json"),
        json!({"regions": regions}).to_string(),
    )
    .unwrap();
}

/// The program on the photos, asking the endpoint.
pub(crate) fn rephrased(folder: &Path, url: &str, more: &[&str]) -> Ended {
    let fixed = ["dataset", "photos", "--config", "config.yaml", "--json"];
    let asking = ["--rephrase", url, "--rephrase-model", "wordy"];
    let mut command = program(folder);
    command.args([&fixed[..], &asking, more].concat());
    command.env("SPATIAL_REWARD_REPHRASE_KEY", KEY);
    Ended::of(&command.output().unwrap())
}

fn rows(data_set: &Path) -> Vec<Value> {
    let text = fs::read_to_string(data_set.join("dataset.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

fn count(ended: &Ended, name: &str) -> usize {
    ended.json()["rephrased"][name].as_u64().unwrap() as usize
}

fn refused(ended: &Ended, reason: &str) -> usize {
    ended.json()["rephrased"]["refused"][reason]
        .as_u64()
        .unwrap_or(0) as usize
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

#[test]
fn each_photo_gets_a_second_row_in_other_words() {
    // Given two photos and an endpoint
    let (_guard, folder) = photos();
    let endpoint = ChatEndpoint::well_behaved();
    // When they are made a data set of
    let ended = rephrased(&folder, &endpoint.url(), &["-o", "rows"]).expect_code(0);
    // Then the templates' rows are as without it, and each has one behind it in other words
    run(
        &folder,
        &[
            "dataset",
            "photos",
            "--config",
            "config.yaml",
            "-o",
            "plain",
        ],
    )
    .expect_code(0);
    let (all, plain) = (rows(&folder.join("rows")), rows(&folder.join("plain")));
    assert_eq!((all.len(), plain.len()), (4, 2), "{ended}");
    for (row, plain) in all.chunks(2).zip(&plain) {
        assert_eq!(&row[0], plain);
        assert_eq!(row[1]["wording"], "rephrased");
        for same in [
            "filename",
            "photo",
            "bbox",
            "rle",
            "regions",
            "categories",
            "mentions",
        ] {
            assert_eq!(row[0][same], row[1][same], "{same}");
        }
        let asked = |row: &Value, turn: usize| {
            let asked = row["conversations"][2 * turn]["value"]
                .as_str()
                .unwrap()
                .to_owned();
            asked.replace("<image>\n", "")
        };
        for turn in 0..row[0]["mentions"].as_array().unwrap().len() {
            let expected = format!("Tell me, please: {}", asked(&row[0], turn));
            assert_eq!(asked(&row[1], turn), expected);
        }
    }
    // and so in the published form, with a box and a mask for each mention
    let published = fs::read_to_string(folder.join("rows/published.json")).unwrap();
    let published: Vec<Value> = serde_json::from_str(&published).unwrap();
    assert_eq!(published.len(), 4);
    for row in &published {
        let masks = row["conversations"].to_string().matches("<mask>").count();
        assert_eq!(row["bbox"].as_array().unwrap().len(), masks);
        assert_eq!(row["rle"].as_array().unwrap().len(), masks);
    }
    assert_eq!(published[0]["filename"], published[1]["filename"]);
    // and the cost is told
    let questions = ended.json()["counts"]["questions"]
        .as_object()
        .unwrap()
        .values()
        .map(|it| it.as_u64().unwrap() as usize)
        .sum::<usize>();
    assert_eq!(count(&ended, "questions"), questions);
    assert_eq!(count(&ended, "left"), 0);
    assert_eq!(count(&ended, "requests"), endpoint.asked().len());
    assert_eq!(
        count(&ended, "completion_tokens"),
        7 * endpoint.asked().len()
    );
    assert_eq!(
        provenance(&folder, "rows")["rephrased"],
        ended.json()["rephrased"]
    );
}

fn provenance(folder: &Path, name: &str) -> Value {
    let text = fs::read_to_string(folder.join(name).join("dataset.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_key_goes_to_the_endpoint_and_into_no_file() {
    let (_guard, folder) = photos();
    let endpoint = ChatEndpoint::well_behaved();
    rephrased(&folder, &endpoint.url(), &["-o", "rows"]).expect_code(0);
    for asked in endpoint.asked() {
        let header = format!("authorization: bearer {KEY}");
        assert!(
            asked.request.to_lowercase().contains(&header),
            "{}",
            asked.request
        );
        assert!(asked.request.starts_with("POST /v1/chat/completions "));
    }
    for file in files(&folder) {
        let bytes = fs::read(&file).unwrap();
        let has_key = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
        assert!(!has_key, "{}", file.display());
    }
}

#[test]
fn what_was_said_is_not_asked_again() {
    // Given a data set
    let (_guard, folder) = photos();
    let endpoint = ChatEndpoint::well_behaved();
    rephrased(&folder, &endpoint.url(), &["-o", "rows"]).expect_code(0);
    let (said, kept) = (
        fs::read(folder.join("rows/dataset.jsonl")).unwrap(),
        folder.join("rows.rephrased.jsonl"),
    );
    let asked = endpoint.asked().len();
    assert_eq!(lines(&kept), asked);
    let again = |more: &[&str]| {
        let ended = rephrased(
            &folder,
            &endpoint.url(),
            &[&["-o", "rows", "--overwrite"], more].concat(),
        )
        .expect_code(0);
        assert_eq!(fs::read(folder.join("rows/dataset.jsonl")).unwrap(), said);
        ended
    };
    // When it is made again, on one thread
    let ended = again(&["--jobs", "1", "--rephrase-requests", "1"]);
    // Then nothing is asked
    assert_eq!((count(&ended, "asked"), count(&ended, "requests")), (0, 0));
    assert_eq!(endpoint.asked().len(), asked);
    // and after a kill in the middle of a line only that one is
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, &bytes[..bytes.len() - 9]).unwrap();
    assert_eq!(count(&again(&[]), "requests"), 1);
    // and what somebody changed to another fact is asked again, too
    let text = fs::read_to_string(&kept).unwrap();
    // (the last one, for the line that was cut is still there, and is read no more)
    let (before, after) = text.rsplit_once(" inches").unwrap();
    let changed = format!("{before} feet{after}");
    fs::write(&kept, changed).unwrap();
    assert_eq!(count(&again(&[]), "requests"), 1);
    // and both halves have the rows of the whole
    let mut halves = Vec::new();
    for shard in ["1/2", "2/2"] {
        rephrased(
            &folder,
            &endpoint.url(),
            &["-o", "half", "--overwrite", "--shard", shard],
        )
        .expect_code(0);
        halves.extend(fs::read(folder.join("half/dataset.jsonl")).unwrap());
    }
    assert_eq!(halves, said);
}

#[test]
fn an_endpoint_that_misbehaves_costs_tries_and_no_question() {
    // Given one that does otherwise with each pair, in turn
    const WAYS: usize = 8;
    let (_guard, folder) = photos();
    let wrong_tags = |asked: &Asked| said(&asked.question, "It is <region7>.");
    let endpoint = ChatEndpoint::start(move |asked| {
        let fine = Does::Says(asked.in_other_words());
        match (asked.pair % WAYS, asked.before) {
            (1, 0..2) | (2, _) => Does::Says(wrong_tags(asked)),
            (3, 0) => Does::Says(asked.in_other_words().replace("\"}", "")),
            (4, 0) => Does::Answers(429, "Retry-After: 0\r\n", String::new()),
            (5, 0) => Does::Answers(500, "", "the model stumbled".into()),
            (6, 0) => Does::Says(asked.in_other_words().replace("please", "in 3 words")),
            (7, _) => Does::Closes,
            _ => fine,
        }
    });
    // When photos are made a data set of
    let alone = ["-o", "rows", "--rephrase-requests", "1"];
    let ended = rephrased(&folder, &endpoint.url(), &alone).expect_code(0);
    // Then each try is counted by what was wrong with it
    let pairs = 1 + endpoint
        .asked()
        .iter()
        .map(|asked| asked.pair)
        .max()
        .unwrap();
    let of_way = |way: usize| (0..pairs).filter(|pair| pair % WAYS == way).count();
    assert!((1..WAYS).all(|way| of_way(way) > 0), "{pairs} pairs");
    assert_eq!(
        refused(&ended, "tags"),
        2 * of_way(1) + 5 * of_way(2),
        "{ended}"
    );
    assert_eq!(refused(&ended, "no_json"), of_way(3), "{ended}");
    assert_eq!(count(&ended, "waits"), of_way(4), "{ended}");
    assert_eq!(refused(&ended, "status"), of_way(5), "{ended}");
    assert_eq!(refused(&ended, "numbers"), of_way(6), "{ended}");
    assert_eq!(refused(&ended, "silence"), 5 * of_way(7), "{ended}");
    // and what five tries did not give stands as the template has it
    assert_eq!(count(&ended, "left"), of_way(2) + of_way(7), "{ended}");
    let all = rows(&folder.join("rows"));
    let turns = |rephrased: bool| -> usize {
        let rows = all
            .iter()
            .filter(|row| row["wording"].is_string() == rephrased);
        rows.map(|row| row["mentions"].as_array().unwrap().len())
            .sum()
    };
    assert_eq!(turns(true) + of_way(2) + of_way(7), turns(false));
    // and the model is told what was wrong
    let retold = endpoint.asked().into_iter().filter(|asked| asked.pair == 1);
    let retold: Vec<bool> = retold
        .map(|asked| asked.request.contains("could not be used"))
        .collect();
    assert_eq!(retold, [false, true, true]);
    // and another run asks only about what was met with silence
    let ended = rephrased(
        &folder,
        &endpoint.url(),
        &[&alone[..], &["--overwrite"]].concat(),
    )
    .expect_code(0);
    assert_eq!(count(&ended, "asked"), of_way(7), "{ended}");
    assert_eq!(refused(&ended, "silence"), 5 * of_way(7), "{ended}");
    // and is not given up where it answers a greeting
    assert_eq!(
        5 * of_way(7),
        10,
        "as many in a row are a reason to greet it"
    );
    let greeting = endpoint.asked().pop().unwrap().request;
    assert!(greeting.contains("Say hello"), "{greeting}");
}

#[test]
fn silence_is_waited_for_no_longer_than_said() {
    // Given an endpoint that keeps the first connection and says nothing
    let (_guard, folder) = photos();
    let endpoint = ChatEndpoint::start(|asked| match (asked.pair, asked.before) {
        (0, 0) => Does::Nothing,
        _ => Does::Says(asked.in_other_words()),
    });
    // When it is given so many seconds
    let ended = rephrased(
        &folder,
        &endpoint.url(),
        &["-o", "rows", "--rephrase-timeout", "5"],
    );
    // Then that is a try, and the next one succeeds
    let ended = ended.expect_code(0);
    assert!(refused(&ended, "silence") >= 1, "{ended}");
    assert_eq!(count(&ended, "left"), 0, "{ended}");
}

#[test]
fn an_endpoint_that_leaves_ends_the_run_and_resume_goes_on() {
    // Given one that answers four times and goes
    let (_guard, folder) = photos();
    let leaving = ChatEndpoint::start(|asked| match asked.pair {
        0..4 => Does::Says(asked.in_other_words()),
        _ => Does::Leaves,
    });
    let alone = ["-o", "rows", "--rephrase-requests", "1"];
    // When photos are made a data set of
    let ended = rephrased(&folder, &leaving.url(), &alone);
    // Then the end of it says how to go on, and what was said is kept
    ended.expect_error(&[&leaving.url(), "cannot be reached", "--resume"]);
    assert_eq!(lines(&folder.join("rows.rephrased.jsonl")), 4);
    assert!(!folder.join("rows").exists());
    // and another one is asked for the rest
    let endpoint = ChatEndpoint::well_behaved();
    let more = [&alone[..], &["--resume"]].concat();
    let ended = rephrased(&folder, &endpoint.url(), &more).expect_code(0);
    assert_eq!(count(&ended, "asked"), endpoint.asked().len());
    assert_eq!(
        count(&ended, "from_cache") + count(&ended, "asked"),
        count(&ended, "questions")
    );
    let gone_on = fs::read(folder.join("rows/dataset.jsonl")).unwrap();
    rephrased(&folder, &endpoint.url(), &["-o", "whole"]).expect_code(0);
    assert_eq!(
        gone_on,
        fs::read(folder.join("whole/dataset.jsonl")).unwrap()
    );
    // and a finished one is left alone
    let asked = endpoint.asked().len();
    rephrased(&folder, &endpoint.url(), &more).expect_code(0);
    assert_eq!(endpoint.asked().len(), asked);
}

#[test]
fn an_endpoint_that_will_not_serve_ends_the_run_with_its_words() {
    let (_guard, folder) = photos();
    let refusal = |message: String| json!({"error": {"message": message}}).to_string();
    for (status, headers, body, words) in [
        (
            401,
            "",
            refusal(format!("{KEY} is no key")),
            ["answers 401: *** is no key", "SPATIAL_REWARD_REPHRASE_KEY"],
        ),
        (
            404,
            "",
            refusal("no model wordy".into()),
            ["answers 404: no model wordy", "--rephrase-model"],
        ),
        (
            307,
            "Location: http://127.0.0.1:1/v1\r\n",
            String::new(),
            ["leads elsewhere", "--rephrase"],
        ),
    ] {
        // Given an endpoint that refuses everything
        let endpoint = ChatEndpoint::start(move |_| Does::Answers(status, headers, body.clone()));
        // When it is asked
        let alone = ["-o", "rows", "--overwrite", "--rephrase-requests", "1"];
        let ended = rephrased(&folder, &endpoint.url(), &alone).expect_error(&words);
        // Then that is the end at once, and the key is not told
        assert_eq!(endpoint.asked().len(), 1, "{ended}");
        assert!(!ended.stderr.contains(KEY), "{ended}");
    }
    // and one that stumbles over everything is asked for something easy before it is given up
    let endpoint = ChatEndpoint::start(|_| Does::Answers(500, "", "out of memory".into()));
    let alone = ["-o", "rows", "--overwrite", "--rephrase-requests", "1"];
    rephrased(&folder, &endpoint.url(), &alone)
        .expect_error(&["answers 500: out of memory", "--resume"]);
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 11);
    assert!(asked.last().unwrap().request.contains("Say hello"));
}

#[test]
fn wrong_endpoints_are_told_before_anything_is_made() {
    let (_guard, folder) = photos();
    for url in ["127.0.0.1:8000/v1", "http://me:secret@a/v1", "ftp://a/v1"] {
        rephrased(&folder, url, &["-o", "rows"]).expect_error(&["is no endpoint", "http://"]);
    }
    for more in [
        &["--rephrase", "http://127.0.0.1:1/v1"][..],
        &["--rephrase-model", "m"],
    ] {
        run(
            &folder,
            &[&["dataset", "photos", "-o", "rows"], more].concat(),
        )
        .expect_code(2);
    }
    approach(3).save(&folder.join("pick.mcap"));
    let asking = [
        "--rephrase",
        "http://127.0.0.1:1/v1",
        "--rephrase-model",
        "m",
    ];
    run(
        &folder,
        &[&["dataset", "pick.mcap", "-o", "rows"], &asking[..]].concat(),
    )
    .expect_error(&["--rephrase are for photos"]);
    assert!(!folder.join("rows").exists());
}
