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
use super::features::{Apart, Compare, Compared, Comparison, Float, Layers};
use super::hint::same_shape;
use super::loss::Need;
use super::triplet::{EPSILON, distance, five, margin, pull};
use crate::error::Result;
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
            let mut gradient = vec![F::of(0.0); place.student.values.len()];
            let (anchors, others) = (place.teacher.values.as_slice(), place.student.values.as_slice());
            let labels = compared.labels.as_slice();
            let apart = Apart { anchors, others, labels, width, shift: EPSILON, distance: &distance };
            let nearest = match self.negatives {
                Negatives::Hardest => F::nearest(&apart),
                Negatives::All => Vec::new(),
            };
            for row in 0..rows {
                let anchor = place.teacher.row(row);
                let others: Vec<usize> = match self.negatives {
                    Negatives::All => (0..rows).filter(|j| compared.labels[*j] != compared.labels[row]).collect(),
                    Negatives::Hardest => nearest[row].into_iter().collect(),
                };
                if others.is_empty() {
                    alone[row] = 1.0;
                    continue;
                }
                let near = apart.of(row, row);
                let share = 1.0 / others.len() as f64;
                for j in others {
                    let far = apart.of(row, j);
                    let hinge = near - far + self.margin;
                    if hinge <= 0.0 {
                        continue;
                    }
                    values[row] += share * hinge;
                    open[row] += share / compared.places.len() as f64;
                    let scale = compared.scales[row] * share;
                    let of = |row: usize| row * width..(row + 1) * width;
                    pull(anchor, place.student.row(row), -scale / near, &mut gradient[of(row)]);
                    pull(anchor, place.student.row(j), scale / far, &mut gradient[of(j)]);
                }
            }
            student.push(gradient);
        }
        let details = vec![("openHinges", open), ("rowsWithoutNegative", alone)];
        Ok(Comparison { values, student, pair: Vec::new(), details })
    }
}
