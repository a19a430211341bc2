//! Parameters that weight generators compute, for the benchmark programs.

use std::collections::BTreeMap;

use limbeck_core::error::Result;
use limbeck_core::ops::weight_generator::{Stack, Weights, weight_generator};
use limbeck_core::tape::{Engine, Gradients, Tape, Value};
use limbeck_core::tensor::{Tensor, from_vec, to_f64};

/// Weight generators: the forward pass, and the backward pass of `Σ upstream ⊙ S` to everything that is trained.
#[derive(Default)]
pub struct Generators(Vec<Generated>);

/// Tensors by their names in the formula.
type Named = BTreeMap<&'static str, Tensor>;

struct Generated {
    stack: Stack,
    trained: BTreeMap<&'static str, Tensor>,
    upstream: Tensor,
}

/// The numbers of one generator: the teacher's planes `[outputs, inputs]`, and the trained ones, with shapes.
pub struct GeneratorNumbers {
    pub planes: Vec<Vec<f32>>,
    pub teacher: [usize; 2],
    pub student: [usize; 2],
    /// wOut, wIn, wLayer, wReduce, scale, shift.
    pub trained: [Vec<f32>; 6],
    pub upstream: Vec<f32>,
}

const TRAINED: [&str; 6] = ["wOut", "wIn", "wLayer", "wReduce", "scale", "shift"];

impl Generators {
    pub fn add(&mut self, numbers: GeneratorNumbers) -> Result<()> {
        let ([ot, it], [os, is], l) = (numbers.teacher, numbers.student, numbers.planes.len());
        let planes = numbers.planes.into_iter().map(|plane| from_vec(plane, (ot, it))).collect::<Result<Vec<_>>>()?;
        let shapes = [vec![ot, os], vec![it, is], vec![l, l], vec![l], vec![os, is], vec![os, is]];
        let each = TRAINED.into_iter().zip(numbers.trained).zip(shapes);
        let trained =
            each.map(|((name, values), shape)| Ok((name, from_vec(values, shape)?))).collect::<Result<_>>()?;
        let upstream = from_vec(numbers.upstream, (os, is))?;
        self.0.push(Generated { stack: Stack::new(&planes)?, trained, upstream });
        Ok(())
    }

    /// The first generated parameter, and the gradients of each generator.
    fn gradients(&self) -> Result<(Option<Tensor>, Vec<Named>)> {
        let mut tape = Tape::new(Engine::Kernels);
        let (mut leaves, mut seeds) = (Vec::new(), Vec::new());
        for one in &self.0 {
            let own: BTreeMap<&'static str, Value> =
                one.trained.iter().map(|(name, tensor)| (*name, tape.leaf(tensor.clone()))).collect();
            let weights = Weights {
                w_out: own.get("wOut").cloned(),
                w_in: own.get("wIn").cloned(),
                layers: own.get("wLayer").cloned().zip(own.get("wReduce").cloned()),
                affine: own.get("scale").cloned().zip(own.get("shift").cloned()),
            };
            let made = weight_generator(&mut tape, &one.stack, &weights, one.upstream.dims())?;
            seeds.push((made, one.upstream.clone()));
            leaves.push(own);
        }
        let first = seeds.first().map(|(made, _)| made.tensor().clone());
        let mut gradients = tape.backward(seeds)?;
        let of = |own: &BTreeMap<&'static str, Value>, gradients: &mut Gradients| {
            own.iter().filter_map(|(name, value)| Some((*name, gradients.take(value)?))).collect()
        };
        Ok((first, leaves.iter().map(|own| of(own, &mut gradients)).collect()))
    }

    /// Forward and backward.
    pub fn step(&self) -> Result<()> {
        self.gradients().map(|_| ())
    }

    /// The value of the first parameter, and all gradients, starting with those of a generator's wOut.
    pub fn check(&self) -> Result<(f64, Vec<Vec<f32>>)> {
        let (first, gradients) = self.gradients()?;
        let value = match (first, self.0.first()) {
            (Some(made), Some(one)) => to_f64(&made)?.iter().zip(to_f64(&one.upstream)?).map(|(a, b)| a * b).sum(),
            _ => 0.0,
        };
        let plain = |tensor: &Tensor| -> Result<Vec<f32>> { Ok(to_f64(tensor)?.iter().map(|x| *x as f32).collect()) };
        let all = gradients.iter().flat_map(|own| TRAINED.into_iter().filter_map(|name| own.get(name)));
        Ok((value, all.map(plain).collect::<Result<_>>()?))
    }
}
