//! Row 7: the cost of row losses relative to `kl` at T = 2, forward and backward, as in a training step: a second loss in
//! the same sweep, another loss instead of `kl`, targets that use a part of the teacher's logits. Each arm alternates with
//! `kl`; the ratios of the minima and of the medians are computed, and the larger one is printed.

mod common;

use std::time::Instant;

use common::{Outcome, Stream, arguments};
use limbeck_bench::distillation::Distillation;
use limbeck_core::pool::Pool;
use serde_json::{Map, Value, json};

const WARM_UP: usize = 3;

struct Arm {
    name: &'static str,
    over: &'static str,
    step: Distillation,
    /// Times of the arm that it is compared with, and its own.
    times: [Vec<f64>; 2],
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
    Ok(Arm { name, over, step, times: Default::default() })
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

/// Measures each arm alternating with the arm that it is compared with; further arms between them would evict its numbers
/// from the cache.
fn measure(arms: &mut [Arm], rounds: usize) -> Result<(), String> {
    for at in 0..arms.len() {
        let over = arms.iter().position(|arm| arm.name == arms[at].over).ok_or("an arm beside none")?;
        for round in 0..WARM_UP + rounds {
            for (number, which) in [over, at].into_iter().enumerate() {
                let start = Instant::now();
                arms[which].step.run(|_| ()).map_err(|error| format!("{}: {error}", arms[which].name))?;
                if round >= WARM_UP {
                    arms[at].times[number].push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        arms[at].times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    }
    Ok(())
}

fn main() -> Outcome {
    let arguments = arguments()?;
    // Short steps need many rounds, because a thread that is preempted for a moment spoils a whole round.
    let (shape, rounds) = match arguments.row.as_str() {
        "7.large" => ((64, 32_000), 60),
        "7.small" => ((256, 1000), 1000),
        other => return Err(format!("--row: expected 7.large or 7.small, got {other}").into()),
    };
    let mut arms = arms(shape)?;
    Pool::new(Some(arguments.threads))?.enter(|| measure(&mut arms, rounds))?;
    let mut values = Map::new();
    for arm in &arms {
        let [base, own] = &arm.times;
        let ratio = (own[0] / base[0]).max(own[rounds / 2] / base[rounds / 2]);
        if arm.name == arm.over {
            values.insert(format!("{} ms", arm.name), json!(own[0]));
        } else {
            values.insert(arm.name.to_string(), json!(ratio));
        }
    }
    println!("{}", json!({ "values": values, "extra": common::extra() }));
    Ok(())
}
