//! What the object store promises, behaviour by behaviour, over the in-memory doors.
//!
//! In reading order: the kit ([`fed_body`] is a body that arrives when told, [`crc`] computes checksums
//! another way, [`world`] is a whole small store), then one file per noun.

#[cfg(test)]
mod fed_body;
#[cfg(test)]
mod crc;
#[cfg(test)]
mod world;

#[cfg(test)]
mod buckets;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod upload_listing;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod checksums;
#[cfg(test)]
mod races;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod census;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod reclaim;
#[cfg(test)]
mod weighed;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod abort_jobs;
#[cfg(test)]
mod verify;
