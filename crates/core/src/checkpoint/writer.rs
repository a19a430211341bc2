//! Writes checkpoints on a separate thread, so that steps do not wait for the disk.
//!
//! At most one checkpoint is being written while one more waits. A run that saves faster than the disk can write therefore
//! waits, and memory holds at most two snapshots. An error of the thread is returned by the next call; `flush` returns
//! after all writes.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::run_folder::{RunFolder, Saved};
use super::step_file::Checkpoint;
use crate::error::{Error, Result};

enum Job {
    Save(Box<Checkpoint>),
    Flush(Sender<()>),
}

#[derive(Default)]
struct State {
    error: Option<Error>,
    saved: Option<Saved>,
}

pub struct Writer {
    /// `None` once closed.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<Mutex<State>>,
}

impl Writer {
    pub fn start(folder: RunFolder) -> Result<Writer> {
        let (jobs, inbox) = sync_channel(0);
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("limbeck-writer".into())
            .spawn(move || work(&folder, &inbox, &shared))
            .map_err(|error| Error::internal(format!("expected a thread for checkpoints, got: {error}")))?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread), state })
    }

    /// Passes a checkpoint to the thread. If an earlier write failed, this call returns its error once and does not write
    /// the checkpoint.
    pub fn save(&self, checkpoint: Checkpoint) -> Result<()> {
        self.earlier_error()?;
        self.send(Job::Save(Box::new(checkpoint)))
    }

    /// Waits until all checkpoints are on the disk and returns the last one.
    pub fn flush(&self) -> Result<Option<Saved>> {
        let (done, wait) = channel();
        self.send(Job::Flush(done))?;
        wait.recv().map_err(|_| gone())?;
        self.earlier_error()?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).saved.clone())
    }

    /// Flushes, then ends the thread.
    pub fn close(mut self) -> Result<Option<Saved>> {
        let result = self.flush();
        self.end();
        result
    }

    fn earlier_error(&self) -> Result<()> {
        match self.state.lock().unwrap_or_else(PoisonError::into_inner).error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(gone)
    }

    fn end(&mut self) {
        self.jobs = None; // the thread's loop ends
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // the call that waited for the thread has reported its panic
        }
    }
}

impl Drop for Writer {
    /// Waits for the checkpoint that is being written.
    fn drop(&mut self) {
        self.end();
    }
}

fn gone() -> Error {
    Error::internal("expected a running checkpoint thread, got none")
}

fn work(folder: &RunFolder, inbox: &Receiver<Job>, state: &Mutex<State>) {
    for job in inbox {
        match job {
            Job::Save(checkpoint) => {
                let result = folder.save(&checkpoint);
                drop(checkpoint); // frees the memory before the next checkpoint is accepted
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(saved) => state.saved = Some(saved),
                    Err(error) => state.error = Some(error),
                }
            }
            Job::Flush(done) => {
                let _ = done.send(()); // the caller may have stopped waiting
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_folder::tests::checkpoint;
    use super::*;
    use crate::error::Code;

    #[test]
    fn all_checkpoints_are_on_the_disk_after_flush() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), 3).unwrap();
        let writer = Writer::start(run.clone()).unwrap();
        assert_eq!(writer.flush().unwrap(), None);
        for step in 1..=10 {
            writer.save(checkpoint(step)).unwrap();
        }
        assert_eq!(writer.flush().unwrap().unwrap().step, 10);
        assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(10));
        writer.save(checkpoint(11)).unwrap();
        assert_eq!(writer.close().unwrap().unwrap().step, 11);
    }

    #[test]
    fn an_error_is_returned_once_and_the_writer_stays_usable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let writer = Writer::start(RunFolder::open(&path, 3).unwrap()).unwrap();
        std::fs::remove_dir(&path).unwrap();
        writer.save(checkpoint(1)).unwrap();
        assert_eq!(writer.flush().unwrap_err().code, Code::CheckpointWrite);
        std::fs::create_dir(&path).unwrap();
        writer.save(checkpoint(2)).unwrap();
        assert_eq!(writer.close().unwrap().unwrap().step, 2);
    }

    #[test]
    fn dropping_waits_for_the_checkpoint_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), 3).unwrap();
        let writer = Writer::start(run.clone()).unwrap();
        writer.save(checkpoint(1)).unwrap();
        drop(writer);
        assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(1));
    }
}
