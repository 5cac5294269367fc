//! Several tasks at a time, each on a lane of its own, of which the first failure ends all.

use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::transfer::lanes::Lanes;
use crate::work::ended;

/// Tasks at work. Dropping it ends them.
#[derive(Debug)]
pub struct Crew<T> {
    lanes: Lanes,
    tasks: JoinSet<Result<T, Failure>>,
    done: Vec<T>,
}

impl<T: Send + 'static> Crew<T> {
    /// Nobody is at work yet.
    pub fn new(lanes: Lanes) -> Self {
        Self { lanes, tasks: JoinSet::new(), done: Vec::new() }
    }

    /// Waits for a lane for so many bytes, and begins the task on it.
    ///
    /// # Errors
    /// The first failure of an earlier task.
    pub async fn add(
        &mut self,
        bytes: u64,
        task: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<(), Failure> {
        let lane = self.lanes.enter(bytes).await;
        while let Some(outcome) = self.tasks.try_join_next() {
            self.done.push(ended(outcome)?);
        }
        self.tasks.spawn(async move {
            let outcome = task.await;
            drop(lane);
            outcome
        });
        Ok(())
    }

    /// Waits for all of them; what they returned is in no order.
    ///
    /// # Errors
    /// The first failure.
    pub async fn finish(mut self) -> Result<Vec<T>, Failure> {
        while let Some(outcome) = self.tasks.join_next().await {
            self.done.push(ended(outcome)?);
        }
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_failure_ends_all() {
        let mut crew = Crew::new(Lanes::default());
        for number in 0..100 {
            crew.add(8 << 20, async move { Ok(number) }).await.unwrap();
        }
        let mut done = crew.finish().await.unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());

        let mut crew = Crew::new(Lanes::default());
        crew.add(1, std::future::pending()).await.unwrap();
        crew.add(1, async { Err::<(), _>(Failure::Usage("no".into())) }).await.unwrap();
        assert_eq!(crew.finish().await.unwrap_err().to_string(), "no");
    }
}
