//! Losses in plain tensor calls, of any float type, on any device: what the kernels are tested against.

use crate::error::{Candle, Error, Result};
use crate::targets::{Target, Teacher};
use crate::tensor::{DType, Tensor};

/// The rows of a batch as a loss's reference sees them.
pub(crate) struct Reference {
    /// `[rows, classes]`.
    pub student: Tensor,
    /// Several labels or real numbers, `[rows, classes]`, in the student's type.
    pub targets: Option<Tensor>,
    pub labels: Option<Vec<u32>>,
    /// The batch's row weights; all 1 where it has none.
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
    pub fn teacher(&self, teacher: Option<&Teacher>) -> Result<Tensor> {
        let Some(Teacher { target: Target::Logits(logits), .. }) = teacher else {
            return Err(Error::internal("a loss without logits"));
        };
        let rows = self.student.dims()[0];
        let shape = (rows, logits.elem_count() / rows.max(1));
        logits.reshape(shape).and_then(|logits| logits.to_dtype(self.dtype())).ok_or_internal()
    }

    /// 1 at each row's label, `[rows, classes]`. A label out of range (of a masked row) has no 1.
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

/// What stands for a logit of -∞ where -∞ would leave no difference of two.
pub(crate) const MASKED: f64 = -1e30;

/// ln softmax(x / T) by row.
pub(crate) fn log_softmax(x: &Tensor, temperature: f64) -> Result<Tensor> {
    let inner = || {
        let x = (x / temperature)?;
        let x = x.broadcast_sub(&x.max_keepdim(1)?)?;
        x.broadcast_sub(&x.exp()?.sum_keepdim(1)?.log()?)
    };
    inner().ok_or_internal()
}

/// softmax(x / T) by row.
pub(crate) fn softmax(x: &Tensor, temperature: f64) -> Result<Tensor> {
    log_softmax(x, temperature)?.exp().ok_or_internal()
}

/// Σ p (ln p − log_q) by row; where p is 0 it adds nothing.
pub(crate) fn divergence(p: &Tensor, log_q: &Tensor) -> Result<Tensor> {
    let inner = || {
        let zero = p.zeros_like()?;
        let each = (p * (p.log()? - log_q)?)?;
        p.gt(&zero)?.where_cond(&each, &zero)?.sum(1)
    };
    inner().ok_or_internal()
}

/// T² KL(ρ ‖ softmax(student / T)) by row, and its gradient T (q − ρ).
pub(crate) fn towards(rho: &Tensor, rows: &Reference, temperature: f64) -> Result<(Tensor, Tensor)> {
    let log_q = log_softmax(&rows.student, temperature)?;
    let value = divergence(rho, &log_q)?;
    let inner = || Ok(((value * temperature.powi(2))?, ((log_q.exp()? - rho)? * temperature)?));
    inner().ok_or_internal()
}

/// ln(a e^x + b e^y), number by number; x may be -∞.
pub(crate) fn log_mixture(x: &Tensor, a: f64, y: &Tensor, b: f64) -> Result<Tensor> {
    let inner = || {
        let (x, y) = ((x + a.ln())?, (y + b.ln())?);
        let max = x.maximum(&y)?;
        &max + ((x - &max)?.exp()? + (y - &max)?.exp()?)?.log()?
    };
    inner().ok_or_internal()
}

/// 1, 0 or −1.
pub(crate) fn sign(x: &Tensor) -> candle_core::Result<Tensor> {
    x.gt(0.0)?.to_dtype(x.dtype())? - x.lt(0.0)?.to_dtype(x.dtype())?
}

/// What slopes g = ∂/∂q make of the gradient at the logits: q (g − Σ q g), times `scale`.
pub(crate) fn bend(q: &Tensor, slopes: &Tensor, scale: f64) -> Result<Tensor> {
    let inner = || {
        let mean = (q * slopes)?.sum_keepdim(1)?;
        (q * slopes.broadcast_sub(&mean)?)? * scale
    };
    inner().ok_or_internal()
}

/// (x − y)² by row, the mean over outputs, and its gradient; where y is -∞ the difference counts as 0.
pub(crate) fn squared_error(x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let outputs = x.dims()[1] as f64;
    let inner = || {
        let masked = y.eq(f64::NEG_INFINITY)?;
        let d = masked.where_cond(&x.zeros_like()?, &(x - y)?)?;
        Ok(((d.sqr()?.sum(1)? / outputs)?, (d * (2.0 / outputs))?))
    };
    inner().ok_or_internal()
}

/// σ(x) and ln(1 + e^-|x|).
pub(crate) fn coin(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let inner = || {
        let e = x.abs()?.neg()?.exp()?;
        let r = (&e + 1.0)?.recip()?;
        Ok((x.gt(0.0)?.where_cond(&r, &(&e * &r)?)?, (e + 1.0)?.log()?))
    };
    inner().ok_or_internal()
}
