//! A bucket's lifecycle rules.

use crate::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use crate::meta::records::{Reader, Record, Writer};

/// The rules of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRecord {
    /// The rules, in the order in which they were given.
    pub rules: Rules,
}

impl LifecycleRecord {
    /// How many rules there are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.rules.iter().count()).expect("a bucket has at most 1,000 rules")
    }
}

impl Record for LifecycleRecord {
    const MARKER: [u8; 2] = *b"lc";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u16(self.count());
        for rule in self.rules.iter() {
            to.text(&rule.id);
            to.u8(match rule.status {
                Status::Disabled => 0,
                Status::Enabled => 1,
            });
            to.text(&rule.prefix);
            let (kind, n) = match rule.abort_after {
                AbortAfter::Days(n) => (1, n),
                AbortAfter::Hours(n) => (2, n),
                AbortAfter::IdleHours(n) => (3, n),
            };
            to.u8(kind);
            to.u32(n);
        }
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        let count = from.u16()?;
        let mut rules = Vec::new();
        for _ in 0..count {
            let id = from.text()?;
            let status = match from.u8()? {
                0 => Status::Disabled,
                1 => Status::Enabled,
                _ => return Err("a rule in it is neither enabled nor disabled"),
            };
            let prefix = from.text()?;
            let abort_after = match (from.u8()?, from.u32()?) {
                (1, n) => AbortAfter::Days(n),
                (2, n) => AbortAfter::Hours(n),
                (3, n) => AbortAfter::IdleHours(n),
                _ => return Err("a rule in it has an unknown action"),
            };
            rules.push(Rule { id, status, prefix, abort_after });
        }
        Ok(Self { rules: Rules::kept(rules) })
    }
}
