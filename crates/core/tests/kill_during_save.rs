//! A process that saves checkpoints is killed at fifty random instants. There is always a complete checkpoint, which is at
//! most one interval old, and the next recovery removes all incomplete files.
//!
//! The saving process is this test program; an environment variable gives the folder.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use limbeck_core::checkpoint::{Array, Checkpoint, RunFolder};
use serde_json::json;

const FOLDER: &str = "LIMBECK_TEST_SAVING_FOLDER";

/// A checkpoint of 400 kB, so that most of the time is spent writing; every number depends on the step.
fn checkpoint(step: u64) -> Checkpoint {
    let numbers = (0..100_000).map(|i| (i as u64 * 31 + step) as f32).collect();
    Checkpoint {
        step,
        epoch: 0,
        cursor: json!({ "row": step }),
        config: json!({ "seed": 1 }),
        seed: 1,
        threads: 1,
        isa: "scalar".into(),
        versions: json!({}),
        state: json!({ "step": step }),
        tensors: [("parameters/w".to_string(), Array::f32(vec![100_000], numbers).unwrap())].into(),
    }
}

/// Saves checkpoints forever, starting after the newest, and prints each step when it is on the disk.
fn save_for_ever(folder: &Path) {
    let run = RunFolder::open(folder, 3).unwrap();
    let first = run.recover().unwrap().checkpoint.map_or(1, |(_, found)| found.step + 1);
    for step in first.. {
        run.save(&checkpoint(step)).unwrap();
        println!("saved {step}");
    }
}

/// With the environment variable this test is the process that is killed; without it, it checks that three checkpoints
/// are kept.
#[test]
fn a_run_that_saves_many_times_keeps_the_last_three() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return save_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::open(folder.path(), 3).unwrap();
    for step in 1..=8 {
        run.save(&checkpoint(step)).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(8));
}

#[test]
fn a_process_killed_at_fifty_instants_loses_at_most_the_checkpoint_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::open(folder.path(), 3).unwrap();
    let (mut last, mut halves) = (0, 0);
    for round in 0..50u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_run_that_saves_many_times_keeps_the_last_three", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let step_of = |line: String| line.split_once("saved ").and_then(|(_, step)| step.trim().parse::<u64>().ok());
        // A random instant within about three saves after the first checkpoint.
        let mut said = lines.by_ref().map_while(Result::ok).find_map(step_of).unwrap_or(last);
        let wait = (round * 2_654_435_761 % 1_000) * 9;
        std::thread::sleep(Duration::from_micros(wait));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        for step in lines.map_while(Result::ok).filter_map(step_of) {
            said = step;
        }

        let recovered = run.recover().unwrap();
        let (_, found) = recovered.checkpoint.unwrap();
        assert!(found.step == said || found.step == said + 1, "round {round}: said {said}, found {}", found.step);
        assert_eq!(found, checkpoint(found.step));
        assert!(recovered.skipped.is_empty());
        assert!(found.step > last);
        (last, halves) = (found.step, halves + recovered.temporaries_removed);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name.to_string_lossy().starts_with("step-")), "{names:?}");
        assert!(names.len() <= 4, "{names:?}"); // killed between the new name and the removal of the oldest
    }
    assert!(halves > 0, "no kill fell into a save: the test has shown nothing");
    println!("{last} checkpoints saved, {halves} of 50 kills left a half-written file");
}
