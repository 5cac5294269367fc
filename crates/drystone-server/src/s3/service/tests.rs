//! Every operation through whole, signed HTTP requests, over a store in memory.
//!
//! In reading order: the kit ([`world`]), then one file per family of verbs.

mod world;

mod way;
mod buckets;
mod settings;
mod objects;
mod reads;
mod attributes;
mod lifecycle;
mod api;
mod copies;
mod deletes;
mod listings;
mod multipart;
mod upload_checksums;
mod upload_listings;
