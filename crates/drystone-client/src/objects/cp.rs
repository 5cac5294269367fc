//! `drystone cp`: copies files and objects, here to S3, S3 to here, S3 to S3.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::objects::filters::Filters;
use crate::objects::job::Job;
use crate::objects::listing::{Depth, Listing};
use crate::objects::local_walk::LocalWalk;
use crate::objects::naming;
use crate::objects::place::Place;
use crate::objects::runner::{Runner, Talk};
use crate::output::{Output, OutputArgs};
use crate::size::parse_size;
use crate::stop::Stop;
use crate::target::Target;
use crate::transfer::about::About;
use crate::transfer::found::Found;
use crate::transfer::lanes::Lanes;
use crate::transfer::mover::{Meter, Mover, OpenUploads};
use crate::work::blocking;

/// Settings of `cp`.
#[derive(Debug, Args)]
#[command(after_help = "\
At least one of the two is in S3 and begins with s3://; `-` is standard input or standard output. A target that ends in \
a slash, or is a bucket or a folder, keeps the last name of the source. With --recursive both are folders.

What is longer than 8 MiB goes in parts, ten at a time, which take 256 MiB of memory at most. Parts grow so that 10,000 \
are enough; of standard input, whose length nobody knows, parts double every 1,000, up to 8 TiB in all, unless \
--expected-size says how much will come. A part that is larger than 256 MiB takes as much memory as it has bytes.

Every part is sent with its CRC64NVME, and the object with that of all bytes, where the server knows it. What is read \
is compared with the object's checksum where the server keeps one of all bytes. A file appears when it is whole; an \
object that was being sent when an error or Ctrl-C came is not there, and its upload is aborted.

Exit code: 0 copied, 1 it could not be copied, 2 the command makes no sense, 3 some could not be copied and were named, \
4 there was nothing to copy, 130 Ctrl-C.

Examples:
  drystone cp wall.jpg s3://photos/2026/
  drystone cp s3://photos/2026/ 2026 --recursive --exclude '*' --include '*.jpg'
  pg_dump shop | drystone cp - s3://backups/shop.sql
  drystone cp s3://photos/a.jpg s3://archive/2026/a.jpg")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the AWS CLI's, as typed")]
pub struct CpArgs {
    /// File, folder, object, prefix, or - for standard input
    #[arg(value_name = "FROM")]
    pub from: OsString,
    /// File, folder, object, prefix, or - for standard output
    #[arg(value_name = "TO")]
    pub to: OsString,
    /// Everything in the folder, and in the folders in it
    #[arg(long)]
    pub recursive: bool,
    /// Which.
    #[command(flatten)]
    pub filters: Filters,
    /// Show what would be copied, and copy nothing
    #[arg(long)]
    pub dryrun: bool,
    /// Content-Type of the new objects [default: by the ending of the file's name]
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// How much will come from standard input: 200GiB; needed above 8 TiB, and makes parts of one size
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub expected_size: Option<u64>,
    /// Do not print what was copied, and no progress; failures are still named
    #[arg(long)]
    pub quiet: bool,
    /// No progress on the terminal
    #[arg(long)]
    pub no_progress: bool,
    /// Print only failures
    #[arg(long)]
    pub only_show_errors: bool,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// From where to where, both understood.
enum Route {
    Up { from: PathBuf, to: Target },
    UpStream { to: Target },
    Down { from: Target, to: PathBuf },
    DownStream { from: Target },
    Across { from: Target, to: Target },
}

/// Copies.
///
/// # Errors
/// When nothing could be begun, or a search for files or objects fails.
pub async fn run(args: CpArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let route = route(&args)?;
    let connection = Connection::open(&args.connection).await?;
    let quiet = args.quiet || args.only_show_errors;
    let meter =
        if quiet || args.no_progress || args.dryrun { Meter::none() } else { Meter::start("Copying:") };
    let mover = Mover { lanes: Lanes::default(), stop: Stop::default(), meter, open: OpenUploads::default() };
    let (stop, open) = (mover.stop.clone(), mover.open.clone());
    let talk = if quiet { Talk::Failures } else { Talk::Copies };
    let options = args.connection.typed();
    let runner = Runner::new(mover, &mut output, talk, options.clone());
    let copying = Copying { args: &args, connection: &connection, stop: &stop };
    let work = async {
        if args.recursive { copying.all(route, runner).await } else { copying.single(route, runner).await }
    };
    let outcome = stop.guard(Interrupt::listen()?, work).await;
    if let Err(Failure::Interrupted) = outcome {
        // The second Ctrl-C came before everything was in order.
        for command in open.abort_commands(&options) {
            output.say(format_args!("an upload may be left; to abort it:\n  {command}"))?;
        }
    }
    output.flush()?;
    outcome
}

fn route(args: &CpArgs) -> Result<Route, Failure> {
    let (from, to) = (Place::parse(&args.from)?, Place::parse(&args.to)?);
    if args.recursive && (from == Place::Stream || to == Place::Stream) {
        let words = "`-` is one stream, and --recursive means many files; leave one of them out";
        return Err(Failure::Usage(words.into()));
    }
    if args.expected_size.is_some() && from != Place::Stream {
        return Err(Failure::Usage("--expected-size is for standard input; a file has its own size".into()));
    }
    match (from, to) {
        (Place::S3(from), Place::S3(to)) => Ok(Route::Across { from, to }),
        (Place::S3(from), Place::Local(to)) => Ok(Route::Down { from, to }),
        (Place::S3(from), Place::Stream) => Ok(Route::DownStream { from }),
        (Place::Local(from), Place::S3(to)) => Ok(Route::Up { from, to }),
        (Place::Stream, Place::S3(to)) => Ok(Route::UpStream { to }),
        (from, to) => Err(Failure::Usage(format!(
            "neither {from} nor {to} is in S3; one of the two must begin with s3://, as in s3://photos/2026/"
        ))),
    }
}

/// The command at work.
struct Copying<'a> {
    args: &'a CpArgs,
    connection: &'a Connection,
    stop: &'a Stop,
}

