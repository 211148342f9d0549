//! Builds a text as Arroyo's compiler service does (`arroyo-compiler-service`).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use toml::{Table, Value};

use crate::{Definition, InvalidDefinition};

/// The versions of the UDF crates that are known to build together.
const LOCK: &str = include_str!("../Cargo.lock");

/// What the service asks for beside the header's dependencies (`arroyo-api`).
const PLUGIN: &str = "^0.2.0";

/// The edition of the package that the service writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edition {
    /// Arroyo up to 0.15.
    E2021,
    /// Arroyo's main branch since.
    E2024,
}

impl Edition {
    fn as_str(self) -> &'static str {
        match self {
            Self::E2021 => "2021",
            Self::E2024 => "2024",
        }
    }
}

/// Why a text was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Arroyo would refuse the text before it compiles it.
    #[error(transparent)]
    Definition(#[from] InvalidDefinition),
    /// The compiler refused it, with what it said.
    #[error("the text does not compile:\n{0}")]
    Compiler(String),
    /// A file or the compiler could not be reached.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// Builds a text and returns the library's path. Packages and libraries stand in `scratch`; what is
/// compiled goes to `target`. As in the service, a text that was built before is not built again.
///
/// Two things differ from the service, and neither changes what is built: the package is kept out of
/// any workspace around `scratch`, and starts from this crate's lock file, so that a build today is
/// the one of yesterday. Where `HMISR_UDF_UNLOCKED` is set it starts without, as the service does.
///
/// # Errors
/// [`BuildError`] says what is wrong with the text, or what could not be read or run.
pub fn build(text: &str, edition: Edition, scratch: &Path, target: &Path) -> Result<PathBuf, BuildError> {
    let definition = Definition::parse(text)?;
    let manifest = manifest(definition.dependencies, edition);
    let lock = env::var_os("HMISR_UDF_UNLOCKED").is_none().then_some(LOCK);
    let name = format!("{}-{:016x}", definition.udf.name, fingerprint(&(text, &manifest, lock)));
    let library = scratch.join(format!("{name}.so"));
    if library.exists() {
        return Ok(library);
    }
    let package = scratch.join(name);
    write(&package.join("src/lib.rs"), text)?;
    write(&package.join("Cargo.toml"), &manifest)?;
    if let Some(lock) = lock {
        write(&package.join("Cargo.lock"), lock)?;
    }
    // Every text is package `udf`, and cargo tells them apart by times alone: nothing of the one before may
    // be left.
    cargo(&["clean", "--release", "--package", "udf"], &package, target)?;
    cargo(&["build", "--release"], &package, target)?;
    let built = target.join("release/libudf.so");
    // Under a name of its own until it is whole.
    let partial = scratch.join(format!("{}.partial", std::process::id()));
    let copied = fs::copy(&built, &partial).and_then(|_| fs::rename(&partial, &library));
    copied.map_err(|error| BuildError::Io(built, error))?;
    Ok(library)
}

fn cargo(arguments: &[&str], package: &Path, target: &Path) -> Result<(), BuildError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(arguments).arg("--target-dir").arg(target).current_dir(package);
    let output = command.output().map_err(|error| BuildError::Io(PathBuf::from(cargo), error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BuildError::Compiler(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn manifest(mut dependencies: Table, edition: Edition) -> String {
    dependencies.insert("arroyo-udf-plugin".to_owned(), Value::from(PLUGIN));
    let mut manifest = toml::toml! {
        [package]
        name = "udf"
        version = "1.0.0"

        [lib]
        crate-type = ["cdylib"]

        [workspace]
    };
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        package.insert("edition".to_owned(), Value::from(edition.as_str()));
    }
    manifest.insert("dependencies".to_owned(), Value::Table(dependencies));
    manifest.to_string()
}

fn fingerprint(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| BuildError::Io(path.to_owned(), error))
}
