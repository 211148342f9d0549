//! The page at `/`, and its files below `/page/`: they hold no data, so they ask for no token.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::no_such_path;
use crate::ApiError;

/// A file of the page, compiled in.
struct File {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
    /// Of its content, so that it changes with it.
    etag: String,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files = [
        ("index.html", PAGE, include_str!("../page/index.html")),
        ("icon.svg", PICTURE, include_str!("../page/icon.svg")),
        ("base.css", STYLE, include_str!("../page/base.css")),
        ("parts.css", STYLE, include_str!("../page/parts.css")),
        ("app.js", SCRIPT, include_str!("../page/app.js")),
        ("categories.js", SCRIPT, include_str!("../page/categories.js")),
        ("client.js", SCRIPT, include_str!("../page/client.js")),
        ("curve.js", SCRIPT, include_str!("../page/curve.js")),
        ("dom.js", SCRIPT, include_str!("../page/dom.js")),
        ("explorer.js", SCRIPT, include_str!("../page/explorer.js")),
        ("flow.js", SCRIPT, include_str!("../page/flow.js")),
        ("history.js", SCRIPT, include_str!("../page/history.js")),
        ("profile.js", SCRIPT, include_str!("../page/profile.js")),
        ("recommendations.js", SCRIPT, include_str!("../page/recommendations.js")),
        ("snapshots.js", SCRIPT, include_str!("../page/snapshots.js")),
        ("timeline.js", SCRIPT, include_str!("../page/timeline.js")),
    ];
    let file = |(name, media_type, text): (_, _, &'static str)| File {
        name,
        media_type,
        text,
        etag: format!("\"{:016x}\"", fnv1a(text.as_bytes())),
    };
    files.map(file).into()
});

/// What the page may do: its own files and its own server, nothing inline, and no text that becomes
/// markup (trusted types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Whether the client would rather have the page than JSON. `*/*`, which says nothing, means JSON.
pub(super) fn is_preferred(headers: &HeaderMap) -> bool {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    quality(&accept, "text", "html") > quality(&accept, "application", "json")
}

/// The quality that `Accept` gives a media type, by its most specific range (RFC 9110, 12.5.1).
fn quality(accept: &str, kind: &str, subtype: &str) -> f32 {
    let mut found = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match name.split_once('/') {
            Some((k, s)) if (k, s) == (kind, subtype) => 3,
            Some((k, "*")) if k == kind => 2,
            Some(("*", "*")) => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if specific > found.0 {
            found = (specific, weight);
        }
    }
    found.1
}

/// Whether a request is for a file of the page and so needs no token.
pub(super) fn is_public(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let reads = method == Method::GET || method == Method::HEAD;
    let file = path.strip_prefix("/page/").is_some_and(|name| FILES.iter().any(|file| file.name == name));
    reads && (file || (path == "/" && is_preferred(headers)))
}

/// The page itself.
pub(super) fn index(headers: &HeaderMap) -> Response {
    let mut response =
        FILES.first().map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| answer(file, headers));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A file of it.
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    // From the path as it came: the router answers an escape that is no text in words of its own.
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let file = FILES.iter().find(|file| file.name == name).ok_or_else(|| no_such_path(&uri))?;
    Ok(answer(file, &headers))
}

/// The file, or 304 where the client has it. Asked for again each time, so that a newer program's
/// files never meet an older one's.
fn answer(file: &File, headers: &HeaderMap) -> Response {
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let is_known = tags.any(|tag| tag == file.etag || tag == "*");
    let etag = [(header::ETAG, file.etag.clone())];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, fixed, etag).into_response(),
        false => (fixed, etag, file.text).into_response(),
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_the_page_and_programs_json() {
        let prefers = |accept: &str| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            }
            is_preferred(&headers)
        };
        for html in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "TEXT/HTML",
            "text/*",
            "application/json;q=0.5, text/html",
            "text/html;q=0.4, */*;q=0.1",
        ] {
            assert!(prefers(html), "{html}");
        }
        for json in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html",
            "text/html;q=0.5, application/json",
            "text/html;q=0.5, */*",
            "text/html;q=0, */*;q=0.1",
            "text/html;q=x",
            "text/plain",
            ";;,,q=1",
        ] {
            assert!(!prefers(json), "{json}");
        }
    }

    /// Every file that the page's files name is there, nothing is of another host, nothing inline.
    #[test]
    fn the_page_needs_nothing_but_its_own_files() {
        for file in FILES.iter() {
            for named in file.text.split("=\"page/").skip(1) {
                let name: String =
                    named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
                assert!(FILES.iter().any(|file| file.name == name), "{} names page/{name}", file.name);
            }
            for imported in file.text.split("from \"./").skip(1) {
                let name = imported.split('"').next().unwrap();
                assert!(FILES.iter().any(|file| file.name == name), "{} imports {name}", file.name);
            }
            let elsewhere = file.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("://"), "{} names another host", file.name);
            for never in
                [" style=\"", " onclick", "innerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!file.text.contains(never), "{} has {never}", file.name);
            }
        }
    }
}
