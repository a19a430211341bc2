//! Which classes a model considers similar: correlations of class probabilities over the rows, in hierarchical order.
//!
//! ```text
//! C[i,j] = Pearson correlation over the rows of columns i and j of softmax(v / T)
//! score  = mean of C within the blocks − mean of C between them            i ≠ j
//! ```
//!
//! v: logits; a constant column has correlation 0 with the others and 1 with itself. The order puts similar classes side
//! by side: it is the order of the leaves of the tree that average linkage builds from the distances 1 − C. Blocks are
//! the given groups (such as super-classes), or the parts into which the tree is cut.
//!
//! Source: Tang et al., "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532 (the picture of
//! class correlations at several temperatures). Where we differ: correlation, order and score in detail are ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::entropy::softmax;
use super::seen::{Seen, Sides, Table};
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::metrics::reweighting::positive;

/// Largest number of classes: the matrix of all pairs must fit into memory.
const MOST: usize = 4096;

/// Options of the class correlations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ClassCorrelationDiagnostic")]
pub struct ClassCorrelation {
    /// Temperature applied to the logits; must be > 0. A high temperature shows the relations between classes more
    /// clearly. Default 1.
    pub temperature: f64,
    /// The group of each class, such as its super-class. Default: the tree of classes is cut into `blocks` parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<usize>>,
    /// Number of parts into which the tree is cut; 1…number of classes. Cannot be combined with `groups`. Default: the
    /// rounded square root of the number of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<usize>,
}

impl Default for ClassCorrelation {
    fn default() -> Self {
        ClassCorrelation { temperature: 1.0, groups: None, blocks: None }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassCorrelationReport {
    /// `[classes][classes]`, in the order of the labels.
    pub matrix: Vec<Vec<f64>>,
    /// The classes, ordered so that similar ones are side by side.
    pub order: Vec<usize>,
    /// The block of each class, in the order of the labels.
    pub groups: Vec<usize>,
    /// Mean correlation of two classes of the same block; 0 if every block has one class.
    pub within: f64,
    /// Mean correlation of two classes of different blocks; 0 if there is only one block.
    pub between: f64,
    /// `within − between`.
    pub score: f64,
    /// Classes whose probability is the same in all rows.
    pub constant: Vec<usize>,
}

/// Correlations of the columns of softmax(logits / T), and which columns are constant.
pub(super) fn correlations(logits: &Table, temperature: f64) -> (Vec<Vec<f64>>, Vec<usize>) {
    let (classes, rows) = (logits.width, logits.rows().len() as f64);
    let mut means = vec![0.0; classes];
    for row in logits.rows() {
        softmax(row, temperature).iter().zip(&mut means).for_each(|(p, mean)| *mean += p / rows);
    }
    // Memory for the sums, the matrix, and the distances of the tree.
    crate::blocks::room(3 * size_of::<f64>() * classes * classes);
    let mut sums = vec![vec![0.0; classes]; classes];
    for row in logits.rows() {
        let apart: Vec<f64> = softmax(row, temperature).iter().zip(&means).map(|(p, mean)| p - mean).collect();
        for (i, sums) in sums.iter_mut().enumerate() {
            sums[..=i].iter_mut().zip(&apart).for_each(|(sum, other)| *sum += apart[i] * other);
        }
    }
    // A constant column deviates only by the rounding error of its mean.
    let deviations: Vec<f64> = (0..classes).map(|i| sums[i][i].sqrt()).collect();
    let constant = |i: usize| deviations[i] <= 1e-14 * means[i] * rows.sqrt();
    let mut matrix = vec![vec![0.0; classes]; classes];
    for i in 0..classes {
        matrix[i][i] = 1.0;
        for j in 0..i {
            if !constant(i) && !constant(j) {
                matrix[i][j] = sums[i][j] / deviations[i] / deviations[j];
            }
            matrix[j][i] = matrix[i][j];
        }
    }
    (matrix, (0..classes).filter(|i| constant(*i)).collect())
}

/// Mean correlation within and between groups.
pub fn block_means(matrix: &[Vec<f64>], groups: &[usize]) -> (f64, f64) {
    let (mut within, mut between) = ((0.0, 0usize), (0.0, 0usize));
    for (i, row) in matrix.iter().enumerate() {
        for (j, value) in row[..i].iter().enumerate() {
            let (sum, count) = if groups[i] == groups[j] { &mut within } else { &mut between };
            *sum += value;
            *count += 1;
        }
    }
    (within.0 / within.1.max(1) as f64, between.0 / between.1.max(1) as f64)
}

impl ClassCorrelation {
    pub(super) fn of(&self, logits: &Table) -> Result<ClassCorrelationReport> {
        let classes = logits.width;
        if classes > MOST {
            return Err(Error::config(
                "classes",
                format!("expected at most {MOST} classes, because all pairs must fit into memory, got {classes}"),
            ));
        }
        if let Some(groups) = self.groups.as_ref().filter(|groups| groups.len() != classes) {
            return Err(Error::config(
                "groups",
                format!("expected a group for each of {classes} classes, got {} groups", groups.len()),
            ));
        }
        let blocks = self.blocks.unwrap_or_else(|| (classes as f64).sqrt().round() as usize);
        if blocks > classes {
            return Err(Error::config(
                "blocks",
                format!("expected at most {classes}, the number of classes, got {blocks}"),
            ));
        }
        let (matrix, constant) = correlations(logits, self.temperature);
        let tree = Tree::average_linkage(matrix.iter().map(|row| row.iter().map(|c| 1.0 - c).collect()).collect());
        let groups = self.groups.clone().unwrap_or_else(|| tree.cut(blocks));
        let (within, between) = block_means(&matrix, &groups);
        Ok(ClassCorrelationReport {
            order: tree.order(),
            groups,
            within,
            between,
            score: within - between,
            constant,
            matrix,
        })
    }
}

impl Diagnostic for ClassCorrelation {
    type Report = Sides<ClassCorrelationReport>;

    fn validate(&self) -> Result<()> {
        if self.blocks == Some(0) {
            return Err(Error::config("blocks", "expected an integer of at least 1, got 0"));
        }
        if self.blocks.is_some() && self.groups.is_some() {
            return Err(Error::config("blocks", "expected either groups or blocks, got both"));
        }
        positive("temperature", self.temperature)
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<ClassCorrelationReport>> {
        seen.each(|who| self.of(seen.logits(who)?))
    }
}
