//! Where the server is, and who is asking: the options, variables and files that the AWS CLI reads.
//!
//! Credentials and region come from Amazon's own chain (environment, profiles, single sign-on, processes,
//! web identity, containers, instances), so whatever works there works here. Where an endpoint is given,
//! buckets stand in the path, because a bucket as host name needs a name server that knows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};

use aws_config::BehaviorVersion;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_types::service_config::ServiceConfigKey;
use clap::Args;

use crate::failure::Failure;
use crate::raw::{Ask, Place, send};
use crate::shell;

/// How often one request is sent at most, the SDK's waiting between the tries included: enough for a server
/// that restarts.
const ATTEMPTS_MAX: u32 = 5;

/// The region that is signed for when nobody names one; what servers other than Amazon's expect.
const DEFAULT_REGION: &str = "us-east-1";

/// The variable with the file of certificates to trust, as in the AWS CLI.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Which server, as whom: the same options as in the AWS CLI.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Server")]
pub struct ConnectionArgs {
    /// Profile of ~/.aws/config and ~/.aws/credentials [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region to ask and to sign for [default: AWS_REGION, the profile's, or us-east-1]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Server to ask, as http://127.0.0.1:9000 [default: AWS_ENDPOINT_URL, the profile's, or Amazon S3]
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub endpoint_url: Option<String>,
}

impl ConnectionArgs {
    /// The options as they would be typed, each behind a space, for a command that is shown to the user.
    pub fn typed(&self) -> String {
        let given =
            [("profile", &self.profile), ("region", &self.region), ("endpoint-url", &self.endpoint_url)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.fold(String::new(), |typed, (name, value)| format!("{typed} --{name} {}", shell::quoted(value)))
    }
}

/// A server, and the right to ask it.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Client,
    endpoint: Option<String>,
    /// The clients for buckets in other regions than the connection's, by bucket. Amazon only.
    elsewhere: Arc<Mutex<HashMap<String, Client>>>,
}

impl Connection {
    /// Reads the settings; no request is sent yet.
    ///
    /// # Errors
    /// When a file of certificates that is named cannot be read, or a name of a proxy makes no sense.
    pub async fn open(args: &ConnectionArgs) -> Result<Self, Failure> {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &args.profile {
            profile = profile.profile_name(name);
        }
        let region = RegionProviderChain::first_try(args.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile.build());
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client()?)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
        if let Some(region) = region.region().await {
            loader = loader.region(region);
        } else if args.endpoint_url.is_some() || env::var_os("AWS_ENDPOINT_URL").is_some() {
            // Asking the machine's cloud for the region of somebody else's server would only take time.
            loader = loader.region(Region::from_static(DEFAULT_REGION));
        }
        if let Some(profile) = &args.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &args.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        let settings = loader.load().await;
        let of_s3 = settings.service_config().and_then(|services| {
            let key =
                ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
            services.load_config(key.build().ok()?)
        });
        let endpoint =
            args.endpoint_url.clone().or(of_s3).or_else(|| settings.endpoint_url().map(str::to_owned));
        if let Some(endpoint) = &endpoint {
            parse_endpoint(endpoint).map_err(Failure::Usage)?;
        }
        let region = settings.region().cloned().unwrap_or(Region::from_static(DEFAULT_REGION));
        let config = aws_sdk_s3::config::Builder::from(&settings)
            .region(region)
            .force_path_style(endpoint.is_some())
            // Other servers refuse checksums that they do not know; commands ask for one where it is worth it.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(Self { client: Client::from_conf(config), endpoint, elsewhere: Arc::default() })
    }

    /// The client for requests that name no bucket.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's address; `None` for Amazon's own.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// What the server is called in messages and receipts.
    pub fn server_name(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("Amazon S3")
    }

    /// The client for one bucket. At Amazon a bucket is asked in its own region, which is found out once;
    /// servers with an endpoint have one region.
    ///
    /// # Errors
    /// When Amazon cannot be asked for the bucket's region.
    pub async fn for_bucket(&self, bucket: &str) -> Result<Client, Failure> {
        if self.endpoint.is_some() {
            return Ok(self.client.clone());
        }
        let known = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned();
        if let Some(client) = known {
            return Ok(client);
        }
        let ask = Ask {
            doing: format!("find the region of s3://{bucket}"),
            ..Ask::new("HEAD", Place::Bucket(bucket))
        };
        let answer = send(&self.client, ask).await?;
        // A refusal names the region too.
        let client = match answer.header("x-amz-bucket-region") {
            Some(region) => {
                let config = self.client.config().to_builder().region(Region::new(region.to_owned()));
                Client::from_conf(config.build())
            }
            None => self.client.clone(),
        };
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.insert(bucket.to_owned(), client.clone());
        Ok(client)
    }
}

/// Reads the address of a server.
fn parse_endpoint(text: &str) -> Result<String, String> {
    let address: Option<http::Uri> = text.parse().ok();
    let fits = address.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not the address of a server; expected something like http://127.0.0.1:9000"))
    }
}

/// HTTP with the machine's certificates, or those that the AWS CLI would trust, and its proxies.
fn http_client() -> Result<SharedHttpClient, Failure> {
    let mut trusted = TrustStore::default();
    if let Some(path) = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()) {
        let doing = || format!("read the certificates in {} that {CA_BUNDLE} names", path.display());
        let pem = fs::read(&path).map_err(|source| Failure::File { doing: doing(), source })?;
        if !pem.windows(PEM.len()).any(|window| window == PEM) {
            let why =
                "it holds no PEM certificate; expected one that begins with -----BEGIN CERTIFICATE-----";
            return Err(Failure::Usage(format!("{}: {why}", doing())));
        }
        trusted = TrustStore::empty().with_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| Failure::Usage(format!("set up TLS: {error}")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(aws_sdk_s3::config::RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context.clone()).build()
    }))
}

/// How a certificate in a PEM file begins.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_and_a_host() {
        for text in ["http://127.0.0.1:9000", "https://s3.example.test", "http://[::1]:9000/"] {
            assert_eq!(parse_endpoint(text), Ok(text.to_owned()));
        }
        for text in ["", "127.0.0.1:9000", "localhost", "s3://photos", "http://", "ftp://host"] {
            assert!(parse_endpoint(text).unwrap_err().contains("http://127.0.0.1:9000"), "{text}");
        }
    }
}
