//! Under which names the server may be asked.
//!
//! A page of another site can have its own name resolve to this server's address, and its scripts then read what
//! they like: to the browser it is the same origin. The header `Host` still has that name, so where no token is
//! asked for, it must be one of the server's own. Addresses are always its own: they are not resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri, Version, header};

use crate::error::shown;
use crate::{ApiError, ErrorKind, InvalidSetting, Settings};

/// The names of a server.
pub(crate) struct Hosts {
    /// In lower case; those with a dot before them stand for all below.
    names: Vec<String>,
    is_checked: bool,
}

impl Hosts {
    /// # Errors
    /// [`InvalidSetting`] for an entry of `allowed_hosts` that is no host.
    pub(crate) fn new(settings: &Settings) -> Result<Self, InvalidSetting> {
        let mut names = Vec::new();
        for host in settings.allowed_hosts.iter().filter(|host| *host != "*") {
            let name = host.trim_start_matches('.');
            let is_host = !name.is_empty()
                && name.parse::<Authority>().is_ok_and(|parsed| parsed.host().eq_ignore_ascii_case(name));
            if !is_host || name.contains(['*', '@']) {
                let expected = "a host without port, such as serve or shop.example.org, a suffix, such as \
                                .example.org, or * for any";
                return Err(InvalidSetting::new("allowed_hosts", format!("{host:?}"), expected));
            }
            names.push(host.to_ascii_lowercase());
        }
        let is_any = settings.allowed_hosts.iter().any(|host| host == "*");
        // A page elsewhere does not know the token.
        let has_token = !settings.bearer_token_file.as_os_str().is_empty();
        let is_checked = !is_any && (!has_token || !names.is_empty());
        let mut hosts = Self { names, is_checked };
        hosts.add(settings.listen.rsplit_once(':').map_or("", |(host, _)| host));
        Ok(hosts)
    }

    /// Adds the host of a URL under which others reach this server.
    pub(crate) fn add_url(&mut self, url: &str) {
        let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        self.add(&host.unwrap_or_default());
    }

    fn add(&mut self, host: &str) {
        if !host.is_empty() {
            self.names.push(host.to_ascii_lowercase());
        }
    }

    /// Whether the request is for one of the names.
    ///
    /// # Errors
    /// What the client is to be told.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), ApiError> {
        if !self.is_checked {
            return Ok(());
        }
        let mut values = request.headers().get_all(header::HOST).iter();
        let host = match (values.next(), values.next()) {
            (Some(_), Some(_)) => return Err(bad("is given twice")),
            (Some(value), None) => Some(authority(value)?),
            // Browsers always send it. Before HTTP/1.1 it was not asked for.
            (None, _) if request.version() < Version::HTTP_11 => None,
            (None, _) => return Err(bad("is missing")),
        };
        [host.as_ref(), request.uri().authority()]
            .into_iter()
            .flatten()
            .try_for_each(|asked| self.admit_one(asked))
    }

    fn admit_one(&self, asked: &Authority) -> Result<(), ApiError> {
        let host = asked.host().trim_end_matches('.').to_ascii_lowercase();
        let is_own = is_address(&host)
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.names.iter().any(|name| match name.strip_prefix('.') {
                Some(_) => host.ends_with(name.as_str()),
                None => host == *name,
            });
        if is_own {
            return Ok(());
        }
        let message = format!(
            "the host {} is none of this server's: ask by its address, or name the host in the setting \
             `serving.allowed_hosts`",
            shown(&host)
        );
        Err(ApiError::new(ErrorKind::UnknownHost, message))
    }
}

fn authority(value: &HeaderValue) -> Result<Authority, ApiError> {
    Authority::try_from(value.as_bytes())
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| bad("is no host"))
}

fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().map(IpAddr::from).is_ok(),
    }
}

fn bad(problem: &str) -> ApiError {
    ApiError::new(
        ErrorKind::BadHeader,
        format!("the header `Host` {problem}; send it once, as in `Host: 127.0.0.1:8080`"),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use axum::body::Body;

    use super::*;

    fn hosts(allowed: &[&str], token: &str) -> Result<Hosts, InvalidSetting> {
        let allowed_hosts = allowed.iter().map(|host| (*host).to_owned()).collect();
        let (listen, bearer_token_file) = ("ours:8080".to_owned(), PathBuf::from(token));
        Hosts::new(&Settings { allowed_hosts, listen, bearer_token_file, ..Settings::default() })
    }

    fn asked(hosts: &Hosts, values: &[&str]) -> Option<ErrorKind> {
        let mut request = Request::builder().uri("/v1/users/1");
        for value in values {
            request = request.header("host", *value);
        }
        hosts.admit(&request.body(Body::empty()).unwrap()).err().map(|error| error.kind())
    }

    #[test]
    fn only_its_own_names_and_addresses_are_answered() {
        let mut hosts = hosts(&["Shop.example.org", ".pods.svc"], "").unwrap();
        hosts.add_url("http://pipeline-0:8081/x");
        for own in [
            "localhost:8080",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "127.0.0.1",
            "10.1.2.3:8080",
            "[::1]:8080",
            "ours",
            "shop.example.org:443",
            "a.b.pods.svc",
            "pipeline-0:8081",
        ] {
            assert_eq!(asked(&hosts, &[own]), None, "{own}");
        }
        for other in [
            "evil.org",
            "localhost.evil.org",
            "127.0.0.1.evil.org",
            "xpods.svc",
            "pods.svc",
            "shop.example.org.evil.org",
            "pipeline-1",
            "0x7f.1",
        ] {
            assert_eq!(asked(&hosts, &[other]), Some(ErrorKind::UnknownHost), "{other}");
        }
        for bad in [&[][..], &["localhost", "localhost"], &["a@localhost"], &[""], &["a b"], &["[::1"]] {
            assert_eq!(asked(&hosts, bad), Some(ErrorKind::BadHeader), "{bad:?}");
        }
    }

    #[test]
    fn the_target_counts_as_much_as_the_header() {
        let hosts = hosts(&[], "").unwrap();
        let request = Request::builder().uri("http://evil.org/v1/users/1").header("host", "localhost");
        let error = hosts.admit(&request.body(Body::empty()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownHost);
        let old =
            Request::builder().uri("/v1/users/1").version(Version::HTTP_10).body(Body::empty()).unwrap();
        hosts.admit(&old).unwrap();
    }

    #[test]
    fn with_a_token_names_are_asked_for_only_where_they_are_set() {
        assert_eq!(asked(&hosts(&[], "token").unwrap(), &["evil.org"]), None);
        assert_eq!(asked(&hosts(&["a"], "token").unwrap(), &["evil.org"]), Some(ErrorKind::UnknownHost));
        assert_eq!(asked(&hosts(&["*"], "").unwrap(), &["evil.org"]), None);
        assert_eq!(asked(&hosts(&[], "").unwrap(), &["evil.org"]), Some(ErrorKind::UnknownHost));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", ".", "http://a", "a:80", "*.a", "a/b", "a@b", "a b"] {
            assert_eq!(hosts(&[bad], "").err().map(|error| error.field), Some("allowed_hosts"), "{bad}");
        }
    }
}
