//! Reverse Kullback–Leibler divergence between softened distributions: mode-seeking.
//!
//! ```text
//! L = T² · mean over rows of Σ_k q_k (ln q_k − ln p_k)
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · q_k (ln q_k − ln p_k − Σ_j q_j (ln q_j − ln p_j)) / rows      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: Gu, Dong, Wei, Huang, "MiniLLM: Knowledge Distillation of Large Language
//! Models", 2023, arXiv:2306.08543, section 2. Where we differ: T², as in `kl`; a class that the teacher masks makes
//! the loss infinite, which is an error that names the row.

use super::divergence;
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::reference::{Plain, Reference};
use super::sweep::{Ask, RowTerm};
use super::tempered::tempered;
use crate::error::Result;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

tempered! {
    /// Reverse Kullback–Leibler divergence KL(student ‖ teacher) of the softened distributions, times temperature².
    ///
    /// Choose it when the student is too small to cover everything that the teacher considers possible: it
    /// concentrates on the teacher's most probable classes.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { reverseKl: { temperature: 2 } } })
    /// ```
    ///
    /// See also: `kl`, `skewReverseKl`, `jsd`.
    pub struct ReverseKl {}
}

impl RowLoss for ReverseKl {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }
}

impl OfTeacher for ReverseKl {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(divergence::reverse(temperature, source, ask))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        divergence::reverse_reference(temperature, rows, teacher)
    }
}
