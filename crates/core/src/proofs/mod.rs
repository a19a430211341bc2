//! The proofs: checks in every run for mistakes that would make its result meaningless.
//!
//! To add one: write `proofs/<name>.rs` with its name, meaning, example and check; add its line to the registry below;
//! add a run with such a finding to `__test__/proofs.spec.ts`. The TypeScript type of its name, `limbeck proofs` and
//! docs/proofs.md follow from the line.
//!
//! A proof is a function from the evidence at one moment of a run (`evidence.rs`) to findings; it changes nothing:
//!
//! ```text
//! student         before the first step, each student: its losses, its rate, its rows
//! teacher         as soon as there are rows: each frozen teacher, and its outputs for them (`teacher_rows.rs`)
//! first_step      each student after its first step
//! first_updates   each student after 50 updates or the first epoch: gradients and changes of each tensor (`watch.rs`)
//! end             each student, with the parameters that the run keeps
//! ```

mod agreement;
mod evidence;
mod finding;
mod proof;
mod sample;
mod teacher_rows;
#[cfg(test)]
mod tests;
mod watch;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

pub use finding::{Finding, Proofs};

pub(crate) use checkpoint_whole::CheckpointWhole;
pub(crate) use evidence::{Ended, FirstStep, FirstUpdates, Rows, Student, Teaching, Term};
pub(crate) use finding::Findings;
pub(crate) use proof::Proof;
pub(crate) use reload::reloads;
pub(crate) use sample::{InputStatistics, ROWS, is_copy, some_rows};
pub(crate) use stream_lasts::StreamLasts;
pub(crate) use teacher_frozen::TeacherFrozen;
pub(crate) use teacher_rows::TeacherRows;
pub(crate) use warm_up_ends::WarmUpEnds;
pub(crate) use watch::Watch;

use crate::error::Result;

macro_rules! registry {
    ($($module:ident::$type:ident),* $(,)?) => {
        $(mod $module;)*

        pub(crate) fn student(student: &Student, findings: &mut Findings) -> Result<()> {
            findings.below(student.place, |findings| {
                $($module::$type::student(student, findings)?;)*
                Ok(())
            })
        }

        pub(crate) fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
            $($module::$type::teacher(teacher, findings)?;)*
            Ok(())
        }

        pub(crate) fn first_step(step: &FirstStep, findings: &mut Findings) -> Result<()> {
            findings.below(step.place, |findings| {
                $($module::$type::first_step(step, findings)?;)*
                Ok(())
            })
        }

        pub(crate) fn first_updates(first: &FirstUpdates, findings: &mut Findings) -> Result<()> {
            findings.below(first.place, |findings| {
                $($module::$type::first_updates(first, findings)?;)*
                Ok(())
            })
        }

        pub(crate) fn end(ended: &Ended, findings: &mut Findings) -> Result<()> {
            findings.below(ended.place, |findings| {
                $($module::$type::end(ended, findings)?;)*
                Ok(())
            })
        }

        /// Name, meaning and example of every proof.
        const ALL: &[(&str, &str, &str)] = &[$(($module::$type::NAME, $module::$type::MEANING, $module::$type::EXAMPLE)),*];
    };
}

registry! {
    term_has_weight::TermHasWeight,
    rows_are_used::RowsAreUsed,
    labels_vary::LabelsVary,
    classes_from_zero::ClassesFromZero,
    learners_differ::LearnersDiffer,
    teacher_is_another::TeacherIsAnother,
    teacher_inputs::TeacherInputs,
    teacher_gives_logits::TeacherGivesLogits,
    teacher_class_order::TeacherClassOrder,
    teacher_beats_chance::TeacherBeatsChance,
    first_loss::FirstLoss,
    term_has_gradient::TermHasGradient,
    gradient_reaches::GradientReaches,
    parameters_change::ParametersChange,
    loss_falls::LossFalls,
    classes_are_predicted::ClassesArePredicted,
    control_has_labels::ControlHasLabels,
    warm_up_ends::WarmUpEnds,
    stream_lasts::StreamLasts,
    teacher_frozen::TeacherFrozen,
    reload::Reload,
    checkpoint_whole::CheckpointWhole,
}

/// The names of all proofs, each with its meaning and an example.
pub struct ProofName;

impl JsonSchema for ProofName {
    fn schema_name() -> Cow<'static, str> {
        "ProofName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |(name, meaning, example): &(&str, &str, &str)| json!({ "type": "string", "const": name, "description": meaning, "examples": [example] });
        let all: Vec<_> = ALL.iter().map(one).collect();
        schemars::json_schema!({ "description": "The name of a proof.", "oneOf": all })
    }
}
