//! Diagnostics measure what a teacher passes on to its student. There is one file per diagnostic.
//!
//! Each diagnostic is a function of (teacher, student, data) that modifies none of them and returns plain numbers and
//! rows. To add one: write `analysis/<name>.rs` with formula, source, options and `Diagnostic`, and add its line to the
//! registry below; the TypeScript types and the command line are generated from it. Values that are also a metric are
//! defined with the metric (`metrics/reweighting.rs`, `metrics/equivalent_smoothing.rs`).

mod calibration;
mod class_correlation;
mod diagnostic;
mod entropy;
mod equivalent_smoothing;
mod gain;
mod geometry;
mod mutual_information;
mod projection;
mod reweighting;
mod seen;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::models::Model;
use crate::signature::Signature;
use crate::tape::Cancel;
use diagnostic::Diagnostic;
use seen::Seen;
pub use seen::{Given, Sides};

macro_rules! registry {
    ($($(#[$meta:meta])* $key:literal: $module:ident::$options:ident => $report:ty,)*) => {
        /// Which diagnostics, each with its options.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Diagnostics {
            $($(#[$meta])* #[serde(rename = $key, skip_serializing_if = "Option::is_none")] pub $module: Option<$module::$options>,)*
        }

        /// The result of each diagnostic, under its name.
        #[derive(Clone, Debug, Default, Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct Analysis {
            /// Number of rows that were analysed; rows of weight 0 are left out.
            pub rows: usize,
            $($(#[$meta])* #[serde(rename = $key, skip_serializing_if = "Option::is_none")] pub $module: Option<$report>,)*
            /// If no diagnostics were chosen: those that the models and data do not allow, each with the reason.
            pub left_out: BTreeMap<String, String>,
        }

        /// The name of every diagnostic.
        pub const NAMES: &[&str] = &[$($key,)*];

        impl Diagnostics {
            fn all() -> Diagnostics {
                Diagnostics { $($module: Some(Default::default()),)* }
            }

            fn validate(&self) -> Result<()> {
                let mut chosen = 0;
                $(if let Some(options) = &self.$module {
                    chosen += 1;
                    options.validate().map_err(|error| error.at($key))?;
                })*
                match chosen {
                    0 => Err(Error::config("", format!("expected at least one of {}, got none", NAMES.join(", ")))),
                    _ => Ok(()),
                }
            }

            fn run(&self, seen: &Seen<'_>, all: bool) -> Result<Analysis> {
                let mut analysis = Analysis { rows: seen.rows(), ..Analysis::default() };
                $(if let Some(options) = &self.$module {
                    seen.go_on()?;
                    match options.report(seen) {
                        Ok(report) => analysis.$module = Some(report),
                        Err(error) if all && lacking(&error) => {
                            analysis.left_out.insert($key.into(), error.to_string());
                        }
                        Err(error) => return Err(error.at($key)),
                    }
                })*
                Ok(analysis)
            }
        }
    };
}

registry! {
    /// How strongly the teacher re-weights each row (w_t).
    "reweighting": reweighting::Reweighting => reweighting::ReweightingReport,
    /// The amount of label smoothing that a model's outputs are equivalent to (γ).
    "equivalentSmoothing": equivalent_smoothing::EquivalentSmoothing => Sides<equivalent_smoothing::EquivalentSmoothingReport>,
    /// How uncertain a model's outputs are.
    "entropy": entropy::Entropy => Sides<entropy::EntropyReport>,
    /// Which classes a model considers similar.
    "classCorrelation": class_correlation::ClassCorrelation => Sides<class_correlation::ClassCorrelationReport>,
    /// Penultimate activations, projected onto the plane of three class templates.
    "projection": projection::Projection => Sides<projection::ProjectionReport>,
    /// Whether the distances to the class templates are in the teacher's order of the wrong classes.
    "geometry": geometry::Geometry => geometry::GeometryReport,
    /// Confidence against accuracy, before and after temperature scaling.
    "calibration": calibration::Calibration => Sides<calibration::CalibrationReport>,
    /// The accuracy of the distilled student compared with the control, in total and per class.
    "gain": gain::Gain => gain::GainReport,
    /// How much information a difference of two logits carries about the row, under random changes of the row.
    "mutualInformation": mutual_information::MutualInformation => Sides<mutual_information::MutualInformationReport>,
}

/// Whether an error means that the models or data do not allow a diagnostic, as opposed to a failure.
fn lacking(error: &Error) -> bool {
    matches!(error.code, Code::InvalidConfig | Code::InvalidData | Code::ShapeMismatch)
}

/// Runs the chosen diagnostics, or all that these models and data support.
pub fn analyse(given: &Given<'_>, chosen: Option<&Diagnostics>) -> Result<Analysis> {
    analyse_until(given, chosen, &Cancel::default())
}

/// Like `analyse`; once the flag `cancel` is set, it ends with `Code::Cancelled` between two batches.
pub fn analyse_until(given: &Given<'_>, chosen: Option<&Diagnostics>, cancel: &Cancel) -> Result<Analysis> {
    let all = Diagnostics::all();
    let diagnostics = chosen.unwrap_or(&all);
    diagnostics.validate().map_err(|error| error.at("diagnostics"))?;
    // All models must have the same classes; columns and classes of the data are brought to the models' order.
    let mut known = Signature::default();
    for (name, model) in [("student", given.student), ("teacher", given.teacher), ("control", given.control)] {
        let Some(own) = model.map(Model::signature) else { continue };
        known.expect_alike(&own, name, "the models before it")?;
        known = known.or(&own);
    }
    let data = given.data.seen_by(&known, "data")?;
    let validation = given.validation.map(|rows| rows.seen_by(&known, "validation")).transpose()?;
    let seen = Seen::new(&Given { data: &data, validation: validation.as_ref(), ..*given }, cancel.clone())?;
    diagnostics
        .run(&seen, chosen.is_none())
        .map_err(|error| if lacking(&error) { error.at("diagnostics") } else { error })
}
