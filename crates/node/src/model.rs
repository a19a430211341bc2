//! The JavaScript object of a model: an immutable state that training replaces as a whole.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use limbeck_core::checkpoint::ModelFile;
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::evaluate;
use limbeck_core::metrics::Metrics;
use limbeck_core::models::{Model, ModelOptions, Prediction};
use limbeck_core::pretrained::{Pretrained, PretrainedOptions};
use limbeck_core::reading::parse;
use limbeck_core::weights::ParameterGenerator;
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object, ObjectFinalize, Uint32Array};
use napi_derive::napi;
use serde_json::json;

use crate::buffers::{Buffers, inputs};
use crate::calls::call;
use crate::dataset::NativeDataset;
use crate::errors::{guarded, panic_point};
use crate::external::{External, trim_after};
use crate::handles::Held;
use crate::made::{IntoObject, Made};
use crate::queue::{Lane, predict};
use crate::reply::Reply;
use crate::tokenizer::NativeTokenizer;

/// Multiply-adds up to which a synchronous prediction is allowed: about two milliseconds of one core.
const SYNC_LIMIT: u64 = 50_000_000;

/// The state of a model object; jobs share it and publish new parameters into it.
#[derive(Default)]
pub(crate) struct Shared {
    model: RwLock<Option<Held>>,
    /// Number of states so far; detects that data of an earlier state are outdated.
    version: AtomicU64,
    /// Number of times that parameters were published; a run detects by it that its teacher was replaced.
    trained: AtomicU64,
    /// Whether a run trains this model.
    claimed: AtomicBool,
}

/// The right to train a model, given back when it is dropped.
pub(crate) struct Claim(Arc<Shared>);

