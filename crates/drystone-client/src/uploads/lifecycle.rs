//! A bucket's lifecycle configuration, edited as the text that it is.
//!
//! The configuration belongs to others too: rules that expire objects or move them stand in the same document,
//! and a server can have kinds of rules that we do not know. So only the bytes of the action that is set or
//! removed change; everything else goes back exactly as it came.

use std::ops::Range;

use aws_sdk_s3::Client;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};
use md5::{Digest as _, Md5};
use serde::Serialize;

use crate::failure::Failure;
use crate::raw::{Ask, Place, send};
use crate::uploads::upload::Upload;
use crate::xml::{Element, escaped, parse};

/// The action that is ours to set.
const ACTION: &str = "AbortIncompleteMultipartUpload";

/// A setting of the bucket that stands in a header, and falls back to its default when it is not sent again.
const MINIMUM_SIZE: &str = "x-amz-transition-default-minimum-object-size";

/// When a rule aborts an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// So many days after it was initiated, at the next midnight, in UTC.
    Days(u32),
    /// So many hours after it was initiated. Drystone only.
    Hours(u32),
    /// So many hours after its last sign of life. Drystone only.
    IdleHours(u32),
}

impl After {
    /// When a rule like this may abort an upload; `None` when the server does not tell what that takes.
    pub fn due(self, upload: &Upload) -> Option<Timestamp> {
        let hours = |from: Timestamp, hours: u32| from.checked_add(i64::from(hours).hours()).ok();
        match self {
            Self::Days(days) => {
                let exact = hours(upload.initiated?, days.checked_mul(24)?)?;
                let midnight = exact.to_zoned(TimeZone::UTC).start_of_day().ok()?.timestamp();
                if midnight == exact { Some(exact) } else { hours(midnight, 24) }
            }
            Self::Hours(count) => hours(upload.initiated?, count),
            Self::IdleHours(count) => {
                upload.held?;
                hours(upload.last_activity()?, count)
            }
        }
    }

    /// In words: `7 days after its start`.
    pub fn words(self) -> String {
        let (number, unit, from) = match self {
            Self::Days(days) => (days, "day", "its start"),
            Self::Hours(hours) => (hours, "hour", "its start"),
            Self::IdleHours(hours) => (hours, "hour", "its last part"),
        };
        format!("{} after {from}", crate::output::counted(number.into(), unit))
    }

    /// Whether every S3 server can be told.
    pub fn is_plain_s3(self) -> bool {
        matches!(self, Self::Days(_))
    }

    /// Days or hours after the start of an upload.
    ///
    /// # Errors
    /// When it is no whole number of hours.
    pub fn from_age(age: SignedDuration) -> Result<Self, Failure> {
        let hours = whole_hours(age)?;
        Ok(if hours.is_multiple_of(24) { Self::Days(hours / 24) } else { Self::Hours(hours) })
    }

    /// Hours without a sign of life.
    ///
    /// # Errors
    /// When it is no whole number of hours.
    pub fn from_idle(idle: SignedDuration) -> Result<Self, Failure> {
        whole_hours(idle).map(Self::IdleHours)
    }

    fn element(self) -> String {
        let own = |name: &str, number| format!("<{name} xmlns=\"urn:drystone:s3\">{number}</{name}>");
        let inside = match self {
            Self::Days(days) => format!("<DaysAfterInitiation>{days}</DaysAfterInitiation>"),
            Self::Hours(hours) => own("HoursAfterInitiation", hours),
            Self::IdleHours(hours) => own("IdleHours", hours),
        };
        format!("<{ACTION}>{inside}</{ACTION}>")
    }
}

fn whole_hours(duration: SignedDuration) -> Result<u32, Failure> {
    let hours = u32::try_from(duration.as_hours()).ok();
    hours.filter(|hours| SignedDuration::from_hours(i64::from(*hours)) == duration && *hours > 0).ok_or_else(
        || {
            Failure::Usage(
                "a rule counts whole hours, and on servers other than Drystone whole days, as in 7d".into(),
            )
        },
    )
}

