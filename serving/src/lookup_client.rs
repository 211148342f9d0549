//! Asks pipelines for users over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmisr_stream::Partitioner;
use hmisr_stream::contract::{Id, Owners, UserView};
use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::coverage::Coverage;
use crate::owners::KnownOwners;
use crate::percent::encode_segment;
use crate::token::Token;
use crate::trust::Trust;
use crate::unknown::UnknownUsers;
use crate::{ErrorKind, InvalidSetting, LookedIn, LookupError, Settings, UserLookup};

/// How long a pipeline that did not answer is asked after the others.
const LAST_FOR: Duration = Duration::from_secs(5);

/// Looks users up at one or several pipelines, each of which knows the users of its partitions.
///
/// The owner of the partition in which the topic's partitioner puts the user is asked first, then every
/// other one once: a producer may partition otherwise. A user is unknown when all partitions were looked in,
/// and for a second after that nobody is asked again. Where partitions are left, that is an error.
pub struct LookupClient {
    agent: ureq::Agent,
    /// Base URLs without a slash at their end.
    pipelines: Vec<String>,
    owners: Option<KnownOwners>,
    partitioner: Partitioner,
    unknown: UnknownUsers,
    authorization: Option<String>,
    trust: Trust,
    timeout: Duration,
    /// Pipelines that did not answer, with the time until which they are asked last.
    silent: Mutex<BTreeMap<String, Instant>>,
}

/// What a pipeline said.
enum Answer {
    Found(Box<UserView>),
    /// Nobody has the user: it owns all partitions.
    Unknown,
    /// The user is not in these partitions; the text says so.
    Elsewhere(LookedIn, String),
}

/// Why a pipeline did not say whether there is the user; the text names it.
enum Unanswered {
    /// It owns nothing yet, or nobody is there: what is known of the owners is old.
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
    #[serde(flatten)]
    looked_in: Option<LookedIn>,
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
            partitioner: Partitioner::default(),
            unknown: UnknownUsers::default(),
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

    /// The same, of a topic that is not partitioned by murmur2.
    #[must_use]
    pub fn with_partitioner(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    /// All pipelines, each once: `first`, then those that have announced partitions, then the others;
    /// those that did not answer lately at the end.
    fn in_order(&self, owners: &Owners, first: Option<&str>) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        for url in owners.urls().into_iter().filter_map(base_url).chain(self.pipelines.iter().cloned()) {
            if first != Some(url.as_str()) && !order.contains(&url) {
                order.push(url);
            }
        }
        let now = Instant::now();
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        order.sort_by_key(|url| silent.get(url).is_some_and(|until| *until > now));
        if let Some(first) = first {
            order.insert(0, first.to_owned());
        }
        order
    }

    /// The token, where that pipeline may see it.
    fn authorization(&self, base: &str) -> Option<&String> {
        self.authorization.as_ref().filter(|_| self.trust.admits(base))
    }

    fn owners(&self) -> Arc<Owners> {
        self.owners.as_ref().map_or_else(Arc::default, KnownOwners::get)
    }

    /// Has the owners read anew, where what is known of them is old.
    fn refresh(&self, outdated: bool) {
        if let Some(owners) = self.owners.as_ref().filter(|_| outdated) {
            owners.refresh();
        }
    }

