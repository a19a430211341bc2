//! Triplet loss whose negatives are the other rows of the batch.
//!
//! ```text
//! hardest:  ℓ_r = max(0, D(t_r, s_r) − min_j D(t_r, s_j) + m)
//! all:      ℓ_r = mean over j of max(0, D(t_r, s_r) − D(t_r, s_j) + m)        j: the rows with another label than r
//! D(x, y) = ‖x − y + 1e-6‖₂;   a row without any such j has ℓ_r = 0
//! ```
//!
//! t and s the teacher's and the student's outputs `[rows, d]`, m the margin. Of rows equally near the first counts.
//! No second pass of the student is needed. Source: the loss of `triplet`; negatives within the batch as in Schroff,
//! Kalenichenko, Philbin, "FaceNet", 2015, arXiv:1503.03832, and Hermans, Beyer, Leibe, 2017, arXiv:1703.07737.
//!
//! Couples the rows of a batch: accumulated small batches do not equal a large one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::features::{
    Apart, Array, Compare, Compared, Comparison, EPSILON, Float, Layers, NARROW, distance, five, margin, pull,
    same_shape,
};
use super::loss::Need;
use crate::error::Result;
use crate::pool;
use crate::schedule::Scheduled;

/// Triplet loss within the batch: the teacher's output is the anchor, the student's for the same sample the positive,
/// the student's for samples of other classes the negatives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TripletBatch {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// How much farther negatives have to be than the positive; 0 or more. Default 5.
    #[serde(default = "five")]
    pub margin: f64,
    /// Which rows of another class count. Default: the nearest one.
    #[serde(default)]
    pub negatives: Negatives,
    /// Which layers are compared. Default: the logits.
    #[serde(default = "Layers::logits")]
    pub layers: Layers,
    /// Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Negatives {
    /// The nearest.
    #[default]
    Hardest,
    /// All, by the mean of their hinges.
    All,
}

impl Compare for TripletBatch {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        margin(self.margin)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Labels]
    }

    fn layers(&self) -> &Layers {
        &self.layers
    }

    fn projects(&self) -> bool {
        self.projection
    }

    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()> {
        same_shape(student, teacher, "set projection: true")
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let rows = compared.rows();
        let (mut values, mut open, mut alone) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let mut student = Vec::new();
        for place in &compared.places {
            let width = place.student.width();
            let (anchors, others) = (place.teacher.values.as_slice(), place.student.values.as_slice());
            let labels = compared.labels.as_slice();
            let apart = Apart { anchors, others, labels, width, shift: EPSILON, distance: &distance };
            if self.negatives == Negatives::All {
                let (anchors, own) = (&place.teacher, &place.student);
                // Pulls along few directions may leave nothing of each other.
                let (made, told) = match width < NARROW {
                    true => {
                        let (made, told) = all(&anchors.to_f64(), &own.to_f64(), labels, &compared.scales, self.margin);
                        (made.into_iter().map(F::of).collect(), told)
                    }
                    false => all(anchors, own, labels, &compared.scales, self.margin),
                };
                for (row, told) in told.into_iter().enumerate() {
                    values[row] += told.value;
                    open[row] += told.open / compared.places.len() as f64;
                    alone[row] = f64::from(u8::from(told.alone));
                }
                student.push(made);
                continue;
            }
            let mut gradient = vec![F::of(0.0); place.student.values.len()];
            for (row, nearest) in F::nearest(&apart).into_iter().enumerate() {
                let anchor = place.teacher.row(row);
                let Some(j) = nearest else {
                    alone[row] = 1.0;
                    continue;
                };
                let near = apart.of(row, row);
                let far = apart.of(row, j);
                let hinge = near - far + self.margin;
                if hinge <= 0.0 {
                    continue;
                }
                values[row] += hinge;
                open[row] += 1.0 / compared.places.len() as f64;
                let scale = compared.scales[row];
                let of = |row: usize| row * width..(row + 1) * width;
                pull(anchor, place.student.row(row), -scale / near, &mut gradient[of(row)]);
                pull(anchor, place.student.row(j), scale / far, &mut gradient[of(j)]);
            }
            student.push(gradient);
        }
        let details = vec![("openHinges", open), ("rowsWithoutNegative", alone)];
        Ok(Comparison { values, student, pair: Vec::new(), details })
    }
}

/// Anchors whose pulls are kept at once.
const ANCHORS: usize = 128;
/// Rows of one task.
const ROWS: usize = 8;

/// What one anchor says beside its pulls.
#[derive(Clone, Copy, Default)]
struct Told {
    value: f64,
    /// Share of the hinges that are open.
    open: f64,
    alone: bool,
}

/// Against all negatives: the gradient at the student's layer, and what each anchor says. The distances of some anchors
/// are made side by side, then the rows that they pull, each in the order of the anchors.
fn all<F: Float>(
    teacher: &Array<F>,
    student: &Array<F>,
    labels: &[u32],
    weights: &[f64],
    margin: f64,
) -> (Vec<F>, Vec<Told>) {
    let (rows, width) = (weights.len(), student.width());
    let mut gradient = vec![F::of(0.0); student.values.len()];
    let mut told = vec![Told::default(); rows];
    let mut scales = vec![F::of(0.0); rows * ANCHORS.min(rows)];
    for (block, told) in told.chunks_mut(ANCHORS).enumerate() {
        let (first, count) = (block * ANCHORS, told.len());
        pool::each(scales.chunks_mut(rows).zip(told).collect(), |index, (scales, told): (&mut [F], &mut Told)| {
            let row = first + index;
            *told = anchor(teacher.row(row), row, student, labels, margin, scales);
        });
        let anchors = &teacher.values[first * width..(first + count) * width];
        pool::pieces(&mut gradient, ROWS * width, |piece, gradient| {
            for (at, gradient) in gradient.chunks_mut(width).enumerate() {
                let row = piece * ROWS + at;
                let own = scales.chunks(rows).take(count).zip(&weights[first..]);
                let own: Vec<F> = own.map(|(scales, weight)| F::of(Into::<f64>::into(scales[row]) * weight)).collect();
                F::pull(anchors, &own, student.row(row), EPSILON, gradient);
            }
        });
    }
    (gradient, told)
}

/// How strongly one anchor of the weight 1 pulls each row, over its distance, into `scales`.
fn anchor<F: Float>(
    anchor: &[F],
    row: usize,
    student: &Array<F>,
    labels: &[u32],
    margin: f64,
    scales: &mut [F],
) -> Told {
    scales.fill(F::of(0.0));
    let others = labels.iter().filter(|label| **label != labels[row]).count();
    if others == 0 {
        return Told { alone: true, ..Told::default() };
    }
    let far = |row: usize| F::square_apart(anchor, student.row(row), EPSILON).sqrt();
    let (near, share) = (far(row), 1.0 / others as f64);
    let (mut sum, mut open) = (0.0, 0.0);
    for (j, to) in scales.iter_mut().enumerate().filter(|(j, _)| labels[*j] != labels[row]) {
        let far = far(j);
        let hinge = near - far + margin;
        // What is no number stays none.
        if hinge <= 0.0 {
            continue;
        }
        (sum, open) = (sum + hinge, open + 1.0);
        *to = F::of(share / far);
    }
    scales[row] = F::of(-share * open / near);
    Told { value: sum * share, open: open * share, alone: false }
}
