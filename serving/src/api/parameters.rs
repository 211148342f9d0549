//! The parameters of a request, read strictly.

use std::collections::HashSet;

use hmisr_stream::contract::Id;

use super::ask::{A_SHARE, AN_ID, Ask, MOST_VALUES, no_such, refusal, whole_number};
use crate::error::shown;
use crate::percent::decode;
use crate::{ApiError, ErrorKind};

const PARAMETERS: [&str; 9] = [
    "user_id",
    "k",
    "lambda",
    "now",
    "candidates",
    "exclude",
    "allow_categories",
    "exclude_categories",
    "explain",
];

impl Ask {
    /// Reads the parameters of `GET /v1/recommend`. Times before `min_ts_ms` are refused.
    pub(super) fn of_query(query: &str, min_ts_ms: i64) -> Result<Self, ApiError> {
        let (mut ask, mut k, mut met) = (Self::default(), None, HashSet::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(raw_name, true).map_err(|problem| bad(raw_name, raw_value, &problem))?;
            let value = decode(raw_value, true).map_err(|problem| bad(&name, raw_value, &problem))?;
            if !PARAMETERS.contains(&name.as_str()) {
                return Err(bad(&name, &value, &no_such("parameter", &name, &PARAMETERS)));
            }
            if !met.insert(name.clone()) {
                return Err(bad(&name, &value, "it is given twice; give it once"));
            }
            match name.as_str() {
                "user_id" => ask.user_id = Some(id("user_id", &value)?),
                "k" => k = Some(value),
                "lambda" => ask.lambda = Some(share(&value)?),
                "now" => ask.now = Some(time(&value, min_ts_ms)?),
                "candidates" => ask.candidates = Some(ids(&name, raw_value)?),
                "exclude" => ask.exclude = Some(ids(&name, raw_value)?.into_iter().collect()),
                "allow_categories" => {
                    ask.allow_categories = Some(ids(&name, raw_value)?.into_iter().collect())
                }
                "exclude_categories" => {
                    ask.exclude_categories = Some(ids(&name, raw_value)?.into_iter().collect());
                }
                _ => ask.explain = Some(flag(&name, &value)?),
            }
        }
        ask.k = k.map(|k| whole_k(&k, ask.most_k())).transpose()?;
        ask.checked("parameter `user_id` is missing; give it, as in /v1/recommend?user_id=42&k=10")
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
        let time = digits(value).and_then(|value| value.parse().ok());
        since = Some(time.ok_or_else(|| bad(name, value, "it must be an epoch time in milliseconds"))?);
    }
    Ok(since.unwrap_or(-1))
}

/// Reads the user's id from a path that ends with it, escapes and all.
pub(super) fn id_at_end(path: &str) -> Result<Id, ApiError> {
    let segment = path.rsplit('/').next().unwrap_or_default();
    id("user_id", &decode(segment, false).map_err(|problem| bad("user_id", segment, &problem))?)
}

fn id(name: &str, text: &str) -> Result<Id, ApiError> {
    Id::parse(text).map_err(|error| bad(name, text, &format!("{error}; {AN_ID}")))
}

/// Ids between commas; a comma within one stands as `%2C`.
fn ids(name: &str, raw: &str) -> Result<Vec<Id>, ApiError> {
    let count = raw.split(',').count();
    if count > MOST_VALUES {
        let message = format!("parameter `{name}` holds {count} ids; it may hold {MOST_VALUES}");
        return Err(ApiError::new(ErrorKind::BadParameter, message));
    }
    let one = |raw: &str| id(name, &decode(raw, true).map_err(|problem| bad(name, raw, &problem))?);
    raw.split(',').map(one).collect()
}

fn whole_k(text: &str, most: usize) -> Result<usize, ApiError> {
    let value = digits(text).and_then(|text| text.parse().ok()).filter(|k| (1..=most).contains(k));
    value.ok_or_else(|| bad("k", text, &whole_number(most)))
}

fn time(text: &str, min_ts_ms: i64) -> Result<i64, ApiError> {
    let time = digits(text).and_then(|text| text.parse().ok());
    let time = time.ok_or_else(|| bad("now", text, "it must be an epoch time in milliseconds"))?;
    match refusal(time, min_ts_ms) {
        Some(problem) => Err(bad("now", text, &problem)),
        None => Ok(time),
    }
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn share(text: &str) -> Result<f32, ApiError> {
    let value = text.parse().ok().filter(|lambda| (0.0..=1.0).contains(lambda));
    value.ok_or_else(|| bad("lambda", text, A_SHARE))
}

fn flag(name: &str, text: &str) -> Result<bool, ApiError> {
    text.parse().map_err(|_| bad(name, text, "it must be true or false"))
}

fn bad(name: &str, value: &str, problem: &str) -> ApiError {
    let name = name.chars().take(64).collect::<String>();
    let message = format!("parameter `{name}`, value {}: {problem}", shown(value));
    ApiError::new(ErrorKind::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 631_152_000_000;

    #[test]
    fn parameters_are_read() {
        let read = |query| Ask::of_query(query, MIN).unwrap();
        let plain = Ask { user_id: Some(Id::from(42)), ..Ask::default() };
        assert_eq!((plain.k(), read("user_id=42")), (10, plain));
        let odd = read("&k=100&&user%5Fid=a%2Fb+c&");
        assert_eq!((odd.user_id.as_ref().and_then(Id::as_text), odd.k()), (Some("a/b c"), 100));
        let lists = read("user_id=1&candidates=1,a%2Cb,c+d&exclude=7&explain=true&now=978300760000&k=1000");
        let names: Vec<String> = lists.candidates.iter().flatten().map(Id::to_string).collect();
        assert_eq!(names, ["1", "a,b", "c d"]);
        assert_eq!((lists.explain, lists.now, lists.k()), (Some(true), Some(978_300_760_000), 1_000));
        assert!(lists.exclude.is_some_and(|exclude| exclude.contains(&Id::from(7))));
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
            ("user_id=1&Lambda=1", "did you mean `lambda`?"),
            ("user_id=1&session=1", "there are `user_id`, `k`"),
            ("user_id=1&now=1700000000", "looks like seconds"),
            ("user_id=1&now=-1", "epoch time"),
            ("user_id=1&candidates=1,,2", "`candidates`, value \"\""),
            ("user_id=1&exclude=", "must not be empty"),
            ("user_id=1&allow_categories=%f", "hexadecimal"),
            ("user_id=1&explain=1", "true or false"),
            ("user_id=1&k=1001&candidates=1", "from 1 to 1000"),
        ] {
            let error = Ask::of_query(query, MIN).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadParameter);
            assert!(error.to_string().contains(named), "{query}: {error}");
        }
    }
}
