//! `drystone serve`: puts the rooms together, and takes them apart in the right order.
//!
//! Start: open the doors, recover, find or make the root key, create buckets, listen, say so. Stop:
//! stop accepting, finish what is in flight, stop the workers, close the doors cleanly.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use drystone_core::access::Caller;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::error::Error;
use drystone_core::names::{AccountId, BucketName};
use drystone_core::store::{Chain, Parts, Store};
use drystone_core::world::{Clock, Entropy};
use drystone_server::admin::{Admin, Readiness};
use drystone_server::aside::Aside;
use drystone_server::audit::AuditLog;
use drystone_server::listen::{ListenOptions, Listener, TlsFiles};
use drystone_server::metrics::Metrics;
use drystone_server::request_id::RequestIds;
use drystone_server::s3::auth::{Account, Authenticator, Credential, CredentialStore};
use drystone_server::s3::service::{S3, S3Parts};
use drystone_store::world::{SystemClock, SystemEntropy};
use drystone_store::{OpenOptions, Opened, descriptors};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::abort_jobs;
use crate::args::ServeArgs;
use crate::census;
use crate::config::{DataPlace, Settings};
use crate::connections::Connections;
use crate::greeting::{self, Endpoint};
use crate::housekeeping;
use crate::keys::{Environment, KeyPair, MadeKey, Root};
use crate::log;
use crate::scrub;
use crate::signals::Stop;

/// What `--memory` holds at most, in bytes of bodies: 4 GiB.
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Exit code when metadata could not be made durable: restart to recover.
const EXIT_POISONED: i32 = 3;

/// Serves until a signal asks for a stop.
///
/// # Errors
/// What kept the server from starting, or what ended it.
pub(crate) fn run(args: ServeArgs) -> Result<()> {
    let settings = Settings::resolve(args, &Environment::of_process())?;
    log::start(settings.log_format, &settings.log, settings.audit)?;
    for notice in &settings.notices {
        tracing::info!("{notice}");
    }
    let tls =
        settings.tls.as_ref().map(|files| TlsFiles { cert: files.cert.clone(), key: files.key.clone() });
    // Nothing is made on disk for a server that cannot start.
    tls.as_ref().map_or(Ok(()), TlsFiles::check).context("read --tls-cert and --tls-key")?;
    let connections = connections(&settings.place)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let opened = open(&settings.place)?;
    let served = runtime.block_on(serve(settings, tls, connections, &opened));
    // Workers and connections end before the doors close.
    drop(runtime);
    opened.close().context("close the data directory")?;
    served
}

/// How many connections there is room for beside the files of the store.
fn connections(place: &DataPlace) -> Result<Connections> {
    let limit = descriptors::raise_limit();
    let store = match place {
        DataPlace::Memory => 0,
        DataPlace::Directory(_) => descriptors::store_max(limit),
    };
    Connections::within(limit, store)
}

fn open(place: &DataPlace) -> Result<Opened> {
    match place {
        DataPlace::Memory => Ok(drystone_store::memory(MEMORY_BYTES_MAX)),
        DataPlace::Directory(dir) => {
            let options = OpenOptions::new(dir).on_fatal(|reason| {
                // Nobody knows what the disk holds now. Going on would acknowledge on sand.
                tracing::error!(reason, "metadata could not be made durable; stopping, restart to recover");
                std::process::exit(EXIT_POISONED);
            });
            Ok(drystone_store::open(options)?)
        }
    }
}

