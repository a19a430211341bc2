//! What a proof implements.

use super::evidence::{Ended, FirstStep, FirstUpdates, Student, Teaching};
use super::finding::Findings;
use crate::error::Result;

/// One proof; it implements a function for each moment at which it checks the run.
pub(crate) trait Proof {
    const NAME: &'static str;
    /// When it checks, what it compares, when it reports a finding, and the remedy.
    const MEANING: &'static str;
    /// A finding as printed: path and message.
    const EXAMPLE: &'static str;

    fn student(_: &Student, _: &mut Findings) -> Result<()> {
        Ok(())
    }
    fn teacher(_: &Teaching, _: &mut Findings) -> Result<()> {
        Ok(())
    }
    fn first_step(_: &FirstStep, _: &mut Findings) -> Result<()> {
        Ok(())
    }
    fn first_updates(_: &FirstUpdates, _: &mut Findings) -> Result<()> {
        Ok(())
    }
    fn end(_: &Ended, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}
