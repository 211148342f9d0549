//! An item's categories, one or several in a field.

use std::borrow::Cow;

use hmisr_features::{Id, MAX_CATEGORIES, is_missing};

use super::list::elements;
use super::{Decimal, IdForm, IdSample, ValueError};

/// How the categories of one column are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CategoryForm {
    /// How several stand in one field.
    pub split: Split,
    /// How each is written.
    pub ids: IdForm,
}

/// How several categories stand in one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Split {
    /// There is one, spaces, commas and all: `Film Noir`.
    #[default]
    One,
    /// This stands between them: `Action|Drama`; a space in RecBole's `token_seq`.
    At(Cow<'static, str>),
    /// A list of JSON or Python: `['Action', "Children's"]`.
    List,
}

impl CategoryForm {
    /// The categories that a field says, each once, in their order, the first [`MAX_CATEGORIES`]; none
    /// for `(no genres listed)`, an empty list and words of a missing value.
    ///
    /// # Errors
    /// A list that is not closed or holds objects, and what cannot be an id.
    ///
    /// ```
    /// use hmisr_datasets::values::{CategoryForm, IdForm, Split};
    ///
    /// let read = |split: Split, text: &str| -> Vec<String> {
    ///     let form = CategoryForm { split, ids: IdForm::Written };
    ///     form.categories(text).unwrap().iter().map(ToString::to_string).collect()
    /// };
    /// assert_eq!(read(Split::At("|".into()), "Film Noir|Drama"), ["Film Noir", "Drama"]);
    /// assert_eq!(read(Split::List, r#"['Action', "Children's"]"#), ["Action", "Children's"]);
    /// assert_eq!(read(Split::At(" ".into()), "(no genres listed)"), [""; 0]);
    /// ```
    pub fn categories(&self, text: &str) -> Result<Vec<Id>, ValueError> {
        let text = text.trim();
        if is_no_category(text) {
            return Ok(Vec::new());
        }
        let mut found: Vec<Id> = Vec::new();
        let mut take = |name: &str| -> Result<(), ValueError> {
            if found.len() < MAX_CATEGORIES
                && !is_no_category(name)
                && let Some(id) = self.ids.id(name)?
                && !found.contains(&id)
            {
                found.push(id);
            }
            Ok(())
        };
        match &self.split {
            Split::At(sign) => text.split(&**sign).try_for_each(&mut take)?,
            Split::List if is_list(text) || is_quoted(text) => elements(text, true)
                .ok_or_else(|| ValueError::new(text, "is no list of names, such as ['Action', 'Drama']"))?
                .iter()
                .try_for_each(|name| take(name))?,
            Split::List | Split::One => take(text)?,
        }
        Ok(found)
    }
}

/// Whether a text says that the item has no category.
pub(super) fn is_no_category(text: &str) -> bool {
    is_missing(text) || text.trim().eq_ignore_ascii_case("(no genres listed)")
}

fn is_list(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']')
}

/// `'A', 'B'`: a list without its brackets.
fn is_quoted(text: &str) -> bool {
    ["'", "\""].iter().any(|quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote))
}

/// Sees the categories of one column and says how they are written.
///
/// * Lists, where nine in ten stand between brackets.
/// * Separated by what somebody says, where it is said.
/// * Separated by `|`, where it stands in one value of twenty; by `,` where only integers stand about it.
/// * In a column that is declared to be a sequence of names (RecBole's `token_seq`) also lists without
///   brackets; separated by `, ` where that stands in at least half of the values of several words, and else
///   by spaces.
/// * One name otherwise.
///
/// ```
/// use hmisr_datasets::values::{CategorySample, Split};
///
/// let split = |mut sample: CategorySample, column: &[&str]| {
///     column.iter().for_each(|text| sample.see(text));
///     sample.decide().split
/// };
/// assert_eq!(split(CategorySample::default(), &["Film Noir", "Drama"]), Split::One);
/// assert_eq!(split(CategorySample::default(), &["Film Noir|Drama", "Drama"]), Split::At("|".into()));
/// assert_eq!(split(CategorySample::token_seq(), &["Action Sci-Fi", "Drama"]), Split::At(" ".into()));
/// assert_eq!(split(CategorySample::separated_by("; "), &["A; B"]), Split::At("; ".into()));
/// assert_eq!(split(CategorySample::default(), &["['A']", "[]"]), Split::List);
/// ```
#[derive(Debug, Clone, Default)]
pub struct CategorySample {
    is_sequence: bool,
    /// What stands between two, where it is said.
    separator: Option<String>,
    seen: u64,
    lists: u64,
    quoted: u64,
    pipes: u64,
    /// With a space in it, and with `, `.
    spaces: u64,
    commas: u64,
    /// Integers and commas alone, with at least one comma; and those that are one integer.
    integer_lists: u64,
    integers: u64,
    ids: IdSample,
}

