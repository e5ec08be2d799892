//! Type names.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo,
};
use slipstream_catalog::pg_catalog::oids::PgType;
use slipstream_engine::types::{DEFAULT_NUMERIC, SqlType};
use slipstream_engine::{Error, ErrorKind, Result};

use super::ClientType;
use crate::graph::age::is_agtype;
use crate::pgvector::Kind;

/// Most characters a `varchar(n)` can be declared with, as in Postgres.
const MAX_VARCHAR: u64 = 10_485_760;
/// Most bits a `bit(n)` can be declared with, as in Postgres.
const MAX_BITS: u64 = 83_886_080;

/// The type that a column definition names.
pub fn sql_type(ast: &DataType) -> Result<SqlType> {
    Ok(match ast {
        DataType::Bool | DataType::Boolean => SqlType::Boolean,
        DataType::SmallInt(None) | DataType::Int2(None) => SqlType::SmallInt,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => SqlType::Integer,
        DataType::BigInt(None) | DataType::Int8(None) => SqlType::BigInt,
        DataType::Real | DataType::Float4 => SqlType::Real,
        DataType::Double(ExactNumberInfo::None) | DataType::DoublePrecision | DataType::Float8 => SqlType::Double,
        DataType::Float(info) => float(*info)?,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(*info)?,
        DataType::Text => SqlType::Text,
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            varchar(length.as_ref())?
        }
        DataType::Char(_) | DataType::Character(_) => {
            return Err(Error::not_supported("type character is not supported").with_hint("Use text or varchar(n)."));
        }
        DataType::Bytea => SqlType::Bytea,
        DataType::Uuid => SqlType::Uuid,
        DataType::Date => SqlType::Date,
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            microseconds(*precision, "time")?;
            SqlType::Time
        }
        DataType::Timestamp(precision, zone) => {
            microseconds(*precision, "timestamp")?;
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => SqlType::Timestamp,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => SqlType::TimestampTz,
            }
        }
        DataType::Interval { fields: None, precision: None } => SqlType::Interval,
        DataType::Bit(length) => SqlType::Bit(bits("bit", length.unwrap_or(1))?),
        DataType::BitVarying(None) | DataType::VarBit(None) => SqlType::Varbit(0),
        DataType::BitVarying(Some(length)) | DataType::VarBit(Some(length)) => {
            SqlType::Varbit(bits("varbit", *length)?)
        }
        DataType::JSON => SqlType::Json,
        DataType::JSONB => SqlType::Jsonb,
        DataType::TsVector => SqlType::TsVector,
        DataType::TsQuery => SqlType::TsQuery,
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => {
            array(sql_type(item)?)?
        }
        DataType::Custom(name, arguments) => custom(name, arguments)?,
        other => return Err(unsupported(&other.to_string())),
    })
}

/// The type that a cast names: [`sql_type`], the names that queries of the system catalogs use, and Apache AGE's `agtype`,
/// whose values are JSON.
pub fn cast_type(ast: &DataType) -> Result<SqlType> {
    match ast {
        ast if is_agtype(ast) => return Ok(SqlType::Jsonb),
        DataType::Regclass => return Ok(SqlType::Text),
        DataType::Custom(name, arguments) if arguments.is_empty() => match type_name(name)?.as_str() {
            "oid" | "xid" => return Ok(SqlType::BigInt),
            "name" | "char" | "regclass" | "regtype" | "regproc" | "regprocedure" | "regnamespace" | "regrole"
            | "regconfig" | "regdictionary" | "cstring" => {
                return Ok(SqlType::Text);
            }
            _ => {}
        },
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => {
            return array(cast_type(item)?);
        }
        _ => {}
    }
    sql_type(ast)
}

/// The type that a cast names, as clients know it: an `oid` is kept as a `bigint`, and is none.
pub(crate) fn client_type(ast: &DataType) -> Result<ClientType> {
    let sql_type = cast_type(ast)?;
    let named = catalog_type(ast).map(|pg_type| pg_type.field("", true));
    let named = named.and_then(|field| ClientType::of_field(&field)).filter(|named| *named.sql_type() == sql_type);
    Ok(named.unwrap_or_else(|| ClientType::of(&sql_type)))
}

