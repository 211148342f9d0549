//! What a data folder belongs to: the embedded log, or one Kafka.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Layout of data folders; one of another layout is refused.
const LAYOUT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    layout: u32,
    /// Brokers; none for the embedded log. They say which Kafka it is for people: topics have ids,
    /// by which state and snapshots refuse another one.
    brokers: Option<String>,
}

/// Makes the folder ours, or refuses it with the remedy.
pub fn claim(folder: &Path, brokers: Option<&str>) -> Result<(), Failure> {
    let path = folder.join("hmisr.json");
    let ours = Identity { layout: LAYOUT, brokers: brokers.map(str::to_owned) };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = serde_json::to_vec_pretty(&ours).map_err(|error| Failure::fault(&error))?;
            let unfinished = folder.join("hmisr.json.tmp");
            std::fs::write(&unfinished, text)?;
            return Ok(std::fs::rename(unfinished, &path)?);
        }
        Err(error) => return Err(error.into()),
    };
    let refuse =
        |what: String| Err(Failure::user(format!("{}: {what}; use another --data folder", path.display())));
    let layout =
        serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|found| found["layout"].as_u64());
    match layout {
        Some(found) if found == u64::from(LAYOUT) => {}
        Some(found) => {
            return refuse(format!(
                "the folder has layout {found}, this version of the program reads {LAYOUT}"
            ));
        }
        None => return refuse("it is not the file of a data folder".to_owned()),
    }
    match serde_json::from_slice::<Identity>(&text) {
        Ok(found) if found.brokers.is_some() == ours.brokers.is_some() => Ok(()),
        Ok(found) => {
            let named = |brokers: &Option<String>| match brokers {
                Some(brokers) => format!("Kafka at {brokers}"),
                None => "the embedded log".to_owned(),
            };
            refuse(format!(
                "the folder belongs to {}, this run is over {}",
                named(&found.brokers),
                named(&ours.brokers)
            ))
        }
        Err(error) => refuse(format!("it cannot be read ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), None).unwrap();
        claim(folder.path(), None).unwrap();
        let error = claim(folder.path(), Some("a:1")).unwrap_err().to_string();
        assert!(error.contains("Kafka at a:1") && error.contains("--data"), "{error}");
        std::fs::write(folder.path().join("hmisr.json"), r#"{"layout": 99, "new": 1}"#).unwrap();
        assert!(claim(folder.path(), None).unwrap_err().to_string().contains("layout 99"));
        std::fs::write(folder.path().join("hmisr.json"), "rubbish").unwrap();
        assert!(claim(folder.path(), None).is_err());
    }
}
