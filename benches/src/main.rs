//! The load generator's command: arguments in, table or JSON out, and an exit code.
//!
//! Exit code: 0 everything was measured and no request failed; 1 something failed, or a server held
//! more memory than it may; 2 it could not be tried.
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is its product")]

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use drystone_bench::args::Args;
use drystone_bench::client::Client;
use drystone_bench::clock;
use drystone_bench::descriptors;
use drystone_bench::failure::Chain;
use drystone_bench::flamegraph::Sampler;
use drystone_bench::limit;
use drystone_bench::machine::{self, Machine};
use drystone_bench::peer::Peer;
use drystone_bench::plan::{Limits, Plan};
use drystone_bench::report::{Report, talk};
use drystone_bench::scenario::{MEMORY, Scenario};
use drystone_bench::server::Server;
use drystone_bench::stage::Stage;
use drystone_bench::target::Target;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

/// How long a server may take to answer the first request.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for workload in Scenario::ALL.iter().flat_map(|scenario| scenario.workloads()) {
            println!("{:<16}  {}", workload.name, workload.what);
        }
        return ExitCode::SUCCESS;
    }
    // One thread: with more, clients would take the server's share of a small machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.context("start the runtime").and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                outcome = run(&args) => outcome,
                outcome = interrupted() => outcome,
            }
        })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            talk(&format!("bench: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Ends with an error when this program is asked to end, so that started servers are stopped.
async fn interrupted() -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => bail!("interrupted"),
        outcome = tokio::signal::ctrl_c() => outcome.context("listen for SIGINT")?,
    }
    bail!("interrupted")
}

/// Measures everything; `false` when something failed.
async fn run(args: &Args) -> Result<bool> {
    let exe = std::env::current_exe().context("find this program")?;
    let plan = Plan::new(args, exe.parent().unwrap_or(Path::new(".")))?;
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    let json: Option<Box<dyn Write>> = match &args.json {
        None => None,
        Some(_) if to_stdout => Some(Box::new(std::io::stdout())),
        Some(path) => {
            let file = File::create(path).with_context(|| format!("make {}", path.display()))?;
            Some(Box::new(file))
        }
    };
    let report = RefCell::new(Report::new(json));
    let machine = Machine::look().await;
    report.borrow_mut().machine(&machine);
    talk(&format!(
        "{}, {} cores, {} MiB, Linux {}; others use {:.2} cores",
        machine.processor, machine.cores, machine.memory_mib, machine.kernel, machine.busy_before
    ));

    let sampler = args.flamegraph.as_ref().map(|_| Sampler::find(&plan.scratch)).transpose()?;
    descriptors::raise();
    let mut subjects = Vec::new();
    for launch in &plan.servers {
        let (server, target) = Server::start(launch, &plan.scratch, &plan.defaults).await?;
        if machine::is_in_memory(&server.data()) {
            talk(
                "the data lies in memory, where a sync costs nothing: choose another --scratch to measure writes",
            );
        }
        subjects.push(Subject { target, server: Some(Mutex::new(server)) });
    }
    subjects.extend(plan.targets.iter().cloned().map(|target| Subject { target, server: None }));
    let mut peers = Vec::new();
    for launch in &plan.peers {
        let peer = Peer::start(launch, &plan.scratch, &plan.defaults).await?;
        subjects.push(Subject { target: peer.target().clone(), server: None });
        peers.push(peer);
    }

    measure(&plan, &subjects, &report, sampler.as_ref()).await?;

    let mut clean = true;
    for server in subjects.into_iter().filter_map(|subject| subject.server) {
        if let Err(error) = server.into_inner().stop().await {
            talk(&format!("bench: {error:#}"));
            clean = false;
        }
    }
    for peer in peers {
        peer.end().await?;
    }
    let mut report = report.into_inner();
    report.finish().context("write the JSON")?;
    if !to_stdout {
        print!("{}", report.table());
    }
    if let Some(path) = &args.svg {
        let drawn = report.plot().context("draw the plot")?;
        std::fs::write(path, drawn).with_context(|| format!("write {}", path.display()))?;
    }
    if let (Some(workload), Some(sampler)) = (&args.flamegraph, &sampler) {
        draw(workload, args.out.as_deref(), sampler, to_stdout)?;
    }
    clean &= holds_little(&plan, &report) && report.is_clean();
    Ok(clean)
}

/// Draws what was sampled, and names the functions that took most of the time.
fn draw(workload: &str, out: Option<&Path>, sampler: &Sampler, to_stdout: bool) -> Result<()> {
    let default = format!("flamegraph-{workload}.svg");
    let path = out.unwrap_or(Path::new(&default));
    let stacks = sampler.stacks()?;
    std::fs::write(path, stacks.svg(workload)?).with_context(|| format!("write {}", path.display()))?;
    if !to_stdout {
        print!("\n{}", stacks.hottest());
    }
    talk(&format!("the flamegraph is in {}", path.display()));
    Ok(())
}

/// What is measured.
struct Subject {
    target: Target,
    /// The server behind it, where it was started here.
    server: Option<Mutex<Server>>,
}

/// Plays every wanted scenario on every target, the targets one after the other within a scenario, so
/// that they are compared under the same weather.
async fn measure(
    plan: &Plan,
    subjects: &[Subject],
    report: &RefCell<Report>,
    sampler: Option<&Sampler>,
) -> Result<()> {
    for target in subjects.iter().map(|subject| &subject.target).filter(|target| target.is_s3()) {
        let mut client = Client::new(target, 0);
        let made = clock::within(FIRST_ANSWER_MAX, client.make_bucket()).await;
        let made = made.with_context(|| format!("{} does not answer", target.name))?;
        made.with_context(|| format!("make the bucket {} on {}", target.bucket, target.name))?;
    }
    for run in 1..=plan.profile.runs {
        for scenario in Scenario::ALL {
            if !scenario.workloads().iter().any(|workload| plan.wanted.has(*workload)) {
                continue;
            }
            for Subject { target, server } in subjects {
                if !target.is_s3() && !scenario.is_plain() {
                    continue;
                }
                let salt = u64::try_from(clock::unix_time().as_nanos()).unwrap_or_default();
                let stage = Stage {
                    target,
                    server: server.as_ref(),
                    profile: &plan.profile,
                    wanted: &plan.wanted,
                    run,
                    salt,
                    report,
                    sampler,
                };
                if let Err(failure) = scenario.play(&stage).await {
                    report.borrow_mut().fail(&target.name, run, &Chain(&failure).to_string());
                }
            }
            if plan.limits == Limits::Measured {
                let measured =
                    limit::measure(scenario, &plan.profile, &plan.wanted, run, &plan.scratch).await?;
                if let Some(measurement) = measured {
                    report.borrow_mut().add(measurement);
                }
            }
        }
    }
    Ok(())
}

/// Whether no server held more memory than it may while many uploads streamed.
fn holds_little(plan: &Plan, report: &Report) -> bool {
    let Some(max) = plan.memory_mib_max else { return true };
    let mut little = true;
    for measurement in report.measurements().iter().filter(|m| m.workload == MEMORY.name) {
        match measurement.peak_rss_mib {
            #[expect(clippy::cast_precision_loss, reason = "a limit of some hundred MiB")]
            Some(peak) if peak > max as f64 => {
                talk(&format!(
                    "{} held {peak:.0} MiB with {} uploads; the most allowed is {max} MiB",
                    measurement.target, measurement.clients
                ));
                little = false;
            }
            Some(_) => {}
            None => talk(&format!("the memory of {} is not known: give its pids", measurement.target)),
        }
    }
    little
}
