//! Kullback–Leibler divergence for multi-label data: each class is a separate binary decision.
//!
//! ```text
//! L = T² · mean over rows and classes of KL(p ‖ q),  KL(p ‖ q) = p ln(p / q) + (1 − p) ln((1 − p) / (1 − q))
//!     p = σ(teacher / T),  q = σ(student / T),  σ(x) = 1 / (1 + e^-x),  T = temperature
//! ∂L/∂z = T (q − p) / (rows · classes)                            z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: `kl` (Hinton, Vinyals, Dean, 2015, arXiv:1503.02531) of each class by
//! itself. Where we differ: the mean is over classes too, as in `binaryCrossEntropy`.

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Dense, RowTerm};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

tempered! {
    /// Kullback–Leibler divergence between teacher and student, computed for each class separately (sigmoid), times
    /// temperature²: for multi-label data.
    ///
    /// Choose it to distil a teacher that was trained with `binaryCrossEntropy`.
    ///
    /// ```js
    /// distill({ teacher, student, data: multiLabel, losses: { binaryKl: { temperature: 2 } } })
    /// ```
    ///
    /// See also: `binaryCrossEntropy`, `kl` for one class per row.
    pub struct BinaryKl {}
}

impl RowLoss for BinaryKl {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }

    fn classes(&self) -> usize {
        1
    }
}

impl OfTeacher for BinaryKl {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn reads_mixtures(&self) -> bool {
        // The logits of a mixture are logits of a softmax, not of sigmoids.
        false
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term { teacher: source.teacher, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let classes = rows.classes() as f64;
        // As in the kernel, a masked class has the probability 0.
        let v = (rows.teacher(teacher)? / temperature).and_then(|v| v.maximum(-1e30)).ok_or_internal()?;
        let z = (&rows.student / temperature).ok_or_internal()?;
        let less_likely = v.abs().and_then(|v| v.neg()).ok_or_internal()?;
        let ((q, log_q), (p, log_p)) = (plain::coin(&z)?, plain::coin(&v)?);
        let rare = plain::coin(&less_likely)?.0;
        let inner = || {
            let turned = v.gt(0.0)?.where_cond(&z.neg()?, &z)?;
            let distance = (less_likely - &turned)?;
            let value = (((log_q - log_p)? + turned.relu()?)? + (rare * distance)?)?;
            Ok(((value.sum(1)? * (temperature.powi(2) / classes))?, ((q - p)? * (temperature / classes))?))
        };
        inner().ok_or_internal()
    }
}

struct Term {
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let (t, classes) = (self.temperature, row.classes() as f64);
        let scale = (row.scale * t / classes) as f32;
        let (student, teacher) = (row.student(), row.teacher(self.teacher));
        t * t / classes * pointwise::binary_divergence(student, teacher, (1.0 / t) as f32, scale, row.gradient)
    }
}
