//! One micro-batch, as the losses see it.

use crate::batch::Batch;
use crate::numbers::Denominators;
use crate::outputs::Outputs;
use crate::parameters::Bound;
use crate::targets::Signal;

/// One micro-batch: its rows, and what student and teachers computed for them.
#[derive(Clone, Copy)]
pub struct Micro<'a> {
    pub student: Student<'a>,
    /// With several teachers, each loss on a teacher is the weighted sum over all of them.
    pub teachers: &'a [Signal],
    pub batch: &'a Batch,
    /// The denominators of the optimizer step that the micro-batch belongs to.
    pub denominators: &'a Denominators,
    /// The number of that step; the first is 0.
    pub step: u64,
    /// Whether each term's gradient is measured.
    pub norms: bool,
}

/// The student's side.
#[derive(Clone, Copy)]
pub struct Student<'a> {
    pub main: &'a Outputs,
    /// The outputs for the pair view of the batch, if a loss needs one.
    pub pair: Option<&'a Outputs>,
    /// The losses' own parameters, by name.
    pub parameters: &'a Bound,
}

impl<'a> From<&'a Outputs> for Student<'a> {
    /// A student without a pair view, for losses without parameters.
    fn from(main: &'a Outputs) -> Student<'a> {
        static NONE: Bound = Bound::new();
        Student { main, pair: None, parameters: &NONE }
    }
}
