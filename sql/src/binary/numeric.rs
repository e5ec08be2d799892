//! `numeric` in the binary format: base-10000 digits around the decimal point.
//!
//! Layout (`numeric_send` in Postgres): digit count, weight of the first digit, sign, display scale, digits; all 16 bits.
//! Both directions go through decimal text, which needs no wider arithmetic for 38 digits or for 76.

use bytes::{Buf, BufMut, BytesMut};
use slipstream_engine::{Error, ErrorKind, Result};

const GROUP: usize = 4;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Appends the number `unscaled * 10^-scale`; `unscaled` is decimal digits with an optional minus sign.
pub(super) fn append(out: &mut BytesMut, unscaled: &str, scale: i8) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, unscaled),
    };
    let shift = usize::from(scale.min(0).unsigned_abs());
    let scale = usize::from(scale.max(0).unsigned_abs());

    // Zeros in front and behind, so that the decimal point falls between two groups.
    let whole = (digits.len() + shift).saturating_sub(scale);
    let front = whole.next_multiple_of(GROUP) - whole + scale.saturating_sub(digits.len() + shift);
    let back = shift + scale.next_multiple_of(GROUP) - scale;
    let mut padded = Vec::with_capacity(front + digits.len() + back);
    padded.resize(front, b'0');
    padded.extend_from_slice(digits.as_bytes());
    padded.resize(front + digits.len() + back, b'0');

    let groups: Vec<u16> = padded
        .chunks(GROUP)
        .map(|group| group.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))
        .collect();
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let kept = &groups[first..last];
    let weight = if kept.is_empty() { 0 } else { whole.div_ceil(GROUP) as i16 - 1 - first as i16 };

    out.put_i16(kept.len() as i16);
    out.put_i16(weight);
    out.put_u16(if kept.is_empty() { POSITIVE } else { sign });
    out.put_u16(scale as u16);
    for group in kept {
        out.put_u16(*group);
    }
}

/// Reads a binary `numeric` as decimal text that the type's input function takes.
pub(super) fn to_text(mut data: &[u8]) -> Result<String> {
    let malformed = || Error::new(ErrorKind::InvalidBinary, "invalid binary representation of numeric");
    if data.len() < 8 {
        return Err(malformed());
    }
    let count = data.get_u16() as usize;
    let weight = i32::from(data.get_i16());
    let sign = data.get_u16();
    let scale = usize::from(data.get_u16());
    if data.len() != count * 2 || scale > 0x3fff {
        return Err(malformed());
    }
    let mut text = match sign {
        POSITIVE => String::new(),
        NEGATIVE => "-".to_string(),
        NAN => return Ok("NaN".to_string()),
        INFINITY => return Ok("Infinity".to_string()),
        NEGATIVE_INFINITY => return Ok("-Infinity".to_string()),
        _ => return Err(malformed()),
    };
    let groups: Vec<u16> = (0..count).map(|_| data.get_u16()).collect();
    if groups.iter().any(|group| *group > 9999) {
        return Err(malformed());
    }
    let group = |position: i32| usize::try_from(position).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);

    text.push('0');
    for position in 0..=weight {
        text.push_str(&format!("{:04}", group(position)));
    }
    if scale > 0 {
        let mut fraction = String::new();
        for position in weight + 1..weight + 1 + scale.div_ceil(GROUP) as i32 {
            fraction.push_str(&format!("{:04}", group(position)));
        }
        fraction.truncate(scale);
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(unscaled: &str, scale: i8) -> Vec<u16> {
        let mut out = BytesMut::new();
        append(&mut out, unscaled, scale);
        out.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn numbers_have_the_bytes_that_postgres_sends() {
        assert_eq!(binary("0", 2), [0, 0, POSITIVE, 2]);
        assert_eq!(binary("1", 0), [1, 0, POSITIVE, 0, 1]);
        assert_eq!(binary("12345", 0), [2, 1, POSITIVE, 0, 1, 2345]);
        assert_eq!(binary("-1234567", 3), [2, 0, NEGATIVE, 3, 1234, 5670]);
        assert_eq!(binary("5", 1), [1, 0xffff, POSITIVE, 1, 5000]);
        assert_eq!(binary("1", 8), [1, 0xfffe, POSITIVE, 8, 1]);
        assert_eq!(binary("10000", 0), [1, 1, POSITIVE, 0, 1]);
        assert_eq!(binary("5", -4), [1, 1, POSITIVE, 0, 5]);
    }

    #[test]
    fn text_comes_back_from_binary() {
        for (unscaled, scale, text) in [
            ("0", 2, "0.00"),
            ("12345", 0, "012345"),
            ("-1234567", 3, "-01234.567"),
            ("1", 8, "0.00000001"),
            ("99999999999999999999999999999999999999", 10, "09999999999999999999999999999.9999999999"),
        ] {
            let mut out = BytesMut::new();
            append(&mut out, unscaled, scale);
            let read = to_text(&out).unwrap();
            let trim = |text: &str| text.replace('-', "").trim_start_matches('0').to_string();
            assert_eq!(trim(&read), trim(text));
            assert_eq!(read.starts_with('-'), text.starts_with('-'));
        }
    }

    #[test]
    fn torn_or_wild_bytes_are_refused() {
        for data in
            [&b""[..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], &[0, 0, 0, 0, 1, 0, 0, 0]]
        {
            assert_eq!(to_text(data).unwrap_err().kind(), ErrorKind::InvalidBinary);
        }
    }
}
