//! Teachers are asked once about every row, where their answers cannot change from epoch to epoch.

use std::collections::BTreeSet;

use super::feed::Data;
use crate::blocks;
use crate::dataset::{BatchOptions, Dataset, TeacherColumn};
use crate::error::{Candle, Error, Result};
use crate::models::{Model, Request};
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::tape::Cancel;
use crate::teacher::{Kept, Teacher, Teachers};
use crate::tensor::read;

/// Answers above this many bytes are not kept: they would take the memory that the run needs.
const LARGEST: u64 = 1 << 30;

/// Whether every row will be met more than once, always as it is; `width` numbers a row, of all teachers together.
fn worth_it(dataset: &Dataset, width: usize, options: &TrainOptions, total: Option<u64>) -> bool {
    let rows = dataset.rows() as u64;
    let met = total.unwrap_or(0) * (options.batch_size * options.accumulate) as u64;
    let bytes = (width as u64).saturating_mul(4 * rows);
    let room = options.max_memory_bytes.map_or(LARGEST, |limit| LARGEST.min(limit / 4));
    options.cache_teacher && options.augment.is_empty() && met >= 2 * rows && bytes <= room
}

/// What is kept of each model about a row, beside its logits the `layers` that losses look at; and how many numbers all of
/// it is. None where layers have another size in every batch.
fn kept(teachers: &Teachers, dataset: &Dataset, layers: &BTreeSet<String>) -> Option<(Vec<Kept>, usize)> {
    if !layers.is_empty() && dataset.columns().inputs.shape().is_none() {
        return None;
    }
    let mut width = 0usize;
    let mut all = Vec::new();
    for (_, model) in teachers.models() {
        let sizes = |name: &String| {
            let shape = model.network.shape_of(name).ok().flatten()?;
            Some((name.clone(), shape.dense().ok()?.to_vec()))
        };
        let own = Kept { start: width, layers: layers.iter().map(sizes).collect::<Option<_>>()? };
        width = width.checked_add(model.network.classes())?;
        for (_, sizes) in &own.layers {
            width = width.checked_add(sizes.iter().product())?;
        }
        all.push(own);
    }
    Some((all, width))
}

/// The data with the answers of all models beside it, in one column, and whom the steps ask from then on; both as they
/// were where asking once is not possible or not worth it. `layers` are those of the teachers that losses look at.
pub(super) fn asked_once(
    data: Data,
    teachers: Teachers,
    layers: BTreeSet<String>,
    options: &TrainOptions,
    total: Option<u64>,
    pool: &Pool,
    cancel: &Cancel,
) -> Result<(Data, Teachers)> {
    let Data::Dataset(dataset) = &data else { return Ok((data, teachers)) };
    // The one column that there is may be taken.
    let taken = teachers.any(|teacher| matches!(teacher, Teacher::Column));
    let Some((kept, all)) = kept(&teachers, dataset, &layers)
        .filter(|(kept, all)| !kept.is_empty() && !taken && worth_it(dataset, *all, options, total))
    else {
        return Ok((data, teachers));
    };
    let mut answers = blocks::filled(dataset.rows().saturating_mul(all), 0.0f32);
    let request = Request { hidden: layers, ..Request::default() };
    for ((path, model), kept) in teachers.models().zip(&kept) {
        let ask = || ask(model, dataset, &request, kept, &mut answers, cancel);
        pool.enter(ask).map_err(|error| error.at(&path))?;
    }
    let mut cached = teachers;
    let mut kept = kept.into_iter();
    for (teacher, _) in &mut cached.members {
        if let Teacher::Model(model) = teacher
            && let Some(kept) = kept.next()
        {
            *teacher = Teacher::Cached(model.clone(), kept);
        }
    }
    let dataset = dataset.with_wide_teacher_logits(TeacherColumn { logits: answers, classes: all, ids: None })?;
    Ok((Data::Dataset(dataset), cached))
}

/// Writes what one model says of every row to its place.
fn ask(
    model: &Model,
    dataset: &Dataset,
    request: &Request,
    kept: &Kept,
    answers: &mut [f32],
    cancel: &Cancel,
) -> Result<()> {
    let width = answers.len() / dataset.rows().max(1);
    let mut rows = answers.chunks_mut(width);
    for batch in dataset.batches(&BatchOptions::in_order(model.rows_at_once()), 0)? {
        let batch = batch?;
        let outputs = model.outputs_until(&batch.inputs, &batch.ids, request, cancel)?;
        let mut parts = vec![outputs.logits.tensor()];
        for (name, _) in &kept.layers {
            let value = outputs.at(name).ok_or_else(|| Error::internal(format!("no layer {name}")))?;
            parts.push(value.tensor());
        }
        let parts = parts.into_iter().map(|part| part.contiguous().ok_or_internal()).collect::<Result<Vec<_>>>()?;
        let parts = parts.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
        for (row, to) in rows.by_ref().take(batch.rows()).enumerate() {
            let mut start = kept.start;
            for part in &parts {
                let own = part.len() / batch.rows();
                to[start..start + own].copy_from_slice(&part[row * own..(row + 1) * own]);
                start += own;
            }
        }
    }
    Ok(())
}
