//! Tables for people.

use std::fmt::Write;

use super::{Compared, Measured, ModelReport, Report, compare};
use crate::measures::{Fit, ild_at_ndcg};
use crate::split::{FUTURE_EVENTS, Protocol};

const MAIN: [&str; 8] =
    ["HR@10", "NDCG@10", "MRR@10", "ILD@10", "entropy@10", "coverage@10", "Gini@10", "tail@10"];
const ACCURACY: [&str; 9] =
    ["HR@5", "HR@20", "HR@50", "NDCG@5", "NDCG@20", "NDCG@50", "MRR@5", "MRR@20", "MRR@50"];

/// Shares of the greatest NDCG@10 at which curves are compared.
const SHARES: [f64; 5] = [1.0, 0.98, 0.95, 0.9, 0.85];

/// What a comparison is judged by.
const COMPARED: [&str; 2] = ["NDCG@10", "ILD@10"];

impl Report {
    /// The whole report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = self.head();
        let last = match self.protocol {
            Protocol::O1 => "Test: the last item that each user chose",
            Protocol::O2 => "Test, target `last`: the last item that each user chose after the threshold",
        };
        section(&mut text, last, &self.set(|model| Some(&model.test)));
        section(
            &mut text,
            "Test, target `successive`: what was chosen after the threshold",
            &self.set(|model| model.successive.as_ref()),
        );
        self.adaptation(&mut text);
        self.related(&mut text);
        self.trade(&mut text);
        self.per_seed(&mut text);
        self.sources(&mut text);
        self.fits(&mut text);
        text
    }

    /// Each model that `shown` names against a reference: differences with intervals and p-values of
    /// the paired bootstrap over users. None where there is no such reference.
    pub fn comparison(&self, reference: &str, shown: impl Fn(&str) -> bool) -> Option<String> {
        let base = self.models.iter().find(|model| model.name == reference)?;
        let mut text =
            format!("| model | {} |\n", COMPARED.map(|m| format!("{m} | Δ [95 %] | p")).join(" | "));
        text.push_str(&format!("|---|{}\n", "---|---|---|".repeat(COMPARED.len())));
        for model in self.models.iter().filter(|model| model.name == reference || shown(&model.name)) {
            let _ = write!(text, "| {} |", model.name);
            for measure in COMPARED {
                let value = model.test.figures.get(measure).copied().unwrap_or(f64::NAN);
                match compare(&model.test.table, &base.test.table, measure) {
                    Some(compared) if model.name != reference => {
                        let _ = write!(text, " {value:.4} | {}", difference(compared));
                    }
                    _ => {
                        let _ = write!(text, " {value:.4} | reference | |");
                    }
                }
            }
            text.push('\n');
        }
        Some(text)
    }

    fn head(&self) -> String {
        let data = &self.data;
        let mut text = format!(
            "# {} under {}\n\n    {}\n\n{} users, {} items, {} events ({} to learn from), {} categories. \
             {} validation cases, {} test cases; {:.1} % of the tested items are not in the training part \
             and count as misses. Items of the history are {}candidates.\n",
            data.name,
            self.protocol,
            self.command,
            data.users,
            data.items,
            data.events,
            data.train_events,
            data.categories,
            data.validation_cases,
            data.test_cases,
            100.0 * data.cold_share,
            if data.filter_seen { "no " } else { "" },
        );
        let notes = data.notes;
        let _ = writeln!(
            text,
            "\n{}.\n\nOf {} events {} were duplicates (left out) and {} stood out of time order (sorted, stably); a \
             core filter left out {} users, {} items and {} events; {} items have no category; {} users \
             have one event only and are not asked about.",
            data.reading.to_string().replace('\n', "; "),
            notes.rows,
            notes.duplicates,
            notes.out_of_order,
            notes.filtered_users,
            notes.filtered_items,
            notes.filtered_events,
            notes.items_without_category,
            notes.single_event_users,
        );
        text
    }

    fn set<'a>(&'a self, of: impl Fn(&'a ModelReport) -> Option<&'a Measured>) -> Vec<Row<'a>> {
        self.models.iter().filter_map(|model| Some((&model.name[..], of(model)?))).collect()
    }

    fn adaptation(&self, text: &mut String) {
        let prediction = |r2: Option<f64>| r2.map_or_else(|| "–".to_owned(), |r2| format!("{r2:.3}"));
        let rows: Vec<_> = self.models.iter().filter_map(|m| Some((&m.name, m.adaptation?))).collect();
        let Some((_, any)) = rows.first() else { return };
        let _ = writeln!(
            text,
            "\n## Diversity adaptation\n\nAgainst the diversity of the {FUTURE_EVENTS} choices that follow, over the {} \
             users who have as many: R² / Spearman / slope.\n\n\
             | model | list ILD | list entropy | diversity score | its R² as a prediction |\n|---|---|---|---|---|",
            any.cases
        );
        for (name, adaptation) in &rows {
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} |",
                fit(adaptation.list_ild),
                fit(adaptation.list_entropy),
                fit(adaptation.score),
                prediction(adaptation.score_prediction_r2),
            );
        }
        let (history, taken) = (fit(any.history), prediction(any.history_prediction_r2));
        let _ = writeln!(text, "| *the user's last {FUTURE_EVENTS} choices* | | {history} | | {taken} |");
    }

    fn related(&self, text: &mut String) {
        let rows: Vec<_> = self.models.iter().filter_map(|m| Some((&m.name, m.related?))).collect();
        if rows.is_empty() {
            return;
        }
        text.push_str(
            "\n## Related interests\n\nMean cosine of a user's interests whose dominant categories overlap, \
             and of those that share none.\n\n| model | related | pairs | distinct | pairs |\n|---|---|---|---|---|\n",
        );
        let mean = |mean: Option<f64>| mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.3}"));
        for (name, found) in rows {
            let (related, distinct) = (mean(found.related), mean(found.distinct));
            let (related_pairs, distinct_pairs) = (found.related_pairs, found.distinct_pairs);
            let _ =
                writeln!(text, "| {name} | {related} | {related_pairs} | {distinct} | {distinct_pairs} |");
        }
    }

    /// ILD@10 of every curve where its NDCG@10 is a share of the best model's before re-ranking.
    fn trade(&self, text: &mut String) {
        let curves =
            || self.models.iter().flat_map(|model| model.pareto.iter().map(move |curve| (model, curve)));
        let first = curves().filter_map(|(_, curve)| curve.points.first()).map(|point| point.ndcg);
        let Some(most) = first.reduce(f64::max) else { return };
        let levels = SHARES.map(|share| share * most);
        let _ = writeln!(
            text,
            "\n## Diversity at equal accuracy\n\nThe greatest ILD@10 of each model's lists, re-ranked by the nearest \
             item picked (mmr), by all of them (msd), or by all of them and the probability of an item (msd-p), at NDCG@10 no lower than a share of the greatest that any \
             model has without re-ranking; the first seed.\n"
        );
        let head: Vec<String> =
            SHARES.iter().zip(levels).map(|(share, ndcg)| format!("{share:.2}: {ndcg:.4}")).collect();
        let _ = writeln!(text, "| re-ranked | {} |\n|---|{}", head.join(" | "), "---|".repeat(levels.len()));
        for (model, curve) in curves() {
            let at = levels.map(|ndcg| {
                ild_at_ndcg(&curve.points, ndcg).map_or("–".to_owned(), |ild| format!("{ild:.4}"))
            });
            let _ = writeln!(text, "| {} | {} |", curve.name(&model.name), at.join(" | "));
        }
    }

    fn per_seed(&self, text: &mut String) {
        if self.models.iter().all(|model| model.test.seeds.len() < 2) {
            return;
        }
        text.push_str("\n## NDCG@10 by seed\n\n| model | seed: NDCG@10 |\n|---|---|\n");
        for model in &self.models {
            let seeds = model.test.seeds.iter();
            let seeds: Vec<_> =
                seeds.map(|(seed, figures)| format!("{seed}: {:.4}", figures["NDCG@10"])).collect();
            let _ = writeln!(text, "| {} | {} |", model.name, seeds.join(", "));
        }
    }

    fn sources(&self, text: &mut String) {
        let rows: Vec<_> = self.models.iter().filter(|model| !model.sources.is_empty()).collect();
        if rows.is_empty() {
            return;
        }
        text.push_str(
            "\n## Sources\n\nWhat each source of a sum of counts weighs, fitted to the validation cases.\n\n\
             | model | source: weight |\n|---|---|\n",
        );
        for model in rows {
            let weights = model.sources.iter().map(|(source, weight)| format!("{source}: {weight:.3}"));
            let weights: Vec<_> = weights.collect();
            let _ = writeln!(text, "| {} | {} |", model.name, weights.join(", "));
        }
    }
}

