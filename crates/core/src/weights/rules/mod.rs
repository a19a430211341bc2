//! How one student parameter is generated: one file per rule.
//!
//! To add one: write `rules/<name>.rs` and add its line to the registry below.

mod copy;
mod fresh;
mod full;
mod project;
mod rule;
mod scale_shift;
mod truncate;
mod vector;

pub use copy::Copy;
pub use fresh::Fresh;
pub use full::{Full, Side};
pub use project::Project;
use rule::Rule;
pub(crate) use rule::{Making, SCALE, SHIFT, Target, W_IN, W_LAYER, W_OUT, W_REDUCE};
pub use scale_shift::ScaleShift;
pub use truncate::Truncate;
pub use vector::Vector;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($(#[$meta:meta])* $key:ident: $rule:ident,)*) => {
        /// How a parameter of the student is generated: an object with one key.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum RuleOptions {
            $($(#[$meta])* $rule($rule),)*
        }

        impl RuleOptions {
            pub(crate) fn rule(&self) -> &dyn Rule {
                match self { $(RuleOptions::$rule(rule) => rule,)* }
            }

            /// The rule's key in the options.
            pub fn key(&self) -> &'static str {
                match self { $(RuleOptions::$rule(_) => stringify!($key),)* }
            }
        }
    };
}

rules! {
    full: Full,
    vector: Vector,
    scaleShift: ScaleShift,
    project: Project,
    copy: Copy,
    truncate: Truncate,
    fresh: Fresh,
}
