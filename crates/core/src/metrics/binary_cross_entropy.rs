//! Mean negative log-likelihood of several labels a row, in nats a class.
//!
//! ```text
//! L = mean over rows and classes of (log(1 + exp z) − y · z)        z: logit, y: label in 0…1
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};

/// Mean negative log-likelihood of several labels a row, in nats a class, 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryCrossEntropy {}

impl Metric for BinaryCrossEntropy {
    fn needs(&self) -> Needs {
        Needs::Several
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Mean::default()))
    }
}

struct State(Mean);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        for (logits, labels) in rows.numbered() {
            for (z, y) in logits.iter().zip(labels) {
                self.0.add(z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z); // no overflow at either end
            }
        }
    }

    fn measure(&self) -> Measure {
        self.0.measure()
    }
}
