//! Brings the models and data of a run to one order of columns and classes, by name, before anything else reads them.

use super::feed::Data;
use super::mutual::Mutual;
use super::prepare::Setup;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::losses::Losses;
use crate::signature::Signature;

/// The common signature of all models of a run, and the data in its order.
struct Agreed {
    /// The signature that the students take over.
    known: Signature,
    /// `None` for a stream.
    data: Option<Dataset>,
    validation: Option<Dataset>,
}

impl Setup {
    /// The same setup in one order. A student takes missing names from its teacher, or else from the data.
    pub(super) fn agreed(mut self) -> Result<Setup> {
        let Agreed { known, data, validation } = self.agreement()?;
        self.student.learn_names(&known);
        for (student, _) in self.mutual.iter_mut().flat_map(|Mutual { others, .. }| others) {
            student.learn_names(&known);
        }
        if let Some(data) = data {
            self.data = Data::Dataset(data);
        }
        self.validation = validation;
        Ok(self)
    }

    fn agreement(&self) -> Result<Agreed> {
        let mut known = self.student.signature();
        let peers = self.mutual.iter().flat_map(|Mutual { others, .. }| others);
        for (at, (peer, _)) in peers.enumerate() {
            let own = peer.signature();
            known.expect_alike(&own, &format!("students[{}]", at + 1), "students[0]")?;
            known = known.or(&own);
        }
        // If no loss compares classes, the teacher's classes may differ.
        let compared = Losses::new(self.options.losses.clone()).is_ok_and(|losses| losses.compares_classes());
        let classes = self.student.network.classes();
        for (path, teacher) in self.teacher.models() {
            let own =
                if compared && teacher.network.classes() == classes { teacher.signature() } else { teacher.reader() };
            known.expect_alike(&own, &path, "the student")?;
            known = known.or(&own);
        }
        let data = match &self.data {
            Data::Dataset(data) => {
                data.expect_classes_from_zero("data")?;
                Some(data.seen_by(&known, "data")?)
            }
            Data::Stream(stream) => {
                known.expect_alike(&stream.signature(), "data", "the student")?;
                None
            }
        };
        let own = match &self.data {
            Data::Dataset(data) => data.signature(),
            Data::Stream(stream) => stream.signature(),
        };
        // A teacher trained on bytes gives no information about the scaling of other numbers.
        let bytes = self.student.preprocessing.bytes.or(own.bytes);
        let known = Signature { bytes, ..known.or(&own) };
        let validation = match &self.validation {
            Some(rows) => {
                rows.expect_classes_from_zero("validation")?;
                Some(rows.seen_by(&known, "validation")?)
            }
            None => None,
        };
        Ok(Agreed { known, data, validation })
    }
}
