//! The k classes that the teacher holds most likely; what it thinks of the others is left out.
//!
//! ```text
//! L = T² · mean over rows of ℓ,   S = Σ_top p,  Q = Σ_top q
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  top the k classes of the largest logits
//!
//! missing       ℓ                                              ∂ℓ/∂z_k · T (z: the student's logits)
//! renormalize   Σ_top (p/S) ln(p/(S q))                        q_k − [k in top] p_k/S
//! zero          Σ_top p ln(p/q)                                S q_k − [k in top] p_k
//! uniform       KL(r ‖ q), r = p on top, else (1−S)/(K−k)      q_k − r_k
//! bucket        Σ_top p ln(p/q) + (1−S) ln((1−S)/(1−Q))        top: q_k − p_k,  else q_k (S−Q)/(1−Q)
//! ```
//!
//! Logits are `[rows, K]`. With k = K each is `kl`; of equal logits the lower class is kept. `zero` may be negative;
//! `bucket` makes one class of the rest on both sides. With `includeTarget` the label is kept in any case, in place of
//! the least likely of the k. Source: Tang, Shivanna, Zhao, Lin, Singh, Chi, Jain, "Understanding and Improving Knowledge
//! Distillation", 2020, arXiv:2002.03532 (KD-topk). Where we differ: the paper does not say what becomes of the
//! probability that is left out, so all four ways are here; `includeTarget` is ours.

use std::cell::RefCell;
use std::f64::consts::{LN_2, LOG2_E};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply::Given;
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::others::{self, Others};
use super::sweep::{Ask, Row, Side, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rows;
use crate::kernels::cpu::top::{self, Top};
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::{self, Tensor};

/// Of exponentials whose sum is smaller, some are below every normal number.
const FEW_BITS: f64 = 1e-30;

/// What becomes of the probability outside the k classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// The k classes are made to add up to 1.
    #[default]
    Renormalize,
    /// It is left out on the teacher's side.
    Zero,
    /// It is spread evenly over the other classes.
    Uniform,
    /// The other classes are one, on both sides.
    Bucket,
}

/// The k classes that the teacher holds most likely (KD-topk), times temperature².
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KdTopk {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// How many classes of each row are kept; from 1 to the number of classes. Required.
    pub k: usize,
    /// What becomes of the probability outside the k classes. Default 'renormalize'.
    #[serde(default)]
    pub missing: Missing,
    /// Keeps the label's class in any case, in place of the least likely of the k; needs labels. Default false.
    #[serde(default)]
    pub include_target: bool,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for KdTopk {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::config("k", "expected a whole number of 1 or more, got 0"));
        }
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        let labels = self.include_target.then_some(Need::Labels);
        [Need::TeacherLogits].into_iter().chain(labels).collect()
    }

    fn check(&self, given: &Given) -> Result<()> {
        if self.k > given.classes {
            return Err(Error::config("k", format!("expected at most the {} classes, got {}", given.classes, self.k)));
        }
        Ok(())
    }

    fn mixed_temperature(&self, step: u64) -> Option<f64> {
        Some(self.temperature.at(step))
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("kdTopk without a teacher"))?;
        if self.missing == Missing::Bucket {
            ask.scratch();
        }
        let student = (self.missing != Missing::Bucket).then(|| ask.softmax(Side::Student, temperature));
        Ok(Box::new(Term { options: self, student, teacher: source.teacher, temperature }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let (t, classes) = (self.temperature.at(step), rows.classes());
        let teacher = rows.teacher(teacher)?;
        let top = self.kept(&teacher, rows)?;
        let p = reference::softmax(&teacher, t)?;
        let inside = top.gt(0.0).ok_or_internal()?;
        let masked = |x: &Tensor, keep_top: bool| {
            let x = (x / t)?.maximum(reference::MASKED)?;
            let low = (x.zeros_like()? + reference::MASKED)?;
            if keep_top { inside.where_cond(&x, &low) } else { inside.where_cond(&low, &x) }
        };
        let apart = |x: &Tensor, keep_top: bool| reference::log_softmax(&masked(x, keep_top).ok_or_internal()?, 1.0);
        if self.missing == Missing::Renormalize || self.k == classes {
            let inner = || apart(&teacher, true)?.exp().and_then(|p| p * &top).ok_or_internal();
            return reference::towards(&inner()?, rows, t);
        }
        let outside = (1.0 - &top).ok_or_internal()?;
        let rest = |p: &Tensor| (p * &outside).and_then(|rest| rest.sum_keepdim(1)).ok_or_internal();
        let rest_p = rest(&p)?;
        if self.missing == Missing::Uniform {
            let spread = || (&p * &top)? + outside.broadcast_mul(&(&rest_p / (classes - self.k) as f64)?)?;
            return reference::towards(&spread().ok_or_internal()?, rows, t);
        }
        let log_q = reference::log_softmax(&rows.student, t)?;
        let p_top = (&p * &top).ok_or_internal()?;
        let value = reference::divergence(&p_top, &log_q)?;
        let q = log_q.exp().ok_or_internal()?;
        if self.missing == Missing::Zero {
            let inner = || {
                let gradient = (q.broadcast_mul(&p_top.sum_keepdim(1)?)? - &p_top)?;
                Ok(((&value * t.powi(2))?, (gradient * t)?))
            };
            return inner().ok_or_internal();
        }
        let others = apart(&rows.student, false)?.exp().ok_or_internal()?;
        let log_rest = || {
            let masked = masked(&rows.student, false)?;
            let max = masked.max_keepdim(1)?;
            let all = (&rows.student / t)?;
            let all_max = all.max_keepdim(1)?;
            let all = (&all_max + all.broadcast_sub(&all_max)?.exp()?.sum_keepdim(1)?.log()?)?;
            (&max + masked.broadcast_sub(&max)?.exp()?.sum_keepdim(1)?.log()?)? - all
        };
        let log_rest = log_rest().ok_or_internal()?;
        let value = (value + reference::divergence(&rest_p, &log_rest)?).ok_or_internal()?;
        let inner = || {
            let behind = (log_rest.exp()? - &rest_p)?;
            let gradient = (((&q * &top)? - &p_top)? + others.mul(&outside)?.broadcast_mul(&behind)?)?;
            Ok(((&value * t.powi(2))?, (gradient * t)?))
        };
        inner().ok_or_internal()
    }
}

