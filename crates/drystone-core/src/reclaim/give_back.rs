//! Giving freed bytes back to the file system.
//!
//! (1) Take a batch of what is on the reclaim list. (2) Wait for readers who may still find its extents, and
//! leave out what is pinned. (3) Free the batch; on return that is on stable storage. (4) Take the
//! batch off the list. A crash between 3 and 4 frees twice, which is harmless; the other order
//! could forget bytes for ever.

use crate::data::door::Freed;
use crate::error::Error;
use crate::meta::door::{Order, Tx};
use crate::meta::records::{FreedRecord, Record};
use crate::meta::tables::{self, Table, Within};
use crate::planted::{Mistake, planted};
use crate::reclaim::known::OnList;
use crate::store::Store;

/// Extents freed in one batch.
const BATCH_EXTENTS: usize = 4096;

/// What one pass over the reclaim list did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Extents freed.
    pub extents: u64,
    /// Their payload in bytes.
    pub bytes: u64,
    /// Extents that wait for their readers.
    pub pinned: u64,
}

impl Store {
    /// Frees everything on the reclaim list that nobody reads.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Meta`]; what was not freed stays on the list.
    pub async fn give_back(&self) -> Result<GivenBack, Error> {
        self.known.add(OnList::Unknown);
        self.give_known_back().await
    }

    /// As [`Store::give_back`], where it is known what is on the list without reading it.
    pub(crate) async fn give_known_back(&self) -> Result<GivenBack, Error> {
        let mut done = GivenBack::default();
        let given = match self.known.take() {
            OnList::Unknown => self.give_list_back(&mut done).await,
            OnList::These(extents) => self.give_these_back(&extents, &mut done).await,
        };
        if given.is_err() {
            self.known.add(OnList::Unknown);
        }
        given.map(|()| done)
    }

    async fn give_list_back(&self, done: &mut GivenBack) -> Result<(), Error> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (batch, last) = self.reclaim_batch(after.as_deref())?;
            let Some(last) = last else { return Ok(()) };
            after = Some(last);
            self.give_batch_back(batch, done).await?;
        }
    }

    async fn give_these_back(&self, extents: &[Freed], done: &mut GivenBack) -> Result<(), Error> {
        for batch in extents.chunks(BATCH_EXTENTS) {
            self.give_batch_back(batch.to_vec(), done).await?;
        }
        Ok(())
    }

    /// Steps 2 to 4 for a batch of what is on the list.
    async fn give_batch_back(&self, mut batch: Vec<Freed>, done: &mut GivenBack) -> Result<(), Error> {
        self.pins.wait_for_finders();
        let pinned = self.pins.keep_free(&mut batch, |freed| freed.id);
        done.pinned += pinned.len() as u64;
        // Their last reader wakes the worker.
        if !planted(Mistake::PinnedForgotten) {
            self.known.add(OnList::These(pinned));
        }
        if batch.is_empty() {
            return Ok(());
        }
        let late = planted(Mistake::ReclaimListEmptiedFirst).then(|| batch.clone());
        if late.is_none() {
            self.data.clone().free(batch.clone()).await?;
        }
        done.extents += batch.len() as u64;
        done.bytes += batch.iter().map(|freed| freed.len).sum::<u64>();
        self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            if !planted(Mistake::ReclaimListNotEmptied) {
                batch.iter().for_each(|freed| tx.delete(tables::reclaim(freed.id)));
            }
            Ok(())
        })
        .await?;
        if let Some(late) = late {
            self.data.clone().free(late).await?;
        }
        Ok(())
    }

    fn reclaim_batch(&self, after: Option<&[u8]>) -> Result<(Vec<Freed>, Option<Vec<u8>>), Error> {
        let table = tables::all(Table::Reclaim);
        let within = match after {
            Some(key) => Within::after(&table, key.to_vec()),
            None => Within::prefix(table),
        };
        let view = self.meta.snapshot();
        let mut batch = Vec::new();
        let mut last = None;
        for row in view.scan(within.range(), Order::Ascending).take(BATCH_EXTENTS) {
            let (key, value) = row?;
            let record = FreedRecord::decode(&key, value)?;
            batch.push(Freed { id: tables::read_extent_key(&key)?, len: record.len });
            last = Some(key.to_vec());
        }
        Ok((batch, last))
    }
}
