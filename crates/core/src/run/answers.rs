//! Teachers are asked once about every row, where their answers cannot change from epoch to epoch.

use super::feed::Data;
use crate::dataset::{Dataset, TeacherColumn};
use crate::error::{Code, Error, Result};
use crate::evaluate;
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::tape::Cancel;
use crate::teacher::{Teacher, Teachers};

/// Answers above this many bytes are not kept: they would take the memory that the run needs.
const LARGEST: u64 = 1 << 30;

/// Whether every row will be met more than once, always as it is; `classes` of all teachers together.
fn worth_it(dataset: &Dataset, classes: usize, options: &TrainOptions, total: Option<u64>) -> bool {
    let rows = dataset.rows() as u64;
    let met = total.unwrap_or(0) * (options.batch_size * options.accumulate) as u64;
    let bytes = 4 * rows * classes as u64;
    let room = options.max_memory_bytes.map_or(LARGEST, |limit| LARGEST.min(limit / 4));
    options.cache_teacher && options.augment.is_empty() && met >= 2 * rows && bytes <= room
}

/// The data with the answers of all models beside it, in one column, and whom the steps ask from then on; both as they
/// were where asking once is not possible or not worth it.
pub(super) fn asked_once(
    data: Data,
    teachers: Teachers,
    options: &TrainOptions,
    total: Option<u64>,
    pool: &Pool,
    cancel: &Cancel,
) -> Result<(Data, Teachers)> {
    let width = |teachers: &Teachers| teachers.models().map(|(_, model)| model.network.classes()).sum::<usize>();
    let all = width(&teachers);
    let dataset = match data {
        // The one column that there is may be taken.
        Data::Dataset(dataset)
            if all > 0
                && !teachers.any(|teacher| matches!(teacher, Teacher::Column))
                && worth_it(&dataset, all, options, total) =>
        {
            dataset
        }
        other => return Ok((other, teachers)),
    };
    let mut logits = Vec::new();
    let refused = |_| Error::new(Code::Memory, "", "no memory for the answers to all rows");
    logits.try_reserve_exact(dataset.rows() * all).map_err(refused)?;
    logits.resize(dataset.rows() * all, 0.0f32);
    let mut start = 0;
    for (path, model) in teachers.models() {
        let own = pool.enter(|| evaluate::logits_until(model, &dataset, cancel)).map_err(|error| error.at(&path))?;
        let classes = model.network.classes();
        for (row, own) in logits.chunks_mut(all).zip(own.chunks(classes)) {
            row[start..start + classes].copy_from_slice(own);
        }
        start += classes;
    }
    let mut start = 0;
    let mut cached = teachers;
    for (teacher, _) in &mut cached.members {
        if let Teacher::Model(model) = teacher {
            let model = model.clone();
            let at = start;
            start += model.network.classes();
            *teacher = Teacher::Cached(model, at);
        }
    }
    let dataset = dataset.with_wide_teacher_logits(TeacherColumn { logits, classes: all, ids: None })?;
    Ok((Data::Dataset(dataset), cached))
}
