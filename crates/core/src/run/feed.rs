//! The source of a run's batches: epochs over a data set, or an external stream.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::batch::Batch;
use crate::dataset::{BatchOptions, Batches, Dataset};
use crate::error::{Error, Result};
use crate::signature::Signature;

/// Batches from an external source, one after the other.
pub trait Stream: Send {
    /// Waits for the next batch; `None` at the end. Returns `Code::Cancelled` without waiting further once the flag is set.
    fn next(&mut self, cancel: &AtomicBool) -> Result<Option<Batch>>;

    /// The signature of its batches.
    fn signature(&self) -> Signature {
        Signature::default()
    }

    /// Whether another batch follows, or `None` if that is not known within this time.
    fn follows(&mut self, _patience: Duration) -> Option<bool> {
        None
    }

    /// The reason, if the stream ended with fewer batches than requested.
    fn shortfall(&self) -> Option<String> {
        None
    }
}

/// How long a step waits until the stream reports whether another batch follows. Only a stream that is slower than the
/// steps makes a step wait, so this costs no time.
const PATIENCE: Duration = Duration::from_millis(5);
/// The same for a report.
const REPORT_PATIENCE: Duration = Duration::from_millis(50);

pub enum Data {
    Dataset(Dataset),
    Stream(Box<dyn Stream>),
}

impl Data {
    /// The data set; `None` for a stream.
    pub(crate) fn dataset(&self) -> Option<&Dataset> {
        match self {
            Data::Dataset(dataset) => Some(dataset),
            Data::Stream(_) => None,
        }
    }

    /// Optimizer steps of one epoch; unknown for a stream.
    pub(crate) fn steps_per_epoch(&self, options: &BatchOptions, accumulate: usize) -> Result<Option<u64>> {
        match self {
            Data::Dataset(dataset) => Ok(Some(options.count(dataset.rows())?.div_ceil(accumulate) as u64)),
            Data::Stream(_) => Ok(None),
        }
    }
}

pub(crate) struct Feed {
    source: Source,
    accumulate: usize,
    /// The epoch of the next batch, and the number of batches of this epoch that were used.
    pub epoch: u64,
    pub used: usize,
    /// Whether a stream has ended.
    ended: bool,
}

enum Source {
    Dataset { dataset: Dataset, options: BatchOptions, batches: Option<Box<Batches>> },
    Stream(Box<dyn Stream>, BatchOptions),
}

/// The batches of one optimizer step, and whether an epoch ends with it.
pub(crate) struct Group {
    pub batches: Vec<Batch>,
    pub ends_epoch: bool,
    /// Whether it is known that the stream ends with this group.
    pub is_last: bool,
}

impl Feed {
    pub fn new(data: Data, options: BatchOptions, accumulate: usize) -> Feed {
        let source = match data {
            Data::Dataset(dataset) => Source::Dataset { dataset, options, batches: None },
            Data::Stream(stream) => Source::Stream(stream, options),
        };
        Feed { source, accumulate, epoch: 0, used: 0, ended: false }
    }

    /// The epoch of the last batch that was used; 0 before the first.
    pub fn last_epoch(&self) -> u64 {
        if self.used > 0 { self.epoch } else { self.epoch.saturating_sub(1) }
    }

    /// Whether the end of an epoch is known: true for data sets.
    pub fn has_epochs(&self) -> bool {
        self.dataset().is_some()
    }

    /// `None` for a stream.
    pub fn dataset(&self) -> Option<&Dataset> {
        match &self.source {
            Source::Dataset { dataset, .. } => Some(dataset),
            Source::Stream(..) => None,
        }
    }

    /// Whether a stream has ended, as far as this is known within a short time; false for a data set, which starts its next
    /// epoch.
    pub fn is_over(&mut self) -> bool {
        match &mut self.source {
            Source::Dataset { .. } => false,
            Source::Stream(stream, _) => {
                self.ended = self.ended || stream.follows(REPORT_PATIENCE) == Some(false);
                self.ended
            }
        }
    }

    /// For a stream that has ended, the reason if it ended early.
    pub fn stream_ended(&self) -> Option<Option<String>> {
        match &self.source {
            Source::Stream(stream, _) if self.ended => Some(stream.shortfall()),
            _ => None,
        }
    }

    /// The data set's fingerprint; `None` for a stream.
    pub fn fingerprint(&self) -> Option<String> {
        self.dataset().map(Dataset::fingerprint)
    }

    /// Continues at the position of a checkpoint; the used batches of a stream are read again and skipped.
    pub fn go_to(&mut self, epoch: u64, used: usize, cancel: &AtomicBool) -> Result<()> {
        match &mut self.source {
            Source::Dataset { batches, .. } => *batches = None,
            Source::Stream(stream, _) => {
                for at in 0..used {
                    if stream.next(cancel)?.is_none() {
                        let message =
                            format!("expected a stream of more than the {used} batches already used, got {at}");
                        return Err(Error::data("data", message));
                    }
                }
            }
        }
        (self.epoch, self.used) = (epoch, used);
        Ok(())
    }

    /// The batches of the next optimizer step; groups do not cross the end of an epoch. `None` when a stream ends.
    pub fn next(&mut self, cancel: &AtomicBool) -> Result<Option<Group>> {
        let mut group = Vec::new();
        match &mut self.source {
            Source::Stream(stream, options) => {
                while group.len() < self.accumulate {
                    let Some(batch) = stream.next(cancel)? else {
                        self.ended = true;
                        break;
                    };
                    options.augment(&batch)?;
                    group.push(batch);
                }
                self.used += group.len();
                self.ended = self.ended || stream.follows(PATIENCE) == Some(false);
                Ok((!group.is_empty()).then_some(Group { batches: group, ends_epoch: false, is_last: self.ended }))
            }
            Source::Dataset { dataset, options, batches } => {
                if batches.is_none() {
                    *batches = Some(Box::new(dataset.batches(options, self.epoch)?.starting_at(self.used)));
                }
                let iterator = batches.as_mut().ok_or_else(|| Error::internal("no batches"))?;
                for batch in iterator.take(self.accumulate) {
                    group.push(batch?);
                }
                self.used += group.len();
                let ends_epoch = self.used >= iterator.count_of_epoch();
                if ends_epoch {
                    *batches = None;
                    self.epoch += 1;
                    self.used = 0;
                }
                Ok(Some(Group { batches: group, ends_epoch, is_last: false }))
            }
        }
    }
}
