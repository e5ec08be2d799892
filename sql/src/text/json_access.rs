//! Parts of JSON text, as slices of it.

use std::borrow::Cow;

use slipstream_engine::{Error, ErrorKind, Result};

use super::json::Parser;

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number.
    Number,
    /// `true`, `false`
    Boolean,
    /// `null`
    Null,
}

impl Kind {
    /// The kind of a valid JSON text.
    pub(crate) fn of(json: &str) -> Kind {
        match json.trim_ascii_start().bytes().next() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Its name in `json_typeof`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Null => "null",
        }
    }
}

/// Calls `member` with the name and the text of each member of an object.
pub(crate) fn members(json: &str, member: impl FnMut(&str, &str)) -> Result<()> {
    Parser::new(json, "json").members(member)
}

/// Calls `element` with the text of each element of an array.
pub(crate) fn elements(json: &str, element: impl FnMut(&str)) -> Result<()> {
    Parser::new(json, "json").elements(element)
}

/// The value of a key; `None` where there is none, or where the text is no object. The last of equal keys wins.
pub(crate) fn member<'a>(json: &'a str, key: &str) -> Result<Option<&'a str>> {
    let mut found = None;
    if Kind::of(json) == Kind::Object {
        Parser::new(json, "json").members(|name, value| {
            if name == key {
                found = Some(value);
            }
        })?;
    }
    Ok(found)
}

/// An element by its number from 0, or from the end where it is negative.
pub(crate) fn element(json: &str, index: i64) -> Result<Option<&str>> {
    if Kind::of(json) != Kind::Array {
        return Ok(None);
    }
    let mut elements = Vec::new();
    Parser::new(json, "json").elements(|element| elements.push(element))?;
    let index = if index < 0 { index + elements.len() as i64 } else { index };
    Ok(usize::try_from(index).ok().and_then(|index| elements.get(index).copied()))
}

/// The member or, if the step is a number, the element that a step of a path leads to.
pub(crate) fn step<'a>(json: &'a str, step: &str) -> Result<Option<&'a str>> {
    match (Kind::of(json), step.parse()) {
        (Kind::Object, _) => member(json, step),
        (Kind::Array, Ok(index)) => element(json, index),
        _ => Ok(None),
    }
}

/// How many elements an array has.
pub(crate) fn length(json: &str) -> Result<i32> {
    match Kind::of(json) {
        Kind::Array => {
            let mut count = 0;
            Parser::new(json, "json").elements(|_| count += 1)?;
            Ok(count)
        }
        Kind::Object => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

/// A value as `->>` gives it: a string without its quotes, `None` for null.
pub(crate) fn as_text(json: &str) -> Result<Option<Cow<'_, str>>> {
    match Kind::of(json) {
        Kind::Null => Ok(None),
        Kind::String => Parser::new(json.trim_ascii(), "json").decoded().map(|text| Some(Cow::Owned(text))),
        _ => Ok(Some(Cow::Borrowed(json))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_as_they_are_written() {
        let json = "{\"a\": {\"b\" : [1, \"x\\ny\", null]}, \"a\\u0062\": 1.50, \"c\":2, \"c\": 3}";
        assert_eq!(member(json, "ab").expect("valid"), Some("1.50"));
        assert_eq!(member(json, "c").expect("valid"), Some("3"));
        assert_eq!(member(json, "x").expect("valid"), None);
        let inner = member(json, "a").expect("valid").expect("there");
        assert_eq!(inner, "{\"b\" : [1, \"x\\ny\", null]}");
        let array = step(inner, "b").expect("valid").expect("there");
        assert_eq!(element(array, -1).expect("valid"), Some("null"));
        assert_eq!(step(array, "1").expect("valid"), Some("\"x\\ny\""));
        assert_eq!(element(array, 3).expect("valid"), None);
        assert_eq!(element(json, 0).expect("valid"), None);
        assert_eq!(length(array).expect("an array"), 3);
        assert_eq!(length("[]").expect("an array"), 0);
        assert_eq!(length("1").expect_err("a scalar").kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn text_loses_its_quotes_and_null_is_null() {
        for (json, text) in
            [("\"a\\u00e9\"", Some("a\u{e9}")), ("null", None), ("[1]", Some("[1]")), ("1.0", Some("1.0"))]
        {
            assert_eq!(as_text(json).expect("valid").as_deref(), text);
        }
    }
}
