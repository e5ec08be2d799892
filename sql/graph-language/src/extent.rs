//! Where a Cypher text ends that stands among other statements: at a semicolon, or at the parenthesis that closes what it stands in.
//!
//! Only what can hide these is read: strings, quoted names, comments. A text that breaks off in the middle of one reaches to
//! the end, where the lexer says what is wrong with it.

/// How many bytes of `text` the Cypher text has that it begins with. With `enclosed` it ends before the parenthesis that
/// nothing in it opens, too.
pub fn extent(text: &str, enclosed: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut open = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b';' => return at,
            b')' if enclosed && open == 0 => return at,
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            b'\'' | b'"' => at = after_string(bytes, at),
            b'`' => at = find(bytes, at + 1, b"`"),
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = find(bytes, at + 2, b"*/") + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The quote that ends a string.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if byte == bytes[start] => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where `wanted` is next, or the end.
fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(wanted.len()).position(|window| window == wanted).map_or(bytes.len(), |found| from + found)
}

#[cfg(test)]
mod tests {
    use super::extent;

    fn first(text: &str, enclosed: bool) -> &str {
        &text[..extent(text, enclosed)]
    }

    #[test]
    fn a_text_ends_at_a_semicolon_that_nothing_hides() {
        for (text, expected) in [
            ("RETURN 1; RETURN 2", "RETURN 1"),
            ("RETURN ';' + \";\" AS `a;b` // no; \n /* ; */ ; x", "RETURN ';' + \";\" AS `a;b` // no; \n /* ; */ "),
            (r"RETURN 'it\'s;' ; x", r"RETURN 'it\'s;' "),
            ("RETURN (1); x", "RETURN (1)"),
            ("RETURN 1) ; x", "RETURN 1) "),
            ("RETURN 'open; ", "RETURN 'open; "),
            ("RETURN `open; ", "RETURN `open; "),
            ("RETURN /* open; ", "RETURN /* open; "),
            ("RETURN 1 // open;", "RETURN 1 // open;"),
            (r"RETURN 'open\", r"RETURN 'open\"),
        ] {
            assert_eq!(first(text, false), expected);
        }
    }

    #[test]
    fn or_at_the_parenthesis_around_it() {
        assert_eq!(first("MATCH (a) RETURN count(a)) TO STDOUT", true), "MATCH (a) RETURN count(a)");
        assert_eq!(first("RETURN ')' ) x", true), "RETURN ')' ");
    }
}
