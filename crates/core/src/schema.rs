//! JSON schemas of all options. TypeScript types, the command line and the reference pages are generated from them.

use schemars::schema_for;
use serde_json::{Value as Json, json};

use crate::analysis::{Analysis, Diagnostics};
use crate::dataset::Normalization;
use crate::metrics::Metrics;
use crate::models::ModelOptions;
use crate::options::TrainOptions;
use crate::pretrained::PretrainedOptions;
use crate::proofs::ProofName;
use crate::run::MutualOptions;
use crate::text::TokenizerOptions;
use crate::weights::GeneratorOptions;

use crate::teacher::TeacherOptions;

pub fn all() -> Json {
    json!({
        "TrainOptions": schema_for!(TrainOptions),
        "ModelOptions": schema_for!(ModelOptions),
        "Normalization": schema_for!(Normalization),
        "Metrics": schema_for!(Metrics),
        "GeneratorOptions": schema_for!(GeneratorOptions),
        "MutualOptions": schema_for!(MutualOptions),
        "PretrainedOptions": schema_for!(PretrainedOptions),
        "TokenizerOptions": schema_for!(TokenizerOptions),
        "TeacherKinds": schema_for!(TeacherOptions),
        "ProofName": schema_for!(ProofName),
        "Diagnostics": schema_for!(Diagnostics),
        "Analysis": schema_for!(Analysis),
    })
}
