//! `hmisr probe`: whether a part on this machine is well.

use std::time::Duration;

use clap::Args;
use ureq::tls::TlsConfig;

use crate::failure::Failure;

/// Arguments of `hmisr probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// What is asked: /healthz, whether it lives, or /readyz, whether it can answer.
    #[arg(default_value = "/healthz", value_name = "PATH")]
    path: String,
    /// The port that the part listens on.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How long the answer may take, milliseconds.
    #[arg(long, default_value_t = 2_000, value_name = "MS")]
    timeout_ms: u64,
}

pub fn run(settings: &hmisr_serving::Settings, args: &ProbeArgs) -> Result<(), Failure> {
    let scheme = if settings.tls_certificate.as_os_str().is_empty() { "http" } else { "https" };
    let url = format!("{scheme}://127.0.0.1:{}/{}", args.port, args.path.trim_start_matches('/'));
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_millis(args.timeout_ms)))
        // A certificate is of the name under which others reach the part.
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build()
        .new_agent();
    let mut request = agent.get(&url);
    if !settings.bearer_token_file.as_os_str().is_empty() {
        let file = &settings.bearer_token_file;
        let token = std::fs::read_to_string(file)
            .map_err(|error| Failure::user(format!("serving.bearer_token_file = {file:?}: {error}")))?;
        request = request.header("Authorization", format!("Bearer {}", token.trim()));
    }
    let mut answer = request.call().map_err(|error| Failure::found(format!("{url}: {error}")))?;
    let said = answer.body_mut().read_to_string().unwrap_or_default();
    if answer.status() != 200 {
        return Err(Failure::found(format!("{url}: {}: {said}", answer.status())));
    }
    println!("{said}");
    Ok(())
}
