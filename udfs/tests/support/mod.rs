//! The built UDFs, and columns to call them with.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use arroyo_udf_plugin::arrow::array::{Array, ArrayData, AsArray, Int64Array, StringArray};
use hmisr_arroyo_udfs::{BuildError, Edition, Udf, build};

/// The deployable texts, by function.
pub const TEXTS: [&str; 3] = ["diversity", "id63", "id_text"];

pub fn text(name: &str) -> String {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(format!("{name}.rs"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds a text into the target folder; one at a time, since each makes the same file there.
pub fn built(text: &str, edition: Edition) -> Result<PathBuf, BuildError> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("udfs");
    build(text, edition, &scratch, scratch.ancestors().nth(2).unwrap())
}

/// The UDF `diversity`.
pub fn diversity() -> &'static Udf {
    static UDF: OnceLock<Udf> = OnceLock::new();
    UDF.get_or_init(|| load("diversity"))
}

pub fn load(name: &str) -> Udf {
    let library = built(&text(name), Edition::E2021).unwrap_or_else(|error| panic!("{name}: {error}"));
    Udf::load(&library).unwrap()
}

pub fn integers(values: impl IntoIterator<Item = Option<i64>>) -> ArrayData {
    values.into_iter().collect::<Int64Array>().into_data()
}

/// Calls an aggregate; its one result.
pub fn aggregate(udf: &Udf, columns: Vec<ArrayData>) -> String {
    let result = udf.call(columns).unwrap();
    let texts = result.as_string::<i32>();
    assert_eq!((texts.len(), texts.null_count()), (1, 0));
    texts.value(0).to_owned()
}

/// Calls a scalar function of one text.
pub fn of_texts(udf: &Udf, texts: &[Option<&str>]) -> arroyo_udf_plugin::arrow::array::ArrayRef {
    udf.call(vec![texts.iter().collect::<StringArray>().into_data()]).unwrap()
}
