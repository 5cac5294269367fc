//! Settings that S3 has and this server has not built: their honest "not configured" forms.
//!
//! Terraform and SDKs read a dozen settings of every bucket they touch. Nothing of them can be set
//! here (setting answers 501), so each read has exactly one true answer: what S3 says of a bucket
//! where it was never set. Deleting what is not there succeeds, as it does at S3.

use std::error::Error as StdError;

use bytes::Bytes;
use drystone_core::names::BucketName;
use drystone_core::objects::conditions::ReadConditions;
use drystone_core::objects::get::{GetObject, Span};
use http::{Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::call::{Answer, Call, Sent, document, empty};
use crate::s3::error::{
    ACL_NOT_SUPPORTED, Code, INVALID_BUCKET_STATE, NO_SUCH_BUCKET_POLICY, NO_SUCH_CONFIGURATION,
    NO_SUCH_CORS, NO_SUCH_ENCRYPTION, NO_SUCH_OBJECT_LOCK, NO_SUCH_PUBLIC_ACCESS_BLOCK, NO_SUCH_REPLICATION,
    NO_SUCH_TAG_SET, NO_SUCH_WEBSITE, S3Error,
};
use crate::s3::get::check_version;
use crate::s3::headers::{check_acl, filled};
use crate::s3::operation::{Scope, Setting};
use crate::s3::xml::reader::{Document, malformed};
use crate::s3::xml::writer::Writer;

/// Largest AccessControlPolicy: S3 allows 100 grants.
const ACL_BYTES_MAX: usize = 64 * 1024;

/// Reads a setting.
pub(crate) fn read(call: &Call<'_>, setting: Setting) -> Answer {
    if matches!(setting, Setting::ObjectAcl | Setting::ObjectTagging) {
        object_must_exist(call)?;
        return Ok(match setting {
            Setting::ObjectTagging => tagging(),
            _ => acl(call),
        });
    }
    let bucket = call.bucket()?;
    call.store.head_bucket(&call.caller, &bucket)?;
    let absent = |code: &Code| Err(not_configured(code, &bucket));
    match setting {
        Setting::BucketAcl | Setting::ObjectAcl => Ok(acl(call)),
        Setting::Accelerate => Ok(blank("AccelerateConfiguration")),
        Setting::Logging => Ok(blank("BucketLoggingStatus")),
        Setting::Notification => Ok(blank("NotificationConfiguration")),
        Setting::Versioning => Ok(blank("VersioningConfiguration")),
        Setting::RequestPayment => {
            let mut xml = Writer::new("RequestPaymentConfiguration");
            xml.value("Payer", "BucketOwner");
            Ok(document(xml))
        }
        Setting::Analytics => configurations(call, "ListBucketAnalyticsConfigurationsResult", &bucket),
        Setting::IntelligentTiering => {
            configurations(call, "ListBucketIntelligentTieringConfigurationsOutput", &bucket)
        }
        Setting::Inventory => configurations(call, "ListInventoryConfigurationsResult", &bucket),
        Setting::Metrics => configurations(call, "ListMetricsConfigurationsResult", &bucket),
        Setting::Cors => absent(&NO_SUCH_CORS),
        Setting::Encryption => absent(&NO_SUCH_ENCRYPTION),
        Setting::ObjectLock => absent(&NO_SUCH_OBJECT_LOCK),
        Setting::Ownership => Ok(ownership()),
        Setting::Policy | Setting::PolicyStatus => absent(&NO_SUCH_BUCKET_POLICY),
        Setting::PublicAccessBlock => absent(&NO_SUCH_PUBLIC_ACCESS_BLOCK),
        Setting::Replication => absent(&NO_SUCH_REPLICATION),
        Setting::BucketTagging | Setting::ObjectTagging => absent(&NO_SUCH_TAG_SET),
        Setting::Website => absent(&NO_SUCH_WEBSITE),
    }
}

/// Deletes a setting, which is not there.
pub(crate) fn delete(call: &Call<'_>, scope: Scope) -> Answer {
    match scope {
        Scope::Object => object_must_exist(call)?,
        Scope::Bucket => drop(call.store.head_bucket(&call.caller, &call.bucket()?)?),
        Scope::Configuration => {
            let bucket = call.bucket()?;
            call.store.head_bucket(&call.caller, &bucket)?;
            return Err(not_configured(&NO_SUCH_CONFIGURATION, &bucket));
        }
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Sets an access control list: one that means what the list is already changes nothing; all others
/// would need lists to be enabled. s3cmd copies the list of an object that it moves in this way.
pub(crate) async fn put_acl<B>(call: &Call<'_>, scope: Scope, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    match scope {
        Scope::Object => object_must_exist(call)?,
        Scope::Bucket | Scope::Configuration => drop(call.store.head_bucket(&call.caller, &call.bucket()?)?),
    }
    check_acl(call.headers())?;
    if filled(call.headers(), "x-amz-acl").is_none() {
        let body = sent.document(call.head, ACL_BYTES_MAX).await?;
        if !gives_all_to(&call.account.id, &body)? {
            return Err(S3Error::new(&ACL_NOT_SUPPORTED));
        }
    }
    Ok(empty(StatusCode::OK))
}

/// Whether an AccessControlPolicy has one grant, of everything, to the account `id`.
pub(crate) fn gives_all_to(id: &str, body: &[u8]) -> Result<bool, S3Error> {
    let mut policy = Document::open(body, "AccessControlPolicy")?;
    let (mut grants, mut ours) = (0, 0);
    while let Some(name) = policy.child()? {
        if name != "AccessControlList" {
            policy.skip()?;
            continue;
        }
        while let Some(grant) = policy.child()? {
            if grant != "Grant" {
                return Err(malformed());
            }
            grants += 1;
            ours += usize::from(is_all_to(id, &mut policy)?);
        }
    }
    policy.end()?;
    Ok(grants == 1 && ours == 1)
}

/// Reads one grant to its end.
fn is_all_to(id: &str, policy: &mut Document<'_>) -> Result<bool, S3Error> {
    let (mut grantee, mut permission) = (false, false);
    while let Some(name) = policy.child()? {
        match name.as_str() {
            "Grantee" => {
                while let Some(name) = policy.child()? {
                    if name == "ID" { grantee = policy.text()? == id } else { policy.skip()? }
                }
            }
            "Permission" => permission = policy.text()? == "FULL_CONTROL",
            _ => policy.skip()?,
        }
    }
    Ok(grantee && permission)
}

/// Retention and legal hold of an object in a bucket without object lock.
pub(crate) fn locked(call: &Call<'_>) -> Answer {
    call.store.head_bucket(&call.caller, &call.bucket()?)?;
    Err(S3Error::request("Bucket is missing Object Lock Configuration"))
}

/// PutObjectLockConfiguration on a bucket without versioning.
pub(crate) fn put_object_lock(call: &Call<'_>) -> Answer {
    call.store.head_bucket(&call.caller, &call.bucket()?)?;
    Err(S3Error::new(&INVALID_BUCKET_STATE))
}

fn object_must_exist(call: &Call<'_>) -> Result<(), S3Error> {
    check_version(call)?;
    let (bucket, key) = (call.bucket()?, call.key()?);
    let request = GetObject { bucket, key, conditions: ReadConditions::default(), span: Span::Whole };
    call.store.head_object(&call.caller, &request)?;
    Ok(())
}

fn not_configured(code: &Code, bucket: &BucketName) -> S3Error {
    S3Error::new(code).with("BucketName", bucket.as_str())
}

fn blank(root: &'static str) -> Response<ResponseBody> {
    document(Writer::new(root))
}

fn tagging() -> Response<ResponseBody> {
    let mut xml = Writer::new("Tagging");
    xml.within("TagSet", |_| {});
    document(xml)
}

/// Access control lists are disabled, as they are in a new bucket of S3: a client that asks whether it
/// may send one must not be told that nobody said.
fn ownership() -> Response<ResponseBody> {
    let mut xml = Writer::new("OwnershipControls");
    xml.within("Rule", |xml| xml.value("ObjectOwnership", "BucketOwnerEnforced"));
    document(xml)
}

/// The one list there is: the owner may do everything.
fn acl(call: &Call<'_>) -> Response<ResponseBody> {
    let mut xml = Writer::new("AccessControlPolicy");
    call.write_account(&mut xml, "Owner");
    xml.within("AccessControlList", |xml| {
        xml.within("Grant", |xml| {
            xml.grantee(|xml| call.write_account_content(xml));
            xml.value("Permission", "FULL_CONTROL");
        });
    });
    document(xml)
}

/// A list of configurations, which is empty; one of them, which is not there.
fn configurations(call: &Call<'_>, root: &'static str, bucket: &BucketName) -> Answer {
    if call.query.filled("id").is_some() {
        return Err(not_configured(&NO_SUCH_CONFIGURATION, bucket));
    }
    let mut xml = Writer::new(root);
    xml.value("IsTruncated", false);
    Ok(document(xml))
}
