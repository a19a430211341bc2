//! A summary of many numbers: mean, extremes and quantiles.
//!
//! ```text
//! quantile(a) = x_i + (a·(n−1) − i)·(x_{i+1} − x_i),    i = floor(a·(n−1)),  x sorted, counted from 0
//! ```
//!
//! Source: Hyndman, Fan, "Sample Quantiles in Statistical Packages", 1996, definition 7 (numpy's default). Where we
//! differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean, extremes and quantiles of one number per row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Count of the rows with a number; if it is 0, all statistics are 0.
    pub rows: usize,
    /// Count of the rows without a number, which are left out.
    pub skipped: usize,
    pub mean: f64,
    pub lowest: f64,
    /// 5 % of the numbers are below.
    pub q5: f64,
    /// 25 % of the numbers are below.
    pub q25: f64,
    pub median: f64,
    /// 25 % of the numbers are above.
    pub q75: f64,
    /// 5 % of the numbers are above.
    pub q95: f64,
    pub highest: f64,
}

impl Spread {
    /// Summarises one number per row; `None` stands for a row without a number.
    pub fn of(of_rows: impl IntoIterator<Item = Option<f64>>) -> Spread {
        let mut skipped = 0;
        let mut numbers = Vec::new();
        of_rows.into_iter().for_each(|number| number.map_or_else(|| skipped += 1, |number| numbers.push(number)));
        let rows = numbers.len();
        let Some(last) = rows.checked_sub(1) else { return Spread { skipped, ..Spread::default() } };
        numbers.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (numbers[place as usize], numbers[(place as usize + 1).min(last)]);
            below + (place - place.floor()) * (above - below)
        };
        Spread {
            rows,
            skipped,
            mean: numbers.iter().sum::<f64>() / rows as f64,
            lowest: numbers[0],
            q5: at(0.05),
            q25: at(0.25),
            median: at(0.5),
            q75: at(0.75),
            q95: at(0.95),
            highest: numbers[last],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let spread = Spread::of([Some(4.0), Some(1.0), None, Some(3.0), Some(2.0)]);
        let Spread { rows, skipped, mean, lowest, q5, q25, median, q75, q95, highest } = spread;
        let want = [2.5, 1.0, 1.15, 1.75, 2.5, 3.25, 3.85, 4.0];
        for (got, want) in [mean, lowest, q5, q25, median, q75, q95, highest].into_iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        assert_eq!((rows, skipped, Spread::of([Some(7.0)]).q95, Spread::of([None]).skipped), (4, 1, 7.0, 1));
    }
}
