//! Arrays as text: `{1,NULL,"a b"}`.

use slipstream_engine::{Error, ErrorKind, Result};

/// Calls `element` with each element of an array literal, `None` for NULL.
pub(crate) fn parse_array(text: &str, mut element: impl FnMut(Option<&str>) -> Result<()>) -> Result<()> {
    let malformed = |detail: &str| {
        Error::new(ErrorKind::InvalidText, format!("malformed array literal: \"{text}\"")).with_detail(detail)
    };
    let trimmed = text.trim_ascii();
    if trimmed.starts_with('[') {
        return Err(Error::not_supported("array literals with explicit bounds are not supported"));
    }
    let Some(mut rest) = trimmed.strip_prefix('{').map(str::trim_ascii_start) else {
        return Err(malformed("Array value must start with \"{\" or dimension information."));
    };
    if let Some(after) = rest.strip_prefix('}') {
        return if after.is_empty() { Ok(()) } else { Err(malformed("Junk after closing right brace.")) };
    }
    let mut unescaped = String::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.starts_with('{') {
            return Err(Error::not_supported("multidimensional arrays are not supported"));
        }
        unescaped.clear();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = take_quoted(quoted, &mut unescaped).ok_or_else(|| malformed("Unexpected end of input."))?;
            element(Some(&unescaped))?;
            rest = rest.trim_ascii_start();
        } else {
            let escaped;
            (rest, escaped) = take_plain(rest, &mut unescaped).ok_or_else(|| malformed("Unexpected end of input."))?;
            match unescaped.as_str() {
                "" => return Err(malformed("Unexpected \",\" or \"}\" character.")),
                word if !escaped && word.eq_ignore_ascii_case("null") => element(None)?,
                word => element(Some(word))?,
            }
        }
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if let Some(after) = rest.strip_prefix('}') {
            return if after.is_empty() { Ok(()) } else { Err(malformed("Junk after closing right brace.")) };
        } else {
            return Err(malformed("Incorrectly quoted array element."));
        }
    }
}

/// Reads up to the closing quote; gives what follows it.
fn take_quoted<'a>(text: &'a str, element: &mut String) -> Option<&'a str> {
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' => element.push(chars.next()?),
            other => element.push(other),
        }
    }
}

/// Reads an unquoted element without the blanks after it; gives what follows, and whether anything was escaped.
fn take_plain<'a>(text: &'a str, element: &mut String) -> Option<(&'a str, bool)> {
    let mut chars = text.chars();
    let mut significant = 0;
    let mut escaped = false;
    loop {
        let rest = chars.as_str();
        match chars.next()? {
            ',' | '}' | '"' => {
                element.truncate(significant);
                return Some((rest, escaped));
            }
            '\\' => {
                element.push(chars.next()?);
                escaped = true;
                significant = element.len();
            }
            blank if blank.is_ascii_whitespace() => element.push(blank),
            other => {
                element.push(other);
                significant = element.len();
            }
        }
    }
}

/// Quotes the element that begins at `start` of `out`, if it could be misread without.
pub(super) fn quote_element(out: &mut String, start: usize) {
    let element = &out[start..];
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    if !element.is_empty() && !element.eq_ignore_ascii_case("null") && !element.contains(special) {
        return;
    }
    let plain = out.split_off(start);
    out.push('"');
    for c in plain.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Result<Vec<Option<String>>> {
        let mut found = Vec::new();
        parse_array(text, |element| {
            found.push(element.map(str::to_string));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn array_literals_are_read() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(elements("{}").expect("empty"), []);
        assert_eq!(elements("{1,NULL, 3 }").expect("plain"), [some("1"), None, some("3")]);
        assert_eq!(
            elements(r#"{"a b","NULL","x\"y",a\,b}"#).expect("quoted"),
            [some("a b"), some("NULL"), some("x\"y"), some("a,b")]
        );
        for text in ["", "1", "{1", "{1,}", "{1}x", "{\"a\"b}", "{\"a"] {
            assert_eq!(elements(text).expect_err(text).kind(), ErrorKind::InvalidText, "{text}");
        }
        assert_eq!(elements("{{1},{2}}").expect_err("nested").kind(), ErrorKind::NotSupported);
    }

    #[test]
    fn elements_are_quoted_when_they_must_be() {
        for (plain, quoted) in
            [("a", "a"), ("", "\"\""), ("null", "\"null\""), ("a b", "\"a b\""), ("a\"b\\", "\"a\\\"b\\\\\"")]
        {
            let mut out = plain.to_string();
            quote_element(&mut out, 0);
            assert_eq!(out, quoted);
        }
    }
}
