//! Label options of the losses, applied to the data of a run.

use super::feed::Data;
use super::prepare::Setup;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::LabelKind;
use crate::options::TrainOptions;

impl Setup {
    /// Marks multi-label columns as probabilities if `crossEntropy` reads them, and computes balanced label weights.
    pub(super) fn with_labels(mut self) -> Result<Setup> {
        let others = self.mutual.iter_mut().flat_map(|mutual| &mut mutual.others).map(|(_, options)| options);
        let all: Vec<&mut TrainOptions> = std::iter::once(&mut self.options).chain(others).collect();
        let probabilities = all.iter().any(|options| options.losses.probabilities());
        if let Data::Dataset(data) = &mut self.data {
            all.into_iter().for_each(|options| options.losses.balance(|| data.label_counts()));
            read(data, probabilities).map_err(|error| error.at("data"))?;
        }
        if let Some(validation) = &mut self.validation {
            read(validation, probabilities).map_err(|error| error.at("validation"))?;
        }
        Ok(self)
    }
}

fn read(data: &mut Dataset, probabilities: bool) -> Result<()> {
    if probabilities && data.label_kind() == LabelKind::Several {
        *data = data.with_probabilities()?;
    }
    Ok(())
}
