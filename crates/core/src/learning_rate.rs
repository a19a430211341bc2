//! Schedules of the learning rate: a factor for each step, 1 at its peak.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The factor that multiplies the optimizer's learning rate: an object with one key. Steps are optimizer steps, counted
/// from 0; `cosine`, `linear` and `oneCycle` extend over the whole training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Schedule {
    /// Always 1, after the warm-up.
    Constant(Constant),
    /// Is multiplied by `factor` every `every` steps.
    Step(Step),
    /// Falls linearly to `final`.
    Linear(Falling),
    /// Falls along half a cosine to `final`.
    Cosine(Falling),
    /// Rises along half a cosine from 1 / initialDivisor to 1, then falls along half a cosine to 1 / (initialDivisor ·
    /// finalDivisor).
    OneCycle(OneCycle),
    /// Rises linearly for `warmupSteps` steps, then falls as √(warmupSteps / step).
    InverseSquareRoot(InverseSquareRoot),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Constant {
    /// Number of steps in which the factor rises linearly from 0 to 1. Default 0.
    #[serde(default)]
    pub warmup_steps: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Number of steps between two multiplications; must be ≥ 1.
    pub every: u64,
    /// Number that the rate is multiplied by every `every` steps; must be > 0. Default 0.1.
    #[serde(default = "tenth")]
    pub factor: f64,
    /// Number of steps in which the factor rises linearly from 0 to 1. Default 0.
    #[serde(default)]
    pub warmup_steps: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Falling {
    /// The factor at the last step, from 0 to 1. Default 0.
    #[serde(default, rename = "final")]
    pub last: f64,
    /// Number of steps in which the factor rises linearly from 0 to 1. Default 0.
    #[serde(default)]
    pub warmup_steps: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OneCycle {
    /// Share of the training in which the factor rises; must be > 0 and < 1. Default 0.3.
    #[serde(default = "three_tenths")]
    pub rise: f64,
    /// The factor at the first step is 1 / initialDivisor; must be > 0. Default 25.
    #[serde(default = "twenty_five")]
    pub initial_divisor: f64,
    /// The factor at the last step is the first factor divided by finalDivisor; must be > 0. Default 10,000.
    #[serde(default = "ten_thousand")]
    pub final_divisor: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InverseSquareRoot {
    /// Number of steps until the factor reaches 1; must be ≥ 1.
    pub warmup_steps: u64,
}

fn tenth() -> f64 {
    0.1
}
fn three_tenths() -> f64 {
    0.3
}
fn twenty_five() -> f64 {
    25.0
}
fn ten_thousand() -> f64 {
    1e4
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Constant(Constant::default())
    }
}

/// Half a cosine from `from` to `to`, at `share` from 0 to 1.
fn anneal(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (std::f64::consts::PI * share.clamp(0.0, 1.0)).cos()) / 2.0
}

impl Schedule {
    pub fn validate(&self) -> Result<()> {
        let above = |key: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::config(key, format!("expected a number above 0, got {value}"))),
        };
        match self {
            Schedule::Constant(_) => Ok(()),
            Schedule::Step(step) => {
                if step.every == 0 {
                    return Err(Error::config("step.every", "expected an integer above 0, got 0"));
                }
                above("step.factor", step.factor)
            }
            Schedule::Linear(falling) | Schedule::Cosine(falling) => match falling.last {
                last if (0.0..=1.0).contains(&last) => Ok(()),
                last => Err(Error::config("final", format!("expected a number in 0…1, got {last}"))),
            },
            Schedule::OneCycle(cycle) => {
                if !(cycle.rise > 0.0 && cycle.rise < 1.0) {
                    return Err(Error::config("oneCycle.rise", format!("expected 0 < rise < 1, got {}", cycle.rise)));
                }
                above("oneCycle.initialDivisor", cycle.initial_divisor)?;
                above("oneCycle.finalDivisor", cycle.final_divisor)
            }
            Schedule::InverseSquareRoot(root) => match root.warmup_steps {
                0 => Err(Error::config("inverseSquareRoot.warmupSteps", "expected an integer above 0, got 0")),
                _ => Ok(()),
            },
        }
    }

    /// Whether the total number of steps must be known.
    pub fn needs_total(&self) -> bool {
        matches!(self, Schedule::Linear(_) | Schedule::Cosine(_) | Schedule::OneCycle(_))
    }

    /// The number of warm-up steps, if the schedule has it as an option.
    pub fn warmup_steps(&self) -> u64 {
        match self {
            Schedule::Constant(constant) => constant.warmup_steps,
            Schedule::Step(step) => step.warmup_steps,
            Schedule::Linear(falling) | Schedule::Cosine(falling) => falling.warmup_steps,
            Schedule::OneCycle(_) => 0,
            Schedule::InverseSquareRoot(root) => root.warmup_steps,
        }
    }

    /// The factor of optimizer step `step`, counted from 0, of `total` steps.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let warm = |warmup: u64| if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 };
        let share = |warmup: u64| {
            let span = total.saturating_sub(warmup).saturating_sub(1).max(1) as f64;
            (step.saturating_sub(warmup) as f64 / span).min(1.0)
        };
        match self {
            Schedule::Constant(constant) => warm(constant.warmup_steps),
            Schedule::Step(fall) => warm(fall.warmup_steps) * fall.factor.powi((step / fall.every.max(1)) as i32),
            Schedule::Linear(f) => warm(f.warmup_steps) * (1.0 - (1.0 - f.last) * share(f.warmup_steps)),
            Schedule::Cosine(f) => warm(f.warmup_steps) * anneal(1.0, f.last, share(f.warmup_steps)),
            // A single step is the peak.
            Schedule::OneCycle(_) if total <= 1 => 1.0,
            Schedule::OneCycle(cycle) => {
                // As in PyTorch's OneCycleLR, the peak is at step rise · total − 1 and the end at total − 1. In a run
                // of few steps we place the peak one step before the end, because PyTorch's peak would lie between two
                // steps.
                let first = 1.0 / cycle.initial_divisor;
                let last = first / cycle.final_divisor;
                let end = total as f64 - 1.0;
                let peak = (cycle.rise * total as f64 - 1.0).min(end - 1.0);
                let step = step as f64;
                if peak > 0.0 && step <= peak {
                    anneal(first, 1.0, step / peak)
                } else {
                    anneal(1.0, last, (step - peak) / (end - peak).max(f64::MIN_POSITIVE))
                }
            }
            Schedule::InverseSquareRoot(root) => {
                let (warmup, step) = (root.warmup_steps as f64, (step + 1) as f64);
                if step < warmup { step / warmup } else { (warmup / step).sqrt() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(json: serde_json::Value) -> Schedule {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn one_cycle_equals_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(SGD(lr=1), max_lr=1, total_steps=10), cycle_momentum=False
        let torch = [
            0.04,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362893,
            0.38874197806371076,
            0.1882583460502369,
            0.04951936798652634,
            4e-06,
        ];
        let one = schedule(serde_json::json!({ "oneCycle": {} }));
        for (step, want) in torch.into_iter().enumerate() {
            let got = one.factor(step as u64, 10);
            assert!((got - want).abs() < 1e-4, "step {step}: {got} against {want}");
        }
    }

    #[test]
    fn warm_up_rises_to_one_and_cosine_ends_at_its_final_factor() {
        let cosine = schedule(serde_json::json!({ "cosine": { "warmupSteps": 10, "final": 0.1 } }));
        assert!((cosine.factor(0, 100) - 0.1).abs() < 1e-12);
        assert!((cosine.factor(10, 100) - 1.0).abs() < 1e-12);
        assert!((cosine.factor(99, 100) - 0.1).abs() < 1e-12);
        let linear = schedule(serde_json::json!({ "linear": {} }));
        assert!((linear.factor(50, 101) - 0.5).abs() < 1e-12);
        let step = schedule(serde_json::json!({ "step": { "every": 10, "factor": 0.5 } }));
        assert_eq!(step.factor(25, 100), 0.25);
        let root = schedule(serde_json::json!({ "inverseSquareRoot": { "warmupSteps": 4 } }));
        assert_eq!((root.factor(3, 0), root.factor(15, 0)), (1.0, 0.5));
    }

    #[test]
    fn short_runs_reach_the_peak_or_come_near_it() {
        for json in [
            serde_json::json!({ "oneCycle": {} }),
            serde_json::json!({ "oneCycle": { "rise": 0.5 } }),
            serde_json::json!({ "oneCycle": { "rise": 0.9 } }),
            serde_json::json!({ "cosine": {} }),
            serde_json::json!({ "linear": {} }),
            serde_json::json!({ "constant": {} }),
            serde_json::json!({ "step": { "every": 1 } }),
            serde_json::json!({ "inverseSquareRoot": { "warmupSteps": 1 } }),
        ] {
            for total in 1..=4 {
                let factors: Vec<f64> = (0..total).map(|step| schedule(json.clone()).factor(step, total)).collect();
                assert!(factors.iter().all(|factor| (0.0..=1.0).contains(factor)), "{json} {total}: {factors:?}");
                assert!(factors.iter().any(|factor| *factor >= 0.5), "{json} {total}: {factors:?}");
            }
        }
        assert_eq!(schedule(serde_json::json!({ "oneCycle": {} })).factor(0, 1), 1.0);
    }

    #[test]
    fn bad_values_are_refused_by_path() {
        for (json, path) in [
            (serde_json::json!({ "step": { "every": 0 } }), "step.every"),
            (serde_json::json!({ "cosine": { "final": 2.0 } }), "final"),
            (serde_json::json!({ "oneCycle": { "rise": 1.0 } }), "oneCycle.rise"),
            (serde_json::json!({ "inverseSquareRoot": { "warmupSteps": 0 } }), "inverseSquareRoot.warmupSteps"),
        ] {
            assert_eq!(schedule(json).validate().unwrap_err().path, path);
        }
    }
}
