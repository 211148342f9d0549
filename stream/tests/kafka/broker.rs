//! A real broker for a test binary, through `scripts/kafka`. Other crates' tests include this file
//! by its path.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// One broker, which ends when this process does.
pub struct Broker {
    /// `host:port`.
    pub address: String,
    dir: PathBuf,
    port: u16,
}

/// The broker that all tests of this binary share; none where it cannot be had.
///
/// `HMISR_KAFKA_TESTS=require` makes that a failure.
#[allow(dead_code, reason = "not every test binary that includes this file shares one")]
pub fn shared() -> Option<&'static str> {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref().map(|broker| broker.address.as_str())
}

/// A broker of the caller's own.
pub fn start() -> Option<Broker> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    if let Err(why) = available() {
        let text = format!("KAFKA TESTS ARE SKIPPED: {why}");
        assert!(std::env::var("HMISR_KAFKA_TESTS").as_deref() != Ok("require"), "{text}");
        // Not eprintln!, which the test harness keeps to itself.
        let _ = writeln!(std::io::stderr(), "{text}");
        return None;
    }
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("hmisr-kafka-{}-{number}", std::process::id()));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = Broker { address: format!("127.0.0.1:{port}"), dir, port };
    broker.start_again();
    Some(broker)
}

impl Broker {
    /// Starts it again where it was stopped: same address, same data.
    pub fn start_again(&self) {
        self.run(&["start", "--port", &self.port.to_string(), "--while", &std::process::id().to_string()]);
    }

    /// Stops it; its data stay.
    #[allow(dead_code, reason = "not every test binary that includes this file stops a broker")]
    pub fn stop(&self) {
        self.run(&["stop"]);
    }

    fn run(&self, arguments: &[&str]) {
        let output: Output =
            Command::new(script()).args(arguments).arg("--dir").arg(&self.dir).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/kafka {arguments:?} failed: {words}");
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka")
}

fn available() -> Result<(), String> {
    if std::env::var("HMISR_KAFKA_TESTS").as_deref() == Ok("skip") {
        return Err("HMISR_KAFKA_TESTS=skip".to_owned());
    }
    Command::new("java")
        .arg("-version")
        .output()
        .map_err(|_| "java is not installed (scripts/setup --tests)")?;
    let cache = std::env::var_os("HMISR_KAFKA_DIR").map(PathBuf::from).or_else(|| {
        let caches = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(caches.join("hmisr/kafka"))
    });
    let jars = cache.ok_or("neither HMISR_KAFKA_DIR nor HOME is set")?.join("jars");
    if jars.join("pom.xml").exists() {
        Ok(())
    } else {
        Err(format!("no Kafka jars in {} (scripts/kafka fetch)", jars.display()))
    }
}
