//! The options that losses between softened distributions share.

/// Declares the options of a loss: weight, the loss's own options, temperature. This is a macro because serde's
/// `flatten` cannot reject unknown keys.
macro_rules! tempered {
    ($(#[$about:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Weight of this loss in the total; must be ≥ 0. Default 1.
            #[serde(default = "Scheduled::one")]
            pub weight: Scheduled,
            $($own)*
            /// Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
            #[serde(default = "Scheduled::one")]
            pub temperature: Scheduled,
        }
    };
}
pub(super) use tempered;
