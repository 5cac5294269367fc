//! One client: a connection, a signer, a buffer of body bytes, and the S3 calls of the workloads.
//!
//! Every call checks its answer: a status other than the expected, a body of another length or with
//! wrong stamps is a [`Failure`], never a fast request.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use tokio::net::TcpStream;

use crate::answer::{Answer, Sink, element};
use crate::connection::{Asked, Body, Connection};
use crate::failure::Failure;
use crate::payload::{Payload, StampCheck};
use crate::sign::{self, Extra, Signed, Signer, UNSIGNED_PAYLOAD};
use crate::target::{PayloadSigning, Target};

/// Longest piece of a refusal's body that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// Head of a CompleteMultipartUpload document.
const COMPLETE_ROOT: &str = "CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// Head of a VersioningConfiguration document.
const VERSIONING_ROOT: &str = "VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// What a server answers that has no such operation.
const NOT_IMPLEMENTED: u16 = 501;

/// A client of one server.
pub struct Client<'t> {
    payload: Payload,
    wire: Wire<'t>,
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct Page {
    /// Keys and common prefixes, or uploads, on it.
    pub entries: usize,
    /// Length of the answer's body, in bytes.
    pub bytes: u64,
    /// The query that asks for the next page.
    pub next: Option<Vec<(&'static str, String)>>,
}

/// What becomes of an object that is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It is kept as a noncurrent version.
    Enabled,
    /// The server answers that it does not keep versions.
    NotBuilt,
}

/// A version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object's key.
    pub key: String,
    /// The version's id.
    pub id: String,
}

/// An object, or a part of one, that is sent.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The object.
    pub id: u64,
    /// Where in the object the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
}

impl Source {
    /// A whole object.
    pub fn whole(id: u64, len: u64) -> Self {
        Self { id, offset: 0, len }
    }
}

impl<'t> Client<'t> {
    /// A client of `target` that makes bodies in a buffer of `payload_bytes`.
    pub fn new(target: &'t Target, payload_bytes: usize) -> Self {
        Self { payload: Payload::new(payload_bytes), wire: Wire::new(target) }
    }

    /// Opens the connection, so that no measured request pays for it.
    ///
    /// # Errors
    /// [`Failure::Connection`].
    pub async fn open(&mut self) -> Result<(), Failure> {
        self.wire.connection.open().await
    }

    /// Opens a new connection in the place of the one that there is.
    ///
    /// # Errors
    /// [`Failure::Connection`].
    pub async fn reopen(&mut self) -> Result<(), Failure> {
        drop(self.detach());
        self.open().await
    }

    /// Gives the open connection away, where there is one.
    pub fn detach(&mut self) -> Option<TcpStream> {
        self.wire.connection.detach()
    }

