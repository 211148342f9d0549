//! The shape of every crate's one public error.

/// Defines `Error` and `Result`: a kind to act on, a text for people that names field, value, place and
/// remedy, and what caused it.
///
/// ```
/// #[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// pub enum ErrorKind {
///     Io,
/// }
///
/// hmisr_features::error_with_kind! {
///     /// A failure of this crate.
///     ErrorKind
/// }
///
/// let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
/// let error = Error::caused(ErrorKind::Io, "cannot read users.json: it is not there", missing);
/// assert_eq!((error.kind(), error.to_string().contains("users.json")), (ErrorKind::Io, true));
/// ```
#[macro_export]
macro_rules! error_with_kind {
    ($(#[$doc:meta])* $kind:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct Error {
            kind: $kind,
            message: String,
            source: Option<Box<dyn std::error::Error + Send + Sync>>,
        }

        /// The crate's result.
        pub type Result<T> = std::result::Result<T, Error>;

        impl Error {
            /// An error with a text that names field, value, place and remedy.
            pub fn new(kind: $kind, message: impl Into<String>) -> Self {
                Self { kind, message: message.into(), source: None }
            }

            /// The same, with what caused it.
            pub fn caused(
                kind: $kind,
                message: impl Into<String>,
                source: impl std::error::Error + Send + Sync + 'static,
            ) -> Self {
                Self { kind, message: message.into(), source: Some(Box::new(source)) }
            }

            /// What the caller can do.
            pub fn kind(&self) -> $kind {
                self.kind
            }
        }

        impl std::fmt::Display for Error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.message)
            }
        }

        impl std::error::Error for Error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.source.as_ref().map(|source| source.as_ref() as _)
            }
        }
    };
}
