//! Mean squared error between attention maps.
//!
//! ```text
//! A(F) = m / ‖m‖,   m = mean over the channels of F²;        ℓ_r = mean over the places of (A(F_s) − A(F_t))²
//! ∂ℓ_r/∂F_s = 2 F_s ∂m / C,   ∂m = (g − A (A·g)) / ‖m‖,   g = 2 (A(F_s) − A(F_t)) / places
//! ```
//!
//! F_s and F_t are feature maps `[rows, C, height, width]`; C may differ. If heights or widths differ, the larger map
//! is pooled first: place i of n is the mean of the places ⌊iN/n⌋ … ⌈(i+1)N/n⌉ − 1 of N. Source: Zagoruyko, Komodakis,
//! "Paying More Attention to Attention", 2017, arXiv:1612.03928. Where we differ: nowhere; the losses of several stages
//! are added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Array, Compare, Compared, Comparison, Float, Layers, Units, feature_maps, of_options};
use crate::error::Result;
use crate::schedule::Scheduled;

/// Mean squared error between attention maps (attention transfer). An attention map is the square of a feature map,
/// averaged over the channels.
///
/// Choose it for convolutional networks that differ in their number of channels.
///
/// ```js
/// distill({ teacher: convTeacher, student: convStudent, data: images, losses: { attentionTransfer: {}, kl: {} } })
/// ```
///
/// See also: `nst`, `hint`, `similarity`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttentionTransfer {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which feature maps are compared: layers whose output is `[channels, height, width]`. The losses of several
    /// layers are added. Default `'skip'`.
    #[serde(default = "Layers::skip")]
    pub layers: Layers,
}

impl Compare for AttentionTransfer {
    of_options! {}

    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()> {
        feature_maps(student, teacher)
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let size = |at: usize| place.student.dims[at].min(place.teacher.dims[at]);
            let (down, across) = (size(2), size(3));
            let (own, other) = (Pooled::of(&place.student, down, across), Pooled::of(&place.teacher, down, across));
            let places = down * across;
            let (own_map, other_map) = (Units::of(&own.attention(), places), Units::of(&other.attention(), places));
            let mut gradient = crate::blocks::empty(own_map.values.len());
            for (at, (a, b)) in own_map.values.iter().zip(&other_map.values).enumerate() {
                let (row, d) = (at / places, Into::<f64>::into(*a) - Into::<f64>::into(*b));
                values[row] += d * d / places as f64;
                gradient.push(F::of(2.0 * compared.scales[row] * d / places as f64));
            }
            own.back(&own_map.back(gradient))
        })
    }
}

/// Maps `[rows, channels, height, width]`, pooled to `down` × `across` places by averages over windows.
struct Pooled<F> {
    values: Vec<F>,
    channels: usize,
    from: (usize, usize),
    to: (usize, usize),
}

/// The places, of `from`, that window number `at` of `to` covers.
fn window(at: usize, from: usize, to: usize) -> std::ops::Range<usize> {
    at * from / to..((at + 1) * from).div_ceil(to)
}

impl<F: Float> Pooled<F> {
    fn of(maps: &Array<F>, down: usize, across: usize) -> Pooled<F> {
        let (channels, from, to) = (maps.dims[1], (maps.dims[2], maps.dims[3]), (down, across));
        let mut pooled = Pooled { values: Vec::new(), channels, from, to };
        pooled.values = match from == to {
            true => maps.values.to_vec(),
            false => maps.values.chunks(from.0 * from.1).flat_map(|map| pooled.pool(map)).collect(),
        };
        pooled
    }

    /// For each window of a map, the indices of its numbers.
    fn windows(&self) -> impl Iterator<Item = Vec<usize>> {
        let (from, to) = (self.from, self.to);
        (0..to.0 * to.1).map(move |at| {
            let (rows, columns) = (window(at / to.1, from.0, to.0), window(at % to.1, from.1, to.1));
            rows.flat_map(|row| columns.clone().map(move |column| row * from.1 + column)).collect()
        })
    }

    fn pool(&self, map: &[F]) -> Vec<F> {
        let mean =
            |window: Vec<usize>| window.iter().map(|at| Into::<f64>::into(map[*at])).sum::<f64>() / window.len() as f64;
        self.windows().map(|window| F::of(mean(window))).collect()
    }

    /// `[rows, places]`.
    fn attention(&self) -> Vec<F> {
        let places = self.to.0 * self.to.1;
        let of_row = |row: &[F]| {
            let mut sums = vec![0.0; places];
            for map in row.chunks(places) {
                sums.iter_mut().zip(map).for_each(|(sum, x)| *sum += Into::<f64>::into(*x).powi(2));
            }
            sums.into_iter().map(|sum| F::of(sum / self.channels as f64)).collect::<Vec<F>>()
        };
        self.values.chunks(self.channels * places).flat_map(of_row).collect()
    }

    /// The gradient at the maps, from the gradient at the attention.
    fn back(&self, gradient: &[F]) -> Vec<F> {
        let places = self.to.0 * self.to.1;
        let factor = F::of(2.0 / self.channels as f64);
        let at_pooled = self.values.chunks(places).enumerate().map(|(map, values)| {
            let row = map / self.channels;
            let gradient = &gradient[row * places..(row + 1) * places];
            values.iter().zip(gradient).map(|(x, g)| *x * *g * factor).collect::<Vec<F>>()
        });
        if self.from == self.to {
            return at_pooled.flatten().collect();
        }
        let windows: Vec<Vec<usize>> = self.windows().collect();
        let spread = |of_map: Vec<F>| {
            let mut whole = vec![F::of(0.0); self.from.0 * self.from.1];
            for (window, g) in windows.iter().zip(of_map) {
                let share = g * F::of(1.0 / window.len() as f64);
                window.iter().for_each(|at| whole[*at] += share);
            }
            whole
        };
        at_pooled.flat_map(spread).collect()
    }
}
