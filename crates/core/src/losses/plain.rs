//! Softmaxes and distances in plain tensor calls, of any float type, on any device.

use crate::error::{Candle, Result};
use crate::tensor::Tensor;

/// Replaces a logit of -∞, because the difference of two -∞ is not a number.
pub(crate) const MASKED: f64 = -1e30;

/// ln softmax(x / T) of each row.
pub(crate) fn log_softmax(x: &Tensor, temperature: f64) -> Result<Tensor> {
    let inner = || {
        let x = (x / temperature)?;
        let x = x.broadcast_sub(&x.max_keepdim(1)?)?;
        x.broadcast_sub(&x.exp()?.sum_keepdim(1)?.log()?)
    };
    inner().ok_or_internal()
}

/// softmax(x / T) of each row.
pub(crate) fn softmax(x: &Tensor, temperature: f64) -> Result<Tensor> {
    log_softmax(x, temperature)?.exp().ok_or_internal()
}

/// Σ p (ln p − log_q) of each row; a class with p = 0 adds 0.
pub(crate) fn divergence(p: &Tensor, log_q: &Tensor) -> Result<Tensor> {
    let inner = || {
        let zero = p.zeros_like()?;
        let each = (p * (p.log()? - log_q)?)?;
        p.gt(&zero)?.where_cond(&each, &zero)?.sum(1)
    };
    inner().ok_or_internal()
}

/// ln(a e^x + b e^y), elementwise; x may be -∞.
pub(crate) fn log_mixture(x: &Tensor, a: f64, y: &Tensor, b: f64) -> Result<Tensor> {
    let inner = || {
        let (x, y) = ((x + a.ln())?, (y + b.ln())?);
        let max = x.maximum(&y)?;
        &max + ((x - &max)?.exp()? + (y - &max)?.exp()?)?.log()?
    };
    inner().ok_or_internal()
}

/// The sign of each element: 1, 0 or −1.
pub(crate) fn sign(x: &Tensor) -> candle_core::Result<Tensor> {
    x.gt(0.0)?.to_dtype(x.dtype())? - x.lt(0.0)?.to_dtype(x.dtype())?
}

/// The gradient at the logits from the slopes g = ∂/∂q: q (g − Σ q g), times `scale`.
pub(crate) fn bend(q: &Tensor, slopes: &Tensor, scale: f64) -> Result<Tensor> {
    let inner = || {
        let mean = (q * slopes)?.sum_keepdim(1)?;
        (q * slopes.broadcast_sub(&mean)?)? * scale
    };
    inner().ok_or_internal()
}

/// The mean over outputs of (x − y)², for each row, and its gradient; if y is -∞, the difference counts as 0.
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