impl KdTopk {
    /// 1 at the classes that are kept, `[rows, classes]`.
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

/// What one row needs, reused from row to row.
#[derive(Default)]
struct Work {
    top: Top,
    /// The student's logits of the classes that are kept, and exponentials of the teacher's and of those.
    student: Vec<f32>,
    p: Vec<f32>,
    q: Vec<f32>,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

/// ln Σ e^(x / T) of what the teacher's row holds beside `top`.
fn log_rest(v: &[f32], top: &Top, temperature: f64) -> f64 {
    if top.next == f32::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let scale = (LOG2_E / temperature) as f32;
    let (before, after) = top.beside.map_or((v, &[][..]), |at| (&v[..at], &v[at + 1..]));
    let below = |part: &[f32]| top::sum_below(part, top.bound, top.next, scale);
    // Those that are equal to the bound are the largest of the rest.
    let sum = below(before) + below(after) + top.ties as f64;
    f64::from(top.next) / temperature + sum.ln()
}

impl RowTerm for Term<'_> {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        WORK.with_borrow_mut(|work| self.run(row, work))
    }
}

impl Term<'_> {
    fn run<'t>(&'t self, row: &mut Row<'t, '_, '_>, work: &mut Work) -> f64 {
        let (t, KdTopk { k, missing, include_target, .. }) = (self.temperature, self.options);
        let (k, scale, v) = (*k, (LOG2_E / t) as f32, row.teacher(self.teacher));
        let Work { top, student: z, p, q } = work;
        top.find(v, row.next_teacher(self.teacher), k, include_target.then(|| row.label()));
        // Numbers that are not finite may stand among those that are left out; -∞ is none of them.
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
        // ln(S / (1 − S)): what is kept against the rest.
        let odds = match missing {
            Missing::Renormalize => f64::INFINITY,
            _ => f64::from(max) / t + sum.ln() - log_rest(v, top, t),
        };
        let (share, rest) = (others::sigmoid(odds), others::sigmoid(-odds));
        let classes = || top.indices.iter().map(|class| *class as usize);
        let each_p = share / sum;
        // Σ_top p (ln p − ln q), where the student's largest kept class has e^`log_max` of all.
        let divergence = |log_max: f64| {
            let apart = LN_2 * across / sum - sum.ln() + others::log_sigmoid(odds) - log_max;
            if share > 0.0 { share * apart } else { 0.0 }
        };
        let Some(student) = self.student else {
            let [own_sum, _] = rows::exponentials(z, z_max, scale, q, &[], 1);
            let (sum, log_sum) = self.others(row, &top.indices);
            let own_odds = f64::from(z_max) / t + own_sum.ln() - log_sum;
            let own_share = others::sigmoid(own_odds) / own_sum;
            let each = p.iter().zip(&*q).map(|(p, q)| t * (own_share * f64::from(*q) - each_p * f64::from(*p)));
            row.add_classes(classes().zip(each));
            if sum > 0.0 {
                row.add_slopes(t * others::sigmoid_difference(odds, own_odds) / sum);
            }
            let mut value = divergence(others::log_sigmoid(own_odds) - own_sum.ln());
            if rest > 0.0 {
                value += rest * (others::log_sigmoid(-odds) - others::log_sigmoid(-own_odds));
            }
            return t.powi(2) * value;
        };
        row.add_softmax(student, if *missing == Missing::Zero { t * share } else { t });
        let each = match *missing {
            Missing::Uniform if rest > 0.0 => rest / (row.classes() - k) as f64,
            _ => 0.0,
        };
        row.add_classes(classes().zip(p.iter().map(|p| -t * (each_p * f64::from(*p) - each))));
        let mut value = divergence(row.log_share(student, z_max));
        if each > 0.0 {
            row.add_everywhere(-t * each);
            let kept = row.log_share(student, (z_sum / k as f64) as f32) * k as f64;
            let outside = row.mean_log_probability(student) * row.classes() as f64 - kept;
            value += rest * each.ln() - each * outside;
        }
        t.powi(2) * value
    }

    /// Exponentials of the student's other classes into the scratch row; their sum, and ln Σ e^(z / T).
    fn others(&self, row: &mut Row, without: &[u32]) -> (f64, f64) {
        let (t, student, max, next) = (self.temperature, row.student, row.max, row.next_student());
        let out = row.slopes();
        let sum = top::exponentials_without(student, max, (LOG2_E / t) as f32, without, out, next);
        // Far below the largest logit they have few bits, or none.
        if sum > FEW_BITS {
            return (sum, f64::from(max) / t + sum.ln());
        }
        let without: Vec<usize> = without.iter().map(|class| *class as usize).collect();
        let others = Others::of(student, &without, t, out);
        (others.sum, others.log_sum)
    }
}
