//! Checks that the batches of a run can be trained on: rejected before the first step, not at the end of an epoch.

use super::feed::Data;
use crate::dataset::BatchOptions;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::names::matches;
use crate::options::TrainOptions;

/// Rejects a batch of one row if a layer normalizes over the rows of a batch, because one number has no variance.
pub(crate) fn check(student: &Model, data: &Data, options: &TrainOptions) -> Result<()> {
    let Data::Dataset(rows) = data else { return Ok(()) };
    let frozen = |name: &str| options.freeze.iter().any(|pattern| freezes(pattern, &format!("{name}.running_mean")));
    let Some(layer) = student.network.normalizes_rows()?.into_iter().find(|name| !frozen(name)) else { return Ok(()) };
    let (rows, size) = (rows.rows(), options.batch_size);
    let batches = BatchOptions { drop_last: options.drop_last, ..BatchOptions::in_order(size) };
    let steps_of_epoch = batches.count(rows)?.div_ceil(options.accumulate) as u64;
    let reaches_last = options.steps.is_none_or(|steps| steps >= steps_of_epoch);
    let got = match rows % size.max(1) {
        _ if size == 1 => "batches of one row: choose another batchSize".to_string(),
        1 if rows == 1 => "data of one row".to_string(),
        1 if reaches_last && !options.drop_last => {
            format!(
                "a last batch of one row, of {rows} rows in batches of {size}: set dropLast: true, or choose another batchSize"
            )
        }
        _ => return Ok(()),
    };
    let message =
        format!("expected batches of two rows or more, because {layer} normalizes over the rows of a batch, got {got}");
    Err(Error::config("batchSize", message))
}

/// Whether a pattern of `freeze` names the tensor, or its layer.
fn freezes(pattern: &str, tensor: &str) -> bool {
    matches(pattern, tensor) || tensor.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'))
}
