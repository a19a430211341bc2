//! Mean squared error between normalised hidden states, layer by layer.
//!
//! ```text
//! ℓ_r = mean over layers, tokens and width of (â − b̂)²,   ∂ℓ_r/∂a = (g − â (â·g)) / ‖a‖,   g = 2 (â − b̂) / (layers · tokens · d)
//! ```
//!
//! a are the student's hidden states, b the teacher's, `[rows, d]` or `[rows, length, d]` per layer; â and b̂ have
//! norm 1, or are a and b without `normalize`. The last layer is left out, because it feeds the loss on the outputs.
//! Source: Sun, Cheng, Gan, Liu, "Patient Knowledge Distillation for BERT Model Compression", EMNLP 2019,
//! arXiv:1908.09355, and its code (which takes the mean where the paper has a sum; the paper's weights are tuned for
//! the mean). Where we differ: all tokens are compared by default (`token`); a feature map is one vector, or with a
//! projection one vector per place; a vector shorter than 1e-12 becomes 0 and has gradient 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Array, Compare, Compared, Comparison, Float, Layers, Units, of_options, width_of};
use crate::error::Result;
use crate::schedule::Scheduled;

/// Mean squared error between hidden states that are scaled to norm 1, layer by layer (patient distillation).
///
/// Choose it when student and teacher are stacks of the same kind of layer and the teacher has more layers.
///
/// ```js
/// distill({ teacher, student, data, losses: { patient: { projection: true }, kl: {} } })
/// ```
///
/// See also: `hint`, `cosine`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patient {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared; the loss is the mean over them. `'skip'` compares the student's layers with evenly
    /// spaced layers of the teacher, `'last'` with the layers directly before the teacher's last. Default `'skip'`.
    #[serde(default = "Layers::skip")]
    pub layers: Layers,
    /// Whether states are divided by their Euclidean norm. Default true.
    #[serde(default = "yes")]
    pub normalize: bool,
    /// Which tokens of a sequence are compared. Default 'all'.
    #[serde(default)]
    pub token: Token,
    /// Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Token {
    /// Each token is compared with the teacher's at the same position.
    #[default]
    All,
    /// The first token, `[CLS]` in the paper.
    First,
    /// The mean of all tokens.
    Mean,
}

fn yes() -> bool {
    true
}

impl Token {
    /// The states of each row that are compared.
    fn states<F: Float>(self, layer: &Array<F>) -> Vec<F> {
        let (width, all) = (width_of(layer), layer.width());
        let mean = |row: &[F]| {
            let mut sums = vec![0.0; width];
            row.chunks(width).for_each(|state| sums.iter_mut().zip(state).for_each(|(sum, x)| *sum += (*x).into()));
            sums.into_iter().map(|sum| F::of(sum * width as f64 / all as f64)).collect::<Vec<F>>()
        };
        match self {
            Token::All => layer.values.to_vec(),
            Token::First => layer.values.chunks(all).flat_map(|row| row[..width].to_vec()).collect(),
            Token::Mean => layer.values.chunks(all).flat_map(mean).collect(),
        }
    }

    /// The gradient at the layer, from the gradient at the states.
    fn back<F: Float>(self, gradient: Vec<F>, layer: &Array<F>) -> Vec<F> {
        let (width, all) = (width_of(layer), layer.width());
        let count = all / width;
        let spread = |of_row: &[F]| match self {
            Token::First => [of_row, &vec![F::of(0.0); all - width]].concat(),
            _ => of_row.iter().map(|g| F::of(Into::<f64>::into(*g) / count as f64)).collect::<Vec<F>>().repeat(count),
        };
        match self {
            Token::All => gradient,
            _ => gradient.chunks(width).flat_map(spread).collect(),
        }
    }
}

impl Compare for Patient {
    of_options! { projection }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let width = width_of(&place.student);
            let (own, other) = (self.token.states(&place.student), self.token.states(&place.teacher));
            let of_row = own.len() / compared.rows();
            let share = 1.0 / (compared.places.len() * of_row) as f64;
            let mut differ = |own: &[F], other: &[F]| {
                let each = own.iter().zip(other).enumerate().map(|(at, (a, b))| {
                    let (row, d) = (at / of_row, Into::<f64>::into(*a) - Into::<f64>::into(*b));
                    values[row] += share * d * d;
                    F::of(2.0 * share * compared.scales[row] * d)
                });
                each.collect::<Vec<F>>()
            };
            let gradient = match self.normalize {
                true => {
                    let (own, other) = (Units::of(&own, width), Units::of(&other, width));
                    own.back(differ(&own.values, &other.values))
                }
                false => differ(&own, &other),
            };
            self.token.back(gradient, &place.student)
        })
    }
}
