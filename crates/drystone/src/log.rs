//! Logs: structured events on standard error, as text or as JSON.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context, Result};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{self, Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use crate::args::{AuditOutput, LogFormat};

/// Starts logging. `filter` is a level, or a list of `target=level`; whether there are audit lines is not its
/// business, because they are a record and no diagnosis.
///
/// # Errors
/// When `filter` is not one.
pub(crate) fn start(format: LogFormat, filter: &str, audit: AuditOutput) -> Result<()> {
    let level = match audit {
        AuditOutput::Log => LevelFilter::INFO,
        AuditOutput::Off => LevelFilter::OFF,
    };
    let audit = format!("{}={level}", drystone_server::audit::TARGET);
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("`{filter}` is not a log level: use error, warn, info, debug or trace"))?
        .add_directive(audit.parse().context("turn the audit lines on or off")?);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // By default a line that cannot be written, on a full disk for one, is complained about by a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.fmt_fields(JsonFields::new()).event_format(JsonLines::new()).init(),
    }
    Ok(())
}

/// Events as JSON. An audit line is whole without its request's span, which the text form leaves out by itself.
struct JsonLines {
    usual: Format<Json>,
    audit: Format<Json>,
}

impl JsonLines {
    fn new() -> Self {
        let usual = || format::format().json().with_target(false).flatten_event(true);
        Self { usual: usual(), audit: usual().with_current_span(false).with_span_list(false) }
    }
}

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let is_audit = event.metadata().target() == drystone_server::audit::TARGET;
        let format = if is_audit { &self.audit } else { &self.usual };
        format.format_event(context, writer, event)
    }
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
