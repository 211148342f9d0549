//! Stands between clients and a broker, and loses what is said about the end of a transaction.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Kafka's number of the request that ends a transaction.
const END_TXN: i16 = 26;

/// What happens to the ends of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None,
    /// The broker does not hear of it.
    LoseRequest,
    /// The broker ends the transaction, and the client does not hear of it.
    LoseAnswer,
}

/// A proxy that ends with the process.
pub struct Proxy {
    /// The port that clients are to be sent to.
    pub port: u16,
    listener: Option<TcpListener>,
    state: Arc<State>,
}

struct State {
    fault: AtomicU8,
    lost: AtomicUsize,
}

impl Proxy {
    /// Takes a port; connections wait until [`Self::serve`].
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { fault: AtomicU8::new(Fault::None as u8), lost: AtomicUsize::new(0) };
        let port = listener.local_addr().unwrap().port();
        Self { port, listener: Some(listener), state: Arc::new(state) }
    }

    /// Leads connections to the broker.
    pub fn serve(&mut self, broker: u16) {
        let (listener, state) = (self.listener.take().unwrap(), self.state.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                let unanswered = Arc::new(Mutex::new(HashSet::new()));
                for to_broker in [true, false] {
                    let (from, to) = if to_broker { (&client, &server) } else { (&server, &client) };
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (state, unanswered) = (state.clone(), unanswered.clone());
                    std::thread::spawn(move || pump(from, to, to_broker, &state, &unanswered));
                }
            }
        });
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.state.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Requests or answers that were lost.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

/// Hands frames on, each a length and so many bytes, until one side ends.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    to_broker: bool,
    state: &State,
    unanswered: &Mutex<HashSet<[u8; 4]>>,
) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if from.read_exact(&mut frame).is_err() {
            break;
        }
        let fault = state.fault.load(Ordering::SeqCst);
        let lose = if to_broker {
            // A request: its kind, its version, the number that its answer begins with.
            let ends = frame[..2] == END_TXN.to_be_bytes();
            if ends && fault == Fault::LoseAnswer as u8 {
                unanswered.lock().unwrap().insert(frame[4..8].try_into().unwrap());
            }
            ends && fault == Fault::LoseRequest as u8
        } else {
            unanswered.lock().unwrap().remove(&frame[..4])
        };
        if lose {
            state.lost.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        if to.write_all(&length).and_then(|()| to.write_all(&frame)).is_err() {
            break;
        }
    }
    drop((from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both)));
}
