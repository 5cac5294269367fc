//! `drystone uploads rule`: the lifecycle rule that aborts unfinished uploads by itself.
//!
//! The rule is merged into the bucket's others, which stay as they are, byte for byte. After every change the
//! configuration is read again, because there are servers that accept a rule and do not keep it; then the
//! command fails and shows what stood there before.

use aws_sdk_s3::Client;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::moment::{self, parse_duration};
use crate::output::{Form, Output, OutputArgs, counted};
use crate::progress::{Counting, Progress};
use crate::server::{Kind, Server};
use crate::table::{Column, Side, Table};
use crate::target::Target;
use crate::uploads::holdings;
use crate::uploads::lifecycle::{After, Lifecycle, Rule};
use crate::uploads::ls;
use crate::uploads::totals::Totals;
use crate::uploads::upload::{Fate, Upload};
use crate::uploads::walk::Walk;

/// How a rule is called that nobody named.
const DEFAULT_ID: &str = "abort-unfinished-uploads";

/// The longest id of a rule. Source: Amazon S3 API Reference, "LifecycleRule".
const ID_CHARACTERS_MAX: usize = 255;

/// The lifecycle rule that aborts unfinished uploads by itself.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct RuleArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RuleVerb,
}

/// What to do with a rule.
#[derive(Debug, Subcommand)]
pub enum RuleVerb {
    /// Show the bucket's lifecycle rules, and when they abort uploads
    Show(Box<ShowArgs>),
    /// Add or change the rule that aborts uploads, and leave all others as they are
    Set(Box<SetArgs>),
    /// List what the rules, or one that is not set yet, would abort today
    Preview(Box<PreviewArgs>),
    /// Remove the rule that aborts uploads, and leave all others as they are
    Remove(Box<RemoveArgs>),
}

/// Settings of `rule show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bucket
    #[arg(value_name = "BUCKET", value_parser = Target::parse_bucket)]
    pub bucket: Target,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// When a rule aborts an upload.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct WhenArgs {
    /// Abort uploads this long after their start: 7d; on Drystone also 36h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "idle")]
    pub after: Option<SignedDuration>,
    /// Abort uploads that received no part for this long: 24h (Drystone only)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub idle: Option<SignedDuration>,
}

