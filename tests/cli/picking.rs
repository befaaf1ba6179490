//! Boxes that somebody drew on the page of `pick`: what it shows is what `label` writes, its file is of these bags alone,
//! and its page is for whoever knows the address. tests/python/test_pick.py draws in a browser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant as Clock};

use spatial_reward::geometry::GeometryEstimator;
use spatial_reward::label::output::IfExists;
use spatial_reward::pick::{OpenBag, Progress, Regions};
use spatial_reward::settings::{DrawnBox, Settings};
use spatial_reward::step::Step;
use spatial_reward::video::VideoDecoders;

use crate::fixtures::*;

fn bare(count: i64) -> Recording {
    approach(count).without(FINGERTIP).without(TARGET)
}

/// What a detector would have said of a frame, as a drawn box.
fn drawn(index: i64, count: i64, of: fn(&Instant) -> Option<Pixels>) -> DrawnBox {
    let [x0, y0, x1, y1] = of(&instant(index, count)).unwrap();
    let at_s = index as f64 * 0.066_667;
    format!("{x0:.1},{y0},{x1:.1},{y1}@{at_s}").parse().unwrap()
}

fn fingertip(index: i64, count: i64) -> DrawnBox {
    drawn(index, count, |instant| instant.fingertip)
}

fn target(index: i64, count: i64) -> DrawnBox {
    drawn(index, count, |instant| instant.target)
}

/// A step as far as the page shows it: its distance, why there is none, and the boxes.
type Shown = (Option<f64>, String, [Option<Pixels>; 2]);

/// The steps that `label` writes for these boxes.
fn labelled(folder: &Path, regions: &Regions) -> Vec<Shown> {
    let listed = |boxes: &[DrawnBox]| {
        let boxes: Vec<String> = boxes.iter().map(|drawn| format!("'{drawn}'")).collect();
        boxes.join(", ")
    };
    let settings = format!(
        "regions: {{fingertip: {{box: [{}]}}, target: {{box: [{}]}}}}",
        listed(&regions.fingertip),
        listed(&regions.target)
    );
    let geometry = GeometryEstimator::new(&Settings::geometry().geometry);
    labelled_by(folder, "out", IfExists::Overwrite, &settings, &geometry);
    let rewards = rewards(&folder.join("out")).into_iter();
    let steps = rewards.map(|(_, step)| {
        let boxes = [step.fingertip_box, step.target_box];
        let boxes = boxes.map(|edges| edges[0].is_finite().then_some(edges));
        (known(step.distance_m), step.reason, boxes)
    });
    steps.collect()
}

fn shown(steps: &[Step]) -> Vec<Shown> {
    let step = |step: &Step| {
        let boxes = [step.fingertip, step.target];
        let boxes =
            boxes.map(|bbox| bbox.map(|bbox| [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]));
        (known(step.distance_m), step.reason_name().to_owned(), boxes)
    };
    steps.iter().map(step).collect()
}

fn known(distance: f64) -> Option<f64> {
    distance.is_finite().then_some(distance)
}

