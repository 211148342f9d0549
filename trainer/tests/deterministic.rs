//! The same batches give the same bits at sizes where products are spread over threads.
#![allow(clippy::unwrap_used)]

use crate::common::{examples, settings};
use hmisr_trainer::{Settings, Trainer, backend};

#[test]
fn two_runs_agree_in_every_rank_and_loss() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { batch_examples: 512, ..Settings::default() };
    let settings = Settings { folder: self::settings(folder.path()).folder, ..settings };
    let all = examples(4_096, 60, 5_000);
    let run = || {
        let mut trainer = Trainer::new(settings.clone(), backend::device().unwrap()).unwrap();
        let reports = all.chunks(512).map(|batch| trainer.learn(batch).unwrap());
        reports
            .map(|report| (report.loss.to_bits(), report.gradient_norm.to_bits(), report.ranked))
            .collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.iter().any(|(_, _, ranked)| ranked.iter().any(|ranked| ranked.model.is_some())));
    for _ in 0..3 {
        assert!(run() == first);
    }
}
