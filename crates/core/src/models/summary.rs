//! The summary of a model, with one line per layer.

use serde::Serialize;

use super::Architecture;
use crate::error::Result;
use crate::layers::{self, Shape, product};
use crate::parameters::Kind;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSummary {
    pub name: String,
    pub kind: &'static str,
    /// Shape of one sample's output.
    pub output: String,
    /// Number of trainable values.
    pub parameters: u64,
    pub multiply_adds: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub input: String,
    pub layers: Vec<LayerSummary>,
    /// Number of trainable values in all layers.
    pub parameters: u64,
    /// Number of values that are stored but not trained: running statistics.
    pub buffers: u64,
    /// Multiply-adds of one sample's forward.
    pub multiply_adds: u64,
    /// Shape of one sample's output.
    pub output: String,
}

impl Summary {
    pub(crate) fn of(architecture: &Architecture, input: &Shape) -> Result<Summary> {
        let (mut lines, mut buffers) = (Vec::new(), 0);
        let output = layers::walk(&architecture.layers, "", input, &mut |name, options, input, output| {
            let count = |kind: Kind| -> Result<u64> {
                let specs = options.specs(input)?;
                let of_kind = specs.iter().filter(|spec| spec.kind == kind);
                Ok(of_kind.map(|spec| product(&spec.shape)).fold(0, u64::saturating_add))
            };
            buffers += count(Kind::Buffer)?;
            lines.push(LayerSummary {
                name: name.to_string(),
                kind: options.kind(),
                output: output.to_string(),
                parameters: count(Kind::Trainable)?,
                multiply_adds: options.layer().multiply_adds(input)?,
            });
            Ok(())
        })?;
        Ok(Summary {
            input: input.to_string(),
            parameters: lines.iter().map(|line| line.parameters).sum(),
            multiply_adds: lines.iter().map(|line| line.multiply_adds).fold(0, u64::saturating_add),
            buffers,
            layers: lines,
            output: output.to_string(),
        })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.layers.iter().map(|line| line.name.len()).max().unwrap_or(0).max(5);
        writeln!(f, "{:width$}  {:14} {:18} {:>12} {:>14}", "layer", "kind", "output", "parameters", "multiply-adds")?;
        writeln!(f, "{:width$}  {:14} {:18}", "", "input", self.input)?;
        for line in &self.layers {
            writeln!(
                f,
                "{:width$}  {:14} {:18} {:>12} {:>14}",
                line.name, line.kind, line.output, line.parameters, line.multiply_adds
            )?;
        }
        write!(f, "{:width$}  {:14} {:18} {:>12} {:>14}", "total", "", "", self.parameters, self.multiply_adds)?;
        if self.buffers > 0 {
            write!(f, "\nplus {} values that are stored but not trained", self.buffers)?;
        }
        Ok(())
    }
}
