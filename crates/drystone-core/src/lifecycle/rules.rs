//! Rules: which uploads are aborted, and when.
//!
//! Source: Amazon S3 User Guide, "Configuring a bucket lifecycle configuration to delete incomplete multipart
//! uploads". Hours and idle time are our extension.

use std::collections::HashSet;

use crate::error::Error;
use crate::names::Timestamp;

/// Most rules of a bucket.
pub const RULES_MAX: usize = 1_000;
/// Longest id of a rule, in characters.
pub const ID_CHARS_MAX: usize = 255;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const DAY_HOURS: u64 = 24;

/// When a rule aborts an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortAfter {
    /// So many days after it was initiated, and then at the next midnight, in UTC, as at S3.
    Days(u32),
    /// So many hours after it was initiated.
    Hours(u32),
    /// So many hours after it was initiated or its last part was stored.
    IdleHours(u32),
}

impl AbortAfter {
    /// When an upload is due.
    pub fn due(self, initiated: Timestamp, last_activity: Timestamp) -> Timestamp {
        match self {
            Self::Days(days) => {
                let exact = initiated.0.saturating_add(u64::from(days) * DAY_MS);
                Timestamp(exact.div_ceil(DAY_MS).saturating_mul(DAY_MS))
            }
            Self::Hours(hours) => Timestamp(initiated.0.saturating_add(u64::from(hours) * HOUR_MS)),
            Self::IdleHours(hours) => Timestamp(last_activity.0.saturating_add(u64::from(hours) * HOUR_MS)),
        }
    }

    /// The least age in milliseconds at which an upload can be due.
    pub(crate) fn least_age_ms(self) -> u64 {
        match self {
            Self::Days(days) => u64::from(days) * DAY_MS,
            Self::Hours(hours) | Self::IdleHours(hours) => u64::from(hours) * HOUR_MS,
        }
    }

    /// Whether an upload is due by this no later than by `other`, whenever it began and whatever was stored.
    fn is_never_later_than(self, other: Self) -> bool {
        match (self, other) {
            // Rounding to midnight puts off by less than a day.
            (Self::Days(mine), Self::Hours(theirs) | Self::IdleHours(theirs)) => {
                (u64::from(mine) + 1) * DAY_HOURS <= u64::from(theirs)
            }
            (Self::Hours(mine), Self::Days(theirs)) => u64::from(mine) <= u64::from(theirs) * DAY_HOURS,
            (Self::Days(mine), Self::Days(theirs))
            | (Self::Hours(mine), Self::Hours(theirs))
            | (Self::Hours(mine) | Self::IdleHours(mine), Self::IdleHours(theirs)) => mine <= theirs,
            // Whoever goes on storing parts is never idle.
            (Self::IdleHours(_), Self::Days(_) | Self::Hours(_)) => false,
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in its bucket.
    pub id: Box<str>,
    /// Whether it does anything.
    pub status: Status,
    /// Only uploads of keys that begin with this.
    pub prefix: Box<str>,
    /// When it aborts them.
    pub abort_after: AbortAfter,
}

/// Whether a rule does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is carried out.
    Enabled,
    /// It is only kept.
    Disabled,
}

impl Rule {
    fn applies_to(&self, key: &str) -> bool {
        self.status == Status::Enabled && key.starts_with(&*self.prefix)
    }

    /// Whether every upload that `other` could abort is due by this rule no later.
    fn shadows(&self, other: &Self) -> bool {
        self.applies_to(&other.prefix) && self.abort_after.is_never_later_than(other.abort_after)
    }
}

/// What will happen to an upload if nobody completes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortPlan {
    /// The rule's id.
    pub rule: Box<str>,
    /// When it will be aborted: at this time or soon after.
    pub due: Timestamp,
}

/// A bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Puts rules together.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an id that is too long or there twice; [`Error::InvalidRequest`] for too
    /// many rules and for a rule that could never abort anything, because another one is always due first.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Error> {
        if rules.is_empty() || rules.len() > RULES_MAX {
            let why = format!("A lifecycle configuration has 1 to {RULES_MAX} rules, not {}", rules.len());
            return Err(Error::InvalidRequest(why));
        }
        check_ids(rules.iter().map(|rule| &*rule.id))?;
        for (place, rule) in rules.iter().enumerate() {
            let (before, behind) = rules.split_at(place);
            if rule.status == Status::Disabled {
                continue;
            }
            // Of two rules that say the same the later one is idle.
            let first = before
                .iter()
                .find(|other| other.shadows(rule))
                .or_else(|| behind.iter().skip(1).find(|other| other.shadows(rule) && !rule.shadows(other)));
            if let Some(first) = first {
                return Err(Error::InvalidRequest(format!(
                    "Rule {} could never abort an upload, because rule {} is always due first: make it earlier, \
                     give it another prefix, disable it or leave it out",
                    rule.id, first.id
                )));
            }
        }
        Ok(Self(rules))
    }

    /// The rules, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Rules as they were kept.
    pub(crate) fn kept(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// What will happen to an upload of `key`; of several rules the first that is due.
    pub fn plan(&self, key: &str, initiated: Timestamp, last_activity: Timestamp) -> Option<AbortPlan> {
        let rules = self.0.iter().filter(|rule| rule.applies_to(key));
        let due = rules.map(|rule| (rule.abort_after.due(initiated, last_activity), rule));
        due.min_by_key(|(due, _)| *due).map(|(due, rule)| AbortPlan { rule: rule.id.clone(), due })
    }

    /// Whether an enabled rule will abort uploads of `key` some day.
    pub(crate) fn cover(&self, key: &str) -> bool {
        self.0.iter().any(|rule| rule.applies_to(key))
    }

    /// The least age in milliseconds at which any upload can be due; `None` when no rule is enabled.
    pub(crate) fn least_age_ms(&self) -> Option<u64> {
        let enabled = self.0.iter().filter(|rule| rule.status == Status::Enabled);
        enabled.map(|rule| rule.abort_after.least_age_ms()).min()
    }
}

