//! Learners that teach each other: both schedules, peers of any shape, a frozen teacher beside them, resumed to equal bits.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

mod support;

use limbeck_core::error::Code;
use limbeck_core::models::Model;
use limbeck_core::run::{Mutual, MutualOptions, Report, Run, Setup, Updates, check};
use limbeck_core::teacher::Teachers;
use serde_json::{Value, json};
use support::{clusters, drain, model, options, setup};

fn net(hidden: usize, seed: u64) -> Model {
    model(json!({ "mlp": { "sizes": [8, hidden, 3] } }), seed)
}

fn base() -> Value {
    json!({
        "losses": { "crossEntropy": {}, "kl": {} }, "optimizer": { "sgd": { "learningRate": 0.1 } },
        "batchSize": 30, "epochs": 2, "seed": 3
    })
}

fn with(more: Value) -> Value {
    let mut all = base();
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

fn planned(students: Vec<Model>, updates: Updates, teacher: Teachers, more: Value) -> Setup {
    let mut students = students.into_iter();
    let first = students.next().unwrap();
    let others = students.map(|student| (student, options(with(more.clone())))).collect();
    let mutual = Mutual { options: MutualOptions { updates, teacher_weight: 1.0 }, others };
    let alone = setup(first, None, &clusters(90, 1), &clusters(45, 8), with(more));
    Setup { teacher, mutual: Some(mutual), ..alone }
}

fn numbers(model: &Model) -> Vec<f32> {
    model.parameters.names().flat_map(|name| model.parameters.get(name).unwrap().1).collect()
}

fn trained(setup: Setup) -> (Vec<Vec<f32>>, Report) {
    let mut run = Run::new(setup).unwrap();
    let last = drain(&mut run).unwrap().pop().unwrap();
    (run.students().unwrap().iter().map(numbers).collect(), last)
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// One step of distilling `student` from `teacher`, frozen.
fn one_step(student: Model, teacher: Model) -> Vec<f32> {
    let alone =
        setup(student, Some(teacher), &clusters(90, 1), &clusters(45, 8), with(json!({ "steps": 1, "epochs": null })));
    trained(alone).0.remove(0)
}

#[test]
fn a_simultaneous_step_is_a_step_from_each_others_start() {
    let steps = json!({ "steps": 1, "epochs": null });
    let (made, _) = trained(planned(vec![net(6, 1), net(4, 2)], Updates::Simultaneous, Teachers::default(), steps));
    let by_hand = [one_step(net(6, 1), net(4, 2)), one_step(net(4, 2), net(6, 1))];
    for (made, by_hand) in made.iter().zip(&by_hand) {
        assert!(farthest(made, by_hand) < 1e-6, "{}", farthest(made, by_hand));
    }
}

#[test]
fn an_alternating_step_sees_the_other_after_its_change() {
    let steps = json!({ "steps": 1, "epochs": null });
    let (made, _) =
        trained(planned(vec![net(6, 1), net(4, 2)], Updates::Alternating, Teachers::default(), steps.clone()));
    let first = one_step(net(6, 1), net(4, 2));
    assert!(farthest(&made[0], &first) < 1e-6);
    let mut run = Run::new(setup(net(6, 1), Some(net(4, 2)), &clusters(90, 1), &clusters(45, 8), with(steps))).unwrap();
    drain(&mut run).unwrap();
    let second = one_step(net(4, 2), run.student().unwrap());
    assert!(farthest(&made[1], &second) < 1e-6, "{}", farthest(&made[1], &second));
}

#[test]
fn three_learners_of_any_shape_say_how_each_of_them_does() {
    let students = || vec![net(6, 1), net(4, 2), net(12, 3)];
    let done = |more: Value| trained(planned(students(), Updates::Simultaneous, Teachers::default(), more));
    let losses = done(json!({}));
    // For kl the mean of the peers has the gradient of the mean of the losses.
    let (mixed, of_mixed) = done(json!({ "combine": "probabilities" }));
    assert!(losses.0.iter().zip(&mixed).all(|(a, b)| farthest(a, b) < 1e-5));
    assert!(of_mixed.loss < losses.1.loss);
    assert_ne!(losses.0, done(json!({ "combine": "logits" })).0);
    let Report { learners, summary, loss, validation, .. } = losses.1;
    assert_eq!(learners.len(), 3);
    assert!(validation.is_none());
    assert!((loss - learners.iter().map(|learner| learner.loss).sum::<f64>() / 3.0).abs() < 1e-9);
    for learner in &learners {
        let validation = learner.validation.as_ref().unwrap();
        let number = |name: &str| validation.metrics[name].number().unwrap();
        assert!(number("entropy") > 0.0 && number("entropy") < 3f64.ln());
        assert!((0.0..=1.0).contains(&number("peerAgreement")));
        assert!(validation.accuracy.is_some() && learner.terms.contains_key("kl"));
    }
    let summary = summary.unwrap();
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
    assert!(summary.reloaded && summary.learners.len() == 3);
}

#[test]
fn a_frozen_teacher_beside_them_is_heard_and_stays_as_it_is() {
    let teacher = net(16, 9);
    let of = |teacher: &Model| Teachers::from(teacher.clone());
    let students = || vec![net(6, 1), net(4, 2)];
    for updates in [Updates::Simultaneous, Updates::Alternating] {
        let alone = trained(planned(students(), updates, Teachers::default(), json!({ "proofs": "off" }))).0;
        let beside = trained(planned(students(), updates, of(&teacher), json!({ "proofs": "off" }))).0;
        let asked = json!({ "proofs": "off", "cacheTeacher": false });
        assert_eq!(beside, trained(planned(students(), updates, of(&teacher), asked)).0);
        assert_ne!(alone, beside);
        let mut silent = planned(students(), updates, of(&teacher), json!({ "proofs": "off" }));
        silent.mutual.as_mut().unwrap().options.teacher_weight = 0.0;
        assert_eq!(alone, trained(silent).0);
    }
}

#[test]
fn a_teacher_counts_by_its_weight_and_once() {
    let steps = || json!({ "steps": 1, "epochs": null, "proofs": "off" });
    let mutual = |weight: f64| {
        let teacher = Teachers::from(net(16, 9));
        let mut setup = planned(vec![net(6, 1), net(4, 2)], Updates::Simultaneous, teacher, steps());
        setup.mutual.as_mut().unwrap().options.teacher_weight = weight;
        trained(setup).1.learners[0].terms["kl"]
    };
    let alone = setup(net(6, 1), Some(net(16, 9)), &clusters(90, 1), &clusters(45, 8), with(steps()));
    let alone = trained(alone).1.terms["kl"];
    let expected = mutual(0.0) + 3.0 * alone;
    assert!((mutual(3.0) - expected).abs() < 1e-6 * expected, "{} {expected}", mutual(3.0));
}

#[test]
fn one_learner_is_refused_and_equal_starts_are_warned_of() {
    let refused = |setup: Setup| check(setup).err().unwrap();
    let alone = refused(planned(vec![net(6, 1)], Updates::Simultaneous, Teachers::default(), json!({})));
    assert_eq!((alone.path.as_str(), alone.code), ("students", Code::InvalidConfig));
    let two = |more: Value| planned(vec![net(6, 1), net(4, 2)], Updates::Simultaneous, Teachers::default(), more);
    assert_eq!(refused(two(json!({ "control": true }))).path, "control");
    assert_eq!(refused(two(json!({ "weightRowsByTeacher": true }))).path, "weightRowsByTeacher");
    let labels = two(json!({ "losses": { "crossEntropy": {} } }));
    assert_eq!(refused(labels).path, "students[0].losses");
    let mut second = two(json!({}));
    second.mutual.as_mut().unwrap().others[0].1 = options(with(json!({ "losses": { "kl": { "temperature": 0 } } })));
    assert_eq!(refused(second).path, "students[1].losses.kl.temperature");
    let wide = model(json!({ "mlp": { "sizes": [8, 5] } }), 1);
    let wide = planned(vec![net(6, 1), wide], Updates::Simultaneous, Teachers::default(), json!({}));
    assert_eq!(refused(wide).path, "students[0].losses.kl");

    let equal = trained(planned(vec![net(6, 1), net(6, 1)], Updates::Simultaneous, Teachers::default(), json!({}))).1;
    let found: Vec<(String, String)> = equal.findings.into_iter().map(|found| (found.proof, found.path)).collect();
    assert_eq!(found[0], ("learnersDiffer".to_string(), "students[1]".to_string()));
}

#[test]
fn stopped_and_resumed_it_ends_with_the_same_bits() {
    for (number, updates) in [Updates::Simultaneous, Updates::Alternating].into_iter().enumerate() {
        let folder = std::env::temp_dir().join(format!("limbeck-mutual-{}-{number}", std::process::id()));
        let students = || {
            let layers = json!({ "input": [8], "layers": [
                { "linear": { "outputs": 6 } }, { "batchNorm": { "activation": "relu" } }, { "dropout": { "rate": 0.2 } },
                { "linear": { "name": "head", "outputs": 3 } }
            ] });
            vec![model(layers, 1), net(4, 2)]
        };
        let more = json!({ "keep": "best", "epochs": 4, "average": { "decay": 0.9 }, "optimizer": { "adamW": {} } });
        let whole = trained(planned(students(), updates, Teachers::default(), more.clone())).0;
        let kept = |resume: bool| {
            let mut more = more.clone();
            more["reportEvery"] = json!(1);
            more["checkpoint"] = json!({ "folder": folder, "every": 3, "resume": resume });
            planned(students(), updates, Teachers::default(), more)
        };
        let mut stopped = Run::new(kept(false)).unwrap();
        for _ in 0..7 {
            stopped.next().unwrap();
        }
        stopped.flush_checkpoints().unwrap();
        drop(stopped);
        let mut other = kept(true);
        other.mutual.as_mut().unwrap().options.updates = match updates {
            Updates::Simultaneous => Updates::Alternating,
            Updates::Alternating => Updates::Simultaneous,
        };
        let other = Run::new(other).err().unwrap();
        let resumed = trained(kept(true)).0;
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(whole, resumed);
        assert_eq!((other.code, other.path.as_str()), (Code::CheckpointMismatch, "mutual.updates"));
    }
}

/// What a run is estimated to need.
fn estimate(mut setup: Setup) -> u64 {
    setup.options.max_memory_bytes = Some(1);
    let error = check(setup).err().unwrap();
    assert_eq!((error.code, error.path.as_str()), (Code::Memory, "maxMemoryBytes"), "{error}");
    let found = error.message.split("an estimate of ").nth(1).unwrap();
    found.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn all_learners_and_the_teacher_beside_them_have_to_fit_into_the_memory_allowed() {
    let alone = |student: Model| {
        let losses = json!({ "losses": { "crossEntropy": {} } });
        estimate(setup(student, None, &clusters(90, 1), &clusters(45, 8), with(losses)))
    };
    let (small, large, teacher) = (net(6, 1), net(40, 2), net(64, 3));
    let together = |teacher: Teachers| {
        planned(vec![small.clone(), large.clone(), small.clone()], Updates::Simultaneous, teacher, json!({}))
    };
    let all = 2 * alone(small.clone()) + alone(large.clone());
    assert_eq!(estimate(together(Teachers::default())), all);
    let beside: Teachers = teacher.into();
    let with_teacher = estimate(together(beside.clone()));
    assert!(with_teacher > all, "{with_teacher} {all}");
    let mut setup = together(beside);
    setup.options.max_memory_bytes = Some(with_teacher);
    check(setup).unwrap();
}
