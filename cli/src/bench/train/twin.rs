//! The PyTorch twin: a Python process that times a round whenever it is asked.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hmisr_model::ModelSettings;
use hmisr_model::backend::{self, Precision};
use serde::Deserialize;

use super::args::BenchTrainArgs;
use crate::failure::Failure;

const SCRIPT: &str = include_str!("../../../../scripts/sasrec_twin.py");

/// What the script prints after a round.
#[derive(Debug, Deserialize)]
pub struct Round {
    pub step_ms: f64,
    pub gflops: f64,
    pub peak_bytes: u64,
    pub threads: usize,
    pub torch: String,
}

pub struct Twin {
    python: PathBuf,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Twin {
    /// Starts the script with the sizes of `settings`; `python` has torch.
    pub fn start(python: &Path, args: &BenchTrainArgs, settings: &ModelSettings) -> Result<Self, Failure> {
        let own = if args.precision == Precision::Mixed { "mixed" } else { "f32" };
        let precision = args.twin_precision.clone().unwrap_or_else(|| own.to_owned());
        let device = if backend::NAME == "cuda" { "cuda" } else { "cpu" };
        let sizes: [(&str, String); 12] = [
            ("--device", device.to_owned()),
            ("--precision", precision),
            ("--items", args.items.to_string()),
            ("--batch", args.batch.to_string()),
            ("--len", settings.max_len.to_string()),
            ("--steps", args.steps.to_string()),
            ("--positions", args.positions.to_string()),
            ("--width", settings.width.to_string()),
            ("--heads", settings.heads.to_string()),
            ("--layers", settings.layers.to_string()),
            ("--feed-forward", settings.feed_forward.to_string()),
            ("--dropout", settings.dropout.to_string()),
        ];
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, "--serve"]);
        if !args.twin_without_time_bias {
            command.arg("--time-bias");
        }
        let mut child = command
            .args(sizes.iter().flat_map(|(name, value)| [*name, value.as_str()]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::user(format!("--twin {}: cannot be run: {error}", python.display())))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ask), Some(answer)) => {
                Ok(Self { python: python.to_owned(), child, ask, answer: BufReader::new(answer) })
            }
            _ => Err(Failure::panic("the twin's process")),
        }
    }

    /// Another round.
    pub fn round(&mut self) -> Result<Round, Failure> {
        let mut line = String::new();
        // A twin that has ended takes no question; what counts is that it gives no answer.
        let _ = writeln!(self.ask);
        self.answer.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| {
            Failure::user(format!(
                "--twin {}: ended without an answer, see above; it needs PyTorch 2 (pip install torch numpy)",
                self.python.display()
            ))
        })
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
