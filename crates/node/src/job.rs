//! A training job: one trainer thread owns the run; JavaScript pulls its reports.
//!
//! The thread starts with the first command and ends with the job. Each command carries its reply; when the thread
//! ends, for whatever reason, queued replies are dropped and reject.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use limbeck_core::allocator;
use limbeck_core::batch::Batch;
use limbeck_core::dataset::{Dataset, LabelColumn, largest_label};
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::labels::LabelKind;
use limbeck_core::options::TrainOptions;
use limbeck_core::reading::parse;
use limbeck_core::run::{self, Data, Mutual, MutualOptions, Run, Setup};
use limbeck_core::teacher::{TeacherOptions, Teachers};
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object, ObjectFinalize};
use napi_derive::napi;
use serde::Deserialize;

use crate::buffers::{Buffers, columns};
use crate::courtesy::stand_back;
use crate::dataset::NativeDataset;
use crate::desk;
use crate::errors::{guarded, napi, panic_point};
use crate::lifecycle::{External, register};
use crate::model::{Claim, NativeModel, Shared};
use crate::reply::{Reply, open_post};
use crate::stream::{Inbox, Pushed};

/// Address space, not memory: walks and deep drops may recurse.
const STACK: usize = 64 << 20;

/// What other threads may do to a job without waiting for it.
pub(crate) struct Control {
    cancel: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    /// A command is on its way or worked on; a trainer that waits for one is idle.
    running: AtomicBool,
    inbox: Arc<Inbox>,
    /// The students are this job's alone while its run is there.
    claims: Mutex<Vec<Claim>>,
}

impl Control {
    /// Lets another job train the student.
    fn release(&self) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.inbox.wake();
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    fn work(&self, working: bool) {
        self.running.store(working, Ordering::Relaxed);
        self.inbox.work(working);
    }

    /// Whether the run was left, and this is how it noticed while it waited for a batch.
    fn was_left(&self, error: &Error) -> bool {
        let flag = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        error.code == Code::Cancelled && flag(&self.hurry) && !flag(&self.cancel)
    }
}

enum Command {
    Next(Reply<Option<String>>),
    Checkpoint(Reply<String>),
    Stop(Reply<()>),
}

/// What several learners have beside the options of the first.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MutualJson {
    options: MutualOptions,
    /// Of the second, and so on.
    others: Vec<TrainOptions>,
}

/// What the thread needs to make its run.
#[derive(Clone)]
struct Plan {
    /// One, or learners that teach each other.
    students: Vec<Arc<Shared>>,
    mutual: Option<MutualJson>,
    /// Models among the teachers.
    models: Vec<Arc<Shared>>,
    teachers: Vec<TeacherOptions>,
    data: Option<Dataset>,
    validation: Option<Dataset>,
    options: TrainOptions,
}

/// What a stream's batches are counted and checked by.
struct Streamed {
    epoch: u64,
    /// Rows of this epoch so far: the ids of rows that come without.
    rows: u64,
    /// Of the student: one batch need not hold the largest label.
    classes: usize,
    /// What the first batch held.
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
    control_student: Arc<Mutex<Option<limbeck_core::models::Model>>>,
    streamed: Mutex<Streamed>,
    external: External,
}

