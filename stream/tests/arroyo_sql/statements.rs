//! Reads the statements of `sql/` with the parser that Arroyo 0.14 builds on.
//!
//! Arroyo's own sqlparser 0.51.0 differs from the published one in a dialect, PostgreSQL's but for
//! structs, and in clauses of CREATE TABLE, two of which stand in `sql/`: `METADATA FROM 'key'` after a
//! column and `WATERMARK FOR column AS expression` among the constraints. [`in_published_words`]
//! says both in words that the published parser knows, token by token.
#![allow(dead_code, reason = "two crates of tests read this, and neither needs all of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sqlparser::ast::{ColumnOption, CreateTable, Expr, Insert, SqlOption, Statement, TableConstraint, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

const DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// The name that a watermark's constraint has in published words, before its column's.
const WATERMARK: &str = "watermark_for_";

/// A table of `sql/tables`.
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Column and expression.
    pub watermark: Option<(String, Expr)>,
    /// What stands after WITH.
    pub options: BTreeMap<String, String>,
}

pub struct Column {
    pub name: String,
    /// As it stands in the text.
    pub data_type: String,
    pub not_null: bool,
    /// The key of METADATA FROM.
    pub metadata: Option<String>,
    /// The expression of GENERATED ALWAYS AS.
    pub generated: Option<Expr>,
}

/// A pipeline of `sql/queries`.
pub struct Query {
    pub name: String,
    /// The tables and UDFs that its first lines name.
    pub tables: Vec<String>,
    pub udfs: Vec<String>,
    pub insert: Insert,
}

pub fn tables(sql: &Path) -> Vec<Table> {
    files(&sql.join("tables")).iter().map(|file| table(file)).collect()
}

pub fn queries(sql: &Path) -> Vec<Query> {
    files(&sql.join("queries")).iter().map(|file| query(file)).collect()
}

/// The one statement of a text.
pub fn parse(text: &str) -> Result<Statement, String> {
    let tokens = Tokenizer::new(&DIALECT, text).tokenize().map_err(|error| error.to_string())?;
    let mut parser = Parser::new(&DIALECT).with_tokens(in_published_words(tokens)?);
    let mut statements = parser.parse_statements().map_err(|error| error.to_string())?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (_, more) => Err(format!("{} statements, expected 1", more + 1)),
    }
}

/// `METADATA FROM 'key'` becomes `DEFAULT 'key'`, and `WATERMARK FOR c AS e` becomes
/// `CONSTRAINT watermark_for_c CHECK (e)`. Nothing else of a statement changes.
fn in_published_words(tokens: Vec<Token>) -> Result<Vec<Token>, String> {
    let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).peekable();
    let mut out: Vec<Token> = Vec::new();
    let mut watermark: Option<usize> = None;
    let mut depth = 0;
    while let Some(token) = tokens.next() {
        match &token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        // The expression ends with the list of columns and constraints, or before the next of them.
        let ends = |at| depth < at || depth == at && token == Token::Comma;
        if watermark.is_some_and(ends) {
            out.push(Token::RParen);
            watermark = None;
        }
        if is_word(&token, "METADATA") && tokens.next_if(|next| is_word(next, "FROM")).is_some() {
            out.push(word("DEFAULT"));
        } else if is_word(&token, "WATERMARK") && tokens.next_if(|next| is_word(next, "FOR")).is_some() {
            let Some(Token::Word(column)) = tokens.next() else {
                return Err("no column stands after WATERMARK FOR".to_owned());
            };
            if !tokens.next().is_some_and(|next| is_word(&next, "AS")) {
                return Err("no AS stands after the column of WATERMARK FOR".to_owned());
            }
            let name = format!("{WATERMARK}{}", column.value);
            out.extend([word("CONSTRAINT"), word(&name), word("CHECK"), Token::LParen]);
            watermark = Some(depth);
        } else {
            out.push(token);
        }
    }
    Ok(out)
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(text))
}

fn word(text: &str) -> Token {
    Token::make_keyword(text)
}

fn table(file: &Path) -> Table {
    let Statement::CreateTable(create) = read(file) else { panic!("{}: no CREATE TABLE", file.display()) };
    let table = table_of(create);
    assert_eq!(Some(table.name.as_str()), file.file_stem().and_then(|stem| stem.to_str()));
    table
}

pub fn table_of(create: CreateTable) -> Table {
    let mut table = Table {
        name: create.name.to_string(),
        columns: Vec::new(),
        watermark: None,
        options: create.with_options.into_iter().map(option).collect(),
    };
    for column in create.columns {
        let mut read = Column {
            name: column.name.value,
            data_type: column.data_type.to_string(),
            not_null: false,
            metadata: None,
            generated: None,
        };
        for option in column.options {
            match option.option {
                ColumnOption::NotNull => read.not_null = true,
                ColumnOption::Default(Expr::Value(Value::SingleQuotedString(key))) => {
                    read.metadata = Some(key)
                }
                ColumnOption::Generated { generation_expr, .. } => read.generated = generation_expr,
                other => panic!("{}.{}: {other} is not expected", table.name, read.name),
            }
        }
        table.columns.push(read);
    }
    for constraint in create.constraints {
        let TableConstraint::Check { name: Some(name), expr } = constraint else {
            panic!("{}: {constraint} is not expected", table.name);
        };
        let column = name.value.strip_prefix(WATERMARK).unwrap_or_else(|| panic!("{}: {name}", table.name));
        assert!(
            table.watermark.replace((column.to_owned(), *expr)).is_none(),
            "{}: two watermarks",
            table.name
        );
    }
    table
}

fn option(option: SqlOption) -> (String, String) {
    match option {
        SqlOption::KeyValue { key, value: Expr::Value(Value::SingleQuotedString(value)) } => {
            (key.value, value)
        }
        other => panic!("WITH ({other}): a string is expected"),
    }
}

fn query(file: &Path) -> Query {
    let Statement::Insert(insert) = read(file) else { panic!("{}: no INSERT", file.display()) };
    let text = fs::read_to_string(file).unwrap();
    let named = |what: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(what));
        let line = line.unwrap_or_else(|| panic!("{}: no line '{what}'", file.display()));
        line.split(',').map(|name| name.trim().to_owned()).collect()
    };
    let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
    Query { name, tables: named("-- tables:"), udfs: named("-- udfs:"), insert }
}

fn read(file: &Path) -> Statement {
    let text = fs::read_to_string(file).unwrap();
    parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}: empty", folder.display());
    files
}
