//! The operations that are counted, what each needs before it, and its requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use drystone_bench::payload::Payload;
use drystone_core::checksum::crc64;
use http::{Method, StatusCode};

use crate::exchange::Exchange;
use crate::server::{Doors, Server};
use crate::signed_request::SignedRequest;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a page and a batch hold.
const PAGE: usize = 1_000;

/// What an entry of a listing takes at least, in bytes.
const ENTRY_BYTES_MIN: usize = 100;

/// What an entry takes at least that is nothing but a name.
const NAME_BYTES_MIN: usize = 40;

/// Keys in the bucket that is listed.
const LISTED_KEYS: usize = 3 * PAGE;

/// Folders on a page, and keys in each of them, where a page hides more than it shows.
const FULL_FOLDERS: usize = 100;
const KEYS_IN_FOLDER: usize = 10;

/// Parts of an upload that is completed.
const COMPLETED_PARTS: u16 = 100;

/// The smallest part that need not be the last.
const PART_BYTES_MIN: usize = 5 * MIB;

/// An operation that is counted.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// Its name in the list of counts.
    pub(crate) name: &'static str,
    /// How often it is done while callgrind counts.
    pub(crate) rounds: usize,
    /// Prepares the server for so many rounds, and writes their requests.
    pub(crate) prepare: fn(&Server, usize) -> Vec<Exchange>,
    /// What the store is made on.
    pub(crate) doors: Doors,
    /// What belongs to the rounds though nobody waits for it.
    pub(crate) afterwards: Afterwards,
}

/// What a worker has to do when requests were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// Nothing.
    Nothing,
    /// It gives freed bytes back, once for all rounds.
    GiveBack,
}

/// An operation after which there is nothing to do.
const fn operation(
    name: &'static str,
    rounds: usize,
    prepare: fn(&Server, usize) -> Vec<Exchange>,
) -> Operation {
    Operation { name, rounds, prepare, doors: Doors::Memory, afterwards: Afterwards::Nothing }
}

/// The same, of a store on disk.
const fn on_disk(operation: Operation) -> Operation {
    Operation { doors: Doors::Disk, ..operation }
}

/// Every operation that is counted.
pub(crate) const OPERATIONS: &[Operation] = &[
    operation("put-4k", 100, |_, rounds| puts(4 * KIB, rounds)),
    operation("put-64k", 20, |_, rounds| puts(64 * KIB, rounds)),
    operation("put-64k-signed-chunks", 10, |_, rounds| signed_puts(64 * KIB, rounds)),
    operation("put-1m", 4, |_, rounds| puts(MIB, rounds)),
    operation("get-4k", 100, |server, rounds| gets(server, 4 * KIB, rounds)),
    operation("get-1m", 20, |server, rounds| gets(server, MIB, rounds)),
    operation("get-range-64k", 50, ranged_gets),
    operation("head", 100, heads),
    operation("delete", 100, deletes),
    operation("delete-objects-1000", 2, batch_deletes),
    operation("list-1000", 4, |server, rounds| lists(server, "", rounds)),
    operation("list-1000-folders", 4, |server, rounds| lists(server, "delimiter=%2F&", rounds)),
    operation("create-upload", 100, creates),
    operation("upload-part-64k", 20, part_uploads),
    operation("upload-part-copy", 50, part_copies),
    operation("list-parts-1000", 4, part_lists),
    operation("list-uploads-1000", 4, upload_lists),
    operation("complete-100", 4, completes),
    Operation {
        name: "abort",
        rounds: 50,
        prepare: aborts,
        doors: Doors::Memory,
        afterwards: Afterwards::GiveBack,
    },
    on_disk(operation("disk-put-4k", 100, |_, rounds| puts(4 * KIB, rounds))),
    on_disk(operation("disk-get-4k", 100, |server, rounds| gets(server, 4 * KIB, rounds))),
    on_disk(operation("disk-get-1m", 20, |server, rounds| gets(server, MIB, rounds))),
    on_disk(operation("disk-head", 100, heads)),
    on_disk(operation("disk-delete", 100, deletes)),
    on_disk(operation("disk-list-1000", 4, |server, rounds| lists(server, "", rounds))),
    on_disk(operation("disk-list-100-full-folders", 4, full_folder_lists)),
];

