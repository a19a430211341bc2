//! Data sets in native memory.

use limbeck_core::dataset::{Dataset, Normalization, SplitOptions};
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::reading::parse;
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Float64Array, Object, ObjectFinalize, Uint32Array};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;
use std::sync::RwLock;

use crate::buffers::{Buffers, TeacherJson, columns};
use crate::calls::call;
use crate::errors::{guarded, panic_point};
use crate::external::{External, trim_after};
use crate::made::{IntoObject, Made};
use crate::reply::Reply;

#[napi(custom_finalize)]
pub struct NativeDataset {
    data: RwLock<Option<Dataset>>,
    external: External,
}

/// Raw inputs of some rows, for teachers that are JavaScript functions.
#[napi(object)]
pub struct RawBatch {
    pub f32: Option<Float32Array>,
    pub ids: Option<Uint32Array>,
    pub offsets: Option<Uint32Array>,
    pub id_weights: Option<Float32Array>,
    pub shape: Vec<u32>,
    pub sample_ids: Float64Array,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SplitJson {
    fractions: Vec<f64>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    stratify: bool,
}

impl IntoObject for Dataset {
    type Class = NativeDataset;

    fn object(self, env: &Env) -> NativeDataset {
        let bytes = self.bytes() as u64;
        NativeDataset::of(env, self, bytes)
    }
}

impl NativeDataset {
    fn of(env: &Env, data: Dataset, bytes: u64) -> NativeDataset {
        NativeDataset { data: RwLock::new(Some(data)), external: External::new(env, bytes) }
    }

    pub(crate) fn data(&self) -> Result<Dataset> {
        self.seen(Dataset::clone)
    }

    fn seen<T>(&self, look: impl FnOnce(&Dataset) -> T) -> Result<T> {
        let data = self.data.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        data.as_ref().map(look).ok_or_else(|| Error::new(Code::Disposed, "data", "this data set was disposed"))
    }
}

#[napi]
impl NativeDataset {
    #[napi(factory, catch_unwind)]
    pub fn create(env: &Env, json: String, buffers: Buffers) -> napi::Result<NativeDataset> {
        guarded(|| {
            panic_point("dataset.create");
            let data = Dataset::new(columns(&json, &buffers)?)?;
            let bytes = data.bytes() as u64;
            Ok(NativeDataset::of(env, data, bytes))
        })
    }

    /// The same on another thread. The caller must not write to the arrays afterwards.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeDataset>")]
    pub fn take<'env>(env: &'env Env, json: String, buffers: Buffers) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| Dataset::new(columns(&json, &buffers)?).map(Made));
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn rows(&self) -> napi::Result<u32> {
        guarded(|| self.seen(|data| data.rows() as u32))
    }

    #[napi(catch_unwind)]
    pub fn describe(&self) -> napi::Result<String> {
        guarded(|| {
            panic_point("dataset.describe");
            let data = self.data()?;
            Ok(json!({
                "rows": data.rows(),
                "shape": data.shape(),
                "labels": data.label_kind().name(),
                "labelledRows": data.labelled().count(),
                "classes": data.classes(),
                "inputNames": data.input_names(),
                "labelNames": data.label_names(),
                "hasTeacher": data.has_teacher_logits(),
                "teacherTopK": data.teacher_top().map(|(k, _)| k),
                "bytes": data.bytes(),
            })
            .to_string())
        })
    }

    /// Digest of all rows: 64 hexadecimal digits.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn fingerprint<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let data = guarded(|| self.data())?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| Ok(data.fingerprint()));
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn select(&self, env: &Env, positions: Uint32Array) -> napi::Result<NativeDataset> {
        guarded(|| {
            panic_point("dataset.select");
            Ok(NativeDataset::of(env, self.data()?.select(&positions)?, 4 * positions.len() as u64))
        })
    }

    #[napi(catch_unwind)]
    pub fn split(&self, env: &Env, json: String, groups: Option<Uint32Array>) -> napi::Result<Vec<NativeDataset>> {
        guarded(|| {
            panic_point("dataset.split");
            let SplitJson { fractions, seed, stratify } = parse(&json)?;
            let data = self.data()?;
            let parts = match groups {
                Some(groups) => data.split_groups(&fractions, &groups, seed)?,
                None => data.split(&fractions, &SplitOptions { seed, stratify })?,
            };
            Ok(parts
                .into_iter()
                .map(|part| {
                    let bytes = 4 * part.rows() as u64;
                    NativeDataset::of(env, part, bytes)
                })
                .collect())
        })
    }

    /// Mean and standard deviation of each channel, computed from the data.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn normalization<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let data = guarded(|| self.data())?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| {
            let normalization = pool.enter(|| Normalization::from_dataset(&data))?;
            serde_json::to_string(&normalization).map_err(|error| Error::internal(error.to_string()))
        });
        Ok(promise)
    }

    /// The same rows with the teacher outputs in `buffers`.
    #[napi(catch_unwind)]
    pub fn with_teacher(&self, env: &Env, json: String, buffers: Buffers) -> napi::Result<NativeDataset> {
        guarded(|| {
            let column = parse::<TeacherJson>(&json)?.column(&buffers)?;
            let bytes = 4 * column.logits.len() as u64 * if column.top.is_some() { 2 } else { 1 };
            Ok(NativeDataset::of(env, self.data()?.with_teacher_logits(column)?, bytes))
        })
    }

    #[napi(catch_unwind)]
    pub fn batch(&self, positions: Uint32Array) -> napi::Result<RawBatch> {
        guarded(|| {
            panic_point("dataset.batch");
            let data = self.data()?;
            let batch = data.batch(&positions, 0)?;
            let raw = batch.inputs.raw()?;
            Ok(RawBatch {
                f32: raw.numbers.map(Float32Array::new),
                ids: raw.ids.map(Uint32Array::new),
                offsets: raw.offsets.map(Uint32Array::new),
                id_weights: raw.id_weights.map(Float32Array::new),
                shape: data.shape().unwrap_or_default().into_iter().map(|side| side as u32).collect(),
                sample_ids: Float64Array::new(batch.ids.iter().map(|id| *id as f64).collect()),
            })
        })
    }

    #[napi(catch_unwind)]
    pub fn dispose(&self, env: &Env) {
        let data = self.data.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let bytes = data.map_or(0, |data| data.bytes() as u64);
        trim_after(bytes);
        self.external.release(env);
    }
}

impl ObjectFinalize for NativeDataset {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.external.release(&env);
        Ok(())
    }
}
