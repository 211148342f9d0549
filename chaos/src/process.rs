//! A process that says what it does, and is killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// A running process; dropped, it is killed.
pub struct Process {
    child: Child,
    /// When it was started.
    pub began: Instant,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it writes to standard error goes to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let began = Instant::now();
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .map_err(|error| Failure::fault(format!("{program} cannot be started: {error}")))?;
        let (send, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(std::io::Result::ok);
                lines.for_each(|line| drop(send.send(line)));
            });
        }
        Ok(Self { child, began, lines, log: log.to_owned() })
    }

    /// The next line within `time`; none where none came.
    ///
    /// # Errors
    /// Where the process has ended, with what it wrote last.
    pub fn line(&mut self, time: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                Err(self.ended(status))
            }
        }
    }

    /// SIGKILL, and the end of the process.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(Failure::fault(format!("kill -{name}: {sent}"))) }
    }

    /// The exit code, where it has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// Waits until it ends by itself, with success.
    pub fn finish(mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended(status)),
                None if Instant::now() >= deadline => {
                    let text = format!("a process has not ended within {} s", within.as_secs());
                    return Err(Failure::fault(text).with(self.tail()));
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        Failure::fault(format!("a process ended by itself, {status}; it said last:")).with(self.tail())
    }

    fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
