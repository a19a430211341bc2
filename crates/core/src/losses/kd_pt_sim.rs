//! A mixture of the teacher's confidence and its class relations.
//!
//! ```text
//! L = T² · mean over rows of KL(r ‖ q),   r = mix · r_pt + (1 − mix) · r_sim
//!     r_pt the target of `kdPt`, r_sim that of `kdSim`,  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · (q_k − r_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`, the weight of the teacher's last layer `[classes, width]`, labels `[rows]`.
//! Source: Tang, Shivanna, Zhao, Lin, Singh, Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020,
//! arXiv:2002.03532 (KD-pt+sim). Where we differ: we did not find the paper's shares, so `mix` is an option; otherwise
//! as in the two losses.

use std::f64::consts::LN_2;
use std::sync::Arc;

use super::confidence::{Confidence, confidences, entropy};
use super::likeness::{check_sharpening, one, similar_rows, similarities};
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::ranges;
use super::reference::{Plain, Reference, towards};
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Similar, SimilarRow, SimilarRows, Source};

fn default_mix() -> f64 {
    0.5
}

tempered! {
    /// Divergence from a mixture of the targets of `kdPt` and `kdSim` (KD-pt+sim), times temperature².
    ///
    /// Choose it to transfer the teacher's confidence and its class relations, but not its ranking of the classes in
    /// each row.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { kdPtSim: { mix: 0.5 }, crossEntropy: {} } })
    /// ```
    ///
    /// See also: `kdPt`, `kdSim`, `kl`.
    pub struct KdPtSim {
        /// Share of the target of `kdPt` in the mixture, from 0 to 1; the rest is the target of `kdSim`. Default 0.5.
        #[serde(default = "default_mix")]
        pub mix: f64,
        /// Exponent of the absolute value of each cosine, which keeps its sign; must be > 0. Default 1.
        #[serde(default = "one")]
        pub power: f64,
        /// Divisor of the powers before the softmax; a smaller one makes the target sharper; must be > 0. Default 1.
        #[serde(default = "one")]
        pub sharpness: f64,
        #[serde(skip)]
        #[schemars(skip)]
        similar: Similar,
    }
}

impl RowLoss for KdPtSim {
    fn validate(&self) -> Result<()> {
        ranges::share("mix", self.mix)?;
        check_sharpening(self.power, self.sharpness)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits, Need::TeacherHead, Need::Labels])
    }
}

impl OfTeacher for KdPtSim {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let rows = similar_rows(&self.similar, source, self.power, self.sharpness)?;
        let student = ask.softmax(Side::Student, temperature);
        let confidence = Confidence::new(source, temperature, ask);
        Ok(Box::new(Term { mix: self.mix, confidence, rows, student, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let confident = confidences(rows, teacher, temperature)?;
        let similar = similarities(rows, teacher, self.power, self.sharpness)?;
        let r = (confident * self.mix).and_then(|r| r + (similar * (1.0 - self.mix))?).ok_or_internal()?;
        towards(&r, rows, temperature)
    }
}

struct Term {
    mix: f64,
    confidence: Confidence,
    rows: Arc<SimilarRows>,
    student: Softmax,
    temperature: f64,
}

impl Term {
    /// Σ r ln r for r = a + b ρ in every class.
    fn negative_entropy(a: f64, b: f64, similar: SimilarRow) -> f64 {
        if b < 1e-30 {
            return similar.rho.len() as f64 * entropy(a, a.ln());
        }
        if a < 1e-30 {
            return b * (similar.negative_entropy + b.ln());
        }
        LN_2 * slopes::entropy(similar.rho, a as f32, b as f32)
    }
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, label, classes) = (self.temperature, row.label(), row.classes() as f64);
        // Each row with a weight other than 0 has a valid class.
        let Some(similar) = self.rows.of(label) else { return f64::NAN };
        let (log_p, rest) = self.confidence.of(row);
        let each = rest / (classes - 1.0);
        // Every class has the probability a + b ρ; the label has `more` in addition.
        let (a, b, more) = (self.mix * each, 1.0 - self.mix, self.mix * (log_p.exp() - each));
        row.add_softmax(self.student, t);
        row.add_everywhere(-t * a);
        row.add_class(label, -t * more);
        let mut towards = a * classes * row.mean_log_probability(self.student);
        towards += more * row.log_probability(self.student, label);
        if b > 0.0 {
            row.add_row(similar.rho, -t * b);
            towards += b * row.mean_log_under(self.student, similar.rho);
        }
        let plain = a + b * f64::from(similar.rho[label]);
        let own = plain + more;
        let entropies = Term::negative_entropy(a, b, similar) - entropy(plain, plain.ln()) + entropy(own, own.ln());
        t.powi(2) * (entropies - towards)
    }
}
