//! Which operation a request is: method, level and sub-resource, in one table.
//!
//! Every operation that AWS has on general purpose buckets stands here. What is not built answers
//! 501 with its own name, so that a client is told the truth instead of getting another operation's
//! answer: without the row for `tagging`, `PUT /bucket/key?tagging` would replace the object with
//! a tagging document.
//!
//! Source: Amazon S3 API Reference, "Actions".

use http::Method;

use crate::s3::error::S3Error;
use crate::s3::query::Query;

/// `POST /bucket`: the one operation whose signature is in the body, among the fields of a form.
pub(crate) const POST_OBJECT: &str = "PostObject";

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `GET /`
    ListBuckets,
    /// `PUT /bucket`
    CreateBucket,
    /// `HEAD /bucket`
    HeadBucket,
    /// `DELETE /bucket`
    DeleteBucket,
    /// `GET /bucket?location`
    GetBucketLocation,
    /// `GET /bucket?lifecycle`
    GetBucketLifecycle,
    /// `PUT /bucket?lifecycle`
    PutBucketLifecycle,
    /// `DELETE /bucket?lifecycle`
    DeleteBucketLifecycle,
    /// `GET /bucket`
    ListObjects,
    /// `GET /bucket?list-type=2`
    ListObjectsV2,
    /// `GET /bucket?versions`
    ListObjectVersions,
    /// `GET /bucket?uploads`
    ListMultipartUploads,
    /// `POST /bucket?delete`
    DeleteObjects,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `GET /bucket/key?attributes`
    GetObjectAttributes,
    /// `PUT /bucket/key`
    PutObject,
    /// `PUT /bucket/key` with `x-amz-copy-source`
    CopyObject,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `POST /bucket/key?uploads`
    CreateMultipartUpload,
    /// `PUT /bucket/key?partNumber&uploadId`
    UploadPart,
    /// `PUT /bucket/key?partNumber&uploadId` with `x-amz-copy-source`
    UploadPartCopy,
    /// `GET /bucket/key?uploadId`
    ListParts,
    /// `POST /bucket/key?uploadId`
    CompleteMultipartUpload,
    /// `DELETE /bucket/key?uploadId`
    AbortMultipartUpload,
    /// Reads a setting that nobody can have set.
    ReadSetting(Setting),
    /// Deletes a setting that nobody can have set.
    DeleteSetting(&'static str, Scope),
    /// Sets an access control list: only to what it is.
    PutAcl(&'static str, Scope),
    /// An object lock operation on a bucket without object lock.
    Locked(&'static str),
    /// Sets the object lock configuration of a bucket without versioning.
    PutObjectLockConfiguration,
    /// An operation of AWS that is not built.
    NotBuilt(&'static str),
}

/// What a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
    /// One of a bucket's configurations, named by `id`.
    Configuration,
}

/// A sub-resource that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// `?accelerate`
    Accelerate,
    /// `?acl` of a bucket
    BucketAcl,
    /// `?acl` of an object
    ObjectAcl,
    /// `?analytics`
    Analytics,
    /// `?cors`
    Cors,
    /// `?encryption`
    Encryption,
    /// `?intelligent-tiering`
    IntelligentTiering,
    /// `?inventory`
    Inventory,
    /// `?logging`
    Logging,
    /// `?metrics`
    Metrics,
    /// `?notification`
    Notification,
    /// `?object-lock`
    ObjectLock,
    /// `?ownershipControls`
    Ownership,
    /// `?policy`
    Policy,
    /// `?policyStatus`
    PolicyStatus,
    /// `?publicAccessBlock`
    PublicAccessBlock,
    /// `?replication`
    Replication,
    /// `?requestPayment`
    RequestPayment,
    /// `?tagging` of a bucket
    BucketTagging,
    /// `?tagging` of an object
    ObjectTagging,
    /// `?versioning`
    Versioning,
    /// `?website`
    Website,
}

impl Setting {
    /// The name of the operation that reads it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accelerate => "GetBucketAccelerateConfiguration",
            Self::BucketAcl => "GetBucketAcl",
            Self::ObjectAcl => "GetObjectAcl",
            Self::Analytics => "ListBucketAnalyticsConfigurations",
            Self::Cors => "GetBucketCors",
            Self::Encryption => "GetBucketEncryption",
            Self::IntelligentTiering => "ListBucketIntelligentTieringConfigurations",
            Self::Inventory => "ListBucketInventoryConfigurations",
            Self::Logging => "GetBucketLogging",
            Self::Metrics => "ListBucketMetricsConfigurations",
            Self::Notification => "GetBucketNotificationConfiguration",
            Self::ObjectLock => "GetObjectLockConfiguration",
            Self::Ownership => "GetBucketOwnershipControls",
            Self::Policy => "GetBucketPolicy",
            Self::PolicyStatus => "GetBucketPolicyStatus",
            Self::PublicAccessBlock => "GetPublicAccessBlock",
            Self::Replication => "GetBucketReplication",
            Self::RequestPayment => "GetBucketRequestPayment",
            Self::BucketTagging => "GetBucketTagging",
            Self::ObjectTagging => "GetObjectTagging",
            Self::Versioning => "GetBucketVersioning",
            Self::Website => "GetBucketWebsite",
        }
    }
}

