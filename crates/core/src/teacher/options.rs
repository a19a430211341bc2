//! Teachers as they cross from JavaScript: models by their number, everything else by its options.

use serde_json::Value as Json;

use super::several::path;
use super::{Teacher, TeacherOptions, Teachers};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::reading::parse;

/// Reads a list of teachers; errors have the path of the option.
pub fn read(json: &str) -> Result<Vec<TeacherOptions>> {
    let all: Vec<Json> = parse(json)?;
    let one = |(at, one): (usize, &Json)| parse(&one.to_string()).map_err(|error| error.at(&path(all.len(), at)));
    all.iter().enumerate().map(one).collect()
}

impl Teachers {
    /// Puts the models in their places.
    pub fn from_options(options: &[TeacherOptions], models: &[Model]) -> Result<Teachers> {
        let mut members = Vec::new();
        for (at, one) in options.iter().enumerate() {
            let path = path(options.len(), at);
            let mut teachers = one.clone().named(models).map_err(|error| error.at(&path))?;
            let (Some(teacher), true) = (teachers.pop(), teachers.is_empty()) else {
                let kinds = TeacherOptions::KINDS.join(", ");
                return Err(Error::config(path, format!("expected exactly one of {kinds}")));
            };
            members.push((teacher, one.weight.unwrap_or(1.0)));
        }
        Teachers::new(members)
    }
}

pub(super) fn model(models: &[Model], number: usize) -> Result<Teacher> {
    let model = models.get(number).ok_or_else(|| Error::internal("a teacher without its model"))?;
    Ok(model.clone().into())
}

/// Refuses a share that is not in 0 ≤ share < 1.
pub(super) fn share(path: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(path, format!("expected 0 or more and below 1, got {value}")))
}