/// The type of the catalogs that no column of a table can have.
fn catalog_type(ast: &DataType) -> Option<PgType> {
    match ast {
        DataType::Custom(name, arguments) if arguments.is_empty() => {
            let name = type_name(name).ok()?;
            matches!(name.as_str(), "oid" | "xid" | "name").then(|| PgType::named(&name))?
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => {
            catalog_type(item).map(|item| PgType { array: true, ..item })
        }
        _ => None,
    }
}

fn unsupported(name: &str) -> Error {
    Error::not_supported(format!("type {} is not supported", name.to_lowercase()))
}

fn array(item: SqlType) -> Result<SqlType> {
    match item {
        SqlType::Array(_) => Err(Error::not_supported("multidimensional arrays are not supported")),
        item if Kind::of(&item).is_some() => Err(Error::not_supported("arrays of vectors are not supported")),
        SqlType::Bit(_) | SqlType::Varbit(_) => Err(Error::not_supported("arrays of bit strings are not supported")),
        item => Ok(SqlType::Array(Box::new(item))),
    }
}

fn float(info: ExactNumberInfo) -> Result<SqlType> {
    match info {
        ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53) => Ok(SqlType::Double),
        ExactNumberInfo::Precision(1..=24) => Ok(SqlType::Real),
        _ => Err(Error::new(ErrorKind::InvalidParameter, "precision for type float must be from 1 to 53 bits")),
    }
}

fn numeric(info: ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (u64::from(DEFAULT_NUMERIC.0), i64::from(DEFAULT_NUMERIC.1)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if precision == 0 || precision > 1000 {
        let message = format!("NUMERIC precision {precision} must be between 1 and 1000");
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    if precision > 38 {
        return Err(Error::not_supported("numeric of more than 38 digits is not supported"));
    }
    if scale < 0 || scale > precision as i64 {
        return Err(Error::not_supported(format!(
            "numeric scale {scale} outside of its precision {precision} is not supported"
        )));
    }
    Ok(SqlType::Numeric { precision: precision as u8, scale: scale as i8 })
}

fn varchar(length: Option<&CharacterLength>) -> Result<SqlType> {
    match length {
        None => Ok(SqlType::Text),
        Some(CharacterLength::IntegerLength { length: 0, .. }) => {
            Err(Error::new(ErrorKind::InvalidParameter, "length for type varchar must be at least 1"))
        }
        Some(CharacterLength::IntegerLength { length, .. }) if *length <= MAX_VARCHAR => {
            Ok(SqlType::Varchar(*length as u32))
        }
        Some(_) => {
            let message = format!("length for type varchar cannot exceed {MAX_VARCHAR}");
            Err(Error::new(ErrorKind::InvalidParameter, message))
        }
    }
}

/// Times are kept in microseconds; rounding to less on every store is not done.
fn microseconds(precision: Option<u64>, name: &str) -> Result<()> {
    match precision {
        None | Some(6) => Ok(()),
        Some(precision) => Err(Error::not_supported(format!("type {name}({precision}) is not supported"))
            .with_hint(format!("Use {name}, which keeps microseconds."))),
    }
}

/// The last part of a type's name, which may be qualified with `pg_catalog` or `public`.
fn type_name(name: &ObjectName) -> Result<String> {
    let idents: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    let idents = idents.ok_or_else(|| unsupported(&name.to_string()))?;
    let fold = |ident: &datafusion::sql::sqlparser::ast::Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    match idents.as_slice() {
        [name] => Ok(fold(name)),
        [schema, name] if matches!(fold(schema).as_str(), "pg_catalog" | "public") => Ok(fold(name)),
        _ => Err(undefined(&name.to_string())),
    }
}

fn undefined(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedObject, format!("type \"{name}\" does not exist"))
}

/// The types that the parser has no word of its own for.
fn custom(name: &ObjectName, arguments: &[String]) -> Result<SqlType> {
    let name = type_name(name)?;
    match (name.as_str(), arguments) {
        ("vector", arguments) => vector(Kind::Vector, arguments),
        ("halfvec", arguments) => vector(Kind::Halfvec, arguments),
        ("sparsevec", arguments) => vector(Kind::Sparsevec, arguments),
        ("serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2", []) => {
            Err(Error::not_supported(format!("type {name} is not supported")).with_hint("Sequences do not exist yet."))
        }
        // The same types by the names that they have in the catalogs, as in `pg_catalog.int4`.
        ("bool", []) => Ok(SqlType::Boolean),
        ("int2", []) => Ok(SqlType::SmallInt),
        ("int4", []) => Ok(SqlType::Integer),
        ("int8", []) => Ok(SqlType::BigInt),
        ("float4", []) => Ok(SqlType::Real),
        ("float8", []) => Ok(SqlType::Double),
        ("numeric", []) => Ok(SqlType::Numeric { precision: DEFAULT_NUMERIC.0, scale: DEFAULT_NUMERIC.1 }),
        ("text" | "varchar", []) => Ok(SqlType::Text),
        ("bytea", []) => Ok(SqlType::Bytea),
        ("uuid", []) => Ok(SqlType::Uuid),
        ("date", []) => Ok(SqlType::Date),
        ("time", []) => Ok(SqlType::Time),
        ("timestamp", []) => Ok(SqlType::Timestamp),
        ("timestamptz", []) => Ok(SqlType::TimestampTz),
        ("interval", []) => Ok(SqlType::Interval),
        ("json", []) => Ok(SqlType::Json),
        ("jsonb", []) => Ok(SqlType::Jsonb),
        ("tsvector", []) => Ok(SqlType::TsVector),
        ("tsquery", []) => Ok(SqlType::TsQuery),
        ("bpchar" | "timetz" | "xml" | "money" | "inet" | "cidr" | "macaddr" | "oid" | "name", _) => {
            Err(unsupported(&name))
        }
        _ => Err(undefined(&name)),
    }
}

fn vector(kind: Kind, arguments: &[String]) -> Result<SqlType> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidParameter, message));
    let dimension = match arguments {
        [] => return Ok(kind.sql_type(0)),
        [dimension] => dimension.trim(),
        _ => return invalid("invalid type modifier".to_string()),
    };
    let name = kind.name();
    match dimension.parse::<i64>() {
        Ok(..=0) => invalid(format!("dimensions for type {name} must be at least 1")),
        Ok(dimension) if dimension <= i64::from(kind.max_dimensions()) => Ok(kind.sql_type(dimension as u32)),
        Ok(_) => invalid(format!("dimensions for type {name} cannot exceed {}", kind.max_dimensions())),
        Err(_) => {
            let text = dimension.trim_matches('\'');
            let message = format!("invalid input syntax for type integer: \"{text}\"");
            Err(Error::new(ErrorKind::InvalidText, message))
        }
    }
}

