//! A model: a network with its parameters, preprocessing, and names of columns and classes.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Architecture, Input, ModelOptions, Network, Request, Texts};
use crate::batch::Features;
use crate::blocks::{self, collected};
use crate::dataset::Preprocessing;
use crate::error::{Code, Error, Result};
use crate::labels::LabelKind;
use crate::layers::{Mode, show};
use crate::outputs::Outputs;
use crate::parameters::Parameters;
use crate::random::Key;
use crate::signature::{self, Signature};
use crate::tape::{Cancel, Engine, Tape};
use crate::tensor::{Tensor, finite, from_vec, read};
use crate::text::Tokenizer;

/// A model. Clones are cheap, because they share all data until one of them is trained.
#[derive(Clone, Debug)]
pub struct Model {
    pub network: Arc<Network>,
    pub parameters: Parameters,
    pub preprocessing: Preprocessing,
    /// One name per input column, if known.
    pub input_names: Option<Vec<String>>,
    /// One name per class, if known.
    pub label_names: Option<Vec<String>>,
    /// The tokenizer, if the inputs can be texts.
    pub texts: Option<Texts>,
    /// How the model was trained; written by training and stored in its file.
    pub provenance: Json,
}

/// A model's outputs for some rows.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub rows: usize,
    pub classes: usize,
    /// `[rows, classes]`, row after row.
    pub logits: Vec<f32>,
    /// Whether a row may have several labels, so that each class has an independent probability.
    pub several: bool,
}

impl Prediction {
    /// Softmax of each row, or for multi-label models the sigmoid of each number; `[rows, classes]`.
    pub fn probabilities(&self) -> Vec<f32> {
        if self.several {
            return collected(self.logits.iter().map(|logit| (1.0 / (1.0 + f64::from(-logit).exp())) as f32));
        }
        let mut out = blocks::empty(self.logits.len());
        for row in self.logits.chunks(self.classes.max(1)) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exp: Vec<f64> = collected(row.iter().map(|logit| ((logit - max) as f64).exp()));
            let sum: f64 = exp.iter().sum();
            out.extend(exp.iter().map(|value| (value / sum) as f32));
        }
        out
    }

    /// The class with the largest logit in each row; among equal logits the first.
    pub fn classes(&self) -> Vec<u32> {
        let largest = |row: &[f32]| {
            let mut best = 0;
            for (class, logit) in row.iter().enumerate() {
                if *logit > row[best] {
                    best = class
                }
            }
            best as u32
        };
        collected(self.logits.chunks(self.classes.max(1)).map(largest))
    }
}

/// Rejects logits that are not finite. `start` is the number of rows before these, for the error's path.
pub(crate) fn expect_finite(logits: &[f32], classes: usize, start: usize) -> Result<()> {
    if finite(logits) {
        return Ok(());
    }
    let at = logits.iter().position(|logit| !logit.is_finite()).unwrap_or_default();
    let message =
        format!("expected finite logits, got {}: the inputs of this row are too large for the model", logits[at]);
    Err(Error::new(Code::NotFinite, format!("inputs[{}]", start + at / classes.max(1)), message))
}

impl Model {
    /// A new model with initial values from the seed.
    pub fn create(options: ModelOptions, seed: u64) -> Result<Model> {
        Model::from_architecture(options.expand()?, seed)
    }

    /// A new model without parameters; `network.initialize` draws them.
    pub fn undrawn(options: ModelOptions) -> Result<Model> {
        Ok(Model::of(Network::new(options.expand()?)?, Parameters::default()))
    }

    pub fn from_architecture(architecture: Architecture, seed: u64) -> Result<Model> {
        let network = Network::new(architecture)?;
        let parameters = network.initialize(seed)?;
        Ok(Model::of(network, parameters))
    }

    pub(super) fn of(network: Network, parameters: Parameters) -> Model {
        Model {
            network: Arc::new(network),
            parameters,
            preprocessing: Preprocessing::default(),
            input_names: None,
            label_names: None,
            texts: None,
            provenance: Json::Null,
        }
    }

    /// Sets the names of the classes, one per class.
    pub fn set_label_names(&mut self, names: Vec<String>) -> Result<()> {
        let classes = self.network.classes();
        if names.len() != classes {
            return Err(Error::config("labelNames", format!("expected {classes} names, got {}", names.len())));
        }
        signature::different("labelNames", &names)?;
        self.label_names = Some(names);
        Ok(())
    }

