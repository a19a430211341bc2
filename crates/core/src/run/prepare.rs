//! A run before its first step: options validated, losses fitted, generator created, teachers bound, each exactly once.
//!
//! Invalid setups are rejected here, with their path. `begin.rs` starts a prepared run and checks nothing again.

use super::entrant::{Entrant, Entry, Rows, heard};
use super::feed::Data;
use super::mutual::{Mutual, MutualOptions};
use super::role::Role;

use crate::dataset::{BatchOptions, Dataset};
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::models::Model;
use crate::options::TrainOptions;
use crate::tape::Cancel;
use crate::teacher::Teachers;

/// Everything that a run needs; the run copies what it changes.
pub struct Setup {
    pub student: Model,
    /// Frozen teachers; empty if learners only teach each other.
    pub teacher: Teachers,
    pub data: Data,
    pub validation: Option<Dataset>,
    /// Options of the student. With several learners, those of the first: they set the shared batches, epochs and
    /// reports.
    pub options: TrainOptions,
    /// Once this flag is set, the run stops between two operations.
    pub cancel: Cancel,
    /// The other learners, in mutual learning.
    pub mutual: Option<Mutual>,
}

/// A run whose setup passed all checks.
pub(crate) struct Prepared {
    /// The student, followed by its peers or its control run.
    pub members: Vec<Entrant>,
    pub mutual: Option<MutualOptions>,
    /// The frozen teachers.
    pub teachers: Teachers,
    pub data: Data,
    pub validation: Option<Dataset>,
    pub batches: BatchOptions,
    /// Optimizer steps of the whole run, if known.
    pub total: Option<u64>,
    pub cancel: Cancel,
}

/// Rejects invalid setups, with their path, without starting the run.
pub fn check(setup: Setup) -> Result<()> {
    Prepared::new(setup).map(drop)
}

impl Prepared {
    pub fn new(setup: Setup) -> Result<Prepared> {
        let Setup { student, teacher, data, validation, options, cancel, mutual } = setup.agreed()?.with_labels()?;
        let rows = Rows { data: &data, validation: validation.as_ref() };
        let (mut members, together) = match mutual {
            None => {
                let (teachers, seed) = (heard(&teacher, &options), options.seed);
                let entry = Entry { role: Role::Student, student, options, seed, teachers };
                (vec![Entrant::new(entry, rows)?], None)
            }
            Some(Mutual { options: together, others }) => {
                let students: Vec<_> = std::iter::once((student, options)).chain(others).collect();
                together.fits(&students, &teacher)?;
                let entries = together.entries(students, &teacher).into_iter();
                let placed = |entry: Entry| {
                    let path = entry.role.path();
                    Entrant::new(entry, rows).map_err(|error| error.at(&path))
                };
                (entries.map(placed).collect::<Result<Vec<_>>>()?, Some(together))
            }
        };
        if members[0].options.control {
            let labels = data.dataset().map_or(LabelKind::Single, Dataset::label_kind);
            let control = members[0].control(labels)?;
            members.push(control);
        }
        let options = &members[0].options;
        let batches = BatchOptions {
            batch_size: options.batch_size,
            shuffle: options.shuffle,
            drop_last: options.drop_last,
            seed: options.seed,
            augment: options.augment.clone(),
            pairs: members.iter().any(|member| member.parts.losses.needs_pairs()),
        };
        let per_epoch = data.steps_per_epoch(&batches, options.accumulate)?;
        let of_epochs = || Some(per_epoch?.saturating_mul(options.epochs.unwrap_or(1)));
        let total = options.steps.or_else(of_epochs);
        if total.is_none() && members.iter().any(|member| member.options.schedule.needs_total()) {
            let message = "expected the number of steps, because this schedule depends on it and the length of a stream is unknown, got none";
            return Err(Error::config("steps", message));
        }
        let teachers = members[0].parts.teachers.frozen();
        Ok(Prepared { members, mutual: together, teachers, data, validation, batches, total, cancel })
    }
}
