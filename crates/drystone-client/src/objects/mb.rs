//! `drystone mb`: makes a bucket.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use clap::Args;
use serde::Serialize;

use crate::connection::{Connection, ConnectionArgs};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::output::{Form, Output, OutputArgs};
use crate::target::Target;

/// The region whose buckets are made without naming it. Source: Amazon S3 API Reference, "CreateBucket".
const UNNAMED_REGION: &str = "us-east-1";

/// Settings of `mb`.
#[derive(Debug, Args)]
#[command(after_help = "\
The bucket is made in the region that is asked.

Exit code: 0 made, 1 it could not be made, 2 the command makes no sense.

Examples:
  drystone mb s3://photos
  drystone mb s3://photos --region eu-central-1")]
pub struct MbArgs {
    /// Name of the bucket
    #[arg(value_name = "s3://BUCKET", value_parser = Target::parse_bucket)]
    pub target: Target,
    /// How.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What was done, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    bucket: &'a str,
}

/// Makes the bucket.
///
/// # Errors
/// When it cannot be made.
pub async fn run(args: MbArgs) -> Result<Ending, Failure> {
    let mut output = Output::standard(args.output);
    let connection = Connection::open(&args.connection).await?;
    let name = &args.target.bucket;
    let create = connection.client().create_bucket().bucket(name);
    let region = connection.client().config().region().map_or(UNNAMED_REGION, AsRef::as_ref);
    let create = if region == UNNAMED_REGION {
        create
    } else {
        let place = BucketLocationConstraint::from(region);
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        create.create_bucket_configuration(place)
    };
    let doing = format!("make {}", args.target);
    create.send().await.map_err(|error| Failure::from_sdk(doing, &error))?;
    match output.form() {
        Form::Json => output.json(&Line { kind: "make_bucket", bucket: name })?,
        _ => output.data(&format!("make_bucket: {name}\n"))?,
    }
    output.flush()?;
    Ok(Ending::Done)
}
