//! Tasks: the only room that spawns, so that shutdown can wait for what it started.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::error;

use crate::deadline;

/// A group of tasks with one owner, which outlives them or ends them.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<()>);

/// How the tasks of a group ended at shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that ended by themselves within the time given.
    pub finished: usize,
    /// Tasks that were still running, and were cut off.
    pub aborted: usize,
}

impl Tasks {
    /// Starts a task.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Takes note of one ended task; waits for ever where there is none.
    pub(crate) async fn reap(&mut self) {
        match self.0.join_next().await {
            Some(result) => report(result),
            None => pending().await,
        }
    }

    /// Waits for all tasks, for `grace` at most, then cuts off the rest.
    pub(crate) async fn drain(mut self, grace: Duration) -> Drained {
        let all = self.0.len();
        let end = async {
            while let Some(result) = self.0.join_next().await {
                report(result);
            }
        };
        let _ = deadline::within(grace, end).await;
        let aborted = self.0.len();
        self.0.shutdown().await;
        Drained { finished: all - aborted, aborted }
    }
}

/// A panic in one connection ends that connection only, and must not go unseen.
fn report(result: Result<(), tokio::task::JoinError>) {
    if let Err(failure) = result
        && failure.is_panic()
    {
        error!(%failure, "a connection's task panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_the_quick_and_cuts_off_the_stuck() {
        let mut tasks = Tasks::default();
        tasks.spawn(async {});
        tasks.spawn(deadline::pause(Duration::from_secs(3)));
        tasks.spawn(pending());
        let drained = tasks.drain(Duration::from_secs(5)).await;
        assert_eq!(drained, Drained { finished: 2, aborted: 1 });
    }

    #[tokio::test]
    async fn a_panicking_task_is_reaped_like_another() {
        let mut tasks = Tasks::default();
        tasks.spawn(async { panic!("a bug") });
        tasks.reap().await;
        assert_eq!(tasks.drain(Duration::ZERO).await, Drained { finished: 0, aborted: 0 });
    }
}
