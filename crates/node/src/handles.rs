//! A model as JavaScript holds it: its network immediately, its initial values when they are first needed.
//!
//! Drawing millions of initial values would block the event loop too long: except in a few synchronous calls, they are
//! drawn on one of our own threads.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use limbeck_core::error::Result;
use limbeck_core::models::{Model, ModelOptions};
use limbeck_core::parameters::{Kind, Parameters};

/// Cheap to clone; clones share the values, drawn or not.
#[derive(Clone)]
pub(crate) struct Held {
    /// Everything but the parameters, which are `values`.
    pub frame: Model,
    values: Arc<Values>,
}

struct Values {
    seed: u64,
    drawn: OnceLock<Parameters>,
    /// Held by the thread that draws; others wait.
    drawing: Mutex<()>,
}

impl From<Model> for Held {
    fn from(mut model: Model) -> Held {
        let drawn = OnceLock::from(std::mem::take(&mut model.parameters));
        Held { frame: model, values: Arc::new(Values { seed: 0, drawn, drawing: Mutex::default() }) }
    }
}

impl Held {
    /// Checks the options whole; draws nothing.
    pub fn fresh(options: ModelOptions, seed: u64) -> Result<Held> {
        let values = Values { seed, drawn: OnceLock::new(), drawing: Mutex::default() };
        Ok(Held { frame: Model::undrawn(options)?, values: Arc::new(values) })
    }

    /// The model whole. The first call draws: for millions of parameters not on the JavaScript thread.
    pub fn model(&self) -> Result<Model> {
        let Values { seed, drawn, drawing } = &*self.values;
        let _one_draws = match drawn.get() {
            Some(_) => None,
            None => Some(drawing.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        let parameters = match drawn.get() {
            Some(parameters) => parameters,
            None => {
                let made = self.frame.network.initialize(*seed)?;
                drawn.get_or_init(|| made)
            }
        };
        Ok(Model { parameters: parameters.clone(), ..self.frame.clone() })
    }

    /// Count of numbers, drawn or not.
    pub fn elements(&self) -> u64 {
        self.frame.network.elements()
    }

    /// Memory of the parameters once they are there.
    pub fn bytes(&self) -> u64 {
        4 * self.elements()
    }

    /// Memory of the parameters now.
    pub fn bytes_now(&self) -> u64 {
        self.values.drawn.get().map_or(0, Parameters::bytes)
    }

    /// Name, shape and whether it is trained, of every tensor, by name.
    pub fn list(&self) -> Vec<(&str, &[usize], bool)> {
        let specs = self.frame.network.specs().iter();
        let mut list: Vec<_> =
            specs.map(|spec| (spec.name.as_str(), &spec.shape[..], spec.kind == Kind::Trainable)).collect();
        list.sort_unstable();
        list
    }
}
