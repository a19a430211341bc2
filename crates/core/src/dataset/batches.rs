//! The batches of one epoch, shuffled by (seed, epoch). An epoch can be resumed at any batch.
//!
//! Batch `k` depends only on (data, options, epoch, k): an epoch that starts at batch `k` has the same batches as one that
//! starts at 0. With sampling weights `w`, each position of the epoch draws a row with replacement, and row `r` has the
//! probability w_r / Σ w. A row that is drawn twice in an epoch gets the same augmentation.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairs::Pairs;
use super::{Augment, Dataset};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::random::Key;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BatchOptions {
    /// Rows per batch; at least 1. Default 64.
    pub batch_size: usize,
    /// Whether each epoch takes the rows in a new random order. Default true.
    pub shuffle: bool,
    /// Whether the last batch of an epoch is left out if it is smaller than the others. Default false.
    pub drop_last: bool,
    /// Seed of the order, the draws and the augmentation. Default 0.
    pub seed: u64,
    /// Random changes of images, drawn anew in each epoch. Default none.
    pub augment: Augment,
    /// Whether each row is paired with a row of another class.
    #[serde(skip)]
    #[schemars(skip)]
    pub pairs: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            batch_size: 64,
            shuffle: true,
            drop_last: false,
            seed: 0,
            augment: Augment::default(),
            pairs: false,
        }
    }
}

impl BatchOptions {
    /// Options for evaluation: each row once, in order, without augmentation.
    pub fn in_order(batch_size: usize) -> BatchOptions {
        BatchOptions { batch_size, shuffle: false, ..BatchOptions::default() }
    }

    /// Augments a batch in place; its tensors have no other reader yet.
    pub(crate) fn augment(&self, batch: &Batch) -> Result<()> {
        for (batch, view) in std::iter::once((batch, "main")).chain(batch.pair.as_deref().map(|pair| (pair, "pair"))) {
            self.augment.apply(batch, self.seed, view).map_err(|error| error.at("augment"))?;
        }
        Ok(())
    }

    /// The number of batches in one epoch over `rows` rows.
    pub fn count(&self, rows: usize) -> Result<usize> {
        if self.batch_size == 0 {
            return Err(Error::config("batchSize", "expected an integer of at least 1, got 0"));
        }
        if self.drop_last && rows < self.batch_size {
            let message =
                format!("expected at most {rows}, the rows of the data, because of dropLast, got {}", self.batch_size);
            return Err(Error::config("batchSize", message));
        }
        Ok(if self.drop_last { rows / self.batch_size } else { rows.div_ceil(self.batch_size) })
    }
}

enum Order {
    Listed(Vec<u32>),
    AsTheyStand,
    /// Running sums of the sampling weights, by position.
    Drawn {
        bounds: Vec<f64>,
        key: Key,
    },
}

/// The batches of one epoch.
pub struct Batches {
    dataset: Dataset,
    options: BatchOptions,
    epoch: u64,
    order: Order,
    pairs: Option<Arc<Pairs>>,
    count: usize,
    next: usize,
}

impl Dataset {
    /// The batches of an epoch. For evaluation use `BatchOptions::in_order`.
    pub fn batches(&self, options: &BatchOptions, epoch: u64) -> Result<Batches> {
        let count = options.count(self.rows())?;
        options.augment.check(self).map_err(|error| error.at("augment"))?;
        let key = Key::new(options.seed);
        let order = match &self.columns().sampling {
            Some(weights) if options.shuffle => {
                let mut sum = 0.0;
                let add = |position| {
                    sum += f64::from(weights[self.row(position)]);
                    sum
                };
                let bounds = crate::blocks::collected((0..self.rows()).map(add));
                if sum <= 0.0 {
                    return Err(Error::data(
                        "sampling",
                        "expected a weight above 0 in at least one selected row, got 0 in all",
                    ));
                }
                Order::Drawn { bounds, key: key.with("sampling").with(epoch) }
            }
            _ if options.shuffle => Order::Listed(key.with("shuffle").with(epoch).permutation(self.rows())),
            _ => Order::AsTheyStand,
        };
        let pairs = if options.pairs { Some(self.sorted_by_class()?) } else { None };
        Ok(Batches { dataset: self.clone(), options: options.clone(), epoch, order, pairs, count, next: 0 })
    }
}

impl Batches {
    /// The same epoch, starting at batch `index`.
    #[must_use]
    pub fn starting_at(mut self, index: usize) -> Batches {
        self.next = index.min(self.count);
        self
    }

    /// The number of batches in the complete epoch.
    pub fn count_of_epoch(&self) -> usize {
        self.count
    }

    /// The index of the next batch.
    pub fn position(&self) -> usize {
        self.next
    }

    fn positions(&self, index: usize) -> Vec<u32> {
        let start = index * self.options.batch_size;
        let end = (start + self.options.batch_size).min(self.dataset.rows());
        match &self.order {
            Order::Listed(order) => order[start..end].to_vec(),
            Order::AsTheyStand => (start as u32..end as u32).collect(),
            Order::Drawn { bounds, key } => (start..end).map(|place| draw(bounds, *key, place)).collect(),
        }
    }

    fn make(&self, index: usize) -> Result<Batch> {
        let positions = self.positions(index);
        let mut batch = self.dataset.batch(&positions, self.epoch)?;
        if let Some(pairs) = &self.pairs {
            let partners = pairs.partners(&self.dataset, &positions, self.options.seed, self.epoch);
            batch.pair = Some(Box::new(self.dataset.batch(&partners, self.epoch)?));
        }
        self.options.augment(&batch)?;
        Ok(batch)
    }
}

/// The position of the row whose interval contains a random point; a row of weight 0 is never drawn.
fn draw(bounds: &[f64], key: Key, place: usize) -> u32 {
    let total = bounds.last().copied().unwrap_or_default();
    let point = key.uniform_f64(place as u64) * total;
    bounds.partition_point(|bound| *bound <= point).min(bounds.len() - 1) as u32
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let index = self.next;
        (index < self.count).then(|| {
            self.next += 1;
            self.make(index)
        })
    }
}
