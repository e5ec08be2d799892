//! pgvector's text form: `[1,2.5,-3]`.

use slipstream_engine::{Error, ErrorKind, Result};

use super::number::append_float;

/// Most dimensions a vector can have, as in pgvector.
const MAX_DIMENSIONS: usize = 16_000;

/// Appends `[1,2,3]`.
pub(super) fn append_vector(out: &mut String, values: &[f32]) {
    out.push('[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        append_float(out, *value);
    }
    out.push(']');
}

/// Appends the elements of a vector to `values`; a vector of other than `dimension` elements is an error, unless
/// `dimension` is 0 (which means any). Returns how many there were.
pub(super) fn parse_vector(text: &str, dimension: u32, values: &mut Vec<f32>) -> Result<u32> {
    let start = values.len();
    let result = parse_elements(text, values).and_then(|()| check_dimension(dimension, values.len() - start));
    if result.is_err() {
        values.truncate(start);
    }
    result
}

fn parse_elements(text: &str, values: &mut Vec<f32>) -> Result<()> {
    let malformed = |detail: &str| {
        Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type vector: \"{text}\""))
            .with_detail(detail)
    };
    let inner =
        text.trim_ascii().strip_prefix('[').ok_or_else(|| malformed("Vector contents must start with \"[\"."))?;
    let inner = inner.strip_suffix(']').ok_or_else(|| malformed("Vector contents must end with \"]\"."))?;
    if inner.trim_ascii().is_empty() {
        return Err(Error::new(ErrorKind::DataException, "vector must have at least 1 dimension"));
    }
    for element in inner.split(',') {
        let element = element.trim_ascii();
        let value: f32 = element.parse().map_err(|_| {
            Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type vector: \"{text}\""))
        })?;
        if value.is_infinite() && !element.contains(['i', 'I']) {
            let message = format!("\"{element}\" is out of range for type vector");
            return Err(Error::new(ErrorKind::NumericOutOfRange, message));
        }
        check_element(value)?;
        values.push(value);
    }
    Ok(())
}

/// Refuses what cannot be an element of a vector.
pub(super) fn check_element(value: f32) -> Result<()> {
    if value.is_nan() {
        return Err(Error::new(ErrorKind::DataException, "NaN not allowed in vector"));
    }
    if value.is_infinite() {
        return Err(Error::new(ErrorKind::DataException, "infinite value not allowed in vector"));
    }
    Ok(())
}

fn check_dimension(expected: u32, found: usize) -> Result<u32> {
    if found > MAX_DIMENSIONS {
        let message = format!("vector cannot have more than {MAX_DIMENSIONS} dimensions");
        return Err(Error::new(ErrorKind::DataException, message));
    }
    if expected != 0 && expected as usize != found {
        return Err(Error::new(ErrorKind::DataException, format!("expected {expected} dimensions, not {found}")));
    }
    Ok(found as u32)
}
