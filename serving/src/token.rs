//! Bearer tokens (RFC 6750), read from files.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use axum::http::HeaderValue;
use subtle::ConstantTimeEq;

use crate::InvalidSetting;

/// The shortest token that is taken, bytes.
const LEAST: usize = 16;
/// What is read of a file, bytes.
const MOST: u64 = 64 << 10;

/// A secret that a request presents. It is never shown.
#[derive(Clone)]
pub(crate) struct Token(Vec<u8>);

impl Token {
    /// Reads the token in a file; none where no file is set. White space around it does not count.
    ///
    /// # Errors
    /// [`InvalidSetting`] of the setting `field`; it names the file and never what is in it.
    pub(crate) fn read(field: &'static str, path: &Path) -> Result<Option<Self>, InvalidSetting> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let invalid = |expected: String| InvalidSetting::new(field, format!("{path:?}"), expected);
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MOST).read_to_end(&mut text))
            .map_err(|error| invalid(format!("a file that can be read ({error})")))?;
        let token = text.trim_ascii();
        if token.len() < LEAST || !token.iter().all(u8::is_ascii_graphic) {
            let expected = "a file with one token of visible ASCII characters";
            return Err(invalid(format!("{expected}, at least {LEAST} of them")));
        }
        Ok(Some(Self(token.to_vec())))
    }

    /// Whether the header `authorization` presents this token; takes the same time wherever they differ.
    pub(crate) fn admits(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, token)) = authorization.and_then(|value| value.as_bytes().split_at_checked(7))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(token.trim_ascii().ct_eq(&self.0))
    }

    /// The value of the header `authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_admitted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let token = Token::read("bearer_token_file", &file).unwrap().unwrap();
        let admits = |text: &str| token.admits(Some(&HeaderValue::from_str(text).unwrap()));
        assert!(admits("Bearer 0123456789abcdef") && admits("bearer  0123456789abcdef"));
        for bad in
            ["", "Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdeF", "0123456789abcdef"]
        {
            assert!(!admits(bad), "{bad}");
        }
        assert!(!token.admits(None));
        assert_eq!(format!("{token:?}"), "***");
        assert!(Token::read("bearer_token_file", Path::new("")).unwrap().is_none());
        for bad in ["short", "", "0123456789 abcdef", "0123456789abcd\u{fc}f"] {
            std::fs::write(&file, bad).unwrap();
            let error = Token::read("bearer_token_file", &file).unwrap_err().to_string();
            assert!(error.contains("bearer_token_file") && error.contains("token\""), "{error}");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
