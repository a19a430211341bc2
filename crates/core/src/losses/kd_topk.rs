//! Compares the k classes that the teacher finds most probable; the probabilities of the other classes are not compared
//! one by one.
//!
//! ```text
//! L = T² · mean over rows of Σ_i ρ_i ln(ρ_i / q_i),   ∂L/∂z_i = T · (q_i Σ_j ρ_j − ρ_i) / rows      z: the student's logits
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//!     top the k classes of the largest teacher logits,  S = Σ_top p,  Q = Σ_top q
//!
//! missing       ρ_i in top     ρ_i of the other K − k classes
//! renormalize   p_i / S        0
//! zero          p_i            0
//! uniform       p_i            (1 − S) / (K − k)
//! bucket        p_i            (1 − S) q_i / (1 − Q):  the others count as one class, of 1 − S and 1 − Q
//! ```
//!
//! Logits are `[rows, K]`. With k = K each variant is `kl`. If logits are equal, the lower class index is kept.
//! The loss of `zero` may be negative; `bucket` treats the other classes as one class on both sides. With
//! `includeTarget` the label is always kept, if necessary in place of the least likely of the k classes. Source: Tang,
//! Shivanna, Zhao, Lin, Singh, Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532
//! (KD-topk). Where we differ: the paper does not say what happens to the remaining probability, so all four variants
//! exist here; `includeTarget` is an addition.

use std::cell::RefCell;
use std::f64::consts::{LN_2, LOG2_E};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::divergence;
use super::given::Given;
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference, towards};
use super::sweep::others::{self, Others};
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rows;
use crate::kernels::cpu::top::{self, Top};
use crate::schedule::Scheduled;
use crate::targets::{Form, Signal, Source, Target};
use crate::tensor::{self, Tensor};

/// If the sum of the exponentials is smaller, some of them are subnormal or 0 in f32.
const FEW_BITS: f64 = 1e-30;

/// What happens to the probability outside the k classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// The probabilities of the k classes are divided by their sum.
    #[default]
    Renormalize,
    /// It is left out of the target, which then sums to less than 1.
    Zero,
    /// It is spread evenly over the other classes.
    Uniform,
    /// The other classes count as one class, for the teacher and for the student.
    Bucket,
}

tempered! {
    /// Divergence on the k classes that the teacher finds most probable (KD-topk), times temperature².
    ///
    /// Choose it when there are many classes and the teacher's small probabilities are noise.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { kdTopk: { k: 2, missing: 'bucket' } } })
    /// ```
    ///
    /// See also: `kl`, `dkd`.
    pub struct KdTopk {
        /// How many classes of each row are kept, from 1 to the number of classes. Required.
        pub k: usize,
        /// What happens to the probability outside the k classes; a `teacherTopK` column supports only 'renormalize'.
        /// Default 'renormalize'.
        #[serde(default)]
        pub missing: Missing,
        /// Always keeps the label's class: if it is not among the k classes, it replaces the least likely of them.
        /// Needs labels. Default false.
        #[serde(default)]
        pub include_target: bool,
    }
}

impl RowLoss for KdTopk {
    fn validate(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::config("k", "expected an integer of at least 1, got 0"));
        }
        Ok(())
    }

    fn needs(&self) -> Needs {
        // The k largest logits determine neither the remaining probability nor that of the label.
        let all = self.missing != Missing::Renormalize || self.include_target;
        let needs = Needs::of(&[if all { Need::TeacherLogits } else { Need::TeacherTop }]);
        needs.and(Need::Labels, self.include_target)
    }

    fn check(&self, given: &Given) -> Result<()> {
        let (most, what) = match given.teacher_form {
            Form::Top(stored) => (stored, "classes that teacherTopK holds per row"),
            _ => (given.classes, "classes"),
        };
        if self.k > most {
            return Err(Error::config("k", format!("expected at most the {most} {what}, got {}", self.k)));
        }
        Ok(())
    }
}

