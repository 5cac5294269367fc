//! The metadata door: an ordered byte-key store with serializable transactions.
//!
//! Life of a command: it waits in the lane; the extents that it names are synced, with its neighbours';
//! the lane runs it against everything committed before it; if it refuses, nothing of it remains; if it
//! accepts, its writes go to stable storage together with its neighbours' (group commit); only then is
//! it answered. Readers take snapshots and never wait for the lane. Without this order an acknowledged
//! write could be lost by a power cut.

use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;

use bytes::Bytes;
use futures_channel::oneshot;

use crate::data::door::{DataError, Pending};
use crate::planted::{Mistake, planted};

/// A future that a door hands out.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A row of a scan: key and value, or why it could not be read.
pub type Row = Result<(Bytes, Bytes), MetaError>;

/// How metadata can fail.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MetaError {
    /// The engine could not read or write.
    #[error("the metadata engine failed: {0}")]
    Engine(String),
    /// An earlier write or sync failed, so nothing more is written: restart to recover.
    #[error("metadata takes no more writes since an earlier failure: {0}")]
    Poisoned(String),
    /// The file system has no room for the metadata of this command; nothing was written.
    #[error("metadata needs {needed} bytes and {available} are free; free some space and try again")]
    Full {
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are.
        available: u64,
    },
    /// An extent that the command names is not on stable storage and never will be; nothing was written.
    #[error(transparent)]
    Extent(DataError),
    /// Too many commands wait already.
    #[error("too many metadata commands are waiting; try again")]
    Busy,
    /// A record does not read back as what was written.
    #[error("the metadata record {key} is damaged: {why}")]
    Corrupt {
        /// Table and key of the record, for people.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Which way a scan walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From small to large keys.
    Ascending,
    /// From large to small keys.
    Descending,
}

/// A consistent view of all tables.
pub trait View {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`MetaError::Engine`] when it could not be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError>;

    /// The same, for a row that nearly every request reads, and few change: an engine may keep it at hand.
    ///
    /// # Errors
    /// As [`View::get`].
    fn get_often(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.get(key)
    }

    /// The rows with keys in `range`, in `order`. An empty or reversed range has no rows.
    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v>;
}

/// A view that takes writes; they are seen by later reads of the same transaction.
pub trait Tx: View {
    /// Sets `key` to `value`.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
    /// Removes `key`; fine when it is absent.
    fn delete(&mut self, key: Vec<u8>);
}

/// What a command decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Make its writes durable, then call [`Command::settle`] with `Ok`.
    Commit,
    /// Drop its writes, then call [`Command::settle`] with `Ok`.
    Refuse,
}

/// One operation's single commit point, as the lane sees it.
pub trait Command: Send {
    /// The extents that its writes name. Before it runs, those that are not on stable storage are synced; where
    /// that fails it is settled with [`MetaError::Extent`] instead.
    fn pending(&self) -> &[Pending] {
        &[]
    }
    /// Reads, decides and writes. A pure function of the view and what it was built with; an
    /// optimistic engine may run it again on a newer view, and then only the last run counts.
    fn run(&mut self, tx: &mut dyn Tx) -> Verdict;
    /// Told once: `Ok` after the writes are on stable storage (or refused), or why they are not.
    fn settle(self: Box<Self>, outcome: Result<(), MetaError>);
}

/// An engine behind the door.
pub trait Meta: Send + Sync + 'static {
    /// A consistent view of everything committed so far.
    fn snapshot(&self) -> Box<dyn View + Send + '_>;

    /// Whether a look-up that is begun now may wait for the disk, as the last ones did: then whoever has other things to
    /// do hands them on first. Never waits itself.
    fn waits(&self) -> bool {
        false
    }

    /// Hands `command` to the lane. Waits while the lane's bounded queue is full. The engine calls
    /// [`Command::settle`] in every case, also on shutdown.
    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()>;
}

impl dyn Meta {
    /// Runs `decide` as one serializable transaction and answers after it is on stable storage.
    ///
    /// `pending` are extents that become owned if `decide` accepts. If it refuses or the commit
    /// fails they come back with the error, to be freed before the client is answered. If the
    /// caller goes away, the command still settles: accepted extents stay, others are abandoned.
    ///
    /// # Errors
    /// What `decide` refused with, or the engine's failure; with it the extents that stay unowned.
    pub async fn commit<T, E, F>(&self, pending: Vec<Pending>, decide: F) -> Result<T, (E, Vec<Pending>)>
    where
        T: Send + 'static,
        E: From<MetaError> + Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, E> + Send + 'static,
    {
        self.commit_then(pending, decide, |value| value).await
    }

    /// As `commit`; what was decided goes through `stands` once it is on stable storage, and
    /// only then, whether its caller is still there or not.
    ///
    /// # Errors
    /// As `commit`.
    pub async fn commit_then<T, U, E, F, S>(
        &self,
        pending: Vec<Pending>,
        decide: F,
        stands: S,
    ) -> Result<U, (E, Vec<Pending>)>
    where
        T: Send + 'static,
        U: Send + 'static,
        E: From<MetaError> + Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        S: FnOnce(T) -> U + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.submit(Box::new(Deciding { decide, stands, pending, result: None, answer })).await;
        match answered.await {
            Ok(settled) => settled,
            Err(oneshot::Canceled) => {
                Err((MetaError::Poisoned("the commit lane has stopped".into()).into(), Vec::new()))
            }
        }
    }
}

/// The command behind [`commit`](trait.Meta.html): a closure, its extents and its waiting caller.
struct Deciding<T, U, E, F, S> {
    decide: F,
    stands: S,
    pending: Vec<Pending>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<U, (E, Vec<Pending>)>>,
}

impl<T, U, E, F, S> Command for Deciding<T, U, E, F, S>
where
    T: Send,
    U: Send,
    E: From<MetaError> + Send,
    F: FnMut(&mut dyn Tx) -> Result<T, E> + Send,
    S: FnOnce(T) -> U + Send,
{
    fn pending(&self) -> &[Pending] {
        &self.pending
    }

    fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
        let result = (self.decide)(tx);
        let verdict = if result.is_ok() { Verdict::Commit } else { Verdict::Refuse };
        self.result = Some(result);
        verdict
    }

    fn settle(self: Box<Self>, outcome: Result<(), MetaError>) {
        let outcome = match &self.result {
            Some(Ok(_)) if planted(Mistake::FailedCommitAcknowledged) => Ok(()),
            _ => outcome,
        };
        let settled = match (outcome, self.result) {
            (Ok(()), Some(Ok(value))) => {
                self.pending.into_iter().for_each(Pending::keep);
                Ok((self.stands)(value))
            }
            (Ok(()), Some(Err(refusal))) => Err((refusal, self.pending)),
            (Ok(()), None) => unreachable!("a command settles well only after it ran"),
            // After a failed sync nobody knows what is on the disk: the extents may be owned by a
            // record that survives, so they are kept; the sweep at the next start decides.
            (Err(failure @ (MetaError::Engine(_) | MetaError::Poisoned(_))), Some(Ok(_)))
                if !planted(Mistake::UnknownCommitFreesBytes) =>
            {
                self.pending.into_iter().for_each(Pending::keep);
                Err((failure.into(), Vec::new()))
            }
            (Err(failure), _) => Err((failure.into(), self.pending)),
        };
        // A caller that went away is no error: what was decided stands.
        drop(self.answer.send(settled));
    }
}