impl CategorySample {
    /// Of a column that is declared to hold sequences of names.
    pub fn token_seq() -> Self {
        Self { is_sequence: true, ..Self::default() }
    }

    /// Of a column in which this stands between two, except where they are lists.
    pub fn separated_by(separator: &str) -> Self {
        Self { separator: Some(separator.to_owned()), ..Self::default() }
    }

    /// Takes a value into account; those that say no category are passed over.
    pub fn see(&mut self, text: &str) {
        let text = text.trim();
        if is_no_category(text) {
            return;
        }
        self.seen += 1;
        if is_list(text) {
            self.lists += 1;
            elements(text, false).unwrap_or_default().iter().for_each(|name| self.ids.see(name));
            return;
        }
        text.split(self.separator.as_deref().unwrap_or("|")).for_each(|name| self.ids.see(name));
        self.quoted += u64::from(is_quoted(text));
        self.pipes += u64::from(text.contains('|'));
        self.spaces += u64::from(text.contains(' '));
        self.commas += u64::from(text.contains(", "));
        let is_integer = |part: &str| Decimal::parse(part).is_some_and(|number| !number.is_float());
        match text.split(',').all(is_integer) {
            true if text.contains(',') => self.integer_lists += 1,
            true => self.integers += 1,
            false => {}
        }
    }

