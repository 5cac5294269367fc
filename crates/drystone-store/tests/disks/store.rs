//! A small object store over both doors: each object is one row that names one extent.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::checksum::Digests;
use drystone_core::data::door::{Data, DataError, Extent, ExtentId, Freed};
use drystone_core::meta::door::{Meta, MetaError, Order};
use drystone_sim::doors::data::read;
use drystone_sim::wait::wait;
use drystone_store::{OpenOptions, Opened, open};

/// Size of the body that a row carries along.
const INLINE_BYTES: usize = 9_000;

pub(crate) fn opened(dir: &Path) -> Opened {
    open(OpenOptions::new(dir)).unwrap_or_else(|error| panic!("the store opens: {error}"))
}

/// Why a PUT was not acknowledged.
#[derive(Debug)]
#[expect(dead_code, reason = "a failing test prints it")]
pub(crate) enum NotPut {
    Data(DataError),
    Meta(MetaError),
}

/// Stores `body` under `key` as a PUT does: bytes durable first, then their name.
pub(crate) fn put(
    meta: &Arc<dyn Meta>,
    data: &Arc<dyn Data>,
    key: &[u8],
    body: &Bytes,
) -> Result<Extent, NotPut> {
    let mut writer = Arc::clone(data).reserve(body.len() as u64).map_err(NotPut::Data)?;
    let mut digests = Digests::new(None, None);
    for start in (0..body.len()).step_by(200_000) {
        let piece = body.slice(start..body.len().min(start + 200_000));
        (writer, digests) = wait(writer.write(vec![piece], digests)).map_err(NotPut::Data)?;
    }
    let pending = wait(writer.finish()).map_err(NotPut::Data)?.pending;
    let extent = pending.extent();
    let (key, value) = (key.to_vec(), record(extent));
    let committed = wait(meta.commit::<_, MetaError, _>(vec![pending], move |tx| {
        tx.put(key.clone(), value.clone());
        // A small body inside the metadata: it makes the journal's entries span pages, as the torn
        // ones of a power cut do.
        tx.put([b"inline/", key.as_slice()].concat(), vec![key.len() as u8; INLINE_BYTES]);
        Ok(())
    }));
    committed.map(|()| extent).map_err(|(error, _)| NotPut::Meta(error))
}

/// Removes `key` as a DELETE or an abort does: the name first, then the bytes.
pub(crate) fn delete(
    meta: &Arc<dyn Meta>,
    data: &Arc<dyn Data>,
    key: &[u8],
    extent: Extent,
) -> Result<(), NotPut> {
    let owned = key.to_vec();
    let committed = wait(meta.commit::<_, MetaError, _>(Vec::new(), move |tx| {
        tx.delete(owned.clone());
        tx.delete([b"inline/", owned.as_slice()].concat());
        // What an abort writes besides: reclaim and usage records.
        tx.put([b"reclaim/", owned.as_slice()].concat(), vec![0; 40]);
        tx.put(b"usage".to_vec(), vec![0; 60]);
        Ok(())
    }));
    committed.map_err(|(error, _)| NotPut::Meta(error))?;
    let freed = vec![Freed { id: extent.id, len: extent.len }];
    wait(Arc::clone(data).free(freed)).map_err(NotPut::Data)
}

fn record(extent: Extent) -> Vec<u8> {
    [extent.id.volume, extent.id.offset, extent.len, extent.token].map(u64::to_be_bytes).concat()
}

/// All objects that metadata names.
pub(crate) fn objects(meta: &Arc<dyn Meta>) -> BTreeMap<Bytes, Extent> {
    let view = meta.snapshot();
    let range = (Bound::Included(&b"object/"[..]), Bound::Excluded(&b"object0"[..]));
    let row = |row: Result<(Bytes, Bytes), MetaError>| {
        let (key, value) = row.expect("the row is read");
        let numbers: Vec<u64> = value.as_chunks().0.iter().copied().map(u64::from_be_bytes).collect();
        let &[volume, offset, len, token] = numbers.as_slice() else { panic!("{key:?} has no extent") };
        (key, Extent { id: ExtentId { volume, offset }, len, token })
    };
    view.scan(range, Order::Ascending).map(row).collect()
}

/// Reads the object at `extent` whole.
pub(crate) fn body(data: &Arc<dyn Data>, extent: Extent) -> Result<Vec<u8>, DataError> {
    read(data, extent, 0..extent.len)
}

/// What a start does after a crash: bytes of suspect volumes that no row names are given back.
pub(crate) fn recover(meta: &Arc<dyn Meta>, data: &Arc<dyn Data>) {
    for volume in data.suspects() {
        data.punch(volume, &unowned(meta, data, volume)).expect("the file system punches");
    }
    data.recovered();
}

/// Ranges of `volume` that take room and that no row names.
pub(crate) fn unowned(meta: &Arc<dyn Meta>, data: &Arc<dyn Data>, volume: u64) -> Vec<Range<u64>> {
    let extents = objects(meta).into_values().filter(|extent| extent.id.volume == volume);
    let mut owned: Vec<Range<u64>> = extents.map(|extent| data.footprint(extent.id, extent.len)).collect();
    owned.sort_by_key(|range| range.start);
    let mut unowned = Vec::new();
    for range in data.allocated(volume).expect("the file system tells") {
        let mut from = range.start;
        for owned in owned.iter().filter(|owned| owned.end > range.start && owned.start < range.end) {
            if from < owned.start {
                unowned.push(from..owned.start);
            }
            from = from.max(owned.end);
        }
        if from < range.end {
            unowned.push(from..range.end);
        }
    }
    unowned
}