/// A rule, as far as it is ours to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, which may be empty.
    pub id: String,
    /// Whether it applies.
    pub enabled: bool,
    /// Keys that begin with this are meant.
    pub prefix: String,
    /// When it aborts uploads, if it does.
    pub after: Option<After>,
    /// What else it does, and what else it asks for, by the names of the elements.
    pub others: Vec<String>,
    range: Range<usize>,
    inside: Range<usize>,
    action: Option<Range<usize>>,
}

impl Rule {
    fn read(element: &Element) -> Self {
        let filter = element.child("Filter");
        let and = filter.and_then(|filter| filter.child("And"));
        let within = [Some(element), filter, and];
        let prefix = within.iter().flatten().find_map(|place| place.text_of("Prefix")).unwrap_or_default();
        let action = element.child(ACTION);
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u32>().ok());
        let after = action.and_then(|action| {
            let days = number(action.text_of("DaysAfterInitiation")).map(After::Days);
            let hours = number(action.own_text("HoursAfterInitiation")).map(After::Hours);
            days.or(hours).or_else(|| number(action.own_text("IdleHours")).map(After::IdleHours))
        });
        let known = ["ID", "Status", "Prefix", "Filter", "And", ACTION];
        let others = within.iter().flatten().flat_map(|place| &place.children);
        let others = others.map(|child| child.name.clone()).filter(|name| !known.contains(&name.as_str()));
        Self {
            id: element.text_of("ID").unwrap_or_default().to_owned(),
            enabled: element.text_of("Status").is_some_and(|status| status.trim() == "Enabled"),
            prefix: prefix.to_owned(),
            after,
            others: others.collect(),
            range: element.range.clone(),
            inside: element.inside.clone(),
            action: action.map(|action| action.range.clone()),
        }
    }

    /// Whether it does to uploads what another rule does, wherever it stands in its document.
    pub fn is_like(&self, other: &Self) -> bool {
        let meaning = |rule: &Self| (rule.id.clone(), rule.enabled, rule.prefix.clone(), rule.after);
        let sorted = |rule: &Self| {
            let mut others = rule.others.clone();
            others.sort();
            others
        };
        meaning(self) == meaning(other) && sorted(self) == sorted(other)
    }

    /// Whether it aborts this upload when the time has come.
    pub fn applies_to(&self, upload: &Upload) -> bool {
        self.enabled && self.after.is_some() && upload.key.starts_with(&self.prefix)
    }
}

/// A bucket's configuration.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    text: String,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    inside: Range<usize>,
    minimum_size: Option<String>,
}

impl Lifecycle {
    /// A configuration without rules.
    fn empty() -> Self {
        let text = "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LifecycleConfiguration>";
        Self::read(text.to_owned(), None).expect("the text above is a configuration")
    }

    fn read(text: String, minimum_size: Option<String>) -> Option<Self> {
        let root = parse(text.as_bytes())?;
        // A root with a prefix would need the same on each element that is added to it.
        let begins = text.get(root.range.clone())?.starts_with("<LifecycleConfiguration");
        if root.name != "LifecycleConfiguration" || !begins {
            return None;
        }
        let rules = root.all("Rule").map(Rule::read).collect();
        Some(Self { rules, inside: root.inside, minimum_size, text })
    }

    /// Asks for a bucket's configuration; one without rules where there is none.
    ///
    /// # Errors
    /// The server's refusal, or [`Failure::Nonsense`] for a document that is no configuration.
    pub async fn get(client: &Client, bucket: &str) -> Result<Self, Failure> {
        let doing = format!("read the lifecycle rules of s3://{bucket}");
        let ask = Ask { doing: doing.clone(), query: "lifecycle=", ..Ask::new("GET", Place::Bucket(bucket)) };
        let answer = send(client, ask).await?;
        if !answer.is_success() {
            return match answer.refusal(doing) {
                failure if failure.code() == Some("NoSuchLifecycleConfiguration") => Ok(Self::empty()),
                failure => Err(failure),
            };
        }
        let minimum_size = answer.header(MINIMUM_SIZE).map(str::to_owned);
        let read =
            String::from_utf8(answer.body.to_vec()).ok().and_then(|text| Self::read(text, minimum_size));
        read.ok_or_else(|| {
            let why = "the answer is in a form that cannot be kept whole, so it is left alone".into();
            Failure::Nonsense { doing, why }
        })
    }

