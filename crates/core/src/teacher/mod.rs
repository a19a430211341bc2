//! Where a learner's teacher signal comes from: one teacher or several, each with its share, and how they are combined.
//!
//! ```text
//! losses          Σ_j a_j L(teacher j)                             a_j shares, Σ_j a_j = 1
//! probabilities   L(ρ),  ρ = Σ_j a_j softmax(v_j / T)              v_j logits of teacher j, [rows, classes]
//! logits          L(v),  v = Σ_j a_j v_j                           a geometric mean of their distributions
//! ```
//!
//! For `kl` the first two have the same gradient and differ by a constant of the student; for every other loss all three
//! differ. To add a kind of teacher: a file with its options and `Teach`, a line in `registry!`. Its key among the options,
//! its TypeScript type and its checks follow from the line. Kinds without options (a model, its cached answers, a peer) are
//! made by a run.

mod cached;
mod check;
mod combine;
mod confidence;
mod model;
mod options;
mod peer;
mod several;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::models::{Model, Network, Request};
use crate::tape::Cancel;
use crate::targets::{self, Form};
use crate::tensor::Tensor;

pub use combine::Combine;
pub use options::read;
pub use several::Teachers;

pub(crate) use confidence::weighted_by;
pub(crate) use peer::Peer;

/// One kind of teacher: a source of signals about the rows of a batch.
pub trait Teach: Copied + Send + Sync {
    /// What it gives of every row to this student; refuses, by path below its own, data that it cannot use. Without a data
    /// set the batches of a stream show later what they hold.
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers>;

    /// Everything that losses compare with, for every row of a batch.
    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Teacher>;

    /// What identifies it in a checkpoint: a run is not resumed with another teacher.
    fn fingerprint(&self) -> Result<Json>;

    /// The frozen model that gives the answers, where there is one: it must fit the data and must not change.
    fn model(&self) -> Option<&Model> {
        None
    }

    /// The network whose layers losses can look at; `student` is the network that it teaches.
    fn network<'a>(&'a self, _student: &'a Network) -> Option<&'a Network> {
        self.model().map(|model| &*model.network)
    }

    /// How often a frozen model is asked about each row.
    fn asked(&self) -> Asked {
        Asked::Never
    }

    /// Whether its answers are stored with the rows of the data: they belong to the inputs as they are, and the proofs can
    /// look at them.
    fn reads_column(&self) -> bool {
        false
    }

    /// Whether it is a learner of the same run.
    fn learns(&self) -> bool {
        false
    }

    /// Takes over the student's parameters as they are before the first step.
    fn begin(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// Follows the student's parameters after each step.
    fn after_step(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// The name of its tensors in a checkpoint, where it has any; at most one of a student's teachers may have the name.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// The tensors that a checkpoint keeps.
    fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        Ok(BTreeMap::new())
    }

    /// Goes on from exported tensors.
    fn import(&mut self, _tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        Ok(())
    }
}

/// What a teacher gives of every row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offers {
    pub classes: usize,
    pub form: Form,
}

/// How often a frozen model is asked about each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Never,
    /// Before the first step; its answers are kept.
    Once,
    EachStep,
}

/// What a batch's teachers are asked for, and by which student.
pub struct Asking<'a> {
    /// What a teacher's forward gives besides its logits.
    pub(crate) request: &'a Request,
    pub(crate) cancel: &'a Cancel,
    pub(crate) seed: u64,
    pub(crate) student: &'a Model,
    /// The signals of the other learners about this batch, by their number.
    pub(crate) peers: &'a [Option<targets::Teacher>],
}

/// A copy of a boxed teacher, for each learner its own.
pub trait Copied {
    fn copied(&self) -> Box<dyn Teach>;
}

impl<T: Teach + Clone + 'static> Copied for T {
    fn copied(&self) -> Box<dyn Teach> {
        Box::new(self.clone())
    }
}

/// A teacher of any kind.
pub struct Teacher(Box<dyn Teach>);

impl Clone for Teacher {
    fn clone(&self) -> Teacher {
        Teacher(self.0.copied())
    }
}

impl Deref for Teacher {
    type Target = dyn Teach;

    fn deref(&self) -> &(dyn Teach + 'static) {
        &*self.0
    }
}

impl DerefMut for Teacher {
    fn deref_mut(&mut self) -> &mut (dyn Teach + 'static) {
        &mut *self.0
    }
}

impl<T: Teach + 'static> From<T> for Teacher {
    fn from(teacher: T) -> Teacher {
        Teacher(Box::new(teacher))
    }
}

/// Declares the module of each kind that has options, its key among them, and the list of all.
macro_rules! registry {
    ($($name:literal = $module:ident::$type:ident),* $(,)?) => {
        $(mod $module;)*
        $(pub use $module::$type;)*

        /// One teacher as it crosses from JavaScript: exactly one of its kinds, and a weight.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct TeacherOptions {
            /// A model, by its number among those that cross with these options.
            #[schemars(skip)]
            pub model: Option<usize>,
            /// How much it counts, in relation to the others.
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

            /// The teachers that these options name; errors have the path of the option.
            fn named(self, models: &[Model]) -> Result<Vec<Teacher>> {
                let model = self.model.map(|number| options::model(models, number));
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