fn body(len: usize) -> Bytes {
    Bytes::copy_from_slice(Payload::new(len).stamped(len as u64, 1, 0))
}

fn object(number: usize) -> String {
    format!("objects/{number:08}")
}

/// `rounds` requests, each with its number.
fn each(rounds: usize, exchange: impl Fn(usize) -> Exchange) -> Vec<Exchange> {
    (0..rounds).map(exchange).collect()
}

fn stock(server: &Server, len: usize, objects: usize) {
    let bytes = body(len);
    (0..objects).for_each(|number| server.put(&object(number), &bytes));
}

fn puts(len: usize, rounds: usize) -> Vec<Exchange> {
    let bytes = body(len);
    each(rounds, |n| Exchange::with_body(&Method::PUT, &format!("/bucket/{}", object(n)), &bytes, &[]))
}

fn signed_puts(len: usize, rounds: usize) -> Vec<Exchange> {
    let bytes = body(len);
    let decoded = len.to_string();
    each(rounds, |n| {
        let target = format!("/bucket/{}", object(n));
        let more = [("x-amz-decoded-content-length", decoded.as_str())];
        let head = SignedRequest::new("PUT", &target, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &more);
        let encoded = Bytes::from(head.signed_chunks(&bytes, 64 * KIB));
        Exchange::signed(head, &encoded)
    })
}

fn gets(server: &Server, len: usize, rounds: usize) -> Vec<Exchange> {
    stock(server, len, 10);
    each(rounds, |n| Exchange::new(&Method::GET, &format!("/bucket/{}", object(n % 10))).of_at_least(len))
}

fn ranged_gets(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, MIB, 1);
    each(rounds, |n| {
        // Neither end is on the border of a frame.
        let (first, last) = (300_000 + n, 300_000 + n + 64 * KIB - 1);
        let range = format!("bytes={first}-{last}");
        let target = format!("/bucket/{}", object(0));
        let get = Exchange::with_body(&Method::GET, &target, &Bytes::new(), &[("range", &range)]);
        get.answered(StatusCode::PARTIAL_CONTENT).of_at_least(64 * KIB)
    })
}

fn heads(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, 4 * KIB, 10);
    each(rounds, |n| Exchange::new(&Method::HEAD, &format!("/bucket/{}", object(n % 10))))
}

fn deletes(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, 4 * KIB, rounds);
    each(rounds, |n| {
        Exchange::new(&Method::DELETE, &format!("/bucket/{}", object(n))).answered(StatusCode::NO_CONTENT)
    })
}

fn batch_deletes(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, 1, rounds * PAGE);
    each(rounds, |n| {
        let keys = n * PAGE..(n + 1) * PAGE;
        let keys: String = keys.map(|n| ["<Object><Key>", &object(n), "</Key></Object>"].concat()).collect();
        let document = Bytes::from(format!("<Delete>{keys}</Delete>"));
        let checksum = STANDARD.encode(crc64(&document).to_be_bytes());
        let more = [("x-amz-checksum-crc64nvme", checksum.as_str())];
        let delete = Exchange::with_body(&Method::POST, "/bucket?delete=", &document, &more);
        delete.of_at_least(PAGE * NAME_BYTES_MIN)
    })
}

/// Every key is in a folder of its own, so that a page of keys and one of folders meet the same rows.
fn lists(server: &Server, delimiter: &str, rounds: usize) -> Vec<Exchange> {
    let bytes = body(1);
    (0..LISTED_KEYS).for_each(|n| server.put(&format!("folder-{n:08}/key"), &bytes));
    let entry = if delimiter.is_empty() { ENTRY_BYTES_MIN } else { NAME_BYTES_MIN };
    each(rounds, |n| {
        let target = format!("/bucket?{delimiter}list-type=2&max-keys=1000&start-after=folder-{n:08}%2Fkey");
        Exchange::new(&Method::GET, &target).of_at_least(PAGE * entry)
    })
}