fn bits(name: &str, length: u64) -> Result<u32> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidParameter, message));
    match length {
        0 => invalid(format!("length for type {name} must be at least 1")),
        length if length <= MAX_BITS => Ok(length as u32),
        _ => invalid(format!("length for type {name} cannot exceed {MAX_BITS}")),
    }
}

/// Our type names in DataFusion's planner.
#[derive(Debug)]
pub struct TypeNames;

impl TypePlanner for TypeNames {
    fn plan_type_field(&self, ast: &DataType) -> datafusion::error::Result<Option<FieldRef>> {
        Ok(Some(Arc::new(client_type(ast)?.field(""))))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parse(name: &str) -> DataType {
        let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(name).expect("tokens");
        parser.parse_data_type().expect(name)
    }

    #[test]
    fn every_spelling_is_understood() {
        for (name, expected) in [
            ("int", "integer"),
            ("int4", "integer"),
            ("INTEGER", "integer"),
            ("int8", "bigint"),
            ("bigint", "bigint"),
            ("int2", "smallint"),
            ("float", "double precision"),
            ("float(10)", "real"),
            ("float8", "double precision"),
            ("double precision", "double precision"),
            ("real", "real"),
            ("numeric", "numeric(38,10)"),
            ("numeric(5)", "numeric(5,0)"),
            ("decimal(10,2)", "numeric(10,2)"),
            ("text", "text"),
            ("varchar", "text"),
            ("varchar(10)", "character varying(10)"),
            ("character varying(10)", "character varying(10)"),
            ("bool", "boolean"),
            ("timestamp", "timestamp without time zone"),
            ("timestamp without time zone", "timestamp without time zone"),
            ("timestamp with time zone", "timestamp with time zone"),
            ("timestamptz", "timestamp with time zone"),
            ("time", "time without time zone"),
            ("interval", "interval"),
            ("uuid", "uuid"),
            ("bytea", "bytea"),
            ("json", "json"),
            ("jsonb", "jsonb"),
            ("tsvector", "tsvector"),
            ("pg_catalog.tsquery", "tsquery"),
            ("vector(3)", "vector(3)"),
            ("vector", "vector"),
            ("public.halfvec(3)", "halfvec(3)"),
            ("sparsevec(100000)", "sparsevec(100000)"),
            ("bit", "bit(1)"),
            ("bit(3)", "bit(3)"),
            ("bit varying(3)", "bit varying(3)"),
            ("varbit", "bit varying"),
            ("int[]", "integer[]"),
            ("pg_catalog.int4", "integer"),
        ] {
            assert_eq!(sql_type(&parse(name)).expect(name).to_string(), expected, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for (name, kind) in [
            ("char(3)", ErrorKind::NotSupported),
            ("serial", ErrorKind::NotSupported),
            ("timestamp(3)", ErrorKind::NotSupported),
            ("numeric(50)", ErrorKind::NotSupported),
            ("vector(0)", ErrorKind::InvalidParameter),
            ("vector(16001)", ErrorKind::InvalidParameter),
            ("vector(3, 2)", ErrorKind::InvalidParameter),
            ("bit(0)", ErrorKind::InvalidParameter),
            ("vector[]", ErrorKind::NotSupported),
            ("nonsense", ErrorKind::UndefinedObject),
        ] {
            assert_eq!(sql_type(&parse(name)).expect_err(name).kind(), kind, "{name}");
        }
        assert_eq!(cast_type(&parse("regclass")).expect("a catalog type"), SqlType::Text);
    }
}
