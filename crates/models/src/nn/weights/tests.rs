//! Weights from files written byte by byte here, the sound ones and every way to be broken. The ways of a header fill a
//! table that is longer than a function should be: they are one list.

use std::fs;
use std::path::Path;

use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use super::{Placement, Weights};

const FLOAT: Placement = Placement {
    kind: Kind::Float,
    device: Device::Cpu,
};

/// A safetensors file: a header as given, then the bytes.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A safetensors file of float32 vectors.
fn vectors(tensors: &[(&str, &[f32])]) -> Vec<u8> {
    let mut entries = vec![r#""__metadata__":{"format":"pt"}"#.to_string()];
    let mut data = Vec::new();
    for (name, values) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":[{len}],"data_offsets":[{begin},{end}]}}"#,
            len = values.len(),
            end = data.len(),
        ));
    }
    file(&format!("{{{}}}", entries.join(",")), &data)
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// What opening the folder says, which must be a refusal.
fn refusal(folder: &Path) -> String {
    Weights::open(folder, FLOAT).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "no '{word}' in: {message}");
    }
    assert!(!message.contains('\n'), "more than a line: {message}");
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.to_kind(Kind::Float).view(-1)).unwrap()
}

#[test]
fn tensors_come_out_by_dotted_name() {
    // given
    let bytes = vectors(&[
        ("layers.0.bias", &[1.0, -2.5]),
        ("layers.1.bias", &[3.0]),
        ("norm", &[]),
    ]);
    let folder = folder(&[("model.safetensors", &bytes)]);
    // when
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    let layers = weights.scope().sub("layers");
    let first = layers.sub(0).get("bias", &[2]).unwrap();
    let second = layers.sub(1).get_any("bias").unwrap();
    let empty = weights.scope().get("norm", &[0]).unwrap();
    // then
    assert_eq!(floats(&first), [1.0, -2.5]);
    assert_eq!(floats(&second), [3.0]);
    assert_eq!(empty.size(), [0]);
    assert!(layers.sub(1).has("bias") && !layers.has("bias"));
    assert_eq!(layers.sub(0).shape("bias"), Some(vec![2]));
    assert_eq!(weights.bytes(), 12);
    weights.finish().unwrap();
}

#[test]
fn every_stored_kind_becomes_every_wanted_kind() {
    // given: 0.5, -3 and 257 (which bfloat16 rounds to 256) in each kind; an odd byte puts all but the first
    // at addresses that no float may have
    let wide = [0.5f32, -3.0, 257.0].map(f32::to_le_bytes).concat();
    let half = [0x3800u16, 0xC200, 0x5C04].map(u16::to_le_bytes).concat();
    let brain = [0x3F00u16, 0xC040, 0x4380].map(u16::to_le_bytes).concat();
    let header = r#"{"odd":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
        "wide":{"dtype":"F32","shape":[3],"data_offsets":[1,13]},
        "half":{"dtype":"F16","shape":[3,1],"data_offsets":[13,19]},
        "brain":{"dtype":"BF16","shape":[1,3],"data_offsets":[19,25]}}"#;
    let bytes = file(header, &[&[7], &*wide, &half, &brain].concat());
    let folder = folder(&[("model.safetensors", &bytes)]);
    for (kind, rounded) in [
        (Kind::Float, 257.0),
        (Kind::Half, 257.0),
        (Kind::BFloat16, 256.0),
    ] {
        // when
        let placement = Placement {
            kind,
            device: Device::Cpu,
        };
        let weights = Weights::open(folder.path(), placement).unwrap();
        let wide = weights.scope().get("wide", &[3]).unwrap();
        let half = weights.scope().get("half", &[3, 1]).unwrap();
        let brain = weights.scope().get("brain", &[1, 3]).unwrap();
        // then
        assert_eq!(floats(&wide), [0.5, -3.0, rounded], "{kind:?}");
        assert_eq!(floats(&half), [0.5, -3.0, rounded], "{kind:?}");
        assert_eq!(floats(&brain), [0.5, -3.0, 256.0], "{kind:?}");
        assert!([&wide, &half, &brain].iter().all(|t| t.kind() == kind));
        weights.finish_ignoring(&["odd"]).unwrap();
    }
}

