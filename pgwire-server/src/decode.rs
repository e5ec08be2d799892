//! Parameters from the wire: text or binary bytes in, scalar values of the statement's parameter types out.

use datafusion::scalar::ScalarValue;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::binary::utf8;
use slipstream_sql::text::{TextColumn, TimeZone};
use slipstream_sql::types::ClientType;
use slipstream_sql::{binary, from_datafusion};

use crate::encode::Format;

/// Decodes one parameter. `number` counts from 1 and is for messages; `zone` is the session's; `data` is `None` for NULL.
pub(crate) fn parameter(
    number: usize,
    client_type: &ClientType,
    format: Format,
    zone: TimeZone,
    data: Option<&[u8]>,
) -> Result<ScalarValue> {
    let sql_type = client_type.sql_type();
    let Some(data) = data else {
        return ScalarValue::try_new_null(&sql_type.arrow_type()).map_err(from_datafusion);
    };
    match format {
        Format::Text => {
            let mut column = TextColumn::in_zone(sql_type, 1, zone);
            column.append(utf8(data)?)?;
            ScalarValue::try_from_array(&column.finish(), 0).map_err(from_datafusion)
        }
        Format::Binary => binary::parse_scalar(client_type, data).map_err(|error| match error.kind() {
            ErrorKind::InvalidBinary => {
                Error::new(ErrorKind::InvalidBinary, format!("incorrect binary data format in bind parameter {number}"))
                    .with_detail(format!("The bytes are not a value of type {sql_type}."))
            }
            _ => error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use slipstream_engine::types::SqlType;

    use super::*;

    #[test]
    fn a_value_of_the_wrong_length_names_its_parameter() {
        let integer = ClientType::of(&SqlType::Integer);
        let error = parameter(2, &integer, Format::Binary, TimeZone::UTC, Some(&[1, 2])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidBinary);
        assert_eq!(error.message(), "incorrect binary data format in bind parameter 2");
    }

    #[test]
    fn text_without_a_zone_is_in_that_of_the_session() {
        let instant = ClientType::of(&SqlType::TimestampTz);
        let zone = TimeZone::named("+02:00").unwrap();
        let value = parameter(1, &instant, Format::Text, zone, Some(b"2000-01-01 02:00")).unwrap();
        let utc = parameter(1, &instant, Format::Text, TimeZone::UTC, Some(b"2000-01-01 00:00")).unwrap();
        assert_eq!(value, utc);
    }
}
