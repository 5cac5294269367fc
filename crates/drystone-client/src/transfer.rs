//! How bytes move between files, streams and S3: in pieces, several at a time, checked at both ends.
//!
//! What every transfer promises:
//!
//! - **Bounded memory.** [`Lanes`](lanes::Lanes) says how many pieces, of how many bytes, are in flight in the whole
//!   command, however many files it moves.
//! - **Nothing half-done under its final name.** An object appears when its upload is completed, a file when a
//!   [`Landing`](landing::Landing) is whole, checked and renamed.
//! - **Nothing left over.** An upload that cannot be completed is aborted, and the caller hears what became of it
//!   ([`Broken`](broken::Broken)): a command that could not abort must say so, because nobody else will.
//! - **Checked.** CRC64NVME goes with every piece and with the whole object, where the server knows it; what is read
//!   is compared with the object's checksum, and belongs to one version of it.
//!
//! The pieces: [`Layout`](layout::Layout) cuts a length, a [`SourceFile`](source::SourceFile) reads what it cut, an
//! [`OpenUpload`](open_upload::OpenUpload) takes it and is completed or aborted, and a [`Crew`](crew::Crew) does several
//! of them at a time. A [`Mover`](mover::Mover) is what all transfers of a command share.

pub mod layout;

pub mod lanes;

pub mod crew;

pub mod crc;

pub mod broken;

pub mod mover;

pub mod source;

pub mod about;

pub mod open_upload;

pub mod upload;

pub mod found;

pub mod fetch;

pub mod landing;

pub mod download;

pub mod copy;
