//! The trainer thread: creates the run of a job's plan at the first command, and executes one command after the other.

use std::hint::spin_loop;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use limbeck_core::allocator;
use limbeck_core::dataset::Dataset;
use limbeck_core::error::{Error, Result};
use limbeck_core::models::Model;
use limbeck_core::options::TrainOptions;
use limbeck_core::run::{Data, Mutual, MutualOptions, Run, Setup};
use limbeck_core::teacher::{TeacherOptions, Teachers};
use serde::Deserialize;

use super::protocol::{Command, Control};
use crate::calls::no_thread;
use crate::errors::{guarded, panic_point};
use crate::model::{Claim, Shared};
use crate::priority::lower_priority;
use crate::reply::open_post;
use crate::stream::Pushed;

/// How long a trainer spins for the next command before it sleeps, as its helpers do: the command that follows a report
/// comes within microseconds. A thread that sleeps often returns to another core, whose caches are cold.
const PATIENCE: Duration = Duration::from_micros(200);
/// Turns between two checks.
const TURNS: u32 = 64;

/// Address space, not memory: walks and deep drops may recurse.
const STACK: usize = 64 << 20;

/// The control run's student, once the run has ended.
pub(super) type Kept = Arc<Mutex<Option<Model>>>;

/// Settings shared by several learners, in addition to the options of the first.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MutualJson {
    options: MutualOptions,
    /// Of the second, and so on.
    others: Vec<TrainOptions>,
}

/// Everything that the thread needs to create its run.
#[derive(Clone)]
pub(super) struct Plan {
    /// One, or the learners of mutual learning.
    pub students: Vec<Arc<Shared>>,
    pub mutual: Option<MutualJson>,
    /// Models among the teachers.
    pub models: Vec<Arc<Shared>>,
    pub teachers: Vec<TeacherOptions>,
    pub data: Option<Dataset>,
    pub validation: Option<Dataset>,
    pub options: TrainOptions,
}

impl Plan {
    pub fn setup(&self, control: &Control) -> Result<Setup> {
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

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn start(plan: Plan, control: Arc<Control>, kept: Kept) -> Result<Sender<Command>> {
    open_post().map_err(|error| no_thread(&error))?;
    let (sender, commands) = channel();
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
        lower_priority(plan.options.niceness);
        panic_point("job.thread");
        train(&plan, commands, &control, &kept);
        allocator::trim();
        drop(ended);
    });
    thread.map_err(|error| no_thread(&error))?;
    Ok(sender)
}

/// The next command; none after the job was dropped.
fn next_command(commands: &Receiver<Command>) -> Option<Command> {
    let idle = Instant::now();
    while idle.elapsed() < PATIENCE {
        match commands.try_recv() {
            Ok(command) => return Some(command),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => (0..TURNS).for_each(|_| spin_loop()),
        }
    }
    commands.recv().ok()
}

/// The body of the trainer thread. After an error the run is dropped: a caught panic may have left it half done.
fn train(plan: &Plan, commands: Receiver<Command>, control: &Control, kept: &Kept) {
    let mut run: Option<Run> = None;
    let mut begun = false;
    let versions: Vec<u64> = plan.models.iter().map(|teacher| teacher.trained()).collect();
    while let Some(command) = next_command(&commands) {
        // It becomes idle before it replies: the next command may come at once.
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
                            publish(plan, current, kept)?;
                            None
                        }
                        report => report?,
                    };
                    let goes_on = report.as_ref().is_some_and(|report| report.summary.is_none());
                    if !goes_on && report.is_some() {
                        publish(plan, current, kept)?;
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
                    publish(plan, current, kept)
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

fn publish(plan: &Plan, run: &Run, kept: &Kept) -> Result<()> {
    panic_point("job.publish");
    for (student, model) in plan.students.iter().zip(run.students()?) {
        student.publish(model);
    }
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = run.control_student()?;
    Ok(())
}
