//! The format of numbers and cases in golden files.

use std::collections::BTreeMap;

use limbeck_core::error::{Candle, Result};
use limbeck_core::near::Precision;
use limbeck_core::tensor::{Tensor, from_vec};
use serde::{Deserialize, Deserializer};

/// One case of an operation or a loss.
#[derive(Clone, Debug, Deserialize)]
pub struct LayerCase {
    #[serde(default)]
    pub options: serde_json::Value,
    pub inputs: BTreeMap<String, Numbers>,
    pub value: f64,
    pub gradient: BTreeMap<String, Numbers>,
}

/// Nested arrays of numbers, or one number, with their shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn flatten(value: &serde_json::Value, depth: usize, numbers: &mut Numbers) -> Result<(), String> {
            let serde_json::Value::Array(items) = value else {
                let number = value.as_f64().or(value.as_bool().map(f64::from));
                numbers.values.push(number.ok_or_else(|| format!("expected a number, got {value}"))?);
                return if depth == numbers.dims.len() { Ok(()) } else { Err("expected equal depths".into()) };
            };
            match numbers.dims.get(depth) {
                None if numbers.values.is_empty() => numbers.dims.push(items.len()),
                Some(len) if *len == items.len() => {}
                _ => return Err("expected equal lengths".into()),
            }
            items.iter().try_for_each(|item| flatten(item, depth + 1, numbers))
        }
        let mut numbers = Numbers::default();
        flatten(&serde_json::Value::deserialize(deserializer)?, 0, &mut numbers).map_err(serde::de::Error::custom)?;
        Ok(numbers)
    }
}

impl Numbers {
    pub fn tensor(&self, precision: Precision) -> Result<Tensor> {
        from_vec(self.values.clone(), self.dims.clone())?.to_dtype(precision.dtype()).ok_or_internal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_keep_their_shape() {
        let numbers: Numbers = serde_json::from_str("[[1, 2, 3], [4, 5, 6]]").unwrap();
        assert_eq!(numbers, Numbers { dims: vec![2, 3], values: vec![1., 2., 3., 4., 5., 6.] });
        assert_eq!(serde_json::from_str::<Numbers>("2.5").unwrap(), Numbers { dims: vec![], values: vec![2.5] });
        assert!(serde_json::from_str::<Numbers>("[[1, 2], [3]]").is_err());
        assert!(serde_json::from_str::<Numbers>("[[1, 2], 3]").is_err());
    }
}