#[napi]
impl NativeJob {
    /// Cheap: the options are read, everything else is checked and begun by the first `next`.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: &Env,
        students: Vec<ClassInstance<NativeModel>>,
        models: Vec<ClassInstance<NativeModel>>,
        data: Option<&NativeDataset>,
        validation: Option<&NativeDataset>,
        json: String,
        teachers_json: String,
        mutual_json: Option<String>,
    ) -> napi::Result<NativeJob> {
        guarded(|| {
            panic_point("job.new");
            let options: TrainOptions = parse(&json)?;
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
                mutual: mutual_json.map(|json| parse(&json)).transpose()?,
                models: models.iter().map(|model| model.shared.clone()).collect(),
                teachers: parse(&teachers_json)?,
                data: data.map(NativeDataset::data).transpose()?,
                validation: validation.map(NativeDataset::data).transpose()?,
                options,
            };
            let control = Arc::new(Control {
                cancel: Arc::default(),
                hurry: Arc::default(),
                running: AtomicBool::new(false),
                inbox: Arc::default(),
                claims: Mutex::default(),
            });
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
        desk::once("check", reply, move || run::check(plan.setup(&control)?))?;
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

    /// The stream has ended.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        self.control.inbox.end();
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
        self.control.hurry.store(true, Ordering::Relaxed);
        self.control.inbox.wake();
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
            match self.start(*plan) {
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

    fn start(&self, plan: Plan) -> Result<Sender<Command>> {
        let not_started = || Error::internal("the trainer thread could not be started");
        open_post().map_err(|_| not_started())?;
        let (sender, commands) = channel();
        let (control, kept) = (self.control.clone(), self.control_student.clone());
        let thread = std::thread::Builder::new().name("limbeck-trainer".into()).stack_size(STACK).spawn(move || {
            // Set when the thread ends, by a panic too.
            struct Ended(Arc<Control>);
            impl Drop for Ended {
                fn drop(&mut self) {
                    self.0.work(false);
                    self.0.release();
                }
            }
            let ended = Ended(control.clone());
            stand_back(plan.options.niceness);
            panic_point("job.thread");
            serve(plan, commands, &control, &kept);
            allocator::trim();
            drop(ended);
        });
        thread.map_err(|_| not_started())?;
        Ok(sender)
    }
}

impl Command {
    fn fail(self, error: napi::Error) {
        match self {
            Command::Next(reply) => reply.post(Err(error)),
            Command::Checkpoint(reply) => reply.post(Err(error)),
            Command::Stop(reply) => reply.post(Err(error)),
        }
    }

    /// The answer of a job that has ended: nothing more comes, there is nothing to save.
    fn ended(self) {
        match self {
            Command::Next(reply) => reply.post(Ok(None)),
            Command::Stop(reply) => reply.post(Ok(())),
            Command::Checkpoint(reply) => {
                reply.post(Err(napi(Error::new(Code::Disposed, "checkpoint", "the run has ended"))));
            }
        }
    }
}

impl Plan {
    fn setup(&self, control: &Control) -> Result<Setup> {
        let models = self.models.iter().map(|model| model.get()).collect::<Result<Vec<_>>>()?;
        let teacher = Teachers::from_options(&self.teachers, &models)?;
        let data = match &self.data {
            Some(data) => Data::Dataset(data.clone()),
            None => Data::Stream(Box::new(Pushed { inbox: control.inbox.clone(), hurry: control.hurry.clone() })),
        };
        let mut students = self.students.iter().map(|student| student.get()).collect::<Result<Vec<_>>>()?;
        if students.is_empty() {
            return Err(Error::config("students", "expected two learners or more, got none"));
        }
        let student = students.remove(0);
        let mutual = self.mutual.clone().map(|MutualJson { options, others }| Mutual {
            options,
            others: students.into_iter().zip(others).collect(),
        });
        Ok(Setup {
            student,
            teacher,
            data,
            validation: self.validation.clone(),
            options: self.options.clone(),
            cancel: control.cancel.clone(),
            mutual,
        })
    }

    fn run(&self, control: &Control) -> Result<Run> {
        let claims = self.students.iter().map(Claim::of).collect::<Result<_>>()?;
        *control.claims.lock().unwrap_or_else(PoisonError::into_inner) = claims;
        panic_point("job.setup");
        let mut run = Run::new(self.setup(control)?)?;
        run.hurry_when(control.hurry.clone());
        Ok(run)
    }
}

/// The body of the trainer thread. After an error the run is dropped: a caught panic may have left it half done.
fn serve(
    plan: Plan,
    commands: Receiver<Command>,
    control: &Control,
    kept: &Mutex<Option<limbeck_core::models::Model>>,
) {
    let mut run: Option<Run> = None;
    let mut begun = false;
    let versions: Vec<u64> = plan.models.iter().map(|teacher| teacher.trained()).collect();
    for command in commands {
        // It rests before it answers: the next command may come at once.
        control.work(true);
        if run.is_none() && begun {
            control.work(false);
            command.ended();
            continue;
        }
        if run.is_none() {
            begun = true;
            let mut left = false;
            let made = guarded(|| plan.run(control).inspect_err(|error| left = control.was_left(error)));
            if made.is_err() {
                control.release();
            }
            match made {
                Ok(made) => run = Some(made),
                Err(_) if left => {
                    control.work(false);
                    command.ended();
                    continue;
                }
                Err(error) => {
                    control.work(false);
                    command.fail(error);
                    continue;
                }
            }
        }
        let Some(current) = run.as_mut() else { continue };
        match command {
            Command::Next(reply) => {
                // An error, a panic and the last report all end the run.
                let mut over = true;
                let report = guarded(|| {
                    panic_point("job.next");
                    if plan.models.iter().zip(&versions).any(|(teacher, before)| teacher.trained() != *before) {
                        current.teacher_replaced()?;
                    }
                    let report = match current.next() {
                        Err(error) if control.was_left(&error) => {
                            publish(&plan, current, kept)?;
                            None
                        }
                        report => report?,
                    };
                    let goes_on = report.as_ref().is_some_and(|report| report.summary.is_none());
                    if !goes_on && report.is_some() {
                        publish(&plan, current, kept)?;
                    }
                    let json = report.map(|report| serde_json::to_string(&report)).transpose();
                    let json = json.map_err(|error| Error::internal(error.to_string()))?;
                    over = !goes_on;
                    Ok(json)
                });
                if over {
                    run = None;
                    control.release();
                    allocator::trim();
                }
                control.work(false);
                reply.post(report);
            }
            Command::Checkpoint(reply) => {
                let path = guarded(|| {
                    panic_point("job.checkpoint");
                    current.checkpoint()?;
                    current.flush_checkpoints()?.ok_or_else(|| Error::internal("no checkpoint was written"))
                });
                control.work(false);
                reply.post(path);
            }
            Command::Stop(reply) => {
                let done = guarded(|| {
                    panic_point("job.stop");
                    publish(&plan, current, kept)
                });
                run = None;
                control.release();
                allocator::trim();
                control.work(false);
                reply.post(done);
            }
        }
    }
}

fn publish(plan: &Plan, run: &Run, kept: &Mutex<Option<limbeck_core::models::Model>>) -> Result<()> {
    panic_point("job.publish");
    for (student, model) in plan.students.iter().zip(run.students()?) {
        student.publish(model);
    }
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = run.control_student()?;
    Ok(())
}

impl ObjectFinalize for NativeJob {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.control.cancel();
        self.external.release(&env);
        Ok(())
    }
}