#[test]
fn a_tensor_larger_than_a_piece_is_whole() {
    // given: three pieces and a bit
    let values: Vec<f32> = (0..800_001).map(|i| i as f32).collect();
    let folder = folder(&[("model.safetensors", &vectors(&[("long", &values)]))]);
    // when
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    let tensor = weights.scope().get("long", &[800_001]).unwrap();
    // then
    assert!(floats(&tensor) == values);
    weights.finish().unwrap();
}

#[test]
fn tensors_outlive_the_files() {
    // given
    let folder = folder(&[("model.safetensors", &vectors(&[("a", &[1.0, 2.0])]))]);
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    let tensor = weights.scope().get("a", &[2]).unwrap();
    weights.finish().unwrap();
    // when: the file is overwritten in place
    fs::write(folder.path().join("model.safetensors"), [0; 200]).unwrap();
    // then
    assert_eq!(floats(&tensor), [1.0, 2.0]);
}

#[test]
fn shards_are_one_checkpoint() {
    // given
    let index = br#"{"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}"#;
    let folder = folder(&[
        ("model.safetensors.index.json", index),
        ("m-1.safetensors", &vectors(&[("a", &[1.0])])),
        ("m-2.safetensors", &vectors(&[("b", &[2.0])])),
        ("notes.safetensors", b"not named by the index"),
    ]);
    // when
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    // then
    assert_eq!(floats(&weights.scope().get("a", &[1]).unwrap()), [1.0]);
    assert_eq!(floats(&weights.scope().get("b", &[1]).unwrap()), [2.0]);
    weights.finish().unwrap();
}

#[test]
fn a_lone_file_may_have_any_name() {
    let folder = folder(&[("adapter.safetensors", &vectors(&[("a", &[1.0])]))]);
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    assert_eq!(floats(&weights.scope().get("a", &[1]).unwrap()), [1.0]);
    weights.finish().unwrap();
}

#[test]
fn a_missing_tensor_is_named_with_its_shape_and_what_comes_nearest() {
    let bytes = vectors(&[("layers.0.key.weight", &[1.0]), ("head", &[1.0])]);
    let folder = folder(&[("model.safetensors", &bytes)]);
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    let layer = weights.scope().sub("layers").sub(0);
    let message = layer.get("query.weight", &[4, 4]).unwrap_err().to_string();
    assert_says(
        &message,
        &[
            "model.safetensors",
            "'layers.0.query.weight' of shape [4, 4]",
            "nearest is 'layers.0.key.weight'.",
        ],
    );
    let message = weights.scope().get_any("tail").unwrap_err().to_string();
    assert_says(&message, &["'tail'", "'head'"]);
}

#[test]
fn another_shape_is_refused_with_both() {
    let folder = folder(&[("model.safetensors", &vectors(&[("a", &[1.0, 2.0])]))]);
    let weights = Weights::open(folder.path(), FLOAT).unwrap();
    let message = weights.scope().get("a", &[2, 1]).unwrap_err().to_string();
    assert_says(&message, &["model.safetensors", "'a'", "[2]", "[2, 1]"]);
    // A refused tensor was not used.
    assert_says(&weights.finish().unwrap_err().to_string(), &["'a'"]);
}

