//! SpatialRGPT against the golden files of tests/fixtures/spatialrgpt, tensor by tensor: what the
//! original program (or the PyTorch peer that agrees with it) has on the way from pixels to words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spatial_reward_core::estimator::Profile;
use spatial_reward_core::settings::{Config, Dtype, Model, Settings};
use spatial_reward_models::spatialrgpt::{reasoner, trace};
use tch::{Kind, Tensor};

/// A share of the golden tensor's largest element: sums in another order differ by less.
const FLOAT32: Tolerance = Tolerance(2e-5);
/// Pixels are one subtraction and one division away from bytes, so they have no sum to differ in.
const PIXELS: Tolerance = Tolerance(1e-6);
/// How many steps of 8 bits a normalised pixel may be away from a whole one.
const OFF_A_WHOLE_STEP: f64 = 1e-3;
const HALF_PRECISION_COSINE: f64 = 0.999;

type Tensors = BTreeMap<String, Tensor>;

struct Tolerance(f64);

impl Tolerance {
    /// What is wrong with `actual`, if anything is. Sides of length one do not count.
    fn complaint(&self, actual: &Tensor, expected: &Tensor) -> Option<String> {
        let (actual, expected) = (actual.squeeze(), expected.squeeze());
        if actual.size() != expected.size() {
            let (found, wanted) = (actual.size(), expected.size());
            return Some(format!("its shape is {found:?}, not {wanted:?}"));
        }
        if !expected.is_floating_point() {
            let differing = actual
                .ne_tensor(&expected)
                .sum(Kind::Int64)
                .int64_value(&[]);
            let of = expected.numel();
            return (differing > 0).then(|| format!("{differing} of {of} elements differ"));
        }
        let (actual, expected) = (actual.to_kind(Kind::Double), expected.to_kind(Kind::Double));
        let difference = (&actual - &expected).abs().max().double_value(&[]);
        let share = difference / expected.abs().max().double_value(&[]);
        // So put that NaN is a complaint too.
        let within = share <= self.0;
        (!within).then(|| format!("it is off by {share:.1e} of its largest element"))
    }
}

/// A checkpoint with its inputs, and the cases of them that have golden files.
struct Fixture {
    name: &'static str,
    inputs: &'static str,
    cases: &'static [usize],
}

const A: Fixture = Fixture {
    name: "a",
    inputs: "inputs",
    cases: &[0, 1, 2, 3, 4, 5],
};
const C: Fixture = Fixture {
    name: "c",
    inputs: "inputs",
    cases: &[0, 5],
};

const fn variant(name: &'static str) -> Fixture {
    Fixture {
        name,
        inputs: "inputs_small",
        cases: &[0, 1],
    }
}

