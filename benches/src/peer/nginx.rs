//! nginx: files of a folder, with DAV for PUT and DELETE, one worker for each core.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock;
use crate::endpoint::Endpoint;
use crate::launched::{Launched, free_ports};
use crate::target::{Defaults, Target};

/// How often, and with which pause, its workers are looked for: it listens before it has them all.
const TRIES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(5);

/// Starts it in `folder`.
///
/// # Errors
/// It ends, does not listen, or has not all of its workers in time.
pub(super) async fn start(
    name: &str,
    program: &Path,
    folder: &Path,
    defaults: &Defaults,
) -> Result<(Launched, Target)> {
    let (address, _) = free_ports().context("find free ports")?;
    let bucket = folder.join("data").join(&defaults.bucket);
    fs::create_dir_all(&bucket).context("make its data folder")?;
    let config = folder.join("nginx.conf");
    let at = folder.display();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Workers of a master that is root would be somebody else, who may not write here.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let text = format!(
        "{user}\ndaemon off;\nworker_processes {workers};\nworker_rlimit_nofile 16384;\npid {at}/nginx.pid;\nerror_log \
         {at}/server.log warn;\nevents {{ worker_connections 8192; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  \
         tcp_nopush on;\n  tcp_nodelay on;\n  keepalive_timeout 1h;\n  keepalive_requests 1000000000;\n  \
         client_max_body_size 0;\n  client_body_temp_path {at}/data/bodies;\n  proxy_temp_path {at}/proxy;\n  \
         fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n  server {{\n    \
         listen {address} reuseport;\n    root {at}/data;\n    location / {{\n      dav_methods PUT DELETE;\n      \
         create_full_put_path on;\n    }}\n  }}\n}}\n"
    );
    fs::write(&config, text).context("write its configuration")?;
    let mut command = Command::new(program);
    command.env_clear().current_dir(folder).arg("-p").arg(folder).arg("-c").arg(&config);
    let mut process = Launched::start(&mut command, folder.join("server.log"))?;
    process.until_listening(address).await?;
    // The CPU time of a worker that nobody counts would make the others look cheap.
    let mut tries = 0;
    while process.children().len() < workers {
        ensure!(tries < TRIES, "it has not all of its {workers} workers\n{}", process.said());
        tries += 1;
        clock::pause(PAUSE).await;
    }
    let mut target = Target::new(name, Endpoint::parse(&address.to_string())?, defaults);
    target.credentials = None;
    Ok((process, target))
}
