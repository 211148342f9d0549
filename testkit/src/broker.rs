//! A real broker for a test program, through `scripts/kafka`.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::free_ports;

/// Brokers of one cluster, which end when this process does.
pub struct Broker {
    /// `host:port`, of each.
    pub address: String,
    /// Where they keep their data.
    pub dir: PathBuf,
    port: u16,
}

/// The broker that all tests of this program share; none where it cannot be had.
///
/// `HMISR_KAFKA_TESTS=require` makes that a failure.
pub fn shared() -> Option<&'static str> {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref().map(|broker| broker.address.as_str())
}

/// A broker of the caller's own.
pub fn start() -> Option<Broker> {
    start_with(1, |_| Vec::new())
}

/// Brokers of the caller's own, with options of `scripts/kafka`, given the first one's port.
pub fn start_with(nodes: u16, options: impl FnOnce(u16) -> Vec<String>) -> Option<Broker> {
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
    let port = free_ports(nodes);
    let addresses: Vec<String> = (port..port + nodes).map(|port| format!("127.0.0.1:{port}")).collect();
    let broker = Broker { address: addresses.join(","), dir, port };
    let mut options = options(port);
    options.extend(["--nodes".to_owned(), nodes.to_string()]);
    broker.launch(&options);
    Some(broker)
}

impl Broker {
    /// Starts those again that were stopped or killed: same addresses, same data.
    pub fn start_again(&self) {
        self.launch(&[]);
    }

    fn launch(&self, options: &[String]) {
        let (port, process) = (self.port.to_string(), std::process::id().to_string());
        let mut arguments = vec!["start", "--port", &port, "--while", &process];
        arguments.extend(options.iter().map(String::as_str));
        self.run(&arguments);
    }

    /// Kills one of several, by its number from 1 on, with no time to say a word.
    pub fn kill(&self, node: u16) {
        let pid = std::fs::read_to_string(self.dir.join(format!("node-{node}/pid"))).unwrap();
        assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    }

    /// Stops it; its data stay.
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
    // Asked when the test runs: checkouts share one build folder, and with it what was built elsewhere.
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/kafka")
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