#[test]
fn the_steps_that_are_shown_are_those_that_are_written() {
    const COUNT: i64 = 24;
    // given a bag without detections in which the target is hidden for a while, and one picture is broken
    let hidden = approach_with(COUNT, |index, instant| {
        if (14..18).contains(&index) {
            instant.color = vec![90; instant.color.len()];
            instant.depth_m = vec![0.4; instant.depth_m.len()];
        }
    });
    let hidden = hidden.without(FINGERTIP).without(TARGET);
    let (_guard, folder) = folder_with(&hidden);
    let geometry = GeometryEstimator::new(&Settings::geometry().geometry);
    let never = AtomicBool::new(false);
    let settings = Settings::geometry();
    let bag = folder.join("pick.mcap");
    let mut open =
        OpenBag::read(&bag, &settings, &geometry, &VideoDecoders::none(), &never).unwrap();
    // when boxes are drawn, added, moved and taken back
    let once = Regions {
        fingertip: vec![fingertip(0, COUNT)],
        target: vec![target(0, COUNT)],
    };
    let twice = Regions {
        fingertip: vec![fingertip(0, COUNT), fingertip(20, COUNT)],
        ..once.clone()
    };
    let between = Regions {
        fingertip: vec![
            fingertip(0, COUNT),
            fingertip(9, COUNT),
            fingertip(20, COUNT),
        ],
        ..once.clone()
    };
    let other_target = Regions {
        target: vec![target(4, COUNT), target(19, COUNT)],
        ..between.clone()
    };
    let in_the_dark = Regions {
        target: vec![target(15, COUNT)],
        ..twice.clone()
    };
    let mut distances = 0;
    for (what, regions) in [
        ("once", &once),
        ("twice", &twice),
        ("between", &between),
        ("another target", &other_target),
        ("where it is hidden", &in_the_dark),
        ("taken back", &once),
        ("and again", &other_target),
    ] {
        let curve = open.follow(regions, 2, &never, &Progress::default());
        let curve = curve.unwrap().unwrap();
        // then the steps are those of a labelling that knows nothing of what was drawn before
        let written = labelled(&folder, regions);
        assert_eq!(shown(&curve.steps), written, "{what}");
        distances += written.iter().filter(|step| step.0.is_some()).count();
        // and every step without a distance is in a gap
        let in_gaps: usize = curve.gaps.iter().map(|gap| gap.last + 1 - gap.first).sum();
        let missing = written.iter().filter(|step| step.0.is_none());
        assert_eq!(in_gaps, missing.count(), "{what}");
    }
    assert!(distances > 60, "{distances}");
    // and work that is given up leaves nothing behind that is wrong
    let given_up = AtomicBool::new(true);
    let curve = open.follow(&in_the_dark, 2, &given_up, &Progress::default());
    assert!(curve.unwrap().is_none());
    let curve = open.follow(&twice, 2, &never, &Progress::default());
    let steps = curve.unwrap().unwrap().steps;
    assert_eq!(shown(&steps), labelled(&folder, &twice));
    // and a box outside the picture is refused by itself
    let outside = Regions {
        target: vec!["900,900,950,950".parse().unwrap()],
        ..once.clone()
    };
    let refused = open.follow(&outside, 2, &never, &Progress::default());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("within the picture"), "{refused}");
    let curve = open.follow(&once, 2, &never, &Progress::default());
    assert_eq!(
        shown(&curve.unwrap().unwrap().steps),
        labelled(&folder, &once)
    );
}

/// A file of boxes for the bags `a` and `b`, which differ in length.
fn two_bags() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("a", 8), ("b", 6)] {
        bare(count).save(&folder.path().join(format!("{name}.mcap")));
    }
    let stamp = format!("{}.{:09}", START / 1_000_000_000, START % 1_000_000_000);
    let entry = |name: &str, count: i64| {
        format!(
            "- bag: {name}\n  image_topic: {IMAGE}\n  pictures: {count}\n  first_stamp: '{stamp}'\n  fingertip: ['{}']\n  target: ['{}']\n",
            fingertip(0, count),
            target(0, count)
        )
    };
    let text = format!("bags:\n{}{}", entry("a", 8), entry("b", 6));
    fs::write(folder.path().join("regions.yaml"), &text).unwrap();
    (folder, text)
}

#[test]
fn one_file_has_the_boxes_of_many_bags() {
    let (folder, _) = two_bags();
    let folder = folder.path();
    let command = [
        "label",
        "a.mcap",
        "b.mcap",
        "--regions",
        "regions.yaml",
        "-o",
        "out",
    ];
    run(folder, &command).expect_code(0);
    for (name, count) in [("a", 8), ("b", 6)] {
        let rewards = rewards(&folder.join(format!("out/{name}_labelled")));
        assert_eq!(rewards.len(), count, "{name}");
        let valid = rewards.iter().filter(|(_, step)| step.valid);
        assert_eq!(valid.count(), count, "{name}");
    }
    // then one that is finished is known by its boxes
    let again = [&command[..], &["--resume"]].concat();
    let ended = run(folder, &again).expect_code(0);
    assert!(ended.stderr.contains("2 finished before"), "{ended}");
    // and inspect takes them too
    let inspect = ["inspect", "a.mcap", "--regions", "regions.yaml", "--json"];
    let found = run(folder, &inspect).expect_code(0).json();
    assert_eq!(found["label"]["possible"], true, "{found}");
    // and what is typed wins
    let typed = [
        "label",
        "a.mcap",
        "--regions",
        "regions.yaml",
        "-o",
        "typed",
        "--target-fixed",
        "1,1,9,9",
    ];
    run(folder, &typed);
    let config = rewards(&folder.join("typed"));
    assert!(config.iter().all(|(_, step)| step.target_box[2] < 10.0));
}

