//! Types as clients know them.

use std::hash::{Hash, Hasher};

use arrow::datatypes::Field;
use slipstream_catalog::pg_catalog::oids::{self, Form, PgType};
use slipstream_engine::types::SqlType;

/// The type of a result's column or of a parameter: what keeps its values, and which of Postgres's types they are.
///
/// Most types are themselves. Those of the system catalogs are not: an `oid` is kept as a `bigint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientType {
    sql_type: SqlType,
    pg_type: PgType,
}

impl ClientType {
    /// The type of a value that is nothing but its SQL type.
    pub fn of(sql_type: &SqlType) -> Self {
        ClientType { sql_type: sql_type.clone(), pg_type: PgType::of(sql_type) }
    }

    /// The type of a plan's column; `None` for an Arrow type that no SQL type stands for.
    pub fn of_field(field: &Field) -> Option<Self> {
        let sql_type = SqlType::of_field(field)?;
        let pg_type = match PgType::of_field(field).map(|pg_type| pg_type.shown()) {
            Some(shown) if kept_alike(&shown.sql_type(), &sql_type) => shown,
            _ => PgType::of(&sql_type),
        };
        Some(ClientType { sql_type, pg_type })
    }

    /// The type that a client names by its object id, if values of it can be read. An id has no length, precision or
    /// dimension: `numeric` has those of plain `numeric`, and `vector` is one of any dimension.
    pub fn with_oid(oid: u32) -> Option<Self> {
        let pg_type = PgType::with_oid(oid)?;
        let sql_type = pg_type.sql_type();
        let readable = pg_type.shown() == pg_type && pg_type.form() != Form::Vector;
        readable.then_some(ClientType { sql_type, pg_type })
    }

    /// What keeps the values in a plan.
    pub fn sql_type(&self) -> &SqlType {
        &self.sql_type
    }

    /// How the values are written.
    pub(crate) fn form(&self) -> Form {
        self.pg_type.form()
    }

    /// Object id of the type.
    pub fn oid(&self) -> u32 {
        self.pg_type.oid()
    }

    /// Bytes of a value, or -1 where values vary (`pg_type.typlen`).
    pub fn length(&self) -> i16 {
        self.pg_type.length()
    }

    /// The type's arguments, packed as Postgres and pgvector pack them (`pg_attribute.atttypmod`), or -1.
    pub fn modifier(&self) -> i32 {
        oids::type_modifier(&self.sql_type)
    }

    /// The type of an array's items; `None` for what is no array.
    pub(crate) fn item(&self) -> Option<ClientType> {
        let SqlType::Array(item) = &self.sql_type else { return None };
        let pg_type = match (self.pg_type.array, self.pg_type.scalar.name) {
            (true, _) => PgType { array: matches!(**item, SqlType::Array(_)), ..self.pg_type },
            (false, "int2vector") => PgType::of(&SqlType::SmallInt),
            (false, "oidvector") => PgType::named("oid").unwrap_or(PgType::of(item)),
            (false, _) => PgType::of(item),
        };
        Some(ClientType { sql_type: item.as_ref().clone(), pg_type })
    }

    /// The type of arrays of this one.
    pub(crate) fn array(&self) -> ClientType {
        let sql_type = SqlType::Array(Box::new(self.sql_type.clone()));
        ClientType { sql_type, pg_type: PgType { array: true, ..self.pg_type } }
    }

    /// A field of this type.
    pub(crate) fn field(&self, name: &str) -> Field {
        let natural = self.sql_type.field(name, true);
        if PgType::of(&self.sql_type) == self.pg_type {
            return natural;
        }
        let mut metadata = natural.metadata().clone();
        metadata.insert(oids::PG_TYPE_KEY.to_string(), self.pg_type.name());
        natural.with_metadata(metadata)
    }
}

impl Hash for ClientType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sql_type.hash(state);
        self.oid().hash(state);
    }
}

/// Whether values of one type are kept as those of another, but for lengths and dimensions.
fn kept_alike(a: &SqlType, b: &SqlType) -> bool {
    match (a, b) {
        (SqlType::Array(a), SqlType::Array(b)) => kept_alike(a, b),
        (a, b) => a == b || PgType::of(a) == PgType::of(b) || a.arrow_type() == b.arrow_type(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_named_by_its_oid_is_itself() {
        use SqlType::{
            Array, BigInt, Boolean, Bytea, Date, Double, Integer, Interval, Json, Jsonb, Real, SmallInt, Text, Time,
            Timestamp, TimestampTz, TsQuery, TsVector, Uuid,
        };
        let types = [
            Boolean,
            SmallInt,
            Integer,
            BigInt,
            Real,
            Double,
            Text,
            Bytea,
            Uuid,
            Date,
            Time,
            Timestamp,
            TimestampTz,
            Interval,
            Json,
            Jsonb,
            TsVector,
            TsQuery,
        ];
        for sql_type in types {
            for sql_type in [sql_type.clone(), Array(Box::new(sql_type))] {
                let client_type = ClientType::of(&sql_type);
                assert_eq!(ClientType::with_oid(client_type.oid()), Some(client_type.clone()));
                assert_eq!(ClientType::of_field(&client_type.field("c")), Some(client_type));
            }
        }
        assert_eq!(ClientType::with_oid(869), None, "inet");
    }

    #[test]
    fn types_of_the_catalogs_are_kept_as_others() {
        for (oid, length, sql_type) in
            [(26, 4, SqlType::BigInt), (18, 1, SqlType::Text), (19, 64, SqlType::Text), (1043, -1, SqlType::Text)]
        {
            let client_type = ClientType::with_oid(oid).expect("readable");
            assert_eq!((client_type.oid(), client_type.length(), client_type.sql_type()), (oid, length, &sql_type));
            assert_eq!(ClientType::of_field(&client_type.field("c")), Some(client_type));
        }
    }

    #[test]
    fn modifiers_are_packed_as_in_postgres() {
        let modifier = |sql_type| ClientType::of(&sql_type).modifier();
        assert_eq!(modifier(SqlType::Varchar(12)), 16);
        assert_eq!(modifier(SqlType::Numeric { precision: 12, scale: 3 }), ((12 << 16) | 3) + 4);
        assert_eq!(modifier(SqlType::Vector(384)), 384);
        assert_eq!(modifier(SqlType::Vector(0)), -1);
        assert_eq!(modifier(SqlType::Bit(3)), 3);
        assert_eq!(modifier(SqlType::Integer), -1);
    }
}
