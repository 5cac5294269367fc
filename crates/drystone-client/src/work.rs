//! Work aside: tasks and blocking calls of the commands, each with somebody who waits for it.
//!
//! A task that nobody holds would go on sending after its command had said that it stopped; so whoever drops a
//! [`Running`] ends it.
#![expect(clippy::disallowed_methods, reason = "this is the room that the ban on spawning points to")]

use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

/// A task that runs while its owner does other things; it ends when it is dropped.
#[derive(Debug)]
pub struct Running<T>(JoinHandle<T>);

/// Starts a task.
pub fn aside<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Running<T> {
    Running(tokio::spawn(task))
}

/// Makes a call that may wait for a disk or a pipe, out of the way of everything else.
pub async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    ended(tokio::task::spawn_blocking(call).await)
}

/// What a task returned; its panic goes on in whoever waits for it.
///
/// # Panics
/// When the task panicked.
pub fn ended<T>(outcome: Result<T, JoinError>) -> T {
    outcome.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(error) => unreachable!("only the owner of a task ends it: {error}"),
    })
}

impl<T> Future for Running<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(context).map(ended)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_task_ends_with_its_owner() {
        let (alive, ended) = oneshot::channel::<()>();
        let task = aside(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert!(ended.await.is_err(), "what the task held is gone");
        assert_eq!(aside(async { 7 }).await, 7);
        assert_eq!(blocking(|| 8).await, 8);
    }
}
