//! Arguments as typed: what the command line and its environment say, before anything is decided.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use drystone_client::objects::ObjectsVerb;
use drystone_client::uploads::UploadsArgs;

/// An S3-compatible object store in one binary.
#[derive(Debug, Parser)]
#[command(name = "drystone", version, arg_required_else_help = true)]
#[command(
    after_help = "Start a server on 127.0.0.1:9000 with its data in ./drystone-data:\n  drystone serve\n\n\
                        Prove that a stopped server's data is whole:\n  drystone verify"
)]
pub(crate) struct Command {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve S3 from a data directory.
    Serve(Box<ServeArgs>),
    /// Prove that stored data is whole and that no byte is left over.
    Verify(VerifyArgs),
    /// Unfinished multipart uploads on any S3 server: list, measure, abort, finish.
    Uploads(Box<UploadsArgs>),
    /// Buckets and objects.
    #[command(flatten)]
    Objects(ObjectsVerb),
}

/// Settings of `serve`. Each can also stand in a configuration file and in the environment; a flag
/// wins over the environment, the environment over the file.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Credentials come from DRYSTONE_ACCESS_KEY_ID and DRYSTONE_SECRET_ACCESS_KEY, or from the files that
DRYSTONE_ACCESS_KEY_ID_FILE and DRYSTONE_SECRET_ACCESS_KEY_FILE name; AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, or MINIO_ROOT_USER and MINIO_ROOT_PASSWORD, are accepted too. More key pairs
can stand in the configuration file. Without any, the first start makes a key pair and prints it once.

Examples:
  drystone serve
  drystone serve --data /srv/s3 --listen 0.0.0.0:9000 --tls-cert cert.pem --tls-key key.pem
  drystone serve --memory --bucket test            a throw-away server for CI

examples/drystone.toml shows every setting in a configuration file.")]
pub(crate) struct ServeArgs {
    /// Configuration file [default: ./drystone.toml if it exists]
    #[arg(long, env = "DRYSTONE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory that holds all data [default: ./drystone-data]
    #[arg(long, env = "DRYSTONE_DATA", value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Address for S3 [default: 127.0.0.1:9000]
    #[arg(long, env = "DRYSTONE_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Address for health and metrics [default: 127.0.0.1:9001]
    #[arg(long, env = "DRYSTONE_ADMIN_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// Buckets to create at the start, separated by commas
    #[arg(long, env = "DRYSTONE_BUCKET", value_name = "NAMES", value_delimiter = ',')]
    pub(crate) bucket: Option<Vec<String>>,
    /// Domains under which buckets are host names, as in bucket.s3.example.test
    #[arg(long, env = "DRYSTONE_DOMAIN", value_name = "DOMAINS", value_delimiter = ',')]
    pub(crate) domain: Option<Vec<String>>,
    /// Region that clients sign for [default: us-east-1]
    #[arg(long, env = "DRYSTONE_REGION", value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// PEM file with the certificate chain; S3 is then served over TLS
    #[arg(long, env = "DRYSTONE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "DRYSTONE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Keep everything in memory: nothing outlives the process
    #[arg(long, env = "DRYSTONE_MEMORY")]
    pub(crate) memory: bool,
    /// How often everything stored is read again and compared with its checksums: 7d, 12h; or `never` [default: 7d]
    #[arg(long, env = "DRYSTONE_SCRUB_EVERY", value_name = "TIME")]
    pub(crate) scrub_every: Option<String>,
    /// How fast that goes on, in MiB a second [default: 16]
    #[arg(long, env = "DRYSTONE_SCRUB_MIB_PER_SECOND", value_name = "MIB")]
    pub(crate) scrub_mib_per_second: Option<u32>,
    /// Form of the log on standard error [default: text]
    #[arg(long, env = "DRYSTONE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "DRYSTONE_LOG", value_name = "LEVEL")]
    pub(crate) log: Option<String>,
    /// Where a line goes for each upload that is created, completed, aborted or expires [default: log]
    #[arg(long, env = "DRYSTONE_AUDIT", value_name = "WHERE")]
    pub(crate) audit: Option<AuditOutput>,
}

/// Where audit lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditOutput {
    /// Into the log, whatever level it shows.
    #[default]
    Log,
    /// Nowhere.
    Off,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line of text for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// Settings of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads every object and every part of an upload in progress, compares it with its checksum, and matches
every byte that the volumes take with its owner. Changes nothing. The server must be stopped.

Exit code: 0 everything is whole, 1 something is wrong, 2 it could not be found out.")]
pub(crate) struct VerifyArgs {
    /// Directory that holds the data
    #[arg(long, env = "DRYSTONE_DATA", value_name = "DIR", default_value = "./drystone-data")]
    pub(crate) data: PathBuf,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Command;

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }
}
