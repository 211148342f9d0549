//! Values of JSON, where a producer may have written a number as text or an integer as a float.

use hmisr_features::{Id, is_missing};
use serde_json::{Number, Value};

use super::categories::is_no_category;
use super::ids::whole;
use super::{CategoryForm, IdForm, MAX_CATEGORIES, Split, TimeForm, ValueError, flag, number};

/// The id that a value is: an integer, a whole float up to 2⁵³, or a text as it stands. None for null and
/// for words of a missing value.
///
/// # Errors
/// What cannot be an id, told with the value.
///
/// ```
/// use hmisr_datasets::values::id_of;
/// use serde_json::json;
///
/// assert_eq!(id_of(&json!(42.0)).unwrap(), id_of(&json!("42")).unwrap());
/// assert_eq!(id_of(&json!("NULL")), Ok(None));
/// assert!(id_of(&json!(1.5)).is_err() && id_of(&json!(["a"])).is_err());
/// ```
pub fn id_of(value: &Value) -> Result<Option<Id>, ValueError> {
    let id = match value {
        Value::Null => return Ok(None),
        Value::String(text) if is_missing(text) => return Ok(None),
        Value::String(text) => Id::text(text),
        Value::Number(number) => Id::int(integer(number)?),
        other => return Err(refused(other, "is no id, which is an integer or a text")),
    };
    id.map(Some).map_err(|error| refused(value, &format!("is no id: {error}")))
}

/// The categories that a value names, the first [`MAX_CATEGORIES`](super::MAX_CATEGORIES): one, or each of a
/// list, also of a list written as text. None of null, an empty list, `(no genres listed)` and words of a
/// missing value.
///
/// # Errors
/// What cannot be an id; a list of objects.
///
/// ```
/// use hmisr_datasets::values::categories_of;
/// use serde_json::json;
///
/// assert_eq!(categories_of(&json!(["Film Noir", null, "Drama"])).unwrap().len(), 2);
/// assert_eq!(categories_of(&json!("Film Noir")).unwrap()[0].to_string(), "Film Noir");
/// assert!(categories_of(&json!("(no genres listed)")).unwrap().is_empty());
/// ```
pub fn categories_of(value: &Value) -> Result<Vec<Id>, ValueError> {
    const LIST: CategoryForm = CategoryForm { split: Split::List, ids: IdForm::Written };
    let Value::Array(elements) = value else {
        return match value {
            Value::String(text) if text.starts_with('[') => LIST.categories(text),
            Value::String(text) if is_no_category(text) => Ok(Vec::new()),
            other => Ok(id_of(other)?.into_iter().collect()),
        };
    };
    let mut found = Vec::new();
    for element in elements.iter().filter(|element| !element.as_str().is_some_and(is_no_category)) {
        if let Some(id) = id_of(element)?.filter(|id| !found.contains(id))
            && found.len() < MAX_CATEGORIES
        {
            found.push(id);
        }
    }
    Ok(found)
}

/// The number that a value is, also as a text; none for null and words of a missing value.
///
/// # Errors
/// What is no finite number.
pub fn number_of(value: &Value) -> Result<Option<f64>, ValueError> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        Value::String(text) => number(text),
        other => Err(refused(other, "is no number")),
    }
}

/// Whether a value says yes: a boolean, 1 or 0, or a text that [`flag`] reads; none for null and words
/// of a missing value.
///
/// # Errors
/// What says neither.
pub fn flag_of(value: &Value) -> Result<Option<bool>, ValueError> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Number(number) => flag(&number.to_string()),
        Value::String(text) => flag(text),
        other => Err(refused(other, "is neither true nor false")),
    }
}

/// The text of a name or number: an action, an id of a request or of an event. None for null and words
/// of a missing value.
///
/// # Errors
/// Lists, objects and floats with a fraction.
pub fn label_of(value: &Value) -> Result<Option<String>, ValueError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if is_missing(text) => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Value::Number(number) => whole(&number.to_string()).map(|whole| Some(whole.to_string())),
        other => Err(refused(other, "is neither a text nor a whole number")),
    }
}

/// Epoch milliseconds of a value that is written in a topic's or column's form: numbers also as text.
/// None for null and words of a missing value.
///
/// # Errors
/// A value of another form.
pub fn time_of(form: &TimeForm, value: &Value) -> Result<Option<i64>, ValueError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if is_missing(text) => Ok(None),
        Value::String(text) => form.ms(text).map(Some),
        Value::Number(number) => form.ms(&number.to_string()).map(Some),
        other => Err(refused(other, "is no time")),
    }
}

