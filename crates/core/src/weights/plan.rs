//! The generation plan: one row per parameter of the student, available before training.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::layers::show;

/// One parameter of the student.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRow {
    pub student: String,
    pub shape: Vec<usize>,
    /// The teacher's parameters that it is generated from, in order.
    pub teacher: Vec<String>,
    /// Shape of each of them; empty if there are none.
    pub teacher_shape: Vec<usize>,
    /// `full`, `vector`, `scaleShift`, `project`, `copy`, `truncate` or `fresh`.
    pub rule: &'static str,
    /// Count of the student's values in this parameter.
    pub numbers: u64,
    /// Count of the values that phase 1 trains for it.
    pub trained: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub rows: Vec<PlanRow>,
    /// Layers of the teacher that no student layer is generated from.
    pub unused: Vec<String>,
}

/// How many of a student's values each rule made, and how many came from the teacher.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Count of the student's values per rule.
    pub numbers: BTreeMap<String, u64>,
    /// Share of the student's values that were generated from the teacher's; 0…1.
    pub from_teacher: f64,
    /// Count of the values that phase 1 trained.
    pub trained: u64,
    /// Layers of the teacher that no student layer was generated from.
    pub unused: Vec<String>,
}

impl Plan {
    /// Rows and sums as plain values, and a printable table under `text`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "rows": self.rows, "origin": self.origin(), "text": self.to_string() })
    }

    pub fn origin(&self) -> Origin {
        let mut origin = Origin { unused: self.unused.clone(), ..Origin::default() };
        for row in &self.rows {
            *origin.numbers.entry(row.rule.to_string()).or_default() += row.numbers;
            origin.trained += row.trained;
        }
        let all: u64 = origin.numbers.values().sum();
        let fresh = origin.numbers.get("fresh").copied().unwrap_or(0);
        origin.from_teacher = (all - fresh) as f64 / all.max(1) as f64;
        origin
    }

    /// The teacher's layers among `layers` that no row uses.
    pub(super) fn find_unused<'a>(&mut self, layers: impl Iterator<Item = &'a str>) {
        let used: BTreeSet<&str> =
            self.rows.iter().flat_map(|row| &row.teacher).filter_map(|name| Some(name.rsplit_once('.')?.0)).collect();
        self.unused = layers.filter(|layer| !used.contains(layer)).map(str::to_string).collect();
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = |dims: &[usize]| if dims.is_empty() { "-".to_string() } else { show(dims) };
        let mut table =
            vec![["student", "shape", "rule", "trained", "shape", "from the teacher's"].map(str::to_string)];
        table.extend(self.rows.iter().map(|row| {
            let from = if row.teacher.is_empty() { "-".to_string() } else { row.teacher.join(", ") };
            let (own, theirs) = (shape(&row.shape), shape(&row.teacher_shape));
            [row.student.clone(), own, row.rule.to_string(), row.trained.to_string(), theirs, from]
        }));
        let width = |column: usize| table.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..5).map(width).collect();
        for [student, own, rule, trained, theirs, from] in &table {
            let [a, b, c, d, e] = [widths[0], widths[1], widths[2], widths[3], widths[4]];
            writeln!(f, "{student:a$}  {own:b$}  {rule:c$}  {trained:>d$}  {theirs:e$}  {from}")?;
        }
        let origin = self.origin();
        let all: u64 = origin.numbers.values().sum();
        let parts: Vec<String> = origin
            .numbers
            .iter()
            .map(|(rule, numbers)| format!("{rule} {:.1} %", 100.0 * *numbers as f64 / all.max(1) as f64))
            .collect();
        writeln!(f, "{all} numbers: {}; {} numbers are trained for them in phase 1", parts.join(", "), origin.trained)?;
        match self.unused.is_empty() {
            true => write!(f, "every layer of the teacher is used"),
            false => write!(f, "not used: the teacher's {}", self.unused.join(", ")),
        }
    }
}
