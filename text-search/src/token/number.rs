//! Numbers.

use super::ends_at;

/// The length of the unsigned number at the beginning: `42`, `3.14`, `1.5e-3`. No letter or digit may follow.
pub(super) fn number(text: &str) -> Option<usize> {
    let whole = digits(text);
    if whole == 0 {
        return None;
    }
    let mut best = ends_at(text, whole).then_some(whole);
    let mut end = whole;
    if text[end..].starts_with('.') {
        let fraction = digits(&text[end + 1..]);
        if fraction > 0 {
            end += 1 + fraction;
            best = ends_at(text, end).then_some(end).or(best);
        }
    }
    if text[end..].starts_with(['e', 'E']) {
        let signed = text[end + 1..].starts_with(['+', '-']);
        let exponent = end + 1 + usize::from(signed);
        let length = digits(&text[exponent..]);
        if length > 0 && ends_at(text, exponent + length) {
            best = Some(exponent + length);
        }
    }
    best
}

/// The length of the version at the beginning: at least three numbers, as in `1.2.3`.
pub(super) fn version(text: &str) -> Option<usize> {
    let mut end = digits(text);
    let (mut numbers, mut best) = (1, None);
    while end > 0 && text[end..].starts_with('.') {
        let length = digits(&text[end + 1..]);
        if length == 0 || !ends_at(text, end + 1 + length) {
            break;
        }
        end += 1 + length;
        numbers += 1;
        if numbers >= 3 {
            best = Some(end);
        }
    }
    best
}

fn digits(text: &str) -> usize {
    text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len())
}
