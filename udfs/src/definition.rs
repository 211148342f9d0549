//! What Arroyo reads of a UDF's text before it compiles it (`arroyo-udf-host`, 0.14.1).

use arroyo_udf_common::parse::ParsedUdf;
use syn::{Item, ItemFn};
use toml::Table;

const HEADER: &str = "/*\n[dependencies]\n";

/// A UDF's text, taken apart.
pub struct Definition {
    /// The one function with the attribute `udf`.
    pub udf: ParsedUdf,
    /// What the header of the text asks for.
    pub dependencies: Table,
}

/// Why Arroyo would refuse a text unseen by the compiler.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDefinition {
    /// The text is not Rust.
    #[error("the text is not Rust: {0}")]
    Syntax(#[from] syn::Error),
    /// None, or more than one, function has the attribute.
    #[error("{0} functions of the text have the attribute #[udf], expected 1")]
    Functions(usize),
    /// An argument's or the result's type has no column type.
    #[error("{0}")]
    Signature(String),
    /// The function takes columns and single values.
    #[error("{0}: all arguments of an aggregate must be Vec<_>")]
    MixedArguments(String),
    /// More than one header.
    #[error("the text has {0} headers with [dependencies], expected at most 1")]
    Headers(usize),
    /// The header is no TOML.
    #[error("the header's [dependencies]: {0}")]
    Dependencies(#[from] toml::de::Error),
}

impl Definition {
    /// Takes a text apart.
    ///
    /// # Errors
    /// [`InvalidDefinition`] where Arroyo refuses it.
    pub fn parse(text: &str) -> Result<Self, InvalidDefinition> {
        let items = syn::parse_file(text)?.items;
        let functions: Vec<ItemFn> = items.into_iter().filter_map(udf_function).collect();
        let [function] = functions.as_slice() else {
            return Err(InvalidDefinition::Functions(functions.len()));
        };
        let udf = ParsedUdf::try_parse(function).map_err(|e| InvalidDefinition::Signature(e.to_string()))?;
        if udf.vec_arguments > 0 && udf.vec_arguments != udf.args.len() {
            return Err(InvalidDefinition::MixedArguments(udf.name));
        }
        Ok(Self { udf, dependencies: dependencies(text)? })
    }
}

fn udf_function(item: Item) -> Option<ItemFn> {
    let Item::Fn(function) = item else { return None };
    let is_udf = |attribute: &syn::Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == "udf")
    };
    function.attrs.iter().any(is_udf).then_some(function)
}

fn dependencies(text: &str) -> Result<Table, InvalidDefinition> {
    let headers = text.matches(HEADER).count();
    if headers > 1 {
        return Err(InvalidDefinition::Headers(headers));
    }
    let Some((header, _)) = text.split_once(HEADER).and_then(|(_, rest)| rest.split_once("*/")) else {
        return Ok(Table::new());
    };
    Ok(header.parse()?)
}
