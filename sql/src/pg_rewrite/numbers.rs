//! `1e200::float8`: a number that a numeric cannot hold here is read as the float that it is cast to.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Value};

/// Gives a cast to a float the digits as they are written.
pub(super) fn floats(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    let to_float = matches!(
        data_type,
        DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::Float8
            | DataType::Float4
            | DataType::Real
            | DataType::Float(_)
    );
    let Expr::Value(literal) = inner.as_mut() else { return };
    if let (true, Value::Number(digits, _)) = (to_float, &literal.value)
        && digits.contains(['e', 'E'])
    {
        literal.value = Value::SingleQuotedString(digits.clone());
    }
}
