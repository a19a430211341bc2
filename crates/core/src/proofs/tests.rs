//! Tests of proofs with evidence that a run cannot produce in a test.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::evidence::{Moved, Seen, layer};
use super::*;
use crate::error::Code;
use crate::models::Model;

fn names(findings: Findings) -> Vec<(String, String)> {
    findings.list.into_iter().map(|finding| (finding.proof, finding.path)).collect()
}

fn updates(tensors: &[(&str, Moved)]) -> Vec<(String, String)> {
    let tensors: BTreeMap<String, Moved> = tensors.iter().map(|(name, moved)| (name.to_string(), *moved)).collect();
    let seen = Seen { updates: 50, highest_rate: 0.1, terms: BTreeMap::new(), tensors };
    let mut findings = Findings::new(Proofs::Warn);
    first_updates(&FirstUpdates { place: "", copied: false, seen }, &mut findings).unwrap();
    names(findings)
}

#[test]
fn a_tensor_belongs_to_its_layer_whatever_makes_it() {
    for (name, want) in [
        ("head.weight", ("head", false)),
        ("blocks.0.conv.bias", ("blocks.0.conv", true)),
        ("head.bias.columns.1", ("head", true)),
        ("norm.scale", ("norm", false)),
    ] {
        assert_eq!(layer(name), want, "{name}");
    }
}

#[test]
fn a_bias_that_something_cancels_is_not_named_and_a_dead_layer_is() {
    use Moved::{Changed, NoGradient, Unchanged, Unreached};
    for bias in [NoGradient, Unreached, Unchanged] {
        assert!(updates(&[("head.bias", bias), ("head.weight", Changed)]).is_empty(), "{bias:?}");
    }
    let name = |proof: &str, path: &str| (proof.to_string(), path.to_string());
    let dead = updates(&[("head.bias", NoGradient), ("head.weight", NoGradient)]);
    assert_eq!(dead, [name("gradientReaches", "head.bias"), name("gradientReaches", "head.weight")]);
    // With inputs that are all 0, only the bias is trained.
    let blind = updates(&[("head.bias", Changed), ("head.weight", NoGradient)]);
    assert_eq!(blind, [name("gradientReaches", "head.weight")]);
    let slow = updates(&[("head.bias", Unchanged), ("head.weight", Unchanged), ("next.weight", Changed)]);
    assert_eq!(slow, [name("parametersChange", "head.bias"), name("parametersChange", "head.weight")]);
}

fn ended(reloaded: bool) -> Vec<(String, String)> {
    let options = serde_json::from_value(json!({ "mlp": { "sizes": [2, 3] } })).unwrap();
    let model = Model::create(options, 1).unwrap();
    let mut findings = Findings::new(Proofs::Warn);
    let cancel = Arc::default();
    let evidence = Ended {
        place: "students[1]",
        steps: 50,
        learning_rate: 0.1,
        terms: Vec::new(),
        model: &model,
        reloaded,
        control: None,
        control_rows: Rows::default(),
        teachers: Vec::new(),
        rows: None,
        cancel: &cancel,
    };
    end(&evidence, &mut findings).unwrap();
    names(findings)
}

#[test]
fn a_student_that_differs_after_it_was_read_again_is_named() {
    assert_eq!(ended(false), [("reload".to_string(), "students[1]".to_string())]);
    assert!(ended(true).is_empty());
}

#[test]
fn teacher_inputs_are_judged_by_the_numbers_and_by_the_accuracy() {
    use super::agreement::Agreement;
    let labels: Vec<u32> = (0..60).map(|row| row % 3).collect();
    let right: Vec<u32> = labels.clone();
    // Right on two thirds.
    let worse: Vec<u32> =
        labels.iter().enumerate().map(|(at, label)| if at % 9 < 3 { (label + 1) % 3 } else { *label }).collect();
    let statistics = |mean, std| InputStatistics { mean, std };
    let found = |then: Option<InputStatistics>, now, choices: &[u32]| {
        let agreement = Agreement::of(choices, &labels, 3);
        let inputs = then.map(|then| (then, now));
        let evidence = Teaching {
            path: "teacher",
            inputs,
            known: Some(0.95),
            agreement: agreement.as_ref(),
            ..Teaching::default()
        };
        let mut findings = Findings::new(Proofs::Warn);
        teacher(&evidence, &mut findings).unwrap();
        names(findings).into_iter().map(|(proof, _)| proof).collect::<Vec<_>>()
    };
    let (same, other) = (statistics(0.0, 1.0), statistics(3.0, 1.0));
    assert_eq!(found(Some(same), other, &worse), ["teacherInputs"]);
    assert_eq!(found(None, same, &worse), ["teacherInputs"]);
    // The normalisation is the same, so the rows are only harder.
    assert!(found(Some(same), same, &worse).is_empty());
    // A few columns of wide range change the statistics, but the teacher is as accurate as before.
    assert!(found(Some(same), other, &right).is_empty());
}

#[test]
fn strict_mode_ends_the_run() {
    let add = |findings: &mut Findings| findings.add::<term_has_gradient::TermHasGradient>("losses.kl", "nothing");
    let error = Findings::new(Proofs::Strict).below("students[1]", add).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (Code::ProofFailed, "students[1].losses.kl"));
}

#[test]
fn names_are_told_apart_and_meanings_are_sentences() {
    for (at, (name, meaning, example)) in ALL.iter().enumerate() {
        assert!(ALL[..at].iter().all(|(other, ..)| other != name), "{name}");
        assert!(meaning.ends_with('.') && example.contains(": "), "{name}: {meaning} {example}");
    }
}
