//! Runs one command to its end: a runtime, both streams, and the exit code.

use std::io::Write as _;
use std::process::ExitCode;

use crate::ending::Ending;
use crate::failure::Failure;

/// Runs a command; what fails is said on standard error.
pub fn run(command: impl Future<Output = Result<Ending, Failure>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(source) => Err(Failure::File { doing: "start the runtime".into(), source }),
    };
    let ending = outcome.unwrap_or_else(|failure| {
        if !failure.is_reader_gone() {
            // Standard error may be closed; there is nobody left to tell then.
            drop(writeln!(std::io::stderr(), "drystone: {failure}"));
        }
        failure.ending()
    });
    ending.into()
}