    /// How the column is written.
    pub fn decide(&self) -> CategoryForm {
        let share = |count: u64, of: u64, percent: u64| {
            count > 0 && u128::from(count) * 100 >= u128::from(of) * u128::from(percent)
        };
        let at = |sign: &'static str| Split::At(sign.into());
        let nearly_all = |count: u64| share(count, self.seen, 90);
        let split = if nearly_all(self.lists) || (self.is_sequence && nearly_all(self.quoted)) {
            Split::List
        } else if let Some(separator) = &self.separator {
            Split::At(separator.clone().into())
        } else if share(self.pipes, self.seen, 5) {
            at("|")
        } else if self.integer_lists > 0 && self.integer_lists + self.integers == self.seen {
            at(",")
        } else if !self.is_sequence {
            Split::One
        } else if share(self.commas, self.spaces, 50) {
            at(",")
        } else {
            at(" ")
        };
        CategoryForm { split, ids: self.ids.decide() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mut sample: CategorySample, column: &[&str]) -> Vec<Vec<String>> {
        column.iter().for_each(|text| sample.see(text));
        let form = sample.decide();
        let texts = |ids: Vec<Id>| ids.iter().map(ToString::to_string).collect();
        column.iter().map(|text| texts(form.categories(text).unwrap())).collect()
    }

    #[test]
    fn a_name_with_spaces_is_one_category() {
        let column = ["Film Noir", "Clothing, Shoes & Jewelry", "(no genres listed)", "NULL"];
        let expected = [vec!["Film Noir"], vec!["Clothing, Shoes & Jewelry"], vec![], vec![]];
        assert_eq!(read(CategorySample::default(), &column), expected);
    }

    #[test]
    fn separated_lists_are_several() {
        let column = ["Film Noir|Drama|Drama", "War", "(no genres listed)", "|"];
        let expected = [vec!["Film Noir", "Drama"], vec!["War"], vec![], vec![]];
        assert_eq!(read(CategorySample::default(), &column), expected);
        assert_eq!(read(CategorySample::default(), &["34,1", "7"]), [vec!["34", "1"], vec!["7"]]);
    }

    #[test]
    fn lists_of_json_and_python_are_read() {
        let column = [r#"['Action', "Children's"]"#, r#"["Film Noir"]"#, "[]", "[8, 27]", "nan"];
        let expected = [vec!["Action", "Children's"], vec!["Film Noir"], vec![], vec!["8", "27"], vec![]];
        assert_eq!(read(CategorySample::default(), &column), expected);
        assert_eq!(read(CategorySample::token_seq(), &["'A b', 'C'", "'D'"]), [vec!["A b", "C"], vec!["D"]]);
        let form = CategoryForm { split: Split::List, ids: IdForm::Written };
        for broken in ["[{'name': 'Action'}]", "['Action]"] {
            assert!(form.categories(broken).unwrap_err().to_string().contains("list"), "{broken}");
        }
    }

    #[test]
    fn recboles_sequences_are_split_at_spaces() {
        let column = ["Action Sci-Fi", "Film-Noir", "(no genres listed)", "Children's Comedy"];
        let expected = [vec!["Action", "Sci-Fi"], vec!["Film-Noir"], vec![], vec!["Children's", "Comedy"]];
        assert_eq!(read(CategorySample::token_seq(), &column), expected);
        let commas = ["Action, Sci Fi", "Drama"];
        assert_eq!(read(CategorySample::token_seq(), &commas), [vec!["Action", "Sci Fi"], vec!["Drama"]]);
    }

    #[test]
    fn one_value_does_not_decide_for_a_column() {
        let split = |mut sample: CategorySample, one: &str, others: &str| {
            sample.see(one);
            (0..99).for_each(|_| sample.see(others));
            sample.decide().split
        };
        let (plain, sequence) = (CategorySample::default, CategorySample::token_seq);
        assert_eq!(split(plain(), "AC|DC", "Queen"), Split::One);
        assert_eq!(split(plain(), "Drama", "Drama|War"), Split::At("|".into()));
        assert_eq!(split(sequence(), "Rock, Paper", "Action Sci-Fi"), Split::At(" ".into()));
        assert_eq!(split(sequence(), "AC|DC", "Action Sci-Fi"), Split::At(" ".into()));
        assert_eq!(split(sequence(), "Action Drama", "Action, Sci Fi"), Split::At(",".into()));
        assert_eq!(split(sequence(), "Action, Sci Fi", "Drama"), Split::At(",".into()));
    }

    #[test]
    fn a_separator_is_taken_whole() {
        let read_by =
            |separator: &str, column: &[&str]| read(CategorySample::separated_by(separator), column);
        assert_eq!(read_by(" > ", &["A>B > C"]), [vec!["A>B", "C"]]);
        assert_eq!(read_by(";", &["1.0;2.0", "3"]), [vec!["1", "2"], vec!["3"]]);
        assert_eq!(read_by(";", &["['A;B', 'C']"]), [vec!["A;B", "C"]], "a list is one");
    }

    #[test]
    fn floats_of_one_number_are_one_category() {
        assert_eq!(read(CategorySample::default(), &["3.0", "3", "nan"]), [vec!["3"], vec!["3"], vec![]]);
        assert_eq!(read(CategorySample::default(), &["[3.0, 3]"]), [vec!["3"]]);
    }

    #[test]
    fn eight_are_kept_in_order() {
        let many: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
        let read = read(CategorySample::default(), &[&many.join("|")]);
        assert_eq!(read, [&many[..MAX_CATEGORIES]]);
        let long = CategoryForm::default().categories(&"x".repeat(200)).unwrap_err();
        assert!(long.to_string().contains("128"), "{long}");
    }

    proptest! {
        #[test]
        fn any_column_is_read_or_told(
            column in prop::collection::vec(".{0,30}|[\\[\\]'\",|0-9a b.]{0,30}", 0..8),
            declared in any::<bool>(),
        ) {
            let mut sample = CategorySample { is_sequence: declared, ..CategorySample::default() };
            column.iter().for_each(|text| sample.see(text));
            let form = sample.decide();
            for text in &column {
                if let Ok(found) = form.categories(text) {
                    prop_assert!(found.len() <= MAX_CATEGORIES);
                }
            }
        }
    }
}
