//! Settings as meant: built-in values, under the configuration file, under the environment, under
//! the flags. Everything that can be checked without opening data is checked here.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use drystone_core::buckets::quota::Quotas;
use drystone_core::names::BucketName;
use serde::Deserialize;

use crate::args::{AuditOutput, LogFormat, ServeArgs};
use crate::keys::{Environment, KeyPair};
use crate::quotas::FileQuota;
use crate::scrub::Pace;

/// The configuration file that is read when none is named.
const DEFAULT_FILE: &str = "drystone.toml";

/// What `serve` will do.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where data is kept.
    pub(crate) place: DataPlace,
    /// Address for S3.
    pub(crate) listen: SocketAddr,
    /// Address for health and metrics.
    pub(crate) admin_listen: SocketAddr,
    /// Buckets to create at the start.
    pub(crate) buckets: Vec<BucketName>,
    /// Domains for virtual-host-style addressing, lower-case.
    pub(crate) domains: Vec<String>,
    /// Region that clients sign for.
    pub(crate) region: String,
    /// Certificate and key files.
    pub(crate) tls: Option<TlsFiles>,
    /// How stored bytes are read again; not at all in memory.
    pub(crate) scrub: Option<Pace>,
    /// Form of the log.
    pub(crate) log_format: LogFormat,
    /// Filter of the log.
    pub(crate) log: String,
    /// Where audit lines go.
    pub(crate) audit: AuditOutput,
    /// What buckets may hold.
    pub(crate) quotas: Quotas,
    /// Key pairs that were configured; the root pair first, if there is one.
    pub(crate) keys: Vec<KeyPair>,
    /// What the operator should know about how these settings came about.
    pub(crate) notices: Vec<String>,
}

/// Where data is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DataPlace {
    /// In a directory.
    Directory(PathBuf),
    /// In memory.
    Memory,
}

/// Certificate and key in PEM files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate chain.
    pub(crate) cert: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<String>,
    admin_listen: Option<String>,
    #[serde(default)]
    buckets: Vec<String>,
    #[serde(default)]
    domains: Vec<String>,
    region: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    memory: Option<bool>,
    scrub_every: Option<String>,
    scrub_mib_per_second: Option<u32>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    audit: Option<AuditOutput>,
    #[serde(default)]
    keys: Vec<FileKey>,
    #[serde(default)]
    quotas: Vec<FileQuota>,
}

/// A key pair in the configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    access_key_id: String,
    secret_access_key: Option<String>,
    secret_access_key_file: Option<PathBuf>,
    account: Option<String>,
}

impl std::fmt::Debug for FileKey {
    /// Shows everything but the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Settings {
    /// Puts the layers together. `args` hold flags and their environment variables already.
    ///
    /// # Errors
    /// What is wrong with which setting, and what it should be.
    pub(crate) fn resolve(args: ServeArgs, environment: &Environment) -> Result<Self> {
        let file = read_file(args.config.as_deref())?;
        let memory = args.memory || (args.data.is_none() && file.memory.unwrap_or(false));
        let place = if memory {
            DataPlace::Memory
        } else {
            DataPlace::Directory(args.data.or(file.data).unwrap_or_else(|| "./drystone-data".into()))
        };
        let tls = match (args.tls_cert.or(file.tls_cert), args.tls_key.or(file.tls_key)) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => bail!("a TLS certificate needs its private key: add --tls-key FILE"),
            (None, Some(_)) => bail!("a TLS private key needs its certificate: add --tls-cert FILE"),
        };
        let buckets = args.bucket.unwrap_or(file.buckets);
        let buckets = buckets.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let buckets = buckets.map(BucketName::parse).collect::<Result<_, _>>().context("read --bucket")?;
        let domains = args.domain.unwrap_or(file.domains);
        let domains = domains.iter().map(|domain| parse_domain(domain)).collect::<Result<_>>()?;
        let region = args.region.or(file.region).unwrap_or_else(|| "us-east-1".into());
        ensure!(
            !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "`{region}` is not a region: use letters, digits and hyphens, as in us-east-1"
        );
        let every = args.scrub_every.or(file.scrub_every);
        let mib = args.scrub_mib_per_second.or(file.scrub_mib_per_second);
        let scrub = if memory { None } else { read_pace(every.as_deref(), mib)? };
        let mut notices = Vec::new();
        let mut keys: Vec<KeyPair> = environment.root_key(&mut notices)?.into_iter().collect();
        for key in file.keys {
            keys.push(read_key(key)?);
        }
        let mut seen = BTreeSet::new();
        for key in &keys {
            ensure!(
                seen.insert(key.access_key_id.clone()),
                "the access key {} is configured twice; every key pair needs an id of its own",
                key.access_key_id
            );
        }
        Ok(Self {
            place,
            listen: read_address(args.listen.or(file.listen).as_deref().unwrap_or("localhost:9000"))?,
            admin_listen: read_address(
                args.admin_listen.or(file.admin_listen).as_deref().unwrap_or("localhost:9001"),
            )?,
            buckets,
            domains,
            region,
            tls,
            scrub,
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            log: args.log.or(file.log).unwrap_or_else(|| "info".into()),
            audit: args.audit.or(file.audit).unwrap_or_default(),
            quotas: crate::quotas::read(file.quotas)?,
            keys,
            notices,
        })
    }
}

