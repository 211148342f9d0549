//! Arroyo takes the texts, of every edition that it compiles them as, and says what is wrong with others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod support;

use arroyo_udf_plugin::arrow::datatypes::DataType;
use hmisr_arroyo_udfs::{BuildError, CallError, Definition, Edition, InvalidDefinition, Udf};
use support::{TEXTS, built, integers, text};

#[test]
fn every_text_is_in_the_list() {
    let folder = std::fs::read_dir(std::env::var("CARGO_MANIFEST_DIR").unwrap()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut texts: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect();
    texts.sort();
    assert_eq!(texts, TEXTS);
}

#[test]
fn signatures_are_those_that_the_sql_calls() {
    let signature = |name: &str| {
        let udf = Definition::parse(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}")).udf;
        assert_eq!(udf.name, name);
        (udf.args, udf.vec_arguments, udf.ret_type.data_type, udf.ret_type.nullable)
    };
    let (arguments, columns, result, nullable) = signature("diversity");
    assert_eq!((columns, result, nullable), (4, DataType::Utf8, true));
    for argument in arguments {
        let DataType::List(item) = argument.data_type else { panic!("{argument:?} is no column") };
        // A nullable item keeps NULLs in place; without, each column would lose its own.
        assert_eq!((item.data_type(), item.is_nullable()), (&DataType::Int64, true));
    }
    for (name, expected) in [("id63", DataType::Int64), ("id_text", DataType::Utf8)] {
        let (arguments, columns, result, nullable) = signature(name);
        assert_eq!((arguments.len(), columns, result, nullable), (1, 0, expected, true), "{name}");
        assert_eq!((&arguments[0].data_type, arguments[0].nullable), (&DataType::Utf8, false), "{name}");
    }
}

#[test]
fn texts_build_in_both_editions() {
    for edition in [Edition::E2021, Edition::E2024] {
        for name in TEXTS {
            let library = built(&text(name), edition).unwrap_or_else(|e| panic!("{name}, {edition:?}: {e}"));
            Udf::load(&library).unwrap();
        }
    }
}

#[test]
fn a_text_that_does_not_compile_is_refused_with_the_compilers_words() {
    let wrong = text("id63").replace("-> Option<i64> {", "-> Option<i64> { let x: i64 = json;");
    let error = built(&wrong, Edition::E2021).unwrap_err();
    assert!(matches!(&error, BuildError::Compiler(said) if said.contains("mismatched types")), "{error}");
}

#[test]
fn a_text_that_arroyo_does_not_take_is_refused_before_it_is_compiled() {
    let parse = |text: &str| Definition::parse(text).map(|_| ()).unwrap_err();
    let id63 = text("id63");
    assert!(matches!(parse("fn f() {"), InvalidDefinition::Syntax(_)));
    assert!(matches!(parse(&id63.replace("#[udf]", "")), InvalidDefinition::Functions(0)));
    assert!(matches!(parse(&[id63.clone(), id63.clone()].concat()), InvalidDefinition::Functions(2)));
    assert!(matches!(
        parse("#[udf] fn f(a: Vec<i64>, b: i64) -> i64 { b }"),
        InvalidDefinition::MixedArguments(_)
    ));
    assert!(matches!(parse("#[udf] fn f(a: String) -> i64 { 1 }"), InvalidDefinition::Signature(_)));
    let headers = format!("/*\n[dependencies]\n*/\n{id63}");
    assert!(matches!(parse(&headers), InvalidDefinition::Headers(2)));
    let header = id63.replace("\"=0.2.1\"", "=0.2.1");
    assert!(matches!(parse(&header), InvalidDefinition::Dependencies(_)));
}

#[test]
fn a_panic_is_told_from_a_result() {
    let panics = "use arroyo_udf_plugin::udf;\n/*\n[dependencies]\narroyo-udf-common = \"=0.2.1\"\n*/\n\
                  #[udf]\nfn fails(a: Vec<Option<i64>>) -> i64 { a[0].unwrap() }\n";
    let udf = Udf::load(&built(panics, Edition::E2021).unwrap()).unwrap();
    assert!(udf.call(vec![integers([Some(1)])]).is_ok());
    assert!(matches!(udf.call(vec![integers([None])]), Err(CallError::Panicked)));
}
