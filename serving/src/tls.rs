//! TLS, where a certificate is set.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{InvalidSetting, Settings};

/// What answers handshakes; none where no certificate is set.
///
/// # Errors
/// [`InvalidSetting`] where certificate or key cannot be read, or do not belong together. It never
/// shows what is in the files.
pub(crate) fn acceptor(settings: &Settings) -> Result<Option<TlsAcceptor>, InvalidSetting> {
    let (certificate, key) = (&settings.tls_certificate, &settings.tls_key);
    if certificate.as_os_str().is_empty() && key.as_os_str().is_empty() {
        return Ok(None);
    }
    let of_certificate =
        |expected: String| InvalidSetting::new("tls_certificate", format!("{certificate:?}"), expected);
    let of_key = |expected: String| InvalidSetting::new("tls_key", format!("{key:?}"), expected);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| of_certificate(format!("a PEM file with a certificate chain ({error})")))?;
    if chain.is_empty() {
        return Err(of_certificate("a PEM file with a certificate chain (it holds none)".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| of_key(format!("a PEM file with a private key ({error})")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| of_key(format!("the private key of serving.tls_certificate ({error})")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