    /// Sets the names of the columns, one per number of a row.
    pub fn set_input_names(&mut self, names: Vec<String>) -> Result<()> {
        if Some(names.len()) != self.row_width() {
            let expected = match self.row_width() {
                Some(width) => format!("{width} names, one per number of a row"),
                None => "no names for ids of different count".into(),
            };
            return Err(Error::config("inputNames", format!("expected {expected}, got {}", names.len())));
        }
        signature::different("inputNames", &names)?;
        self.input_names = Some(names);
        Ok(())
    }

    /// Count of numbers per input row; `None` for ids whose number differs from row to row.
    fn row_width(&self) -> Option<usize> {
        match &self.network.architecture().input {
            Input::Numbers(sizes) => Some(sizes.iter().product()),
            Input::Ids(ids) => ids.ids.length,
        }
    }

    /// Sets the tokenizer, with which the inputs can be texts. Without `max_tokens`, texts are truncated to what the model
    /// takes.
    pub fn set_tokenizer(&mut self, tokenizer: Arc<Tokenizer>, max_tokens: Option<usize>) -> Result<()> {
        self.texts = Some(Texts::new(&self.network, tokenizer, max_tokens)?);
        Ok(())
    }

    /// Sets the transformation of inputs before the first layer.
    pub fn set_preprocessing(&mut self, preprocessing: Preprocessing) -> Result<()> {
        preprocessing.validate()?;
        let channels = match &self.network.architecture().input {
            Input::Numbers(sizes) => sizes.first().copied(),
            Input::Ids(_) => None,
        };
        if let Some(normalization) = &preprocessing.normalization
            && let Some(channels) = channels
            && ![1, channels].contains(&normalization.mean.len())
        {
            let message = format!(
                "expected one number for all channels or {channels}, one per channel (or per number of a flat row), got {}",
                normalization.mean.len()
            );
            return Err(Error::config("normalization.mean", message));
        }
        self.preprocessing = preprocessing;
        Ok(())
    }

    /// The model's names of inputs and classes, and its scaling of bytes.
    pub fn signature(&self) -> Signature {
        Signature {
            input_names: self.input_names.clone(),
            label_names: self.label_names.clone(),
            bytes: self.preprocessing.bytes,
        }
    }

    /// The signature without the names of classes, for reading inputs.
    pub(crate) fn reader(&self) -> Signature {
        Signature { label_names: None, ..self.signature() }
    }

    /// Adopts names and byte scaling that the model does not have; a list of names of another length is ignored.
    pub(crate) fn learn_names(&mut self, known: &Signature) {
        let fits = |names: &&Vec<String>, count: Option<usize>| Some(names.len()) == count;
        if self.input_names.is_none() {
            self.input_names = known.input_names.as_ref().filter(|names| fits(names, self.row_width())).cloned();
        }
        if self.label_names.is_none() {
            let classes = Some(self.network.classes());
            self.label_names = known.label_names.as_ref().filter(|names| fits(names, classes)).cloned();
        }
        self.preprocessing.bytes = self.preprocessing.bytes.or(known.bytes);
    }

    /// Logits of some rows in evaluation mode, `[rows, classes]`, without recording on a tape.
    pub(crate) fn logits(&self, inputs: &Features, ids: &[u64]) -> Result<Tensor> {
        self.logits_until(inputs, ids, &Cancel::default())
    }

    /// Like `logits`; once the flag `cancel` is set, it ends with `Code::Cancelled` between two operations.
    pub(crate) fn logits_until(&self, inputs: &Features, ids: &[u64], cancel: &Cancel) -> Result<Tensor> {
        Ok(self.outputs_until(inputs, ids, &Request::default(), cancel)?.logits.tensor().clone())
    }

    /// The weight of the last linear layer, `[classes, width]`: the class templates.
    pub(crate) fn head_weight(&self) -> Option<&Tensor> {
        let head = self.network.head()?;
        self.parameters.0.get(&format!("{head}.weight")).map(|parameter| &parameter.tensor)
    }

    /// All requested outputs in evaluation mode.
    pub(crate) fn outputs_until(
        &self,
        inputs: &Features,
        ids: &[u64],
        request: &Request,
        cancel: &Cancel,
    ) -> Result<Outputs> {
        let inputs = self.preprocessing.apply(inputs)?;
        let mut tape = Tape::cancellable(Engine::Kernels, cancel.clone());
        let bound = self.parameters.constants();
        self.network.forward(&mut tape, &bound, &inputs, ids, request, Mode::Evaluate, Key::new(0))
    }

