//! The job as JavaScript holds it.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use limbeck_core::batch::Batch;
use limbeck_core::dataset::{LabelColumn, largest_label};
use limbeck_core::error::Error;
use limbeck_core::labels::LabelKind;
use limbeck_core::options::TrainOptions;
use limbeck_core::reading::parse;
use limbeck_core::run;
use limbeck_core::teacher::read;
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object, ObjectFinalize};
use napi_derive::napi;

use super::protocol::{Command, Control};
use super::thread::{self, Kept, Plan};
use crate::buffers::{Buffers, columns};
use crate::calls::call;
use crate::dataset::NativeDataset;
use crate::errors::{guarded, napi, panic_point};
use crate::external::External;
use crate::lifecycle::register;
use crate::model::NativeModel;
use crate::reply::Reply;

/// What a job is made of.
#[napi(object, object_to_js = false)]
pub struct JobParts<'env> {
    /// One, or learners that teach each other.
    pub students: Vec<ClassInstance<'env, NativeModel>>,
    /// Models among the teachers.
    pub models: Vec<ClassInstance<'env, NativeModel>>,
    /// None for a stream, whose batches are pushed.
    pub data: Option<ClassInstance<'env, NativeDataset>>,
    pub validation: Option<ClassInstance<'env, NativeDataset>>,
    /// JSON of the options of the first student.
    pub options: String,
    /// JSON of the teachers; `models` stand in it by number.
    pub teachers: String,
    /// JSON of what several learners have in addition.
    pub mutual: Option<String>,
}

/// Counts and kinds that a stream's batches are checked against.
struct Streamed {
    epoch: u64,
    /// Rows of this epoch so far: the ids of rows that come without.
    rows: u64,
    /// Of the student: one batch need not hold the largest label.
    classes: usize,
    /// The kinds of the first batch.
    kinds: Option<(&'static str, LabelKind)>,
}

enum State {
    /// Not begun: no thread, no native work.
    Planned(Box<Plan>),
    Running(Sender<Command>),
    Ended,
}

#[napi(custom_finalize)]
pub struct NativeJob {
    state: Mutex<State>,
    control: Arc<Control>,
    control_student: Kept,
    streamed: Mutex<Streamed>,
    external: External,
}

#[napi]
impl NativeJob {
    /// Cheap: the options are read, everything else is checked and begun by the first `next`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, parts: JobParts) -> napi::Result<NativeJob> {
        guarded(|| {
            panic_point("job.new");
            let JobParts { students, models, data, validation, options, teachers, mutual } = parts;
            let options: TrainOptions = parse(&options)?;
            options.validate()?;
            let mut bytes = 0;
            let mut classes = 0;
            for student in &students {
                let model = student.shared.held()?;
                bytes += model.bytes() * (2 + options.optimizer.state_tensors() as u64);
                classes = model.frame.network.classes();
            }
            let plan = Plan {
                students: students.iter().map(|student| student.shared.clone()).collect(),
                mutual: mutual.map(|json| parse(&json)).transpose()?,
                models: models.iter().map(|model| model.shared.clone()).collect(),
                teachers: read(&teachers)?,
                data: data.map(|data| data.data()).transpose()?,
                validation: validation.map(|data| data.data()).transpose()?,
                options,
            };
            let control = Arc::<Control>::default();
            register(env, &control).map_err(|error| Error::internal(error.reason.to_string()))?;
            Ok(NativeJob {
                state: Mutex::new(State::Planned(Box::new(plan))),
                control,
                control_student: Arc::default(),
                streamed: Mutex::new(Streamed { epoch: 0, rows: 0, classes, kinds: None }),
                external: External::new(env, bytes),
            })
        })
    }

