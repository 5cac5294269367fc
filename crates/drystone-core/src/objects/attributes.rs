//! GetObjectAttributes: what is known of an object and of the parts it was completed from.

use crate::access::Caller;
use crate::error::Error;
use crate::meta::records::StoredPart;
use crate::objects::get::{GetObject, find, load_manifest};
use crate::objects::object::ObjectInfo;
use crate::store::Store;

/// An object and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The object.
    pub info: ObjectInfo,
    /// The parts that it was completed from, in order; none for an object written in one piece.
    pub parts: Vec<StoredPart>,
}

impl Store {
    /// Finds an object and its parts, without touching its bytes.
    ///
    /// # Errors
    /// As [`Store::head_object`].
    pub fn object_attributes(&self, caller: &Caller, request: &GetObject) -> Result<ObjectAttributes, Error> {
        let view = self.meta.snapshot();
        let found = find(&*view, caller, request)?;
        let manifest = load_manifest(&*view, &found.record.body)?;
        let parts = manifest.map(|manifest| manifest.parts).unwrap_or_default();
        Ok(ObjectAttributes { info: found.record.info, parts })
    }
}
