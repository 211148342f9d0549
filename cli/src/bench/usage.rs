//! What this process has used, as Linux tells.

use crate::failure::Failure;

/// Ticks of `/proc/self/stat` in a second; Linux shows it so on every platform (`USER_HZ`).
const TICKS: f64 = 100.0;

/// CPU seconds, of user and system, of all threads.
pub fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, a name, may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err(Failure::user("/proc/self/stat: has no CPU times; the benchmark runs on Linux")),
    }
}

/// The most memory that was resident, in bytes.
pub fn peak_rss_bytes() -> Result<u64, Failure> {
    memory("VmHWM:")
}

/// Memory that is resident, in bytes.
pub fn rss_bytes() -> Result<u64, Failure> {
    memory("VmRSS:")
}

/// Files, sockets and the like that are open.
pub fn open_files() -> Result<u64, Failure> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count() as u64)
}

fn memory(name: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or_default() * 1024)
}
