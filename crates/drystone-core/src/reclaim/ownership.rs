//! Who names which bytes.
//!
//! Every segment in an object, a manifest or a part is one reference to its place. The last
//! reference that goes takes the place's row with it and, for an extent, puts it on the reclaim
//! list, all in the caller's transaction. So there is no moment in which bytes are named and free,
//! or neither, and an abort, a sweep or a retry cannot touch a byte that a published object names.

use crate::data::door::{Extent, ExtentId};
use crate::meta::door::{MetaError, Tx};
use crate::meta::records::{
    BodyPlace, ExtentRecord, FreedRecord, ManifestRecord, Place, Segment, SmallBodyRecord,
};
use crate::meta::tables::{self, load, save};

/// Segments that one object, or the parts of one upload, may have. All references of an object or upload
/// go in one transaction, so this bounds what the lane holds in memory: two rows for each segment, for the
/// unlisted parts of a completed upload and the object that it replaces at once, are 131,072 rows. A row
/// costs 420 bytes on its way to the disk (measured), so that is 55 MB. An object of 10,000 uploaded parts
/// has 10,000 segments.
pub const SEGMENTS_MAX: usize = 32 * 1024;

/// Segments after whose release a transaction that may go on in another one does so.
pub(crate) const SEGMENTS_PER_COMMIT: usize = 10_000;

/// Gives a finished extent its first owner.
pub fn adopt(tx: &mut dyn Tx, extent: Extent) {
    save(tx, tables::extent(extent.id), &ExtentRecord { len: extent.len, token: extent.token, refs: 1 });
}

/// Adds a reference to the place of `segment`.
///
/// # Errors
/// [`MetaError::Corrupt`] when the place has no owner now: its last name is gone.
pub fn share(tx: &mut dyn Tx, segment: &Segment) -> Result<(), MetaError> {
    match segment.place {
        Place::Row(id) => {
            let key = tables::small_body(id);
            let mut body: SmallBodyRecord = load(tx, &key)?.ok_or_else(|| unowned(&key))?;
            body.refs += 1;
            save(tx, key, &body);
        }
        Place::Extent(extent) => {
            let key = tables::extent(extent.id);
            let mut owned: ExtentRecord = load(tx, &key)?.ok_or_else(|| unowned(&key))?;
            owned.refs += 1;
            save(tx, key, &owned);
        }
    }
    Ok(())
}

/// Takes a reference to the place of `segment` away.
///
/// # Errors
/// [`MetaError::Corrupt`] when the place has no owner now.
pub fn release(tx: &mut dyn Tx, segment: &Segment) -> Result<(), MetaError> {
    match segment.place {
        Place::Row(id) => {
            let key = tables::small_body(id);
            let mut body: SmallBodyRecord = load(tx, &key)?.ok_or_else(|| unowned(&key))?;
            body.refs -= 1;
            if body.refs == 0 { tx.delete(key) } else { save(tx, key, &body) }
        }
        Place::Extent(extent) => {
            let key = tables::extent(extent.id);
            let mut owned: ExtentRecord = load(tx, &key)?.ok_or_else(|| unowned(&key))?;
            owned.refs -= 1;
            if owned.refs == 0 {
                tx.delete(key);
                put_on_reclaim_list(tx, extent.id, extent.len);
            } else {
                save(tx, key, &owned);
            }
        }
    }
    Ok(())
}

fn put_on_reclaim_list(tx: &mut dyn Tx, id: ExtentId, len: u64) {
    save(tx, tables::reclaim(id), &FreedRecord { len });
}

/// The segments of a body, in order.
///
/// # Errors
/// [`MetaError`] when its manifest cannot be read.
pub fn segments_of(
    view: &(impl crate::meta::door::View + ?Sized),
    body: &BodyPlace,
) -> Result<Vec<Segment>, MetaError> {
    Ok(match body {
        BodyPlace::Empty => Vec::new(),
        BodyPlace::One(segment) => vec![*segment],
        BodyPlace::Manifest(id) => {
            let key = tables::manifest(*id);
            let manifest: ManifestRecord = load(view, &key)?.ok_or_else(|| unowned(&key))?;
            manifest.parts.into_iter().flat_map(|part| part.segments).collect()
        }
    })
}

/// Takes all references of a body away, and its manifest; how many there were.
///
/// # Errors
/// As [`release`].
pub fn release_body(tx: &mut dyn Tx, body: &BodyPlace) -> Result<usize, MetaError> {
    let segments = segments_of(tx, body)?;
    for segment in &segments {
        release(tx, segment)?;
    }
    if let BodyPlace::Manifest(id) = body {
        tx.delete(tables::manifest(*id));
    }
    Ok(segments.len())
}

fn unowned(key: &[u8]) -> MetaError {
    MetaError::Corrupt { key: key.escape_ascii().to_string(), why: "a record names it, but it has no row" }
}
