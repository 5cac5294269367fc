//! What the first start tells the operator: the key pair, once, and three commands to begin with.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::keys::MadeKey;

/// Where clients find the server.
pub(crate) struct Endpoint {
    /// Address of S3.
    pub(crate) address: SocketAddr,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Region that clients sign for.
    pub(crate) region: String,
}

/// The greeting of a first start.
pub(crate) fn text(made: &MadeKey, endpoint: &Endpoint) -> String {
    let mut text = String::from("\nA root key pair was made. Its secret is shown this once:\n\n");
    let kept = made.kept_in.as_ref().map_or_else(
        || "It lives in memory, like everything on this server.".to_owned(),
        |path| format!("It is kept in {} (mode 0600).", path.display()),
    );
    let address = match endpoint.address.ip() {
        ip if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], endpoint.address.port())),
        _ => endpoint.address,
    };
    let lines = [
        format!("  export AWS_ACCESS_KEY_ID={}", made.key.access_key_id),
        format!("  export AWS_SECRET_ACCESS_KEY={}", *made.key.secret),
        format!("  export AWS_DEFAULT_REGION={}", endpoint.region),
        format!("  export AWS_ENDPOINT_URL={}://{address}", endpoint.scheme),
        String::new(),
        "  aws s3 mb s3://my-bucket".to_owned(),
        "  aws s3 cp README.md s3://my-bucket/".to_owned(),
        "  aws s3api list-multipart-uploads --bucket my-bucket".to_owned(),
        String::new(),
        kept,
        String::new(),
    ];
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyPair;

    #[test]
    fn the_greeting_can_be_pasted() {
        let key = KeyPair::new("AKIDEXAMPLE".into(), "a long secret".to_owned(), None).unwrap();
        let made = MadeKey { key, first_start: true, kept_in: None };
        let endpoint =
            Endpoint { address: ([0, 0, 0, 0], 9000).into(), scheme: "http", region: "us-east-1".into() };
        let text = text(&made, &endpoint);
        assert!(text.contains("export AWS_ENDPOINT_URL=http://127.0.0.1:9000\n"), "{text}");
        assert!(text.contains("export AWS_ACCESS_KEY_ID=AKIDEXAMPLE\n"));
        assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("aws ")).count(), 3);
    }
}
