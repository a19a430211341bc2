//! An ensemble of models: it predicts the mean of their probabilities.
//!
//! ```text
//! single-label:   p = Σ_j a_j softmax(z_j),   logits = ln p       z_j [rows, classes] of model j, Σ_j a_j = 1
//! multi-label:    p = Σ_j a_j σ(z_j),         logits = ln p − ln(1 − p)
//! ```
//!
//! Source: Furlanello, Lipton, Tschannen, Itti, Anandkumar, "Born-Again Neural Networks", 2018, arXiv:1805.04770,
//! section 3 (BANE: the mean of the generations). Where we differ: shares may be unequal; multi-label models.

use crate::batch::Features;
use crate::blocks::{collected, filled};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation};
use crate::metrics::Metrics;
use crate::models::{Model, Prediction};
use crate::signature::Signature;

/// Models with the same number of outputs, and their shares, which sum to 1.
#[derive(Clone)]
pub struct Ensemble {
    members: Vec<(Model, f64)>,
    classes: usize,
    several: bool,
    /// Names of columns and classes, from the models that have them.
    signature: Signature,
}

impl Ensemble {
    /// Weights are normalised to sum to 1; without them every model has the same share.
    pub fn new(models: Vec<Model>, weights: Option<Vec<f64>>) -> Result<Ensemble> {
        let Some(classes) = models.first().map(|model| model.network.classes()) else {
            return Err(Error::config("models", "expected at least one model, got none"));
        };
        if let Some((at, other)) = models.iter().enumerate().find(|(_, model)| model.network.classes() != classes) {
            let message =
                format!("expected a model of {classes} classes like models[0], got {}", other.network.classes());
            return Err(Error::shape(format!("models[{at}]"), message));
        }
        let several = models[0].has_several_labels();
        if let Some(at) = models.iter().position(|model| model.has_several_labels() != several) {
            let words = |several: bool| if several { "multi-label" } else { "single-label" };
            let message = format!("expected a {} model like models[0], got a {} one", words(several), words(!several));
            return Err(Error::config(format!("models[{at}]"), message));
        }
        let mut signature = Signature::default();
        for (at, model) in models.iter().enumerate() {
            let own = model.signature();
            signature.expect_alike(&own, &format!("models[{at}]"), "the models before it")?;
            signature = signature.or(&own);
        }
        let weights = weights.unwrap_or_else(|| vec![1.0; models.len()]);
        let members = models.into_iter().zip(shares("weights", &weights)?).collect();
        Ok(Ensemble { members, classes, several, signature })
    }

    /// Names of columns and classes, from the models that have them.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Predictions for these rows; the logits are those of the mean probabilities.
    pub fn predict(&self, inputs: &Features, rows: usize) -> Result<Prediction> {
        let logits = self.mixed(|model| Ok(model.predict(inputs, rows)?.logits))?;
        Ok(Prediction { rows, classes: self.classes, logits, several: self.several })
    }

    /// Logits of the mean probabilities of all rows, `[rows, classes]`, in the order of the data.
    pub fn logits(&self, data: &Dataset) -> Result<Vec<f32>> {
        self.mixed(|model| evaluate::logits(model, data))
    }

    /// Metrics of the ensemble on labelled rows.
    pub fn evaluate(&self, data: &Dataset, metrics: &Metrics) -> Result<Evaluation> {
        evaluate::check(metrics, data, false, self.classes).map_err(|error| error.at("metrics"))?;
        let data = &data.seen_by(&self.signature, "data")?;
        evaluate::evaluate_answers(data, self.classes, &self.logits(data)?, metrics)
    }

    fn mixed(&self, answers: impl Fn(&Model) -> Result<Vec<f32>>) -> Result<Vec<f32>> {
        let all = self.members.iter().enumerate().map(|(at, (model, share))| {
            Ok((answers(model).map_err(|error| error.at(&format!("models[{at}]")))?, *share))
        });
        if self.several { mixed_each(all) } else { mixed(self.classes, all) }
    }
}

