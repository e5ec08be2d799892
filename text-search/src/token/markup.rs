//! Tags and entities, which are no words.

/// The length of the XML tag or comment at the beginning.
pub(super) fn tag(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("<!--") {
        return rest.find("-->").map(|end| end + 7);
    }
    let name = text[1..].strip_prefix(['/', '!', '?']).unwrap_or(&text[1..]);
    if !name.starts_with(|character: char| character.is_ascii_alphabetic()) {
        return None;
    }
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            (None, b'<') => return None,
            _ => {}
        }
    }
    None
}

/// The length of the entity at the beginning: `&amp;`, `&#65;`, `&#x41;`.
pub(super) fn entity(text: &str) -> Option<usize> {
    let end = text.find(';')?;
    let name = &text[1..end];
    let is_entity = match (name.strip_prefix("#x").or(name.strip_prefix("#X")), name.strip_prefix('#')) {
        (Some(hex), _) => !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        (None, Some(decimal)) => !decimal.is_empty() && super::is_digits(decimal),
        (None, None) => {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    };
    is_entity.then_some(end + 1)
}