#[test]
fn boxes_of_another_bag_are_refused_with_the_way_out() {
    let (folder, text) = two_bags();
    let folder = folder.path();
    let label = ["label", "a.mcap", "--regions", "regions.yaml", "-o", "out"];
    let pick = "spatial-reward pick a.mcap --regions regions.yaml";
    // given another recording of that name
    bare(9).save(&folder.join("a.mcap"));
    let words = ["regions.yaml", "a.mcap", "8 pictures", "9 pictures", pick];
    run(folder, &label).expect_error(&words);
    run(folder, &["inspect", "a.mcap", "--regions", "regions.yaml"]).expect_error(&words);
    // or one as long, of another time
    bare(8)
        .with_image_stamps(|_, stamp| stamp + 1_000_000_000)
        .save(&folder.join("a.mcap"));
    run(folder, &label).expect_error(&["another bag", pick]);
    // or one without that camera
    bare(8)
        .renamed(IMAGE, "/wrist/image")
        .save(&folder.join("a.mcap"));
    run(folder, &label).expect_error(&["no pictures on /camera/color/image_raw", pick]);
    // or one that the file does not know: the others are labelled
    bare(8).save(&folder.join("a.mcap"));
    bare(8).save(&folder.join("c.mcap"));
    let both = [
        "label",
        "a.mcap",
        "c.mcap",
        "--regions",
        "regions.yaml",
        "-o",
        "both",
    ];
    let ended = run(folder, &both).expect_code(1);
    assert!(
        ended.stderr.contains("no boxes of c.mcap") && ended.stderr.contains("a, b"),
        "{ended}"
    );
    assert_eq!(names_in(&folder.join("both")), ["a_labelled"]);
    // and the page does not write over them
    bare(9).save(&folder.join("a.mcap"));
    let pick = [
        "pick",
        "a.mcap",
        "--regions",
        "regions.yaml",
        "--no-browser",
    ];
    run(folder, &pick).expect_error(&["another bag", "another file with --regions"]);
    assert_eq!(
        fs::read_to_string(folder.join("regions.yaml")).unwrap(),
        text
    );
    // and what is no such file is none
    fs::write(folder.join("regions.yaml"), "regions: {}").unwrap();
    for command in [&label[..], &pick[..]] {
        run(folder, command).expect_error(&["regions.yaml", "no file of drawn boxes", "--regions"]);
    }
}

/// The program with its page.
pub(crate) struct Page {
    process: Child,
    port: u16,
    token: String,
}

impl Page {
    pub(crate) fn of(folder: &Path, options: &[&str]) -> Self {
        let command = ["pick", "pick.mcap", "--no-browser"];
        let mut command = program(folder)
            .args(command)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let stdout = command.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        let (_, rest) = address.split_once("127.0.0.1:").unwrap();
        let (port, token) = rest.trim().trim_end_matches('/').split_once('/').unwrap();
        Self {
            process: command,
            port: port.parse().unwrap(),
            token: token.to_owned(),
        }
    }

    /// The whole answer to a request by these headers.
    fn ask(&self, line: &str, headers: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let headers = headers.join("\r\n");
        let request = format!("{line} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET /{}/{path}", self.token), &["Host: localhost"])
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        let length = format!("Content-Length: {}", body.len());
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST /{}/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\nConnection: close\r\n\r\n{body}",
            self.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The code it ended with, and what it said at last.
    fn ended(mut self) -> (Option<i32>, String) {
        let begin = Clock::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut said = String::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), said)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_page_is_for_whoever_knows_its_address() {
    let (_guard, folder) = folder_with(&bare(4));
    let page = Page::of(&folder, &[]);
    let of = |token: &str, host: &str| {
        let answer = page.ask(&format!("GET /{token}/"), &[host]);
        answer.lines().next().unwrap().to_owned()
    };
    // given the address, by any name of this machine
    let own = format!("Host: 127.0.0.1:{}", page.port);
    for host in [own.as_str(), "Host: localhost:9999", "Host: [::1]:1"] {
        assert_eq!(of(&page.token, host), "HTTP/1.1 200 OK", "{host}");
    }
    // then a guessed token, or a name that leads here from elsewhere, is refused
    let shorter = &page.token[1..];
    for (token, host) in [
        ("0123456789abcdef0123456789abcdef", own.as_str()),
        (shorter, &own),
        ("", &own),
        (&page.token, "Host: evil.example"),
        (&page.token, "X-Forwarded-Host: localhost"),
    ] {
        let refused = of(token, host);
        assert!(
            refused.starts_with("HTTP/1.1 4"),
            "{token} {host}: {refused}"
        );
        assert!(
            !host.starts_with("Host") || refused.contains("403"),
            "{refused}"
        );
    }
    // and so are other pages, for what they ask and for what they would send
    let foreign = [
        own.as_str(),
        "Origin: http://evil.example",
        "Content-Length: 0",
    ];
    let finish = format!("POST /{}/finish", page.token);
    assert!(page.ask(&finish, &foreign).contains("403"));
    // and the page loads nothing from anywhere, and is shown in no other
    let whole = page.get("");
    for policy in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "nosniff",
        "no-store",
    ] {
        assert!(whole.contains(policy), "{policy}: {whole}");
    }
    for asset in [
        "pick.css",
        "pick.js",
        "stage.js",
        "curve.js",
        "server.js",
        "icon.svg",
    ] {
        let text = page.get(asset);
        assert!(text.starts_with("HTTP/1.1 200"), "{asset}");
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("://"), "{asset}");
    }
    assert!(page.get("../../etc/passwd").starts_with("HTTP/1.1 404"));
}