/// The integer of a number.
fn integer(number: &Number) -> Result<u64, ValueError> {
    match number.as_u64() {
        Some(integer) => Ok(integer),
        None => whole(&number.to_string()),
    }
}

/// A value that cannot be taken. A list or an object is named, not repeated.
fn refused(value: &Value, problem: &str) -> ValueError {
    let text = match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ValueError::new(&text, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::TimeUnit;
    use serde_json::json;

    #[test]
    fn ids_come_as_integers_floats_and_texts() {
        for value in [json!(42), json!(42.0), json!("42"), json!(4.2e1)] {
            assert_eq!(id_of(&value).unwrap(), Some(Id::from(42)), "{value}");
        }
        // A text stands for itself: no column says that it was a float.
        assert_eq!(id_of(&json!("42.0")).unwrap().unwrap().as_text(), Some("42.0"));
        for value in [json!(null), json!(""), json!("null"), json!("None"), json!(r"\N")] {
            assert_eq!(id_of(&value), Ok(None), "{value}");
        }
        for (value, told) in [
            (json!(1.5), "fraction"),
            (json!(-1), "negative"),
            (json!(1e300), "beyond"),
            (json!(9_007_199_254_740_994.0), "lose digits"),
            (json!(u64::MAX), "outside"),
            (json!(true), "no id"),
            (json!(["a"]), "a list"),
            (json!({}), "an object"),
            (json!("x".repeat(129)), "128"),
        ] {
            let error = id_of(&value).unwrap_err().to_string();
            assert!(error.contains(told), "{value}: {error}");
        }
    }

    #[test]
    fn categories_come_alone_and_in_lists() {
        let names = |value: Value| -> Vec<String> {
            categories_of(&value).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(json!(3.0)), ["3"]);
        assert_eq!(names(json!(["a", "b", "a", "(no genres listed)", null])), ["a", "b"]);
        assert_eq!(names(json!("['Action', 'Film Noir']")), ["Action", "Film Noir"]);
        assert_eq!(names(json!("a|b")), ["a|b"]);
        assert_eq!(names(json!((0..20).collect::<Vec<_>>())).len(), MAX_CATEGORIES);
        for value in [json!(null), json!(""), json!([]), json!("None")] {
            assert_eq!(names(value), [""; 0]);
        }
        assert!(categories_of(&json!([{"name": "a"}])).is_err() && categories_of(&json!(true)).is_err());
    }

    #[test]
    fn numbers_flags_and_labels_come_as_text_too() {
        assert_eq!(number_of(&json!("19.90")), Ok(Some(19.9)));
        assert_eq!(number_of(&json!(4)), Ok(Some(4.0)));
        assert_eq!((number_of(&json!(null)), number_of(&json!("nan"))), (Ok(None), Ok(None)));
        assert!(number_of(&json!(true)).is_err() && number_of(&json!("much")).is_err());

        assert_eq!((flag_of(&json!(0)), flag_of(&json!("true"))), (Ok(Some(false)), Ok(Some(true))));
        assert_eq!((flag_of(&json!(1.0)), flag_of(&json!(null))), (Ok(Some(true)), Ok(None)));
        assert!(flag_of(&json!(2)).is_err() && flag_of(&json!([])).is_err());

        assert_eq!(label_of(&json!(77)).unwrap().unwrap(), "77");
        assert_eq!(label_of(&json!(-3)).unwrap().unwrap(), "-3");
        assert_eq!(label_of(&json!(77.0)).unwrap().unwrap(), "77");
        assert_eq!(label_of(&json!("NULL")), Ok(None));
        assert!(label_of(&json!(0.5)).is_err() && label_of(&json!({"a": 1})).is_err());
    }

    #[test]
    fn times_come_in_the_topics_form_alone() {
        let ms = TimeForm::Number(TimeUnit::Millis);
        for value in [json!(1_764_000_000_000_i64), json!(1_764_000_000_000.0), json!("1764000000000")] {
            assert_eq!(time_of(&ms, &value), Ok(Some(1_764_000_000_000)), "{value}");
        }
        assert_eq!(time_of(&TimeForm::Text, &json!("2012-04-03")), Ok(Some(1_333_411_200_000)));
        assert_eq!((time_of(&ms, &json!(null)), time_of(&ms, &json!("NaT"))), (Ok(None), Ok(None)));
        for value in [json!("2012-04-03"), json!(true), json!([1]), json!(1e300)] {
            assert!(time_of(&ms, &value).is_err(), "{value}");
        }
    }
}
