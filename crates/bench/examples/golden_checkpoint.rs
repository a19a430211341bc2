//! Writes the golden checkpoint and model of the current format version. Run it once for each version, never in a test.
//!
//! ```sh
//! cargo run --release -p limbeck-bench --example golden_checkpoint -- __test__/golden/checkpoints/version-1
//! ```
//!
//! The content is constant, so that the test that reads it can compare it with expected values.

use std::path::Path;

use limbeck_core::checkpoint::{Array, Checkpoint, ModelFile, NamedTensors, Numbers, RunFolder};
use limbeck_core::error::{Error, Result};
use serde_json::json;

/// weight [4, 3] = 0.5, 1.0, 1.5 …; one tensor of every type that a checkpoint may contain.
fn tensors() -> Result<NamedTensors> {
    let weight = (1..=12).map(|i| i as f32 * 0.5).collect();
    let halves = [1.0, -0.5].map(half::f16::from_f32).to_vec();
    let brains = [1.0, -0.5].map(half::bf16::from_f32).to_vec();
    Ok([
        ("parameters/layers.0.weight".to_string(), Array::f32(vec![4, 3], weight)?),
        ("optimizer/layers.0.weight".to_string(), Array::new(vec![2], Numbers::F64(vec![0.1, -1e-300]))?),
        ("optimizer/steps".to_string(), Array::new(vec![], Numbers::I64(vec![1200]))?),
        ("losses/ids".to_string(), Array::new(vec![3], Numbers::U32(vec![0, 1, u32::MAX]))?),
        ("losses/flags".to_string(), Array::new(vec![2], Numbers::U8(vec![0, 255]))?),
        ("averages/half".to_string(), Array::new(vec![2], Numbers::F16(halves))?),
        ("averages/brain".to_string(), Array::new(vec![2], Numbers::BF16(brains))?),
        ("averages/empty".to_string(), Array::f32(vec![0, 3], vec![])?),
    ]
    .into())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or_else(|| Error::config("folder", "expected a path, got none"))?;
    let folder = Path::new(&folder);
    let checkpoint = Checkpoint {
        step: 1200,
        epoch: 3,
        cursor: json!({ "epoch": 3, "row": 640 }),
        config: json!({ "losses": { "kl": { "temperature": 4, "weight": 0.9 } }, "seed": 7 }),
        seed: u64::MAX,
        threads: 2,
        isa: "avx2".into(),
        versions: json!({ "limbeck": "0.1.0" }),
        state: json!({ "best": 0.30000000000000004, "note": "é \"quoted\"" }),
        tensors: tensors()?,
    };
    RunFolder::open(folder, 1)?.save(&checkpoint)?;
    let model = ModelFile {
        architecture: json!({ "input": [3], "layers": [{ "0": { "linear": { "units": 4 } } }] }),
        preprocessing: json!({ "mean": [0.1307], "deviation": [0.3081] }),
        input_names: None,
        label_names: Some(["a", "b", "c", "d"].map(String::from).to_vec()),
        texts: serde_json::Value::Null,
        provenance: json!({ "created": "2026-01-01T00:00:00Z", "library": "0.1.0" }),
        tensors: checkpoint.tensors.into_iter().filter(|(name, _)| name.starts_with("parameters/")).collect(),
    };
    model.save(&folder.join("model.safetensors"))
}
