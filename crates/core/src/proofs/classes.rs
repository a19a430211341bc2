//! `classesFromZero`: classes without names that seem to be counted from 1.

use super::Findings;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::LabelKind;

/// Warns where no row has class 0 and the labels are no names; `path` is the data's place in messages.
pub(crate) fn prove_classes(data: &Dataset, path: &str, findings: &mut Findings) -> Result<()> {
    if data.label_kind() != LabelKind::Single || data.label_names().is_some() {
        return Ok(());
    }
    let known = || (0..data.rows()).filter_map(|row| data.label(row));
    match (known().min(), known().max()) {
        (Some(first), Some(last)) if first > 0 && last > first => {
            let message = format!(
                "no row has class 0: the labels are {first} to {last}, and classes are counted from 0; if the labels are \
                 counted from 1, subtract 1, or give labelNames"
            );
            findings.add("classesFromZero", format!("{path}.labels"), message)
        }
        _ => Ok(()),
    }
}
