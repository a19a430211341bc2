//! Universal logit distillation: sorted probabilities are compared, so the teacher may have other classes.
//!
//! ```text
//! L = mean over rows of Σ_j |q_(j) − p_(j)|
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//!     q_(1) ≥ q_(2) ≥ …, p likewise; the shorter one is continued with zeros
//! ∂L/∂z_k = q_k (g_k − Σ_i q_i g_i) / (T · rows),  g_k = sign(q_k − p_(rank of k))          z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`; the two sides may have different numbers of classes. The loss is the Wasserstein
//! distance of two distributions whose classes cannot be matched. Of equal probabilities the one with the lower class
//! index has the higher rank. Source: Boizard, El Haddad, Hudelot, Colombo, "Towards Cross-Tokenizer Distillation: the
//! Universal Logit Distillation Loss for LLMs", 2024, arXiv:2402.12030, section 3. Where we differ: nowhere; there is
//! no T².

use std::f64::consts::LOG2_E;

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::rows;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};
use crate::tensor::{self};

tempered! {
    /// Sum of absolute differences between the sorted softened distributions (ULD), not multiplied by temperature². The
    /// teacher may have a different number of classes.
    ///
    /// Choose it when teacher and student have different classes that cannot be matched.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { uld: {}, crossEntropy: {} } })
    /// ```
    ///
    /// See also: `kl` if the classes are the same, `similarity`.
    pub struct Uld {}
}

impl RowLoss for Uld {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogitsOfAnyWidth])
    }
}

impl OfTeacher for Uld {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        ask.scratch();
        let student = ask.softmax(Side::Student, temperature);
        Ok(Box::new(Term { student: ask.stored(student), teacher: source.teacher, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let classes = rows.classes();
        let teacher = rows.teacher(teacher)?;
        let width = teacher.dims()[1];
        let p = tensor::to_f64(&plain::softmax(&teacher, temperature)?)?;
        let q = plain::softmax(&rows.student, temperature)?;
        let numbers = tensor::to_f64(&q)?;
        let (mut values, mut signs) = (Vec::new(), vec![0.0; numbers.len()]);
        for (row, (q, p)) in numbers.chunks_exact(classes).zip(p.chunks_exact(width)).enumerate() {
            let mut order: Vec<usize> = (0..classes).collect();
            order.sort_by(|a, b| q[*b].total_cmp(&q[*a]));
            let mut p = p.to_vec();
            p.sort_by(|a, b| b.total_cmp(a));
            let mut value: f64 = p.iter().skip(classes).sum();
            for (rank, class) in order.into_iter().enumerate() {
                let d = q[class] - p.get(rank).copied().unwrap_or(0.0);
                value += d.abs();
                signs[row * classes + class] = if d == 0.0 { 0.0 } else { d.signum() };
            }
            values.push(value);
        }
        let count = values.len();
        let values = tensor::from_vec(values, count)?.to_dtype(rows.dtype()).ok_or_internal()?;
        let signs = tensor::from_vec(signs, q.dims())?.to_dtype(rows.dtype()).ok_or_internal()?;
        Ok((values, plain::bend(&q, &signs, 1.0 / temperature)?))
    }
}

struct Term {
    student: Softmax,
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let v = row.teacher(self.teacher);
        let mut p = vec![0.0; v.len()];
        let scale = (LOG2_E / self.temperature) as f32;
        let [sum, _] = rows::exponentials(v, rows::max_and_sum(v).0, scale, &mut p, &[], 1);
        p.sort_unstable_by(|a, b| b.total_cmp(a));
        let (q, share) = row.exponentials(self.student);
        // Numbers ≥ 0 have the same order as their bits; of equal numbers the lower class comes first.
        let key = |(class, e): (usize, &f32)| u64::from(e.to_bits()) << 32 | u64::from(!(class as u32));
        let mut order: Vec<u64> = q.iter().enumerate().map(key).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let (p_share, mut value, mut mean) = (1.0 / sum, 0.0, 0.0);
        let slopes = row.slopes();
        for (rank, key) in order.into_iter().enumerate() {
            let class = !(key as u32) as usize;
            let e = f64::from(q[class]);
            let d = e * share - p.get(rank).map_or(0.0, |p| f64::from(*p) * p_share);
            let sign = if d == 0.0 { 0.0 } else { d.signum() };
            value += d.abs();
            mean += e * sign;
            slopes[class] = sign as f32;
        }
        value += p.iter().skip(q.len()).map(|p| f64::from(*p)).sum::<f64>() * p_share;
        row.add_bent(self.student, mean * share, 1.0 / self.temperature);
        value
    }
}