impl OfTeacher for KdTopk {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        if let Target::TopK(top) = source.target {
            return Ok(divergence::forward_to(top.largest(self.k)?.soft(temperature, ask), temperature));
        }
        if self.missing == Missing::Bucket {
            ask.scratch();
        }
        let student = (self.missing != Missing::Bucket).then(|| ask.softmax(Side::Student, temperature));
        Ok(Box::new(Term { options: self, student, teacher: source.teacher, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        if let Target::TopK(top) = &teacher.target {
            return towards(&top.largest(self.k)?.probabilities(temperature, rows.dtype())?, rows, temperature);
        }
        let v = rows.teacher(teacher)?;
        let top = self.kept(&v, rows)?;
        let rho = || {
            let p = plain::softmax(&v, temperature)?;
            let outside = (1.0 - &top).ok_or_internal()?;
            let inner = |others: &Tensor| (&p * &top)? + others.broadcast_mul(&(&p * &outside)?.sum_keepdim(1)?)?;
            match self.missing {
                Missing::Renormalize => return softmax_among(&v, &top, temperature),
                Missing::Zero => inner(&p.zeros_like().ok_or_internal()?),
                Missing::Uniform => {
                    inner(&(outside.clone() / (rows.classes() - self.k).max(1) as f64).ok_or_internal()?)
                }
                Missing::Bucket => inner(&softmax_among(&rows.student, &outside, temperature)?),
            }
            .ok_or_internal()
        };
        towards(&rho()?, rows, temperature)
    }
}

/// softmax(x / T) over only the classes with 1 in `among`; 0 elsewhere.
fn softmax_among(x: &Tensor, among: &Tensor, temperature: f64) -> Result<Tensor> {
    let masked = || {
        let x = (x / temperature)?.maximum(plain::MASKED)?;
        among.gt(0.0)?.where_cond(&x, &(x.zeros_like()? + plain::MASKED)?)
    };
    plain::softmax(&masked().ok_or_internal()?, 1.0).and_then(|p| (p * among).ok_or_internal())
}

impl KdTopk {
    /// 1 at the classes that are kept, 0 elsewhere, `[rows, classes]`.
    fn kept(&self, teacher: &Tensor, rows: &Reference) -> Result<Tensor> {
        let classes = rows.classes();
        let logits = tensor::to_f64(teacher)?;
        let mut top = vec![0.0; logits.len()];
        for (row, logits) in logits.chunks_exact(classes).enumerate() {
            let mut order: Vec<usize> = (0..classes).collect();
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
            let label = rows.labels.as_ref().filter(|_| self.include_target).map(|labels| labels[row] as usize);
            if let Some(label) = label.filter(|label| *label < classes && !order[..self.k].contains(label)) {
                order[self.k - 1] = label;
            }
            order[..self.k].iter().for_each(|class| top[row * classes + class] = 1.0);
        }
        tensor::from_vec(top, teacher.dims())?.to_dtype(rows.dtype()).ok_or_internal()
    }
}

struct Term<'a> {
    options: &'a KdTopk,
    student: Option<Softmax>,
    teacher: usize,
    temperature: f64,
}

/// Buffers for one row, reused from row to row.
#[derive(Default)]
struct Work {
    top: Top,
    /// The student's logits of the kept classes; `p` and `q` are the exponentials of the teacher's and of these.
    student: Vec<f32>,
    p: Vec<f32>,
    q: Vec<f32>,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

/// ln Σ e^(x / T) over the teacher's logits that are not in `top`.
fn log_rest(v: &[f32], top: &Top, temperature: f64) -> f64 {
    if top.next == f32::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let scale = (LOG2_E / temperature) as f32;
    let (before, after) = top.beside.map_or((v, &[][..]), |at| (&v[..at], &v[at + 1..]));
    let below = |part: &[f32]| top::sum_below(part, top.bound, top.next, scale);
    // The logits that equal the bound are the largest of the rest.
    let sum = below(before) + below(after) + top.ties as f64;
    f64::from(top.next) / temperature + sum.ln()
}

impl RowTerm for Term<'_> {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        WORK.with_borrow_mut(|work| self.run(row, work))
    }
}

/// The k classes of one row, on both sides.
struct Kept<'w> {
    classes: &'w [u32],
    /// Exponentials of the teacher's logits, and their sum.
    p: &'w [f32],
    sum: f64,
    /// Σ of the exponentials × (exponent − the student's), in powers of two.
    across: f64,
    /// The student's logits, the largest of them, and their sum.
    z: &'w [f32],
    z_max: f32,
    z_sum: f64,
    /// ln(S / (1 − S)), where S is the teacher's probability of the k classes.
    odds: f64,
}

impl Kept<'_> {
    fn classes(&self) -> impl Iterator<Item = usize> {
        self.classes.iter().map(|class| *class as usize)
    }

    /// The factor that turns the exponentials into probabilities.
    fn share(&self) -> f64 {
        others::sigmoid(self.odds) / self.sum
    }

    /// Σ_top p (ln p − ln q); `log_max` is ln q of the student's largest kept logit.
    fn divergence(&self, log_max: f64) -> f64 {
        let share = others::sigmoid(self.odds);
        let apart = LN_2 * self.across / self.sum - self.sum.ln() + others::log_sigmoid(self.odds) - log_max;
        if share > 0.0 { share * apart } else { 0.0 }
    }
}

