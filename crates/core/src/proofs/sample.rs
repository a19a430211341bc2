//! The rows that the proofs examine, and the models' predictions for them.

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Features, TeacherLogits};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::models::Model;
use crate::tape::Cancel;
use crate::tensor::{Tensor, digest, read, to_f64};

/// The largest number of rows that the proofs examine.
pub(crate) const ROWS: usize = 2048;

/// Statistics of the inputs after preprocessing; the model's provenance keeps them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct InputStatistics {
    pub mean: f64,
    pub std: f64,
}

impl InputStatistics {
    /// The statistics of dense inputs as the first layer gets them.
    pub fn of(model: &Model, batch: &Batch) -> Result<Option<InputStatistics>> {
        let Features::Dense(tensor) = model.preprocessing.apply(&batch.inputs)? else { return Ok(None) };
        let values = to_f64(&tensor)?;
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64;
        Ok(Some(InputStatistics { mean, std: variance.sqrt() }))
    }
}

/// Up to `most` rows, fewer if they are large, spread over the data, or over its labelled rows if there are any.
pub(crate) fn some_rows(dataset: &Dataset, most: usize) -> Result<Batch> {
    let size = dataset.shape().map_or(1, |shape| shape.iter().product::<usize>()).max(1);
    let all = 0..dataset.rows() as u32;
    let (among, count): (Box<dyn Iterator<Item = u32>>, usize) = match dataset.labelled().count() {
        0 => (Box::new(all), dataset.rows()),
        labelled => (Box::new(dataset.labelled()), labelled),
    };
    let step = count.div_ceil(((16 << 20) / size).clamp(64, most)).max(1);
    let positions: Vec<u32> = among.step_by(step).collect();
    dataset.batch(&positions, 0)
}

/// The class with the largest logit of each row of a teacher's column.
pub(crate) fn stored_choices(logits: &TeacherLogits) -> Result<Vec<u32>> {
    match logits {
        TeacherLogits::All(logits) => chosen(logits),
        TeacherLogits::Top(top) => Ok(top.choices()),
    }
}

/// The class with the largest logit of each row.
fn chosen(logits: &Tensor) -> Result<Vec<u32>> {
    let classes = logits.dims().last().copied().unwrap_or(0).max(1);
    let largest = |row: &[f32]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    Ok(read::<f32>(logits)?.chunks(classes).map(|row| largest(row) as u32).collect())
}

/// The class with the model's largest logit, for each row.
pub(crate) fn choices(model: &Model, batch: &Batch, cancel: &Cancel) -> Result<Vec<u32>> {
    let mut choices = Vec::with_capacity(batch.rows());
    let piece = model.rows_at_once();
    for start in (0..batch.rows()).step_by(piece) {
        let count = piece.min(batch.rows() - start);
        let part = batch.inputs.part(start, count)?;
        choices.extend(chosen(&model.logits_until(&part, &batch.ids[start..start + count], cancel)?)?);
    }
    Ok(choices)
}

/// Whether both models hold the same numbers under the same names.
pub(crate) fn is_copy(student: &Model, teacher: &Model) -> Result<bool> {
    if student.network.architecture() != teacher.network.architecture() {
        return Ok(false);
    }
    for (name, parameter) in &student.parameters.0 {
        let Some(other) = teacher.parameters.0.get(name) else { return Ok(false) };
        if digest(&parameter.tensor)? != digest(&other.tensor)? {
            return Ok(false);
        }
    }
    Ok(true)
}
