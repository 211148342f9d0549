//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// A flag that the first Ctrl-C or SIGTERM sets; the second ends the process at once, which
/// loses nothing that is committed.
pub fn on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let Ok(mut terminate) = terminate else { return };
            for second in [false, true] {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
                if second {
                    eprintln!("ended at once; the next start goes on from the last commit");
                    std::process::exit(130);
                }
                tracing::info!("stopping: what is under way is finished first (again to end at once)");
                flag.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(stop)
}