/// Whether `ids` can be those of one bucket's rules.
///
/// # Errors
/// [`Error::InvalidArgument`] for an id that is too long or there twice.
pub fn check_ids<'r>(ids: impl IntoIterator<Item = &'r str>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for id in ids {
        let refuse = |why: String| Err(Error::InvalidArgument { name: "ID", value: id.to_owned(), why });
        if id.chars().count() > ID_CHARS_MAX {
            return refuse(format!("ID length should not exceed allowed limit of {ID_CHARS_MAX}"));
        }
        if !seen.insert(id) {
            return refuse("Rule ID must be unique. Found same ID for more than one rule".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::AbortAfter::{Days, Hours, IdleHours};
    use super::*;

    fn rule(id: &str, prefix: &str, abort_after: AbortAfter) -> Rule {
        Rule { id: id.into(), status: Status::Enabled, prefix: prefix.into(), abort_after }
    }

    fn ms(text: &str) -> Timestamp {
        let (day, hour) = text.split_once('T').unwrap();
        let (day, hour): (u64, u64) = (day.parse().unwrap(), hour.parse().unwrap());
        Timestamp(day * DAY_MS + hour * HOUR_MS)
    }

    #[test]
    fn days_end_at_midnight_and_hours_on_the_hour() {
        // 15 January, 10 o'clock, and 3 days: 19 January, midnight (the guide's example for objects).
        assert_eq!(Days(3).due(ms("15T10"), ms("18T0")), ms("19T0"));
        assert_eq!(Days(3).due(ms("15T0"), ms("18T0")), ms("18T0"));
        assert_eq!(Hours(3).due(ms("15T10"), ms("18T0")), ms("15T13"));
        assert_eq!(IdleHours(3).due(ms("15T10"), ms("18T0")), ms("18T3"));
        assert_eq!(Days(u32::MAX).due(Timestamp(u64::MAX), Timestamp(0)).0, u64::MAX);
    }

    #[test]
    fn of_several_rules_the_first_that_is_due_is_shown() {
        let rules = Rules::new(vec![
            rule("all", "", Days(7)),
            rule("logs", "logs/", Days(2)),
            rule("idle", "logs/x", IdleHours(5)),
        ])
        .unwrap();
        let of =
            |key: &str| rules.plan(key, ms("10T1"), ms("10T3")).map(|plan| (plan.rule.to_string(), plan.due));
        assert_eq!(of("stone"), Some(("all".into(), ms("18T0"))));
        assert_eq!(of("logs/a"), Some(("logs".into(), ms("13T0"))));
        assert_eq!(of("logs/x"), Some(("idle".into(), ms("10T8"))));
        let off = Rules::new(vec![Rule { status: Status::Disabled, ..rule("off", "", Days(1)) }]).unwrap();
        assert_eq!((off.plan("stone", ms("1T0"), ms("1T0")), off.least_age_ms()), (None, None));
        assert_eq!(rules.least_age_ms(), Some(5 * HOUR_MS));
    }

    #[test]
    fn a_rule_that_could_never_fire_first_is_refused_with_the_reason() {
        let refused = |rules: &[(&str, AbortAfter)]| {
            let rules = rules.iter().enumerate();
            let rules = rules.map(|(at, (prefix, after))| rule(&format!("r{at}"), prefix, *after)).collect();
            match Rules::new(rules) {
                Ok(_) => None,
                Err(Error::InvalidRequest(why)) => Some(why.split(' ').nth(1).unwrap().to_owned()),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(refused(&[("", Days(7)), ("logs/", Days(7))]).as_deref(), Some("r1"));
        assert_eq!(refused(&[("logs/", Days(8)), ("", Days(7))]).as_deref(), Some("r0"));
        assert_eq!(refused(&[("", Hours(24)), ("", Days(1))]).as_deref(), Some("r1"));
        assert_eq!(refused(&[("", Days(1)), ("a", IdleHours(48))]).as_deref(), Some("r1"));
        assert_eq!(refused(&[("", Hours(5)), ("a", IdleHours(5))]).as_deref(), Some("r1"));
        for fine in [
            &[("", Days(7)), ("logs/", Days(6))][..],
            &[("a", Days(7)), ("b", Days(7))],
            &[("", Days(1)), ("", Hours(47))],
            &[("", IdleHours(1)), ("", Days(30))],
            &[("logs/", Days(1)), ("", Days(7))],
        ] {
            assert_eq!(refused(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn ids_are_unique_and_short() {
        let name = |rules| match Rules::new(rules) {
            Err(Error::InvalidArgument { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(vec![rule("a", "x", Days(1)), rule("a", "y", Days(1))]), "ID");
        assert_eq!(name(vec![rule(&"a".repeat(256), "x", Days(1))]), "ID");
        assert!(Rules::new(Vec::new()).is_err());
    }
}
