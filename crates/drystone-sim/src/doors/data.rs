//! What every store of extents must do.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::checksum::{Algorithm, Digests, crc64};
use drystone_core::data::door::{Data, DataError, Extent, Freed, Written};

use crate::wait::wait;

/// Makes an empty store with room for at least 64 MiB. What it returns beside the store is kept
/// until the check is over.
pub type Make<'m> = &'m dyn Fn() -> (Arc<dyn Data>, Box<dyn std::any::Any>);

/// Sizes around every edge of the on-disk layout: frames of 64 KiB, their checks, pages of 4 KiB.
pub const EDGES: [u64; 14] = [
    1, 7, 4_000, 4_088, 4_096, 65_527, 65_528, 65_535, 65_536, 65_537, 131_072, 131_073, 1_048_576, 3_000_001,
];

/// Runs the whole suite.
pub fn all(make: Make<'_>) {
    what_is_written_is_read(make);
    pieces_may_be_cut_anywhere(make);
    every_range_is_read(make);
    digests_see_every_byte(make);
    extents_do_not_touch(make);
    what_is_freed_is_gone(make);
    freeing_twice_is_fine(make);
    what_is_abandoned_is_gone(make);
    what_is_kept_stays(make);
    a_dropped_writer_leaves_nothing(make);
    a_wrong_token_is_noticed(make);
    a_wrong_length_is_noticed(make);
    more_than_there_is_is_refused(make);
    punched_ranges_are_gone(make);
    many_writers_at_once(make);
}

/// `len` bytes that differ from place to place and from `seed` to seed.
pub fn bytes(len: u64, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len as usize + 8);
    while (out.len() as u64) < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out.truncate(len as usize);
    out.into()
}

/// Writes `body` in pieces of at most `piece` bytes and finishes the extent.
pub fn write(data: &Arc<dyn Data>, body: &Bytes, piece: usize) -> Result<Written, DataError> {
    let mut writer = Arc::clone(data).reserve(body.len() as u64)?;
    let mut digests = Digests::new(None, None);
    let pieces: Vec<Bytes> =
        (0..body.len()).step_by(piece).map(|at| body.slice(at..body.len().min(at + piece))).collect();
    // Several pieces a call, as they come from a network buffer.
    for group in pieces.chunks(5) {
        (writer, digests) = wait(writer.write(group.to_vec(), digests))?;
    }
    wait(writer.finish())
}

/// Writes `body` and gives it an owner.
pub fn stored(data: &Arc<dyn Data>, body: &Bytes) -> Extent {
    let written = write(data, body, 50_000).expect("the extent is written");
    let extent = written.pending.extent();
    written.pending.keep();
    extent
}

