//! Diagnostics of teacher, student and data, on a thread of their own.

use limbeck_core::analysis::{Diagnostics, Given, analyse as look};
use limbeck_core::error::Error;
use limbeck_core::pool::Pool;
use limbeck_core::reading::parse;
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::dataset::NativeDataset;
use crate::desk;
use crate::errors::{guarded, panic_point};
use crate::held::Held;
use crate::model::NativeModel;
use crate::reply::Reply;

/// JSON of an `Analysis`. `diagnostics` is JSON too; without it all that can be said is said.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn analyse<'env>(
    env: &'env Env,
    data: &NativeDataset,
    validation: Option<&NativeDataset>,
    teacher: Option<&NativeModel>,
    student: Option<&NativeModel>,
    control: Option<&NativeModel>,
    diagnostics: Option<String>,
) -> napi::Result<Object<'env>> {
    let (data, validation) = guarded(|| {
        panic_point("analyse");
        Ok((data.data()?, validation.map(|data| data.data()).transpose()?))
    })?;
    let state = |model: Option<&NativeModel>| guarded(|| model.map(|model| model.shared.held()).transpose());
    let (teacher, student, control) = (state(teacher)?, state(student)?, state(control)?);
    let (reply, promise) = Reply::new(env)?;
    desk::once("analyse", reply, move || {
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
        let analysis = Pool::new(None)?.enter(|| look(&given, chosen.as_ref()))?;
        serde_json::to_string(&analysis).map_err(|error| Error::internal(error.to_string()))
    })?;
    Ok(promise)
}
