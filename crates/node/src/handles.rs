//! A model behind a JavaScript object: its network exists at once, its initial values are drawn when they are first
//! needed.
//!
//! Drawing millions of initial values would block the event loop for too long: except in a few synchronous calls, they
//! are drawn on another thread.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use limbeck_core::error::Result;
use limbeck_core::models::{Model, ModelOptions};
use limbeck_core::parameters::{Kind, Parameters};

/// Cheap to clone; clones share the values, drawn or not.
#[derive(Clone)]
pub(crate) struct Held {
    /// The model without its parameters, which are in `values`.
    pub frame: Model,
    values: Arc<Values>,
}

struct Values {
    seed: u64,
    drawn: OnceLock<Parameters>,
    /// Locked by the thread that draws; other threads wait.
    drawing: Mutex<()>,
}

impl From<Model> for Held {
    fn from(mut model: Model) -> Held {
        let drawn = OnceLock::from(std::mem::take(&mut model.parameters));
        Held { frame: model, values: Arc::new(Values { seed: 0, drawn, drawing: Mutex::default() }) }
    }
}

impl Held {
    /// Checks all options; draws no values.
    pub fn fresh(options: ModelOptions, seed: u64) -> Result<Held> {
        let values = Values { seed, drawn: OnceLock::new(), drawing: Mutex::default() };
        Ok(Held { frame: Model::undrawn(options)?, values: Arc::new(values) })
    }

    /// The complete model. The first call draws its initial values, so do not call it on the JavaScript thread for
    /// millions of parameters.
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

    /// Number of parameter values, drawn or not.
    pub fn elements(&self) -> u64 {
        self.frame.network.elements()
    }

    /// Bytes of the parameters after they are drawn.
    pub fn bytes(&self) -> u64 {
        4 * self.elements()
    }

    /// Bytes of the parameters now; 0 if they are not drawn yet.
    pub fn bytes_now(&self) -> u64 {
        self.values.drawn.get().map_or(0, Parameters::bytes)
    }

    /// Every tensor: its name, its shape, and whether it is trained; sorted by name.
    pub fn list(&self) -> Vec<(&str, &[usize], bool)> {
        let specs = self.frame.network.specs().iter();
        let mut list: Vec<_> =
            specs.map(|spec| (spec.name.as_str(), &spec.shape[..], spec.kind == Kind::Trainable)).collect();
        list.sort_unstable();
        list
    }
}
