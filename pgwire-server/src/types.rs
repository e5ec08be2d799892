//! What clients say about the types of parameters.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::types::ClientType;

/// What a client says about a parameter's type in `Parse`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeclaredType {
    /// Nothing: the statement decides.
    Unspecified,
    /// Exactly this type.
    Exact(ClientType),
    /// This type, but an object id alone has no precision or dimension: the statement decides those, and this stands in
    /// where it cannot.
    Open(ClientType),
}

impl DeclaredType {
    /// The type, where it leaves nothing open.
    pub(crate) fn exact(&self) -> Option<ClientType> {
        match self {
            DeclaredType::Exact(client_type) => Some(client_type.clone()),
            DeclaredType::Open(_) | DeclaredType::Unspecified => None,
        }
    }

    /// The type where the statement does not say what is left open.
    pub(crate) fn fallback(&self) -> Option<ClientType> {
        match self {
            DeclaredType::Exact(client_type) | DeclaredType::Open(client_type) => Some(client_type.clone()),
            DeclaredType::Unspecified => None,
        }
    }

    /// Whether the statement has found the type that was declared.
    pub(crate) fn fits(&self, found: &ClientType) -> bool {
        self.fallback().is_none_or(|declared| declared.oid() == found.oid())
    }
}

/// Reads a parameter's declared object id. A type that we do not have is `42704`.
pub(crate) fn declared(oid: u32) -> Result<DeclaredType> {
    // 705 is `unknown`, the type of an untyped literal.
    if matches!(oid, 0 | 705) {
        return Ok(DeclaredType::Unspecified);
    }
    let client_type = ClientType::with_oid(oid).ok_or_else(|| {
        Error::new(ErrorKind::UndefinedObject, format!("type with OID {oid} does not exist"))
            .with_hint("Cast the parameter to a type that this server has.")
    })?;
    match client_type.sql_type() {
        SqlType::Array(item) if has_length(item) => {
            Err(Error::not_supported("arrays of vectors and bit strings are not supported"))
        }
        sql_type if is_open(sql_type) => Ok(DeclaredType::Open(client_type)),
        _ => Ok(DeclaredType::Exact(client_type)),
    }
}

fn is_open(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(item) => is_open(item),
        other => has_length(other) || matches!(other, SqlType::Numeric { .. }),
    }
}

/// Whether values of a type are vectors or bit strings.
fn has_length(sql_type: &SqlType) -> bool {
    use SqlType::{Bit, Halfvec, Sparsevec, Varbit, Vector};
    matches!(sql_type, Vector(_) | Halfvec(_) | Sparsevec(_) | Bit(_) | Varbit(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_vectors_leave_their_size_open() {
        assert_eq!(declared(0).unwrap(), DeclaredType::Unspecified);
        assert_eq!(declared(23).unwrap(), DeclaredType::Exact(ClientType::of(&SqlType::Integer)));
        assert!(matches!(declared(1700).unwrap(), DeclaredType::Open(_)));
        let vector = ClientType::of(&SqlType::Vector(0));
        assert_eq!(declared(vector.oid()).unwrap(), DeclaredType::Open(vector));
    }

    #[test]
    fn a_type_that_we_do_not_have_is_refused() {
        assert_eq!(declared(869).unwrap_err().kind(), ErrorKind::UndefinedObject);
    }
}
