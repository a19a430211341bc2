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
//! let denominators = losses.denominators(&batches)?;   each optimizer step, over all its micro-batches
//! let applied = losses.apply(&mut tape, &micro)?;      each micro-batch
//! let gradients = tape.backward(applied.seeds)?;
//! ```
//!
//! `apply.rs` is that sequence, `call.rs` one call of it, `sweep/` the row engine, `loss.rs` what a loss implements,
//! `reference.rs` what its plain twin shares with others. A loss whose gradient is a sum of softmaxes, logits and
//! single classes gives coefficients in `RowTerm::row` (crossEntropy, kl); one that is a function of both sides' probabilities writes slopes there (reverseKl,
//! jsd); one that is neither sees the whole row in `RowTerm::dense` (mse). One that compares columns sees all rows first,
//! in `RowTerm::look` (dist). What the teacher's side of a row may be is in `targets/`.
//!
//! A loss that compares embeddings or hidden layers is no row loss: it implements `features::Compare`, stands among the
//! `features` of the registry, and its gradients join `Applied::seeds` at the layers that it looked at.

mod apply;
#[doc(hidden)]
pub mod bench;
mod call;
mod catalogue;
mod confidence;
pub(crate) mod features;
mod golden;
mod likeness;
pub(crate) mod loss;
pub(crate) mod micro;
pub(crate) mod presets;
pub(crate) mod reference;
mod skew;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{Applied, Given, Losses};
pub use catalogue::{Entry, catalogue};
pub use features::Layers;
pub use golden::golden;
pub use loss::Need;
pub(crate) use micro::{Micro, Student};

use crate::schedule::Scheduled;
use features::Feature;
use loss::RowLoss;

/// The source that a file names on its top.
macro_rules! source {
    ($module:ident) => {{
        const TEXT: &[u8] = include_bytes!(concat!(stringify!($module), ".rs"));
        const RANGE: (usize, usize) = catalogue::source_range(TEXT);
        const SOURCE: [u8; RANGE.1 - RANGE.0] = catalogue::part(TEXT, RANGE.0);
        &SOURCE
    }};
}

/// Declares each loss's module, its key among the options, and the list of all.
macro_rules! registry {
    (
        rows: { $($name:literal = $module:ident::$type:ident),* $(,)? }
        features: { $($feature:literal = $feature_module:ident::$feature_type:ident),* $(,)? }
    ) => {
        $(mod $module;)*
        $(pub use $module::$type;)*
        $(mod $feature_module;)*
        $(pub use $feature_module::$feature_type;)*

        /// The source that each loss's file names on its top, in the order of the registry.
        const SOURCES: &[&[u8]] = &[$(source!($module),)* $(source!($feature_module)),*];

        /// What the student learns from: one key a loss. The total is the sum of weight × loss.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct LossesOptions {
            $(
                #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")]
                pub $module: Option<$type>,
            )*
            $(
                #[serde(rename = $feature, default, skip_serializing_if = "Option::is_none")]
                pub $feature_module: Option<$feature_type>,
            )*
        }

        impl LossesOptions {
            /// Every key, in the order of the registry.
            pub const NAMES: &'static [&'static str] = &[$($name,)* $($feature),*];

            /// Whether the outputs are probabilities of each class by itself.
            pub(crate) fn several_labels(&self) -> bool {
                self.binary_cross_entropy.is_some() || self.binary_kl.is_some()
            }

            fn into_losses(self) -> (Vec<(&'static str, Box<dyn RowLoss>)>, Vec<Feature>) {
                let mut rows: Vec<(&'static str, Box<dyn RowLoss>)> = Vec::new();
                let mut features = Vec::new();
                $(if let Some(loss) = self.$module {
                    rows.push(($name, Box::new(loss)));
                })*
                $(if let Some(loss) = self.$feature_module {
                    features.push(Feature::new($feature, Box::new(loss)));
                })*
                (rows, features)
            }
        }
    };
}

registry! {
    rows: {
        "crossEntropy" = cross_entropy::CrossEntropy,
        "kl" = kl::Kl,
        "reverseKl" = reverse_kl::ReverseKl,
        "jsd" = jsd::Jsd,
        "tvd" = tvd::Tvd,
        "skewKl" = skew_kl::SkewKl,
        "skewReverseKl" = skew_reverse_kl::SkewReverseKl,
        "dkd" = dkd::Dkd,
        "dist" = dist::Dist,
        "uld" = uld::Uld,
        "kdPt" = kd_pt::KdPt,
        "kdSim" = kd_sim::KdSim,
        "kdPtSim" = kd_pt_sim::KdPtSim,
        "kdTopk" = kd_topk::KdTopk,
        "binaryCrossEntropy" = binary_cross_entropy::BinaryCrossEntropy,
        "binaryKl" = binary_kl::BinaryKl,
        "mse" = mse::Mse,
        "logitMse" = logit_mse::LogitMse,
    }
    features: {
        "hint" = hint::Hint,
        "triplet" = triplet::Triplet,
        "tripletBatch" = triplet_batch::TripletBatch,
        "cosine" = cosine::Cosine,
        "patient" = patient::Patient,
        "attentionTransfer" = attention_transfer::AttentionTransfer,
        "nst" = nst::Nst,
        "similarity" = similarity::Similarity,
        "rkdDistance" = rkd_distance::RkdDistance,
        "rkdAngle" = rkd_angle::RkdAngle,
        "pkt" = pkt::Pkt,
    }
}

fn default_weight() -> Scheduled {
    Scheduled::Constant(1.0)
}

fn default_temperature() -> Scheduled {
    Scheduled::Constant(1.0)
}
