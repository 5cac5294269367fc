//! Walking keys in order, rolled up at a delimiter: the one mechanism behind ListObjects and
//! ListMultipartUploads.
//!
//! A common prefix may stand for millions of keys. The walk steps over a few of them and then opens
//! the scan again above all of them, so that its cost follows what it lists, not what it hides.

use std::ops::Bound;

use bytes::Bytes;

use crate::meta::door::{MetaError, Order, Row, View};

/// How many rows of one common prefix are stepped over before the scan is opened again above them:
/// about what one opening costs.
const STEPS_BEFORE_SEEK: usize = 24;

/// What to list.
pub struct Walk<'a> {
    /// Beginning of the row keys of the bucket's table: everything before the object key.
    pub table: &'a [u8],
    /// The prefix, as bytes of row keys after [`Walk::table`].
    pub prefix: &'a [u8],
    /// The delimiter, as bytes of row keys.
    pub delimiter: Option<&'a [u8]>,
    /// Bytes of row keys behind the object key: other columns, in which no delimiter counts.
    pub columns_behind: usize,
    /// Where to begin, as a whole row key.
    pub start: Bound<Vec<u8>>,
}

/// One line of a listing.
pub enum Line {
    /// A row whose key is not rolled up.
    Row {
        /// Its whole row key.
        key: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// A common prefix: bytes of row keys after [`Walk::table`], ending with the delimiter.
    Prefix(Vec<u8>),
}

impl Walk<'_> {
    /// Calls `visit` with each line in order until it returns `false` or nothing is left.
    ///
    /// # Errors
    /// What the view or `visit` fails with.
    pub fn run<E: From<MetaError>>(
        &self,
        view: &dyn View,
        mut visit: impl FnMut(Line) -> Result<bool, E>,
    ) -> Result<(), E> {
        let begin = [self.table, self.prefix].concat();
        let end = super::tables::above(&begin);
        let mut start = match &self.start {
            Bound::Included(key) | Bound::Excluded(key) if *key < begin => Bound::Included(begin.clone()),
            Bound::Unbounded => Bound::Included(begin.clone()),
            within => within.clone(),
        };
        loop {
            match &start {
                Bound::Included(key) | Bound::Excluded(key) if *key >= end => return Ok(()),
                _ => {}
            }
            let range = (start.as_ref().map(Vec::as_slice), Bound::Excluded(end.as_slice()));
            match self.stretch(view.scan(range, Order::Ascending), &mut visit)? {
                Some(above) => start = Bound::Included(above),
                None => return Ok(()),
            }
        }
    }

    /// Walks one scan; returns where to open the next one, if it is worth it.
    fn stretch<E: From<MetaError>>(
        &self,
        mut rows: Box<dyn Iterator<Item = Row> + '_>,
        visit: &mut impl FnMut(Line) -> Result<bool, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        let mut pending = rows.next();
        while let Some(row) = pending.take() {
            let (key, value) = row?;
            let Some(rolled) = self.rolled_up(&key) else {
                if !visit(Line::Row { key, value })? {
                    return Ok(None);
                }
                pending = rows.next();
                continue;
            };
            if !visit(Line::Prefix(rolled.get(self.table.len()..).unwrap_or_default().to_vec()))? {
                return Ok(None);
            }
            let mut steps = 0;
            loop {
                pending = rows.next();
                match &pending {
                    Some(Ok((next, _))) if next.starts_with(&rolled) => steps += 1,
                    _ => break,
                }
                if steps == STEPS_BEFORE_SEEK {
                    return Ok(Some(super::tables::above(&rolled)));
                }
            }
        }
        Ok(None)
    }

    /// The row key up to and with the first delimiter that stands in the object key after the prefix.
    fn rolled_up(&self, key: &Bytes) -> Option<Bytes> {
        let delimiter = self.delimiter?;
        let after = self.table.len() + self.prefix.len();
        let end = key.len().checked_sub(self.columns_behind)?;
        let at = find(key.get(after..end)?, delimiter)?;
        Some(key.slice(..after + at + delimiter.len()))
    }
}

/// Where `needle`, which is not empty, first stands in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [byte] => hay.iter().position(|b| b == byte),
        _ => hay.windows(needle.len()).position(|window| window == needle),
    }
}
