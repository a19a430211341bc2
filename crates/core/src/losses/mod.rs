//! Losses: what the student minimises.
//!
//! To add one: write a file with formula, source, options and `RowLoss`, a line in `registry!`, and a golden file in
//! `__test__/golden/losses`. The option type, the checks, the golden runs and the test suites follow from the line.
//!
//! A step, in the order of calls:
//!
//! ```text
//! let losses = Losses::new(options)?;                  once; invalid options are errors with their path
//! losses.check(&given)?;                               once; checks what the run has: classes, teacher, labels
//! let denominators = losses.denominators(&batches)?;   each optimizer step, over all its micro-batches
//! let applied = losses.apply(&mut tape, &micro)?;      each micro-batch
//! let gradients = tape.backward(applied.seeds)?;
//! ```
//!
//! `apply.rs` has this sequence, `fits.rs` its checks, `call.rs` one call of `apply`, `sweep/` the row engine,
//! `loss.rs` the traits of a row loss, `reference.rs` and `plain.rs` the helpers of the references, `targets/` the
//! teacher's side of a row.
//!
//! A row loss is `OfLabels` or `OfTeacher`, as its line in the registry states. If its gradient is a sum of softmaxes,
//! logits and single classes, the loss adds coefficients in `RowTerm::row` (crossEntropy, kl). If it is a function of
//! both sides' probabilities, the loss writes slopes there (reverseKl, jsd). Otherwise the loss gets the whole row in
//! `RowTerm::dense` (mse). A loss that compares columns gets all rows first, in `RowTerm::look` (dist).
//!
//! A loss that compares embeddings or hidden layers implements `features::Compare` and is listed under `features` in
//! the registry. Its gradients are added to `Applied::seeds` at the layers that it reads.

#![deny(clippy::too_many_arguments)]

mod apply;
mod call;
mod catalogue;
mod class_weights;
mod confidence;
mod divergence;
pub(crate) mod features;
mod fits;
mod given;
mod likeness;
pub(crate) mod loss;
pub(crate) mod micro;
pub(crate) mod need;
pub(crate) mod plain;
pub(crate) mod presets;
mod ranges;
mod reference;
mod rows;
pub(crate) mod sweep;
mod tempered;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{Applied, Losses};
pub use catalogue::Entry;
pub use class_weights::{LabelWeights, OneOrEach};
pub use features::Layers;
pub use given::Given;
pub use micro::{Micro, Student};
pub use need::Need;

use crate::error::{Error, Result};
use crate::reading;
use features::Feature;
use loss::{AnyRow, Chosen};

/// The source in the header of a file.
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
        rows: { $($name:literal = $module:ident::$type:ident: $kind:ident),* $(,)? }
        features: { $($feature:literal = $feature_module:ident::$feature_type:ident),* $(,)? }
    ) => {
        $(mod $module;)*
        $(pub use $module::$type;)*
        $(mod $feature_module;)*
        $(pub use $feature_module::$feature_type;)*

        /// The source in the header of each loss's file, in the order of the registry.
        const SOURCES: &[&[u8]] = &[$(source!($module),)* $(source!($feature_module)),*];

        /// The losses: one key per loss. The total is the sum of weight × loss.
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
        }

        impl Losses {
            /// Rejects invalid options; paths start at the key of the loss.
            pub fn new(options: LossesOptions) -> Result<Losses> {
                let (mut rows, mut features) = (Vec::new(), Vec::new());
                $(if let Some(loss) = options.$module {
                    rows.push(Chosen::row($name, loss.weight, AnyRow::$kind(Box::new(loss))));
                })*
                $(if let Some(loss) = options.$feature_module {
                    features.push(Feature::new($feature, loss.weight, Box::new(loss)));
                })*
                Losses::of(rows, features, LossesOptions::NAMES)
            }
        }
    };
}

registry! {
    rows: {
        "crossEntropy" = cross_entropy::CrossEntropy: OfLabels,
        "kl" = kl::Kl: OfTeacher,
        "reverseKl" = reverse_kl::ReverseKl: OfTeacher,
        "jsd" = jsd::Jsd: OfTeacher,
        "tvd" = tvd::Tvd: OfTeacher,
        "skewKl" = skew_kl::SkewKl: OfTeacher,
        "skewReverseKl" = skew_reverse_kl::SkewReverseKl: OfTeacher,
        "dkd" = dkd::Dkd: OfTeacher,
        "dist" = dist::Dist: OfTeacher,
        "uld" = uld::Uld: OfTeacher,
        "kdPt" = kd_pt::KdPt: OfTeacher,
        "kdSim" = kd_sim::KdSim: OfTeacher,
        "kdPtSim" = kd_pt_sim::KdPtSim: OfTeacher,
        "kdTopk" = kd_topk::KdTopk: OfTeacher,
        "binaryCrossEntropy" = binary_cross_entropy::BinaryCrossEntropy: OfLabels,
        "binaryKl" = binary_kl::BinaryKl: OfTeacher,
        "mse" = mse::Mse: OfLabels,
        "logitMse" = logit_mse::LogitMse: OfTeacher,
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

impl LossesOptions {
    /// Whether the losses are for multi-label data: each output is the probability of one class.
    pub(crate) fn several_labels(&self) -> bool {
        self.binary_cross_entropy.is_some() || self.binary_kl.is_some()
    }

    /// Whether labels that are rows of numbers are probabilities of the classes.
    pub(crate) fn probabilities(&self) -> bool {
        self.cross_entropy.is_some() && !self.several_labels()
    }

    /// Computes balanced weights from the number of rows of each class.
    pub(crate) fn balance(&mut self, counts: impl FnOnce() -> Vec<u64>) {
        let weights = self.cross_entropy.as_mut().and_then(|loss| loss.label_weights.as_mut());
        if let Some(weights) = weights.filter(|weights| **weights == LabelWeights::Balanced) {
            *weights = LabelWeights::balanced(&counts());
        }
    }
}

/// Every loss, in the order of the registry.
pub fn catalogue() -> Result<Vec<Entry>> {
    let entry = |(name, source): (&&'static str, &&[u8])| {
        // The default options; `k` has no default.
        let read = |own: &&str| reading::parse::<LossesOptions>(&format!("{{\"{name}\":{own}}}")).ok();
        let parsed = ["{}", r#"{"k":1}"#].iter().find_map(read);
        let options = parsed.ok_or_else(|| Error::internal(format!("{name} has options without a default")))?;
        Ok(Entry::of(name, source, &Losses::new(options)?))
    };
    LossesOptions::NAMES.iter().zip(SOURCES).map(entry).collect()
}
