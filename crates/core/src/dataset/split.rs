//! Splits a data set into parts; each row is in at most one part.
//!
//! ```text
//! part p of n rows gets round(n · c_p) − round(n · c_{p−1}) rows,   c_p = f_0 + … + f_p      f: the fractions
//! ```
//!
//! Every part is within one row of its fraction, and no row is lost if the fractions sum to 1. The seed decides which
//! rows a part gets; inside a part they keep their order. A stratified split sorts the shuffled rows by label, and each
//! part takes its rows at even distances, so that the number of rows of a label in the first part is within one row of
//! exact (each further part adds at most one row to the error). Rows without a label count as one more label. The sizes of
//! the parts are the same as without stratification.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::random::Key;

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Seed that decides which rows each part gets. Default 0.
    pub seed: u64,
    /// Whether every part has the same mixture of labels; needs one label per row. Default false.
    pub stratify: bool,
}

impl Dataset {
    /// Returns one data set per fraction; fractions that sum to less than 1 leave rows out.
    pub fn split(&self, fractions: &[f64], options: &SplitOptions) -> Result<Vec<Dataset>> {
        let counts = counts(self.rows(), fractions)?;
        let mut order = Key::new(options.seed).with("split").permutation(self.rows());
        if options.stratify {
            if self.label_kind() != LabelKind::Single {
                return Err(Error::config(
                    "stratify",
                    "expected data with one label per row, got other labels or none",
                ));
            }
            order.sort_by_key(|position| self.label(*position as usize)); // stable: rows of a label stay shuffled
        }
        let mut parts = Vec::with_capacity(counts.len());
        for count in counts {
            let mut part;
            if options.stratify {
                (part, order) = take_evenly(&order, count);
            } else {
                part = crate::blocks::collected(order.drain(..count));
            }
            part.sort_unstable();
            parts.push(self.select(&part)?);
        }
        Ok(parts)
    }
}

impl Dataset {
    /// A split that keeps the rows of a group together: the groups are shuffled by the seed, and each is assigned to the
    /// part that has the most rows missing. `groups` has one number per row.
    pub fn split_groups(&self, fractions: &[f64], groups: &[u32], seed: u64) -> Result<Vec<Dataset>> {
        let rows = self.rows();
        if groups.len() != rows {
            return Err(Error::data(
                "groups",
                format!("expected {rows} groups, one for each row, got {}", groups.len()),
            ));
        }
        let mut wanted: Vec<i64> = counts(rows, fractions)?.into_iter().map(|count| count as i64).collect();
        let parts = wanted.len();
        // Fractions that sum to less than 1 leave whole groups out.
        wanted.push(rows as i64 - wanted.iter().sum::<i64>());
        let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        groups.iter().zip(0..).for_each(|(group, row)| members.entry(*group).or_default().push(row));
        let members: Vec<Vec<u32>> = members.into_values().collect();
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); wanted.len()];
        for group in Key::new(seed).with("split groups").permutation(members.len()) {
            let group = &members[group as usize];
            let most = (0..wanted.len()).rev().max_by_key(|part| wanted[*part]).unwrap_or(0);
            wanted[most] -= group.len() as i64;
            chosen[most].extend(group);
        }
        let select = |(part, rows): (usize, &mut Vec<u32>)| {
            if rows.is_empty() {
                let message = format!("expected more groups than {}, got no group for this part", members.len());
                return Err(Error::data(format!("fractions[{part}]"), message));
            }
            rows.sort_unstable();
            self.select(rows)
        };
        chosen.iter_mut().take(parts).enumerate().map(select).collect()
    }
}

fn counts(rows: usize, fractions: &[f64]) -> Result<Vec<usize>> {
    if fractions.is_empty() {
        return Err(Error::config("fractions", "expected at least one fraction, got none"));
    }
    let (mut sum, mut bound) = (0.0, 0);
    let mut counts = Vec::with_capacity(fractions.len());
    for (index, fraction) in fractions.iter().enumerate() {
        let path = format!("fractions[{index}]");
        if !(*fraction > 0.0 && *fraction <= 1.0) {
            return Err(Error::config(path, format!("expected a number above 0 and at most 1, got {fraction}")));
        }
        sum += fraction;
        if sum > 1.0 + 1e-9 {
            return Err(Error::config("fractions", format!("expected a sum of at most 1, got {sum} or more")));
        }
        let next = ((rows as f64 * sum).round() as usize).min(rows);
        if next == bound {
            let message = format!("expected a fraction that gives at least one of {rows} rows, got {fraction}");
            return Err(Error::config(path, message));
        }
        counts.push(next - bound);
        bound = next;
    }
    Ok(counts)
}

/// Returns `count` items at even distances, and the remaining items.
fn take_evenly(items: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let (total, count) = (items.len() as u64, count as u64);
    let steps = |at: u64| at * count / total;
    let mut place = 0;
    items.iter().partition(|_| {
        place += 1;
        steps(place) > steps(place - 1)
    })
}
