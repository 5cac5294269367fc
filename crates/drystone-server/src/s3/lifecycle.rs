//! Put, Get and DeleteBucketLifecycleConfiguration, and what Create and ListParts tell of the rules.
//!
//! Source: Amazon S3 API Reference, "PutBucketLifecycleConfiguration". Of the actions only
//! AbortIncompleteMultipartUpload is built; a rule with any other is refused by that action's name, since a
//! configuration that is kept and not carried out would be a lie. Hours and idle time, which S3 does not have,
//! stand in a namespace of our own.

use std::error::Error as StdError;

use bytes::Bytes;
use drystone_core::checksum::crc64;
use drystone_core::lifecycle::rules::{AbortAfter, AbortPlan, RULES_MAX, Rule, Rules, Status, check_ids};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::call::{Answer, Call, Sent, document, empty, set};
use crate::s3::dates::HttpDate;
use crate::s3::error::{NO_SUCH_LIFECYCLE, S3Error};
use crate::s3::headers::filled;
use crate::s3::xml::reader::{Document, malformed, parse_number};
use crate::s3::xml::writer::Writer;

/// Longest prefix, in bytes: that of a key.
const PREFIX_BYTES_MAX: usize = 1_024;
/// Largest document: 1,000 rules whose id and prefix are all references, plus markup.
const DOCUMENT_BYTES_MAX: usize = 1_000 * ((255 + PREFIX_BYTES_MAX) * 6 + 512);

const ACTION: &str = "AbortIncompleteMultipartUpload";
const DAYS: &str = "DaysAfterInitiation";
const HOURS: &str = "HoursAfterInitiation";
const IDLE_HOURS: &str = "IdleHours";

/// S3 says from which size on objects change their storage class; clients wait until it says what they asked for.
const MINIMUM_SIZE: HeaderName = HeaderName::from_static("x-amz-transition-default-minimum-object-size");
const MINIMUM_SIZE_DEFAULT: HeaderValue = HeaderValue::from_static("all_storage_classes_128K");

/// PutBucketLifecycleConfiguration.
pub(crate) async fn put_lifecycle<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    if filled(call.headers(), MINIMUM_SIZE.as_str()).is_some_and(|size| *size != MINIMUM_SIZE_DEFAULT) {
        return Err(S3Error::header_not_built(MINIMUM_SIZE.as_str()));
    }
    let body = sent.document(call.head, DOCUMENT_BYTES_MAX).await?;
    let rules = Rules::new(read(&body)?)?;
    call.store.put_lifecycle(&call.caller, &call.bucket()?, rules).await?;
    Ok(with_minimum_size(empty(StatusCode::OK)))
}

/// GetBucketLifecycleConfiguration.
pub(crate) fn get_lifecycle(call: &Call<'_>) -> Answer {
    let bucket = call.bucket()?;
    let rules = call.store.lifecycle(&call.caller, &bucket)?;
    let rules = rules.ok_or_else(|| S3Error::new(&NO_SUCH_LIFECYCLE).with("BucketName", bucket.as_str()))?;
    let mut xml = Writer::new("LifecycleConfiguration");
    for rule in rules.iter() {
        xml.within("Rule", |xml| write(xml, rule));
    }
    Ok(with_minimum_size(document(xml)))
}

