//! Checks whether the losses can use the signals of all teachers.

use super::several::{Combine, Teachers};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::losses::Losses;
use crate::models::Network;
use crate::targets::Form;

/// What all teachers together provide.
pub(crate) struct Together {
    /// The number of their classes; `None` without teachers.
    pub classes: Option<usize>,
    /// The form that each of them provides at least.
    pub form: Form,
    /// Whether the weights of their last linear layers are known.
    pub head: bool,
}

impl Teachers {
    /// What the teachers provide; rejects, with its path, what this student and these data cannot use. Without a data
    /// set, the content of a stream is checked later, batch by batch.
    pub(crate) fn offer(&self, student: &Network, data: Option<&Dataset>, losses: &Losses) -> Result<Together> {
        let mut offers = Vec::new();
        for (at, (teacher, _)) in self.members.iter().enumerate() {
            offers.push(teacher.offers(student, data).map_err(|error| error.at(&self.path(at)))?);
        }
        if let Some(at) = offers.iter().position(|other| other.classes != offers[0].classes) {
            let (first, own) = (offers[0].classes, offers[at].classes);
            let message = format!("expected a teacher with {first} classes, like the first, got one with {own}");
            return Err(Error::shape(self.path(at), message));
        }
        let sparse = offers.iter().position(|offers| offers.form != Form::Logits);
        if let (Some(at), true) = (sparse, self.mixed()) {
            let message = "expected a teacher with logits of all classes, which can be mixed: use combine: 'losses'";
            return Err(Error::config(self.path(at), message));
        }
        if let (Some(at), true) = (sparse, self.permute) {
            let message = "expected a teacher with logits of all classes for permuteTeacher";
            return Err(Error::config(self.path(at), message));
        }
        let mixed = self.mixed() && self.combine == Combine::Probabilities;
        let form = if mixed {
            Form::Distribution
        } else {
            offers.iter().map(|offers| offers.form).fold(Form::Logits, Form::least)
        };
        if form != Form::Logits && losses.has_features() {
            let message = "losses on layers or outputs need a teacher with logits; label smoothing, teacherTopK and combine: 'probabilities' have none";
            return Err(Error::config("losses", message));
        }
        let heads = self.networks(student).into_iter().all(|network| network.is_some_and(|own| own.head().is_some()));
        Ok(Together {
            classes: offers.first().map(|offers| offers.classes),
            form,
            head: heads && !self.mixed() && !self.is_empty(),
        })
    }

    /// Finds the layers that losses read; the layers of several teachers must have the same widths.
    pub(crate) fn fit(&self, losses: &mut Losses, student: &Network) -> Result<()> {
        let networks = self.networks(student);
        losses.fit(student, networks.first().copied().flatten()).map_err(|error| error.at("losses"))?;
        if losses.teacher_layers().is_empty() {
            return Ok(());
        }
        if self.mixed() {
            let message = "expected combine: 'losses', because a loss reads the teachers' layers; mixed teachers only provide outputs";
            return Err(Error::config("combine", message));
        }
        let shapes =
            |losses: &Losses| losses.specs().into_iter().map(|spec| (spec.name, spec.shape)).collect::<Vec<_>>();
        let first = shapes(losses);
        for (at, network) in networks.iter().enumerate().skip(1) {
            losses.fit(student, *network).map_err(|error| error.at(&self.path(at)))?;
            if shapes(losses) != first {
                let message =
                    "expected layers as wide as those of the first teacher, because one projection serves all teachers";
                return Err(Error::shape(self.path(at), message));
            }
        }
        if networks.len() > 1 {
            losses.fit(student, networks[0]).map_err(|error| error.at("losses"))?;
        }
        Ok(())
    }
}