#[test]
fn left_over_tensors_are_counted_and_named() {
    // given
    let names: Vec<String> = (0..7).map(|i| format!("layers.{i}.inv_freq")).collect();
    let mut tensors: Vec<(&str, &[f32])> = names.iter().map(|n| (&**n, &[1.0f32][..])).collect();
    tensors.push(("used", &[1.0]));
    let folder = folder(&[("model.safetensors", &vectors(&tensors))]);
    let open = || {
        let weights = Weights::open(folder.path(), FLOAT).unwrap();
        drop(weights.scope().get("used", &[1]).unwrap());
        weights
    };
    // when
    let message = open().finish().unwrap_err().to_string();
    // then
    assert_says(
        &message,
        &[
            "7 tensors",
            "'layers.0.inv_freq'",
            "'layers.4.inv_freq' and 2 more",
        ],
    );
    // A pattern begins at a dot, and need not match to its end.
    open().finish_ignoring(&["inv_freq"]).unwrap();
    open().finish_ignoring(&["layers."]).unwrap();
    open().finish_ignoring(&["freq"]).unwrap_err();
    let message = open().finish_ignoring(&["layers.1", "layers.2.inv"]);
    assert_says(&message.unwrap_err().to_string(), &["5 tensors"]);
}

#[test]
fn a_quantised_checkpoint_is_refused_by_tensor_and_type() {
    for dtype in ["I8", "U8", "F8_E4M3"] {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[4],"data_offsets":[0,4]}}}}"#);
        let folder = folder(&[("model.safetensors", &file(&header, &[0; 4]))]);
        let weights = Weights::open(folder.path(), FLOAT).unwrap();
        let message = weights.scope().get("a", &[4]).unwrap_err().to_string();
        assert_says(&message, &["model.safetensors", "'a'", dtype, "quantised"]);
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    // given
    let bytes = vectors(&[("a", &[1.0, 2.0]), ("b", &[3.0])]);
    for length in 0..bytes.len() {
        // when
        let folder = folder(&[("model.safetensors", &bytes[..length])]);
        // then
        assert_says(&refusal(folder.path()), &["model.safetensors", "cut off"]);
    }
    let folder = folder(&[("model.safetensors", &[&*bytes, b"more"].concat())]);
    assert_says(&refusal(folder.path()), &["4 bytes too long"]);
}

#[test]
// Long by its list of lies.
fn a_header_that_lies_is_refused() {
    let half = u64::MAX / 2;
    for (header, data, word) in [
        ("not JSON at all", "", "header is broken"),
        ("[1, 2]", "", "header is broken"),
        (
            r#"{"a":{"dtype":"F32","shape":[1]}}"#,
            "",
            "header is broken",
        ),
        // a type that does not exist, a gap, an overlap, an end before its beginning, another size
        (
            r#"{"a":{"dtype":"F3","shape":[1],"data_offsets":[0,4]}}"#,
            "1234",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            "12345678",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
            "123456",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
            "1234",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
            "1234",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
            "1234",
            "header is broken",
        ),
        // sizes whose product or sum leaves 64 bits
        (
            &format!(r#"{{"a":{{"dtype":"F32","shape":[{half},{half}],"data_offsets":[0,4]}}}}"#),
            "1234",
            "header is broken",
        ),
        (
            &format!(r#"{{"a":{{"dtype":"U8","shape":[{half}],"data_offsets":[0,{half}]}}}}"#),
            "1234",
            "header is broken",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}"#,
            "",
            "dimension beyond",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#,
            "1234",
            "'a' twice",
        ),
    ] {
        let folder = folder(&[("model.safetensors", &file(header, data.as_bytes()))]);
        assert_says(&refusal(folder.path()), &["model.safetensors", word]);
    }
}

#[test]
fn a_git_lfs_pointer_is_told_from_a_broken_file() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    let folder = folder(&[("model.safetensors", pointer)]);
    assert_says(
        &refusal(folder.path()),
        &["git-lfs pointer", "git lfs pull"],
    );
}

