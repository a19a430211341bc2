//! A control run: the same student, trained only on the labels.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::feed::{Data, Feed};
use crate::dataset::BatchOptions;
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::losses::{Losses, LossesOptions};

/// The control run's batches if some rows have no label: batches of the same size as the student's, with labelled rows
/// only. `None` for a stream, and if the control run can use the student's batches.
pub(super) fn labelled(data: &Data, batches: &BatchOptions, accumulate: usize) -> Result<Option<Feed>> {
    let Data::Dataset(data) = data else { return Ok(None) };
    let labelled: Vec<u32> = data.labelled().collect();
    if labelled.is_empty() || labelled.len() == data.rows() {
        return Ok(None);
    }
    let drop_last = batches.drop_last && labelled.len() >= batches.batch_size;
    let options = BatchOptions { drop_last, pairs: false, ..batches.clone() };
    Ok(Some(Feed::new(Data::Dataset(data.select(&labelled)?), options, accumulate)))
}

/// The losses that need no teacher, with weights scaled to sum to 1, so that the control run learns from the labels like a
/// student without a teacher. If every loss needs the teacher: the loss that fits the data's labels.
pub(crate) fn without_teacher(options: &LossesOptions, labels: LabelKind) -> Result<LossesOptions> {
    let internal = |error: serde_json::Error| Error::internal(error.to_string());
    let needs = Losses::new(options.clone())?.needs();
    let from_teacher = |name: &str| needs.iter().any(|(of, need)| *of == name && need.is_teacher());
    let Json::Object(all) = serde_json::to_value(options).map_err(internal)? else {
        return Err(Error::internal("losses are an object"));
    };
    let mut kept: BTreeMap<String, Json> = all.into_iter().filter(|(name, _)| !from_teacher(name)).collect();
    let weight = |loss: &Json| loss.get("weight").and_then(Json::as_f64);
    let sum: f64 = kept.values().filter_map(weight).sum();
    if sum > 0.0 {
        for loss in kept.values_mut() {
            if let Some(own) = weight(loss) {
                loss["weight"] = json!(own / sum);
            }
        }
    } else if kept.is_empty() {
        let name = match labels {
            LabelKind::Single | LabelKind::Probabilities => "crossEntropy",
            LabelKind::Several => "binaryCrossEntropy",
            LabelKind::Real => "mse",
            LabelKind::None => {
                return Err(Error::config("control", "expected labels for a control run without teacher, got none"));
            }
        };
        kept.insert(name.into(), json!({}));
    }
    serde_json::from_value(json!(kept)).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_losses_stay_with_weights_that_sum_to_one() {
        let options: LossesOptions = serde_json::from_value(json!({
            "crossEntropy": { "weight": 0.1, "labelSmoothing": 0.1 }, "kl": { "weight": 0.9, "temperature": 4 }
        }))
        .unwrap();
        let control = serde_json::to_value(without_teacher(&options, LabelKind::Single).unwrap()).unwrap();
        assert_eq!(control["crossEntropy"]["weight"], json!(1.0));
        assert_eq!(control["crossEntropy"]["labelSmoothing"], json!(0.1));
        assert!(control.get("kl").is_none());
    }

    #[test]
    fn without_a_label_loss_the_control_run_learns_by_cross_entropy() {
        let options: LossesOptions = serde_json::from_value(json!({ "kl": {} })).unwrap();
        let control = serde_json::to_value(without_teacher(&options, LabelKind::Single).unwrap()).unwrap();
        assert!(control.get("crossEntropy").is_some());
    }
}