impl Operation {
    /// The operation's name, for logs, metrics and refusals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketLifecycle => "GetBucketLifecycleConfiguration",
            Self::PutBucketLifecycle => "PutBucketLifecycleConfiguration",
            Self::DeleteBucketLifecycle => "DeleteBucketLifecycle",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::DeleteObjects => "DeleteObjects",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::GetObjectAttributes => "GetObjectAttributes",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::DeleteObject => "DeleteObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ReadSetting(setting) => setting.name(),
            Self::PutObjectLockConfiguration => "PutObjectLockConfiguration",
            Self::DeleteSetting(name, _)
            | Self::PutAcl(name, _)
            | Self::Locked(name)
            | Self::NotBuilt(name) => name,
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The account: `/`.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

impl Level {
    /// S3's `ResourceType`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Service => "SERVICE",
            Self::Bucket => "BUCKET",
            Self::Object => "OBJECT",
        }
    }

    fn rows(self) -> &'static [Row] {
        match self {
            Self::Service => &[],
            Self::Bucket => BUCKET,
            Self::Object => OBJECT,
        }
    }
}

/// A sub-resource: its parameter and what GET, PUT, POST and DELETE mean for it.
struct Row {
    parameter: &'static str,
    get: Option<Operation>,
    put: Option<Operation>,
    post: Option<Operation>,
    delete: Option<Operation>,
}

const fn row(parameter: &'static str) -> Row {
    Row { parameter, get: None, put: None, post: None, delete: None }
}

impl Row {
    const fn get(self, operation: Operation) -> Self {
        Self { get: Some(operation), ..self }
    }

    const fn read(self, setting: Setting) -> Self {
        self.get(Operation::ReadSetting(setting))
    }

    const fn put(self, operation: Operation) -> Self {
        Self { put: Some(operation), ..self }
    }

    const fn no_put(self, name: &'static str) -> Self {
        self.put(Operation::NotBuilt(name))
    }

    const fn post(self, operation: Operation) -> Self {
        Self { post: Some(operation), ..self }
    }

    const fn delete(self, operation: Operation) -> Self {
        Self { delete: Some(operation), ..self }
    }

    const fn unset(self, name: &'static str) -> Self {
        self.delete(Operation::DeleteSetting(name, Scope::Bucket))
    }

    const fn unset_one(self, name: &'static str) -> Self {
        self.delete(Operation::DeleteSetting(name, Scope::Configuration))
    }

    fn operation(&self, method: &Method) -> Option<Operation> {
        match *method {
            Method::GET => self.get,
            Method::PUT => self.put,
            Method::POST => self.post,
            Method::DELETE => self.delete,
            _ => None,
        }
    }

    fn allow(&self) -> String {
        let verbs = [("GET", self.get), ("PUT", self.put), ("POST", self.post), ("DELETE", self.delete)];
        let allowed: Vec<&str> = verbs.iter().filter(|(_, op)| op.is_some()).map(|(verb, _)| *verb).collect();
        allowed.join(", ")
    }
}

use Operation::{Locked, NotBuilt, PutAcl};

