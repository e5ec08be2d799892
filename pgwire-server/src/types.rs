//! SQL types on the wire: object ids, sizes and modifiers.
//!
//! Built-in types have the ids that Postgres gives them, because drivers have them compiled in. `vector` has no such id;
//! it gets a fixed one, which `pg_type` shows too, so that pgvector's clients find it by name.

use slipstream_engine::types::{DEFAULT_NUMERIC, SqlType};
use slipstream_engine::{Error, ErrorKind, Result};

/// Object id of `vector`, as `pg_type` shows it.
pub const VECTOR_OID: u32 = 16388;
/// Object id of `vector[]`, as `pg_type` shows it.
pub const VECTOR_ARRAY_OID: u32 = 16389;

/// Length of the header that Postgres counts into the modifiers of `varchar` and `numeric`.
const HEADER: i32 = 4;

/// The type's object id (`pg_type.oid`).
pub fn oid(sql_type: &SqlType) -> u32 {
    match sql_type {
        SqlType::Boolean => 16,
        SqlType::Bytea => 17,
        SqlType::BigInt => 20,
        SqlType::SmallInt => 21,
        SqlType::Integer => 23,
        SqlType::Text => 25,
        SqlType::Json => 114,
        SqlType::Real => 700,
        SqlType::Double => 701,
        SqlType::Varchar(_) => 1043,
        SqlType::Date => 1082,
        SqlType::Time => 1083,
        SqlType::Timestamp => 1114,
        SqlType::TimestampTz => 1184,
        SqlType::Interval => 1186,
        SqlType::Numeric { .. } => 1700,
        SqlType::Uuid => 2950,
        SqlType::Jsonb => 3802,
        SqlType::Vector(_) => VECTOR_OID,
        SqlType::Array(item) => array_oid(item),
    }
}

/// The object id of the array type over `item`; arrays of arrays are the same type in Postgres.
fn array_oid(item: &SqlType) -> u32 {
    match item {
        SqlType::Boolean => 1000,
        SqlType::Bytea => 1001,
        SqlType::BigInt => 1016,
        SqlType::SmallInt => 1005,
        SqlType::Integer => 1007,
        SqlType::Text => 1009,
        SqlType::Json => 199,
        SqlType::Real => 1021,
        SqlType::Double => 1022,
        SqlType::Varchar(_) => 1015,
        SqlType::Date => 1182,
        SqlType::Time => 1183,
        SqlType::Timestamp => 1115,
        SqlType::TimestampTz => 1185,
        SqlType::Interval => 1187,
        SqlType::Numeric { .. } => 1231,
        SqlType::Uuid => 2951,
        SqlType::Jsonb => 3807,
        SqlType::Vector(_) => VECTOR_ARRAY_OID,
        SqlType::Array(inner) => array_oid(inner),
    }
}

/// Bytes of a value, or -1 where values vary (`pg_type.typlen`).
pub fn size(sql_type: &SqlType) -> i16 {
    match sql_type {
        SqlType::Boolean => 1,
        SqlType::SmallInt => 2,
        SqlType::Integer | SqlType::Real | SqlType::Date => 4,
        SqlType::BigInt | SqlType::Double | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => 8,
        SqlType::Uuid | SqlType::Interval => 16,
        SqlType::Numeric { .. }
        | SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Bytea
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Vector(_)
        | SqlType::Array(_) => -1,
    }
}

/// The type's arguments, packed as Postgres and pgvector pack them (`pg_attribute.atttypmod`), or -1.
pub fn modifier(sql_type: &SqlType) -> i32 {
    match sql_type {
        SqlType::Varchar(length) => *length as i32 + HEADER,
        SqlType::Numeric { precision, scale } if (*precision, *scale) != DEFAULT_NUMERIC => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + HEADER
        }
        SqlType::Vector(dimension) => *dimension as i32,
        SqlType::Array(item) => modifier(item),
        _ => -1,
    }
}

/// What a client says about a parameter's type in `Parse`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeclaredType {
    /// Nothing: the statement decides.
    Unspecified,
    /// Exactly this type.
    Exact(SqlType),
    /// This type, but an object id alone has no precision or dimension: the statement decides those, and `fallback`
    /// stands in where it cannot.
    Open {
        /// What the type is where the statement says nothing.
        fallback: Option<SqlType>,
    },
}

