//! Hosts, URLs, addresses and paths. All of them are ASCII.

use super::ends_at;

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The length of the protocol at the beginning, `http://`.
pub(super) fn protocol(text: &str) -> Option<usize> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    (letters > 0 && text[letters..].starts_with("://")).then_some(letters + 3)
}

/// The length of the host at the beginning: labels with dots between them, the last one of two letters or more, and
/// perhaps a port.
pub(super) fn host(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut labels, mut found) = (0, 0, None);
    loop {
        let length = bytes[at..].iter().take_while(|byte| is_label(**byte)).count();
        let letters = bytes[at..at + length].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let begins_well = bytes[at..at + length].first().is_some_and(u8::is_ascii_alphanumeric);
        if !begins_well {
            break;
        }
        // A domain may have a hyphen behind it, which begins something else.
        let ends_domain = letters >= 2 && (letters == length || bytes[at + letters] == b'-');
        found = (labels > 0 && ends_domain && ends_at(text, at + letters)).then_some(at + letters);
        let goes_on = bytes.get(at + length) == Some(&b'.')
            && bytes.get(at + length + 1).is_some_and(u8::is_ascii_alphanumeric)
            && bytes[at + length - 1].is_ascii_alphanumeric();
        if !goes_on || (found.is_some() && letters < length) {
            break;
        }
        labels += 1;
        at += length + 1;
    }
    let end = found?;
    let port = text[end..].strip_prefix(':').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    Some(if port > 0 && ends_at(text, end + 1 + port) { end + 1 + port } else { end })
}

/// The length of the path of a URL at the beginning; 0 where there is none.
pub(super) fn url_path(text: &str) -> usize {
    if !text.starts_with('/') {
        return 0;
    }
    let is_part = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte);
    let length = text.bytes().take_while(is_part).count();
    if length > 1 && ends_at(text, length) { length } else { 0 }
}

/// The length of the mail address at the beginning.
pub(super) fn email(text: &str) -> Option<usize> {
    let local = text.bytes().take_while(|byte| is_label(*byte) || *byte == b'.').count();
    let host = text[local..].strip_prefix('@').and_then(host)?;
    let address = &text[..local + 1 + host];
    Some(address.rfind(':').unwrap_or(address.len()))
}

/// The length of the file name or path at the beginning, which has a dot or a slash in it: `and/or`, `e.g`, `v1.0`.
pub(super) fn file(text: &str) -> Option<usize> {
    let length = path_length(text);
    let name = &text[..length];
    (name.contains(['/', '.']) && ends_at(text, length)).then_some(length)
}

/// The length of the path at the beginning, which begins with a slash, with `~` or with dots and a slash.
pub(super) fn path(text: &str) -> Option<usize> {
    let root = if let Some(rest) = text.strip_prefix('~') {
        1 + usize::from(rest.starts_with('/'))
    } else {
        text.bytes().take_while(|byte| *byte == b'.').count().min(2) + 1
    };
    if !text.starts_with('~') && text.as_bytes().get(root - 1) != Some(&b'/') {
        return None;
    }
    let name = text.get(root..)?;
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_' || first == '.') {
        return None;
    }
    let length = root + path_length(name);
    (length > root && ends_at(text, length)).then_some(length)
}

/// The length of what can be a path at the beginning, without the punctuation at its end.
fn path_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (mut at, mut end) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        let belongs = match byte {
            b'/' => is_name(next) || next == b'.',
            b'.' | b'-' => is_name(next),
            byte => is_name(byte),
        };
        if !belongs {
            break;
        }
        at += 1;
        if is_name(byte) {
            end = at;
        }
    }
    end
}