/// Multi-label: logits of the mean probability of each class, from each model's logits and share.
pub(crate) fn mixed_each(answers: impl Iterator<Item = Result<(Vec<f32>, f64)>>) -> Result<Vec<f32>> {
    // ln p and ln (1 − p) of each class, because small probabilities would be rounded to 0.
    let mut both: Vec<(f64, f64)> = Vec::new();
    for answer in answers {
        let (logits, share) = answer?;
        if both.is_empty() {
            both = filled(logits.len(), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        }
        for ((yes, no), logit) in both.iter_mut().zip(logits) {
            // ln σ(z) = min(z, 0) − ln(1 + e^−|z|)
            let log_sigmoid = |z: f64| z.min(0.0) - (-z.abs()).exp().ln_1p();
            *yes = log_of_sum(*yes, share.ln() + log_sigmoid(f64::from(logit)));
            *no = log_of_sum(*no, share.ln() + log_sigmoid(-f64::from(logit)));
        }
    }
    Ok(collected(both.into_iter().map(|(yes, no)| (yes - no) as f32)))
}

/// Single-label: logarithms of the mean probabilities, from each model's logits and share.
pub(crate) fn mixed(classes: usize, answers: impl Iterator<Item = Result<(Vec<f32>, f64)>>) -> Result<Vec<f32>> {
    let mut logarithms: Vec<f64> = Vec::new();
    for answer in answers {
        let (logits, share) = answer?;
        if logarithms.is_empty() {
            logarithms = filled(logits.len(), f64::NEG_INFINITY);
        }
        for (logarithms, row) in logarithms.chunks_mut(classes).zip(logits.chunks(classes)) {
            let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let all = largest + row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum::<f64>().ln();
            for (sum, logit) in logarithms.iter_mut().zip(row) {
                *sum = log_of_sum(*sum, share.ln() + f64::from(*logit) - all);
            }
        }
    }
    Ok(collected(logarithms.into_iter().map(|logarithm| logarithm as f32)))
}

/// ln (e^a + e^b)
fn log_of_sum(a: f64, b: f64) -> f64 {
    let (largest, other) = if b > a { (b, a) } else { (a, b) };
    if other == f64::NEG_INFINITY { largest } else { largest + (other - largest).exp().ln_1p() }
}

/// Normalises weights to sum to 1; rejects invalid ones with their path.
pub(crate) fn shares(path: &str, weights: &[f64]) -> Result<Vec<f64>> {
    if let Some((at, weight)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
        return Err(Error::config(
            format!("{path}[{at}]"),
            format!("expected a finite number of at least 0, got {weight}"),
        ));
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return Err(Error::config(path, "expected at least one weight above 0, got none"));
    }
    let sum: f64 = weights.iter().sum();
    // Finite weights may have an infinite sum.
    let scale = if sum.is_finite() { 1.0 } else { largest };
    let sum: f64 = weights.iter().map(|weight| weight / scale).sum();
    Ok(weights.iter().map(|weight| weight / scale / sum).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dataset::{Columns, Inputs, LabelColumn};

    fn model(seed: u64, classes: usize) -> Model {
        Model::create(serde_json::from_value(json!({ "mlp": { "sizes": [3, classes] } })).unwrap(), seed).unwrap()
    }

    fn data() -> Dataset {
        let values = (0..15).map(|at| (at as f32 * 0.7).sin()).collect();
        let inputs = Inputs::F32 { values, shape: vec![3] };
        let labels = LabelColumn::Single { values: vec![0, 1, 0, 1, 1], classes: Some(2) };
        Dataset::new(Columns::new(inputs, labels)).unwrap()
    }

    #[test]
    fn its_probabilities_are_the_mean_of_its_models() {
        let (models, data) = (vec![model(1, 2), model(2, 2)], data());
        let softmax = |logits: Vec<f32>| -> Vec<f64> {
            Prediction { rows: 5, classes: 2, logits, several: false }
                .probabilities()
                .into_iter()
                .map(f64::from)
                .collect()
        };
        let each: Vec<Vec<f64>> = models.iter().map(|m| softmax(evaluate::logits(m, &data).unwrap())).collect();
        for (weights, shares) in [(None, [0.5, 0.5]), (Some(vec![3.0, 1.0]), [0.75, 0.25])] {
            let ensemble = Ensemble::new(models.clone(), weights).unwrap();
            let mixed = ensemble.logits(&data).unwrap();
            for (at, log) in mixed.iter().enumerate() {
                let expected = shares[0] * each[0][at] + shares[1] * each[1][at];
                assert!((f64::from(*log).exp() - expected).abs() < 1e-6, "{log} {expected}");
            }
            assert!(ensemble.evaluate(&data, &Metrics::default()).unwrap().accuracy.is_some());
        }
    }

    #[test]
    fn each_class_of_multi_label_models_has_the_mean_of_its_probabilities() {
        let several = |seed: u64| Model { provenance: json!({ "labels": "several" }), ..model(seed, 2) };
        let (models, data) = (vec![several(1), several(2)], data());
        let ensemble = Ensemble::new(models.clone(), Some(vec![3.0, 1.0])).unwrap();
        let inputs = data.batch_of_all(0).unwrap().inputs;
        let mixed = ensemble.predict(&inputs, 5).unwrap().probabilities();
        let each: Vec<Vec<f32>> = models.iter().map(|m| m.predict(&inputs, 5).unwrap().probabilities()).collect();
        for (at, p) in mixed.iter().enumerate() {
            let expected = 0.75 * each[0][at] + 0.25 * each[1][at];
            assert!((p - expected).abs() < 1e-6, "{p} {expected}");
        }
        // Probabilities near 0 and near 1 are kept.
        let sure = |logit: f32| mixed_each([Ok((vec![logit], 1.0))].into_iter()).unwrap()[0];
        assert!((sure(60.0) - 60.0).abs() < 1e-4 && (sure(-60.0) + 60.0).abs() < 1e-4);
        assert_eq!([sure(1e5), sure(-1e5)], [1e5, -1e5]);
        let error = Ensemble::new(vec![several(1), model(2, 2)], None).err().unwrap();
        assert_eq!(error.to_string(), "models[1]: expected a multi-label model like models[0], got a single-label one");
    }

    #[test]
    fn classes_that_certain_models_exclude_have_finite_logits() {
        let answers = [vec![0.0, 2000.0, -2000.0], vec![1000.0, 0.0, -3000.0]];
        let mixed = mixed(3, answers.into_iter().map(|logits| Ok((logits, 0.5)))).unwrap();
        let half = 0.5f32.ln();
        for (log, expected) in mixed.iter().zip([half, half, -4000.0]) {
            assert!((log - expected).abs() < 1e-3, "{log} {expected}");
        }
    }

    #[test]
    fn models_of_other_widths_and_invalid_weights_are_rejected() {
        let path = |models: Vec<Model>, weights| Ensemble::new(models, weights).err().unwrap().path;
        assert_eq!(path(vec![], None), "models");
        assert_eq!(path(vec![model(1, 2), model(1, 4)], None), "models[1]");
        assert_eq!(path(vec![model(1, 2), model(1, 2)], Some(vec![1.0, -1.0])), "weights[1]");
        assert_eq!(path(vec![model(1, 2)], Some(vec![0.0])), "weights");
        assert_eq!(path(vec![model(1, 2)], Some(vec![f64::NAN])), "weights[0]");
    }

    #[test]
    fn weights_near_the_largest_number_have_shares_that_sum_to_one() {
        for largest in [1e308, f64::MAX] {
            assert_eq!(shares("weights", &[largest; 4]).unwrap(), [0.25; 4]);
            assert_eq!(shares("weights", &[largest, largest, 0.0, 1.0]).unwrap(), [0.5, 0.5, 0.0, 0.5 / largest]);
        }
    }

    #[test]
    fn weights_whose_sum_overflows_are_normalised_too() {
        assert_eq!(shares("weights", &[1e308, 1e308]).unwrap(), [0.5, 0.5]);
        assert_eq!(shares("weights", &[1.0, 3.0]).unwrap(), [0.25, 0.75]);
        assert_eq!(shares("weights", &[0.0, 1e308, f64::MAX, 1.0]).unwrap()[0], 0.0);
    }
}