    /// A hash of all parameters as 16 hexadecimal digits.
    pub fn fingerprint(&self) -> Result<String> {
        Ok(format!("{:016x}", self.parameters.digest()?))
    }

    /// The model's outputs for these rows.
    pub fn predict(&self, inputs: &Features, rows: usize) -> Result<Prediction> {
        let piece = self.rows_at_once();
        let mut logits = blocks::empty(rows.saturating_mul(self.network.classes()));
        for start in (0..rows).step_by(piece) {
            let count = piece.min(rows - start);
            let ids: Vec<u64> = (start as u64..(start + count) as u64).collect();
            let part =
                if count == rows { self.logits(inputs, &ids) } else { self.logits(&inputs.part(start, count)?, &ids) };
            let part = part?;
            let part = read::<f32>(&part)?;
            expect_finite(&part, self.network.classes(), start)?;
            logits.extend_from_slice(&part);
        }
        Ok(Prediction { rows, classes: self.network.classes(), logits, several: self.has_several_labels() })
    }

    /// Whether the model was trained on multi-label data, so that each class has an independent probability.
    pub fn has_several_labels(&self) -> bool {
        self.provenance.get("labels").and_then(Json::as_str) == Some(LabelKind::Several.name())
    }

    /// Replaces the numbers of one tensor, given in row-major order.
    pub fn set_parameter(&mut self, name: &str, values: Vec<f32>) -> Result<()> {
        let Some(parameter) = self.parameters.0.get_mut(name) else {
            let known: Vec<&str> = self.network.specs().iter().map(|spec| spec.name.as_str()).take(12).collect();
            let more = if self.network.specs().len() > known.len() { ", …" } else { "" };
            let message = format!("expected a parameter of this model ({}{more}), got {name}", known.join(", "));
            return Err(Error::config("name", message));
        };
        let shape = parameter.tensor.dims().to_vec();
        let count: usize = shape.iter().product();
        if values.len() != count {
            let message = format!("expected {count} numbers (shape {}), got {}", show(&shape), values.len());
            return Err(Error::shape("values", message));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::data(format!("values[{at}]"), format!("expected a finite number, got {}", values[at])));
        }
        parameter.tensor = from_vec(values, shape)?;
        Ok(())
    }

    /// Initialises from another model: copies every tensor whose name (after mapping) and shape are equal. `layers`
    /// maps own layer names to those of `other`; if it is empty, all names map to themselves. Returns the copied names.
    pub fn copy_from(&mut self, other: &Model, layers: &[(String, String)]) -> Result<Vec<String>> {
        for (own, theirs) in layers {
            for (model, name) in [(&self.network, own), (&other.network, theirs)] {
                if !model.layer_names().contains(name) {
                    let known: Vec<&str> = model.layer_names().iter().map(String::as_str).collect();
                    return Err(Error::config(
                        format!("layers.{own}"),
                        format!("expected a layer name, got {name}; the layers are {}", known.join(", ")),
                    ));
                }
            }
        }
        let source = |name: &str| -> Option<String> {
            if layers.is_empty() {
                return Some(name.to_string());
            }
            layers.iter().find_map(|(own, theirs)| {
                let rest = name.strip_prefix(own.as_str())?;
                rest.starts_with('.').then(|| format!("{theirs}{rest}"))
            })
        };
        // The storage is shared, because training starts with a copy.
        let mut parameters = self.parameters.clone();
        let theirs = &other.parameters;
        let mut copied = Vec::new();
        for (name, parameter) in parameters.0.iter_mut() {
            let Some(from) = source(name).and_then(|from| theirs.0.get(&from)) else { continue };
            if from.tensor.dims() == parameter.tensor.dims() {
                parameter.tensor = from.tensor.clone();
                copied.push(name.clone());
            } else if !layers.is_empty() {
                return Err(Error::shape(
                    format!("layers.{name}"),
                    format!("expected the shape {:?}, got {:?}", parameter.tensor.dims(), from.tensor.dims()),
                ));
            }
        }
        if copied.is_empty() {
            return Err(Error::config("copyFrom", "expected at least one tensor of equal name and shape, got none"));
        }
        self.parameters = parameters;
        Ok(copied)
    }
}