    /// The next report as JSON; null after the last one.
    #[napi(catch_unwind, ts_return_type = "Promise<string | null>")]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.command(Command::Next(reply));
        Ok(promise)
    }

    /// Refuses what cannot work, without beginning.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn check<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Planned(plan) = &*state else {
            reply.send(Ok(()));
            return Ok(promise);
        };
        let (plan, control) = (plan.clone(), self.control.clone());
        call(reply, move |_| run::check(plan.setup(&control)?));
        Ok(promise)
    }

    /// Writes a checkpoint; its path, once it is durable.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn checkpoint<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.command(Command::Checkpoint(reply));
        Ok(promise)
    }

    /// Ends the run after a whole step and publishes the student as it stands.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.command(Command::Stop(reply));
        Ok(promise)
    }

    /// What the batches of the stream know of themselves, as JSON; before the run begins.
    #[napi(catch_unwind)]
    pub fn describe_stream(&self, json: String) -> napi::Result<()> {
        guarded(|| {
            let _ = self.control.inbox.signature.set(parse(&json)?); // set once: a job has one stream
            Ok(())
        })
    }

    /// A batch of a stream's epoch; whether there is room for the next.
    #[napi(catch_unwind)]
    pub fn push(&self, epoch: f64, json: String, buffers: Buffers) -> napi::Result<bool> {
        guarded(|| {
            panic_point("stream.push");
            let mut columns = columns(&json, &buffers)?;
            let kinds = (columns.inputs.kind(), columns.labels.kind());
            let mut streamed = self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
            let first = *streamed.kinds.get_or_insert(kinds);
            if kinds.0 != first.0 {
                return Err(Error::data(
                    "inputs",
                    format!("expected {}, as in the first batch, got {}", first.0, kinds.0),
                ));
            }
            if kinds.1 != first.1 {
                let (first, here) = (first.1.words(), kinds.1.words());
                return Err(Error::data("labels", format!("expected {first}, as in the first batch, got {here}")));
            }
            if epoch as u64 != streamed.epoch {
                (streamed.epoch, streamed.rows) = (epoch as u64, 0);
            }
            if let (LabelColumn::Single { values, classes: classes @ None }, None) =
                (&mut columns.labels, &columns.label_names)
            {
                // A label that is too large is refused with the losses, where a masked row may have one.
                let largest = largest_label(values).map_or(0, |largest| largest as usize + 1);
                *classes = Some(streamed.classes.max(largest));
            }
            let batch = Batch::from_columns(columns, streamed.epoch, streamed.rows)?;
            streamed.rows += batch.rows() as u64;
            Ok(self.control.inbox.push(batch))
        })
    }

    /// True once there is room for another batch, false once nobody waits for a report: then nothing makes room.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
    pub fn room<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.control.inbox.room(reply);
        Ok(promise)
    }

    /// The stream has ended; `shortfall` says why with fewer batches than were asked for.
    #[napi(catch_unwind)]
    pub fn end(&self, shortfall: Option<String>) {
        self.control.inbox.end(shortfall);
    }

    /// The stream has failed.
    #[napi(catch_unwind)]
    pub fn fail(&self, message: String) {
        self.control.inbox.fail(message);
    }

    /// Stops between two operations; what is awaited rejects with `ERR_LIMBECK_CANCELLED`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// The control run's student once the run has ended, where there was one.
    #[napi(catch_unwind)]
    pub fn control_student(&self, env: &Env) -> Option<NativeModel> {
        let model = self.control_student.lock().unwrap_or_else(PoisonError::into_inner).clone();
        model.map(|model| NativeModel::of(env, model.into()))
    }

    /// What is awaited is answered after the step that the run is in, not after the next `reportEvery`.
    #[napi(catch_unwind)]
    pub fn hurry(&self) {
        self.control.hurry();
    }

    /// Cancels and lets go of everything; returns at once.
    #[napi(catch_unwind)]
    pub fn dispose(&self, env: &Env) {
        self.control.cancel();
        self.control.release();
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Ended;
        self.external.release(env);
    }
}

impl NativeJob {
    fn command(&self, command: Command) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Planned(_) = *state {
            // A job that was never begun has nothing to stop.
            if let Command::Stop(reply) = command {
                *state = State::Ended;
                return reply.send(Ok(()));
            }
            let State::Planned(plan) = std::mem::replace(&mut *state, State::Ended) else { return };
            match thread::start(*plan, self.control.clone(), self.control_student.clone()) {
                Ok(sender) => *state = State::Running(sender),
                Err(error) => return command.fail(napi(error)),
            }
        }
        match &*state {
            State::Running(sender) => {
                self.control.work(true);
                if let Err(unsent) = sender.send(command) {
                    self.control.work(false);
                    unsent.0.ended();
                }
            }
            _ => command.ended(),
        }
    }
}

impl ObjectFinalize for NativeJob {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.control.cancel();
        self.external.release(&env);
        Ok(())
    }
}
