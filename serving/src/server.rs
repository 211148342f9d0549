//! Listening, and ending gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::listener::BoundedListener;
use crate::{Error, Result, Settings};

/// How often the wish to stop is looked at.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request in flight was answered.
    Drained,
    /// `shutdown_timeout_ms` passed with requests still in flight.
    DeadlinePassed,
}

/// Serves until `shutdown` completes; then accepts nothing more and finishes what is in flight
/// within `shutdown_timeout_ms`.
///
/// # Errors
/// [`Error::Io`] where the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Ended> {
    let listener = BoundedListener::new(listener, settings.max_connections, settings.idle_timeout());
    let (begun, ending) = oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        // Nobody waits for it where the server ended by itself.
        let _ = begun.send(());
    });
    let deadline = async {
        let _ = ending.await;
        tokio::time::sleep(settings.shutdown_timeout()).await;
    };
    tokio::select! {
        biased;
        ended = server => {
            ended.map_err(|source| Error::Io { doing: "the listener failed", source })?;
            Ok(Ended::Drained)
        }
        () = deadline => Ok(Ended::DeadlinePassed),
    }
}

/// A server in a thread of its own, with its own runtime, for programs that are not
/// asynchronous otherwise.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    thread: JoinHandle<Result<Ended>>,
}

impl HttpServer {
    /// Listens on `settings.listen` and serves until `stop` is set.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is out of range, [`Error::Listen`] where the address
    /// is taken or not this machine's, [`Error::Io`] where the system gives no thread.
    pub fn start(router: Router, settings: Settings, stop: Arc<AtomicBool>) -> Result<Self> {
        settings.validate()?;
        let cannot_listen = |source| Error::Listen { listen: settings.listen.clone(), source };
        let listener = std::net::TcpListener::bind(&settings.listen).map_err(cannot_listen)?;
        listener.set_nonblocking(true).map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // A thread for every place behind the gates, with some to spare for name look-ups.
            .max_blocking_threads(settings.concurrency() + settings.max_lookups + 8)
            .thread_name("hmisr-http")
            .enable_all()
            .build()
            .map_err(|source| Error::Io { doing: "cannot start the server's threads", source })?;
        let thread = std::thread::Builder::new()
            .name("hmisr-http-main".to_owned())
            .spawn(move || {
                let ended = runtime.block_on(async {
                    let listener = TcpListener::from_std(listener)
                        .map_err(|source| Error::Io { doing: "cannot listen", source })?;
                    serve(listener, router, &settings, set(stop)).await
                });
                // Dropping a runtime waits for its blocking calls without a limit.
                runtime.shutdown_background();
                ended
            })
            .map_err(|source| Error::Io { doing: "cannot start the server's thread", source })?;
        tracing::info!(%address, "listening");
        Ok(Self { address, thread })
    }

    /// The address listened on; the port is the real one where 0 was set.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end, which comes after the `stop` given to [`HttpServer::start`] is set.
    ///
    /// # Errors
    /// [`Error::Io`] where the listener failed, [`Error::Panicked`].
    pub fn join(self) -> Result<Ended> {
        self.thread.join().unwrap_or(Err(Error::Panicked))
    }
}

async fn set(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(STOP_CHECK).await;
    }
}