const BUCKET: &[Row] = &[
    row("abac").get(NotBuilt("GetBucketAbac")).no_put("PutBucketAbac"),
    row("accelerate").read(Setting::Accelerate).no_put("PutBucketAccelerateConfiguration"),
    row("acl").read(Setting::BucketAcl).put(PutAcl("PutBucketAcl", Scope::Bucket)),
    row("analytics")
        .read(Setting::Analytics)
        .no_put("PutBucketAnalyticsConfiguration")
        .unset_one("DeleteBucketAnalyticsConfiguration"),
    row("cors").read(Setting::Cors).no_put("PutBucketCors").unset("DeleteBucketCors"),
    row("delete").post(Operation::DeleteObjects),
    row("encryption").read(Setting::Encryption).no_put("PutBucketEncryption").unset("DeleteBucketEncryption"),
    row("intelligent-tiering")
        .read(Setting::IntelligentTiering)
        .no_put("PutBucketIntelligentTieringConfiguration")
        .unset_one("DeleteBucketIntelligentTieringConfiguration"),
    row("inventory")
        .read(Setting::Inventory)
        .no_put("PutBucketInventoryConfiguration")
        .unset_one("DeleteBucketInventoryConfiguration"),
    row("lifecycle")
        .get(Operation::GetBucketLifecycle)
        .put(Operation::PutBucketLifecycle)
        .delete(Operation::DeleteBucketLifecycle),
    row("location").get(Operation::GetBucketLocation),
    row("logging").read(Setting::Logging).no_put("PutBucketLogging"),
    row("metadataConfiguration")
        .get(NotBuilt("GetBucketMetadataConfiguration"))
        .post(NotBuilt("CreateBucketMetadataConfiguration"))
        .delete(NotBuilt("DeleteBucketMetadataConfiguration")),
    row("metadataInventoryTable").no_put("UpdateBucketMetadataInventoryTableConfiguration"),
    row("metadataJournalTable").no_put("UpdateBucketMetadataJournalTableConfiguration"),
    row("metadataTable")
        .get(NotBuilt("GetBucketMetadataTableConfiguration"))
        .post(NotBuilt("CreateBucketMetadataTableConfiguration"))
        .delete(NotBuilt("DeleteBucketMetadataTableConfiguration")),
    row("metrics")
        .read(Setting::Metrics)
        .no_put("PutBucketMetricsConfiguration")
        .unset_one("DeleteBucketMetricsConfiguration"),
    row("notification").read(Setting::Notification).no_put("PutBucketNotificationConfiguration"),
    row("object-lock").read(Setting::ObjectLock).put(Operation::PutObjectLockConfiguration),
    row("ownershipControls")
        .read(Setting::Ownership)
        .no_put("PutBucketOwnershipControls")
        .unset("DeleteBucketOwnershipControls"),
    row("policy").read(Setting::Policy).no_put("PutBucketPolicy").unset("DeleteBucketPolicy"),
    row("policyStatus").read(Setting::PolicyStatus),
    row("publicAccessBlock")
        .read(Setting::PublicAccessBlock)
        .no_put("PutPublicAccessBlock")
        .unset("DeletePublicAccessBlock"),
    row("replication")
        .read(Setting::Replication)
        .no_put("PutBucketReplication")
        .unset("DeleteBucketReplication"),
    row("requestPayment").read(Setting::RequestPayment).no_put("PutBucketRequestPayment"),
    row("session").get(NotBuilt("CreateSession")),
    row("tagging").read(Setting::BucketTagging).no_put("PutBucketTagging").unset("DeleteBucketTagging"),
    row("uploads").get(Operation::ListMultipartUploads),
    row("versioning").read(Setting::Versioning).no_put("PutBucketVersioning"),
    row("versions").get(Operation::ListObjectVersions),
    row("website").read(Setting::Website).no_put("PutBucketWebsite").unset("DeleteBucketWebsite"),
];

const OBJECT: &[Row] = &[
    row("acl").read(Setting::ObjectAcl).put(PutAcl("PutObjectAcl", Scope::Object)),
    row("attributes").get(Operation::GetObjectAttributes),
    row("encryption").no_put("UpdateObjectEncryption"),
    row("legal-hold").get(Locked("GetObjectLegalHold")).put(Locked("PutObjectLegalHold")),
    row("renameObject").no_put("RenameObject"),
    row("restore").post(NotBuilt("RestoreObject")),
    row("retention").get(Locked("GetObjectRetention")).put(Locked("PutObjectRetention")),
    row("select").post(NotBuilt("SelectObjectContent")),
    row("tagging")
        .read(Setting::ObjectTagging)
        .no_put("PutObjectTagging")
        .delete(Operation::DeleteSetting("DeleteObjectTagging", Scope::Object)),
    row("torrent").get(NotBuilt("GetObjectTorrent")),
    row("uploadId")
        .get(Operation::ListParts)
        .put(Operation::UploadPart)
        .post(Operation::CompleteMultipartUpload)
        .delete(Operation::AbortMultipartUpload),
    row("uploads").post(Operation::CreateMultipartUpload),
];