/// Ten keys in every folder: what a page shows hides ten times as many rows.
fn full_folder_lists(server: &Server, rounds: usize) -> Vec<Exchange> {
    let bytes = body(1);
    for folder in 0..FULL_FOLDERS + rounds {
        (0..KEYS_IN_FOLDER).for_each(|n| server.put(&format!("folder-{folder:08}/{n}"), &bytes));
    }
    each(rounds, |n| {
        let target =
            format!("/bucket?delimiter=%2F&list-type=2&max-keys={FULL_FOLDERS}&start-after=folder-{n:08}%2F");
        Exchange::new(&Method::GET, &target).of_at_least(FULL_FOLDERS * NAME_BYTES_MIN)
    })
}

fn create(number: usize) -> Exchange {
    Exchange::new(&Method::POST, &format!("/bucket/{}?uploads=", object(number)))
}

fn creates(_: &Server, rounds: usize) -> Vec<Exchange> {
    each(rounds, create)
}

/// An open upload.
struct Upload {
    key: String,
    id: String,
}

impl Upload {
    fn target(&self) -> String {
        format!("/bucket/{}?uploadId={}", self.key, self.id)
    }

    fn part(&self, part: usize) -> String {
        format!("/bucket/{}?partNumber={part}&uploadId={}", self.key, self.id)
    }

    fn put_part(&self, part: usize, bytes: &Bytes) -> Exchange {
        Exchange::with_body(&Method::PUT, &self.part(part), bytes, &[])
    }

    /// A copy of the whole object 0.
    fn copy_part(&self, part: usize) -> Exchange {
        let source = format!("/bucket/{}", object(0));
        let more = [("x-amz-copy-source", source.as_str())];
        Exchange::with_body(&Method::PUT, &self.part(part), &Bytes::new(), &more)
    }
}

/// Opens an upload for the object `number`.
fn upload(server: &Server, number: usize) -> Upload {
    let (_, answer) = server.ask(create(number));
    let id = answer.split("<UploadId>").nth(1).and_then(|rest| rest.split("</UploadId>").next());
    Upload { key: object(number), id: id.expect("the answer names the upload").to_owned() }
}

fn part_uploads(server: &Server, rounds: usize) -> Vec<Exchange> {
    let (upload, bytes) = (upload(server, 1), body(64 * KIB));
    each(rounds, |n| upload.put_part(n + 1, &bytes))
}

fn part_copies(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, MIB, 1);
    let upload = upload(server, 1);
    each(rounds, |n| upload.copy_part(n + 1))
}

fn part_lists(server: &Server, rounds: usize) -> Vec<Exchange> {
    let (upload, bytes) = (upload(server, 1), body(1));
    (1..=PAGE).for_each(|part| server.exchange(upload.put_part(part, &bytes)));
    each(rounds, |_| Exchange::new(&Method::GET, &upload.target()).of_at_least(PAGE * ENTRY_BYTES_MIN))
}

fn upload_lists(server: &Server, rounds: usize) -> Vec<Exchange> {
    (0..PAGE + rounds).for_each(|n| server.exchange(create(n)));
    each(rounds, |n| {
        let target = format!("/bucket?key-marker=objects%2F{n:08}&max-uploads=1000&uploads=");
        Exchange::new(&Method::GET, &target).of_at_least((PAGE - 1) * ENTRY_BYTES_MIN)
    })
}

fn completes(server: &Server, rounds: usize) -> Vec<Exchange> {
    stock(server, PART_BYTES_MIN, 1);
    each(rounds, |n| {
        let upload = upload(server, n + 1);
        let parts = (1..=usize::from(COMPLETED_PARTS)).map(|part| {
            let (_, answer) = server.ask(upload.copy_part(part));
            let tag = answer.split("<ETag>").nth(1).and_then(|rest| rest.split("</ETag>").next());
            let tag = tag.expect("the answer names the part's tag");
            format!("<Part><PartNumber>{part}</PartNumber><ETag>{tag}</ETag></Part>")
        });
        let parts: String = parts.collect();
        let document = Bytes::from(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"));
        Exchange::with_body(&Method::POST, &upload.target(), &document, &[])
    })
}

fn aborts(server: &Server, rounds: usize) -> Vec<Exchange> {
    let bytes = body(64 * KIB);
    each(rounds, |n| {
        let upload = upload(server, n);
        server.exchange(upload.put_part(1, &bytes));
        Exchange::new(&Method::DELETE, &upload.target()).answered(StatusCode::NO_CONTENT)
    })
}