impl Term<'_> {
    fn run<'t>(&'t self, row: &mut Row<'t, '_, '_>, work: &mut Work) -> f64 {
        let (t, KdTopk { k, missing, include_target, .. }) = (self.temperature, self.options);
        let (k, scale, v) = (*k, (LOG2_E / t) as f32, row.teacher(self.teacher));
        let Work { top, student: z, p, q } = work;
        top.find(v, row.next_teacher(self.teacher), k, include_target.then(|| row.label()));
        // The dropped numbers may include NaN or +∞, which are invalid; -∞ is valid.
        let suspicious = top.sum.is_nan() || top.sum == f32::INFINITY;
        if suspicious && v.iter().any(|x| x.is_nan() || *x == f32::INFINITY) {
            return f64::NAN;
        }
        z.clear();
        z.extend(top.indices.iter().map(|class| row.student[*class as usize]));
        p.resize(k, 0.0);
        q.resize(k, 0.0);
        let (max, (z_max, z_sum)) = (rows::max_and_sum(&top.values).0, rows::max_and_sum(z));
        let [sum, across] = rows::exponentials_across(&top.values, max, scale, z, z_max, scale, p, &[]);
        let odds = match missing {
            Missing::Renormalize => f64::INFINITY,
            _ => f64::from(max) / t + sum.ln() - log_rest(v, top, t),
        };
        let kept = Kept { classes: &top.indices, p, sum, across, z, z_max, z_sum, odds };
        t.powi(2)
            * match self.student {
                None => self.bucket(row, &kept, q),
                Some(student) => self.spread(row, &kept, student),
            }
    }

    /// The other classes count as one class, for the teacher and for the student.
    fn bucket(&self, row: &mut Row, kept: &Kept, q: &mut [f32]) -> f64 {
        let (t, each_p, rest) = (self.temperature, kept.share(), others::sigmoid(-kept.odds));
        let [own_sum, _] = rows::exponentials(kept.z, kept.z_max, (LOG2_E / t) as f32, q, &[], 1);
        let (sum, log_sum) = self.others(row, kept.classes);
        let own_odds = f64::from(kept.z_max) / t + own_sum.ln() - log_sum;
        let own_share = others::sigmoid(own_odds) / own_sum;
        let each = kept.p.iter().zip(&*q).map(|(p, q)| t * (own_share * f64::from(*q) - each_p * f64::from(*p)));
        row.add_classes(kept.classes().zip(each));
        if sum > 0.0 {
            row.add_slopes(t * others::sigmoid_difference(kept.odds, own_odds) / sum);
        }
        let value = kept.divergence(others::log_sigmoid(own_odds) - own_sum.ln());
        match rest > 0.0 {
            true => value + rest * (others::log_sigmoid(-kept.odds) - others::log_sigmoid(-own_odds)),
            false => value,
        }
    }

    /// The other variants: the rest is spread evenly, or left out.
    fn spread(&self, row: &mut Row, kept: &Kept, student: Softmax) -> f64 {
        let (t, k, missing) = (self.temperature, self.options.k, self.options.missing);
        let (each_p, rest) = (kept.share(), others::sigmoid(-kept.odds));
        row.add_softmax(student, if missing == Missing::Zero { t * others::sigmoid(kept.odds) } else { t });
        let each = match missing {
            Missing::Uniform if rest > 0.0 => rest / (row.classes() - k) as f64,
            _ => 0.0,
        };
        row.add_classes(kept.classes().zip(kept.p.iter().map(|p| -t * (each_p * f64::from(*p) - each))));
        let value = kept.divergence(row.log_share(student, kept.z_max));
        if each == 0.0 {
            return value;
        }
        row.add_everywhere(-t * each);
        let inside = row.log_share(student, (kept.z_sum / k as f64) as f32) * k as f64;
        let outside = row.mean_log_probability(student) * row.classes() as f64 - inside;
        value + (rest * each.ln() - each * outside)
    }

    /// Writes the exponentials of the student's other classes into the scratch row; returns their sum and ln Σ e^(z/T).
    fn others(&self, row: &mut Row, without: &[u32]) -> (f64, f64) {
        let (t, student, max, next) = (self.temperature, row.student, row.max, row.next_student());
        let out = row.slopes();
        let sum = top::exponentials_without(student, max, (LOG2_E / t) as f32, without, out, next);
        // Exponentials of logits far below the largest one have few significant bits, or are 0.
        if sum > FEW_BITS {
            return (sum, f64::from(max) / t + sum.ln());
        }
        let without: Vec<usize> = without.iter().map(|class| *class as usize).collect();
        let others = Others::of(student, &without, t, out);
        (others.sum, others.log_sum)
    }
}
