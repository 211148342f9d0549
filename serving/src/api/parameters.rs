//! The parameters of a request, read strictly.

use hmisr_stream::contract::Id;

use crate::error::shown;
use crate::percent::decode;
use crate::{ApiError, ErrorKind};

/// How many items are recommended where `k` is not given.
const DEFAULT_K: usize = 10;
/// The most items that are recommended.
const MAX_K: usize = 100;

/// The parameters of `GET /v1/recommend`.
#[derive(Debug, PartialEq)]
pub(super) struct RecommendParameters {
    pub(super) user_id: Id,
    pub(super) k: usize,
    /// How much diversity weighs; none: as much as the user is expected to want.
    pub(super) lambda: Option<f32>,
}

impl RecommendParameters {
    pub(super) fn read(query: &str) -> Result<Self, ApiError> {
        let (mut user_id, mut k, mut lambda) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(raw_name, true).map_err(|problem| bad(raw_name, raw_value, &problem))?;
            let value = decode(raw_value, true).map_err(|problem| bad(&name, raw_value, &problem))?;
            let slot = match name.as_str() {
                "user_id" => &mut user_id,
                "k" => &mut k,
                "lambda" => &mut lambda,
                _ => {
                    return Err(bad(
                        &name,
                        &value,
                        "there is no such parameter; there are `user_id`, `k` and `lambda`",
                    ));
                }
            };
            if slot.is_some() {
                return Err(bad(&name, &value, "it is given twice; give it once"));
            }
            *slot = Some(value);
        }
        let Some(user_id) = user_id else {
            let message = "parameter `user_id` is missing; give it, as in /v1/recommend?user_id=42&k=10";
            return Err(ApiError::new(ErrorKind::BadParameter, message));
        };
        Ok(Self {
            user_id: id(&user_id)?,
            k: k.map_or(Ok(DEFAULT_K), |k| whole_k(&k))?,
            lambda: lambda.map(|lambda| share(&lambda)).transpose()?,
        })
    }
}

/// The parameter of `GET /v1/activity`: what is no later is not sent again; without it all is.
pub(super) fn since(query: &str) -> Result<i64, ApiError> {
    let mut since = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "since" {
            return Err(bad(name, value, "there is no such parameter; there is `since`"));
        }
        if since.is_some() {
            return Err(bad(name, value, "it is given twice; give it once"));
        }
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let time = digits.then(|| value.parse().ok()).flatten();
        since = Some(time.ok_or_else(|| bad(name, value, "it must be an epoch time in milliseconds"))?);
    }
    Ok(since.unwrap_or(-1))
}

/// Reads the user's id from a path that ends with it, escapes and all.
pub(super) fn id_at_end(path: &str) -> Result<Id, ApiError> {
    let segment = path.rsplit('/').next().unwrap_or_default();
    id(&decode(segment, false).map_err(|problem| bad("user_id", segment, &problem))?)
}

fn id(text: &str) -> Result<Id, ApiError> {
    let expected = "an id is an integer from 0 to 9223372036854775807 or a text of 1 to 128 bytes";
    Id::parse(text).map_err(|error| bad("user_id", text, &format!("{error}; {expected}")))
}

fn whole_k(text: &str) -> Result<usize, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.then(|| text.parse().ok()).flatten();
    value
        .filter(|k| (1..=MAX_K).contains(k))
        .ok_or_else(|| bad("k", text, &format!("it must be a whole number from 1 to {MAX_K}")))
}

fn share(text: &str) -> Result<f32, ApiError> {
    let value = text.parse().ok().filter(|lambda| (0.0..=1.0).contains(lambda));
    value.ok_or_else(|| bad("lambda", text, "it must be a number from 0 (relevance alone) to 1"))
}

fn bad(name: &str, value: &str, problem: &str) -> ApiError {
    let name = name.chars().take(64).collect::<String>();
    let message = format!("parameter `{name}`, value {}: {problem}", shown(value));
    ApiError::new(ErrorKind::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let read = |query| RecommendParameters::read(query).unwrap();
        assert_eq!(read("user_id=42"), RecommendParameters { user_id: Id::from(42), k: 10, lambda: None });
        let odd = read("&k=100&&user%5Fid=a%2Fb+c&");
        assert_eq!((odd.user_id.as_text(), odd.k), (Some("a/b c"), 100));
        assert_eq!(id_at_end("/v1/users/a%2Fb+c").unwrap().as_text(), Some("a/b+c"));
    }

    #[test]
    fn a_time_is_read_strictly() {
        assert_eq!((since("").unwrap(), since("since=0").unwrap(), since("&since=17").unwrap()), (-1, 0, 17));
        for bad in [
            "since",
            "since=",
            "since=-1",
            "since=1.5",
            "since=1&since=1",
            "until=1",
            "since=99999999999999999999",
        ] {
            let error = since(bad).unwrap_err();
            assert!(error.to_string().contains("parameter `"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, named) in [
            ("", "`user_id` is missing"),
            ("k=5", "`user_id` is missing"),
            ("user_id=", "must not be empty"),
            ("user_id=1&user_id=1", "twice"),
            ("user_id=1&K=5", "`K`"),
            ("user_id=1&lambda=1.5", "`lambda`, value \"1.5\""),
            ("user_id=1&lambda=NaN", "from 0"),
            ("user_id=%ff", "UTF-8"),
            ("user_id=%4", "hexadecimal"),
            ("user_id=1&k=0", "`k`, value \"0\""),
            ("user_id=1&k=101", "from 1 to 100"),
            ("user_id=1&k=1e9", "\"1e9\""),
            ("user_id=1&k=%2B5", "\"+5\""),
            ("user_id=1&k", "`k`, value \"\""),
            ("user_id=1&k=99999999999999999999999", "from 1 to 100"),
        ] {
            let error = RecommendParameters::read(query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadParameter);
            assert!(error.to_string().contains(named), "{query}: {error}");
        }
    }
}