/// Reads `range` of `extent` to its end.
pub fn read(data: &Arc<dyn Data>, extent: Extent, range: Range<u64>) -> Result<Vec<u8>, DataError> {
    let mut reader = Box::into_pin(Arc::clone(data).read(extent, range));
    let mut out = Vec::new();
    while let Some(piece) = wait(std::future::poll_fn(|cx| reader.as_mut().poll_next(cx))) {
        let piece = piece?;
        assert!(!piece.is_empty(), "no reader hands out an empty piece");
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

fn free(data: &Arc<dyn Data>, extents: &[Extent]) {
    let freed = extents.iter().map(|extent| Freed { id: extent.id, len: extent.len }).collect();
    wait(Arc::clone(data).free(freed)).expect("the extents are freed");
}

/// Whether every byte of the extent's range is back at the file system.
pub fn is_gone(data: &Arc<dyn Data>, extent: Extent) -> bool {
    let footprint = data.footprint(extent.id, extent.len);
    if !data.volumes().contains(&extent.id.volume) {
        return true;
    }
    let allocated = data.allocated(extent.id.volume).expect("the file system tells");
    allocated.iter().all(|range| range.end <= footprint.start || footprint.end <= range.start)
}

/// Waits until what was given back in the background is gone: freeing waits for a place in the
/// same queue, so that no time has to pass.
fn until_gone(data: &Arc<dyn Data>, extent: Extent) {
    for _ in 0..10_000 {
        if is_gone(data, extent) {
            return;
        }
        free(data, &[]);
        std::thread::yield_now();
    }
    assert!(is_gone(data, extent), "{extent:?} was given back and still takes room");
}

/// What is written comes back, whole and with its CRC64NVME, at every edge of the layout.
pub fn what_is_written_is_read(make: Make<'_>) {
    let (data, _kept) = make();
    let mut extents = Vec::new();
    for len in EDGES {
        let body = bytes(len, len);
        let written = write(&data, &body, 50_000).expect("the extent is written");
        assert_eq!(written.crc64, crc64(&body), "{len} bytes");
        let extent = written.pending.extent();
        assert_eq!(extent.len, len);
        written.pending.keep();
        assert!(read(&data, extent, 0..len).expect("it is read") == body, "{len} bytes");
        extents.push((extent, body));
    }
    for (extent, body) in extents {
        let again = read(&data, extent, 0..extent.len).expect("it is read again");
        assert!(again == body, "{extent:?} does not change when others are written");
    }
}

/// However the body is cut into pieces, the same bytes and the same checksum come of it.
pub fn pieces_may_be_cut_anywhere(make: Make<'_>) {
    let (data, _kept) = make();
    let body = bytes(300_000, 3);
    for piece in [997, 4_096, 16_384, 65_535, 65_536, 65_537, 131_072, 300_000] {
        let written = write(&data, &body, piece).expect("the extent is written");
        assert_eq!(written.crc64, crc64(&body), "pieces of {piece}");
        let extent = written.pending.extent();
        assert!(read(&data, extent, 0..extent.len).expect("it is read") == body, "pieces of {piece}");
    }
    let small = bytes(100, 4);
    let written = write(&data, &small, 1).expect("the extent is written");
    assert!(read(&data, written.pending.extent(), 0..100).expect("it is read") == small);
    // Empty pieces are nothing, not an end.
    let writer = Arc::clone(&data).reserve(3).expect("reserves");
    let pieces =
        vec![Bytes::new(), Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c"), Bytes::new()];
    let (writer, digests) = wait(writer.write(pieces, Digests::new(None, None))).expect("writes");
    let (writer, _) = wait(writer.write(Vec::new(), digests)).expect("writes nothing");
    let written = wait(writer.finish()).expect("finishes");
    assert_eq!(read(&data, written.pending.extent(), 0..3).expect("it is read"), b"abc");
}

/// Any range reads exactly its bytes; an empty one none.
pub fn every_range_is_read(make: Make<'_>) {
    let (data, _kept) = make();
    let len = 2_500_000;
    let body = bytes(len, 5);
    let extent = stored(&data, &body);
    let edges = [0, 1, 4_096, 65_535, 65_536, 65_537, 524_288, 1_048_575, 1_048_576, 1_048_577, len - 1, len];
    for (at, &start) in edges.iter().enumerate() {
        for &end in edges.iter().skip(at) {
            let found = read(&data, extent, start..end).expect("the range is read");
            assert!(found == body.slice(start as usize..end as usize), "{start}..{end}");
        }
    }
}

/// The digests that travel with the bytes see each of them once, in order.
pub fn digests_see_every_byte(make: Make<'_>) {
    let (data, _kept) = make();
    let body = bytes(200_000, 6);
    let mut writer = Arc::clone(&data).reserve(200_000).expect("reserves");
    let mut digests = Digests::new(None, Some(Algorithm::Sha256));
    for piece in body.chunks(70_000) {
        (writer, digests) = wait(writer.write(vec![body.slice_ref(piece)], digests)).expect("writes");
    }
    drop(wait(writer.finish()).expect("finishes"));
    let mut want = Digests::new(None, Some(Algorithm::Sha256));
    want.update(&body);
    assert_eq!(digests.finish(), want.finish());
}

/// No two extents share a byte of the disk, and each says what it takes.
pub fn extents_do_not_touch(make: Make<'_>) {
    let (data, _kept) = make();
    let mut taken: Vec<(u64, Range<u64>)> = Vec::new();
    for len in EDGES {
        let extent = stored(&data, &bytes(len, len));
        let footprint = data.footprint(extent.id, len);
        assert!(
            footprint.start <= extent.id.offset && extent.id.offset + len <= footprint.end,
            "{footprint:?}"
        );
        let allocated = data.allocated(extent.id.volume).expect("the file system tells");
        let inside =
            |range: &Range<u64>| range.start <= extent.id.offset && extent.id.offset + len <= range.end;
        assert!(allocated.iter().any(inside), "{extent:?} takes room: {allocated:?}");
        for (volume, other) in &taken {
            let apart =
                *volume != extent.id.volume || other.end <= footprint.start || footprint.end <= other.start;
            assert!(apart, "{footprint:?} touches {other:?}");
        }
        taken.push((extent.id.volume, footprint));
    }
}

/// After freeing, the bytes are back at the file system and cannot be read; neighbours stay.
pub fn what_is_freed_is_gone(make: Make<'_>) {
    let (data, _kept) = make();
    let bodies: Vec<Bytes> = (0..12).map(|n| bytes(40_000 + n * 9_999, n)).collect();
    let extents: Vec<Extent> = bodies.iter().map(|body| stored(&data, body)).collect();
    let (even, odd): (Vec<_>, Vec<_>) =
        extents.iter().zip(&bodies).enumerate().partition(|(n, _)| n % 2 == 0);
    free(&data, &even.iter().map(|(_, (extent, _))| **extent).collect::<Vec<_>>());
    for (_, (extent, _)) in even {
        assert!(is_gone(&data, *extent), "{extent:?} was freed");
        assert!(read(&data, *extent, 0..extent.len).is_err(), "{extent:?} was freed");
    }
    for (_, (extent, body)) in odd {
        assert!(read(&data, *extent, 0..extent.len).expect("neighbours stay") == *body);
    }
    free(&data, &extents);
    for extent in &extents {
        assert!(is_gone(&data, *extent), "{extent:?} was freed");
    }
}

/// Freeing what is free, what never was, and what is in a volume that is gone harms nobody.
pub fn freeing_twice_is_fine(make: Make<'_>) {
    let (data, _kept) = make();
    let first = stored(&data, &bytes(10_000, 1));
    free(&data, &[first, first]);
    let body = bytes(10_000, 2);
    let second = stored(&data, &body);
    free(&data, &[first]);
    assert!(second.id != first.id, "no place is used twice");
    assert!(read(&data, second, 0..10_000).expect("it is read") == body);
    let nowhere = drystone_core::data::door::ExtentId { volume: 987_654, offset: 0 };
    wait(Arc::clone(&data).free(vec![Freed { id: nowhere, len: 4_096 }])).expect("a missing volume is fine");
    assert!(data.punch(987_654, std::slice::from_ref(&(0..4_096))).is_ok(), "a missing volume is fine");
    assert!(read(&data, second, 0..10_000).expect("it is read") == body);
}

/// A finished extent that nobody takes is given back.
pub fn what_is_abandoned_is_gone(make: Make<'_>) {
    let (data, _kept) = make();
    let neighbour_body = bytes(70_000, 8);
    let neighbour = stored(&data, &neighbour_body);
    let written = write(&data, &bytes(150_000, 9), 50_000).expect("the extent is written");
    let extent = written.pending.extent();
    drop(written);
    until_gone(&data, extent);
    assert!(read(&data, neighbour, 0..70_000).expect("the neighbour stays") == neighbour_body);
}

/// An extent that got an owner stays although its `Pending` is gone.
pub fn what_is_kept_stays(make: Make<'_>) {
    let (data, _kept) = make();
    let body = bytes(150_000, 10);
    let extent = stored(&data, &body);
    let other = write(&data, &bytes(10, 11), 10).expect("the extent is written").pending.extent();
    until_gone(&data, other);
    assert!(read(&data, extent, 0..150_000).expect("it is read") == body);
}

/// A writer that is dropped, before its first byte or in the middle, gives its room back.
pub fn a_dropped_writer_leaves_nothing(make: Make<'_>) {
    let (data, _kept) = make();
    // An extent that lives keeps its volume, so that the check below looks at ranges.
    let kept = stored(&data, &bytes(5_000, 1));
    let before: u64 = taken(&data);
    for part in [0_u64, 1, 100_000, 2_000_000] {
        let writer = Arc::clone(&data).reserve(2_000_000).expect("reserves");
        let (writer, _) =
            wait(writer.write(vec![bytes(part, part)], Digests::new(None, None))).expect("writes");
        drop(writer);
    }
    for _ in 0..10_000 {
        if taken(&data) == before {
            break;
        }
        free(&data, &[]);
        std::thread::yield_now();
    }
    assert_eq!(taken(&data), before, "bytes that take room");
    assert_eq!(read(&data, kept, 0..5_000).expect("it is read"), bytes(5_000, 1));
}

/// Bytes that take room in all volumes.
pub fn taken(data: &Arc<dyn Data>) -> u64 {
    let allocated = |volume| data.allocated(volume).expect("the file system tells");
    data.volumes().into_iter().flat_map(allocated).map(|range| range.end - range.start).sum()
}

/// An extent with another token at the same place is damage, not data.
pub fn a_wrong_token_is_noticed(make: Make<'_>) {
    let (data, _kept) = make();
    let extent = stored(&data, &bytes(100_000, 12));
    let wrong = Extent { token: extent.token ^ 1, ..extent };
    let found = read(&data, wrong, 70_000..70_001);
    assert!(matches!(found, Err(DataError::Corrupt { .. })), "{found:?}");
}

/// An extent that should be longer, or a range behind its end, is damage, not data, and no panic.
pub fn a_wrong_length_is_noticed(make: Make<'_>) {
    let (data, _kept) = make();
    let extent = stored(&data, &bytes(100_000, 13));
    for wrong in [Extent { len: 100_001, ..extent }, Extent { len: 99_999, ..extent }] {
        let found = read(&data, wrong, 0..wrong.len);
        assert!(matches!(found, Err(DataError::Corrupt { .. })), "{found:?}");
    }
    let found = read(&data, extent, 99_999..100_001);
    assert!(matches!(found, Err(DataError::Corrupt { .. })), "{found:?}");
}

/// A reservation that cannot fit is refused before a byte is written, and says how much there is.
pub fn more_than_there_is_is_refused(make: Make<'_>) {
    let (data, _kept) = make();
    let space = data.space().expect("the store tells");
    assert!(space.available > 0 && space.available <= space.total, "{space:?}");
    let Err(DataError::NoSpace { needed, available }) = Arc::clone(&data).reserve(space.available + 1) else {
        panic!("more than there is was reserved");
    };
    assert!(needed > space.available && available > 0, "{needed} {available}");
    // The refusal took nothing.
    assert!(Arc::clone(&data).reserve(1_000_000).is_ok());
}

/// Recovery's punch takes whole extents away and leaves their neighbours.
pub fn punched_ranges_are_gone(make: Make<'_>) {
    let (data, _kept) = make();
    let extents: Vec<Extent> = (0..3).map(|n| stored(&data, &bytes(20_000, n))).collect();
    let [first, middle, last] = extents.as_slice() else { panic!("three were made") };
    data.punch(middle.id.volume, &[data.footprint(middle.id, middle.len)]).expect("punches");
    assert!(is_gone(&data, *middle));
    for (kept, seed) in [(first, 0), (last, 2)] {
        assert!(read(&data, *kept, 0..20_000).expect("it is read") == bytes(20_000, seed));
    }
}

/// Eight threads write, read and free at once; nobody sees another's bytes.
pub fn many_writers_at_once(make: Make<'_>) {
    let (data, _kept) = make();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let data = &data;
            scope.spawn(move || {
                let mut mine: Vec<(Extent, Bytes)> = Vec::new();
                for round in 0..15_u64 {
                    let body =
                        bytes(1 + (thread * 7_919 + round * 104_729) % 400_000, thread * 1_000 + round);
                    let extent = stored(data, &body);
                    mine.push((extent, body));
                    if round % 3 == 2 {
                        let (gone, _) = mine.swap_remove((round as usize) % mine.len());
                        free(data, &[gone]);
                    }
                }
                for (extent, body) in &mine {
                    assert!(read(data, *extent, 0..extent.len).expect("it is read") == *body);
                }
                let extents: Vec<Extent> = mine.iter().map(|(extent, _)| *extent).collect();
                free(data, &extents);
            });
        }
    });
    assert_eq!(taken(&data), 0, "bytes that take room after everything was freed");
}