impl Claim {
    pub fn of(shared: &Arc<Shared>) -> Result<Claim> {
        if shared.claimed.swap(true, Ordering::Relaxed) {
            let message =
                "expected a model that no other run trains: finish, leave or dispose that run first, or train a clone";
            return Err(Error::new(Code::Busy, "student", message));
        }
        Ok(Claim(shared.clone()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.claimed.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    fn of(model: Held) -> Arc<Shared> {
        Arc::new(Shared { model: RwLock::new(Some(model)), ..Shared::default() })
    }

    /// The complete model. Draws the initial values of a new model, so do not call it on the JavaScript thread.
    pub fn get(&self) -> Result<Model> {
        self.held()?.model()
    }

    /// The state; its initial values may not be drawn yet.
    pub fn held(&self) -> Result<Held> {
        Ok(self.seen()?.0)
    }

    /// The state and its version.
    fn seen(&self) -> Result<(Held, u64)> {
        let state = self.model.read().unwrap_or_else(PoisonError::into_inner);
        let model = state.clone().ok_or_else(|| Error::new(Code::Disposed, "model", "this model was disposed"))?;
        Ok((model, self.version.load(Ordering::Relaxed)))
    }

    /// Replaces the state by one with other parameters; a disposed model stays disposed.
    pub fn publish(&self, model: impl Into<Held>) {
        self.change(model.into());
        self.trained.fetch_add(1, Ordering::Relaxed);
    }

    /// Replaces the state by one with the same parameters.
    fn change(&self, model: Held) {
        let mut state = self.model.write().unwrap_or_else(PoisonError::into_inner);
        if state.is_some() {
            *state = Some(model);
            self.version.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops this reference to the state and returns the bytes of its parameters; jobs may still use the state.
    fn dispose(&self) -> u64 {
        let mut state = self.model.write().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::Relaxed);
        state.take().map_or(0, |model| model.bytes_now())
    }

    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub fn trained(&self) -> u64 {
        self.trained.load(Ordering::Relaxed)
    }
}

#[napi(custom_finalize)]
pub struct NativeModel {
    pub(crate) shared: Arc<Shared>,
    external: External,
}

#[napi(object)]
pub struct NativePrediction {
    pub rows: u32,
    pub classes: u32,
    /// `[rows, classes]`
    pub logits: Float32Array,
    /// Softmax of each row, or for multi-label models the sigmoid of each number, `[rows, classes]`
    pub probabilities: Float32Array,
    /// The largest class of each row.
    pub labels: Uint32Array,
}

impl From<Prediction> for NativePrediction {
    fn from(prediction: Prediction) -> Self {
        NativePrediction {
            rows: prediction.rows as u32,
            classes: prediction.classes as u32,
            probabilities: Float32Array::new(prediction.probabilities()),
            labels: Uint32Array::new(prediction.classes()),
            logits: Float32Array::new(prediction.logits),
        }
    }
}

impl IntoObject for Model {
    type Class = NativeModel;

    fn object(self, env: &Env) -> NativeModel {
        NativeModel::of(env, self.into())
    }
}

impl NativeModel {
    pub(crate) fn of(env: &Env, model: Held) -> NativeModel {
        let bytes = model.bytes();
        NativeModel { shared: Shared::of(model), external: External::new(env, bytes) }
    }
}

fn text(value: serde_json::Result<String>) -> Result<String> {
    value.map_err(|error| Error::internal(error.to_string()))
}

#[napi]
impl NativeModel {
    /// Checks the options; initial values are drawn when they are first needed.
    #[napi(factory, catch_unwind)]
    pub fn create(env: &Env, json: String, seed: f64) -> napi::Result<NativeModel> {
        guarded(|| {
            panic_point("model.create");
            let options: ModelOptions = parse(&json)?;
            Ok(NativeModel::of(env, Held::fresh(options, seed as u64)?))
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeModel>")]
    pub fn load<'env>(env: &'env Env, path: String, json: Option<String>) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| {
            let file = ModelFile::load(&PathBuf::from(&path))?;
            let model = match json {
                None => Model::from_file(file),
                Some(json) => Model::from_tensors(parse::<ModelOptions>(&json)?.expand()?, file),
            };
            model.map(Made).map_err(|error| error.at(&path))
        });
        Ok(promise)
    }

    /// Reads a folder of Hugging Face. What was found there is in the model's provenance.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeModel>")]
    pub fn from_pretrained<'env>(env: &'env Env, folder: String, json: String) -> napi::Result<Object<'env>> {
        let options = guarded(|| parse::<PretrainedOptions>(&json))?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| Pretrained::read(&PathBuf::from(folder), &options).map(|found| Made(found.described())));
        Ok(promise)
    }

    /// The tokenizer of a model whose inputs can be texts.
    #[napi(catch_unwind)]
    pub fn tokenizer(&self, env: &Env) -> napi::Result<Option<NativeTokenizer>> {
        guarded(|| {
            let texts = self.shared.held()?.frame.texts;
            Ok(texts.map(|texts| NativeTokenizer::of(env, texts.tokenizer)))
        })
    }

    /// `most` is the largest number of tokens of a text; by default what the model takes.
    #[napi(catch_unwind)]
    pub fn set_tokenizer(&self, tokenizer: &NativeTokenizer, most: Option<u32>) -> napi::Result<()> {
        guarded(|| {
            let mut held = self.shared.held()?;
            held.frame.set_tokenizer(tokenizer.tokenizer.clone(), most.map(|most| most as usize))?;
            self.shared.change(held);
            Ok(())
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        let shared = self.shared.clone();
        call(reply, move |_| shared.get()?.save(&PathBuf::from(path)));
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn summary(&self) -> napi::Result<String> {
        guarded(|| {
            panic_point("model.summary");
            let summary = self.shared.held()?.frame.network.summary()?;
            let mut json = serde_json::to_value(&summary).map_err(|error| Error::internal(error.to_string()))?;
            json["text"] = json!(summary.to_string());
            Ok(json.to_string())
        })
    }

    #[napi(catch_unwind)]
    pub fn describe(&self) -> napi::Result<String> {
        guarded(|| {
            panic_point("model.describe");
            let (held, version) = self.shared.seen()?;
            let model = &held.frame;
            Ok(json!({
                "input": model.network.architecture().input,
                "output": model.network.output().sizes(),
                "classes": model.network.classes(),
                "parameters": held.elements(),
                "bytes": held.bytes(),
                "inputNames": model.input_names,
                "labelNames": model.label_names,
                "texts": model.texts.as_ref().map(|texts| json!({
                    "maxTokens": texts.max_tokens,
                    "tokenizer": texts.tokenizer.digest(),
                })),
                "preprocessing": model.preprocessing,
                "provenance": model.provenance,
                "architecture": model.network.architecture(),
                "version": version,
            })
            .to_string())
        })
    }

    /// The `version` field of `describe`. If it has changed, the other fields may have changed too.
    #[napi(catch_unwind)]
    pub fn version(&self) -> f64 {
        self.shared.version() as f64
    }

    #[napi(catch_unwind)]
    pub fn set_label_names(&self, names: Vec<String>) -> napi::Result<()> {
        guarded(|| {
            let mut held = self.shared.held()?;
            held.frame.set_label_names(names)?;
            self.shared.change(held);
            Ok(())
        })
    }

    #[napi(catch_unwind)]
    pub fn set_input_names(&self, names: Vec<String>) -> napi::Result<()> {
        guarded(|| {
            let mut held = self.shared.held()?;
            held.frame.set_input_names(names)?;
            self.shared.change(held);
            Ok(())
        })
    }

    #[napi(catch_unwind)]
    pub fn set_preprocessing(&self, json: String) -> napi::Result<()> {
        guarded(|| {
            let mut held = self.shared.held()?;
            held.frame.set_preprocessing(parse(&json)?)?;
            self.shared.change(held);
            Ok(())
        })
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
        let held = guarded(|| self.shared.held())?;
        let (features, rows) = guarded(|| inputs(&json, &buffers, || held.frame.signature()))?;
        let (reply, promise) = Reply::new(env)?;
        predict(lane, reply, move || held.model()?.predict(&features, rows).map(NativePrediction::from));
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn predict_sync(&self, json: String, buffers: Buffers) -> napi::Result<NativePrediction> {
        guarded(|| {
            panic_point("model.predictSync");
            let held = self.shared.held()?;
            let (features, rows) = inputs(&json, &buffers, || held.frame.signature())?;
            let work = held.frame.network.multiply_adds().saturating_mul(rows as u64);
            if work > SYNC_LIMIT {
                let message = format!(
                    "expected at most {SYNC_LIMIT} multiply-adds in a synchronous call, got {work} for {rows} rows: \
                     it would block the event loop; use predict"
                );
                return Err(Error::new(Code::Busy, "predictSync", message));
            }
            held.model()?.predict(&features, rows).map(NativePrediction::from)
        })
    }

    /// Metrics on labelled data, as JSON; `metrics` is JSON of additional metrics.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        data: &NativeDataset,
        teacher: Option<&NativeModel>,
        metrics: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let (model, data) = guarded(|| Ok((self.shared.held()?, data.data()?)))?;
        let teacher = guarded(|| teacher.map(|teacher| teacher.shared.held()).transpose())?;
        let metrics = guarded(|| metrics_of(metrics))?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| {
            let evaluation = pool.enter(|| {
                let teacher = teacher.map(|teacher| teacher.model()).transpose()?;
                evaluate::against(&model.model()?, &data, teacher.as_ref(), &metrics)
            })?;
            text(serde_json::to_string(&evaluation))
        });
        Ok(promise)
    }

    /// Logits of all rows, in the order of the rows.
    #[napi(catch_unwind, ts_return_type = "Promise<Float32Array>")]
    pub fn logits<'env>(&self, env: &'env Env, data: &NativeDataset) -> napi::Result<Object<'env>> {
        let (model, data) = guarded(|| Ok((self.shared.held()?, data.data()?)))?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| pool.enter(|| evaluate::logits(&model.model()?, &data)).map(Float32Array::new));
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn parameters(&self) -> napi::Result<String> {
        guarded(|| {
            let held = self.shared.held()?;
            let list: Vec<_> = held
                .list()
                .into_iter()
                .map(|(name, shape, trainable)| json!({ "name": name, "shape": shape, "trainable": trainable }))
                .collect();
            Ok(json!(list).to_string())
        })
    }

    #[napi(catch_unwind)]
    pub fn parameter(&self, name: String) -> napi::Result<Float32Array> {
        guarded(|| {
            panic_point("model.parameter");
            Ok(Float32Array::new(self.shared.get()?.parameters.get(&name)?.1))
        })
    }

    #[napi(catch_unwind)]
    pub fn set_parameter(&self, name: String, values: Float32Array) -> napi::Result<()> {
        guarded(|| {
            let mut model = self.shared.get()?;
            model.set_parameter(&name, values.to_vec())?;
            self.shared.publish(model);
            Ok(())
        })
    }

    /// `json` is `[[own layer, layer of the other], …]`; an empty list copies every tensor of equal name and shape. Returns
    /// the names of the copied tensors.
    #[napi(catch_unwind)]
    pub fn copy_from(&self, other: &NativeModel, json: String) -> napi::Result<Vec<String>> {
        guarded(|| {
            let layers: Vec<(String, String)> = parse(&json)?;
            let mut model = self.shared.get()?;
            let copied = model.copy_from(&other.shared.get()?, &layers)?;
            self.shared.publish(model);
            Ok(copied)
        })
    }

    /// Takes over parameters, preprocessing, names and provenance of a model with the same layers.
    #[napi(catch_unwind)]
    pub fn assume(&self, other: &NativeModel) -> napi::Result<()> {
        guarded(|| {
            panic_point("model.assume");
            let (own, other) = (self.shared.held()?, other.shared.held()?);
            if own.frame.network.architecture() != other.frame.network.architecture() {
                return Err(Error::shape("model", "expected a model with the same layers, got different layers"));
            }
            self.shared.publish(other);
            Ok(())
        })
    }

    /// Digest of the parameters: 16 hexadecimal digits.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn fingerprint<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let held = guarded(|| self.shared.held())?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| held.model()?.fingerprint());
        Ok(promise)
    }

