//! Asks pipelines for users over HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmisr_stream::contract::{Id, UserView};
use serde::Deserialize;

use crate::percent::encode_segment;
use crate::{ErrorKind, InvalidSetting, LookupError, Settings, UserLookup};

/// How long a pipeline that did not answer is asked after the others.
const LAST_FOR: Duration = Duration::from_secs(5);

/// Looks users up at one or several pipelines, each of which knows the users of its partitions.
///
/// The owner of the user's partition has the last word: a user is unknown when it says so. Where
/// no pipeline that answers owns the partition, that is an error.
pub struct HttpLookup {
    agent: ureq::Agent,
    pipelines: Vec<Pipeline>,
    timeout: Duration,
    start: Instant,
}

struct Pipeline {
    /// Without a slash at its end.
    base: String,
    /// Milliseconds from the start until which it is asked last.
    last_until_ms: AtomicU64,
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

impl HttpLookup {
    /// A look-up at `lookup_urls`.
    ///
    /// # Errors
    /// [`InvalidSetting`] where there is no URL, or one is not `http://host[:port][/path]`.
    pub fn new(settings: &Settings) -> Result<Self, InvalidSetting> {
        let bad = |value: &str| {
            let expected = "a list of at least one http://host:port";
            InvalidSetting::new("lookup_urls", format!("{value:?}"), expected)
        };
        if settings.lookup_urls.is_empty() {
            return Err(InvalidSetting::new("lookup_urls", "[]", "a list of at least one http://host:port"));
        }
        let mut pipelines = Vec::new();
        for url in &settings.lookup_urls {
            let uri: axum::http::Uri = url.parse().map_err(|_| bad(url))?;
            let host = uri.host().unwrap_or_default();
            if uri.scheme_str() != Some("http") || host.is_empty() || uri.query().is_some() {
                return Err(bad(url));
            }
            pipelines.push(Pipeline {
                base: url.trim_end_matches('/').to_owned(),
                last_until_ms: AtomicU64::new(0),
            });
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Pipelines are neighbours: a proxy set for the outside is not theirs.
            .proxy(None)
            .max_idle_connections(settings.max_lookups.saturating_mul(pipelines.len()))
            .max_idle_connections_per_host(settings.max_lookups)
            .build()
            .new_agent();
        let timeout = Duration::from_millis(settings.lookup_timeout_ms);
        Ok(Self { agent, pipelines, timeout, start: Instant::now() })
    }

    /// The pipelines, those that did not answer lately at the end.
    fn in_order(&self) -> Vec<&Pipeline> {
        let now_ms = self.since_start_ms();
        let mut order: Vec<_> = self.pipelines.iter().collect();
        order.sort_by_key(|pipeline| pipeline.last_until_ms.load(Ordering::Relaxed) > now_ms);
        order
    }

    fn since_start_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks one pipeline; the text of an error names it.
    fn get(
        &self,
        pipeline: &Pipeline,
        path: &str,
        deadline: Instant,
    ) -> Result<ureq::http::Response<ureq::Body>, String> {
        let url = format!("{}{path}", pipeline.base);
        let call = || {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ureq::Error::Timeout(ureq::Timeout::Global));
            }
            self.agent.get(&url).config().timeout_global(Some(left)).build().call()
        };
        let answered = match call() {
            // A kept connection may have been closed by the other side meanwhile, which shows
            // only when it is used; asking twice is harmless.
            Err(ureq::Error::Io(_) | ureq::Error::Protocol(_)) => call(),
            other => other,
        };
        match &answered {
            Ok(_) => pipeline.last_until_ms.store(0, Ordering::Relaxed),
            Err(_) => {
                let until_ms = self.since_start_ms().saturating_add(LAST_FOR.as_millis() as u64);
                pipeline.last_until_ms.store(until_ms, Ordering::Relaxed);
            }
        }
        answered.map_err(|error| format!("{url}: {error}"))
    }

    fn ask(&self, pipeline: &Pipeline, path: &str, deadline: Instant) -> Result<Option<UserView>, String> {
        let mut answer = self.get(pipeline, path, deadline)?;
        let status = answer.status().as_u16();
        let place = format!("{}{path}", pipeline.base);
        if status == 200 {
            return match answer.body_mut().read_json() {
                Ok(view) => Ok(Some(view)),
                Err(error) => Err(format!("{place}: the answer is no user: {error}")),
            };
        }
        match answer.body_mut().read_json::<ErrorAnswer>() {
            Ok(told) if status == 404 && told.error.kind == ErrorKind::UnknownUser.as_str() => Ok(None),
            Ok(told) => Err(format!("{place}: status {status}, {}", told.error.message)),
            // Also a 404: some other server's says nothing about the user.
            Err(_) => Err(format!("{place}: status {status}, not from a pipeline")),
        }
    }
}

impl UserLookup for HttpLookup {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        let path = format!("/v1/users/{}", encode_segment(&id.to_string()));
        let deadline = Instant::now() + self.timeout;
        let mut problems = Vec::new();
        for pipeline in self.in_order() {
            match self.ask(pipeline, &path, deadline) {
                Ok(answer) => return Ok(answer),
                Err(problem) => problems.push(problem),
            }
        }
        Err(unanswered(&problems))
    }

    /// Ready while one pipeline is: one that is down makes its own users' requests fail, and
    /// taking the whole server away would make all of them fail.
    fn ready(&self) -> Result<(), LookupError> {
        let deadline = Instant::now() + self.timeout;
        let mut problems = Vec::new();
        for pipeline in self.in_order() {
            match self.get(pipeline, "/readyz", deadline) {
                Ok(answer) if answer.status().as_u16() == 200 => return Ok(()),
                Ok(answer) => problems.push(format!("{}/readyz: status {}", pipeline.base, answer.status())),
                Err(problem) => problems.push(problem),
            }
        }
        Err(unanswered(&problems))
    }
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
            HttpLookup::new(&Settings { lookup_urls, ..Settings::default() })
        };
        for bad in [
            &[][..],
            &["127.0.0.1:8081"],
            &["https://a:1"],
            &["http://"],
            &["http://a/?b"],
            &["http://a", ""],
        ] {
            assert_eq!(with(bad).err().map(|error| error.field), Some("lookup_urls"), "{bad:?}");
        }
        assert!(with(&["http://127.0.0.1:8081/", "http://b/pipeline"]).is_ok());
    }
}
