//! The JavaScript object of a job.

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

/// The arguments of a job.
#[napi(object, object_to_js = false)]
pub struct JobParts<'env> {
    /// One student, or the learners of mutual learning.
    pub students: Vec<ClassInstance<'env, NativeModel>>,
    /// The models among the teachers.
    pub models: Vec<ClassInstance<'env, NativeModel>>,
    /// None for a stream; its batches are pushed.
    pub data: Option<ClassInstance<'env, NativeDataset>>,
    pub validation: Option<ClassInstance<'env, NativeDataset>>,
    /// JSON of the options of the first student.
    pub options: String,
    /// JSON of the teachers; it refers to `models` by index.
    pub teachers: String,
    /// JSON of the additional settings of mutual learning.
    pub mutual: Option<String>,
}

/// Counts and kinds for checking a stream's batches.
struct Streamed {
    epoch: u64,
    /// Rows of this epoch so far; they number rows without ids.
    rows: u64,
    /// The student's number of classes, because a batch need not contain the largest label.
    classes: usize,
    /// The kinds of the first batch.
    kinds: Option<(&'static str, LabelKind)>,
}

enum State {
    /// Not started: there is no thread and no native work.
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
    /// Reads the options and is cheap; the first `next` checks everything else and starts the run.
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

    /// Rejects a setup that cannot work; does not start the run.
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

    /// Writes a checkpoint; resolves to its path once it is durable.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn checkpoint<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.command(Command::Checkpoint(reply));
        Ok(promise)
    }

    /// Ends the run after the current step and publishes the student's current parameters.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.command(Command::Stop(reply));
        Ok(promise)
    }

    /// Sets the signature of the stream's batches, as JSON; to be called before the run starts.
    #[napi(catch_unwind)]
    pub fn describe_stream(&self, json: String) -> napi::Result<()> {
        guarded(|| {
            let _ = self.control.inbox.signature.set(parse(&json)?); // set once: a job has one stream
            Ok(())
        })
    }

    /// Adds a batch of an epoch of the stream; returns whether there is a free slot for the next.
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
                // The losses reject labels that are too large, because rows of weight 0 may have such labels.
                let largest = largest_label(values).map_or(0, |largest| largest as usize + 1);
                *classes = Some(streamed.classes.max(largest));
            }
            let batch = Batch::from_columns(columns, streamed.epoch, streamed.rows)?;
            streamed.rows += batch.rows() as u64;
            Ok(self.control.inbox.push(batch))
        })
    }

    /// Resolves to true once there is a free slot for a batch, and to false once no report is awaited, because then no
    /// slot becomes free.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
    pub fn room<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        self.control.inbox.room(reply);
        Ok(promise)
    }

    /// To be called when the stream has ended; `shortfall` is the reason if it had fewer batches than requested.
    #[napi(catch_unwind)]
    pub fn end(&self, shortfall: Option<String>) {
        self.control.inbox.end(shortfall);
    }

    /// To be called when the stream has failed.
    #[napi(catch_unwind)]
    pub fn fail(&self, message: String) {
        self.control.inbox.fail(message);
    }

    /// Stops between two operations; pending promises reject with `ERR_LIMBECK_CANCELLED`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// The student of the control run, after the run has ended; null without a control run.
    #[napi(catch_unwind)]
    pub fn control_student(&self, env: &Env) -> Option<NativeModel> {
        let model = self.control_student.lock().unwrap_or_else(PoisonError::into_inner).clone();
        model.map(|model| NativeModel::of(env, model.into()))
    }

    /// Pending promises resolve after the current step instead of after the next `reportEvery` steps.
    #[napi(catch_unwind)]
    pub fn hurry(&self) {
        self.control.hurry();
    }

    /// Cancels the run and frees everything; returns at once.
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
            // A job that was never started has nothing to stop.
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
