//! The teacher is asked once about every row, where its answers cannot change from epoch to epoch.

use super::feed::Data;
use crate::dataset::{Dataset, TeacherColumn};
use crate::error::Result;
use crate::evaluate;
use crate::learner::Teacher;
use crate::models::Model;
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::tape::Cancel;

/// Answers above this many bytes are not kept: they would take the memory that the run needs.
const LARGEST: u64 = 1 << 30;

/// Whether every row will be met more than once, always as it is.
fn worth_it(dataset: &Dataset, model: &Model, options: &TrainOptions, total: Option<u64>) -> bool {
    let rows = dataset.rows() as u64;
    let met = total.unwrap_or(0) * (options.batch_size * options.accumulate) as u64;
    let bytes = 4 * rows * model.network.classes() as u64;
    let room = options.max_memory_bytes.map_or(LARGEST, |limit| LARGEST.min(limit / 4));
    options.cache_teacher && options.augment.is_empty() && met >= 2 * rows && bytes <= room
}

/// The data with the teacher's answers beside it, and whom the steps ask from then on; both as they were where asking
/// once is not possible or not worth it.
pub(super) fn asked_once(
    data: Data,
    teacher: Option<Teacher>,
    options: &TrainOptions,
    total: Option<u64>,
    pool: &Pool,
    cancel: &Cancel,
) -> Result<(Data, Option<Teacher>)> {
    let (dataset, model) = match (data, teacher) {
        (Data::Dataset(dataset), Some(Teacher::Model(model))) if worth_it(&dataset, &model, options, total) => {
            (dataset, model)
        }
        other => return Ok(other),
    };
    let classes = model.network.classes();
    let logits =
        pool.enter(|| evaluate::logits_until(&model, &dataset, cancel)).map_err(|error| error.at("teacher"))?;
    let dataset = dataset.with_teacher_logits(TeacherColumn { logits, classes, ids: None })?;
    Ok((Data::Dataset(dataset), Some(Teacher::Cached(model))))
}