/// Reads a parameter's declared object id.
///
/// Types that clients treat as text or integer aliases are taken as such; others that we do not have are `42704`.
pub(crate) fn declared(oid: u32) -> Result<DeclaredType> {
    use DeclaredType::{Exact, Open, Unspecified};
    let numeric = SqlType::Numeric { precision: DEFAULT_NUMERIC.0, scale: DEFAULT_NUMERIC.1 };
    let array = |item: SqlType| Exact(SqlType::Array(Box::new(item)));
    Ok(match oid {
        // 705 is `unknown`, the type of an untyped literal.
        0 | 705 => Unspecified,
        16 => Exact(SqlType::Boolean),
        17 => Exact(SqlType::Bytea),
        20 => Exact(SqlType::BigInt),
        21 => Exact(SqlType::SmallInt),
        // 26 is `oid`, four bytes on the wire as `integer` is.
        23 | 26 => Exact(SqlType::Integer),
        // "char", name, text, char(n), varchar
        18 | 19 | 25 | 1042 | 1043 => Exact(SqlType::Text),
        114 => Exact(SqlType::Json),
        700 => Exact(SqlType::Real),
        701 => Exact(SqlType::Double),
        1082 => Exact(SqlType::Date),
        1083 => Exact(SqlType::Time),
        1114 => Exact(SqlType::Timestamp),
        1184 => Exact(SqlType::TimestampTz),
        1186 => Exact(SqlType::Interval),
        1700 => Open { fallback: Some(numeric) },
        2950 => Exact(SqlType::Uuid),
        3802 => Exact(SqlType::Jsonb),
        VECTOR_OID => Open { fallback: None },
        1000 => array(SqlType::Boolean),
        1001 => array(SqlType::Bytea),
        1016 => array(SqlType::BigInt),
        1005 => array(SqlType::SmallInt),
        1007 | 1028 => array(SqlType::Integer),
        1003 | 1009 | 1014 | 1015 => array(SqlType::Text),
        199 => array(SqlType::Json),
        1021 => array(SqlType::Real),
        1022 => array(SqlType::Double),
        1182 => array(SqlType::Date),
        1183 => array(SqlType::Time),
        1115 => array(SqlType::Timestamp),
        1185 => array(SqlType::TimestampTz),
        1187 => array(SqlType::Interval),
        1231 => Open { fallback: Some(SqlType::Array(Box::new(numeric))) },
        2951 => array(SqlType::Uuid),
        3807 => array(SqlType::Jsonb),
        VECTOR_ARRAY_OID => Open { fallback: None },
        _ => {
            return Err(Error::new(ErrorKind::UndefinedObject, format!("type with OID {oid} does not exist"))
                .with_hint("Cast the parameter to a type that this server has."));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_packed_as_in_postgres() {
        assert_eq!(modifier(&SqlType::Varchar(12)), 16);
        assert_eq!(modifier(&SqlType::Numeric { precision: 12, scale: 3 }), ((12 << 16) | 3) + 4);
        assert_eq!(modifier(&SqlType::Vector(384)), 384);
        assert_eq!(modifier(&SqlType::Integer), -1);
    }

    #[test]
    fn a_type_declared_by_its_own_oid_is_itself() {
        let types = [
            SqlType::Boolean,
            SqlType::SmallInt,
            SqlType::Integer,
            SqlType::BigInt,
            SqlType::Real,
            SqlType::Double,
            SqlType::Text,
            SqlType::Bytea,
            SqlType::Uuid,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp,
            SqlType::TimestampTz,
            SqlType::Interval,
            SqlType::Json,
            SqlType::Jsonb,
        ];
        for sql_type in types {
            assert_eq!(declared(oid(&sql_type)).unwrap(), DeclaredType::Exact(sql_type.clone()));
            let array = SqlType::Array(Box::new(sql_type));
            assert_eq!(declared(oid(&array)).unwrap(), DeclaredType::Exact(array));
        }
    }

    #[test]
    fn a_type_that_we_do_not_have_is_refused() {
        assert_eq!(declared(869).unwrap_err().kind(), ErrorKind::UndefinedObject);
    }
}
