//! Writes that are not committed yet, laid over a view.
//!
//! A transaction reads its own writes through an [`Overlay`]; a commit lane lays one overlay per
//! batch over the engine and one per command over the batch, and drops the upper one when the
//! command refuses. Scans merge both layers row by row, so a command that looks at ten rows of a
//! million reads ten. Without one shared merge every backend would have its own, and its own bugs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use bytes::Bytes;

use crate::meta::door::{MetaError, Order, Row, Tx, View};

/// Uncommitted writes by key: a value, or `None` where the key is removed.
pub type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// A view with uncommitted writes over it.
pub struct Overlay<'b> {
    base: &'b dyn View,
    writes: Writes,
}

impl<'b> Overlay<'b> {
    /// Lays nothing over `base` yet.
    pub fn new(base: &'b dyn View) -> Self {
        Self { base, writes: Writes::new() }
    }

    /// Takes over the writes of a layer that lay on this one.
    pub fn absorb(&mut self, writes: Writes) {
        if self.writes.is_empty() {
            self.writes = writes;
        } else {
            self.writes.extend(writes);
        }
    }

    /// The writes, without the view below them.
    pub fn into_writes(self) -> Writes {
        self.writes
    }
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn get_often(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get_often(key),
        }
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        if is_empty(range) {
            return Box::new(std::iter::empty());
        }
        let below = self.base.scan(range, order);
        let above = self.writes.range::<[u8], _>(range);
        if above.clone().next().is_none() {
            // Most scans of a transaction meet none of its own writes: no merge for them.
            return below;
        }
        let above = match order {
            Order::Ascending => Written::Ascending(above),
            Order::Descending => Written::Descending(above.rev()),
        };
        Box::new(Merge { below, above, order, next_below: None, next_above: None })
    }
}

impl Tx for Overlay<'_> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key.into(), Some(value.into()));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key.into(), None);
    }
}

/// Whether no key can lie in `range`. An ordered map panics when asked for a reversed range, so
/// every backend asks here first.
pub fn is_empty(range: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}

/// The uncommitted rows of a range, walked in either order.
enum Written<'w> {
    Ascending(btree_map::Range<'w, Bytes, Option<Bytes>>),
    Descending(std::iter::Rev<btree_map::Range<'w, Bytes, Option<Bytes>>>),
}

impl<'w> Iterator for Written<'w> {
    type Item = (&'w Bytes, &'w Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Ascending(rows) => rows.next(),
            Self::Descending(rows) => rows.next(),
        }
    }
}

/// Two ordered walks as one; of two rows with one key the upper counts.
struct Merge<'v> {
    below: Box<dyn Iterator<Item = Row> + 'v>,
    above: Written<'v>,
    order: Order,
    next_below: Option<(Bytes, Bytes)>,
    next_above: Option<(&'v Bytes, &'v Option<Bytes>)>,
}

impl Iterator for Merge<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if self.next_below.is_none() {
                match self.below.next().transpose() {
                    Ok(row) => self.next_below = row,
                    Err(error) => return Some(Err(error)),
                }
            }
            if self.next_above.is_none() {
                self.next_above = self.above.next();
            }
            let first = match (&self.next_below, &self.next_above) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((below, _)), Some((above, _))) => match self.order {
                    Order::Ascending => below.cmp(above),
                    Order::Descending => (*above).cmp(below),
                },
            };
            if first.is_lt() {
                return self.next_below.take().map(Ok);
            }
            if first.is_eq() {
                self.next_below = None;
            }
            if let Some((key, Some(value))) = self.next_above.take() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}
