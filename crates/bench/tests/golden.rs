//! Runs the golden files of the repository through the registries that training uses.

#![allow(clippy::unwrap_used)] // a test

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use limbeck_bench::golden::run;
use limbeck_core::losses::LossesOptions;
use limbeck_core::optimizers::OptimizerOptions;
use limbeck_core::{metrics, ops};

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/golden").join(kind);
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_case_passes_in_f64_and_with_the_kernels_of_every_instruction_set() {
    for kind in ["losses", "layers", "optimizers", "metrics"] {
        for file in files(kind) {
            let outcomes = run(&std::fs::read_to_string(&file).unwrap(), kind).unwrap();
            assert!(!outcomes.is_empty(), "{} has no cases", file.display());
            for outcome in outcomes {
                let (case, arithmetic) = (&outcome.case, &outcome.arithmetic);
                assert_eq!(outcome.ok, Some(true), "{kind}/{case}, {arithmetic}: {}", outcome.message);
            }
        }
    }
}

#[test]
fn every_loss_operation_and_optimizer_has_a_golden_file() {
    let have = |kind: &str| -> BTreeSet<String> {
        files(kind).iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_string()).collect()
    };
    let missing = |kind: &str, names: &[&str]| -> Vec<String> {
        let have = have(kind);
        names.iter().map(|name| name.to_string()).filter(|name| !have.contains(name)).collect()
    };
    assert!(missing("losses", LossesOptions::NAMES).is_empty());
    // Metrics with a closed form are compared with values in their own tests; a file here must belong to a metric.
    assert!(have("metrics").iter().all(|name| metrics::NAMES.contains(&name.as_str())));
    assert!(missing("optimizers", OptimizerOptions::NAMES).is_empty());
    let operations: Vec<&str> = ops::REGISTRY.iter().map(|operation| operation.name).collect();
    // The random mask of dropout is specific to limbeck: there is no other implementation to compare with.
    assert_eq!(missing("layers", &operations), ["dropout"]);
}
