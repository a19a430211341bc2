//! Triplet loss whose negatives are the other rows of the batch.
//!
//! ```text
//! hardest:  ℓ_r = max(0, D(t_r, s_r) − min_j D(t_r, s_j) + m)
//! all:      ℓ_r = mean over j of max(0, D(t_r, s_r) − D(t_r, s_j) + m)        j: the rows whose label differs from r's
//! D(x, y) = ‖x − y + 1e-6‖₂;   a row without any such j has ℓ_r = 0
//! ```
//!
//! t and s are the teacher's and the student's outputs `[rows, d]`, m is the margin. If several rows are equally near,
//! the first is used. The student needs no second forward pass. Source: the loss of `triplet`; negatives within the
//! batch as in Schroff, Kalenichenko, Philbin, "FaceNet", 2015, arXiv:1503.03832, and Hermans, Beyer, Leibe, 2017,
//! arXiv:1703.07737.
//!
//! The loss couples the rows of a batch: accumulated small batches do not equal a large one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{
    Apart, Compare, Compared, Comparison, EPSILON, Float, Layers, NARROW, ROWS, distance, five, of_options,
};
use super::need::{Need, Needs};
use super::ranges;
use crate::error::Result;
use crate::kernels::cpu::hinges::{self, Told};
use crate::kernels::cpu::nearest::Search;
use crate::pool;
use crate::schedule::Scheduled;

/// Triplet loss within the batch: the teacher's output is the anchor, the student's output for the same sample is the
/// positive, and its outputs for samples of other classes are the negatives.
///
/// Choose it instead of `triplet` for streams, or to avoid the student's second forward pass.
///
/// ```js
/// distill({ teacher, student, data, losses: { tripletBatch: { negatives: 'all' }, crossEntropy: {} } })
/// ```
///
/// See also: `triplet`, `rkdDistance`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TripletBatch {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// How much farther from the anchor the negatives must be than the positive; must be ≥ 0. Default 5.
    #[serde(default = "five")]
    pub margin: f64,
    /// Which rows of other classes are negatives. Default: 'hardest', only the nearest one.
    #[serde(default)]
    pub negatives: Negatives,
    /// Which layers are compared. Default: the logits.
    #[serde(default = "Layers::logits")]
    pub layers: Layers,
    /// Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Negatives {
    /// Only the nearest row.
    #[default]
    Hardest,
    /// All rows; their hinge losses are averaged.
    All,
}

impl Compare for TripletBatch {
    of_options! { projection }

    fn validate(&self) -> Result<()> {
        ranges::not_negative("margin", self.margin)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::Labels])
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let rows = compared.rows();
        let (mut values, mut open, mut alone) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let mut student = Vec::new();
        for place in &compared.places {
            let (anchors, others) = (place.teacher.values.as_ref(), place.student.values.as_ref());
            let labels = compared.labels.as_slice();
            let width = place.student.width();
            let apart = Apart { anchors, others, labels, width, shift: EPSILON, distance: &distance };
            // Pulls in narrow layers may almost cancel each other, so they are computed in f64.
            let (made, told) = match width < NARROW {
                true => {
                    let (anchors, others) = (&*place.teacher.to_f64().values, &*place.student.to_f64().values);
                    let near = self.nearest(&apart);
                    let apart = Apart { anchors, others, labels, width, shift: EPSILON, distance: &distance };
                    let (made, told) = self.one(&apart, near.as_deref(), &compared.scales);
                    (made.into_iter().map(F::of).collect(), told)
                }
                false => self.one(&apart, self.nearest(&apart).as_deref(), &compared.scales),
            };
            for (row, told) in told.into_iter().enumerate() {
                values[row] += told.value;
                open[row] += told.open / compared.places.len() as f64;
                alone[row] = f64::from(u8::from(told.alone));
            }
            student.push(made);
        }
        let details = vec![("openHinges", open), ("rowsWithoutNegative", alone)];
        Ok(Comparison { values, student, pair: Vec::new(), details })
    }
}

impl TripletBatch {
    /// The nearest rows, if only these are negatives.
    fn nearest<F: Float>(&self, apart: &Apart<F>) -> Option<Vec<Option<usize>>> {
        (self.negatives == Negatives::Hardest).then(|| F::nearest(apart))
    }

