//! Row 7: what row losses cost beside `kl` at T = 2, each forward and backward, as a training step calls it: a second
//! loss in the same sweep, other losses alone, targets that need less of the teacher. Minima and medians of interleaved
//! runs, over those of `kl`; the larger of both ratios is printed.

mod common;

use std::time::Instant;

use common::{Outcome, Stream, arguments};
use limbeck_core::losses::bench::Distillation;
use limbeck_core::pool::Pool;
use serde_json::{Map, Value, json};

const ROUNDS: usize = 60;
const WARM_UP: usize = 3;

struct Arm {
    name: &'static str,
    over: &'static str,
    step: Distillation,
    times: Vec<f64>,
}

fn arm(name: &'static str, over: &'static str, losses: Value, (rows, classes): (usize, usize)) -> Result<Arm, String> {
    let make = || -> Result<Distillation, Box<dyn std::error::Error>> {
        let student = Stream::new(1).numbers(rows * classes, 4.0);
        let teacher = Stream::new(2).numbers(rows * classes, 4.0);
        let labels = Stream::new(3).labels(rows, classes);
        let step = Distillation::new(serde_json::from_value(losses)?, classes, student, teacher, labels)?;
        Ok(match name {
            "kdSim" => step.with_head(Stream::new(4).numbers(classes * 64, 1.0), classes)?,
            "storedTop64" => step.with_top(64, 2.0)?,
            _ => step,
        })
    };
    let step = make().map_err(|error| format!("{name}: {error}"))?;
    Ok(Arm { name, over, step, times: Vec::new() })
}

fn arms(shape: (usize, usize)) -> Result<Vec<Arm>, String> {
    let kl = json!({ "temperature": 2 });
    let beside = |key: &str, options: Value| json!({ "kl": kl, key: options });
    let mut all = vec![arm("kl", "kl", json!({ "kl": kl }), shape)?];
    for (name, key) in [
        ("kl+reverseKl", "reverseKl"),
        ("kl+tvd", "tvd"),
        ("kl+kdPt", "kdPt"),
        ("kl+jsd", "jsd"),
        ("kl+skewKl", "skewKl"),
        ("kl+skewReverseKl", "skewReverseKl"),
    ] {
        all.push(arm(name, "kl", beside(key, kl.clone()), shape)?);
    }
    for (name, key) in [("kl+crossEntropy", "crossEntropy"), ("kl+logitMse", "logitMse")] {
        all.push(arm(name, "kl", beside(key, json!({})), shape)?);
    }
    for (name, key) in [("jsd", "jsd"), ("reverseKl", "reverseKl"), ("tvd", "tvd")] {
        all.push(arm(name, "kl", json!({ key: kl }), shape)?);
    }
    all.push(arm("kl T=3.3", "kl", json!({ "crossEntropy": {}, "kl": { "temperature": 3.3 } }), shape)?);
    all.push(arm("crossEntropy", "crossEntropy", json!({ "crossEntropy": {} }), shape)?);
    let smooth = json!({ "crossEntropy": { "labelSmoothing": 0.1 } });
    all.push(arm("smoothing", "crossEntropy", smooth, shape)?);
    for (name, missing) in
        [("kdTopk", "renormalize"), ("kdTopk zero", "zero"), ("kdTopk uniform", "uniform"), ("kdTopk bucket", "bucket")]
    {
        let options = json!({ "kdTopk": { "k": 64, "missing": missing, "temperature": 2 } });
        all.push(arm(name, "kl", options, shape)?);
    }
    all.push(arm("storedTop64", "kl", json!({ "kl": kl }), shape)?);
    if shape.1 <= 1000 {
        all.push(arm("kdSim", "kl", json!({ "kdSim": kl }), shape)?);
    }
    Ok(all)
}

fn measure(arms: &mut [Arm]) -> Result<(), String> {
    for round in 0..WARM_UP + ROUNDS {
        for arm in arms.iter_mut() {
            let start = Instant::now();
            arm.step.run(|_| ()).map_err(|error| format!("{}: {error}", arm.name))?;
            if round >= WARM_UP {
                arm.times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    arms.iter_mut().for_each(|arm| arm.times.sort_by(f64::total_cmp));
    Ok(())
}

fn main() -> Outcome {
    let arguments = arguments()?;
    let shape = match arguments.row.as_str() {
        "7.large" => (64, 32_000),
        "7.small" => (256, 1000),
        other => return Err(format!("--row: expected 7.large or 7.small, got {other}").into()),
    };
    let mut arms = arms(shape)?;
    Pool::new(Some(arguments.threads))?.enter(|| measure(&mut arms))?;
    let mut values = Map::new();
    let find = |name: &str| arms.iter().find(|arm| arm.name == name).map_or(&[][..], |arm| &arm.times);
    for arm in &arms {
        let (own, base) = (&arm.times, find(arm.over));
        let ratio = (own[0] / base[0]).max(own[ROUNDS / 2] / base[ROUNDS / 2]);
        if arm.name == arm.over {
            values.insert(format!("{} ms", arm.name), json!(own[0]));
        } else {
            values.insert(arm.name.to_string(), json!(ratio));
        }
    }
    println!("{}", json!({ "values": values, "extra": common::extra() }));
    Ok(())
}
