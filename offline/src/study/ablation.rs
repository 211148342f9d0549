//! HMISR with one part or one loss switched off.

use hmisr_model::hmisr::LossWeights;

use crate::fit::FitSettings;

/// HMISR without one of its parts.
pub(super) struct Ablation {
    pub(super) name: String,
    /// None: the whole model's weights, asked otherwise.
    pub(super) settings: Option<FitSettings>,
}

/// What the names of ablations begin with.
const WITHOUT: &str = "hmisr-without-";

/// Whether a name of a report is an ablation's, re-ranked or not.
pub(super) fn is_ablation(name: &str) -> bool {
    name.starts_with(WITHOUT)
}

/// Each part and each loss switched off in turn, where it is on.
pub(super) fn ablations(whole: &FitSettings) -> Vec<Ablation> {
    let changed = |name: &str, change: &dyn Fn(&mut FitSettings)| {
        let mut settings = whole.clone();
        change(&mut settings);
        let differs = settings != *whole;
        differs.then(|| Ablation { name: format!("{WITHOUT}{name}"), settings: Some(settings) })
    };
    let loss = |name: &str, weight: fn(&mut LossWeights) -> &mut f32| {
        changed(name, &|settings| *weight(&mut settings.model.hmisr.losses) = 0.0)
    };
    let parts = [
        changed("memory", &|settings| settings.model.memory = 0),
        changed("intents", &|settings| settings.model.hmisr.intent = false),
        changed("exchange", &|settings| settings.model.hmisr.exchange = false),
        changed("stages", &|settings| settings.stages = [0, 0, settings.epochs()]),
        Some(Ablation { name: format!("{WITHOUT}aggregation"), settings: None }),
        loss("reconstruction", |losses| &mut losses.reconstruction),
        loss("orthogonality", |losses| &mut losses.soft_orthogonality),
        loss("balance", |losses| &mut losses.balance),
        loss("contrast", |losses| &mut losses.contrast),
        loss("consistency", |losses| &mut losses.consistency),
        loss("stability", |losses| &mut losses.stability),
        loss("ranking", |losses| &mut losses.ranking),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_already_is_not_switched_off() {
        let mut settings = FitSettings::default();
        settings.model.memory = 24;
        let names = |settings: &FitSettings| -> Vec<String> {
            ablations(settings).into_iter().map(|ablation| ablation.name).collect()
        };
        assert!(names(&settings).contains(&"hmisr-without-memory".to_owned()));
        settings.model.memory = 0;
        let without = names(&settings);
        assert!(!without.contains(&"hmisr-without-memory".to_owned()), "{without:?}");
        assert!(without.iter().all(|name| is_ablation(name)) && !is_ablation("hmisr"));
    }
}