    /// Makes the bucket unless it is there.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn make_bucket(&mut self) -> Result<(), Failure> {
        let found = self.wire.ask(&Request::new("HEAD", "", &[]), &mut Body::Bytes(b""), Sink::Keep).await?;
        if found.is_success() {
            return Ok(());
        }
        self.wire.succeed(&Request::new("PUT", "", &[]), &mut Body::Bytes(b""), Sink::Keep).await.map(drop)
    }

    /// DeleteBucket, which must be empty.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn remove_bucket(&mut self) -> Result<(), Failure> {
        let request = Request::new("DELETE", "", &[]);
        self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Count).await.map(drop)
    }

    /// PutBucketVersioning: from now on the bucket keeps what is overwritten, where the server can do that.
    ///
    /// # Errors
    /// [`Failure`]; only a 501 says that a server cannot.
    pub async fn enable_versioning(&mut self) -> Result<Versioning, Failure> {
        let xml = format!("<{VERSIONING_ROOT}><Status>Enabled</Status></VersioningConfiguration>");
        let digest = content_md5(&xml);
        let request = Request { lines: &digest, ..Request::new("PUT", "", &[("versioning", "")]) };
        match self.wire.succeed(&request, &mut Body::Bytes(xml.as_bytes()), Sink::Keep).await {
            Ok(_) => Ok(Versioning::Enabled),
            Err(Failure::Status { status: NOT_IMPLEMENTED, .. }) => Ok(Versioning::NotBuilt),
            Err(failure) => Err(failure),
        }
    }

    /// The first page of ListObjectVersions, without delete markers.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn versions(&mut self) -> Result<Vec<Version>, Failure> {
        let request = Request::new("GET", "", &[("max-keys", "1000"), ("versions", "")]);
        let answer = self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Keep).await?;
        let version =
            |text: &str| Some(Version { key: element(text, "Key")?, id: element(text, "VersionId")? });
        let versions: Option<Vec<_>> = answer.text().split("<Version>").skip(1).map(version).collect();
        versions.ok_or_else(|| request.wrong("a version has no key or no id"))
    }

    /// DeleteObjects: all of `versions`, at most 1,000, in one request.
    ///
    /// # Errors
    /// [`Failure`]; a version that is not reported as deleted is one too.
    pub async fn delete_versions(&mut self, versions: &[Version]) -> Result<(), Failure> {
        let object = |Version { key, id }: &Version| {
            format!("<Object><Key>{key}</Key><VersionId>{id}</VersionId></Object>")
        };
        self.delete_objects(versions.iter().map(object)).await
    }

    /// PutObject.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn put(&mut self, key: &str, source: Source) -> Result<(), Failure> {
        self.send(&Request::new("PUT", key, &[]), source).await.map(drop)
    }

    /// UploadPart; the part's ETag.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn upload_part(
        &mut self,
        key: &str,
        upload: &str,
        part: u64,
        source: Source,
    ) -> Result<String, Failure> {
        let part = part.to_string();
        let query = [("partNumber", part.as_str()), ("uploadId", upload)];
        let request = Request::new("PUT", key, &query);
        let answer = self.send(&request, source).await?;
        answer.etag.ok_or_else(|| request.wrong("it has no ETag"))
    }

    async fn send(&mut self, request: &Request<'_>, source: Source) -> Result<Answer, Failure> {
        let Source { id, offset, len } = source;
        if len <= self.payload.len() as u64 {
            let bytes = self.payload.stamped(len, id, offset);
            return self.wire.succeed(request, &mut Body::Bytes(bytes), Sink::Count).await;
        }
        let hash = match self.wire.target.payload_signing {
            PayloadSigning::Signed => Some(self.payload.sha256(len, id, offset)),
            PayloadSigning::Unsigned => None,
        };
        let mut body = Body::Stream { payload: &mut self.payload, len, id, offset };
        self.wire.succeed_with_hash(request, &mut body, Sink::Count, hash.as_deref()).await
    }

    /// GetObject: the object `source` must come, whole.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&mut self, key: &str, source: Source) -> Result<(), Failure> {
        self.fetch(&Request::new("GET", key, &[]), source).await
    }

    /// GetObject of the range that begins at `from` in the object: the bytes of `source` must come.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get_range(&mut self, key: &str, from: u64, source: Source) -> Result<(), Failure> {
        let range = format!("range: bytes={from}-{}\r\n", (from + source.len).saturating_sub(1));
        self.fetch(&Request { lines: &range, ..Request::new("GET", key, &[]) }, source).await
    }

    async fn fetch(&mut self, request: &Request<'_>, source: Source) -> Result<(), Failure> {
        let sink = Sink::Check(StampCheck::new(source.id, source.offset));
        let answer = self.wire.succeed(request, &mut Body::Bytes(b""), sink).await?;
        if answer.len != source.len {
            return Err(request.wrong(format!("{} bytes came, not {}", answer.len, source.len)));
        }
        if answer.whole { Ok(()) } else { Err(request.wrong("other bytes came than were put")) }
    }

    /// HeadObject.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn head(&mut self, key: &str) -> Result<(), Failure> {
        self.wire.succeed(&Request::new("HEAD", key, &[]), &mut Body::Bytes(b""), Sink::Count).await.map(drop)
    }

    /// DeleteObject.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn delete(&mut self, key: &str) -> Result<(), Failure> {
        self.wire
            .succeed(&Request::new("DELETE", key, &[]), &mut Body::Bytes(b""), Sink::Count)
            .await
            .map(drop)
    }

    /// DeleteObjects: all of `keys`, at most 1,000, in one request.
    ///
    /// # Errors
    /// [`Failure`]; a key that is not reported as deleted is one too.
    pub async fn delete_batch(&mut self, keys: &[String]) -> Result<(), Failure> {
        self.delete_objects(keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>"))).await
    }

    /// DeleteObjects of elements as S3 wants them, at most 1,000.
    async fn delete_objects(
        &mut self,
        objects: impl ExactSizeIterator<Item = String>,
    ) -> Result<(), Failure> {
        let asked = objects.len();
        let mut xml = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        xml.extend(objects);
        xml.push_str("</Delete>");
        let digest = content_md5(&xml);
        let request = Request { lines: &digest, ..Request::new("POST", "", &[("delete", "")]) };
        let answer = self.wire.succeed(&request, &mut Body::Bytes(xml.as_bytes()), Sink::Keep).await?;
        let deleted = answer.text().matches("<Deleted>").count();
        if deleted == asked {
            return Ok(());
        }
        Err(request.wrong(format!("{deleted} of {asked} were deleted: {}", shown(&answer))))
    }

    /// UploadPartCopy of the whole object `from`, of the same bucket; the part's ETag.
    ///
    /// # Errors
    /// [`Failure`]; a 200 that carries an error is one too.
    pub async fn copy_part(
        &mut self,
        key: &str,
        upload: &str,
        part: u64,
        from: &str,
    ) -> Result<String, Failure> {
        let part = part.to_string();
        let source = format!("/{}/{from}", self.wire.target.bucket);
        let extra = [Extra { name: "x-amz-copy-source", value: &source }];
        let query = [("partNumber", part.as_str()), ("uploadId", upload)];
        let request = Request { extra: &extra, ..Request::new("PUT", key, &query) };
        let answer = self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Keep).await?;
        element(&answer.text(), "ETag").ok_or_else(|| request.wrong(shown(&answer)))
    }

    /// One page of ListObjectsV2 or ListMultipartUploads, as `query` asks for it.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn list(&mut self, mut query: Vec<(&str, &str)>) -> Result<Page, Failure> {
        // Signatures are made over sorted names.
        query.sort_unstable();
        let request = Request::new("GET", "", &query);
        let answer = self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Keep).await?;
        let text = answer.text();
        let count = |element| text.matches(element).count();
        let entries = count("<Key>") + count("<CommonPrefixes>");
        let mut next = None;
        if element(&text, "IsTruncated").as_deref() == Some("true") {
            let markers = [
                ("NextContinuationToken", "continuation-token"),
                ("NextKeyMarker", "key-marker"),
                ("NextUploadIdMarker", "upload-id-marker"),
            ];
            let found = markers.iter().filter_map(|(name, query)| Some((*query, element(&text, name)?)));
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err(request.wrong("it is truncated and does not say how to go on"));
            }
            next = Some(found);
        }
        Ok(Page { entries, bytes: answer.len, next })
    }

    /// CreateMultipartUpload; the upload's id.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn create_upload(&mut self, key: &str) -> Result<String, Failure> {
        let request = Request::new("POST", key, &[("uploads", "")]);
        let answer = self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Keep).await?;
        element(&answer.text(), "UploadId").ok_or_else(|| request.wrong("it has no UploadId"))
    }

    /// CompleteMultipartUpload with parts 1, 2, … of these ETags.
    ///
    /// # Errors
    /// [`Failure`]; a 200 that carries an error is one too.
    pub async fn complete_upload(
        &mut self,
        key: &str,
        upload: &str,
        etags: &[String],
    ) -> Result<(), Failure> {
        let mut xml = format!("<{COMPLETE_ROOT}>");
        for (part, etag) in (1..).zip(etags) {
            let etag = etag.replace('"', "&quot;");
            write!(xml, "<Part><PartNumber>{part}</PartNumber><ETag>{etag}</ETag></Part>")
                .expect("a String takes every write");
        }
        xml.push_str("</CompleteMultipartUpload>");
        let query = [("uploadId", upload)];
        let request = Request::new("POST", key, &query);
        let answer = self.wire.succeed(&request, &mut Body::Bytes(xml.as_bytes()), Sink::Keep).await?;
        // S3 may begin a 200 before it knows, and end it with an error.
        let text = answer.text();
        let completed = element(&text, "ETag").is_some() && !text.contains("<Error>");
        if completed { Ok(()) } else { Err(request.wrong(shown(&answer))) }
    }

    /// A request of the API for administrators, by its whole path; the text of the answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn api(&mut self, method: &'static str, path: &str, body: &str) -> Result<String, Failure> {
        let request = Request { root: Some(path), ..Request::new(method, "", &[]) };
        let answer = self.wire.succeed(&request, &mut Body::Bytes(body.as_bytes()), Sink::Keep).await?;
        Ok(answer.text().into_owned())
    }

    /// AbortMultipartUpload.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn abort_upload(&mut self, key: &str, upload: &str) -> Result<(), Failure> {
        let query = [("uploadId", upload)];
        let request = Request::new("DELETE", key, &query);
        self.wire.succeed(&request, &mut Body::Bytes(b""), Sink::Count).await.map(drop)
    }
}