/// DeleteBucketLifecycle: 204 whether there were rules or not.
pub(crate) async fn delete_lifecycle(call: &Call<'_>) -> Answer {
    call.store.delete_lifecycle(&call.caller, &call.bucket()?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Shows in an answer's headers what will become of an upload.
pub(crate) fn write_plan(headers: &mut HeaderMap, plan: Option<&AbortPlan>) {
    if let Some(plan) = plan {
        set(headers, HeaderName::from_static("x-amz-abort-date"), HttpDate(plan.due).to_string());
        if let Ok(id) = HeaderValue::from_bytes(plan.rule.as_bytes()) {
            headers.insert("x-amz-abort-rule-id", id);
        }
    }
}

fn with_minimum_size(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.headers_mut().insert(MINIMUM_SIZE, MINIMUM_SIZE_DEFAULT);
    response
}

fn write(xml: &mut Writer, rule: &Rule) {
    xml.text("ID", &rule.id);
    xml.within("Filter", |xml| xml.text("Prefix", &rule.prefix));
    xml.value(
        "Status",
        match rule.status {
            Status::Enabled => "Enabled",
            Status::Disabled => "Disabled",
        },
    );
    xml.within(ACTION, |xml| match rule.abort_after {
        AbortAfter::Days(days) => xml.value(DAYS, days),
        AbortAfter::Hours(hours) => xml.extension(HOURS, hours),
        AbortAfter::IdleHours(hours) => xml.extension(IDLE_HOURS, hours),
    });
}

/// Reads a configuration. What is wrong with it is refused before what of it is not built: the one will never be
/// taken, the other some day.
fn read(body: &[u8]) -> Result<Vec<Rule>, S3Error> {
    let mut configuration = Document::open(body, "LifecycleConfiguration")?;
    let (mut ids, mut rules) = (Vec::new(), Vec::new());
    while let Some(name) = configuration.child()? {
        if name != "Rule" || rules.len() > RULES_MAX {
            return Err(malformed());
        }
        let (id, rule) = read_rule(&mut configuration)?;
        ids.extend(id);
        rules.push(rule);
    }
    configuration.end()?;
    check_ids(ids.iter().map(String::as_str))?;
    rules.into_iter().collect()
}

/// Reads a rule to its end: the name that it was given, and what it says, or why we cannot do that.
fn read_rule(rule: &mut Document<'_>) -> Result<(Option<String>, Result<Rule, S3Error>), S3Error> {
    let (mut id, mut status, mut filter, mut abort_after, mut not_built) = (None, None, None, None, None);
    while let Some(name) = rule.child()? {
        let again = match name.as_str() {
            "ID" => id.replace(rule.text()?).is_some(),
            "Status" => status.replace(read_status(&rule.text()?)?).is_some(),
            "Prefix" => filter.replace(Filter { prefix: rule.text()?, unfit: None }).is_some(),
            "Filter" => filter.replace(read_filter(rule)?).is_some(),
            ACTION => abort_after.replace(read_action(rule)?).is_some(),
            "Expiration"
            | "NoncurrentVersionExpiration"
            | "NoncurrentVersionTransition"
            | "Transition"
            | "Transitions"
            | "NoncurrentVersionTransitions" => {
                rule.skip()?;
                not_built.get_or_insert(name);
                false
            }
            _ => return Err(malformed()),
        };
        if again {
            return Err(malformed());
        }
    }
    let (status, filter) = status.zip(filter).ok_or_else(malformed)?;
    let Filter { prefix, unfit } = filter;
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(S3Error::request(format!("The maximum size of a prefix is {PREFIX_BYTES_MAX}.")));
    }
    let id = id.filter(|id| !id.is_empty());
    let rule = match (not_built, abort_after, unfit) {
        (Some(action), _, _) => Err(S3Error::not_built(&format!("{action} in a lifecycle rule"))),
        (None, None, _) => Err(S3Error::request("At least one action needs to be specified in a rule")),
        (None, Some(_), Some(what)) => {
            Err(S3Error::request(format!("{ACTION} cannot be specified with {what}.")))
        }
        (None, Some(abort_after), None) => {
            // A name for a rule without one: the same for the same rule, so that setting it again changes nothing.
            let made = || format!("{:016x}", crc64(format!("{abort_after:?} {prefix}").as_bytes()));
            let id = id.clone().unwrap_or_else(made).into();
            Ok(Rule { id, status, prefix: prefix.into(), abort_after })
        }
    };
    Ok((id, rule))
}

fn read_status(text: &str) -> Result<Status, S3Error> {
    match text {
        "Enabled" => Ok(Status::Enabled),
        "Disabled" => Ok(Status::Disabled),
        _ => Err(malformed()),
    }
}

/// Which objects a rule is about.
struct Filter {
    prefix: String,
    /// What it asks for besides, that no upload has: uploads have a key, and neither tags nor a size.
    unfit: Option<&'static str>,
}

/// Reads a filter to its end.
fn read_filter(filter: &mut Document<'_>) -> Result<Filter, S3Error> {
    let (mut prefix, mut unfit) = (None, None);
    while let Some(name) = filter.child()? {
        let again = match name.as_str() {
            "Prefix" => prefix.replace(filter.text()?).is_some(),
            "And" => {
                let inner = read_filter(filter)?;
                unfit = unfit.or(inner.unfit);
                prefix.replace(inner.prefix).is_some()
            }
            "Tag" => {
                filter.skip()?;
                unfit.get_or_insert("Tags");
                false
            }
            "ObjectSizeGreaterThan" | "ObjectSizeLessThan" => {
                filter.skip()?;
                unfit.get_or_insert("Object Size");
                false
            }
            _ => return Err(malformed()),
        };
        if again {
            return Err(malformed());
        }
    }
    Ok(Filter { prefix: prefix.unwrap_or_default(), unfit })
}

/// Reads the action to its end.
fn read_action(action: &mut Document<'_>) -> Result<AbortAfter, S3Error> {
    let mut found = None;
    while let Some(name) = action.child()? {
        let (name, kind): (_, fn(u32) -> AbortAfter) = match name.as_str() {
            DAYS => (DAYS, AbortAfter::Days),
            HOURS => (HOURS, AbortAfter::Hours),
            IDLE_HOURS => (IDLE_HOURS, AbortAfter::IdleHours),
            _ => return Err(malformed()),
        };
        let text = action.text()?;
        let number = parse_number(text.trim()).and_then(|n| i32::try_from(n).ok()).filter(|n| *n > 0);
        let number = number.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| {
            S3Error::argument(name, &text, format!("'{name}' for {ACTION} action must be a positive integer"))
        })?;
        if found.replace(kind(number)).is_some() {
            return Err(malformed());
        }
    }
    found.ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rules: &str) -> Result<Vec<Rule>, (&'static str, String)> {
        let text = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        read(text.as_bytes()).map_err(|refusal| (refusal.code(), refusal.message().to_owned()))
    }

    fn one(inside: &str) -> Result<Rule, (&'static str, String)> {
        of(&format!("<Rule>{inside}</Rule>")).map(|mut rules| rules.remove(0))
    }

    const DAY: &str = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";

    #[test]
    fn rules_are_read_in_every_form() {
        for prefix in [
            "<Prefix>a/</Prefix>",
            "<Filter><Prefix>a/</Prefix></Filter>",
            "<Filter><And><Prefix>a/</Prefix></And></Filter>",
        ] {
            let rule = one(&format!("<ID>x</ID>{prefix}<Status>Enabled</Status>{DAY}")).unwrap();
            assert_eq!((&*rule.id, &*rule.prefix, rule.status), ("x", "a/", Status::Enabled));
            assert_eq!(rule.abort_after, AbortAfter::Days(1));
        }
        let all = one(&format!("<Filter/><Status>Disabled</Status>{DAY}")).unwrap();
        assert_eq!((all.id.len(), &*all.prefix, all.status), (16, "", Status::Disabled));
        for (element, want) in [
            (HOURS, AbortAfter::Hours(36)),
            (IDLE_HOURS, AbortAfter::IdleHours(36)),
            (DAYS, AbortAfter::Days(36)),
        ] {
            let action = format!("<{ACTION}><{element}> 36 </{element}></{ACTION}>");
            assert_eq!(one(&format!("<Filter/><Status>Enabled</Status>{action}")).unwrap().abort_after, want);
        }
    }

    #[test]
    fn what_is_wrong_or_not_built_is_refused_by_name() {
        let code = |inside: &str| one(inside).unwrap_err().0;
        let with = |inside: &str| format!("<Filter/><Status>Enabled</Status>{inside}");
        assert_eq!(code(&format!("<Filter/>{DAY}")), "MalformedXML");
        assert_eq!(code(&format!("<Status>Enabled</Status>{DAY}")), "MalformedXML");
        assert_eq!(code(&format!("<Filter/><Status>enabled</Status>{DAY}")), "MalformedXML");
        assert_eq!(code(&with(&format!("{DAY}{DAY}"))), "MalformedXML");
        assert_eq!(code(&with(&format!("<Prefix/>{DAY}"))), "MalformedXML");
        assert_eq!(code(&with(&format!("<{ACTION}/>"))), "MalformedXML");
        assert_eq!(code(&with("")), "InvalidRequest");
        let days = |n: &str| with(&format!("<{ACTION}><{DAYS}>{n}</{DAYS}></{ACTION}>"));
        for bad in ["0", "-1", "1.5", "x", "", "2147483648"] {
            assert_eq!(code(&days(bad)), "InvalidArgument", "{bad}");
        }
        let expiration = one(&with("<Expiration><Days>1</Days></Expiration>")).unwrap_err();
        assert_eq!(
            expiration,
            ("NotImplemented", "Expiration in a lifecycle rule is not implemented".into())
        );
        let expiring = |ahead: &str| {
            let rule = format!("<Rule>{ahead}<Expiration><Days>1</Days></Expiration></Rule>");
            of(&format!("{rule}{rule}")).unwrap_err().0
        };
        let tag = "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Status>Enabled</Status>";
        assert_eq!(expiring(tag), "NotImplemented");
        assert_eq!(expiring("<Filter/><Status>on</Status>"), "MalformedXML");
        assert_eq!(expiring("<ID>twice</ID><Filter/><Status>Enabled</Status>"), "InvalidArgument");
        let long = "k".repeat(256);
        let expiration = one(&with(&format!("<ID>{long}</ID><Expiration><Days>1</Days></Expiration>")));
        assert_eq!(expiration.unwrap_err().0, "InvalidArgument");
        let filtered = |filter: &str| {
            one(&format!("<Filter>{filter}</Filter><Status>Enabled</Status>{DAY}")).unwrap_err()
        };
        assert!(filtered("<Tag><Key>a</Key><Value>b</Value></Tag>").1.contains("with Tags"));
        assert!(filtered("<ObjectSizeLessThan>5</ObjectSizeLessThan>").1.contains("with Object Size"));
        let long = format!("<Prefix>{}</Prefix><Status>Enabled</Status>{DAY}", "k".repeat(1_025));
        assert_eq!(code(&long), "InvalidRequest");
    }
}