async fn serve(
    settings: Settings,
    tls: Option<TlsFiles>,
    connections: Connections,
    opened: &Opened,
) -> Result<()> {
    let mut stop = Stop::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    // Before anything is counted.
    let metrics = Arc::new(Metrics::new());
    metrics.install().context("install the metrics")?;
    let parts = Parts {
        meta: opened.meta(),
        data: opened.data(),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    };
    let store = Arc::new(Store::new(parts).told_to(Arc::new(AuditLog::start())).held_to(settings.quotas));
    store.recover().await.context("recover after the last stop")?;
    let (configured, others): (Vec<_>, Vec<_>) =
        settings.keys.into_iter().partition(|key| key.account.is_none());
    let root = Root::find_or_make(data_dir(&settings.place), configured.first(), others.len(), &*entropy)?;
    create_buckets(&store, &root.account, settings.buckets).await?;

    let scheme = if tls.is_some() { "https" } else { "http" };
    let authenticator = authenticator(&root, &configured, &others, &settings.region, &*entropy)?;
    let mut listen = ListenOptions::new(settings.listen);
    listen.tls = tls;
    listen.connections_max = connections.s3;
    listen.traffic = metrics.traffic("s3");
    let mut admin_listen = ListenOptions::new(settings.admin_listen);
    admin_listen.connections_max = connections.admin;
    admin_listen.traffic = metrics.traffic("admin");
    let listener = Listener::bind(listen)?;
    let admin_listener = Listener::bind(admin_listen)?;
    let s3 = Arc::new(S3::new(S3Parts {
        store: Arc::clone(&store),
        authenticator,
        clock: Arc::clone(&clock),
        request_ids: RequestIds::new(&*entropy),
        metrics: Arc::clone(&metrics),
        domains: settings.domains,
        administrator: AccountId::new(root.account.as_str()),
    }));
    let admin = Arc::new(Admin::new(Arc::clone(&metrics), readiness(Arc::clone(&store))).with_api(s3.api()));

    let (asked, stopping) = watch::channel(());
    let until_stop = |mut stopping: watch::Receiver<()>| async move {
        // An error means that the sender is gone, which is a stop as well.
        drop(stopping.changed().await);
    };
    let address = listener.local_address();
    tracing::info!(
        s3 = %format_args!("{scheme}://{address}"),
        admin = %format_args!("http://{}", admin_listener.local_address()),
        data = %place_name(&settings.place),
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    if let Some(made) = root.made {
        greet(&made, &Endpoint { address, scheme, region: settings.region })?;
    }
    let aside = {
        let store = Arc::clone(&store);
        Arc::new(Aside::new(move || store.waits(), Arc::clone(&clock)))
    };
    let serving = async {
        let (s3, admin) = (aside.around(s3.handler()), aside.around(admin.handler()));
        let s3 = listener.serve(s3, until_stop(stopping.clone()));
        let admin = admin_listener.serve(admin, until_stop(stopping));
        let (drained, _) = tokio::join!(s3, admin);
        drained
    };
    let asking = async {
        let signal = stop.asked().await;
        tracing::info!(signal, "stopping: finishing the requests in flight");
        drop(asked);
    };
    // A task of its own, so that new clients are not kept waiting by what it looks up.
    let mut workers = JoinSet::new();
    workers.spawn(aside.of(Box::pin(work(Arc::clone(&store), clock, metrics, settings.scrub))));
    let drained = tokio::select! {
        (drained, ()) = async { tokio::join!(serving, asking) } => drained,
        Some(ended) = workers.join_next() => match ended {
            Ok(()) => unreachable!("the workers run for ever"),
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        },
    };
    workers.shutdown().await;
    // What the last requests freed goes back now; what cannot go is still on the list at the next start.
    if let Err(error) = store.give_back().await {
        tracing::warn!(error = %Chain(&error), "freed bytes could not be given back; the next start does it");
    }
    tracing::info!(finished = drained.finished, cut_off = drained.aborted, "stopped");
    Ok(())
}

/// What no request asks for, for ever.
async fn work(store: Arc<Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, pace: Option<scrub::Pace>) {
    tokio::join!(
        housekeeping::give_back(Arc::clone(&store)),
        housekeeping::run(Arc::clone(&store)),
        housekeeping::run_lifecycle(Arc::clone(&store), Arc::clone(&clock)),
        abort_jobs::run(Arc::clone(&store), Arc::clone(&clock)),
        census::run(Arc::clone(&store), clock, metrics),
        scrub::run(store, pace)
    );
}

fn data_dir(place: &DataPlace) -> Option<&Path> {
    match place {
        DataPlace::Directory(dir) => Some(dir),
        DataPlace::Memory => None,
    }
}

fn place_name(place: &DataPlace) -> String {
    data_dir(place).map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string())
}

fn readiness(store: Arc<Store>) -> impl Fn() -> Readiness + Send + Sync {
    move || match store.ready() {
        Ok(()) => Readiness::Ready,
        Err(error) => Readiness::NotReady { reason: Chain(&error).to_string() },
    }
}

async fn create_buckets(store: &Store, owner: &str, names: Vec<BucketName>) -> Result<()> {
    let caller = Caller::of(AccountId::new(owner));
    for name in names {
        match store.create_bucket(&caller, CreateBucket { name: name.clone(), region: None }).await {
            Ok(()) => tracing::info!(bucket = %name, "created the bucket"),
            Err(Error::BucketAlreadyOwnedByYou(_)) => {}
            Err(error) => return Err(error).with_context(|| format!("create the bucket {name}")),
        }
    }
    Ok(())
}

/// Everyone who may come in: the root key, configured or made, and the keys of the file.
fn authenticator(
    root: &Root,
    configured: &[KeyPair],
    others: &[KeyPair],
    region: &str,
    entropy: &dyn Entropy,
) -> Result<Authenticator> {
    let made = root.made.as_ref().map(|made| (made.key.access_key_id.as_str(), made.key.secret.clone()));
    let given = configured.iter().chain(others);
    let given = given.map(|key| (key.access_key_id.as_str(), key.secret.clone()));
    let account_of = |id: &str| {
        let named = others.iter().find(|key| key.access_key_id == id).and_then(|key| key.account.as_deref());
        let name = named.unwrap_or(&root.account);
        Arc::new(Account { id: name.to_owned(), display_name: name.to_owned() })
    };
    let credentials = made
        .into_iter()
        .chain(given)
        .map(|(id, secret)| Credential::new(id, secret, account_of(id)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut decoy = Zeroizing::new(vec![0; 32]);
    entropy.fill(&mut decoy);
    let decoy = decoy.iter().map(|byte| char::from(b'a' + byte % 26)).collect::<String>();
    Ok(Authenticator::new(CredentialStore::new(credentials, decoy.into())?, region))
}

/// Shows a key pair once, where the operator who started the server looks.
fn greet(made: &MadeKey, endpoint: &Endpoint) -> Result<()> {
    if made.first_start {
        log::print(&greeting::text(made, endpoint)).context("show the key pair that was made")?;
    } else if let Some(path) = &made.kept_in {
        tracing::info!(access_key_id = made.key.access_key_id, secret_in = %path.display(), "using the root key pair");
    }
    Ok(())
}
