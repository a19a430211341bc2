//! What a row loss is to the rest: its options, what it needs, and how it is computed.

use super::given::Given;
use super::need::Needs;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, RowTerm};
use crate::batch::Batch;
use crate::error::Result;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

/// A loss whose value is a mean over rows of something that one row decides. It is `OfLabels` or `OfTeacher` too: by its
/// line in the registry.
pub(crate) trait RowLoss: Send + Sync {
    /// Errors name the option, not the loss. Its weight and its temperature have been checked.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    fn needs(&self) -> Needs;
    /// The least number of outputs that it is defined for.
    fn classes(&self) -> usize {
        2
    }
    /// Checks the options against the run; what the loss needs has been checked.
    fn check(&self, _given: &Given) -> Result<()> {
        Ok(())
    }
    /// Checks the labels of a batch, whose kind fits.
    fn check_batch(&self, _batch: &Batch) -> Result<()> {
        Ok(())
    }
    /// What multiplies the row's own weight, in the sum and in its denominator.
    fn row_weight(&self, _label: Option<u32>) -> f64 {
        1.0
    }
    /// The option by which rows change each other's value: then micro-batches do not add up to the large batch.
    fn couples_rows(&self) -> Option<&'static str> {
        None
    }
}

/// A row loss that compares the student with the labels of the data.
pub(crate) trait OfLabels: RowLoss {
    /// Asks for the softmaxes that its rows will read.
    fn begin<'a>(&'a self, ask: &mut Ask) -> Box<dyn RowTerm + 'a>;
    /// In plain tensor calls of any float type: what the kernels are tested against.
    fn reference(&self, rows: &Reference) -> Result<Plain>;
}

/// A row loss that compares the student with a teacher.
pub(crate) trait OfTeacher: RowLoss {
    /// What divides the logits, where it reads softmaxes of them.
    fn temperature(&self) -> Option<&Scheduled> {
        None
    }
    /// Whether logits of a mixture of teachers, right at its temperature alone, serve it as a teacher's do.
    fn reads_mixtures(&self) -> bool {
        self.temperature().is_some()
    }
    /// The loss at one temperature: asks for the softmaxes that its rows will read.
    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>>;
    /// In plain tensor calls of any float type: what the kernels are tested against.
    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain>;
}

/// A row loss by what it compares with.
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

/// A loss of a run, with what every loss has.
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