impl WhenArgs {
    fn after(self) -> Result<Option<After>, Failure> {
        match (self.after, self.idle) {
            (Some(age), _) => After::from_age(age).map(Some),
            (None, Some(idle)) => After::from_idle(idle).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Settings of `rule set`.
#[derive(Debug, Args)]
#[command(after_help = "\
A rule of the same id, or the bucket's rule that aborts uploads of the same prefix, is changed;
otherwise one is added. Nothing else of the bucket's configuration changes.

Examples:
  drystone uploads rule set photos --after 7d
  drystone uploads rule set photos --prefix tmp/ --idle 24h")]
pub struct SetArgs {
    /// The bucket
    #[arg(value_name = "BUCKET", value_parser = Target::parse_bucket)]
    pub bucket: Target,
    /// When.
    #[command(flatten)]
    pub when: WhenArgs,
    /// Only uploads whose key begins with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// The rule's id [default: abort-unfinished-uploads, with the prefix]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Settings of `rule preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The bucket
    #[arg(value_name = "BUCKET", value_parser = Target::parse_bucket)]
    pub bucket: Target,
    /// When; without it, what the bucket's own rules say.
    #[command(flatten)]
    pub when: WhenArgs,
    /// Only uploads whose key begins with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Settings of `rule remove`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 removed, 4 there is no such rule, 2 the command makes no sense, 1 it could not be done."
)]
pub struct RemoveArgs {
    /// The bucket
    #[arg(value_name = "BUCKET", value_parser = Target::parse_bucket)]
    pub bucket: Target,
    /// The rule's id, where several abort uploads
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

const COLUMNS: &[Column] = &[
    ("RULE", Side::Left),
    ("STATUS", Side::Left),
    ("PREFIX", Side::Left),
    ("ABORTS AN UPLOAD", Side::Left),
    ("ALSO", Side::Left),
];

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Rule(Shown<'a>),
    Upload(&'a Upload),
    Total(&'a Totals),
}

/// A rule in JSON.
#[derive(Serialize)]
struct Shown<'a> {
    bucket: &'a str,
    id: &'a str,
    enabled: bool,
    prefix: &'a str,
    abort_after: Option<After>,
    also: &'a [String],
}

/// Does what is asked for.
///
/// # Errors
/// The server's refusal, or a rule that it did not keep.
pub async fn run(args: RuleArgs) -> Result<Ending, Failure> {
    match args.verb {
        RuleVerb::Show(args) => show(&args).await,
        RuleVerb::Set(args) => set(&args).await,
        RuleVerb::Preview(args) => preview(&args).await,
        RuleVerb::Remove(args) => remove(&args).await,
    }
}

async fn show(args: &ShowArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let bucket = &args.bucket.bucket;
    let client = Connection::open(&args.connection).await?.for_bucket(bucket).await?;
    let lifecycle = Lifecycle::get(&client, bucket).await?;
    print(bucket, &lifecycle.rules, &mut output)?;
    if output.form() != Form::Json && !lifecycle.rules.iter().any(|rule| rule.enabled && rule.after.is_some())
    {
        output.say(format!(
            "No rule aborts unfinished uploads in s3://{bucket}; they stay, and take room, until somebody does. \
             See `drystone uploads rule set --help`."
        ))?;
    }
    output.flush()?;
    Ok(Ending::Done)
}

fn print<'r>(
    bucket: &str,
    rules: impl IntoIterator<Item = &'r Rule>,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut table = Table::new(COLUMNS);
    for rule in rules {
        let Rule { id, enabled, prefix, after, others, .. } = rule;
        if output.form() == Form::Json {
            let shown = Shown { bucket, id, enabled: *enabled, prefix, abort_after: *after, also: others };
            output.json(&Line::Rule(shown))?;
            continue;
        }
        let cells = [
            id.clone(),
            if *enabled { "enabled" } else { "disabled" }.to_owned(),
            if prefix.is_empty() { "(all keys)".to_owned() } else { prefix.clone() },
            after.map_or_else(|| "-".to_owned(), After::words),
            if others.is_empty() { "-".to_owned() } else { others.join(" ") },
        ];
        table.row(output, &cells)?;
    }
    table.end(output)?;
    Ok(())
}

async fn set(args: &SetArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let Some(after) = args.when.after()? else {
        return Err(Failure::Usage("say when: --after 7d, or on Drystone --idle 24h".into()));
    };
    let id = args.id.clone().unwrap_or_else(|| match args.prefix.as_str() {
        "" => DEFAULT_ID.to_owned(),
        prefix => format!("{DEFAULT_ID}-{prefix}"),
    });
    if id.is_empty() || id.chars().count() > ID_CHARACTERS_MAX {
        return Err(Failure::Usage(format!(
            "a rule's id has 1 to {ID_CHARACTERS_MAX} characters; name one with --id"
        )));
    }
    let bucket = &args.bucket.bucket;
    let connection = Connection::open(&args.connection).await?;
    if !after.is_plain_s3() && Server::meet(&connection).await?.kind != Kind::Drystone {
        let server = connection.server_name();
        return Err(Failure::Usage(format!(
            "{server} is not Drystone, and S3 counts whole days from the start: say --after 7d"
        )));
    }
    let client = connection.for_bucket(bucket).await?;
    let before = Lifecycle::get(&client, bucket).await?;
    let edited = match existing(&before, args, &id)? {
        Some(rule) => before.with_action(rule, after).map(|edited| (edited, rule.id.clone())),
        None => before.with_rule(&id, &args.prefix, after).map(|edited| (edited, id.clone())),
    };
    let (edited, id) = edited.ok_or_else(|| cannot_edit(bucket))?;
    change(&client, bucket, &before, &edited).await?;
    print(bucket, edited.rules.iter().filter(|rule| rule.id == id), &mut output)?;
    output.flush()?;
    Ok(Ending::Done)
}

/// The rule that is to be changed, if one is there.
fn existing<'l>(lifecycle: &'l Lifecycle, args: &SetArgs, id: &str) -> Result<Option<&'l Rule>, Failure> {
    let same_id = lifecycle.rules.iter().find(|rule| rule.id == id);
    // Without an id, whichever rule aborts uploads of this prefix is the one that is meant.
    let same_prefix = || {
        let plain =
            |rule: &&Rule| !rule.others.iter().any(|name| name == "Tag" || name.starts_with("ObjectSize"));
        let mut meant =
            lifecycle.rules.iter().filter(|rule| rule.after.is_some() && rule.prefix == args.prefix);
        meant.find(plain).filter(|_| args.id.is_none())
    };
    let Some(rule) = same_id.or_else(same_prefix) else { return Ok(None) };
    let named = if rule.id.is_empty() { "without an id" } else { rule.id.as_str() };
    if rule.prefix != args.prefix {
        let prefix = &rule.prefix;
        return Err(Failure::Usage(format!(
            "the rule {named} is for the prefix `{prefix}`; name another rule with --id"
        )));
    }
    if !rule.enabled {
        return Err(Failure::Usage(format!(
            "the rule {named} is disabled; remove it with `drystone uploads rule remove`, or name another with --id"
        )));
    }
    Ok(Some(rule))
}

fn cannot_edit(bucket: &str) -> Failure {
    let why = "the document cannot be changed without losing something of it, so it is left alone".into();
    Failure::Nonsense { doing: format!("change the lifecycle rules of s3://{bucket}"), why }
}

/// Gives the bucket its new rules, and makes sure that it has them and all others.
async fn change(
    client: &Client,
    bucket: &str,
    before: &Lifecycle,
    wanted: &Lifecycle,
) -> Result<(), Failure> {
    wanted.put(client, bucket).await?;
    let kept = Lifecycle::get(client, bucket).await?;
    let lost = wanted.rules.iter().find(|rule| !kept.rules.iter().any(|other| other.is_like(rule)));
    let Some(lost) = lost else {
        return match kept.rules.len().checked_sub(wanted.rules.len()) {
            Some(0) => Ok(()),
            _ => Err(Failure::Nonsense {
                doing: format!("change the lifecycle rules of s3://{bucket}"),
                why: "the server has other rules than it was given: look with `drystone uploads rule show`"
                    .into(),
            }),
        };
    };
    Err(Failure::Nonsense {
        doing: format!("change the lifecycle rules of s3://{bucket}"),
        why: format!(
            "the server accepted the rule {} and does not have it, or has it otherwise; before the change it had: {}",
            lost.id,
            before.text()
        ),
    })
}

async fn remove(args: &RemoveArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let bucket = &args.bucket.bucket;
    let client = Connection::open(&args.connection).await?.for_bucket(bucket).await?;
    let before = Lifecycle::get(&client, bucket).await?;
    let named = |rule: &&Rule| args.id.as_ref().is_none_or(|id| *id == rule.id);
    let meant: Vec<&Rule> = before.rules.iter().filter(|rule| rule.after.is_some()).filter(named).collect();
    let rule = match meant.as_slice() {
        [] => {
            output.say(format!(
                "No such rule aborts unfinished uploads in s3://{bucket}; nothing was removed."
            ))?;
            return Ok(Ending::NothingMatched);
        }
        [rule] => rule,
        several => {
            let ids: Vec<&str> = several.iter().map(|rule| rule.id.as_str()).collect();
            let ids = ids.join(", ");
            return Err(Failure::Usage(format!("several rules abort uploads: name one with --id, of {ids}")));
        }
    };
    let wanted = before.without(rule).ok_or_else(|| cannot_edit(bucket))?;
    change(&client, bucket, &before, &wanted).await?;
    print(bucket, [*rule], &mut output)?;
    let left = if rule.others.is_empty() { "" } else { "; what else the rule does stays" };
    output.say(format!("Removed from s3://{bucket}{left}."))?;
    output.flush()?;
    Ok(Ending::Done)
}

async fn preview(args: &PreviewArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let bucket = &args.bucket.bucket;
    let connection = Connection::open(&args.connection).await?;
    let now = Server::meet(&connection).await?.now;
    let client = connection.for_bucket(bucket).await?;
    let rules = match args.when.after()? {
        Some(after) => Lifecycle::preview_rule(DEFAULT_ID, &args.prefix, after),
        None => Lifecycle::get(&client, bucket).await?.rules,
    };
    let progress = Progress::start("Uploads looked at:", Counting::Open);
    let (mut table, mut totals) = (Table::new(ls::COLUMNS), Totals::default());
    let mut walk = Walk::new(client.clone(), Target { bucket: bucket.clone(), path: args.prefix.clone() });
    while let Some(page) = walk.next_page().await? {
        let candidates =
            page.into_iter().filter(|upload| rules.iter().any(|rule| rule.applies_to(upload))).collect();
        for mut upload in holdings::measure(&client, candidates, Some(&progress)).await.uploads {
            let due = rules.iter().filter(|rule| rule.applies_to(&upload));
            let due = due.filter_map(|rule| Some((rule.after?.due(&upload)?, &rule.id)));
            let Some((abort_date, id)) = due.min().filter(|(due, _)| *due <= now) else { continue };
            upload.fate = Some(Fate { abort_date, abort_rule_id: id.clone() });
            totals.add(&upload);
            progress.aside(|| match output.form() {
                Form::Json => output.json(&Line::Upload(&upload)),
                Form::Table | Form::Plain => table.row(&mut output, &ls::row(&upload)),
            })?;
        }
    }
    drop(progress);
    table.end(&mut output)?;
    if output.form() == Form::Json {
        output.json(&Line::Total(&totals))?;
    } else if totals.uploads == 0 {
        output.say("Nothing is due today.")?;
    } else {
        output.say(format!("Due today: {}.", totals.sentence(moment::now())))?;
    }
    if walk.undated() > 0 {
        let uploads = counted(walk.undated(), "upload");
        output.warn(format!(
            "the server does not say when {uploads} were started, so nobody knows when they are due"
        ))?;
    }
    output.flush()?;
    Ok(Ending::Done)
}
