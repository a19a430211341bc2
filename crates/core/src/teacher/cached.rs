//! A model's outputs for all rows, computed once before the first step and stored in the data's column of teacher
//! logits.
//!
//! ```text
//! column, [rows, width]:   logits of model 1 | its layers that losses read | logits of model 2 | …
//! ```

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::several::Teachers;
use super::teach::{Asked, Asking, Offers, Teach, Teacher};
use crate::batch::{Batch, TeacherLogits};
use crate::blocks;
use crate::dataset::{BatchOptions, Dataset, TeacherColumn};
use crate::error::{Candle, Error, Result};
use crate::models::{Model, Network, Request};
use crate::tape::Cancel;
use crate::targets;
use crate::tensor::read;

/// A model whose outputs for all rows are stored.
#[derive(Clone)]
struct Cached {
    model: Model,
    /// The index of its first number in a row of the column.
    start: usize,
    /// The layers after its logits: names, and the shape of one sample.
    layers: Vec<(String, Vec<usize>)>,
}

impl Teach for Cached {
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers> {
        self.model.offers(student, data)
    }

    fn answer(&self, batch: &Batch, _asking: &Asking) -> Result<targets::Signal> {
        let Some(TeacherLogits::All(all)) = &batch.teacher_logits else {
            return Err(Error::internal("a batch without the answers that were kept"));
        };
        let mut at = self.start;
        let (axis, rows) = (all.dims().len().saturating_sub(1), all.dims().first().copied().unwrap_or(0));
        let mut next = |width: usize| {
            let own = all.narrow(axis, at, width).and_then(|own| own.contiguous()).ok_or_internal();
            at += width;
            own
        };
        let mut signal = targets::Signal::logits(next(self.model.network.classes())?);
        signal.head_weight = self.model.head_weight().cloned();
        for (name, sizes) in &self.layers {
            let own = next(sizes.iter().product())?.reshape([&[rows], sizes.as_slice()].concat());
            signal.hidden.insert(name.clone(), own.ok_or_internal()?);
        }
        Ok(signal)
    }

    fn fingerprint(&self) -> Result<Json> {
        Teach::fingerprint(&self.model)
    }

    fn model(&self) -> Option<&Model> {
        Some(&self.model)
    }

    fn asked(&self) -> Asked {
        Asked::Once
    }
}

impl Cached {
    /// `None` if the size of a layer differs from batch to batch.
    fn new(model: &Model, layers: &BTreeSet<String>, start: usize) -> Option<Cached> {
        let sizes = |name: &String| {
            let shape = model.network.shape_of(name).ok().flatten()?;
            Some((name.clone(), shape.dense().ok()?.to_vec()))
        };
        Some(Cached { model: model.clone(), start, layers: layers.iter().map(sizes).collect::<Option<_>>()? })
    }

    /// The index of the next teacher's first number.
    fn end(&self) -> Option<usize> {
        let logits = self.start.checked_add(self.model.network.classes())?;
        self.layers.iter().try_fold(logits, |end, (_, sizes)| end.checked_add(sizes.iter().product()))
    }

    /// Writes the model's outputs for every row to their place in `answers`.
    fn ask(&self, dataset: &Dataset, request: &Request, answers: &mut [f32], cancel: &Cancel) -> Result<()> {
        let width = answers.len() / dataset.rows().max(1);
        let mut rows = answers.chunks_mut(width);
        for batch in dataset.batches(&BatchOptions::in_order(self.model.rows_at_once()), 0)? {
            let batch = batch?;
            let outputs = self.model.outputs_until(&batch.inputs, &batch.ids, request, cancel)?;
            let mut parts = vec![outputs.logits.tensor()];
            for (name, _) in &self.layers {
                let value = outputs.at(name).ok_or_else(|| Error::internal(format!("no layer {name}")))?;
                parts.push(value.tensor());
            }
            let parts = parts.into_iter().map(|part| part.contiguous().ok_or_internal()).collect::<Result<Vec<_>>>()?;
            let parts = parts.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
            for (row, to) in rows.by_ref().take(batch.rows()).enumerate() {
                let mut start = self.start;
                for part in &parts {
                    let own = part.len() / batch.rows();
                    to[start..start + own].copy_from_slice(&part[row * own..(row + 1) * own]);
                    start += own;
                }
            }
        }
        Ok(())
    }
}

impl Teachers {
    /// The data with the outputs of all models in the column of teacher logits, and the teachers that read them there.
    /// `None` if the outputs take more than `room` bytes, or if the column is already in use. `layers` are the layers
    /// of the teachers that losses read.
    pub(crate) fn asked_once(
        &self,
        dataset: &Dataset,
        layers: BTreeSet<String>,
        room: u64,
        cancel: &Cancel,
    ) -> Result<Option<(Dataset, Teachers)>> {
        let taken = self.read_column();
        if taken || (!layers.is_empty() && dataset.columns().inputs.shape().is_none()) {
            return Ok(None);
        }
        let (mut caches, mut width) = (Vec::new(), 0);
        for (_, model) in self.models() {
            let Some(cached) = Cached::new(model, &layers, width) else { return Ok(None) };
            let Some(end) = cached.end() else { return Ok(None) };
            width = end;
            caches.push(cached);
        }
        let rows = dataset.rows();
        if caches.is_empty() || (width as u64).saturating_mul(4 * rows as u64) > room {
            return Ok(None);
        }
        let mut answers = blocks::filled(rows.saturating_mul(width), 0.0f32);
        let request = Request { hidden: layers, ..Request::default() };
        for ((path, _), cached) in self.models().zip(&caches) {
            cached.ask(dataset, &request, &mut answers, cancel).map_err(|error| error.at(&path))?;
        }
        let mut teachers = self.clone();
        let asked = teachers.members.iter_mut().filter(|(teacher, _)| teacher.model().is_some());
        for ((teacher, _), cached) in asked.zip(caches) {
            *teacher = Teacher::from(cached);
        }
        let column = TeacherColumn { logits: answers, width, top: None, ids: None };
        Ok(Some((dataset.with_wide_teacher_logits(column)?, teachers)))
    }
}