fn folder(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/spatialrgpt");
    fixtures.join(name)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn read_tensors(path: &Path) -> Tensors {
    Tensor::read_safetensors(path)
        .unwrap()
        .into_iter()
        .collect()
}

/// One golden case and what this program has for it.
struct Case {
    name: String,
    golden: Tensors,
    golden_answers: Value,
    ours: Tensors,
    our_answers: Value,
}

/// Which of a conversation's questions are asked.
#[derive(Clone, Copy, PartialEq)]
enum Turns {
    All,
    First,
}

impl Fixture {
    fn folder(&self) -> PathBuf {
        folder(self.name)
    }

    /// A case's entry in the inputs' `meta.json`, which lists it alone and can lie anywhere.
    fn meta(&self, case: usize, turns: Turns) -> Value {
        let inputs = folder(self.inputs);
        let mut entry = read_json(&inputs.join("meta.json"))[case].clone();
        for key in ["image", "depth"] {
            entry[key] = json!(inputs.join(entry[key].as_str().unwrap()));
        }
        if turns == Turns::First {
            entry["turns"] = json!([entry["turns"][0]]);
        }
        json!([entry])
    }

    fn traced(&self, dtype: Dtype, turns: Turns) -> Vec<Case> {
        let model = Model {
            device: "cpu".into(),
            dtype,
            max_new_tokens: 24,
            ..Model::default()
        };
        let config = Config {
            model,
            ..Config::default()
        };
        let settings = Settings::new(config, Profile::GEOMETRY).unwrap();
        let model = reasoner(&settings, &self.folder().join("checkpoint")).unwrap();
        let golden = self.folder().join("golden");
        let cases = self.cases.iter().map(|&case| {
            let out = tempfile::tempdir().unwrap();
            let meta = self.meta(case, turns).to_string();
            fs::write(out.path().join("meta.json"), meta).unwrap();
            assert_eq!(trace(&model, out.path(), out.path(), &[]).unwrap(), 1);
            Case {
                name: format!("{} case{case}", self.name),
                golden: read_tensors(&golden.join(format!("case{case}.safetensors"))),
                golden_answers: read_json(&golden.join(format!("case{case}.json"))),
                ours: read_tensors(&out.path().join("case0.safetensors")),
                our_answers: read_json(&out.path().join("case0.json")),
            }
        });
        cases.collect()
    }

    /// The colours' means and standard deviations, (3, 1, 1) each.
    fn normalisation(&self) -> [Tensor; 2] {
        let file = "checkpoint/vision_tower/preprocessor_config.json";
        let config = read_json(&self.folder().join(file));
        ["image_mean", "image_std"].map(|key| {
            let values = config[key].as_array().unwrap();
            let values: Vec<f64> = values.iter().map(|v| v.as_f64().unwrap()).collect();
            Tensor::from_slice(&values).view([3, 1, 1])
        })
    }

    /// Asserts that everything in the golden files is the same here, and that it was `expected` things.
    fn assert_same_as_golden(&self, expected: usize) {
        let mut verdict = Verdict::default();
        for case in self.traced(Dtype::Float32, Turns::All) {
            let ours = case.with_bytes(&self.normalisation(), &mut verdict);
            case.compare_tensors(&ours, &mut verdict);
            case.compare_digests(&ours, &mut verdict);
            case.compare_answers(&mut verdict);
        }
        let Verdict {
            compared,
            complaints,
        } = verdict;
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
        assert_eq!(compared, expected, "as many things as the files hold");
    }
}

#[derive(Default)]
struct Verdict {
    compared: usize,
    complaints: Vec<String>,
}

impl Verdict {
    fn note(&mut self, case: &str, what: &str, complaint: Option<String>) {
        self.compared += 1;
        let complaint = complaint.map(|complaint| format!("{case}, {what}: {complaint}"));
        self.complaints.extend(complaint);
    }
}

impl Case {
    /// Our tensors, with the pictures as bytes besides, which the normalised ones are made of.
    fn with_bytes(&self, [mean, std]: &[Tensor; 2], verdict: &mut Verdict) -> Tensors {
        let mut tensors: Tensors = self
            .ours
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        for (values, bytes) in [
            ("pixel_values", "pixel_u8"),
            ("depth_values", "depth_rgb_u8"),
        ] {
            let steps = (self.ours[values].squeeze().to_kind(Kind::Double) * std + mean) * 255.0;
            let off = (&steps - steps.round()).abs().max().double_value(&[]);
            let far = (off > OFF_A_WHOLE_STEP).then(|| format!("{off:.1e} off a byte"));
            verdict.note(&self.name, values, far);
            // (3, S, S) to (S, S, 3)
            let picture = steps
                .round()
                .to_kind(Kind::Uint8)
                .permute([1, 2, 0])
                .contiguous();
            tensors.insert(bytes.into(), picture);
        }
        let grey = tensors["depth_rgb_u8"].select(-1, 0).contiguous();
        tensors.insert("depth_u8".into(), grey);
        tensors
    }

    fn compare_tensors(&self, ours: &Tensors, verdict: &mut Verdict) {
        for (name, golden) in &self.golden {
            let (whole, stride) = trimmed(name);
            let complaint = match ours.get(whole) {
                Some(ours) => {
                    let rows = match stride {
                        Some(stride) => &ours.slice(-2, None, None, stride),
                        None => ours,
                    };
                    let pixels = whole == "pixel_values";
                    let tolerance = if pixels { PIXELS } else { FLOAT32 };
                    tolerance.complaint(rows, golden)
                }
                None => Some("the trace lacks it".into()),
            };
            verdict.note(&self.name, name, complaint);
        }
    }

    fn compare_digests(&self, ours: &Tensors, verdict: &mut Verdict) {
        for (name, golden) in self.golden_answers["sha256"].as_object().unwrap() {
            let complaint = match ours.get(name) {
                Some(ours) => {
                    let same = golden == &json!(sha256(ours));
                    (!same).then(|| "its bytes differ".into())
                }
                None => Some("the trace lacks it".into()),
            };
            verdict.note(&self.name, &format!("bytes of {name}"), complaint);
        }
    }

    fn compare_answers(&self, verdict: &mut Verdict) {
        for run in ["d1", "d0"] {
            let (golden, ours) = (&self.golden_answers[run], &self.our_answers[run]);
            // The golden ids begin with the token that begins every text.
            let said = golden["output_ids"].as_array().unwrap().get(1..).unwrap();
            for (key, golden) in [
                ("prompt", &golden["prompt"]),
                ("text", &golden["text"]),
                ("output_ids", &json!(said)),
            ] {
                let ours = &ours[key];
                let complaint = (golden != ours).then(|| format!("it is\n{ours}, not\n{golden}"));
                verdict.note(&self.name, &format!("{run} {key}"), complaint);
            }
        }
    }
}

/// The whole tensor's name, and of how many rows the golden file keeps one.
fn trimmed(name: &str) -> (&str, Option<i64>) {
    match name.rsplit_once("_rows") {
        Some((whole, "")) => (whole, Some(97)),
        Some((whole, stride)) => (whole, Some(stride.parse().unwrap())),
        None => (name, None),
    }
}

fn sha256(bytes: &Tensor) -> String {
    assert_eq!(bytes.kind(), Kind::Uint8);
    let bytes: Vec<u8> = bytes.contiguous().view(-1).try_into().unwrap();
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn siglip_with_a_downsampling_projector_gives_the_originals_numbers() {
    A.assert_same_as_golden(199);
}

#[test]
fn the_sentencepiece_checkpoint_gives_the_originals_numbers() {
    C.assert_same_as_golden(60);
}

#[test]
fn clip_with_padded_pictures_gives_the_peers_numbers() {
    variant("clip").assert_same_as_golden(84);
}

#[test]
fn a_resized_position_table_and_scaled_rope_give_the_peers_numbers() {
    variant("siglip_resized").assert_same_as_golden(82);
}

#[test]
fn a_linear_projector_gives_the_peers_numbers() {
    variant("linear").assert_same_as_golden(76);
}

#[test]
fn an_identity_projector_gives_the_peers_numbers() {
    variant("identity").assert_same_as_golden(76);
}

#[test]
fn bfloat16_points_where_float32_does() {
    // Only first questions: what is asked after an answer depends on its words, and those may differ.
    for fixture in [A, C] {
        let exact = fixture.traced(Dtype::Float32, Turns::First);
        let halves = fixture.traced(Dtype::Bfloat16, Turns::First);
        for (half, exact) in halves.iter().zip(&exact) {
            for run in ["d1", "d0"] {
                let name = format!("{run}.first_logits");
                let asked_once = half.golden_answers["turns"].as_array().unwrap().len() == 1;
                let expected = if asked_once {
                    &half.golden
                } else {
                    &exact.ours
                };
                let cosine = cosine(&half.ours[&name], &expected[&name]);
                let place = format!("{}, {name}", half.name);
                println!("{place}: cosine {cosine:.6}");
                assert!(cosine >= HALF_PRECISION_COSINE, "{place}: cosine {cosine}");
                // Given that it was computed in bfloat16 at all
                assert!(cosine < 1.0 - 1e-9, "{place}: no difference");
            }
        }
    }
}

fn cosine(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    (a.dot(&b) / (a.norm() * b.norm())).double_value(&[])
}

#[test]
fn the_tolerance_notices_what_it_must() {
    // Given a tensor, and others that are almost it
    let expected = Tensor::from_slice(&[1.0_f32, -2.0, 0.5]);
    let shifted = |by: f32| &expected + Tensor::from_slice(&[0.0_f32, 0.0, by]);

    // Then only what is near enough, of the same shape and a number passes
    assert_eq!(
        FLOAT32.complaint(&shifted(3e-5).unsqueeze(0), &expected),
        None
    );
    for wrong in [shifted(6e-5), shifted(f32::NAN), expected.narrow(0, 0, 2)] {
        assert!(FLOAT32.complaint(&wrong, &expected).is_some(), "{wrong:?}");
    }
    let ids = Tensor::from_slice(&[1_i64, 2]);
    assert_eq!(FLOAT32.complaint(&ids, &ids), None);
    assert!(FLOAT32.complaint(&(&ids + 1), &ids).is_some());
}
