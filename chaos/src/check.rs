//! Compares what the job has left with what the model says.

use std::collections::BTreeMap;
use std::path::Path;

use hmisr_features::{Id, UserState};
use hmisr_state::{Identity, PartitionStore, Resources};
use hmisr_stream::Record;
use hmisr_stream::contract::topic;
use hmisr_testkit::oracle::{Partition, stored};

use crate::failure::{Failure, Result};
use crate::job::Job;
use crate::model::Model;
use crate::outputs::{OUTPUTS, Order, Outputs};
use crate::settings;

/// The model, and how far the topics are compared with it.
pub struct Check {
    /// The model.
    pub model: Model,
    next: BTreeMap<&'static str, BTreeMap<i32, i64>>,
    order: BTreeMap<&'static str, Order>,
    /// Users whose state was equal at the last comparison.
    pub users: u64,
}

impl Check {
    /// Before the first record.
    pub fn new() -> Self {
        let model = Model::new(settings::features(), settings::pipeline());
        Self { model, next: BTreeMap::new(), order: BTreeMap::new(), users: 0 }
    }

    /// Reads what came since the last time, of a job that is drained and stopped, and compares:
    /// nothing lost, nothing twice, nothing different, and every user's state as it must be.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&mut self, job: &mut dyn Job) -> Result<()> {
        let mut expected = Outputs::default();
        for record in self.read(job, topic::EVENTS)? {
            self.model.apply(&record, &mut expected);
        }
        let mut found = Outputs::default();
        for topic in OUTPUTS {
            for record in self.read(job, topic)? {
                self.order.entry(topic).or_default().see(topic, &record).map_err(Failure::fault)?;
                found.read(topic, record).map_err(Failure::fault)?;
            }
        }
        found.compare(&expected).map_err(Failure::fault)?;
        self.compare_states(job)
    }

    fn read(&mut self, job: &mut dyn Job, topic: &'static str) -> Result<Vec<Record>> {
        let next = self.next.entry(topic).or_default();
        let records = job.records(topic, next)?;
        for record in &records {
            next.insert(record.partition, record.offset + 1);
        }
        Ok(records)
    }

    fn compare_states(&mut self, job: &dyn Job) -> Result<()> {
        self.users = 0;
        for (number, partition) in self.model.partitions() {
            let mut newest: Option<Stored> = None;
            for folder in job.stores() {
                let path = folder.join(format!("partition-{number:05}"));
                if let Some(stored) = Stored::open(&path)?
                    && newest.as_ref().is_none_or(|newest| newest.next_offset < stored.next_offset)
                {
                    newest = Some(stored);
                }
            }
            let Some(newest) = newest else {
                return Err(Failure::fault(format!("partition {number} has no store")));
            };
            self.users += newest
                .compare(partition)
                .map_err(|text| Failure::fault(format!("the store of partition {number}: {text}")))?;
        }
        Ok(())
    }
}

/// A partition's state as it lies on the disk.
struct Stored {
    next_offset: i64,
    users: BTreeMap<Id, UserState>,
}

impl Stored {
    /// None where there is no store, or one that was killed while it was made and says of nobody
    /// whose it is; where it should have been the newest, the partition has no store or an older one.
    fn open(path: &Path) -> Result<Option<Self>> {
        let resources = Resources::new(settings::state());
        let Some(identity) = path.exists().then(|| Identity::of(path, &resources).ok()).flatten() else {
            return Ok(None);
        };
        let store = PartitionStore::open(path, &identity, &settings::features(), &resources)?;
        let mut users = BTreeMap::new();
        store.reader().for_each_user::<Failure>(|id, user| {
            users.insert(id, user.clone());
            Ok(())
        })?;
        Ok(Some(Self { next_offset: store.next_offset(), users }))
    }

    /// The number of users, all of them equal.
    fn compare(&self, model: &Partition) -> std::result::Result<u64, String> {
        if self.next_offset != model.next_offset {
            return Err(format!("its next offset is {}, not {}", self.next_offset, model.next_offset));
        }
        let expected = model.users(&settings::features());
        for id in self.users.keys().chain(expected.keys().copied()) {
            let (found, expected) = (self.users.get(id), expected.get(id).copied());
            if found.map(stored) != expected.map(stored) {
                return Err(format!("user {id} should be\n  {expected:?}\nbut is\n  {found:?}"));
            }
        }
        Ok(self.users.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::event;

    #[test]
    fn a_store_that_is_behind_or_of_other_users_is_told() {
        let mut model = Model::new(settings::features(), settings::pipeline());
        let mut stored = Vec::new();
        for (offset, n) in (0..).zip(0..200) {
            let sent = event(1, n);
            let record = Record {
                partition: 0,
                offset,
                timestamp_ms: 1_700_000_000_000,
                key: sent.key,
                payload: sent.payload,
                headers: Vec::new(),
            };
            model.apply(&record, &mut Outputs::default());
            let users = model.partitions()[&0].users(&settings::features());
            let users = users.into_iter().map(|(id, user)| (id.clone(), user.clone())).collect();
            stored.push(Stored { next_offset: offset + 1, users });
        }
        let model = &model.partitions()[&0];
        let mut newest = stored.pop().unwrap();
        assert_eq!(newest.compare(model), Ok(newest.users.len() as u64));
        let older = Stored { next_offset: newest.next_offset, users: stored.swap_remove(50).users };
        assert!(older.compare(model).unwrap_err().contains("user"));
        assert!(stored[100].compare(model).unwrap_err().contains("next offset"));
        newest.users.pop_first();
        assert!(newest.compare(model).unwrap_err().contains("is\n  None"));
    }
}