    /// JSON of the plan by which a generator with these options would compute this model's parameters.
    #[napi(catch_unwind)]
    pub fn generator_plan(&self, teacher: &NativeModel, json: String) -> napi::Result<String> {
        guarded(|| {
            let generator = ParameterGenerator::new(&teacher.shared.get()?, &self.shared.get()?, &parse(&json)?, 0)?;
            Ok(generator.plan().to_json().to_string())
        })
    }

    /// Sets initial values from a teacher's parameters by the rules of a generator. Returns JSON of the plan.
    #[napi(catch_unwind)]
    pub fn start_from(&self, teacher: &NativeModel, json: String, seed: f64) -> napi::Result<String> {
        guarded(|| {
            let mut model = self.shared.get()?;
            let plan = model.start_from(&teacher.shared.get()?, &parse(&json)?, seed as u64)?;
            self.shared.publish(model);
            Ok(plan.to_json().to_string())
        })
    }

    #[napi(js_name = "clone", catch_unwind)]
    pub fn duplicate(&self, env: &Env) -> napi::Result<NativeModel> {
        guarded(|| Ok(NativeModel::of(env, self.shared.held()?)))
    }

    #[napi(catch_unwind)]
    pub fn dispose(&self, env: &Env) {
        trim_after(self.shared.dispose());
        self.external.release(env);
    }
}

impl ObjectFinalize for NativeModel {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.external.release(&env);
        Ok(())
    }
}

/// The metrics in a JSON text; without a text, the default metrics.
pub(crate) fn metrics_of(json: Option<String>) -> limbeck_core::error::Result<Metrics> {
    json.map_or_else(|| Ok(Metrics::default()), |json| parse(&json).map_err(|error| error.at("metrics")))
}
