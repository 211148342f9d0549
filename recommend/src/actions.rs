//! The actions that a model tells apart.

use hmisr_model::Kind;
use hmisr_model::kind::ACTIONS;
use serde::{Deserialize, Serialize};

/// An action, and the examples whose target it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Action {
    name: String,
    targets: u64,
}

/// Numbers that only targets' actions get: free texts of histories must not take all.
const FOR_TARGETS: usize = 5;

/// Actions in the order of their first sight, numbered from 1. Fifteen are told apart, five of them kept free for
/// what is chosen; what comes later is one unknown action, number 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// The number of an action of a history, given now where it has none and there is one left; that of the most
    /// usual one where none is told.
    pub fn admit(&mut self, name: &str) -> usize {
        self.numbered(name, ACTIONS - 1 - FOR_TARGETS)
    }

    /// The same of a target's.
    pub fn admit_target(&mut self, name: &str) -> usize {
        self.numbered(name, ACTIONS - 1)
    }

    fn numbered(&mut self, name: &str, most: usize) -> usize {
        if !name.is_empty() && self.find(name).is_none() && self.0.len() < most {
            self.0.push(Action { name: name.to_owned(), targets: 0 });
        }
        self.number(name)
    }

    /// Counts an example whose target is of this action.
    pub fn count(&mut self, name: &str) {
        if let Some(at) = self.find(name).and_then(|number| self.0.get_mut(number - 1)) {
            at.targets += 1;
        }
    }

    /// The action's number; that of the most usual one where none is told.
    pub fn number(&self, name: &str) -> usize {
        let usual = || if name.is_empty() { self.usual() } else { 0 };
        self.find(name).unwrap_or_else(usual)
    }

    /// What a network reads of an event.
    pub fn kind(&self, name: &str, weight: Option<f32>) -> Kind {
        Kind::new(self.number(name), weight)
    }

    /// Whether targets are of this action, it is not told, or nothing is known of targets.
    pub fn is_positive(&self, name: &str) -> bool {
        let has_targets = |action: &Action| action.targets > 0;
        name.is_empty()
            || !self.0.iter().any(has_targets)
            || self.0.iter().any(|action| action.name == name && has_targets(action))
    }

    /// The same of an event as a network reads it; what takes something back is none.
    pub fn is_choice(&self, kind: Kind) -> bool {
        let is_told = |action: &Action| action.targets > 0;
        let is_target = match kind.action().checked_sub(1) {
            Some(at) => self.0.get(at).is_some_and(is_told),
            None => false,
        };
        !kind.is_negative() && (is_target || !self.0.iter().any(is_told))
    }

    /// The rows that a user chose among events of these rows and kinds, newest first.
    pub fn chosen<'e>(&'e self, rows: &'e [u32], kinds: &'e [Kind]) -> impl Iterator<Item = u32> + 'e {
        let newest = rows.iter().zip(kinds).rev();
        newest.filter(|(_, kind)| self.is_choice(**kind)).map(|(row, _)| *row)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|action| action.name == name).map(|at| at + 1)
    }

    /// The action of most targets, of equals the first; 0 where there is none.
    fn usual(&self) -> usize {
        let most = self.0.iter().map(|action| action.targets).max().unwrap_or(0);
        self.0.iter().position(|action| action.targets == most).map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_numbered_by_first_sight_and_the_unknown_are_one() {
        let mut actions = Actions::default();
        assert_eq!((actions.kind("", None), actions.admit("")), (Kind::default(), 0));
        assert!(actions.is_positive("view"), "nothing is known of targets");
        assert_eq!(["view", "click", "view"].map(|name| actions.admit(name)), [1, 2, 1]);
        actions.count("click");
        assert_eq!((actions.kind("view", None).action(), actions.kind("nap", None).action()), (1, 0));
        assert_eq!((actions.kind("", None).action(), actions.admit("")), (2, 2), "the most usual target");
        assert!(actions.is_positive("click") && actions.is_positive("") && !actions.is_positive("view"));
        let is_choice = |action, weight| actions.is_choice(actions.kind(action, weight));
        assert!(is_choice("click", None) && is_choice("", Some(2.0)));
        assert!(!is_choice("view", None) && !is_choice("nap", None) && !is_choice("click", Some(-1.0)));
        assert!(Actions::default().is_choice(Kind::default()));
        for n in 0..40 {
            actions.admit(&format!("a{n}"));
        }
        assert_eq!((actions.admit("a7"), actions.admit("a8")), (10, 0));
        assert_eq!([actions.admit_target("buy"), actions.admit("buy"), actions.admit("a8")], [11, 11, 0]);
        let json = serde_json::to_string(&actions).unwrap();
        assert_eq!(serde_json::from_str::<Actions>(&json).unwrap(), actions);
    }
}
