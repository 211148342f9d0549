//! Asks pipelines for users over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmisr_stream::contract::{Id, Owners, UserView};
use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::owners::KnownOwners;
use crate::percent::encode_segment;
use crate::token::Token;
use crate::trust::Trust;
use crate::{ErrorKind, InvalidSetting, LookupError, Settings, UserLookup};

/// How long a pipeline that did not answer is asked after the others.
const LAST_FOR: Duration = Duration::from_secs(5);

/// Looks users up at one or several pipelines, each of which knows the users of its partitions.
///
/// The owner of the user's partition has the last word: a user is unknown when it says so. Where
/// no pipeline that answers owns the partition, that is an error.
pub struct LookupClient {
    agent: ureq::Agent,
    /// Base URLs without a slash at their end.
    pipelines: Vec<String>,
    owners: Option<KnownOwners>,
    authorization: Option<String>,
    trust: Trust,
    timeout: Duration,
    /// Pipelines that did not answer, with the time until which they are asked last.
    silent: Mutex<BTreeMap<String, Instant>>,
}

/// Why a pipeline did not say whether there is the user; the text names it.
enum Unanswered {
    /// The partition is elsewhere, or nobody is there: what is known of the owners is old.
    Moved(String),
    /// It did not let this client in, which was not to show its token; others may.
    NotLetIn(String),
    /// The pipeline cannot answer, whoever asks.
    Refused(String),
}

/// The part of an error answer that is read.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    kind: String,
    message: String,
}

impl LookupClient {
    /// A client of the pipelines at `lookup_urls`.
    ///
    /// # Errors
    /// [`InvalidSetting`] where there is no URL, one is not `http[s]://host[:port][/path]`, or a file
    /// of a token or of certificates cannot be read, or an entry of `lookup_hosts` is no host.
    pub fn new(settings: &Settings) -> Result<Self, InvalidSetting> {
        let expected = "a list of at least one http://host:port";
        if settings.lookup_urls.is_empty() {
            return Err(InvalidSetting::new("lookup_urls", "[]", expected));
        }
        let pipelines = settings.lookup_urls.iter().map(|url| {
            base_url(url).ok_or_else(|| InvalidSetting::new("lookup_urls", format!("{url:?}"), expected))
        });
        let pipelines = pipelines.collect::<Result<Vec<_>, _>>()?;
        let token = Token::read("lookup_token_file", &settings.lookup_token_file)?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Pipelines are neighbours: a proxy set for the outside is not theirs.
            .proxy(None)
            .tls_config(tls(settings)?)
            .max_idle_connections(settings.max_lookups.saturating_mul(pipelines.len()))
            .max_idle_connections_per_host(settings.max_lookups)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            pipelines,
            owners: None,
            authorization: token.map(|token| token.authorization()),
            trust: Trust::new(settings)?,
            timeout: Duration::from_millis(settings.lookup_timeout_ms),
            silent: Mutex::default(),
        })
    }

    /// The same, which asks the owner of a user's partition first. `read` reads the owners, as from
    /// the topic `state-owners`; it is called in a thread of its own, now and whenever an owner turns
    /// out to be another. Where they cannot be read, every pipeline is asked.
    #[must_use]
    pub fn with_owners(mut self, read: impl Fn() -> Result<Owners, String> + Send + Sync + 'static) -> Self {
        self.owners = Some(KnownOwners::new(read));
        self
    }

    /// All pipelines, those that did not answer lately at the end.
    fn in_order(&self, owners: &Owners) -> Vec<String> {
        let mut order = self.pipelines.clone();
        let announced = owners.urls().into_iter().filter_map(base_url);
        order.extend(announced.filter(|url| !self.pipelines.contains(url)));
        let now = Instant::now();
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        order.sort_by_key(|url| silent.get(url).is_some_and(|until| *until > now));
        order
    }

    /// The token, where that pipeline may see it.
    fn authorization(&self, base: &str) -> Option<&String> {
        self.authorization.as_ref().filter(|_| self.trust.admits(base))
    }

    fn owners(&self) -> Arc<Owners> {
        self.owners.as_ref().map_or_else(Arc::default, KnownOwners::get)
    }

    /// Asks one pipeline; the text of an error names it.
    fn get(
        &self,
        base: &str,
        path: &str,
        deadline: Instant,
    ) -> Result<ureq::http::Response<ureq::Body>, String> {
        let url = format!("{base}{path}");
        let call = || {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ureq::Error::Timeout(ureq::Timeout::Global));
            }
            let request = self.agent.get(&url).config().timeout_global(Some(left)).build();
            match self.authorization(base) {
                Some(value) => request.header("authorization", value).call(),
                None => request.call(),
            }
        };
        let answered = match call() {
            // A kept connection may have been closed by the other side meanwhile, which shows
            // only when it is used; asking twice is harmless.
            Err(ureq::Error::Io(_) | ureq::Error::Protocol(_)) => call(),
            other => other,
        };
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match &answered {
            Ok(_) => drop(silent.remove(base)),
            Err(_) => {
                let now = Instant::now();
                silent.retain(|_, until| *until > now);
                silent.insert(base.to_owned(), now + LAST_FOR);
            }
        }
        answered.map_err(|error| format!("{url}: {error}"))
    }

    fn ask(&self, base: &str, path: &str, deadline: Instant) -> Result<Option<UserView>, Unanswered> {
        let mut answer = self.get(base, path, deadline).map_err(Unanswered::Moved)?;
        let status = answer.status().as_u16();
        let place = format!("{base}{path}");
        if status == 200 {
            return match answer.body_mut().read_json() {
                Ok(view) => Ok(Some(view)),
                Err(error) => Err(Unanswered::Moved(format!("{place}: the answer is no user: {error}"))),
            };
        }
        if status == 401 && self.authorization.is_some() && self.authorization(base).is_none() {
            return Err(Unanswered::NotLetIn(format!(
                "{place}: status 401; it was not shown the token: name its host in `serving.lookup_hosts`"
            )));
        }
        match answer.body_mut().read_json::<ErrorAnswer>() {
            Ok(told) if status == 404 && told.error.kind == ErrorKind::UnknownUser.as_str() => Ok(None),
            Ok(told) => {
                let text = format!("{place}: status {status}, {}", told.error.message);
                let moved = told.error.kind == ErrorKind::NotOwned.as_str();
                Err(if moved { Unanswered::Moved(text) } else { Unanswered::Refused(text) })
            }
            // Also a 404: some other server's says nothing about the user.
            Err(_) => Err(Unanswered::Moved(format!("{place}: status {status}, not from a pipeline"))),
        }
    }
}