/// An address to listen on. No name is looked up: what a name means can change, and who is let in with it.
fn read_address(text: &str) -> Result<SocketAddr> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    if let Some(port) = local {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().ok().with_context(|| {
        format!(
            "`{text}` is not an address to listen on: give an IP address and a port, as in 127.0.0.1:9000, \
             or 0.0.0.0:9000 for every network of this machine"
        )
    })
}

fn read_file(named: Option<&Path>) -> Result<File> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("read the configuration file {}", path.display()));
        }
    };
    // The parser's own message shows the line, which may hold a secret; its position is enough.
    toml::from_str(&text).map_err(|error| {
        let line =
            error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
        anyhow::anyhow!("{}, near line {line}: {}", path.display(), error.message())
    })
}

/// How often everything is read again, unless it is set otherwise.
const SCRUB_EVERY: &str = "7d";
/// How fast, in MiB a second.
const SCRUB_MIB_PER_SECOND: u32 = 16;

fn read_pace(every: Option<&str>, mib_per_second: Option<u32>) -> Result<Option<Pace>> {
    let every = every.unwrap_or(SCRUB_EVERY);
    if every == "never" {
        return Ok(None);
    }
    let seconds = every.parse::<jiff::Span>().ok().and_then(|span| {
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        span.total((jiff::Unit::Second, days)).ok().filter(|seconds| *seconds >= 1.0)
    });
    let Some(seconds) = seconds else {
        bail!("`{every}` is not a time for --scrub-every: give a second or more, as in 7d or 12h, or `never`")
    };
    let mib = mib_per_second.unwrap_or(SCRUB_MIB_PER_SECOND);
    ensure!(mib > 0, "--scrub-mib-per-second must be at least 1; to turn the scrub off, --scrub-every never");
    Ok(Some(Pace { every: Duration::from_secs_f64(seconds), bytes_per_second: u64::from(mib) << 20 }))
}

fn parse_domain(domain: &str) -> Result<String> {
    let domain = domain.trim().trim_matches('.').to_ascii_lowercase();
    ensure!(
        !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'),
        "`{domain}` is not a domain: give a host name such as s3.example.test, without scheme and port"
    );
    Ok(domain)
}

