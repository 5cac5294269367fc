//! Where a server listens: a loopback address and nothing else.
//!
//! A load generator that can be pointed anywhere is a weapon by accident. An [`Endpoint`] that exists
//! is on this machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A server on this machine that speaks plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint(SocketAddr);

/// Why an endpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not `http://ADDRESS:PORT`.
    #[error("`{0}` is not an endpoint: write it as http://127.0.0.1:9000")]
    Malformed(String),
    /// It asks for TLS.
    #[error("`{0}`: the load generator speaks plain HTTP only; start the server without TLS to measure it")]
    Tls(String),
    /// It is not on this machine.
    #[error("`{0}` is not a loopback address: the load generator only loads servers on its own machine")]
    NotLoopback(String),
}

impl Endpoint {
    /// Parses `http://ADDRESS:PORT`, `ADDRESS:PORT` or the same with `localhost`.
    ///
    /// # Errors
    /// [`EndpointError`]; names other than `localhost` are not looked up, as their answer may change.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.starts_with("https://") {
            return Err(EndpointError::Tls(text.to_owned()));
        }
        let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let malformed = || EndpointError::Malformed(text.to_owned());
        let socket = match address.strip_prefix("localhost:") {
            Some(port) => {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().map_err(|_| malformed())?)
            }
            None => match address.parse::<SocketAddr>() {
                Ok(socket) => socket,
                Err(_) if address.contains(':') && address.bytes().any(|byte| byte.is_ascii_alphabetic()) => {
                    return Err(EndpointError::NotLoopback(text.to_owned()));
                }
                Err(_) => return Err(malformed()),
            },
        };
        if socket.port() == 0 {
            return Err(malformed());
        }
        if socket.ip().is_loopback() {
            Ok(Self(socket))
        } else {
            Err(EndpointError::NotLoopback(text.to_owned()))
        }
    }

    /// The address to connect to.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded() {
        let far = [
            "http://192.168.0.1:9000",
            "10.0.0.1:80",
            "http://[2001:db8::1]:80",
            "http://s3.example.test:80",
        ];
        for text in far {
            assert_eq!(Endpoint::parse(text), Err(EndpointError::NotLoopback(text.to_owned())));
        }
        for text in ["http://127.0.0.1:9000", "127.0.0.2:1", "http://[::1]:9000/", "http://localhost:9000"] {
            assert!(Endpoint::parse(text).unwrap().address().ip().is_loopback(), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in ["", "9000", "127.0.0.1", "http://127.0.0.1:0", "localhost:none"] {
            assert_eq!(Endpoint::parse(text), Err(EndpointError::Malformed(text.to_owned())));
        }
        let tls = "https://127.0.0.1:9000";
        assert_eq!(Endpoint::parse(tls), Err(EndpointError::Tls(tls.to_owned())));
    }
}