/// A request without its body.
struct Request<'a> {
    method: &'static str,
    /// The path, where it names no bucket.
    root: Option<&'a str>,
    key: &'a str,
    query: &'a [(&'a str, &'a str)],
    /// Headers that are not signed, each with its line's end.
    lines: &'a str,
    /// Headers that are.
    extra: &'a [Extra<'a>],
}

impl<'a> Request<'a> {
    fn new(method: &'static str, key: &'a str, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method, root: None, key, query, lines: "", extra: &[] }
    }

    fn wrong(&self, why: impl Into<String>) -> Failure {
        Failure::Wrong { request: self.to_string(), why: why.into() }
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.root.unwrap_or(self.key))?;
        let mut separator = '?';
        for (name, _) in self.query {
            write!(f, "{separator}{name}")?;
            separator = '&';
        }
        Ok(())
    }
}

/// The part of a client that knows HTTP.
struct Wire<'t> {
    target: &'t Target,
    connection: Connection,
    signer: Option<Signer>,
    host: String,
    path: String,
    query: String,
    head: String,
}

impl<'t> Wire<'t> {
    fn new(target: &'t Target) -> Self {
        Self {
            target,
            connection: Connection::new(target.endpoint.address()),
            signer: target.credentials.as_ref().map(Signer::new),
            host: target.endpoint.address().to_string(),
            path: String::new(),
            query: String::new(),
            head: String::new(),
        }
    }

