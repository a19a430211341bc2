//! Maximum mean discrepancy between channels, compared as sets.
//!
//! ```text
//! ℓ_r = mean_{c,c'} (t_c·t_c')² + mean_{c,c'} (s_c·s_c')² − 2 mean_{c,c'} (s_c·t_c')²
//! ∂ℓ_r/∂s_c = 4/C_s² Σ_c' (s_c·s_c') s_c' − 4/(C_s C_t) Σ_c' (s_c·t_c') t_c'
//! ```
//!
//! s_c and t_c are the channels of the student's and the teacher's feature map `[rows, C, height, width]`, flattened
//! and divided by their length (the gradient includes this division); C may differ. It is the maximum mean discrepancy
//! of the two sets of channels under the kernel (a·b)². Source: Huang, Wang, "Like What You Like: Knowledge Distill via
//! Neuron Selectivity Transfer", 2017, arXiv:1707.01219. Where we differ: nowhere; the losses of several stages are
//! added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Compare, Compared, Comparison, Float, Layers, Units, feature_maps, of_options};
use crate::error::{Error, Result};
use crate::schedule::Scheduled;

/// Maximum mean discrepancy between the channels of feature maps, compared as sets (neuron selectivity transfer).
///
/// Choose it for convolutional networks with feature maps of equal height and width, when it matters which patterns the
/// channels respond to.
///
/// ```js
/// distill({ teacher: convTeacher, student: convStudent, data: images, losses: { nst: {}, kl: {} } })
/// ```
///
/// See also: `attentionTransfer`, `hint`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nst {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which feature maps are compared: layers whose output is `[channels, height, width]`. The losses of several
    /// layers are added. Default `'skip'`.
    #[serde(default = "Layers::skip")]
    pub layers: Layers,
}

impl Compare for Nst {
    of_options! {}

    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()> {
        feature_maps(student, teacher)?;
        if student[1..] == teacher[1..] {
            return Ok(());
        }
        let message = format!(
            "expected maps of equal height and width, got {student:?} and {teacher:?}: choose other layers, or \
             attentionTransfer, which pools the larger map"
        );
        Err(Error::shape("layers", message))
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let size: usize = place.student.dims[2..].iter().product();
            let (own, other) = (Units::of(&place.student.values, size), Units::of(&place.teacher.values, size));
            let (channels, of_teacher) = (place.student.dims[1] as f64, place.teacher.dims[1] as f64);
            let mut gradient = crate::blocks::empty(own.values.len());
            let rows = own.values.chunks(place.student.width()).zip(other.values.chunks(place.teacher.width()));
            for (row, (s, t)) in rows.enumerate() {
                let (ss, tt, st) = (F::products(s, s, size), F::products(t, t, size), F::products(s, t, size));
                values[row] += mean_square(&ss) + mean_square(&tt) - 2.0 * mean_square(&st);
                let scale = 4.0 * compared.scales[row] / channels;
                let to_own = F::matmul(&ss, s, place.student.dims[1], size);
                let to_other = F::matmul(&st, t, place.teacher.dims[1], size);
                gradient.extend(to_own.iter().zip(&to_other).map(|(own, other)| {
                    F::of(scale * (Into::<f64>::into(*own) / channels - Into::<f64>::into(*other) / of_teacher))
                }));
            }
            own.back(gradient)
        })
    }
}

fn mean_square<F: Float>(values: &[F]) -> f64 {
    values.iter().map(|x| Into::<f64>::into(*x).powi(2)).sum::<f64>() / values.len() as f64
}
