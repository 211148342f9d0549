//! Listening, and ending gracefully.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::places::{Entered, Place, Places};
use crate::served::Served;
use crate::{Error, Metrics, Result, Settings, descriptors, tls};

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

/// Room for the headers of a request, bytes, besides its path and query.
const HEADERS: usize = 16 << 10;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause where the system gives no connection, as without a descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause where there is no place for a connection.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Serves until `shutdown` completes; then accepts nothing more and finishes what is in flight
/// within `shutdown_timeout_ms`.
///
/// # Errors
/// [`Error::Setting`] where certificate or key cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &Settings,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Ended> {
    let tls = tls::acceptor(settings)?;
    let idle = settings.idle_timeout();
    let places = Arc::new(Places::new(settings.max_connections, settings.connections_per_address()));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    let most = HEADERS + 2 * settings.max_request_bytes;
    // The time counts from when a request is waited for: it also ends a silent connection, and one
    // whose request comes byte by byte.
    http.timer(TokioTimer::new())
        .header_read_timeout(idle)
        .half_close(true)
        .max_header_size(most)
        .max_buf_size(most);
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let (stream, address) = listener.accept().await?;
            Ok::<_, std::io::Error>((place(&places, address, &metrics).await, stream, address))
        };
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            next = next => next,
        };
        let (place, stream, address) = match accepted {
            Ok((Some(place), stream, address)) => (place, stream, address),
            // It is closed here.
            Ok((None, ..)) => continue,
            Err(error) => {
                tracing::warn!("no connection can be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("{address}: {error}");
        }
        let (http, watcher) = (http.clone(), open.watcher());
        let service = Served::new(router.clone(), &place);
        let (tls, head, turns) = (tls.clone(), settings.header_timeout(), place.turns());
        metrics.connections.set(i64::try_from(places.open()).unwrap_or(i64::MAX));
        let (metrics, places) = (metrics.clone(), places.clone());
        tokio::spawn(async move {
            let served = async {
                match tls {
                    None => {
                        let io = TokioIo::new(Connection::new(stream, turns, head, idle));
                        watcher.watch(http.serve_connection(io, service)).await
                    }
                    Some(tls) => {
                        let Some(stream) = shake_hands(tls, stream, address, HANDSHAKE.min(idle)).await
                        else {
                            return Ok(());
                        };
                        let io = TokioIo::new(Connection::new(stream, turns, head, idle));
                        watcher.watch(http.serve_connection(io, service)).await
                    }
                }
            };
            tokio::select! {
                ended = served => if let Err(error) = ended {
                    tracing::debug!("{address}: {error}");
                },
                () = place.given_away() => tracing::debug!("{address}: its place was given to another"),
            }
            drop(place);
            metrics.connections.set(i64::try_from(places.open()).unwrap_or(i64::MAX));
        });
    }
    drop(listener);
    tokio::select! {
        biased;
        () = open.shutdown() => Ok(Ended::Drained),
        () = tokio::time::sleep(settings.shutdown_timeout()) => Ok(Ended::DeadlinePassed),
    }
}

/// A place for a connection, for which it may wait a moment; none where its address has had its share.
async fn place(places: &Arc<Places>, address: SocketAddr, metrics: &Metrics) -> Option<Place> {
    loop {
        match places.enter(address.ip()) {
            Entered::Place(place, was_others) => {
                metrics.displaced.inc_by(u64::from(was_others));
                return Some(place);
            }
            Entered::Refused => {
                metrics.refused.inc();
                tracing::debug!("{address}: has as many connections as one may have");
                return None;
            }
            Entered::Full => tokio::time::sleep(FULL_PAUSE).await,
        }
    }
}

async fn shake_hands(
    tls: tokio_rustls::TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    within: Duration,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(within, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        failed => {
            tracing::debug!("{address}: no TLS handshake: {:?}", failed.map(|done| done.map(drop)));
            None
        }
    }
}

/// An address that is listened on, before anybody answers there: who binds first finds a taken port
/// before anything else is begun.
#[derive(Debug)]
pub struct Listening {
    listener: std::net::TcpListener,
    address: SocketAddr,
    scheme: &'static str,
    settings: Settings,
}

impl Listening {
    /// Listens on `settings.listen`.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is out of range, certificate and key among them,
    /// [`Error::Listen`] where the address is taken or not this machine's.
    pub fn new(mut settings: Settings) -> Result<Self> {
        settings.validate()?;
        settings.max_connections = descriptors::room_for(settings.max_connections);
        // Told here, before anything listens.
        let scheme = if tls::acceptor(&settings)?.is_some() { "https" } else { "http" };
        let cannot_listen = |source| Error::Listen { listen: settings.listen.clone(), source };
        let listener = std::net::TcpListener::bind(&settings.listen).map_err(cannot_listen)?;
        listener.set_nonblocking(true).map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        Ok(Self { listener, address, scheme, settings })
    }

    /// What is served by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// A server in a thread of its own, with its own runtime, for programs that are not
/// asynchronous otherwise.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    scheme: &'static str,
    thread: JoinHandle<Result<Ended>>,
}

impl HttpServer {
    /// Listens on `settings.listen` and serves until `stop` is set.
    ///
    /// # Errors
    /// Those of [`Listening::new`] and of [`HttpServer::start_on`].
    pub fn start(
        router: Router,
        settings: Settings,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        Self::start_on(Listening::new(settings)?, router, metrics, stop)
    }

    /// Serves where it is listened already, until `stop` is set.
    ///
    /// # Errors
    /// [`Error::Io`] where the system gives no thread.
    pub fn start_on(
        listening: Listening,
        router: Router,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let Listening { listener, address, scheme, settings } = listening;
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
                    serve(listener, router, &settings, metrics, set(stop)).await
                });
                // Dropping a runtime waits for its blocking calls without a limit.
                runtime.shutdown_background();
                ended
            })
            .map_err(|source| Error::Io { doing: "cannot start the server's thread", source })?;
        tracing::info!(%address, "listening");
        Ok(Self { address, scheme, thread })
    }

    /// `http://address`, or `https://` where TLS is set.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
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
