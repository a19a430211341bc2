//! Converts between a model's parameters and the arrays stored in files.
//!
//! A snapshot is a copy: the optimizer changes tensors in place, and a file that is being written must not see it.

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

    /// Takes the numbers of every tensor from a file: exactly these names and shapes, or nothing is changed. Element
    /// type and device stay those of the model.
    pub fn assign(&mut self, arrays: NamedTensors) -> Result<()> {
        for (name, parameter) in &self.0 {
            expect_shape(name, parameter.tensor.dims(), arrays.get(name))?;
        }
        if let Some(name) = arrays.keys().find(|name| !self.0.contains_key(*name)) {
            return Err(Error::shape(name, "expected only tensors of this architecture, got one that it has not"));
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
    fn a_snapshot_does_not_see_later_steps_and_comes_back() {
        let mut model = parameters([1.0, 2.0, 3.0]);
        let snapshot = model.snapshot().unwrap();
        update(&model.0["a"].tensor, |numbers| numbers.fill(9.0)).unwrap();
        assert_eq!(numbers(&model), [9.0, 9.0, 3.0]);
        model.assign(snapshot).unwrap();
        assert_eq!(numbers(&model), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn arrays_that_do_not_fit_change_nothing_and_are_named() {
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
    fn element_type_stays_the_models() {
        let mut model = parameters([1.0, 2.0, 3.0]);
        let mut arrays = model.snapshot().unwrap();
        arrays.insert("b".into(), Array::new(vec![1], super::super::array::Numbers::F64(vec![7.0])).unwrap());
        model.assign(arrays).unwrap();
        assert_eq!(model.0["b"].tensor.dtype(), crate::tensor::DType::F32);
        assert_eq!(numbers(&model), [1.0, 2.0, 7.0]);
    }
}
