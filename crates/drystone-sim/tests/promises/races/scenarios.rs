//! Who races whom.

use drystone_sim::model::operation::{Listed, Operation, Place, When};

pub(crate) const STONE: Place = ("quarry", "stone");
pub(crate) const GRAVEL: Place = ("quarry", "gravel");
pub(crate) const WALL: Place = ("quarry", "wall");

/// One of those who race.
#[derive(Clone, Debug)]
pub(crate) enum Racer {
    /// Asks for something.
    Asks(Operation),
    /// Reads an object to its end.
    Reads(Place),
    /// Frees what is on the reclaim list, as the worker does.
    GivesBack,
    /// Aborts the uploads that are due by a rule of their bucket: all of `quarry`.
    Expires,
    /// Carries out an abort job, previewed and started before the race, of all uploads of `quarry` that are idle.
    AbortsInBulk,
}

/// What there is before every race: an object, an upload with two parts (its number is the first free one),
/// and a bucket that holds nothing but an upload with a part (the next number).
pub(crate) fn before(upload: usize) -> Vec<Operation> {
    vec![
        Operation::Put { to: STONE, size: 10_000, when: When::Always },
        Operation::Create { to: WALL },
        Operation::Part { upload, number: 1, size: 9_000 },
        Operation::Part { upload, number: 2, size: 8_500 },
        Operation::CreateBucket { bucket: "kiln" },
        Operation::Create { to: ("kiln", "brick") },
        Operation::Part { upload: upload + 1, number: 1, size: 700 },
    ]
}

/// Takes everything away again that a race may have left.
pub(crate) fn after(upload: usize) -> Vec<Operation> {
    vec![
        Operation::Abort { upload },
        Operation::DeleteMany { bucket: "quarry", keys: vec!["stone", "gravel", "wall"] },
        Operation::DeleteMany { bucket: "kiln", keys: vec!["brick", "shard"] },
        Operation::DeleteBucket { bucket: "kiln" },
    ]
}

/// Every scenario: its name and who takes part.
pub(crate) fn all(upload: usize) -> Vec<(&'static str, Vec<Racer>)> {
    use Racer::{AbortsInBulk, Asks, Expires, GivesBack, Reads};
    let part = |number, size| Asks(Operation::Part { upload, number, size });
    let complete = |listed| Asks(Operation::Complete { upload, listed, when: When::Always });
    let abort = || Asks(Operation::Abort { upload });
    let put = |to, size, when| Asks(Operation::Put { to, size, when });
    let delete = || Asks(Operation::Delete { at: STONE, when: When::Always });
    let copy = || Asks(Operation::Copy { from: STONE, to: GRAVEL, when: When::Always });
    let part_copy = || Asks(Operation::PartCopy { upload, number: 2, from: STONE, range: None });
    let delete_bucket = || Asks(Operation::DeleteBucket { bucket: "kiln" });
    let of_kiln = upload + 1;
    vec![
        ("part against abort", vec![part(3, 9_500), abort()]),
        ("part again against abort", vec![part(1, 9_500), abort()]),
        ("complete against abort", vec![complete(Listed::First), abort()]),
        ("complete against part again", vec![complete(Listed::First), part(1, 9_500)]),
        ("complete against another part", vec![complete(Listed::First), part(2, 9_500)]),
        ("complete twice", vec![complete(Listed::First), complete(Listed::First)]),
        ("complete with different lists", vec![complete(Listed::First), complete(Listed::Last)]),
        ("complete against overwrite", vec![complete(Listed::First), put(WALL, 9_500, When::IfAbsent)]),
        ("abort twice", vec![abort(), abort()]),
        ("part twice", vec![part(1, 9_500), part(1, 9_700)]),
        ("part, abort and complete", vec![part(1, 9_500), abort(), complete(Listed::First)]),
        (
            "delete bucket against part",
            vec![delete_bucket(), Asks(Operation::Part { upload: of_kiln, number: 2, size: 9_500 })],
        ),
        (
            "delete bucket against complete",
            vec![
                delete_bucket(),
                Asks(Operation::Complete { upload: of_kiln, listed: Listed::First, when: When::Always }),
            ],
        ),
        ("delete bucket against abort", vec![delete_bucket(), Asks(Operation::Abort { upload: of_kiln })]),
        ("delete bucket against put", vec![delete_bucket(), put(("kiln", "shard"), 9_500, When::Always)]),
        ("put if absent twice", vec![put(GRAVEL, 9_500, When::IfAbsent), put(GRAVEL, 9_700, When::IfAbsent)]),
        (
            "put if current twice",
            vec![put(STONE, 9_500, When::IfCurrent), put(STONE, 9_700, When::IfCurrent)],
        ),
        ("copy against overwrite", vec![copy(), put(STONE, 9_500, When::Always)]),
        ("copy against delete", vec![copy(), delete()]),
        ("copied part against overwrite", vec![part_copy(), put(STONE, 9_500, When::Always)]),
        ("copied part against abort", vec![part_copy(), abort()]),
        ("read against delete and reclaim", vec![Reads(STONE), delete(), GivesBack]),
        (
            "read against overwrite and reclaim",
            vec![Reads(STONE), put(STONE, 9_500, When::Always), GivesBack],
        ),
        ("lifecycle against complete", vec![Expires, complete(Listed::First)]),
        ("lifecycle against part", vec![Expires, part(3, 9_500)]),
        ("lifecycle against abort", vec![Expires, abort()]),
        ("job against complete", vec![AbortsInBulk, complete(Listed::First)]),
        ("job against part", vec![AbortsInBulk, part(3, 9_500)]),
        ("job against part again", vec![AbortsInBulk, part(1, 9_500)]),
        ("job against abort", vec![AbortsInBulk, abort()]),
        ("job against lifecycle", vec![AbortsInBulk, Expires]),
        ("abort against reclaim", vec![abort(), GivesBack]),
    ]
}
