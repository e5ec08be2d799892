//! Columns of VALUES in which a cast says the type of the literals beside it: `VALUES ('[1]'::vector), ('[2]')`.
//!
//! DataFusion finds the type of such a column before any literal is read, and has no common one for text and vectors.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, SetExpr, Value};

/// Casts the literals of each column to the type that another row of it has, if that is one of vectors.
pub(super) fn cast_literals(body: &mut SetExpr) {
    let SetExpr::Values(values) = body else { return };
    let columns = values.rows.first().map_or(0, |row| row.len());
    for column in 0..columns {
        let named = values.rows.iter().filter_map(|row| row.get(column)).find_map(vector_type);
        let Some(data_type) = named else { continue };
        for cell in values.rows.iter_mut().filter_map(|row| row.get_mut(column)) {
            if let Expr::Value(value) = cell
                && matches!(value.value, Value::SingleQuotedString(_))
            {
                let literal = Box::new(Expr::Value(value.clone()));
                *cell = Expr::Cast {
                    kind: CastKind::DoubleColon,
                    expr: literal,
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

/// The type of vectors that a cell is cast to, of any dimension.
fn vector_type(cell: &Expr) -> Option<DataType> {
    let Expr::Cast { data_type, .. } = cell else { return None };
    match data_type {
        DataType::Custom(name, _) => {
            let last = name.0.last()?.as_ident()?.value.to_lowercase();
            let is_vector = matches!(last.as_str(), "vector" | "halfvec" | "sparsevec");
            is_vector.then(|| DataType::Custom(name.clone(), Vec::new()))
        }
        _ => None,
    }
}
