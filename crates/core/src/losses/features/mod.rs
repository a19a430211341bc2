//! Losses that compare tensors of the student (outputs, embeddings, hidden layers) with the teacher's.
//!
//! ```text
//! value = Σ_r w_r ℓ_r / Σ_r w_r        ℓ_r what row r adds, w_r its weight; rows of weight 0 take no part at all
//! ```
//!
//! `loss.rs` has the trait that such a loss implements, `layers.rs` the choice of layers, `projection.rs` the map
//! between unequal widths, `array.rs` the numbers that a loss gets, `vectors.rs` and `margin.rs` shared computations.
//! `feature.rs` is a loss of a run, `call.rs` one call of it. The gradient is computed in the forward pass, by the
//! formula in the loss's own file, and enters the backward pass at the layer that was compared.

mod array;
mod call;
mod feature;
mod layers;
mod loss;
mod margin;
mod projection;
mod vectors;

pub use layers::Layers;

pub(crate) use array::{Apart, Array, Float};
pub(crate) use feature::{Feature, names};
pub(crate) use layers::{LayerPair, feature_maps, same_shape};
pub(crate) use loss::{Compare, Compared, Comparison, of_options};
pub(crate) use margin::{EPSILON, distance, five, pull};
pub(crate) use vectors::{NARROW, ROWS, SHORTEST, Units, dot, gram_back, smooth_l1, width_of};