type Row<'a> = (&'a str, &'a Measured);

fn section(text: &mut String, title: &str, rows: &[Row<'_>]) {
    if rows.is_empty() {
        return;
    }
    let (users, cases) = (rows[0].1.users, rows[0].1.cases);
    let _ =
        writeln!(text, "\n## {title}\n\n{cases} cases of {users} users; intervals are 95 % over users.\n");
    table(text, &MAIN, rows, true);
    text.push('\n');
    table(text, &ACCURACY, rows, false);
}

fn table(text: &mut String, measures: &[&str], rows: &[Row<'_>], intervals: bool) {
    let _ = writeln!(text, "| model | {} |", measures.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(measures.len()));
    for (name, measured) in rows {
        let _ = write!(text, "| {name} |");
        for measure in measures {
            let value = measured.figures.get(*measure).copied().unwrap_or(f64::NAN);
            match measured.ci95.get(*measure).filter(|_| intervals) {
                Some([low, high]) => {
                    let _ = write!(text, " {value:.4} ± {:.4} |", (high - low) / 2.0);
                }
                None => {
                    let _ = write!(text, " {value:.4} |");
                }
            }
        }
        text.push('\n');
    }
}

fn difference(compared: Compared) -> String {
    let Compared { paired, relative } = compared;
    let [low, high] = paired.ci95;
    format!(
        "{:+.4} ({:+.1} %) [{low:+.4}, {high:+.4}] | {:.3} |",
        paired.difference,
        100.0 * relative,
        paired.p
    )
}

fn fit(fit: Option<Fit>) -> String {
    fit.map_or_else(|| "–".to_owned(), |f| format!("{:.3} / {:+.3} / {:+.3}", f.r2, f.spearman, f.slope))
}
