//! The inputs of the references of row losses, and helpers that several of them share.

use super::plain;
use crate::error::{Candle, Error, Result};
use crate::targets::{Signal, Target};
use crate::tensor::{DType, Tensor};

/// The value of each row, `[rows]`, and its gradient at the student's logits, `[rows, classes]`.
pub(crate) type Plain = (Tensor, Tensor);

/// The rows of a batch, as a reference reads them.
pub(crate) struct Reference {
    /// `[rows, classes]`.
    pub student: Tensor,
    /// The labels, if they are numbers, `[rows, classes]`, in the student's type.
    pub targets: Option<Tensor>,
    pub labels: Option<Vec<u32>>,
    /// The row weights of the batch; all 1 if it has none.
    pub weights: Vec<f64>,
}

impl Reference {
    pub fn dtype(&self) -> DType {
        self.student.dtype()
    }

    pub fn classes(&self) -> usize {
        self.student.dims()[1]
    }

    /// The teacher's dense logits, `[rows, its classes]`, in the student's type.
    pub fn teacher(&self, teacher: &Signal) -> Result<Tensor> {
        let Target::Logits(logits) = &teacher.target else {
            return Err(Error::internal("a teacher without logits"));
        };
        let rows = self.student.dims()[0];
        let shape = (rows, logits.elem_count() / rows.max(1));
        logits.reshape(shape).and_then(|logits| logits.to_dtype(self.dtype())).ok_or_internal()
    }

    /// The labels of a loss that compares with numbers.
    pub fn targets(&self) -> Result<&Tensor> {
        self.targets.as_ref().ok_or_else(|| Error::internal("a loss without its labels"))
    }

    /// 1 at each row's label, 0 elsewhere, `[rows, classes]`. A label out of range (of a row with weight 0) gets no 1.
    pub fn one_hot(&self) -> Result<Tensor> {
        let classes = self.classes();
        let labels = self.labels.as_deref().unwrap_or(&[]);
        let mut ones = vec![0.0f64; labels.len() * classes];
        for (row, label) in labels.iter().enumerate().filter(|(_, label)| (**label as usize) < classes) {
            ones[row * classes + *label as usize] = 1.0;
        }
        let ones = Tensor::from_vec(ones, (labels.len(), classes), self.student.device()).ok_or_internal()?;
        ones.to_dtype(self.dtype()).ok_or_internal()
    }
}

/// T² Σ ρ (ln ρ − ln q) of each row, with q = softmax(student / T), and its gradient T (q Σ ρ − ρ).
pub(crate) fn towards(rho: &Tensor, rows: &Reference, temperature: f64) -> Result<Plain> {
    let log_q = plain::log_softmax(&rows.student, temperature)?;
    let value = plain::divergence(rho, &log_q)?;
    let inner = || {
        let q = log_q.exp()?.broadcast_mul(&rho.sum_keepdim(1)?)?;
        Ok(((value * temperature.powi(2))?, ((q - rho)? * temperature)?))
    };
    inner().ok_or_internal()
}
