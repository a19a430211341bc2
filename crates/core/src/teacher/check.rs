//! What teachers can give to losses, and what they need themselves.

use super::{Combine, Teacher, Teachers, answer};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::losses::Losses;
use crate::models::Network;

/// What all teachers together answer with.
pub(crate) struct Answers {
    /// Their classes; none without teachers.
    pub classes: Option<usize>,
    /// Whether they give all their logits.
    pub dense: bool,
    /// Whether they show the weight of their last linear layer.
    pub head: bool,
}

impl Teachers {
    /// What they answer with; refuses, by path, what this student and these data cannot use. Without a data set the
    /// batches of a stream show later what they are.
    pub(crate) fn answers(&self, student: &Network, data: Option<&Dataset>, losses: &Losses) -> Result<Answers> {
        let mut classes = Vec::new();
        for (at, (teacher, _)) in self.members.iter().enumerate() {
            let path = self.path(at);
            classes.push(match teacher {
                Teacher::Model(model) | Teacher::Cached(model, _) => model.network.classes(),
                Teacher::Column => match data {
                    Some(data) => data.teacher_classes().ok_or_else(|| {
                        let message = "expected a teacher, or data with a teacherLogits column, got neither";
                        Error::config(path, message)
                    })?,
                    None => student.classes(),
                },
                Teacher::Average(_) => student.classes(),
                Teacher::Peer(_, network) => network.classes(),
                Teacher::Smoothed(_) => {
                    let kind = data.map_or(LabelKind::Single, Dataset::label_kind);
                    if kind != LabelKind::Single {
                        let message = format!("expected one label a row in the data, got {}", kind.words());
                        return Err(Error::config(format!("{path}.labelSmoothing"), message));
                    }
                    let none = |data: &Dataset| (0..data.rows()).find(|row| data.label(*row).is_none());
                    if let Some(row) = data.and_then(none) {
                        return Err(answer::without_label(row).at(&path));
                    }
                    student.classes()
                }
            });
        }
        if let Some(at) = classes.iter().position(|other| *other != classes[0]) {
            let message =
                format!("expected a teacher of {} classes, as the first, got one of {}", classes[0], classes[at]);
            return Err(Error::shape(self.path(at), message));
        }
        let smoothed = self.members.iter().position(|(teacher, _)| matches!(teacher, Teacher::Smoothed(_)));
        if let (Some(at), true) = (smoothed, self.mixed()) {
            let message =
                "expected teachers with logits, which can be mixed, got smoothed labels: use combine: 'losses'";
            return Err(Error::config(self.path(at), message));
        }
        if let (Some(at), true) = (smoothed, self.permute) {
            let message = "expected teachers with logits for permuteTeacher, got smoothed labels";
            return Err(Error::config(self.path(at), message));
        }
        let heads = |(teacher, _): &(Teacher, f64)| match teacher {
            Teacher::Average(_) => student.head().is_some(),
            Teacher::Peer(_, network) => network.head().is_some(),
            other => other.model().is_some_and(|model| model.network.head().is_some()),
        };
        let dense = smoothed.is_none() && !(self.mixed() && self.combine == Combine::Probabilities);
        if !dense && losses.has_features() {
            let message = "expected teachers with logits of their own beside losses that compare layers or outputs, got smoothed labels or mixed probabilities";
            return Err(Error::config("losses", message));
        }
        Ok(Answers {
            classes: classes.first().copied(),
            dense,
            head: !self.mixed() && !self.is_empty() && self.members.iter().all(heads),
        })
    }

    /// Finds the layers that losses look at; those of several teachers have to be alike.
    pub(crate) fn fit(&self, losses: &mut Losses, student: &Network) -> Result<()> {
        let networks = self.networks(student);
        losses.fit(student, networks.first().copied().flatten()).map_err(|error| error.at("losses"))?;
        if losses.teacher_layers().is_empty() {
            return Ok(());
        }
        if self.mixed() {
            let message = "expected combine: 'losses' beside losses that look at a teacher's layers: teachers that are mixed show their answers alone";
            return Err(Error::config("combine", message));
        }
        let shapes =
            |losses: &Losses| losses.specs().into_iter().map(|spec| (spec.name, spec.shape)).collect::<Vec<_>>();
        let first = shapes(losses);
        for (at, network) in networks.iter().enumerate().skip(1) {
            losses.fit(student, *network).map_err(|error| error.at(&self.path(at)))?;
            if shapes(losses) != first {
                let message = "expected layers of the widths of the first teacher's: one projection serves all of them";
                return Err(Error::shape(self.path(at), message));
            }
        }
        if networks.len() > 1 {
            losses.fit(student, networks[0]).map_err(|error| error.at("losses"))?;
        }
        Ok(())
    }
}
