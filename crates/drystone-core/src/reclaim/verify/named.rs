//! What the objects and uploads name, gathered on the way to be compared with the rows that own it.

use std::collections::{BTreeMap, HashMap};

use crate::data::door::{Extent, ExtentId};
use crate::meta::records::{Place, Segment, UsageRecord};
use crate::names::{Timestamp, UploadId};

/// Who names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namer {
    /// A published object.
    Object,
    /// A part of an upload in progress.
    Part,
}

/// How a place is named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    /// By how many segments.
    pub(super) refs: u32,
    /// Whether one of them is an object's.
    pub(super) by_object: bool,
}

/// Everything that is named.
#[derive(Default)]
pub(super) struct Named {
    /// Extents, by place, with what the first segment says of each.
    pub(super) extents: HashMap<ExtentId, (Extent, Names)>,
    /// Small bodies.
    pub(super) small_bodies: HashMap<u64, Names>,
    /// Manifests: how many objects name each.
    pub(super) manifests: HashMap<u64, u32>,
    /// What each bucket holds. Ordered, so that two reports of one store are the same.
    pub(super) usages: BTreeMap<u64, UsageRecord>,
    /// The largest number in use.
    pub(super) last_number: u64,
    /// The latest time of an upload's initiation.
    pub(super) latest: Timestamp,
}

impl Named {
    /// Adds the places of a body. Says nothing when two segments differ about one extent: then one of
    /// them cannot be read, and that is a problem already.
    pub(super) fn add(&mut self, segments: &[Segment], namer: Namer) {
        for segment in segments {
            let names = match segment.place {
                Place::Row(id) => {
                    self.number(id);
                    self.small_bodies.entry(id).or_default()
                }
                Place::Extent(extent) => {
                    &mut self.extents.entry(extent.id).or_insert_with(|| (extent, Names::default())).1
                }
            };
            names.refs += 1;
            names.by_object |= namer == Namer::Object;
        }
    }

    /// Takes note of a number that was given out.
    pub(super) fn number(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
    }

    /// Takes note of an upload's id.
    pub(super) fn upload(&mut self, id: &UploadId) {
        self.number(id.tie());
        self.latest = self.latest.max(id.initiated());
    }

    /// What `bucket` holds, as counted so far.
    pub(super) fn usage(&mut self, bucket: u64) -> &mut UsageRecord {
        self.usages.entry(bucket).or_default()
    }
}
