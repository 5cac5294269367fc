//! Runs jobs, several at a time, and tells of each when it has ended.

use tokio::task::JoinSet;

use crate::ending::Ending;
use crate::failure::Failure;
use crate::objects::job::{Job, Line};
use crate::output::{Form, Output, counted};
use crate::size::Size;
use crate::transfer::broken::{Broken, Fate};
use crate::transfer::mover::Mover;
use crate::work::ended;

/// Files at a time. Their requests share the command's lanes.
const JOBS_AT_A_TIME: usize = 10;

/// Failures without any answer, one after the other, after which no more files are tried: each of them has been
/// waited for as long as the SDK repeats a request.
const UNANSWERED_MAX: u32 = 10;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Each copy that is done.
    Copies,
    /// Failures only.
    Failures,
}

/// Jobs at work, and what has become of the others. Whoever begins one must call [`Runner::finish`]: an upload that is
/// dropped is not aborted.
pub struct Runner<'a> {
    mover: Mover,
    output: &'a mut Output,
    talk: Talk,
    /// The options that name the server, for commands that are shown.
    options: String,
    tasks: JoinSet<(Line, bool, Result<u64, Broken>)>,
    done: u64,
    bytes: u64,
    failed: u64,
    /// Failures without an answer since the last one that had one.
    unanswered: u32,
    last_failure: Option<Failure>,
    /// Why nothing more can be told.
    mute: Option<Failure>,
}

impl<'a> Runner<'a> {
    /// Nothing is at work yet.
    pub fn new(mover: Mover, output: &'a mut Output, talk: Talk, options: String) -> Self {
        let (tasks, last_failure, mute) = (JoinSet::new(), None, None);
        Self {
            mover,
            output,
            talk,
            options,
            tasks,
            done: 0,
            bytes: 0,
            failed: 0,
            unanswered: 0,
            last_failure,
            mute,
        }
    }

    /// Whether no more jobs should be begun.
    pub fn is_stopping(&self) -> bool {
        self.mover.stop.is_asked() || self.unanswered >= UNANSWERED_MAX
    }

    /// Begins a job, when one of those before it has ended if there are many.
    pub async fn add(&mut self, job: Job) {
        while self.tasks.len() >= JOBS_AT_A_TIME {
            self.wait_for_one().await;
        }
        if self.is_stopping() {
            return;
        }
        self.mover.meter.expect(job.bytes().unwrap_or(0));
        let (line, takes_output, mover) = (job.line(), job.takes_output(), self.mover.clone());
        self.tasks.spawn(async move { (line, takes_output, job.run(&mover).await) });
    }

    /// Tells what would be done.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn show(&mut self, job: &Job) -> Result<(), Failure> {
        self.done += 1;
        let line = Line { dryrun: true, ..job.line() };
        self.print(&line)
    }

    /// Counts and names something that cannot be copied.
    pub fn refuse(&mut self, what: &str, why: &str) {
        self.failed += 1;
        self.warn(&format!("{what}: not copied: {why}"));
    }

    async fn wait_for_one(&mut self) {
        let Some(outcome) = self.tasks.join_next().await else { return };
        let (line, takes_output, outcome) = ended(outcome);
        match outcome {
            Ok(bytes) => {
                self.unanswered = 0;
                self.done += 1;
                self.bytes += bytes;
                if !takes_output {
                    let told = self.print(&Line { bytes: Some(bytes), ..line });
                    self.heard(told);
                }
            }
            Err(broken) => self.tell_failure(&line, broken),
        }
    }

    fn tell_failure(&mut self, line: &Line, broken: Broken) {
        let Broken { failure, upload } = broken;
        let is_interrupted = matches!(failure, Failure::Interrupted);
        match &failure {
            Failure::NoAnswer { .. } => self.unanswered += 1,
            Failure::Refused { .. } => self.unanswered = 0,
            _ => {}
        }
        let copy = format!("{} to {}", shown(&line.from), shown(&line.to));
        let what = if is_interrupted {
            format!("{} interrupted: {copy}", line.kind)
        } else {
            format!("{} failed: {copy}: {failure}", line.kind)
        };
        let fate = upload.as_ref().map(|upload| format!("; {}", upload.sentence(&self.options)));
        let text = what + &fate.unwrap_or_default();
        let is_left = upload.is_some_and(|upload| matches!(upload.fate, Fate::Left { .. }));
        self.failed += u64::from(!is_interrupted || is_left);
        if !failure.is_reader_gone() {
            self.warn(&text);
        }
        self.last_failure = Some(failure);
    }

    fn print(&mut self, line: &Line) -> Result<(), Failure> {
        if self.talk == Talk::Failures || self.mute.is_some() {
            return Ok(());
        }
        let output = &mut *self.output;
        self.mover.meter.aside(|| {
            match output.form() {
                Form::Json => output.json(line)?,
                _ => output.data(&format!("{}{line}\n", if line.dryrun { "(dryrun) " } else { "" }))?,
            }
            Ok(output.flush()?)
        })
    }

    fn warn(&mut self, text: &str) {
        let output = &mut *self.output;
        let said = self.mover.meter.aside(|| output.say(text));
        self.heard(said.map_err(Failure::from));
    }

    /// Nobody listens any more: what is at work is stopped, and put in order.
    fn heard(&mut self, told: Result<(), Failure>) {
        if let Err(failure) = told {
            self.mover.stop.ask();
            self.mute.get_or_insert(failure);
        }
    }

    /// Waits for all jobs, and says how it went. `found` is the failure that ended the search for more of them.
    ///
    /// # Errors
    /// That failure, or that of the output.
    pub async fn finish(mut self, found: Result<(), Failure>) -> Result<Ending, Failure> {
        if matches!(found, Err(Failure::Output(_))) {
            self.mover.stop.ask();
        }
        while !self.tasks.is_empty() {
            self.wait_for_one().await;
        }
        if let Some(failure) = self.mute.take() {
            return Err(failure);
        }
        let copied = || format!("{} copied, {}", counted(self.done, "object"), Size(self.bytes));
        if self.mover.stop.is_asked() {
            let rest = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
            let text = format!("Interrupted: {}{rest}; the others are as they were.", copied());
            self.warn(&text);
            return Ok(Ending::Interrupted);
        }
        found?;
        if self.failed > 0 {
            let rest =
                if self.is_stopping() { "; the server does not answer, so no more was tried" } else { "" };
            let text = format!("{}, {} failed{rest}.", copied(), self.failed);
            self.warn(&text);
            return Ok(Ending::SomeFailed);
        }
        Ok(if self.done == 0 { Ending::NothingMatched } else { Ending::Done })
    }

    /// Waits for the one job that was begun; its failure is the command's.
    ///
    /// # Errors
    /// That failure.
    pub async fn finish_single(mut self) -> Result<Ending, Failure> {
        while !self.tasks.is_empty() {
            self.wait_for_one().await;
        }
        match (self.mute.take(), self.last_failure.take()) {
            (Some(failure), _) => Err(failure),
            (None, Some(failure)) if failure.is_reader_gone() => Err(failure),
            // It has been told, with what became of its upload.
            (None, Some(failure)) => Ok(failure.ending()),
            (None, None) if self.mover.stop.is_asked() && self.done == 0 => Ok(Ending::Interrupted),
            (None, None) => Ok(Ending::Done),
        }
    }
}

fn shown(name: &str) -> std::borrow::Cow<'_, str> {
    crate::output::printable(name)
}
