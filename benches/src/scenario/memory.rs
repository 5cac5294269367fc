//! Many long uploads at once: what memory the server holds while it streams them.
//!
//! Bodies must be streamed, never collected. 64 uploads of 1 GiB would need 64 GiB if they were.

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::disk;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::{KIB, MIB};
use crate::stage::Stage;

/// The workload; it is played only when it is asked for, as it writes many times what the others do.
pub const MEMORY: Workload = Workload {
    name: "memory",
    what: "64 PUTs of 1 GiB at once, for the peak of memory",
    unit: Unit::Bytes,
    moves: Moves::In,
};

pub(super) const WORKLOADS: [Workload; 1] = [MEMORY];

/// Bodies are made in buffers of this many bytes: 64 clients have one each.
const PIECE_BYTES: usize = 256 * KIB as usize;

/// What a server keeps for itself beside the bodies and a 64th of them for their metadata.
const OWN_BYTES: u64 = 256 * MIB;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let (uploads, size) = (stage.profile.memory_uploads, stage.profile.memory_upload_bytes);
    let needed = uploads * size + uploads * size / 64 + OWN_BYTES;
    if let Some(folder) = stage.target.data.as_deref() {
        let available = disk::bytes_free(folder).map_err(Failure::Space)?;
        if available < needed {
            return Err(Failure::NoRoom { needed, available });
        }
    }
    let folder = stage.folder(MEMORY.name);
    let key = |number: u64| format!("{folder}/{number:04}");
    let bounds = Bounds {
        clients: usize::try_from(uploads).expect("there are few uploads"),
        payload_bytes: PIECE_BYTES,
        requests: uploads,
        time: super::PATIENCE,
    };
    let put = async |client: &mut Client<'_>, number| {
        client.put(&key(number), Source::whole(stage.id(7, number), size)).await.map(|()| size)
    };
    stage.tell(stage.measure(MEMORY, bounds, put).await?.0);
    stage
        .prepare(MEMORY, bounds, async |client: &mut Client<'_>, number| {
            client.delete(&key(number)).await.map(|()| 0)
        })
        .await
}
