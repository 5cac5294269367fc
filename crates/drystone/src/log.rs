//! Logs: structured events on standard error, as text or as JSON.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts logging. `filter` is a level, or a list of `target=level`.
///
/// # Errors
/// When `filter` is not one.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("`{filter}` is not a log level: use error, warn, info, debug or trace"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // By default a line that cannot be written, on a full disk for one, is complained about by a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Says something to the operator before logs have started, or instead of them.
pub(crate) fn complain(text: &str) {
    // Standard error may be closed; there is nobody left to tell then.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Writes data to standard output.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
