//! The sources of a learner's teacher signal: one teacher or several, each with a share, and how they are combined.
//!
//! ```text
//! losses          Σ_j a_j L(teacher j)                             a_j shares, Σ_j a_j = 1
//! probabilities   L(ρ),  ρ = Σ_j a_j softmax(v_j / T)              v_j logits of teacher j, [rows, classes]
//! logits          L(v),  v = Σ_j a_j v_j                           a geometric mean of their distributions
//! ```
//!
//! For `kl` the first two have the same gradient, and their values differ by a number that does not depend on the
//! student; for every other loss all three differ. To add a kind of teacher: write a file with its options and `Teach`,
//! and a line in `registry!`. Its key among the options, its TypeScript type and its checks follow from the line. Kinds
//! without options (a model, its cached outputs, a peer) are created by a run.

mod cached;
mod check;
mod combine;
mod confidence;
mod model;
mod peer;
mod several;
mod teach;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::models::Model;
use crate::reading::parse;
use several::path;

pub use several::{Combine, Teachers};
pub use teach::{Asked, Asking, Offers, Teach, Teacher};

pub(crate) use confidence::weighted_by;
pub(crate) use peer::Peer;

/// Declares the module of each kind that has options, its key among them, and the list of all.
macro_rules! registry {
    ($($name:literal = $module:ident::$type:ident),* $(,)?) => {
        $(mod $module;)*
        $(pub use $module::$type;)*

        /// One teacher as JavaScript passes it: exactly one kind of teacher, and a weight.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct TeacherOptions {
            /// The index of a model among the models that are passed with these options.
            #[schemars(skip)]
            pub model: Option<usize>,
            /// Weight of this teacher relative to the others. Default 1.
            #[schemars(skip)]
            pub weight: Option<f64>,
            $(
                #[serde(rename = $name, default)]
                pub $module: Option<$type>,
            )*
        }

        impl TeacherOptions {
            /// Every kind, in the order of the registry.
            pub const KINDS: &'static [&'static str] = &["model", $($name),*];

            /// The teachers of these options; paths of errors start at the option.
            fn named(self, models: &[Model]) -> Result<Vec<Teacher>> {
                let model = self.model.map(|number| model_of(models, number));
                let mut teachers: Vec<Teacher> = model.transpose()?.into_iter().collect();
                $(if let Some(options) = self.$module {
                    teachers.push(options.teacher().map_err(|error| error.at($name))?);
                })*
                Ok(teachers)
            }
        }
    };
}

registry! {
    "column" = column::Column,
    "average" = own_average::OwnAverage,
    "labelSmoothing" = smoothed_labels::SmoothedLabels,
}

/// Reads a list of teachers; errors have the path of the option.
pub fn read(json: &str) -> Result<Vec<TeacherOptions>> {
    let all: Vec<Json> = parse(json)?;
    let one = |(at, one): (usize, &Json)| parse(&one.to_string()).map_err(|error| error.at(&path(all.len(), at)));
    all.iter().enumerate().map(one).collect()
}

impl Teachers {
    /// Creates the teachers, with their models.
    pub fn from_options(options: &[TeacherOptions], models: &[Model]) -> Result<Teachers> {
        let mut members = Vec::new();
        for (at, one) in options.iter().enumerate() {
            let path = path(options.len(), at);
            let mut teachers = one.clone().named(models).map_err(|error| error.at(&path))?;
            let (Some(teacher), true) = (teachers.pop(), teachers.is_empty()) else {
                let kinds = TeacherOptions::KINDS.join(", ");
                return Err(Error::config(path, format!("expected exactly one of {kinds}")));
            };
            members.push((teacher, one.weight.unwrap_or(1.0)));
        }
        Teachers::new(members)
    }
}

fn model_of(models: &[Model], number: usize) -> Result<Teacher> {
    let model = models.get(number).ok_or_else(|| Error::internal("a teacher without its model"))?;
    Ok(model.clone().into())
}
