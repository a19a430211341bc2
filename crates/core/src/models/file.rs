//! Converts a model to its file and back.

use std::path::Path;

use serde_json::Value as Json;

use super::{Architecture, Model, Network, Texts};
use crate::checkpoint::{ModelFile, NamedTensors, expect_shape};
use crate::dataset::Preprocessing;
use crate::error::{Candle, Code, Error, Result};
use crate::parameters::{Parameter, Parameters};
use crate::tensor::DType;

impl Model {
    /// The contents of this model's file.
    pub fn to_file(&self) -> Result<ModelFile> {
        let json = |value: serde_json::Result<Json>| value.map_err(|error| Error::internal(error.to_string()));
        let mut file = ModelFile {
            architecture: json(serde_json::to_value(self.network.architecture()))?,
            preprocessing: match self.preprocessing == Preprocessing::default() {
                true => Json::Null,
                false => json(serde_json::to_value(&self.preprocessing))?,
            },
            input_names: self.input_names.clone(),
            label_names: self.label_names.clone(),
            provenance: self.provenance.clone(),
            texts: Json::Null,
            tensors: self.parameters.snapshot()?,
        };
        if let Some(texts) = &self.texts {
            texts.write(&mut file)?;
        }
        Ok(file)
    }

    /// The model from a file that contains its architecture.
    pub fn from_file(file: ModelFile) -> Result<Model> {
        if file.is_bare() {
            return Err(Error::new(
                Code::InvalidFile,
                "architecture",
                "expected an architecture in the file, got only tensors; pass the architecture: Model.load(path, { layers, input })",
            ));
        }
        let architecture: Architecture = crate::reading::parse(&file.architecture.to_string())
            .map_err(|error| Error::new(Code::InvalidFile, error.path, error.message).at("architecture"))?;
        Model::from_tensors(architecture, file)
    }

    /// The model of a file with the given architecture, for files from Hugging Face or torchvision, which contain only
    /// tensors.
    pub fn from_tensors(architecture: Architecture, mut file: ModelFile) -> Result<Model> {
        let network = Network::new(architecture)?;
        let texts = Texts::read(&network, &mut file)?;
        let unfit = |error: Error| Error::new(Code::InvalidFile, error.path, error.message);
        // Checked before memory is allocated, because a small file may claim a large architecture.
        for spec in network.specs() {
            expect_shape(&spec.name, &spec.shape, file.tensors.get(&spec.name)).map_err(unfit)?;
        }
        let parameters = adopted(&network, file.tensors).map_err(unfit)?;
        parameters.expect_finite(Code::InvalidFile, "")?;
        let preprocessing: Preprocessing = match file.preprocessing {
            Json::Null => Preprocessing::default(),
            json => crate::reading::parse(&json.to_string()).map_err(|error| error.at("preprocessing"))?,
        };
        let mut model = Model { provenance: file.provenance, texts, ..Model::of(network, parameters) };
        model.set_preprocessing(preprocessing).map_err(|error| error.at("preprocessing"))?;
        if let Some(names) = file.input_names {
            model.set_input_names(names)?;
        }
        if let Some(names) = file.label_names {
            model.set_label_names(names)?;
        }
        Ok(model)
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        self.to_file()?.save(path)
    }

    pub fn load(path: &Path) -> Result<Model> {
        Model::from_file(ModelFile::load(path)?).map_err(|error| error.at(&path.display().to_string()))
    }
}

/// Parameters from a file's tensors with matching shapes. The numbers are moved, so that loading a model needs only as
/// much memory as its file.
fn adopted(network: &Network, mut tensors: NamedTensors) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    for spec in network.specs() {
        let Some(array) = tensors.remove(&spec.name) else { continue };
        let tensor = array.into_tensor().and_then(|tensor| tensor.to_dtype(DType::F32).ok_or_internal());
        let parameter = Parameter::new(tensor.map_err(|error| error.at(&spec.name))?, spec.kind, spec.decay);
        parameters.0.insert(spec.name.clone(), parameter);
    }
    // The counters of PyTorch's batch norms are not needed.
    match tensors.keys().find(|name| !name.ends_with("num_batches_tracked")) {
        Some(name) => Err(Error::shape(name, "expected only tensors of this architecture, got another tensor")),
        None => Ok(parameters),
    }
}
