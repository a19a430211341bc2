//! Files of every earlier format version still load.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::path::{Path, PathBuf};

use limbeck_core::checkpoint::{Array, ModelFile, Numbers, RunFolder};
use serde_json::json;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../__test__/golden/checkpoints/version-{version}"))
}

#[test]
fn a_checkpoint_of_version_1_loads() {
    let recovered = RunFolder::open(&golden(1), 1).unwrap().recover().unwrap();
    assert!(recovered.skipped.is_empty());
    let (name, mut checkpoint) = recovered.checkpoint.unwrap();
    assert!(name.starts_with("step-00001200-"), "{name}");
    assert_eq!((checkpoint.step, checkpoint.epoch, checkpoint.seed, checkpoint.threads), (1200, 3, u64::MAX, 2));
    assert_eq!(checkpoint.isa, "avx2");
    assert_eq!(checkpoint.cursor, json!({ "epoch": 3, "row": 640 }));
    assert_eq!(checkpoint.state, json!({ "best": 0.1 + 0.2, "note": "é \"quoted\"" }));
    checkpoint.expect_config(&json!({ "seed": 7, "losses": { "kl": { "weight": 0.9, "temperature": 4.0 } } })).unwrap();

    let halves = [1.0, -0.5].map(half::f16::from_f32).to_vec();
    let brains = [1.0, -0.5].map(half::bf16::from_f32).to_vec();
    let weight: Vec<f32> = (1..=12).map(|i| i as f32 * 0.5).collect();
    for (group, name, shape, numbers) in [
        ("parameters", "layers.0.weight", vec![4, 3], Numbers::F32(weight)),
        ("optimizer", "layers.0.weight", vec![2], Numbers::F64(vec![0.1, -1e-300])),
        ("optimizer", "steps", vec![], Numbers::I64(vec![1200])),
        ("losses", "ids", vec![3], Numbers::U32(vec![0, 1, u32::MAX])),
        ("losses", "flags", vec![2], Numbers::U8(vec![0, 255])),
        ("averages", "half", vec![2], Numbers::F16(halves)),
        ("averages", "brain", vec![2], Numbers::BF16(brains)),
        ("averages", "empty", vec![0, 3], Numbers::F32(vec![])),
    ] {
        let found = checkpoint.tensors.remove(&format!("{group}/{name}"));
        assert_eq!(found, Some(Array::new(shape, numbers).unwrap()), "{group}/{name}");
    }
    assert!(checkpoint.tensors.is_empty());
}

#[test]
fn a_model_of_version_1_loads() {
    let model = ModelFile::load(&golden(1).join("model.safetensors")).unwrap();
    assert_eq!(model.architecture, json!({ "input": [3], "layers": [{ "0": { "linear": { "units": 4 } } }] }));
    assert_eq!(model.preprocessing, json!({ "mean": [0.1307], "deviation": [0.3081] }));
    assert_eq!(model.label_names, Some(["a", "b", "c", "d"].map(String::from).to_vec()));
    assert_eq!(model.provenance["library"], "0.1.0");
    assert_eq!(model.tensors.len(), 1);
}
