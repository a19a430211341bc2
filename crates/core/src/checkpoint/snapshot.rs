//! Converts between a model's parameters and the arrays of files.
//!
//! A snapshot is a copy, because the optimizer changes tensors in place while a file is being written.

use super::array::{Array, NamedTensors};
use crate::error::{Candle, Error, Result};
use crate::parameters::Parameters;

impl Parameters {
    /// A copy of every tensor, by name.
    pub fn snapshot(&self) -> Result<NamedTensors> {
        let copy = |(name, parameter): (&String, &crate::parameters::Parameter)| {
            let array = Array::copy_of(&parameter.tensor).map_err(|error| error.at(name))?;
            Ok((name.clone(), array))
        };
        self.0.iter().map(copy).collect()
    }

    /// Replaces the numbers of every tensor by those of a file. Names and shapes must be equal; otherwise nothing is
    /// changed. The element type and device of the model are kept.
    pub fn assign(&mut self, arrays: NamedTensors) -> Result<()> {
        for (name, parameter) in &self.0 {
            expect_shape(name, parameter.tensor.dims(), arrays.get(name))?;
        }
        if let Some(name) = arrays.keys().find(|name| !self.0.contains_key(*name)) {
            return Err(Error::shape(name, "expected only tensors of this architecture, got another tensor"));
        }
        let mut tensors = Vec::new();
        for ((name, array), parameter) in arrays.into_iter().zip(self.0.values()) {
            let tensor = array.into_tensor().map_err(|error| error.at(&name))?;
            let (dtype, device) = (parameter.tensor.dtype(), parameter.tensor.device());
            tensors.push(tensor.to_dtype(dtype).and_then(|tensor| tensor.to_device(device)).ok_or_internal()?);
        }
        for (parameter, tensor) in self.0.values_mut().zip(tensors) {
            parameter.tensor = tensor;
        }
        Ok(())
    }
}

/// Checks that a tensor exists in the file and has the shape required by the architecture.
pub(crate) fn expect_shape(name: &str, wanted: &[usize], found: Option<&Array>) -> Result<()> {
    match found {
        None => Err(Error::shape(name, format!("expected a tensor of shape {wanted:?}, got none"))),
        Some(array) if array.shape() != wanted => {
            Err(Error::shape(name, format!("expected shape {wanted:?}, got {:?}", array.shape())))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Kind, Parameter};
    use crate::tensor::{from_vec, to_f64, update};

    fn parameters(values: [f32; 3]) -> Parameters {
        let tensor = |values: &[f32]| from_vec(values.to_vec(), values.len()).unwrap();
        let parameter = |values| Parameter { tensor: tensor(values), kind: Kind::Trainable, decay: true };
        Parameters([("a".into(), parameter(&values[..2])), ("b".into(), parameter(&values[2..]))].into())
    }

    fn numbers(parameters: &Parameters) -> Vec<f64> {
        parameters.0.values().flat_map(|parameter| to_f64(&parameter.tensor).unwrap()).collect()
    }

    #[test]
    fn later_steps_do_not_change_a_snapshot_and_it_can_be_restored() {
        let mut model = parameters([1.0, 2.0, 3.0]);
        let snapshot = model.snapshot().unwrap();
        update(&model.0["a"].tensor, |numbers| numbers.fill(9.0)).unwrap();
        assert_eq!(numbers(&model), [9.0, 9.0, 3.0]);
        model.assign(snapshot).unwrap();
        assert_eq!(numbers(&model), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn arrays_that_do_not_fit_are_named_and_change_nothing() {
        let mut model = parameters([1.0, 2.0, 3.0]);
        let good = parameters([4.0, 5.0, 6.0]).snapshot().unwrap();
        let (mut missing, mut more, mut other) = (good.clone(), good.clone(), good);
        missing.remove("b");
        more.insert("c".into(), Array::f32(vec![1], vec![0.0]).unwrap());
        other.insert("b".into(), Array::f32(vec![1, 1], vec![0.0]).unwrap());
        for (arrays, name) in [(missing, "b"), (more, "c"), (other, "b")] {
            assert_eq!(model.assign(arrays).unwrap_err().path, name);
            assert_eq!(numbers(&model), [1.0, 2.0, 3.0]);
        }
    }

    #[test]
    fn the_element_type_of_the_model_is_kept() {
        let mut model = parameters([1.0, 2.0, 3.0]);
        let mut arrays = model.snapshot().unwrap();
        arrays.insert("b".into(), Array::new(vec![1], super::super::array::Numbers::F64(vec![7.0])).unwrap());
        model.assign(arrays).unwrap();
        assert_eq!(model.0["b"].tensor.dtype(), crate::tensor::DType::F32);
        assert_eq!(numbers(&model), [1.0, 2.0, 7.0]);
    }
}