impl UserLookup for LookupClient {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        let path = format!("/v1/users/{}", encode_segment(&id.to_string()));
        let deadline = Instant::now() + self.timeout;
        let owners = self.owners();
        let mut problems = Vec::new();
        let owner = owners.of(id).and_then(base_url);
        // Also where nobody has announced the partition.
        let mut outdated = true;
        if let Some(owner) = &owner {
            match self.ask(owner, &path, deadline) {
                Ok(answer) => return Ok(answer),
                // The others would not know more: an owner that has too much to do is not helped by
                // asking everybody.
                Err(Unanswered::Refused(problem)) => return Err(unanswered(&[problem])),
                Err(Unanswered::NotLetIn(problem)) => {
                    outdated = false;
                    problems.push(problem);
                }
                Err(Unanswered::Moved(problem)) => problems.push(problem),
            }
        }
        if let Some(owners) = self.owners.as_ref().filter(|_| outdated) {
            owners.refresh();
        }
        for pipeline in self.in_order(&owners).into_iter().filter(|url| Some(url) != owner.as_ref()) {
            match self.ask(&pipeline, &path, deadline) {
                Ok(answer) => return Ok(answer),
                Err(
                    Unanswered::Moved(problem) | Unanswered::NotLetIn(problem) | Unanswered::Refused(problem),
                ) => problems.push(problem),
            }
        }
        Err(unanswered(&problems))
    }

    /// Ready while one pipeline is: one that is down makes its own users' requests fail, and
    /// taking the whole server away would make all of them fail.
    fn ready(&self) -> Result<(), LookupError> {
        let deadline = Instant::now() + self.timeout;
        let mut problems = Vec::new();
        for pipeline in self.in_order(&self.owners()) {
            match self.get(&pipeline, "/readyz", deadline) {
                Ok(answer) if answer.status().as_u16() == 200 => return Ok(()),
                Ok(answer) => problems.push(format!("{pipeline}/readyz: status {}", answer.status())),
                Err(problem) => problems.push(problem),
            }
        }
        Err(unanswered(&problems))
    }
}

/// The URL without a slash at its end; none where it is no base of look-ups.
fn base_url(url: &str) -> Option<String> {
    let uri: axum::http::Uri = url.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().is_some_and(|host| !host.is_empty());
    (known && host && uri.query().is_none()).then(|| url.trim_end_matches('/').to_owned())
}

/// What look-ups at `https://` trust.
fn tls(settings: &Settings) -> Result<TlsConfig, InvalidSetting> {
    let path = &settings.lookup_ca;
    if path.as_os_str().is_empty() {
        return Ok(TlsConfig::default());
    }
    let invalid = |problem: String| {
        InvalidSetting::new(
            "lookup_ca",
            format!("{path:?}"),
            format!("a PEM file of certificates ({problem})"),
        )
    };
    let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let mut trusted: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| invalid(error.to_string()))? {
            trusted.push(certificate);
        }
    }
    if trusted.is_empty() {
        return Err(invalid("it holds none".to_owned()));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}

fn unanswered(problems: &[String]) -> LookupError {
    LookupError::new(format!(
        "{}; see that these pipelines run and are ready, or correct the setting `serving.lookup_urls`",
        problems.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_asked_is_refused() {
        let with = |urls: &[&str]| {
            let lookup_urls = urls.iter().map(|url| (*url).to_owned()).collect();
            LookupClient::new(&Settings { lookup_urls, ..Settings::default() })
        };
        for bad in
            [&[][..], &["127.0.0.1:8081"], &["ftp://a:1"], &["http://"], &["http://a/?b"], &["http://a", ""]]
        {
            assert_eq!(with(bad).err().map(|error| error.field), Some("lookup_urls"), "{bad:?}");
        }
        assert!(with(&["http://127.0.0.1:8081/", "https://b/pipeline"]).is_ok());
    }
}
