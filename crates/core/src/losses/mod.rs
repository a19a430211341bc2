//! Losses: what the student is told about its outputs.
//!
//! To add one: a file with formula, source, options and `RowLoss`; a line in `registry!`; a golden file in
//! `__test__/golden/losses`. Its option type, the checks, the golden runs and the suites follow from the line.
//!
//! A step, in the order of calls:
//!
//! ```text
//! let losses = Losses::new(options)?;                  once; options that cannot work are refused by path
//! losses.check(&given)?;                               once; what the run has: classes, teacher, labels
//! let plan = losses.plan(&batches_of_the_step)?;       each optimizer step: the denominators of all micro-batches
//! let applied = losses.apply(&mut tape, &outputs, &teachers, &batch, &plan, step, norms)?;    each micro-batch
//! let gradients = tape.backward(applied.seeds)?;
//! ```
//!
//! `apply.rs` is that sequence, `call.rs` one call of it, `sweep/` the row engine, `loss.rs` what a loss implements,
//! `reference.rs` what its plain twin shares with others. A loss whose gradient is a sum of softmaxes, logits and
//! single classes gives coefficients in `RowTerm::row` (crossEntropy, kl); one that is not sees the whole row in
//! `RowTerm::dense` (mse, reverseKl). What the teacher's side of a row may be is in `targets/`.
//!
//! A loss that compares embeddings, hidden layers or attention is no row loss: it will be an operation on the tape,
//! whose scalar joins `Applied::seeds` with its weight as the gradient.

mod apply;
#[doc(hidden)]
pub mod bench;
mod call;
mod golden;
pub(crate) mod loss;
pub(crate) mod reference;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{Applied, Given, Losses, Plan, TermReport};
pub use golden::golden;
pub use loss::Need;

use crate::schedule::Scheduled;
use loss::RowLoss;

/// Declares each loss's module, its key among the options, and the list of all.
macro_rules! registry {
    ($($name:literal = $module:ident::$type:ident),* $(,)?) => {
        $(mod $module;)*
        $(pub use $module::$type;)*

        /// What the student learns from: one key a loss. The total is the sum of weight × loss.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct LossesOptions {
            $(
                #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")]
                pub $module: Option<$type>,
            )*
        }

        impl LossesOptions {
            /// Every key, in the order of the registry.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            fn into_losses(self) -> Vec<(&'static str, Box<dyn RowLoss>)> {
                let mut losses: Vec<(&'static str, Box<dyn RowLoss>)> = Vec::new();
                $(if let Some(loss) = self.$module {
                    losses.push(($name, Box::new(loss)));
                })*
                losses
            }
        }
    };
}

registry! {
    "crossEntropy" = cross_entropy::CrossEntropy,
    "kl" = kl::Kl,
    "reverseKl" = reverse_kl::ReverseKl,
    "binaryCrossEntropy" = binary_cross_entropy::BinaryCrossEntropy,
    "binaryKl" = binary_kl::BinaryKl,
    "mse" = mse::Mse,
    "logitMse" = logit_mse::LogitMse,
}

fn default_weight() -> Scheduled {
    Scheduled::Constant(1.0)
}

fn default_temperature() -> Scheduled {
    Scheduled::Constant(1.0)
}
