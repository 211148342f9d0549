//! Who is shown the token of look-ups.

use axum::http::Uri;

use crate::{InvalidSetting, Settings};

/// Scheme, host and port of a URL.
#[derive(PartialEq, Eq)]
struct Origin {
    https: bool,
    /// In lower case.
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host: uri.host()?.to_ascii_lowercase(), port })
    }
}

/// The origins of `lookup_urls` and the hosts of `lookup_hosts`. Owners are announced by whoever may
/// write a topic, so an announcement alone earns nobody the token.
pub(crate) struct Trust {
    origins: Vec<Origin>,
    hosts: Vec<String>,
}

impl Trust {
    /// # Errors
    /// [`InvalidSetting`] for an entry of `lookup_hosts` that is no host name.
    pub(crate) fn new(settings: &Settings) -> Result<Self, InvalidSetting> {
        for host in &settings.lookup_hosts {
            let is_name = host.trim_start_matches('.').starts_with(|first: char| first != '*');
            if !is_name || host.contains(['/', '@', '*', ' ']) {
                let expected = "a host, such as pipeline-0 or 10.0.0.7, or a suffix, such as .example.org";
                return Err(InvalidSetting::new("lookup_hosts", format!("{host:?}"), expected));
            }
        }
        Ok(Self {
            origins: settings.lookup_urls.iter().filter_map(|url| Origin::of(url)).collect(),
            hosts: settings.lookup_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        })
    }

    /// Whether a request to `url` may present the token. Where look-ups are to go over TLS, an
    /// announced `http://` may not.
    pub(crate) fn admits(&self, url: &str) -> bool {
        let Some(origin) = Origin::of(url) else { return false };
        if self.origins.contains(&origin) {
            return true;
        }
        let is_safe = origin.https || !self.origins.iter().any(|configured| configured.https);
        is_safe
            && self.hosts.iter().any(|host| {
                if host.starts_with('.') {
                    origin.host.ends_with(host.as_str())
                } else {
                    origin.host == *host
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(urls: &[&str], hosts: &[&str]) -> Result<Trust, InvalidSetting> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Trust::new(&Settings { lookup_urls: owned(urls), lookup_hosts: owned(hosts), ..Settings::default() })
    }

    #[test]
    fn only_what_is_configured_is_shown_the_token() {
        let plain = trust(&["http://a:1/x"], &["b", ".pipelines.org", "[::1]"]).unwrap();
        for url in ["http://A:1", "http://b", "https://b:9", "http://x.pipelines.org", "http://[::1]:3/y"] {
            assert!(plain.admits(url), "{url}");
        }
        for url in [
            "http://a",
            "https://a:1",
            "http://c:1",
            "http://a:1@c:1",
            "http://b.c",
            "http://pipelines.org.c",
            "http://xpipelines.org",
            "ftp://b",
            "b",
        ] {
            assert!(!plain.admits(url), "{url}");
        }
        let secure = trust(&["https://a"], &["b"]).unwrap();
        assert!(secure.admits("https://a:443") && secure.admits("https://b:7"));
        assert!(!secure.admits("http://a") && !secure.admits("http://b:7"));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for bad in ["", ".", "http://a", "*.a", "a/b"] {
            assert_eq!(trust(&[], &[bad]).err().map(|error| error.field), Some("lookup_hosts"), "{bad}");
        }
    }
}