    /// Asks one pipeline; the text of an error names it.
    fn get(
        &self,
        base: &str,
        path: &str,
        deadline: Instant,
    ) -> Result<ureq::http::Response<ureq::Body>, String> {
        let url = format!("{base}{path}");
        if Instant::now() >= deadline {
            // That says nothing about this one.
            return Err(format!("{url}: not asked, the time was over"));
        }
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

    fn ask(&self, base: &str, path: &str, deadline: Instant) -> Result<Answer, Unanswered> {
        let mut answer = self.get(base, path, deadline).map_err(Unanswered::Moved)?;
        let status = answer.status().as_u16();
        let place = format!("{base}{path}");
        if status == 200 {
            return match answer.body_mut().read_json() {
                Ok(view) => Ok(Answer::Found(Box::new(view))),
                Err(error) => Err(Unanswered::Moved(format!("{place}: the answer is no user: {error}"))),
            };
        }
        if status == 401 && self.authorization.is_some() && self.authorization(base).is_none() {
            return Err(Unanswered::NotLetIn(format!(
                "{place}: status 401; it was not shown the token: name its host in `serving.lookup_hosts`"
            )));
        }
        match answer.body_mut().read_json::<ErrorAnswer>() {
            Ok(told) if status == 404 && told.error.kind == ErrorKind::UnknownUser.as_str() => {
                Ok(Answer::Unknown)
            }
            Ok(told) => {
                let text = format!("{place}: status {status}, {}", told.error.message);
                let not_owned = told.error.kind == ErrorKind::NotOwned.as_str();
                match told.looked_in {
                    Some(looked_in) if not_owned => Ok(Answer::Elsewhere(looked_in, text)),
                    _ if not_owned => Err(Unanswered::Moved(text)),
                    _ => Err(Unanswered::Refused(text)),
                }
            }
            // Also a 404: some other server's says nothing about the user.
            Err(_) => Err(Unanswered::Moved(format!("{place}: status {status}, not from a pipeline"))),
        }
    }
}

impl UserLookup for LookupClient {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        if self.unknown.holds(id, Instant::now()) {
            return Ok(None);
        }
        let path = format!("/v1/users/{}", encode_segment(&id.to_string()));
        let deadline = Instant::now() + self.timeout;
        let owners = self.owners();
        let first = owners.of(id, self.partitioner).and_then(base_url);
        // Also where nobody has announced the user's partition.
        let mut outdated =
            first.is_none() && (self.partitioner != Partitioner::Any || owners.partitions() == 0);
        let (mut coverage, mut problems) = (Coverage::new(&owners), Vec::new());
        let (order, mut asked) = (self.in_order(&owners, first.as_deref()), 0);
        for pipeline in &order {
            asked += 1;
            let until = its_share(deadline, order.len() - asked, first.as_ref() == Some(pipeline));
            match self.ask(pipeline, &path, until) {
                Ok(Answer::Found(view)) => {
                    self.refresh(outdated);
                    return Ok(Some(*view));
                }
                Ok(Answer::Unknown) => outdated |= !coverage.add_all(pipeline),
                Ok(Answer::Elsewhere(looked_in, text)) => {
                    outdated |= !coverage.add(pipeline, &looked_in);
                    problems.push(text);
                }
                // The others would not know more: an owner that has too much to do is not helped by
                // asking everybody.
                Err(Unanswered::Refused(problem)) if first.as_ref() == Some(pipeline) => {
                    return Err(unanswered(&[problem]));
                }
                Err(Unanswered::Moved(problem)) => {
                    outdated = true;
                    problems.push(problem);
                }
                Err(Unanswered::NotLetIn(problem) | Unanswered::Refused(problem)) => problems.push(problem),
            }
            if coverage.is_whole() {
                self.refresh(outdated);
                self.unknown.insert(id, Instant::now());
                return Ok(None);
            }
        }
        self.refresh(outdated || coverage.missing().is_some());
        problems.extend(coverage.missing());
        Err(unanswered(&problems))
    }

    /// Ready while one pipeline is: one that is down makes its own users' requests fail, and
    /// taking the whole server away would make all of them fail.
    fn ready(&self) -> Result<(), LookupError> {
        let deadline = Instant::now() + self.timeout;
        let mut problems = Vec::new();
        let order = self.in_order(&self.owners(), None);
        for (at, pipeline) in order.iter().enumerate() {
            match self.get(pipeline, "/readyz", its_share(deadline, order.len() - at - 1, false)) {
                Ok(answer) if answer.status().as_u16() == 200 => return Ok(()),
                Ok(answer) => problems.push(format!("{pipeline}/readyz: status {}", answer.status())),
                Err(problem) => problems.push(problem),
            }
        }
        Err(unanswered(&problems))
    }
}

/// Until when a pipeline may take that is followed by so many others: one that is silent leaves time for them,
/// most of it where it is not the one that is expected to know.
fn its_share(deadline: Instant, others: usize, is_owner: bool) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    match (others, is_owner) {
        (0, _) => deadline,
        (_, true) => Instant::now() + left * 3 / 4,
        (_, false) => Instant::now() + left / 2,
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
