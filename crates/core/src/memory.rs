//! Estimates the native memory of a run before anything is allocated.

use crate::error::{Code, Error, Result};
use crate::models::Model;
use crate::options::TrainOptions;
use crate::weights::ParameterGenerator;

/// Peak bytes of a run for one student: parameters with gradients, optimizer state and copies, and the activations of one
/// batch. Data sets and the teachers' parameters belong to the caller and do not count.
pub(crate) fn of_student(student: &Model, generator: Option<&ParameterGenerator>, options: &TrainOptions) -> u64 {
    let parameters = student.parameters.bytes();
    let learner = |trained: u64| {
        // The trained parameters, their gradients, and the optimizer state.
        trained * (2 + options.optimizer.state_tensors() as u64)
            + if options.accumulate > 1 { trained } else { 0 }
            + if options.average.is_some() { trained } else { 0 }
    };
    let rows = options.batch_size as u64;
    let classes = student.network.classes() as u64;
    let logits = 3 * 4 * rows * classes;
    let batch = rows * student.activation_bytes() + logits;
    let first = match generator {
        // The generated parameters and their gradients.
        Some(generator) => learner(generator.parameters().bytes()) + 3 * parameters,
        None => learner(parameters),
    };
    let control = if options.control { learner(parameters) + batch } else { 0 };
    let kept = if options.keep == crate::options::Keep::Best { parameters } else { 0 };
    first + batch + control + kept
}

/// Bytes of the teachers' activations; teachers run one after the other, so only the largest counts.
pub(crate) fn of_teachers<'a>(teachers: impl Iterator<Item = &'a Model>, options: &TrainOptions) -> u64 {
    teachers.map(|teacher| options.batch_size as u64 * teacher.activation_bytes()).max().unwrap_or(0)
}

/// Rejects a run whose estimate exceeds `maxMemoryBytes`.
pub(crate) fn within(estimate: u64, options: &TrainOptions) -> Result<()> {
    match options.max_memory_bytes.filter(|limit| estimate > *limit) {
        Some(limit) => {
            let message = format!(
                "expected the run to need at most {limit} bytes, got an estimate of {estimate}; lower batchSize"
            );
            Err(Error::new(Code::Memory, "maxMemoryBytes", message))
        }
        None => Ok(()),
    }
}