    /// Gives the bucket this configuration; one without rules removes it.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn put(&self, client: &Client, bucket: &str) -> Result<(), Failure> {
        let doing = format!("set the lifecycle rules of s3://{bucket}");
        let mut ask =
            Ask { doing: doing.clone(), query: "lifecycle=", ..Ask::new("PUT", Place::Bucket(bucket)) };
        if self.rules.is_empty() {
            ask.method = "DELETE";
        } else {
            ask.body = Bytes::from(self.text.clone());
            ask.headers = vec![
                ("content-type", "application/xml".to_owned()),
                ("content-md5", BASE64_STANDARD.encode(Md5::digest(&ask.body))),
            ];
            ask.headers.extend(self.minimum_size.iter().map(|size| (MINIMUM_SIZE, size.clone())));
        }
        let answer = send(client, ask).await?;
        if answer.is_success() { Ok(()) } else { Err(answer.refusal(doing)) }
    }

    /// A rule that stands in no bucket yet.
    pub fn preview_rule(id: &str, prefix: &str, after: After) -> Vec<Rule> {
        Self::empty().with_rule(id, prefix, after).map(|lifecycle| lifecycle.rules).unwrap_or_default()
    }

    /// The document.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// With a rule that does nothing but abort uploads, added at the end.
    pub fn with_rule(&self, id: &str, prefix: &str, after: After) -> Option<Self> {
        let (id, prefix) = (escaped(id), escaped(prefix));
        let rule = format!(
            "<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>{}</Rule>",
            after.element()
        );
        // A document of one tag has no inside to add to.
        if self.inside.is_empty() && self.rules.is_empty() {
            let text = Self::empty();
            return text.edit(text.inside.end..text.inside.end, &rule, self.minimum_size.clone());
        }
        self.edit(self.inside.end..self.inside.end, &rule, self.minimum_size.clone())
    }

    /// With the time changed after which a rule aborts uploads, and nothing else.
    pub fn with_action(&self, rule: &Rule, after: After) -> Option<Self> {
        let place = rule.action.clone().unwrap_or(rule.inside.end..rule.inside.end);
        self.edit(place, &after.element(), self.minimum_size.clone())
    }

    /// Without a rule, or, when it does more than abort uploads, without that action.
    pub fn without(&self, rule: &Rule) -> Option<Self> {
        let place = if rule.others.is_empty() { rule.range.clone() } else { rule.action.clone()? };
        self.edit(place, "", self.minimum_size.clone())
    }

    fn edit(&self, place: Range<usize>, with: &str, minimum_size: Option<String>) -> Option<Self> {
        let mut text = String::with_capacity(self.text.len() + with.len());
        text.push_str(self.text.get(..place.start)?);
        text.push_str(with);
        text.push_str(self.text.get(place.end..)?);
        Self::read(text, minimum_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::upload::Held;

    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Rule><ID>expire</ID><Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>&lt;b</Value></Tag></And></Filter><Status>Enabled</Status>
    <Expiration><Days>30</Days></Expiration><NewThing future="yes"/></Rule>
  <Rule><ID>both</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload><Expiration><Days>1</Days></Expiration></Rule>
  <Rule><ID>ours</ID><Filter/><Status>Disabled</Status><AbortIncompleteMultipartUpload><IdleHours xmlns="urn:drystone:s3">6</IdleHours></AbortIncompleteMultipartUpload></Rule>
</LifecycleConfiguration>"#;

    fn document() -> Lifecycle {
        Lifecycle::read(DOCUMENT.into(), Some("varies".into())).unwrap()
    }

    #[test]
    fn rules_are_read_as_far_as_they_are_ours() {
        let rules = document().rules;
        let shown: Vec<_> =
            rules.iter().map(|r| (r.id.as_str(), r.prefix.as_str(), r.enabled, r.after)).collect();
        assert_eq!(
            shown,
            [
                ("expire", "logs/", true, None),
                ("both", "tmp/", true, Some(After::Days(7))),
                ("ours", "", false, Some(After::IdleHours(6))),
            ]
        );
        assert_eq!(rules[0].others, ["Expiration", "NewThing", "Tag"]);
        assert_eq!(rules[1].others, ["Expiration"]);
    }

    #[test]
    fn an_added_rule_leaves_every_byte_of_the_others() {
        let edited = document().with_rule("new & shiny", "a<b", After::Days(3)).unwrap();
        assert!(edited.text.starts_with(DOCUMENT.strip_suffix("</LifecycleConfiguration>").unwrap()));
        let added = edited.rules.last().unwrap();
        assert_eq!(
            (added.id.as_str(), added.prefix.as_str(), added.after),
            ("new & shiny", "a<b", Some(After::Days(3)))
        );
        assert_eq!(edited.minimum_size.as_deref(), Some("varies"));
        for (before, after) in document().rules.iter().zip(&edited.rules) {
            assert!(before.is_like(after));
        }
    }

    #[test]
    fn only_the_action_of_a_rule_changes() {
        let edited = document().with_action(&document().rules[1], After::Hours(36)).unwrap();
        let old = "<DaysAfterInitiation>7</DaysAfterInitiation>";
        let new = "<HoursAfterInitiation xmlns=\"urn:drystone:s3\">36</HoursAfterInitiation>";
        assert_eq!(edited.text, DOCUMENT.replace(old, new));
        let added = document().with_action(&document().rules[0], After::Days(1)).unwrap();
        assert_eq!((added.rules[0].after, added.rules[0].others.len()), (Some(After::Days(1)), 3));
    }

    #[test]
    fn a_rule_that_does_more_keeps_what_it_does() {
        let edited = document().without(&document().rules[1]).unwrap();
        assert_eq!((edited.rules.len(), edited.rules[1].after), (3, None));
        assert!(
            edited.text.contains("<Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>")
        );
        let edited = document().without(&document().rules[2]).unwrap();
        assert_eq!(edited.rules.len(), 2);
    }

    #[test]
    fn the_first_rule_makes_the_document() {
        let first = Lifecycle::empty().with_rule("a", "", After::Days(7)).unwrap();
        assert_eq!(first.rules.len(), 1);
        let bare = Lifecycle::read("<LifecycleConfiguration/>".into(), None).unwrap();
        assert_eq!(bare.with_rule("a", "", After::Days(7)).unwrap().text, first.text);
        assert!(first.without(&first.rules[0]).unwrap().rules.is_empty());
        for text in ["", "<Other/>", "<s:LifecycleConfiguration xmlns:s=\"x\"/>", "<LifecycleConfiguration>"]
        {
            assert!(Lifecycle::read(text.into(), None).is_none(), "{text}");
        }
    }

    #[test]
    fn days_end_at_midnight_and_idle_counts_from_the_last_part() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut upload = Upload {
            bucket: "b".into(),
            key: "k".into(),
            id: "1".into(),
            initiated: Some(time("2026-01-15T10:30:00Z")),
            initiator: None,
            held: None,
            fate: None,
        };
        assert_eq!(After::Days(3).due(&upload), Some(time("2026-01-19T00:00:00Z")));
        assert_eq!(After::Hours(3).due(&upload), Some(time("2026-01-15T13:30:00Z")));
        assert_eq!(After::IdleHours(3).due(&upload), None, "its parts are not known");
        upload.held = Some(Held { parts: 1, bytes: 1, last_activity: Some(time("2026-01-16T00:00:00Z")) });
        assert_eq!(After::IdleHours(3).due(&upload), Some(time("2026-01-16T03:00:00Z")));
        upload.initiated = Some(time("2026-01-15T00:00:00Z"));
        assert_eq!(After::Days(3).due(&upload), Some(time("2026-01-18T00:00:00Z")));
    }

    #[test]
    fn a_rule_counts_whole_hours() {
        let hours = SignedDuration::from_hours;
        assert_eq!(After::from_age(hours(168)).unwrap(), After::Days(7));
        assert_eq!(After::from_age(hours(36)).unwrap(), After::Hours(36));
        assert_eq!(After::from_idle(hours(24)).unwrap(), After::IdleHours(24));
        assert!(After::from_age(SignedDuration::from_mins(90)).is_err());
    }
}
