//! Who is at the other end: Drystone, with what it offers beyond S3, or another server.
//!
//! Asked once per command. Drystone's admin API stands under a path that no bucket can have, so any other
//! server answers with a refusal, which offers nothing. Amazon's is not asked at all.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::moment;
use crate::raw::{Ask, Place, send};

/// Where Drystone's admin API stands on its S3 port.
pub const API: &str = "/.drystone/api/v1";

/// What a server is and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose it is.
    pub kind: Kind,
    /// What its admin API offers: `upload-aborts`.
    pub offers: Vec<String>,
    /// The earlier of its clock and ours. A cut-off counts from it, so that a clock that runs ahead, here or
    /// there, makes no upload older than it is.
    pub now: Timestamp,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Drystone,
    /// Anybody else's.
    Other,
}

/// The admin API's own words.
#[derive(Debug, Deserialize)]
struct Offer {
    #[serde(default)]
    offers: Vec<String>,
}

impl Server {
    /// Asks the server.
    ///
    /// # Errors
    /// When it gives no answer at all.
    pub async fn meet(connection: &Connection) -> Result<Self, Failure> {
        let now = moment::now();
        if connection.endpoint().is_none() {
            return Ok(Self { kind: Kind::Other, offers: Vec::new(), now });
        }
        let doing = format!("ask {} what it offers", connection.server_name());
        let answer = send(connection.client(), Ask { doing, ..Ask::new("GET", Place::Server(API)) }).await?;
        let theirs = answer.header("date").and_then(|date| rfc2822::parse(date).ok());
        let now = theirs.map_or(now, |theirs| now.min(theirs.timestamp()));
        let kind = if answer.is_from_drystone() { Kind::Drystone } else { Kind::Other };
        let offer = Some(&answer).filter(|answer| kind == Kind::Drystone && answer.status == 200);
        let offer = offer.and_then(|answer| serde_json::from_slice::<Offer>(&answer.body).ok());
        Ok(Self { kind, offers: offer.map(|offer| offer.offers).unwrap_or_default(), now })
    }

    /// Whether its admin API offers this.
    pub fn offers(&self, what: &str) -> bool {
        self.offers.iter().any(|offered| offered == what)
    }
}
