#![allow(missing_docs, clippy::unwrap_used)]
use hmisr_model::backend::{self, Inner};
use hmisr_offline::fit::*;
use hmisr_offline::*;
use std::sync::atomic::AtomicBool;
struct W(std::time::Instant);
impl Watch for W {
    fn step(&mut self, step: usize, steps: usize, loss: f64) {
        if step % 50 == 0 {
            eprintln!("  {step}/{steps} {loss:.4} {:.1}s", self.0.elapsed().as_secs_f64());
        }
    }
    fn epoch(&mut self, p: &Progress) {
        let e = p.evaluations.last().unwrap();
        eprintln!(
            "epoch {} {:?} loss {:.4} HR {:.4} NDCG {:.4} {:.1}s {:?}",
            e.epoch,
            e.stage,
            e.loss,
            e.hr,
            e.ndcg,
            e.seconds,
            e.auxiliary.iter().map(|(n, v)| format!("{n} {v:.3}")).collect::<Vec<_>>()
        );
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let data = Dataset::load(std::path::Path::new(&args[1]), &Format::Auto).unwrap();
    let protocol: Protocol = args[2].parse().unwrap();
    let data = if protocol == Protocol::O1 { data.core(5).unwrap() } else { data };
    let split = Split::new(protocol, data).unwrap();
    let mut settings = FitSettings::default();
    settings.model.architecture = args[3].parse().unwrap();
    let mut json = serde_json::to_value(&settings).unwrap();
    for set in &args[5..] {
        let (path, value) = set.split_once('=').unwrap();
        *json.pointer_mut(&format!("/{}", path.replace('.', "/"))).unwrap() =
            serde_json::from_str(value).unwrap();
    }
    let settings: FitSettings = serde_json::from_value(json).unwrap();
    let device = backend::device().unwrap();
    let run = Run::open(std::path::Path::new(&args[4]), &settings, &split).unwrap();
    fit::<Inner>(&run, &split, &device, &AtomicBool::new(false), &mut W(std::time::Instant::now())).unwrap();
    for joint in [false, true] {
        for (name, cases) in [("validation", &split.validation), ("test", &split.test)] {
            let mut neural = Neural::<Inner>::load(&run, &split, device.clone()).unwrap();
            if joint {
                neural = neural.without_aggregation();
            }
            let answers =
                evaluate(&split, cases, &mut neural, EvaluateOptions::default(), |_, _| {}).unwrap();
            let n = answers.results.len() as f64;
            let m = |f: fn(Option<f64>, usize) -> f64| {
                answers.results.iter().map(|r| f(r.rank, 10)).sum::<f64>() / n
            };
            eprintln!(
                "{name} {} joint {joint} HR@10 {:.4} NDCG@10 {:.4} ({} params, eval {:.1}s)",
                args[3],
                m(hmisr_offline::measures::hit),
                m(hmisr_offline::measures::ndcg),
                neural.parameters(),
                answers.seconds
            );
            if let Some(r) = measures::related_similarity(&answers) {
                eprintln!("{r:?}");
            }
        }
    }
}
