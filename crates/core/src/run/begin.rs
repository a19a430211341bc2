//! How a run begins: what cannot work is refused, the proofs look at it, its members are made.

use std::sync::Arc;
use std::time::Instant;

use super::control::without_teacher;
use super::feed::{Data, Feed};
use super::member::Member;
use super::preflight;
use super::validation::Validation;
use super::{Mutual, Run, Setup, answers, resume};
use crate::dataset::BatchOptions;
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::learner::{self, Learner, Parts, Weights};
use crate::losses::Losses;
use crate::memory;
use crate::models::{Model, Network};
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::proofs::{self, Findings, FirstRows, InputStatistics, Looked, Proofs};
use crate::teacher::Teachers;
use crate::weights::ParameterGenerator;

/// The group of a control run's student.
pub(super) const CONTROL: &str = "control";

/// A student that will be a member.
struct Planned<'a> {
    group: String,
    place: String,
    student: &'a Model,
    options: &'a TrainOptions,
    /// Whom it hears, peers among them.
    teachers: Teachers,
}

/// Who learns in a run.
#[derive(Clone, Copy)]
struct Students<'a> {
    student: &'a Model,
    options: &'a TrainOptions,
    mutual: Option<&'a Mutual>,
}

impl Setup {
    fn students(&self) -> Students<'_> {
        Students { student: &self.student, options: &self.options, mutual: self.mutual.as_ref() }
    }
}

impl<'a> Students<'a> {
    /// All students, each with its options and teachers; `frozen` are those that are no students.
    fn planned(self, frozen: &Teachers) -> Vec<Planned<'a>> {
        let heard = |teachers: Teachers, options: &TrainOptions| Teachers {
            combine: options.combine.unwrap_or_default(),
            permute: options.permute_teacher,
            ..teachers
        };
        let Students { student, options, mutual } = self;
        let Some(Mutual { options: together, others }) = mutual else {
            let teachers = heard(frozen.clone(), options);
            return vec![Planned { group: "student".into(), place: String::new(), student, options, teachers }];
        };
        let all: Vec<(&Model, &TrainOptions)> =
            std::iter::once((student, options)).chain(others.iter().map(|(m, o)| (m, o))).collect();
        let networks: Vec<Arc<Network>> = all.iter().map(|(model, _)| model.network.clone()).collect();
        let each = all.iter().enumerate().map(|(number, (student, own))| Planned {
            group: if number == 0 { "student".into() } else { format!("student-{number}") },
            place: format!("students[{number}]"),
            student,
            options: own,
            teachers: together.teachers(number, &networks, &heard(frozen.clone(), own)),
        });
        each.collect()
    }
}

/// Refuses what cannot work, by path, without beginning: what `Run::new` looks at first.
pub fn check(setup: &Setup) -> Result<()> {
    checked(setup).map(|_| ())
}

/// The losses of each student of a run that can work.
fn checked(setup: &Setup) -> Result<Vec<Losses>> {
    if let Some(Mutual { options, others }) = &setup.mutual {
        options.validate()?;
        if others.is_empty() {
            let message = "expected two learners or more, which teach each other, got one: use distill or train";
            return Err(Error::config("students", message));
        }
        for (path, given) in [
            ("control", setup.options.control),
            ("generator", setup.options.generator.is_some()),
            ("weightRowsByTeacher", setup.options.weight_rows_by_teacher),
        ] {
            if given {
                return Err(Error::config(path, "expected none of it where learners teach each other"));
            }
        }
        // All of them hold their activations at once: what one of them needs says little.
        let own = memory::of_student(&setup.student, None, &setup.options);
        let peers = others.iter().map(|(model, options)| memory::of_student(model, None, options)).sum::<u64>();
        let asked = memory::of_teachers(setup.teacher.models().map(|(_, model)| model), &setup.options);
        memory::within(own + peers + asked, &setup.options)?;
    }
    let look = |planned: Planned| {
        let Planned { student, teachers, options, .. } = &planned;
        let looked = options
            .validate()
            .and_then(|()| preflight::check(student, teachers, &setup.data, setup.validation.as_ref(), options));
        looked.map_err(|error| error.at(&planned.place))
    };
    setup.students().planned(&setup.teacher).into_iter().map(look).collect()
}

