//! How the server listens, what it bounds, and where it looks.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The server's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Host and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// Hosts by which the server may be asked besides `localhost`, addresses, and that of `listen`: `serve`, or every
    /// host below `.example.org`; `*` for any. Empty, with a token set: any.
    pub allowed_hosts: Vec<String>,
    /// How often the snapshot folder is looked at, milliseconds.
    pub reload_interval_ms: u64,
    /// How long finding or reading a snapshot may take before it counts as failed, milliseconds. It is waited for all
    /// the same.
    pub reload_timeout_ms: u64,
    /// The longest file of a snapshot that is read, bytes.
    pub max_snapshot_bytes: u64,
    /// Whether items of the user's kept visits are left out of recommendations.
    pub filter_seen: bool,
    /// How much diversity weighs in the re-ranking for a user whose diversity score is 1; less for
    /// others in proportion. 0: relevance alone. A request may set its own weight.
    pub lambda_max: f32,
    /// Whether recommendations are given for a user who cannot be looked up now, from what is known without; else
    /// the answer is 503.
    pub degrade: bool,
    /// Users whose last look-up is kept for that; some 6 KB each where the history is long. 0: none.
    pub last_known_users: usize,
    /// For how long it is kept, milliseconds.
    pub last_known_max_age_ms: u64,
    /// Recommendations computed at the same time; 0 means one per core.
    pub max_concurrency: usize,
    /// Look-ups under way at the same time.
    pub max_lookups: usize,
    /// Requests that may wait for a place among the above, for each of the two; beyond it the
    /// answer is 503 at once.
    pub max_queue: usize,
    /// Connections open at the same time. Beyond it the one that has waited for its client longest is closed;
    /// where none waits, only health and metrics are answered.
    pub max_connections: usize,
    /// Connections of one address (of IPv6, of one /64) among those; 0 means half of them.
    pub max_connections_per_address: usize,
    /// Longest path and query, and longest body where none is read, in bytes.
    pub max_request_bytes: usize,
    /// Longest body of a request for recommendations, in bytes.
    pub max_body_bytes: usize,
    /// Time within which a request is answered, milliseconds; beyond it the answer is 503.
    pub request_timeout_ms: u64,
    /// How long a connection may take from one answer to the next whole request, and for taking an answer,
    /// milliseconds; at least twice `request_timeout_ms`.
    pub idle_timeout_ms: u64,
    /// How long a request's line and headers may take from their first byte on, a body after them, and a connection's
    /// first request from the connection on, milliseconds; `idle_timeout_ms` where that is less.
    pub header_timeout_ms: u64,
    /// How long requests in flight may take to finish at the end, milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Base URLs of the pipelines whose look-ups are asked, `http://host:port` each.
    pub lookup_urls: Vec<String>,
    /// Time for one look-up over all of `lookup_urls`, milliseconds.
    pub lookup_timeout_ms: u64,
    /// PEM file of the certificate chain: the server then speaks TLS only. Empty: plain HTTP.
    pub tls_certificate: PathBuf,
    /// PEM file of the certificate's private key.
    pub tls_key: PathBuf,
    /// File of the token that every request must present but for `/healthz` and the page's files. Empty: none.
    pub bearer_token_file: PathBuf,
    /// PEM file of the certificates that look-ups at `https://` trust. Empty: the public ones.
    pub lookup_ca: PathBuf,
    /// File of the token that look-ups present. Empty: none.
    pub lookup_token_file: PathBuf,
    /// Hosts that are shown the token besides those of `lookup_urls`, where the topic `state-owners`
    /// names them: `pipeline-0`, or every host below `.example.org`.
    pub lookup_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            allowed_hosts: Vec::new(),
            reload_interval_ms: 1_000,
            reload_timeout_ms: 60_000,
            max_snapshot_bytes: 16 << 30,
            filter_seen: true,
            lambda_max: 0.3,
            degrade: true,
            last_known_users: 10_000,
            last_known_max_age_ms: 3_600_000,
            max_concurrency: 0,
            max_lookups: 64,
            max_queue: 256,
            max_connections: 1_024,
            max_connections_per_address: 0,
            max_request_bytes: 8_192,
            max_body_bytes: 65_536,
            request_timeout_ms: 2_000,
            idle_timeout_ms: 60_000,
            header_timeout_ms: 10_000,
            shutdown_timeout_ms: 10_000,
            lookup_urls: vec!["http://127.0.0.1:8081".to_owned()],
            lookup_timeout_ms: 1_000,
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            bearer_token_file: PathBuf::new(),
            lookup_ca: PathBuf::new(),
            lookup_token_file: PathBuf::new(),
            lookup_hosts: Vec::new(),
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `serving.{field}`: {}", self.told())]
pub struct InvalidSetting {
    /// The setting's name.
    pub field: &'static str,
    /// Its value; empty where it is missing.
    pub value: String,
    /// What it must be.
    pub expected: String,
}

impl InvalidSetting {
    pub(crate) fn new(field: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self { field, value: value.to_string(), expected: expected.into() }
    }

    fn told(&self) -> String {
        let Self { value, expected, .. } = self;
        match value.as_str() {
            "" => format!("missing; set it to {expected}"),
            value => format!("{value} is not {expected}"),
        }
    }
}

