//! Arguments as typed.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::target::{BUCKET, PayloadSigning};

/// Measures S3 servers on this machine: speed, latency, CPU time, memory, bytes written.
///
/// Without --endpoint, --target or --server it starts the `drystone` that was built beside it, in a
/// folder of its own that it removes afterwards.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "drystone-bench",
    bin_name = "cargo xtask bench",
    after_help = "\
Compare servers in one run: other servers that it starts itself, the machine's own limits, and a plot:
  cargo xtask bench --profile full --peers --limits --svg bench.svg

The same with servers that run already, workload by workload, each with what can be seen of it:
  cargo xtask bench --profile full --server \\
    --target garage=http://127.0.0.1:3900,access-key=K,secret-key=S,region=garage,pids=123,data=/srv/garage

Fields of a target: access-key, secret-key, region, bucket, pids=1+2, data=DIR, style=s3|plain. What is not
given comes from the options of the same name. Results are worth something on a quiet machine only; notes
say when it was not."
)]
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed; the plan makes enums of them")]
pub struct Args {
    /// How much of everything
    #[arg(long, value_enum, default_value_t = ProfileName::Quick)]
    pub profile: ProfileName,
    /// A few requests of every workload, to prove that everything works; figures mean nothing
    #[arg(long, conflicts_with_all = ["profile", "memory"])]
    pub smoke: bool,
    /// Only 64 uploads of 1 GiB at once: fails when the server holds more than --memory-mib-max
    #[arg(long, conflicts_with_all = ["only", "skip"])]
    pub memory: bool,
    /// Only what size does: a store of --keys-many keys against one of 10,000, its start, and a list of --uploads-many
    #[arg(long, conflicts_with_all = ["only", "skip", "memory", "smoke"])]
    pub grown: bool,
    /// How many keys the store of --grown has
    #[arg(long, value_name = "COUNT")]
    pub keys_many: Option<u64>,
    /// How many uploads list-uploads-many and abort-job make
    #[arg(long, value_name = "COUNT")]
    pub uploads_many: Option<u64>,
    /// How many connections rest in idle-connections
    #[arg(long, value_name = "COUNT")]
    pub idle_connections: Option<u64>,
    /// Size of the objects of put4k, get4k, head4k and delete4k, in bytes
    #[arg(long, value_name = "BYTES")]
    pub small_bytes: Option<u64>,
    /// How many uploads --memory sends at once
    #[arg(long, value_name = "COUNT")]
    pub memory_uploads: Option<u64>,
    /// Size of each upload of --memory, in MiB
    #[arg(long, value_name = "MIB")]
    pub memory_upload_mib: Option<u64>,
    /// Most memory that a server may hold in --memory, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub memory_mib_max: u64,
    /// Only these workloads
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not these workloads
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Only this workload: perf samples the server meanwhile, and a flamegraph shows where its time goes
    #[arg(long, value_name = "WORKLOAD", conflicts_with_all = ["only", "skip", "memory", "grown", "smoke", "peers"])]
    pub flamegraph: Option<String>,
    /// Where the flamegraph is put [default: flamegraph-WORKLOAD.svg]
    #[arg(long, value_name = "FILE", requires = "flamegraph")]
    pub out: Option<PathBuf>,
    /// Print the workloads' names and end
    #[arg(long)]
    pub list: bool,
    /// How often everything is measured; the table shows medians
    #[arg(long, value_name = "COUNT")]
    pub runs: Option<u32>,
    /// Time for each workload that repeats a request, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// A server that runs already: http://127.0.0.1:PORT
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Another server that runs already
    #[arg(long, value_name = "NAME=URL[,FIELD=VALUE]...")]
    pub target: Vec<String>,
    /// A drystone to start; without PATH the one that was built beside this program
    #[arg(long, value_name = "[NAME=]PATH", num_args = 0..=1, default_missing_value = "")]
    pub server: Vec<String>,
    /// Other servers to start and to measure in the same run: garage, garage-sync (every sync on), nginx
    #[arg(long, value_name = "NAMES", num_args = 0..=1, default_missing_value = "garage,garage-sync,nginx")]
    pub peers: Option<String>,
    /// The program of Garage [default: as commands are found]
    #[arg(long, value_name = "PATH", requires = "peers")]
    pub garage: Option<PathBuf>,
    /// The program of nginx [default: as commands are found]
    #[arg(long, value_name = "PATH", requires = "peers")]
    pub nginx: Option<PathBuf>,
    /// Measure the machine's own limits too: durable writes of the same sizes without a server, and MD5
    #[arg(long)]
    pub limits: bool,
    /// Where a started server's data is put [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Access key of --endpoint and of targets that name none
    #[arg(
        long,
        value_name = "ID",
        env = "AWS_ACCESS_KEY_ID",
        default_value = "bench",
        hide_env_values = true
    )]
    pub access_key: String,
    /// Its secret
    #[arg(
        long,
        value_name = "SECRET",
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "bench-secret",
        hide_env_values = true
    )]
    pub secret_key: String,
    /// Its region
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: String,
    /// Bucket to use; it is made if it is missing
    #[arg(long, value_name = "NAME", default_value = BUCKET)]
    pub bucket: String,
    /// Process ids of --endpoint, for CPU time, memory and bytes written
    #[arg(long, value_name = "PIDS", value_delimiter = ',')]
    pub pids: Vec<String>,
    /// Data directory of --endpoint, for disk use
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Whether bodies are hashed for the signature
    #[arg(long, value_enum, default_value_t = PayloadSigning::Unsigned)]
    pub payload: PayloadSigning,
    /// Draw everything into FILE: a panel for each workload, a bar for each target
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write JSON lines to FILE; without FILE to standard output, instead of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
}

/// A profile's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// A minute or so
    Quick,
    /// What is published: 1 GiB, 10,000 keys, three runs
    Full,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Args;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
