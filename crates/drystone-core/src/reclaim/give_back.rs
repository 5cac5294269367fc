//! Giving freed bytes back to the file system.
//!
//! (1) Read a batch of the reclaim list. (2) Wait for readers who may still find its extents, and
//! leave out what is pinned. (3) Free the batch; on return that is on stable storage. (4) Take the
//! batch off the list. A crash between 3 and 4 frees twice, which is harmless; the other order
//! could forget bytes for ever.

use crate::data::door::Freed;
use crate::error::Error;
use crate::meta::door::{Order, Tx};
use crate::meta::records::{FreedRecord, Record};
use crate::meta::tables::{self, Table, Within};
use crate::planted::{Mistake, planted};
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
        let mut done = GivenBack::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (mut batch, last) = self.reclaim_batch(after.as_deref())?;
            let Some(last) = last else { return Ok(done) };
            after = Some(last);
            let listed = batch.len();
            self.pins.wait_for_finders();
            self.pins.keep_free(&mut batch, |freed| freed.id);
            done.pinned += (listed - batch.len()) as u64;
            if batch.is_empty() {
                continue;
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
        }
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