impl Run {
    /// Checks everything that can be checked before the first step; with `checkpoint.resume` takes up where the
    /// newest checkpoint ended.
    pub fn new(setup: Setup) -> Result<Run> {
        let losses = checked(&setup)?;
        let options = &setup.options;
        let pool = Pool::new(options.threads)?;
        let mut findings = Findings::new(options.proofs);
        let batches = BatchOptions {
            batch_size: options.batch_size,
            shuffle: options.shuffle,
            drop_last: options.drop_last,
            seed: options.seed,
            augment: options.augment.clone(),
            pairs: losses.iter().any(Losses::needs_pairs),
        };
        let sample = match &setup.data {
            Data::Dataset(dataset) => Some(proofs::some_rows(dataset)?),
            Data::Stream(_) => None,
        };
        let Setup { student, teacher, data, validation, options, cancel, mutual } = &setup;
        let students = Students { student, options, mutual: mutual.as_ref() };
        let rows = match data {
            Data::Dataset(dataset) => Some(dataset),
            Data::Stream(_) => None,
        };
        let looked = Looked { sample: sample.as_ref(), data: rows, validation: validation.as_ref(), cancel };
        let (copied, inputs) = pool.enter(|| prove(students, teacher, &looked, &mut findings))?;
        let frozen = students.planned(teacher).swap_remove(0).teachers.frozen();
        let validation =
            validation.clone().map(|rows| pool.enter(|| Validation::new(rows, &frozen, &options.metrics, cancel)));
        let validation = validation.transpose()?;
        let total = match (options.steps, data.steps_per_epoch(&batches, options.accumulate)?) {
            (Some(steps), _) => Some(steps),
            (None, Some(per_epoch)) => Some(per_epoch.saturating_mul(options.epochs.unwrap_or(1))),
            (None, None) => None,
        };
        let needs_total = students.planned(&frozen).iter().any(|planned| planned.options.schedule.needs_total());
        if total.is_none() && needs_total {
            return Err(Error::config(
                "steps",
                "expected the count of steps: this schedule runs over the whole training, and a stream does not say how long it is",
            ));
        }
        let labels = match data {
            Data::Dataset(dataset) => dataset.label_kind(),
            Data::Stream(_) => LabelKind::Single,
        };
        // A generator reads the teacher's parameters; its answers are asked for where something compares with them.
        let compared = losses.iter().any(Losses::needs_teacher) || options.weight_rows_by_teacher;
        let asked = if compared { frozen.clone() } else { Teachers::default() };
        let mut setup = setup;
        let data = std::mem::replace(&mut setup.data, Data::nothing());
        let layers = losses.iter().flat_map(Losses::teacher_layers).collect();
        let (data, asked) = answers::asked_once(data, asked, layers, &setup.options, total, &pool, &setup.cancel)?;
        let teacher_rows = match &data {
            Data::Dataset(dataset) if asked.cached() => dataset.rows() as u64,
            _ => 0,
        };
        let held = setup.validation.as_ref();
        let first_rows = match &data {
            Data::Stream(_) => FirstRows::of(&frozen, held, setup.options.proofs),
            Data::Dataset(_) => None,
        };
        let members = members(setup.students(), &frozen, &asked, &copied, labels)?;
        let teacher_digests = match setup.options.proofs {
            Proofs::Off => Vec::new(),
            _ => frozen.models().map(|(_, model)| model.parameters.digest()).collect::<Result<_>>()?,
        };
        let now = Instant::now();
        let Setup { options, cancel, mutual, .. } = setup;
        let mut run = Run {
            members,
            mutual: mutual.map(|Mutual { options, .. }| options),
            teachers: frozen,
            teacher_rows,
            feed: Feed::new(data, batches, options.accumulate),
            validation,
            pool,
            cancel,
            hurry: Arc::default(),
            total,
            step: 0,
            began: 0,
            findings,
            teacher_digests,
            inputs,
            first_rows,
            checkpoints: resume::Checkpoints::new(&options)?,
            started: now,
            reported: now,
            ended: None,
            options,
        };
        run.resume()?;
        Ok(run)
    }
}