impl Settings {
    /// Checks every field's range.
    ///
    /// # Errors
    /// [`InvalidSetting`] for the first field outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let port = self.listen.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
        if !matches!(port, Some((host, Ok(_))) if !host.is_empty()) {
            let shown = format!("{:?}", self.listen);
            return Err(InvalidSetting::new("listen", shown, "host:port, such as 127.0.0.1:8080"));
        }
        if !(0.0..=1.0).contains(&self.lambda_max) {
            return Err(InvalidSetting::new("lambda_max", self.lambda_max, "from 0 to 1"));
        }
        // One without the other is as good as neither, and its owner thinks that there is TLS.
        let (certificate, key) = (self.tls_certificate.as_os_str(), self.tls_key.as_os_str());
        for (field, missing, other, what) in [
            ("tls_key", key, certificate, "private key of the certificate serving.tls_certificate"),
            ("tls_certificate", certificate, key, "certificate chain of the key serving.tls_key"),
        ] {
            if missing.is_empty() && !other.is_empty() {
                let expected = format!("the PEM file of the {what} = {other:?}, or leave both out");
                return Err(InvalidSetting::new(field, "", expected));
            }
        }
        const HOUR_MS: u64 = 3_600_000;
        for (field, value, least, most) in [
            ("reload_interval_ms", self.reload_interval_ms, 10, HOUR_MS),
            ("reload_timeout_ms", self.reload_timeout_ms, 10, HOUR_MS),
            ("max_snapshot_bytes", self.max_snapshot_bytes, 1 << 20, 1 << 50),
            ("max_concurrency", self.max_concurrency as u64, 0, 1_024),
            ("max_lookups", self.max_lookups as u64, 1, 1_024),
            ("max_queue", self.max_queue as u64, 0, 1_000_000),
            ("max_connections", self.max_connections as u64, 1, 1_000_000),
            ("max_connections_per_address", self.max_connections_per_address as u64, 0, 1_000_000),
            ("header_timeout_ms", self.header_timeout_ms, 1, HOUR_MS),
            ("max_request_bytes", self.max_request_bytes as u64, 512, 65_536),
            ("max_body_bytes", self.max_body_bytes as u64, 512, 4 << 20),
            ("last_known_users", self.last_known_users as u64, 0, 10_000_000),
            ("last_known_max_age_ms", self.last_known_max_age_ms, 1, 7 * 24 * HOUR_MS),
            ("request_timeout_ms", self.request_timeout_ms, 1, HOUR_MS),
            ("idle_timeout_ms", self.idle_timeout_ms, self.request_timeout_ms.saturating_mul(2), 2 * HOUR_MS),
            ("shutdown_timeout_ms", self.shutdown_timeout_ms, 0, HOUR_MS),
            ("lookup_timeout_ms", self.lookup_timeout_ms, 1, HOUR_MS),
        ] {
            if !(least..=most).contains(&value) {
                return Err(InvalidSetting::new(field, value, format!("from {least} to {most}")));
            }
        }
        Ok(())
    }

    /// Recommendations computed at the same time, with 0 resolved to the machine's cores.
    pub fn concurrency(&self) -> usize {
        match self.max_concurrency {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            set => set,
        }
    }

    pub(crate) fn connections_per_address(&self) -> usize {
        match self.max_connections_per_address {
            0 => self.max_connections.div_ceil(2),
            set => set,
        }
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms).min(self.idle_timeout())
    }

    /// How long finding or reading a snapshot may take before it counts as failed.
    pub fn reload_timeout(&self) -> Duration {
        Duration::from_millis(self.reload_timeout_ms)
    }

    /// How long a user may be waited for before the request is answered without: time is left for the answer.
    pub(crate) fn lookup_patience(&self) -> Duration {
        self.request_timeout() * 3 / 4
    }

    pub(crate) fn last_known_max_age(&self) -> Duration {
        Duration::from_millis(self.last_known_max_age_ms)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named() {
        Settings::default().validate().unwrap();
        type Spoil = fn(&mut Settings);
        let bad: [(&str, Spoil); 12] = [
            ("listen", |s| s.listen = "8080".to_owned()),
            ("listen", |s| s.listen = ":8080".to_owned()),
            ("listen", |s| s.listen = "localhost:http".to_owned()),
            ("reload_interval_ms", |s| s.reload_interval_ms = 0),
            ("max_lookups", |s| s.max_lookups = 0),
            ("max_request_bytes", |s| s.max_request_bytes = 1),
            ("max_body_bytes", |s| s.max_body_bytes = 1 << 30),
            ("last_known_max_age_ms", |s| s.last_known_max_age_ms = 0),
            ("idle_timeout_ms", |s| s.idle_timeout_ms = s.request_timeout_ms),
            ("request_timeout_ms", |s| s.request_timeout_ms = 0),
            ("tls_key", |s| s.tls_certificate = "a.pem".into()),
            ("tls_certificate", |s| s.tls_key = "a.pem".into()),
        ];
        for (field, spoil) in bad {
            let mut settings = Settings::default();
            spoil(&mut settings);
            assert_eq!(settings.validate().unwrap_err().field, field);
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_told_with_the_setting_that_is_missing() {
        let settings = Settings { tls_certificate: "a.pem".into(), ..Settings::default() };
        let told = settings.validate().unwrap_err().to_string();
        let expected = "setting `serving.tls_key`: missing; set it to the PEM file of the private key of the \
                        certificate serving.tls_certificate = \"a.pem\", or leave both out";
        assert_eq!(told, expected);
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<Settings>(r#"{"listn": "127.0.0.1:1"}"#).unwrap_err();
        assert!(error.to_string().contains("listn"), "{error}");
    }
}
