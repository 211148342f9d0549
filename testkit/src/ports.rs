//! Ports of this machine that nobody listens on.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::net::TcpListener;

/// The first of so many free ports that follow each other.
pub fn free_ports(count: u16) -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let others = (1..count).map(|more| TcpListener::bind(("127.0.0.1", port.checked_add(more)?)).ok());
        if others.collect::<Option<Vec<_>>>().is_some() {
            return port;
        }
    }
}

/// A free address, as `host:port`.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free_ports(1))
}