/// The proofs before the first step: whether each student began as a copy of a teacher, and what the inputs look like.
fn prove(
    students: Students,
    teachers: &Teachers,
    looked: &Looked,
    findings: &mut Findings,
) -> Result<(Vec<bool>, Option<InputStatistics>)> {
    let inputs = proofs::inputs(students.student, looked.sample)?;
    let planned = students.planned(teachers);
    let mut copied = vec![false; planned.len()];
    if students.options.proofs == Proofs::Off {
        return Ok((copied, inputs));
    }
    for (number, Planned { student, options, place, .. }) in planned.iter().enumerate() {
        proofs::prove_options(options, place, findings)?;
        if let Some(data) = looked.data {
            proofs::prove_rows(options, data, place, findings)?;
        }
        for other in &planned[..number] {
            if proofs::is_copy(student, other.student)? {
                let message = format!(
                    "it begins as {} does, tensor by tensor: they would say the same for ever; create it with another seed",
                    other.place
                );
                findings.add("learnersDiffer", place.clone(), message)?;
                copied[number] = true;
            }
        }
    }
    let frozen = planned[0].teachers.frozen();
    for (at, (teacher, _)) in frozen.members.iter().enumerate() {
        let path = frozen.path(at);
        proofs::prove_teacher(teacher, &path, looked, findings)?;
        for (planned, copied) in planned.iter().zip(&mut copied) {
            if proofs::prove_apart(planned.student, teacher, &path, findings)? {
                *copied = true;
            }
        }
    }
    Ok((copied, inputs))
}

/// Makes all members; `asked` are the frozen teachers as the steps ask them.
fn members(
    students: Students,
    frozen: &Teachers,
    asked: &Teachers,
    copied: &[bool],
    labels: LabelKind,
) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let hears = students.planned(asked).into_iter().map(|planned| planned.teachers);
    for (number, (planned, hears)) in students.planned(frozen).into_iter().zip(hears).enumerate() {
        let Planned { group, place, student, options, teachers } = planned;
        // Learners of one run have their own dropout and their own start values of what losses train.
        let seed = students.options.seed.wrapping_add(number as u64);
        let learner = learner(student, options, &teachers, hears, seed).map_err(|error| error.at(&place))?;
        let mut member = Member::new(&group, &place, options.clone(), seed, learner);
        member.copied = copied[number];
        if students.options.proofs != Proofs::Off {
            member.learner.begin_watch()?;
        }
        members.push(member);
    }
    for own in 0..members.len() {
        let wanted = members[own].learner.looks_at().clone();
        for (number, other) in members.iter_mut().enumerate() {
            if number != own {
                other.learner.show(&wanted);
            }
        }
    }
    if students.options.control {
        let losses = without_teacher(&students.options.losses, labels)?;
        let options =
            TrainOptions { losses, generator: None, weight_rows_by_teacher: false, ..students.options.clone() };
        let nobody = Teachers::default();
        let learner = learner(students.student, &options, &nobody, nobody.clone(), options.seed)?;
        members.push(Member::new(CONTROL, "", students.options.clone(), options.seed, learner));
    }
    Ok(members)
}

/// A learner of this student; `teachers` are those that its losses are fitted to, `asked` as its steps ask them.
fn learner(
    student: &Model,
    options: &TrainOptions,
    teachers: &Teachers,
    asked: Teachers,
    seed: u64,
) -> Result<Learner> {
    let weights = match (&options.generator, teachers.only_model()) {
        (Some(rules), Some(teacher)) => {
            let made = ParameterGenerator::new(teacher, student, rules, seed).map_err(|error| error.at("generator"))?;
            Weights::Generated(Box::new(made))
        }
        _ => Weights::Own,
    };
    let frozen = learner::frozen(student, &weights, &options.freeze)?;
    let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    teachers.fit(&mut losses, &student.network)?;
    Learner::new(Parts { model: student.clone(), weights, losses, teachers: asked, frozen, seed }, options)
}