#[test]
fn wild_requests_are_answered_and_change_nothing() {
    let (_guard, folder) = folder_with(&bare(4));
    let page = Page::of(&folder, &[]);
    let proper = r#"{"fingertip": [{"frame": 0, "corners": [10, 50, 40, 70]}], "target": []}"#;
    for (path, body, code) in [
        ("open/7", "null", "404"),
        ("open/x", "null", "400"),
        ("boxes/7", proper, "404"),
        ("boxes/0", "{}", "422"),
        ("boxes/0", "[", "400"),
        (
            "boxes/0",
            r#"{"fingertip": [], "target": [], "more": 1}"#,
            "422",
        ),
        ("frames/0/0", "", "405"),
    ] {
        let answer = page.post(path, body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}")),
            "{path} {body}: {answer}"
        );
    }
    assert!(page.get("frames/0/0").starts_with("HTTP/1.1 404"));
    // when the bag is open, boxes that no picture holds are told
    page.post("open/0", "null");
    wait_for(&page, |state| state["open"].is_object());
    assert!(page.get("frames/0/3").starts_with("HTTP/1.1 200"));
    assert!(page.get("frames/0/4").starts_with("HTTP/1.1 404"));
    for (wild, words) in [
        (
            r#"{"fingertip": [{"frame": 9, "corners": [1, 1, 5, 5]}], "target": []}"#,
            "no picture 9",
        ),
        (
            r#"{"fingertip": [{"frame": 0, "corners": [5, 5, 5, 9]}], "target": []}"#,
            "without an area",
        ),
        (
            r#"{"fingertip": [{"frame": 0, "corners": [900, 900, 950, 950]}], "target": []}"#,
            "within the picture",
        ),
    ] {
        page.post("boxes/0", wild);
        wait_for(&page, |state| {
            state["open"]["error"]
                .as_str()
                .is_some_and(|why| why.contains(words))
        });
    }
    // then nothing is written
    page.post("finish", "null");
    let (code, said) = page.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("without boxes: pick.mcap"), "{said}");
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn what_is_drawn_last_is_in_the_file_when_the_page_ends() {
    let (_guard, folder) = folder_with(&bare(4));
    let page = Page::of(&folder, &["--port", "0"]);
    page.post("open/0", "null");
    wait_for(&page, |state| state["open"].is_object());
    // when the boxes and the end are asked for in one breath
    let boxes = r#"{"fingertip": [{"frame": 0, "corners": [10, 50, 40, 70]}], "target": [{"frame": 1, "corners": [100, 45, 130, 75]}]}"#;
    page.post("boxes/0", boxes);
    page.post("finish", "null");
    let (code, said) = page.ended();
    // then both are done, and another page goes on with them
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(folder.join("regions.yaml")).unwrap();
    assert!(
        text.contains("10,50,40,70@0") && text.contains("100,45,130,75@0.06"),
        "{text}"
    );
    let page = Page::of(&folder, &[]);
    page.post("open/0", "null");
    let state = wait_for(&page, |state| state["open"]["curve"] == 1);
    assert_eq!(state["bags"][0]["done"], true);
    assert_eq!(state["open"]["boxes"]["target"][0]["frame"], 1);
    // and one region is left to be drawn again
    page.post("boxes/0", r#"{"fingertip": [], "target": []}"#);
    wait_for(&page, |state| state["bags"][0]["done"] == false);
    let text = fs::read_to_string(folder.join("regions.yaml")).unwrap();
    assert!(text.contains("bags: []"), "{text}");
}

/// How things stand, once they are so.
pub(crate) fn wait_for(page: &Page, so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let begin = Clock::now();
    loop {
        let answer = page.get("state/0/-1");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let state: serde_json::Value = serde_json::from_str(body).unwrap();
        if so(&state) {
            return state;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{state}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nobody_asks_and_it_ends_by_itself() {
    let (_guard, folder) = folder_with(&bare(4));
    let page = Page::of(&folder, &["--idle", "1"]);
    let (code, said) = page.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nobody asked"), "{said}");
    // and a port that is taken is said, with the way out
    let page = Page::of(&folder, &[]);
    let port = page.port.to_string();
    run(
        &folder,
        &["pick", "pick.mcap", "--no-browser", "--port", &port],
    )
    .expect_error(&[&port, "--port"]);
}
