use std::fs;
use std::os::unix::fs::FileExt;

use tempfile::TempDir;
use xxhash_rust::xxh3::Xxh3;

use super::*;

const ROWS: u64 = 1;
const FLUSHED: Flushed = Flushed { keyspace: ROWS, newest: 20 };

/// What a batch does.
#[derive(Clone, Copy)]
enum Does {
    Writes(u64),
    Clears,
}

/// A batch as the engine writes it.
fn batch(number: u64, does: &[Does]) -> Vec<u8> {
    let mut items = Vec::new();
    for does in does {
        match does {
            Does::Writes(keyspace) => {
                items.extend([2, 0, 0]);
                items.extend(keyspace.to_le_bytes());
                items.extend(3_u16.to_le_bytes());
                items.extend([5_u32.to_le_bytes(); 2].concat());
                items.extend(b"keyvalue");
            }
            Does::Clears => {
                items.push(4);
                items.extend(ROWS.to_le_bytes());
            }
        }
    }
    let mut hasher = Xxh3::new();
    hasher.update(&items);
    let start = [&[1][..], &u32::try_from(does.len()).expect("a few").to_le_bytes(), &number.to_le_bytes()];
    let end = [&[3][..], &hasher.digest().to_le_bytes(), b"FJL\x03"];
    [start.concat(), items, end.concat()].concat()
}

fn rows(number: u64) -> Vec<u8> {
    batch(number, &[Does::Writes(ROWS); 3])
}

struct Folder(TempDir);

impl Folder {
    /// One journal after the other, in a file of its own with room that was taken ahead.
    fn of(journals: &[&[Vec<u8>]]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        for (number, batches) in journals.iter().enumerate() {
            let path = folder.0.path().join(format!("{number}.jnl"));
            fs::write(&path, batches.concat()).expect("written");
            let file = File::options().write(true).open(&path).expect("it is there");
            file.set_len(1024 * 1024).expect("it grows");
        }
        folder
    }

    fn shorten(&self) {
        shorten(self.0.path(), FLUSHED).expect("they are shortened");
    }

    /// What is left, without the zeros at the end, which mean nothing.
    fn left(&self) -> Vec<(String, Vec<u8>)> {
        let mut left = Vec::new();
        for entry in fs::read_dir(self.0.path()).expect("it is there") {
            let entry = entry.expect("it is listed");
            let mut bytes = fs::read(entry.path()).expect("it is read");
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            left.push((entry.file_name().into_string().expect("a name"), bytes));
        }
        left.sort();
        left
    }
}

fn expect(journals: &[&[Vec<u8>]], left: &[(&str, &[Vec<u8>])]) {
    let folder = Folder::of(journals);
    folder.shorten();
    let named = |(name, batches): &(&str, &[Vec<u8>])| ((*name).to_owned(), batches.concat());
    assert_eq!(folder.left(), left.iter().map(named).collect::<Vec<_>>());
}

#[test]
fn what_the_tables_hold_goes_and_the_rest_stays() {
    expect(&[&[rows(18), rows(20), rows(21), rows(25)]], &[("0.jnl", &[rows(21), rows(25)])]);
    expect(&[&[rows(21), rows(25)]], &[("0.jnl", &[rows(21), rows(25)])]);
    expect(&[&[]], &[("0.jnl", &[])]);
}

#[test]
fn old_journals_go_and_the_newest_stays_in_any_case() {
    expect(
        &[&[rows(1), rows(2)], &[rows(19), rows(22)], &[rows(23)]],
        &[("1.jnl", &[rows(22)]), ("2.jnl", &[rows(23)])],
    );
    expect(&[&[rows(1)], &[rows(2)], &[rows(20)]], &[("2.jnl", &[])]);
    expect(&[&[rows(1)], &[rows(22)], &[]], &[("1.jnl", &[rows(22)]), ("2.jnl", &[])]);
}

#[test]
fn what_is_not_understood_stays_with_all_that_follows() {
    let others = [
        batch(7, &[Does::Writes(ROWS), Does::Writes(ROWS + 1)]),
        batch(7, &[Does::Writes(ROWS), Does::Clears]),
        batch(7, &[]),
    ];
    let mut broken = rows(7);
    broken[30] ^= 1;
    let torn = rows(7)[..40].to_vec();
    for odd in others.into_iter().chain([broken, torn, b"what is this".to_vec()]) {
        let journal = [rows(5), odd.clone(), rows(8)];
        expect(&[&journal, &[rows(9)]], &[("0.jnl", &[odd, rows(8)]), ("1.jnl", &[rows(9)])]);
    }
}

#[test]
fn a_journal_with_a_lost_page_is_copied_as_it_is() {
    let folder = Folder::of(&[&[rows(20), rows(21)]]);
    let path = folder.0.path().join("0.jnl");
    let file = File::options().write(true).open(&path).expect("it is there");
    file.write_all_at(&rows(22), 500_000).expect("written behind a hole");
    folder.shorten();
    let copy = fs::read(&path).expect("it is there");
    let moved = rows(20).len();
    assert_eq!(copy[..rows(21).len()], rows(21));
    assert_eq!(copy[500_000 - moved..500_000 - moved + rows(22).len()], rows(22));
}

#[test]
fn what_an_interruption_left_is_removed() {
    let folder = Folder::of(&[&[rows(21)]]);
    fs::write(folder.0.path().join(SHORTER), "half").expect("written");
    clear(folder.0.path()).expect("it is removed");
    clear(folder.0.path()).expect("it is gone already");
    assert_eq!(folder.left(), [("0.jnl".to_owned(), rows(21))]);
}
