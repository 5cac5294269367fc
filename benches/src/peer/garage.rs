//! Garage: a configuration, one node, a key that may make buckets.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock;
use crate::endpoint::Endpoint;
use crate::launched::{Launched, free_ports};
use crate::sign::Credentials;
use crate::target::{Defaults, Target};

/// What it syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syncs {
    /// Nothing, as it comes.
    None,
    /// Data and metadata.
    All,
}

/// A key pair in the form that it takes: `GK` and 24 digits, 64 digits.
const ACCESS_KEY: &str = "GK0123456789ab0123456789ab";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What its nodes would know each other by.
const RPC_SECRET: &str = "abababababababababababababababababababababababababababababababab";

/// How often, and with which pause, it is asked to let the key make buckets: it says yes when its cluster of one
/// has formed.
const TRIES: usize = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// Starts it in `folder`.
///
/// # Errors
/// It ends, does not listen, or does not take the key.
pub(super) async fn start(
    name: &str,
    program: &Path,
    folder: &Path,
    syncs: Syncs,
    defaults: &Defaults,
) -> Result<(Launched, Target)> {
    let (s3, rpc) = free_ports().context("find free ports")?;
    let region = &defaults.credentials.region;
    let at = folder.display();
    let sync = match syncs {
        Syncs::None => "",
        Syncs::All => "metadata_fsync = true\ndata_fsync = true\n",
    };
    fs::create_dir_all(folder.join("data")).context("make its data folder")?;
    let config = folder.join("garage.toml");
    let text = format!(
        "metadata_dir = \"{at}/data/meta\"\ndata_dir = \"{at}/data/blocks\"\ndb_engine = \"lmdb\"\n{sync}\
         replication_factor = 1\nrpc_bind_addr = \"{rpc}\"\nrpc_public_addr = \"{rpc}\"\nrpc_secret = \
         \"{RPC_SECRET}\"\n[s3_api]\ns3_region = \"{region}\"\napi_bind_addr = \"{s3}\"\nroot_domain = \
         \".s3.garage.test\"\n"
    );
    fs::write(&config, text).context("write its configuration")?;
    let command = || {
        let mut command = Command::new(program);
        command.env_clear().env("RUST_LOG", "warn").current_dir(folder).arg("-c").arg(&config);
        command
    };
    let mut serve = command();
    serve
        .args(["server", "--single-node", "--default-access-key"])
        .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
        .env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY);
    let mut process = Launched::start(&mut serve, folder.join("server.log"))?;
    process.until_listening(s3).await?;
    allow(&command, &process).await?;
    let mut target = Target::new(name, Endpoint::parse(&s3.to_string())?, defaults);
    target.credentials = Some(Credentials {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        region: region.clone(),
    });
    Ok((process, target))
}

async fn allow(command: &impl Fn() -> Command, process: &Launched) -> Result<()> {
    let mut refusal = String::new();
    for _ in 0..TRIES {
        let asked = command().args(["key", "allow", "--create-bucket", ACCESS_KEY]).output();
        let asked = asked.context("ask it to let the key make buckets")?;
        if asked.status.success() {
            return Ok(());
        }
        refusal = String::from_utf8_lossy(&asked.stderr).into_owned();
        clock::pause(PAUSE).await;
    }
    bail!("it does not let the key make buckets: {refusal}\n{}", process.said())
}