impl Copying<'_> {
    /// Copies one file or object.
    async fn single(&self, route: Route, mut runner: Runner<'_>) -> Result<Ending, Failure> {
        let job = self.stop.unless(self.job(route)).await?;
        if self.args.dryrun {
            runner.show(&job)?;
        } else {
            runner.add(job).await;
        }
        runner.finish_single().await
    }

    async fn job(&self, route: Route) -> Result<Job, Failure> {
        Ok(match route {
            Route::Up { from, to } => {
                let name = from.file_name().and_then(|name| name.to_str());
                let needs_name = to.path.is_empty() || to.path.ends_with('/');
                let to = match name {
                    Some(name) => naming::object_of_file(name, &to),
                    None if !needs_name => to,
                    None => {
                        let (from, words) = (Place::Local(from), "has no name that could be a key; name one");
                        return Err(Failure::Usage(format!("{from} {words}, as in {to}NAME")));
                    }
                };
                let client = self.connection.for_bucket(&to.bucket).await?;
                Job::Upload { client, about: self.about(&from), path: from, to }
            }
            Route::UpStream { to } => {
                must_be_key(&to)?;
                let client = self.connection.for_bucket(&to.bucket).await?;
                let about = About { content_type: self.args.content_type.clone(), ..About::default() };
                Job::UploadStream { client, to, about, expected: self.args.expected_size }
            }
            Route::Down { from, to } => {
                must_be_key(&from)?;
                let path = if is_folder(&to) {
                    let name = naming::last_name(&from.path).ok_or_else(|| {
                        Failure::Usage(format!("{from} has no name that a file can have; name the file too"))
                    })?;
                    to.join(name)
                } else {
                    to
                };
                let client = self.connection.for_bucket(&from.bucket).await?;
                let found = Found::look(&client, &from).await?;
                Job::Download { client, from, found, path }
            }
            Route::DownStream { from } => {
                must_be_key(&from)?;
                let client = self.connection.for_bucket(&from.bucket).await?;
                let found = Found::look(&client, &from).await?;
                Job::DownloadStream { client, from, found }
            }
            Route::Across { from, to } => {
                must_be_key(&from)?;
                let name = naming::last_name(&from.path).unwrap_or_default();
                let to = naming::object_of_file(name, &to);
                must_be_key(&to)?;
                must_differ(&from, &to)?;
                let source = self.connection.for_bucket(&from.bucket).await?;
                let client = self.connection.for_bucket(&to.bucket).await?;
                let found = Found::look(&source, &from).await?;
                Job::Copy { source, client, from, found, to }
            }
        })
    }

    /// Copies a folder.
    async fn all(&self, route: Route, mut runner: Runner<'_>) -> Result<Ending, Failure> {
        let searched = match route {
            Route::Up { from, to } => self.all_up(&from, &naming::as_folder(to), &mut runner).await,
            Route::Down { from, to } => self.all_down(naming::as_folder(from), &to, &mut runner).await,
            Route::Across { from, to } => {
                self.all_across(naming::as_folder(from), &naming::as_folder(to), &mut runner).await
            }
            Route::UpStream { .. } | Route::DownStream { .. } => {
                unreachable!("a stream is never copied recursively: `route` refuses it")
            }
        };
        let ending = runner.finish(searched).await?;
        Ok(ending)
    }

    async fn all_up(&self, from: &Path, to: &Target, runner: &mut Runner<'_>) -> Result<(), Failure> {
        let client = self.stop.unless(self.connection.for_bucket(&to.bucket)).await?;
        let root = from.to_owned();
        let mut walk = blocking(move || LocalWalk::begin(&root)).await.map_err(|source| Failure::File {
            doing: format!("list the folder {}", Place::Local(from.to_owned())),
            source,
        })?;
        while !runner.is_stopping() {
            let found;
            (walk, found) = blocking(move || {
                let found = walk.next();
                (walk, found)
            })
            .await;
            let file = match found {
                None => break,
                Some(Ok(file)) => file,
                Some(Err(trouble)) => {
                    runner.refuse(&Place::Local(trouble.path).to_string(), &trouble.why.to_string());
                    continue;
                }
            };
            if !self.args.filters.admit(&file.relative.to_string_lossy()) {
                continue;
            }
            match naming::object_in_folder(&file.relative, to) {
                Err(why) => runner.refuse(&Place::Local(file.path).to_string(), &why),
                Ok(to) => {
                    let (client, about) = (client.clone(), self.about(&file.path));
                    self.begin(runner, Job::Upload { client, path: file.path, to, about }).await?;
                }
            }
        }
        Ok(())
    }

    async fn all_down(&self, from: Target, to: &Path, runner: &mut Runner<'_>) -> Result<(), Failure> {
        let client = self.stop.unless(self.connection.for_bucket(&from.bucket)).await?;
        let mut listing = Listing::new(client.clone(), from.clone(), Depth::Everything);
        while let Some(page) = self.stop.unless(listing.next_page()).await? {
            for listed in page.objects {
                let relative = listed.key.get(from.path.len()..).unwrap_or_default();
                // An empty object whose key ends in a slash stands for a folder, in many programs.
                let is_marker = listed.bytes == 0 && (relative.is_empty() || relative.ends_with('/'));
                if is_marker || !self.args.filters.admit(relative) {
                    continue;
                }
                let object = Target { bucket: from.bucket.clone(), path: listed.key.clone() };
                match naming::file_in_folder(relative, to) {
                    Err(why) => runner.refuse(&Place::S3(object).to_string(), &why),
                    Ok(path) => {
                        let (client, found) = (client.clone(), Found::from(&listed));
                        self.begin(runner, Job::Download { client, from: object, found, path }).await?;
                    }
                }
            }
            if runner.is_stopping() {
                break;
            }
        }
        Ok(())
    }

    async fn all_across(&self, from: Target, to: &Target, runner: &mut Runner<'_>) -> Result<(), Failure> {
        if from.bucket == to.bucket && to.path.starts_with(&from.path) {
            let words =
                "the copies would be copied again and again, or replace themselves; name another folder";
            return Err(Failure::Usage(format!("{to} is in {from}: {words}")));
        }
        let source = self.stop.unless(self.connection.for_bucket(&from.bucket)).await?;
        let client = self.stop.unless(self.connection.for_bucket(&to.bucket)).await?;
        let mut listing = Listing::new(source.clone(), from.clone(), Depth::Everything);
        while let Some(page) = self.stop.unless(listing.next_page()).await? {
            for listed in page.objects {
                let relative = listed.key.get(from.path.len()..).unwrap_or_default();
                let object = Target { bucket: from.bucket.clone(), path: listed.key.clone() };
                let copy = Target { bucket: to.bucket.clone(), path: format!("{}{relative}", to.path) };
                if !self.args.filters.admit(relative) || copy.path.is_empty() {
                    continue;
                }
                let (source, client, found) = (source.clone(), client.clone(), Found::from(&listed));
                self.begin(runner, Job::Copy { source, client, from: object, found, to: copy }).await?;
            }
            if runner.is_stopping() {
                break;
            }
        }
        Ok(())
    }

    async fn begin(&self, runner: &mut Runner<'_>, job: Job) -> Result<(), Failure> {
        if self.args.dryrun {
            return runner.show(&job);
        }
        runner.add(job).await;
        Ok(())
    }

    /// What the object of a file says about itself.
    fn about(&self, path: &Path) -> About {
        let guessed = || mime_guess::from_path(path).first_raw().map(str::to_owned);
        About { content_type: self.args.content_type.clone().or_else(guessed), ..About::default() }
    }
}

fn must_be_key(target: &Target) -> Result<(), Failure> {
    if target.path.is_empty() || target.path.ends_with('/') {
        let next = "name an object, as in s3://photos/2026/wall.jpg, or add --recursive";
        return Err(Failure::Usage(format!("{target} is a bucket or a folder; {next}")));
    }
    Ok(())
}

fn must_differ(from: &Target, to: &Target) -> Result<(), Failure> {
    if from == to {
        return Err(Failure::Usage(format!("{from} would be copied onto itself")));
    }
    Ok(())
}

/// Whether a path names a folder: one that is there, or one that ends in a slash.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}
