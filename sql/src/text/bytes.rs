//! bytea and uuid as text.

use slipstream_engine::{Error, ErrorKind, Result};

use super::invalid_syntax;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `\xdeadbeef`.
pub(super) fn append_bytea(out: &mut String, bytes: &[u8]) {
    out.push_str("\\x");
    append_hex(out, bytes);
}

fn append_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// Reads bytea in the hex form (`\x01ff`, blanks between bytes allowed) or the escape form (`a\000b\\c`).
pub(super) fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escaped(text),
    }
}

fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut rest = hex.chars();
    while let Some(high) = rest.next() {
        if matches!(high, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let invalid =
            |digit: char| Error::new(ErrorKind::InvalidParameter, format!("invalid hexadecimal digit: \"{digit}\""));
        let high = high.to_digit(16).ok_or_else(|| invalid(high))?;
        let low = rest
            .next()
            .ok_or_else(|| Error::new(ErrorKind::InvalidParameter, "invalid hexadecimal data: odd number of digits"))?;
        let low = low.to_digit(16).ok_or_else(|| invalid(low))?;
        bytes.push((high * 16 + low) as u8);
    }
    Ok(bytes)
}

fn parse_escaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = tail;
        } else if let [b'\\', tail @ ..] = tail {
            bytes.push(b'\\');
            rest = tail;
        } else if let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] = tail {
            bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = tail;
        } else {
            return Err(Error::new(ErrorKind::InvalidText, "invalid input syntax for type bytea"));
        }
    }
    Ok(bytes)
}

/// Appends the 36-character form of a uuid.
pub(super) fn append_uuid(out: &mut String, bytes: &[u8]) {
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        append_hex(out, &[*byte]);
    }
}

/// Reads 32 hex digits, with optional hyphens after any four of them and optional braces, as Postgres does.
pub(super) fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let invalid = || invalid_syntax("uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut bytes = [0_u8; 16];
    let mut digits = 0;
    let mut after_hyphen = true;
    for byte in inner.bytes() {
        if byte == b'-' {
            if after_hyphen || digits % 4 != 0 || digits == 32 {
                return Err(invalid());
            }
            after_hyphen = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or_else(invalid)?;
        if digits == 32 {
            return Err(invalid());
        }
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit as u8;
        digits += 1;
        after_hyphen = false;
    }
    if digits == 32 { Ok(bytes) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytea_reads_both_forms() {
        for (text, bytes) in [
            ("\\x", &b""[..]),
            ("\\xDEad", &b"\xde\xad"[..]),
            ("\\x01 02", &b"\x01\x02"[..]),
            ("abc", &b"abc"[..]),
            ("a\\000b\\\\c", &b"a\0b\\c"[..]),
        ] {
            assert_eq!(parse_bytea(text).expect(text), bytes);
        }
        assert!(parse_bytea("\\x1").is_err());
        assert!(parse_bytea("\\xzz").is_err());
        assert!(parse_bytea("\\9").is_err());
    }

    #[test]
    fn uuid_reads_what_postgres_reads() {
        let mut out = String::new();
        append_uuid(&mut out, &parse_uuid("{A0EEBC99-9C0B4EF8BB6D6BB9BD380A11}").expect("braces"));
        assert_eq!(out, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        for text in [
            "",
            "a0eebc99",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "-a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(parse_uuid(text).expect_err(text).kind(), ErrorKind::InvalidText);
        }
    }
}