fn read_key(key: FileKey) -> Result<KeyPair> {
    let id = key.access_key_id;
    let secret = match (key.secret_access_key, key.secret_access_key_file) {
        (Some(secret), None) => secret.into(),
        (None, Some(file)) => crate::keys::read_secret_file(&file)?,
        _ => bail!("the access key {id} needs either secret_access_key or secret_access_key_file"),
    };
    let account = key.account.unwrap_or_else(|| id.clone());
    KeyPair::new(id, secret, Some(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: &str, args: ServeArgs, environment: &[(&str, &str)]) -> Result<Settings> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("drystone.toml");
        std::fs::write(&path, file)?;
        Settings::resolve(ServeArgs { config: Some(path), ..args }, &Environment::of(environment))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_built_in() {
        let args = ServeArgs { region: Some("eu-flag-1".into()), ..ServeArgs::default() };
        let file = "region = 'eu-file-1'\nlisten = 'localhost:1234'";
        let settings = resolve(file, args, &[]).unwrap();
        assert_eq!(settings.region, "eu-flag-1");
        assert_eq!(settings.listen, SocketAddr::from(([127, 0, 0, 1], 1234)));
        assert_eq!(settings.admin_listen, SocketAddr::from(([127, 0, 0, 1], 9001)));
        assert_eq!(settings.place, DataPlace::Directory("./drystone-data".into()));
    }

    #[test]
    fn a_data_flag_wins_over_memory_in_the_file() {
        let args = ServeArgs { data: Some("d".into()), ..ServeArgs::default() };
        assert_eq!(resolve("memory = true", args, &[]).unwrap().place, DataPlace::Directory("d".into()));
        assert_eq!(resolve("memory = true", ServeArgs::default(), &[]).unwrap().place, DataPlace::Memory);
    }

    #[test]
    fn the_scrub_has_a_pace_unless_it_is_turned_off() {
        let pace = |file: &str| resolve(file, ServeArgs::default(), &[]).unwrap().scrub;
        let of = |seconds, mib: u64| {
            Some(Pace { every: Duration::from_secs(seconds), bytes_per_second: mib << 20 })
        };
        assert_eq!(pace(""), of(7 * 86_400, 16));
        assert_eq!(pace("scrub_every = '1d 12h'\nscrub_mib_per_second = 3"), of(36 * 3600, 3));
        assert_eq!(pace("scrub_every = 'never'"), None);
        assert_eq!(pace("memory = true"), None);
    }

    #[test]
    fn bad_settings_say_what_is_expected() {
        let check = |file: &str, want: &str| {
            let error = format!("{:#}", resolve(file, ServeArgs::default(), &[]).unwrap_err());
            assert!(error.contains(want), "{error}");
        };
        for address in [":9000", "9000", "0.0.0.0", "s3.example.test:9000", "localhost:x"] {
            check(&format!("listen = '{address}'"), "as in 127.0.0.1:9000");
        }
        check("scrub_every = '1 fortnight'", "7d or 12h");
        check("scrub_every = '-1d'", "a second or more");
        check("scrub_mib_per_second = 0", "never");
        check("colour = 'red'", "unknown field `colour`");
        check("buckets = ['Upper']", "lower-case");
        check("domains = ['https://x']", "host name such as");
        check("tls_cert = 'c.pem'", "--tls-key");
        check("region = 'a b'", "us-east-1");
        check("audit = 'on'", "`log` or `off`");
        check("[[keys]]\naccess_key_id = 'AKIDEXAMPLE'", "secret_access_key");
        check("[[keys]]\naccess_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'short'", "at least");
        let twice = "[[keys]]\naccess_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'long enough'\n".repeat(2);
        check(&twice, "twice");
    }

    #[test]
    fn an_error_in_the_file_never_shows_a_secret() {
        let file = "[[keys]]\naccess_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'hunter2hunter2' oops";
        let error = format!("{:#}", resolve(file, ServeArgs::default(), &[]).unwrap_err());
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn several_key_pairs_own_their_own_accounts() {
        let file = "[[keys]]\naccess_key_id = 'ALICEALICE'\nsecret_access_key = 'alice secret'\n\
                    [[keys]]\naccess_key_id = 'BOBBOBBOB'\nsecret_access_key = 'bobs secret'\naccount = 'bob'";
        let environment =
            [("DRYSTONE_ACCESS_KEY_ID", "ROOTROOT"), ("DRYSTONE_SECRET_ACCESS_KEY", "root secret")];
        let keys = resolve(file, ServeArgs::default(), &environment).unwrap().keys;
        let accounts: Vec<_> = keys.iter().map(|key| key.account.as_deref()).collect();
        assert_eq!(accounts, [None, Some("ALICEALICE"), Some("bob")]);
    }
}
