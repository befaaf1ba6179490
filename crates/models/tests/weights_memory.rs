//! How much memory loading takes, read off the kernel's own high-water mark: alone in its process, for
//! other tests' memory would count as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use spatial_reward_models::nn::weights::{Placement, Weights};
use tch::{Device, Kind, Tensor};

/// Ten tensors, the last of them as large as a decoder's embedding is in proportion.
const ROWS: [usize; 10] = [1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 4200];
const COLUMNS: usize = 10_000;

/// Writes tensors of noise, `bytes_per_element` wide; returns their bytes.
fn checkpoint(path: &Path, dtype: &str, bytes_per_element: usize) -> u64 {
    let mut end = 0;
    let entries: Vec<String> = (ROWS.iter().enumerate())
        .map(|(i, rows)| {
            let begin = end;
            end += rows * COLUMNS * bytes_per_element;
            format!(r#""{i}":{{"dtype":"{dtype}","shape":[{rows},{COLUMNS}],"data_offsets":[{begin},{end}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let mut state = 1u64;
    for _ in 0..end / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
    end as u64
}

fn status_bytes(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

/// The most memory that loading took beyond what was taken before, in bytes.
fn peak(folder: &Path, kind: Kind) -> (u64, Vec<Tensor>) {
    let device = Device::Cpu;
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status_bytes("VmRSS:");
    let weights = Weights::open(folder, Placement { kind, device }).unwrap();
    let tensors: Vec<Tensor> = (0..ROWS.len())
        .map(|i| weights.scope().get_any(&i.to_string()).unwrap())
        .collect();
    weights.finish().unwrap();
    (status_bytes("VmHWM:") - before, tensors)
}

/// Which checkpoint a process of this test loads: none of its own, and it starts one process for each.
const CASE: &str = "SPATIAL_REWARD_WEIGHTS_MEMORY_CASE";

const CASES: [(&str, usize, Kind); 3] = [
    ("BF16", 2, Kind::BFloat16),
    ("F32", 4, Kind::BFloat16),
    ("F16", 2, Kind::Float),
];

/// Each case in a process of its own: an allocator keeps some of what was freed, so a second case's
/// tensors would partly lie where the first's were, and seem to take less than their bytes.
#[test]
fn loading_takes_hardly_more_memory_than_the_tensors() {
    if let Ok(case) = std::env::var(CASE) {
        return loads(CASES[case.parse::<usize>().unwrap()]);
    }
    for (number, case) in CASES.iter().enumerate() {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "loading_takes_hardly_more_memory_than_the_tensors",
                "--nocapture",
            ])
            .env(CASE, number.to_string())
            .status()
            .unwrap();
        assert!(ended.success(), "{case:?}: {ended}");
    }
}

fn loads((dtype, stored_bytes, kind): (&str, usize, Kind)) {
    // given, what libtorch sets up once being part of no checkpoint
    drop(Tensor::ones([1 << 20], (Kind::BFloat16, Device::Cpu)).to_kind(Kind::Float));
    let folder = tempfile::tempdir().unwrap();
    let on_disk = checkpoint(
        &folder.path().join("model.safetensors"),
        dtype,
        stored_bytes,
    );
    let wanted = on_disk / stored_bytes as u64 * kind.elt_size_in_bytes() as u64;
    // when
    let started = std::time::Instant::now();
    let (peak, tensors) = peak(folder.path(), kind);
    // then
    let ratio = peak as f64 / wanted as f64;
    println!(
        "{dtype} to {kind:?}: {wanted} bytes wanted, peak {peak}, ratio {ratio:.3}, {:.2} s",
        started.elapsed().as_secs_f64()
    );
    assert_eq!(tensors.len(), ROWS.len());
    assert!(ratio >= 1.0, "the tensors are not there: {ratio}");
    assert!(ratio <= 1.10, "{dtype} to {kind:?}: {ratio}");
}
