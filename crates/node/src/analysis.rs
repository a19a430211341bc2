//! Diagnostics of teacher, student and data, on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use limbeck_core::analysis::{Diagnostics, Given, analyse_until};
use limbeck_core::error::Error;
use limbeck_core::reading::parse;
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object};
use napi_derive::napi;

use crate::calls::call;
use crate::dataset::NativeDataset;
use crate::errors::{guarded, panic_point};
use crate::handles::Held;
use crate::model::NativeModel;
use crate::reply::Reply;

/// What is analysed.
#[napi(object, object_to_js = false)]
pub struct AnalysisParts<'env> {
    pub data: ClassInstance<'env, NativeDataset>,
    pub validation: Option<ClassInstance<'env, NativeDataset>>,
    pub teacher: Option<ClassInstance<'env, NativeModel>>,
    pub student: Option<ClassInstance<'env, NativeModel>>,
    /// The student that learnt alone.
    pub control: Option<ClassInstance<'env, NativeModel>>,
    /// JSON; without it everything is reported that these models and data can give.
    pub diagnostics: Option<String>,
    pub cancel: ClassInstance<'env, NativeCancel>,
}

/// Ends a call that was given it.
#[napi]
pub struct NativeCancel(Arc<AtomicBool>);

#[napi]
impl NativeCancel {
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default)] // JavaScript calls it
    pub fn new() -> NativeCancel {
        NativeCancel(Arc::default())
    }

    /// The call rejects with `ERR_LIMBECK_CANCELLED` before its next batch.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// JSON of an `Analysis`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn analyse<'env>(env: &'env Env, parts: AnalysisParts) -> napi::Result<Object<'env>> {
    let AnalysisParts { data, validation, teacher, student, control, diagnostics, cancel } = parts;
    let (data, validation) = guarded(|| {
        panic_point("analyse");
        Ok((data.data()?, validation.map(|data| data.data()).transpose()?))
    })?;
    let state =
        |model: Option<ClassInstance<NativeModel>>| guarded(|| model.map(|model| model.shared.held()).transpose());
    let cancel = cancel.0.clone();
    let (teacher, student, control) = (state(teacher)?, state(student)?, state(control)?);
    let (reply, promise) = Reply::new(env)?;
    call(reply, move |pool| {
        let whole = |held: Option<Held>| held.map(|held| held.model()).transpose();
        let (teacher, student, control) = (whole(teacher)?, whole(student)?, whole(control)?);
        let chosen = diagnostics.map(|json| parse::<Diagnostics>(&json)).transpose();
        let chosen = chosen.map_err(|error| error.at("diagnostics"))?;
        let given = Given {
            data: &data,
            validation: validation.as_ref(),
            teacher: teacher.as_ref(),
            student: student.as_ref(),
            control: control.as_ref(),
        };
        let analysis = pool.enter(|| analyse_until(&given, chosen.as_ref(), &cancel))?;
        serde_json::to_string(&analysis).map_err(|error| Error::internal(error.to_string()))
    });
    Ok(promise)
}