    async fn succeed(
        &mut self,
        request: &Request<'_>,
        body: &mut Body<'_>,
        sink: Sink,
    ) -> Result<Answer, Failure> {
        self.succeed_with_hash(request, body, sink, None).await
    }

    async fn succeed_with_hash(
        &mut self,
        request: &Request<'_>,
        body: &mut Body<'_>,
        sink: Sink,
        hash: Option<&str>,
    ) -> Result<Answer, Failure> {
        let answer = self.ask_with_hash(request, body, sink, hash).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(Failure::Status { request: request.to_string(), status: answer.status, body: shown(&answer) })
    }

    async fn ask(
        &mut self,
        request: &Request<'_>,
        body: &mut Body<'_>,
        sink: Sink,
    ) -> Result<Answer, Failure> {
        self.ask_with_hash(request, body, sink, None).await
    }

    async fn ask_with_hash(
        &mut self,
        request: &Request<'_>,
        body: &mut Body<'_>,
        sink: Sink,
        hash: Option<&str>,
    ) -> Result<Answer, Failure> {
        self.write_head(request, body, hash);
        let asked = if request.method == "HEAD" { Asked::HeadOnly } else { Asked::Body };
        self.connection.exchange(&self.head, body, sink, asked).await
    }

    /// Writes the head of `request`, signed where the target wants it. Keys are of this program and
    /// need no encoding; queries may hold what a server sent, and are encoded.
    fn write_head(&mut self, request: &Request<'_>, body: &Body<'_>, hash: Option<&str>) {
        let Self { target, signer, host, path, query, head, .. } = self;
        for text in [&mut *path, &mut *query, &mut *head] {
            text.clear();
        }
        let separator = if request.key.is_empty() { "" } else { "/" };
        match request.root {
            Some(root) => path.push_str(root),
            None => write!(path, "/{}{separator}{}", target.bucket, request.key)
                .expect("a String takes every write"),
        }
        for (name, value) in request.query {
            let separator = if query.is_empty() { "" } else { "&" };
            query.push_str(separator);
            sign::write_encoded(query, name);
            query.push('=');
            sign::write_encoded(query, value);
        }
        let mark = if query.is_empty() { "" } else { "?" };
        write!(head, "{} {path}{mark}{query} HTTP/1.1\r\nhost: {host}\r\n", request.method)
            .expect("a String takes every write");
        if let Some(signer) = signer {
            let computed;
            let payload = match (hash, target.payload_signing, body) {
                (Some(hash), _, _) => hash,
                (None, PayloadSigning::Signed, Body::Bytes(bytes)) => {
                    computed = sign::sha256_hex(bytes);
                    &computed
                }
                (None, _, _) => UNSIGNED_PAYLOAD,
            };
            signer.write_headers(
                head,
                &Signed { method: request.method, path, query, host, payload, extra: request.extra },
            );
        }
        let len = match body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Stream { len, .. } => *len,
        };
        if len > 0 || matches!(request.method, "PUT" | "POST") {
            write!(head, "content-length: {len}\r\n").expect("a String takes every write");
        }
        head.push_str(request.lines);
        head.push_str("\r\n");
    }
}

/// The header that S3 wants beside some bodies, whatever the signature says of them, with its line's end.
fn content_md5(body: &str) -> String {
    format!("content-md5: {}\r\n", BASE64.encode(Md5::digest(body.as_bytes())))
}

fn shown(answer: &Answer) -> String {
    answer.text().chars().take(SHOWN_CHARS_MAX).collect()
}