/// Where a request's bytes come from: its body, or another object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The request's body.
    Body,
    /// `x-amz-copy-source`.
    Copy,
}

/// Finds the operation.
///
/// # Errors
/// `MethodNotAllowed`; `InvalidArgument` for two sub-resources at once and for a part without its
/// upload; `InvalidRequest` for listings below a key.
pub(crate) fn find(
    method: &Method,
    level: Level,
    query: &Query<'_>,
    source: Source,
) -> Result<Operation, S3Error> {
    // What HEAD would answer for a sub-resource is not defined; S3 looks at the object or bucket.
    if *method == Method::HEAD {
        return plain(method, level, query, source);
    }
    let mut named = level.rows().iter().filter(|row| query.has(row.parameter));
    let found = match (named.next(), named.next()) {
        (Some(first), Some(second)) => {
            let why =
                format!("Conflicting query string parameters: {}, {}", first.parameter, second.parameter);
            return Err(S3Error::argument("ResourceType", first.parameter, why));
        }
        (Some(row), None) => row,
        (None, _) => return plain(method, level, query, source),
    };
    match (found.operation(method), found.parameter) {
        (Some(Operation::UploadPart), _) if !query.has("partNumber") => {
            Err(S3Error::method(method, "UPLOAD", "GET, POST, DELETE"))
        }
        (Some(Operation::UploadPart), _) if source == Source::Copy => Ok(Operation::UploadPartCopy),
        (Some(operation), _) => Ok(operation),
        (None, "uploads") if *method == Method::GET => {
            Err(S3Error::request("Key is not expected for the GET method ?uploads subresource"))
        }
        (None, parameter) => {
            Err(S3Error::method(method, parameter.to_ascii_uppercase().replace('-', ""), found.allow()))
        }
    }
}

