//! The interface of a row loss: its options, its needs, and its computation.

use super::given::Given;
use super::need::Needs;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, RowTerm};
use crate::batch::Batch;
use crate::error::Result;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

/// A loss whose value is a mean of values that each depend on one row. It also implements `OfLabels` or `OfTeacher`, as
/// its line in the registry states.
pub(crate) trait RowLoss: Send + Sync {
    /// Checks the options except weight and temperature, which are checked already. Paths of errors start at the
    /// option, not at the loss.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    fn needs(&self) -> Needs;
    /// The least number of outputs for which the loss is defined.
    fn classes(&self) -> usize {
        2
    }
    /// Checks the options against the run; the needs are checked already.
    fn check(&self, _given: &Given) -> Result<()> {
        Ok(())
    }
    /// Checks the labels of a batch; their kind is checked already.
    fn check_batch(&self, _batch: &Batch) -> Result<()> {
        Ok(())
    }
    /// The factor of the row's own weight, in the sum and in its denominator.
    fn row_weight(&self, _label: Option<u32>) -> f64 {
        1.0
    }
    /// The option that makes the value of a row depend on other rows; with it micro-batches do not add up to the large
    /// batch.
    fn couples_rows(&self) -> Option<&'static str> {
        None
    }
}

/// A row loss that compares the student with the labels of the data.
pub(crate) trait OfLabels: RowLoss {
    /// Requests the softmaxes that its rows will read.
    fn begin<'a>(&'a self, ask: &mut Ask) -> Box<dyn RowTerm + 'a>;
    /// The loss in plain tensor calls, for any float type; the kernels are tested against it.
    fn reference(&self, rows: &Reference) -> Result<Plain>;
}

/// A row loss that compares the student with a teacher.
pub(crate) trait OfTeacher: RowLoss {
    /// The divisor of the logits, if the loss reads softmaxes.
    fn temperature(&self) -> Option<&Scheduled> {
        None
    }
    /// Whether the loss can use the logits of a mixture of teachers, which are correct only at its temperature.
    fn reads_mixtures(&self) -> bool {
        self.temperature().is_some()
    }
    /// The loss at one temperature; requests the softmaxes that its rows will read.
    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>>;
    /// The loss in plain tensor calls, for any float type; the kernels are tested against it.
    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain>;
}

/// A row loss, by what it compares with.
pub(crate) enum AnyRow {
    OfLabels(Box<dyn OfLabels>),
    OfTeacher(Box<dyn OfTeacher>),
}

impl AnyRow {
    pub fn row(&self) -> &dyn RowLoss {
        match self {
            AnyRow::OfLabels(loss) => loss.as_ref(),
            AnyRow::OfTeacher(loss) => loss.as_ref(),
        }
    }

    pub fn temperature(&self) -> Option<&Scheduled> {
        match self {
            AnyRow::OfLabels(_) => None,
            AnyRow::OfTeacher(loss) => loss.temperature(),
        }
    }
}

/// A loss of a run, with the fields that every loss has.
pub(crate) struct Chosen<L> {
    /// Its key in `losses`.
    pub name: &'static str,
    pub weight: Scheduled,
    pub needs: Needs,
    pub loss: L,
}

impl Chosen<AnyRow> {
    pub fn row(name: &'static str, weight: Scheduled, loss: AnyRow) -> Chosen<AnyRow> {
        Chosen { name, weight, needs: loss.row().needs(), loss }
    }
}
