//! The trainer, for who runs it and who tunes the model.

use super::{TIMES, lines, number};
use crate::grafana::{Dashboard, Row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-trainer",
        title: "HMISR / Trainer",
        description: "Online learning: how well the model predicts what it has not learnt yet, how fast it learns, its snapshots.",
        present: "hmisr_trainer_steps_total",
        version: Some("hmisr_trainer_snapshot_version"),
        rows: vec![now(), learning(), pace(), snapshots()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("HR@10", "percentunit", "Share of the newest examples that the model ranked among its first ten before it learnt from them.")
                .query("avg(hmisr_trainer_hr10_ratio{$s,ranker=\"model\"})", "model"),
            number("HR@10 over popularity", "short", "How many times that of running popularity on the same examples. Below 1 the model is worth nothing.")
                .query("avg(hmisr_trainer_hr10_ratio{$s,ranker=\"model\"}) / (avg(hmisr_trainer_hr10_ratio{$s,ranker=\"popularity\"}) > 0)", "times")
                .needs(1.0),
            number("Examples learnt", "cps", "Per second.").query("sum(rate(hmisr_trainer_examples_total{$s}[$i]))", "examples"),
            number("Behind by", "s", "Time that the examples that wait take at the present pace.")
                .query("sum(hmisr_trainer_lag_records{$s}) / (sum(rate(hmisr_trainer_examples_total{$s}[$i])) > 0)", "behind")
                .warns(60.0, 600.0),
            number("Snapshot", "none", "Newest published version.").query("max(hmisr_trainer_snapshot_version{$s})", "version"),
            number("Snapshot's age", "s", "Since the newest was published.")
                .query("time() - max(hmisr_trainer_snapshot_timestamp_seconds{$s} > 0)", "age")
                .warns(120.0, 900.0),
        ],
    }
}

fn learning() -> Row {
    Row {
        title: "What it has learnt",
        panels: vec![
            lines(
                "HR@10 before learning",
                "percentunit",
                "Prequential, over the newest examples: model and running popularity on the same ones.",
            )
            .query("avg by (ranker) (hmisr_trainer_hr10_ratio{$s})", "{{ranker}}"),
            lines(
                "NDCG@10 before learning",
                "percentunit",
                "Prequential, over the newest examples: model and running popularity on the same ones.",
            )
            .query("avg by (ranker) (hmisr_trainer_ndcg10_ratio{$s})", "{{ranker}}"),
            lines("Loss", "none", "Mean cross-entropy of the newest batch before learning from it, nats.")
                .query("hmisr_trainer_loss_nats{$s}", "{{instance}}"),
            lines("Norm of the gradient", "none", "Before clipping at trainer.learning.clip_norm.")
                .query("hmisr_trainer_gradient_norm{$s}", "{{instance}}"),
            lines(
                "Unknown targets",
                "percentunit",
                "Share of the newest targets that the model did not know: they count as misses.",
            )
            .query("hmisr_trainer_unknown_target_ratio{$s}", "{{instance}}")
            .up_to(1.0),
            lines("Catalogue", "short", "Items that the model knows.")
                .query("hmisr_trainer_catalogue_items{$s}", "{{instance}}"),
        ],
    }
}

fn pace() -> Row {
    Row {
        title: "Pace",
        panels: vec![
            lines("Examples", "cps", "Learnt from; learnt again in a first lesson; not evaluated for want of time; no examples; no longer in the log.")
                .query("sum(rate(hmisr_trainer_examples_total{$s}[$i]))", "learnt")
                .query("sum(rate(hmisr_trainer_repeated_examples_total{$s}[$i]))", "learnt again")
                .query("sum(rate(hmisr_trainer_not_ranked_total{$s}[$i]))", "not evaluated")
                .query("sum(rate(hmisr_trainer_bad_examples_total{$s}[$i]))", "bad")
                .query("sum(rate(hmisr_trainer_lost_examples_total{$s}[$i]))", "lost"),
            lines("Lag", "short", "Records of training-examples behind the log's known end.")
                .query("hmisr_trainer_lag_records{$s}", "{{instance}}"),
            lines("Time of a step", "s", "Evaluating and learning a batch.").quantiles("hmisr_trainer_step_seconds", "", TIMES),
            lines("Batch", "short", "Mean examples of a batch.")
                .query("sum(rate(hmisr_trainer_batch_examples_sum{$s}[$i])) / (sum(rate(hmisr_trainer_batch_examples_count{$s}[$i])) > 0)", "examples"),
            lines("Tokens", "cps", "Events encoded, and padding encoded beside them.")
                .query("sum(rate(hmisr_trainer_tokens_total{$s}[$i]))", "events")
                .query("sum(rate(hmisr_trainer_padding_tokens_total{$s}[$i]))", "padding"),
            lines("Cut and repeated", "cps", "Histories cut to what the model reads; batches learnt again after a restart; users whose seen items were forgotten.")
                .query("sum(rate(hmisr_trainer_truncated_histories_total{$s}[$i]))", "histories cut")
                .query("sum(rate(hmisr_trainer_replayed_batches_total{$s}[$i]))", "batches repeated")
                .query("sum(rate(hmisr_trainer_tombstones_total{$s}[$i]))", "users forgotten"),
        ],
    }
}

fn snapshots() -> Row {
    Row {
        title: "Snapshots and memory",
        panels: vec![
            lines("Age of the newest", "s", "Grows while nothing is published.")
                .query("time() - (hmisr_trainer_snapshot_timestamp_seconds{$s} > 0)", "{{instance}}")
                .warns(120.0, 900.0),
            lines("Time to write one", "s", "Learning waits meanwhile.").quantiles("hmisr_trainer_snapshot_seconds", "", TIMES),
            lines("Size", "bytes", "Of the newest: it grows with the catalogue.").query("hmisr_trainer_snapshot_bytes{$s}", "{{instance}}"),
            lines("Announcements aborted", "short", "Snapshots whose announcement failed, in the last hour; the next one is announced anew.")
                .query("sum(increase(hmisr_trainer_announce_failures_total{$s}[1h]))", "aborted"),
            lines("Seen items", "short", "Kept over all users so that they are not ranked again; trainer.evaluation.seen_entries bounds them.")
                .query("hmisr_trainer_seen_entries{$s}", "{{instance}}"),
            lines("Users whose seen items were dropped", "short", "For want of room, in all.")
                .query("hmisr_trainer_seen_dropped_users{$s}", "{{instance}}"),
        ],
    }
}
