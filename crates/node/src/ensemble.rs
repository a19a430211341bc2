//! Several models with one combined prediction; an ensemble keeps the states that its models had at its creation.

use limbeck_core::ensemble::Ensemble;
use limbeck_core::error::Error;
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Float32Array, Object};
use napi_derive::napi;

use crate::buffers::{Buffers, inputs};
use crate::calls::call;
use crate::dataset::NativeDataset;
use crate::errors::{guarded, panic_point};
use crate::model::{NativeModel, NativePrediction, metrics_of};
use crate::queue::{Lane, predict};
use crate::reply::Reply;

/// Shares the memory of the parameters with its models.
#[napi]
pub struct NativeEnsemble {
    ensemble: Ensemble,
}

#[napi]
impl NativeEnsemble {
    #[napi(constructor, catch_unwind)]
    pub fn new(models: Vec<ClassInstance<NativeModel>>, weights: Option<Vec<f64>>) -> napi::Result<NativeEnsemble> {
        guarded(|| {
            panic_point("ensemble.new");
            let models = models.iter().map(|model| model.shared.get()).collect::<Result<_, _>>()?;
            Ok(NativeEnsemble { ensemble: Ensemble::new(models, weights)? })
        })
    }

    /// JSON: the models' names of columns and classes, and their scaling of bytes.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> napi::Result<String> {
        guarded(|| serde_json::to_string(self.ensemble.signature()).map_err(|error| Error::internal(error.to_string())))
    }

    /// `lane` is `fallback` or `shadow` for a service's second model.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePrediction>")]
    pub fn predict<'env>(
        &self,
        env: &'env Env,
        json: String,
        buffers: Buffers,
        lane: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let lane = guarded(|| Lane::of(lane))?;
        let reader = || self.ensemble.signature().clone();
        let (features, rows) = guarded(|| inputs(&json, &buffers, reader))?;
        let ensemble = self.ensemble.clone();
        let (reply, promise) = Reply::new(env)?;
        predict(lane, reply, move || ensemble.predict(&features, rows).map(NativePrediction::from));
        Ok(promise)
    }

    /// Metrics on labelled data, as JSON; `metrics` is JSON of additional metrics.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        metrics: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let (ensemble, data) = (self.ensemble.clone(), guarded(|| data.data())?);
        let metrics = guarded(|| metrics_of(metrics))?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| {
            let evaluation = pool.enter(|| ensemble.evaluate(&data, &metrics))?;
            serde_json::to_string(&evaluation).map_err(|error| Error::internal(error.to_string()))
        });
        Ok(promise)
    }

    /// Logarithms of the probabilities of all rows, in the order of the rows.
    #[napi(catch_unwind, ts_return_type = "Promise<Float32Array>")]
    pub fn logits<'env>(&self, env: &'env Env, data: &NativeDataset) -> napi::Result<Object<'env>> {
        let (ensemble, data) = (self.ensemble.clone(), guarded(|| data.data())?);
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| pool.enter(|| ensemble.logits(&data)).map(Float32Array::new));
        Ok(promise)
    }
}
