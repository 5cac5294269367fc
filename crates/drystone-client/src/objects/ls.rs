//! `drystone ls`: buckets; or the objects and folders of one, as the AWS CLI shows them.

use aws_sdk_s3::Client;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::moment;
use crate::objects::listing::{Depth, Listed, Listing, Page};
use crate::output::{Form, Output, OutputArgs};
use crate::size::Size;
use crate::table::{Column, Side, Table};
use crate::target::Target;
use crate::uploads::buckets::{self, Bucket};

/// Settings of `ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --recursive, what follows the next slash is shown as a folder, marked PRE. A prefix need not end in a slash: \
s3://photos/2026 shows whatever begins with 2026. When the output is not a terminal, each line is a time, a size in \
bytes and a name, with tabs between them; --json shows names exactly, whatever characters they hold.

Exit code: 0 listed, 1 it could not be listed, 2 the command makes no sense, 4 nothing begins with the prefix.

Examples:
  drystone ls
  drystone ls s3://photos/2026/ --human-readable --summarize
  drystone ls photos --recursive --json | jq -r 'select(.kind == \"object\") | .key'")]
pub struct LsArgs {
    /// Bucket, with a prefix of keys if you like; all buckets when none is named
    #[arg(value_name = "s3://BUCKET[/PREFIX]")]
    pub target: Option<Target>,
    /// Every key that begins with the prefix, instead of folders
    #[arg(long)]
    pub recursive: bool,
    /// Sizes in KiB, MiB, GiB
    #[arg(long)]
    pub human_readable: bool,
    /// Objects and bytes in all, at the end
    #[arg(long)]
    pub summarize: bool,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

const BUCKET_COLUMNS: &[Column] = &[("CREATED", Side::Left), ("BUCKET", Side::Left)];

const OBJECT_COLUMNS: &[Column] =
    &[("LAST MODIFIED", Side::Left), ("BYTES", Side::Right), ("KEY", Side::Left)];

/// What stands in a folder's place for a size, as in the AWS CLI.
const FOLDER: &str = "PRE";

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Bucket(&'a Bucket),
    Folder { prefix: &'a str },
    Object(&'a Listed),
    Total(&'a Totals),
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    objects: u64,
    folders: u64,
    bytes: u64,
}

/// Lists.
///
/// # Errors
/// When it cannot be listed, or the output takes no more.
pub async fn run(args: LsArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let connection = Connection::open(&args.connection).await?;
    let ending = match &args.target {
        None => list_buckets(&mut output, &connection).await?,
        Some(target) => {
            let client = connection.for_bucket(&target.bucket).await?;
            list_objects(&mut output, client, target, &args).await?
        }
    };
    output.flush()?;
    Ok(ending)
}

async fn list_buckets(output: &mut Output, connection: &Connection) -> Result<Ending, Failure> {
    let mut table = Table::new(BUCKET_COLUMNS);
    for bucket in buckets::all(connection).await? {
        match output.form() {
            Form::Json => output.json(&Line::Bucket(&bucket))?,
            _ => table.row(output, &[time(bucket.created), bucket.name])?,
        }
    }
    table.end(output)?;
    Ok(Ending::Done)
}

async fn list_objects(
    output: &mut Output,
    client: Client,
    target: &Target,
    args: &LsArgs,
) -> Result<Ending, Failure> {
    let depth = if args.recursive { Depth::Everything } else { Depth::Folder };
    let mut listing = Listing::new(client, target.clone(), depth);
    let mut table = Table::new(OBJECT_COLUMNS);
    let mut totals = Totals::default();
    while let Some(page) = listing.next_page().await? {
        totals.add(&page);
        if output.form() == Form::Json {
            print_json(output, &page)?;
        } else {
            for cells in rows(&page, target, args) {
                table.row(output, &cells)?;
            }
            table.end(output)?;
        }
        output.flush()?;
    }
    if args.summarize {
        match output.form() {
            Form::Json => output.json(&Line::Total(&totals))?,
            _ => output.data(&totals.lines(args))?,
        }
    }
    if totals.objects + totals.folders > 0 || target.path.is_empty() {
        return Ok(Ending::Done);
    }
    output.say(format_args!("Nothing begins with {target}."))?;
    Ok(Ending::NothingMatched)
}

fn print_json(output: &mut Output, page: &Page) -> Result<(), Failure> {
    for prefix in &page.folders {
        output.json(&Line::Folder { prefix })?;
    }
    for object in &page.objects {
        output.json(&Line::Object(object))?;
    }
    Ok(())
}

/// The cells of a page: folders first, as in the AWS CLI.
fn rows<'a>(page: &'a Page, target: &'a Target, args: &'a LsArgs) -> impl Iterator<Item = [String; 3]> + 'a {
    let folders = page.folders.iter().map(move |folder| {
        let name = shown_name(folder, target, args);
        [String::new(), FOLDER.to_owned(), name.to_owned()]
    });
    let objects = page.objects.iter().map(move |object| {
        let name = shown_name(&object.key, target, args).to_owned();
        [time(object.last_modified), size(object.bytes, args), name]
    });
    folders.chain(objects)
}

/// The name without the folders that were typed, or whole in a recursive listing.
fn shown_name<'a>(key: &'a str, target: &Target, args: &LsArgs) -> &'a str {
    let typed = if args.recursive { 0 } else { target.path.rfind('/').map_or(0, |slash| slash + 1) };
    key.get(typed..).unwrap_or(key)
}

fn size(bytes: u64, args: &LsArgs) -> String {
    if args.human_readable { Size(bytes).to_string() } else { bytes.to_string() }
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "?".to_owned(), moment::shown)
}

impl Totals {
    fn add(&mut self, page: &Page) {
        self.objects += page.objects.len() as u64;
        self.folders += page.folders.len() as u64;
        self.bytes += page.objects.iter().map(|object| object.bytes).sum::<u64>();
    }

    /// As the AWS CLI prints them.
    fn lines(&self, args: &LsArgs) -> String {
        format!("\nTotal Objects: {}\n   Total Size: {}\n", self.objects, size(self.bytes, args))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_from_the_folder_that_was_typed() {
        let args = |recursive| LsArgs {
            target: None,
            recursive,
            human_readable: false,
            summarize: false,
            output: OutputArgs::default(),
            connection: ConnectionArgs::default(),
        };
        let shown = |typed: &str, recursive| {
            shown_name("logs/2026/a", &typed.parse().unwrap(), &args(recursive)).to_owned()
        };
        assert_eq!(shown("photos", false), "logs/2026/a");
        assert_eq!(shown("photos/logs/", false), "2026/a");
        assert_eq!(shown("photos/logs/20", false), "2026/a");
        assert_eq!(shown("photos/logs/", true), "logs/2026/a");
    }
}