#[test]
fn a_shape_that_no_memory_holds_is_refused_before_it_is_tried() {
    // given: a file of 4 TiB that takes no room
    let header =
        r#"{"a":{"dtype":"F32","shape":[2,549755813888],"data_offsets":[0,4398046511104]}}"#;
    let folder = folder(&[("model.safetensors", &file(header, &[]))]);
    let path = folder.path().join("model.safetensors");
    let length = fs::metadata(&path).unwrap().len() + (1 << 42);
    let sparse = fs::OpenOptions::new().write(true).open(&path).unwrap();
    if sparse.set_len(length).is_err() {
        // A file system without room for it shows the same as a file that is cut off.
        assert_says(&refusal(folder.path()), &["cut off"]);
        return;
    }
    // when, then
    assert_says(&refusal(folder.path()), &["4398047 MB of memory", "free"]);
}

#[test]
fn a_folder_without_weights_says_what_is_wanted() {
    let empty = folder(&[("config.json", b"{}")]);
    assert_says(&refusal(empty.path()), &["no weights", "model.safetensors"]);
    let absent = empty.path().join("llm");
    assert_says(&refusal(&absent), &["llm", "no such folder"]);
    let folder_of_that_name = empty.path().join("model.safetensors");
    fs::create_dir(&folder_of_that_name).unwrap();
    assert_says(&refusal(empty.path()), &["model.safetensors: not a file"]);
}

#[test]
fn pickled_weights_are_not_read_but_explained() {
    let folder = folder(&[("pytorch_model.bin", b"\x80\x02")]);
    assert_says(
        &refusal(folder.path()),
        &[
            "pytorch_model.bin",
            "save_file",
            "'pytorch_model.safetensors'",
        ],
    );
}

#[test]
fn several_files_need_an_index() {
    let bytes = vectors(&[("a", &[1.0])]);
    let folder = folder(&[("x.safetensors", &bytes), ("y.safetensors", &bytes)]);
    assert_says(
        &refusal(folder.path()),
        &["2 safetensors files", "index.json"],
    );
}

#[test]
fn an_index_is_held_to_its_promises() {
    let one = vectors(&[("a", &[1.0])]);
    let both = vectors(&[("a", &[1.0]), ("b", &[2.0])]);
    let promise = r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    for (index, first, second, words) in [
        (
            promise,
            Some(&one),
            None,
            ["shard 2.safetensors with 1 tensors", "index.json"],
        ),
        (
            promise,
            Some(&one),
            Some(&one),
            ["'a'", "in 1.safetensors as well"],
        ),
        (
            r#"{"weight_map":{"a":"1.safetensors","c":"1.safetensors"}}"#,
            Some(&one),
            None,
            ["'c' in 1.safetensors", "no shard has it"],
        ),
        (
            r#"{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}"#,
            Some(&both),
            Some(&vectors(&[])),
            ["'a' in 2.safetensors", "it is in 1.safetensors"],
        ),
        (
            r#"{"weight_map":{"a":"../1.safetensors"}}"#,
            Some(&one),
            None,
            ["'../1.safetensors'", "no file of this folder"],
        ),
        (
            r#"{"weight_map":{}}"#,
            Some(&one),
            None,
            ["index.json", "names no shards"],
        ),
        ("{", Some(&one), None, ["index.json", "no index of shards"]),
    ] {
        let folder = folder(&[("model.safetensors.index.json", index.as_bytes())]);
        for (name, bytes) in [("1.safetensors", first), ("2.safetensors", second)] {
            if let Some(bytes) = bytes {
                fs::write(folder.path().join(name), bytes).unwrap();
            }
        }
        assert_says(&refusal(folder.path()), &words);
    }
}

#[test]
fn a_gpu_that_is_not_there_is_named() {
    let folder = folder(&[("model.safetensors", &vectors(&[("a", &[1.0])]))]);
    let placement = Placement {
        kind: Kind::Float,
        device: Device::Cuda(99),
    };
    let message = Weights::open(folder.path(), placement)
        .unwrap_err()
        .to_string();
    assert_says(&message, &["cannot use cuda:99", "CUDA devices"]);
}