    /// The gradient at the student's layer, and the result for each anchor.
    fn one<F: Float>(
        &self,
        apart: &Apart<F>,
        nearest: Option<&[Option<usize>]>,
        weights: &[f64],
    ) -> (Vec<F>, Vec<Told>) {
        match (nearest, F::single(apart.anchors), F::single(apart.others)) {
            (Some(nearest), ..) => hardest(apart, nearest, weights, self.margin),
            (None, Some(anchors), Some(others)) => {
                let &Apart { labels, width, shift, .. } = apart;
                let (made, told) = hinges::all(&Search { anchors, others, labels, width, shift }, weights, self.margin);
                (F::of_single(made), told)
            }
            _ => all(apart, weights, self.margin),
        }
    }
}

/// The result for one anchor, and the strengths with which it pulls its own row and its nearest row.
#[derive(Clone, Default)]
struct Pulls {
    told: Told,
    own: f64,
    nearest: f64,
}

/// Compares with the nearest row. First each anchor is compared with its two rows; then each row is pulled by its own
/// anchor and by the anchors whose nearest row it is, in their order.
fn hardest<F: Float>(apart: &Apart<F>, nearest: &[Option<usize>], weights: &[f64], margin: f64) -> (Vec<F>, Vec<Told>) {
    let (rows, width) = (weights.len(), apart.width);
    let mut each = vec![Pulls::default(); rows];
    pool::pieces(&mut each, ROWS, |piece, each| {
        for (at, pulls) in each.iter_mut().enumerate() {
            let row = piece * ROWS + at;
            let Some(j) = nearest[row] else {
                pulls.told.alone = true;
                continue;
            };
            let (near, far) = (apart.quick(row, row), apart.quick(row, j));
            let hinge = near - far + margin;
            // NaN stays NaN.
            if hinge <= 0.0 {
                continue;
            }
            let told = Told { value: hinge, open: 1.0, alone: false };
            *pulls = Pulls { told, own: -weights[row] / near, nearest: weights[row] / far };
        }
    });
    // The first anchor of each row, and the next one of each anchor.
    let (mut first, mut next) = (vec![rows; rows], vec![rows; rows]);
    for (anchor, j) in nearest.iter().enumerate().rev() {
        if let Some(j) = j {
            next[anchor] = std::mem::replace(&mut first[*j], anchor);
        }
    }
    let mut gradient = crate::blocks::filled(apart.others.len(), F::of(0.0));
    pool::pieces(&mut gradient, ROWS * width, |piece, gradient| {
        for (at, gradient) in gradient.chunks_mut(width).enumerate() {
            let row = piece * ROWS + at;
            let mut pull = |anchor: usize, scale: f64| {
                F::pull(apart.anchor(anchor), &[F::of(scale)], apart.other(row), apart.shift, gradient);
            };
            pull(row, each[row].own);
            let mut anchor = first[row];
            while anchor < rows {
                pull(anchor, each[anchor].nearest);
                anchor = next[anchor];
            }
        }
    });
    (gradient, each.into_iter().map(|pulls| pulls.told).collect())
}

/// Compares with all negatives, pair by pair.
fn all<F: Float>(apart: &Apart<F>, weights: &[f64], margin: f64) -> (Vec<F>, Vec<Told>) {
    let Apart { others, labels, width, shift, .. } = apart;
    let mut gradient = crate::blocks::filled(others.len(), F::of(0.0));
    let mut told = vec![Told::default(); labels.len()];
    let mut pull = |anchor: usize, row: usize, scale: f64| {
        let gradient = &mut gradient[row * width..(row + 1) * width];
        F::pull(apart.anchor(anchor), &[F::of(scale)], apart.other(row), *shift, gradient);
    };
    for (row, told) in told.iter_mut().enumerate() {
        let count = labels.iter().filter(|label| **label != labels[row]).count();
        if count == 0 {
            told.alone = true;
            continue;
        }
        let (near, share) = (apart.quick(row, row), 1.0 / count as f64);
        for j in (0..labels.len()).filter(|j| labels[*j] != labels[row]) {
            let far = apart.quick(row, j);
            let hinge = near - far + margin;
            // NaN stays NaN.
            if hinge <= 0.0 {
                continue;
            }
            told.value += hinge * share;
            told.open += share;
            pull(row, j, weights[row] * share / far);
        }
        pull(row, row, -weights[row] * told.open / near);
    }
    (gradient, told)
}
