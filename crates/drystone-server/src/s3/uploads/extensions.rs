//! What a listing shows of an upload that S3's own does not: elements of the namespace `urn:drystone:s3`.
//!
//! Without them whoever asks what unfinished uploads cost has to list the parts of each. Readers that do not know
//! the namespace skip it; the client tests hold every client of the matrix to that.
//!
//! | element | where | meaning |
//! |---|---|---|
//! | `d:Parts` | upload, ListParts | number of parts stored |
//! | `d:Bytes` | upload, ListParts | sum of their sizes in bytes |
//! | `d:LastActivity` | upload, ListParts | when the upload was created or its last part was stored |
//! | `d:AbortDate` | upload | when a rule of the bucket will abort it; left out when none will |
//! | `d:AbortRuleId` | upload | the id of that rule |

use drystone_core::lifecycle::rules::AbortPlan;
use drystone_core::uploads::upload::Held;

use crate::s3::dates::IsoDate;
use crate::s3::xml::writer::Writer;

/// Writes what an upload holds.
pub(super) fn write_held(xml: &mut Writer, held: &Held) {
    xml.own("Parts", held.parts);
    xml.own("Bytes", held.bytes);
    xml.own("LastActivity", IsoDate(held.last_activity));
}

/// Writes what will become of an upload, if its bucket has a rule that says so.
pub(super) fn write_plan(xml: &mut Writer, plan: Option<&AbortPlan>) {
    if let Some(plan) = plan {
        xml.own("AbortDate", IsoDate(plan.due));
        xml.own_text("AbortRuleId", &plan.rule);
    }
}