/// Finds the operation of a request without a sub-resource.
fn plain(method: &Method, level: Level, query: &Query<'_>, source: Source) -> Result<Operation, S3Error> {
    let refuse = |allow: &str| Err(S3Error::method(method, level.name(), allow));
    match (level, method.as_str()) {
        (Level::Service, "GET") => Ok(Operation::ListBuckets),
        (Level::Service, _) => refuse("GET"),
        (Level::Bucket, "GET") if query.get("list-type") == Some("2") => Ok(Operation::ListObjectsV2),
        (Level::Bucket, "GET") => Ok(Operation::ListObjects),
        (Level::Bucket, "HEAD") => Ok(Operation::HeadBucket),
        (Level::Bucket, "PUT") => Ok(Operation::CreateBucket),
        (Level::Bucket, "DELETE") => Ok(Operation::DeleteBucket),
        (Level::Bucket, "POST") => Ok(NotBuilt(POST_OBJECT)),
        (Level::Bucket, _) => refuse("GET, HEAD, PUT, DELETE, POST"),
        (Level::Object, "GET") if query.has("versions") => {
            Err(S3Error::request("There is no such thing as the ?versions sub-resource for a key"))
        }
        (Level::Object, "GET") => Ok(Operation::GetObject),
        (Level::Object, "HEAD") => Ok(Operation::HeadObject),
        (Level::Object, "PUT") if query.has("partNumber") => Err(S3Error::argument(
            "partNumber",
            query.get("partNumber").unwrap_or_default(),
            "This operation does not accept partNumber without uploadId",
        )),
        (Level::Object, "PUT") if source == Source::Copy => Ok(Operation::CopyObject),
        (Level::Object, "PUT") => Ok(Operation::PutObject),
        (Level::Object, "DELETE") => Ok(Operation::DeleteObject),
        (Level::Object, _) => refuse("GET, HEAD, PUT, DELETE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, level: Level, query: &str, source: Source) -> Result<&'static str, &'static str> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let query = Query::parse(Some(query)).unwrap();
        find(&method, level, &query, source).map(Operation::name).map_err(|refusal| refusal.code())
    }

    #[test]
    fn every_request_has_its_operation() {
        use Level::{Bucket, Object, Service};
        let cases = [
            ("GET", Service, "", Ok("ListBuckets")),
            ("PUT", Service, "", Err("MethodNotAllowed")),
            ("HEAD", Service, "", Err("MethodNotAllowed")),
            ("GET", Bucket, "", Ok("ListObjects")),
            ("GET", Bucket, "list-type=2&prefix=a", Ok("ListObjectsV2")),
            ("GET", Bucket, "list-type=1", Ok("ListObjects")),
            ("GET", Bucket, "foo=bar", Ok("ListObjects")),
            ("GET", Bucket, "location", Ok("GetBucketLocation")),
            ("GET", Bucket, "location=", Ok("GetBucketLocation")),
            ("GET", Bucket, "uploads&prefix=a&delimiter=/", Ok("ListMultipartUploads")),
            ("GET", Bucket, "versions", Ok("ListObjectVersions")),
            ("GET", Bucket, "tagging", Ok("GetBucketTagging")),
            ("PUT", Bucket, "tagging", Ok("PutBucketTagging")),
            ("DELETE", Bucket, "tagging", Ok("DeleteBucketTagging")),
            ("PUT", Bucket, "policy", Ok("PutBucketPolicy")),
            ("PUT", Bucket, "versioning", Ok("PutBucketVersioning")),
            ("PUT", Bucket, "", Ok("CreateBucket")),
            ("HEAD", Bucket, "", Ok("HeadBucket")),
            ("DELETE", Bucket, "", Ok("DeleteBucket")),
            ("POST", Bucket, "delete", Ok("DeleteObjects")),
            ("POST", Bucket, "", Ok("PostObject")),
            ("PUT", Bucket, "uploads", Err("MethodNotAllowed")),
            ("PATCH", Bucket, "", Err("MethodNotAllowed")),
            ("GET", Bucket, "acl&policy", Err("InvalidArgument")),
            ("GET", Object, "", Ok("GetObject")),
            ("GET", Object, "x-id=GetObject&foo", Ok("GetObject")),
            ("GET", Object, "partNumber=3", Ok("GetObject")),
            ("GET", Object, "location", Ok("GetObject")),
            ("HEAD", Object, "", Ok("HeadObject")),
            ("HEAD", Object, "uploadId=x", Ok("HeadObject")),
            ("PUT", Object, "", Ok("PutObject")),
            ("PUT", Object, "x-id=PutObject", Ok("PutObject")),
            ("PUT", Object, "tagging", Ok("PutObjectTagging")),
            ("PUT", Object, "acl", Ok("PutObjectAcl")),
            ("PUT", Object, "retention", Ok("PutObjectRetention")),
            ("PUT", Object, "partNumber=1&uploadId=x", Ok("UploadPart")),
            ("PUT", Object, "partNumber=1", Err("InvalidArgument")),
            ("PUT", Object, "uploadId=x", Err("MethodNotAllowed")),
            ("DELETE", Object, "", Ok("DeleteObject")),
            ("DELETE", Object, "versionId=null", Ok("DeleteObject")),
            ("DELETE", Object, "uploadId=x", Ok("AbortMultipartUpload")),
            ("DELETE", Object, "tagging", Ok("DeleteObjectTagging")),
            ("DELETE", Object, "acl", Err("MethodNotAllowed")),
            ("GET", Object, "uploadId=x", Ok("ListParts")),
            ("GET", Object, "uploads", Err("InvalidRequest")),
            ("GET", Object, "versions", Err("InvalidRequest")),
            ("POST", Object, "uploads", Ok("CreateMultipartUpload")),
            ("POST", Object, "uploadId=x", Ok("CompleteMultipartUpload")),
            ("POST", Object, "select&select-type=2", Ok("SelectObjectContent")),
            ("POST", Object, "restore", Ok("RestoreObject")),
            ("POST", Object, "", Err("MethodNotAllowed")),
            ("GET", Object, "attributes", Ok("GetObjectAttributes")),
            ("GET", Object, "torrent", Ok("GetObjectTorrent")),
        ];
        for (method, level, query, want) in cases {
            assert_eq!(of(method, level, query, Source::Body), want, "{method} {level:?} ?{query}");
        }
        assert_eq!(of("PUT", Object, "", Source::Copy), Ok("CopyObject"));
        assert_eq!(of("PUT", Object, "partNumber=1&uploadId=x", Source::Copy), Ok("UploadPartCopy"));
    }

    #[test]
    fn every_sub_resource_stands_once_and_refuses_other_methods_by_name() {
        for rows in [BUCKET, OBJECT] {
            for (place, row) in rows.iter().enumerate() {
                assert!(rows.iter().skip(place + 1).all(|other| other.parameter != row.parameter));
                assert!(!row.allow().is_empty(), "{} can do something", row.parameter);
                assert_eq!(row.operation(&Method::PATCH), None);
            }
        }
    }
}
