//! Small differences of text.

use datafusion::sql::sqlparser::ast::{DataType, Expr, UnaryOperator, Value, ValueWithSpan};

use super::functions::{FIRST_BYTE, LIKE_ESCAPE};
use super::{call, catalog_name, push_argument, take};

/// Collations under which text compares by its bytes, as it does here without one.
const PLAIN_COLLATIONS: [&str; 4] = ["default", "C", "POSIX", "ucs_basic"];

/// Brings a pattern with an escape character of its own to the one that DataFusion knows, as Postgres does: by a function.
pub(super) fn escape_with_backslash(expr: &mut Expr) {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else { return };
    let is_backslash =
        |escape: &ValueWithSpan| matches!(&escape.value, Value::SingleQuotedString(text) if text == "\\");
    if let Some(escape) = escape_char.take_if(|escape| !is_backslash(escape)) {
        let mut function = call(LIKE_ESCAPE, take(pattern), Vec::new());
        push_argument(&mut function, Expr::Value(escape));
        **pattern = function;
    }
}

/// Drops a collation that is the one in force, and replaces a cast to `"char"`.
///
/// Any other collation stays, for the planner to refuse.
pub(super) fn plain(expr: &mut Expr) {
    match expr {
        Expr::Collate { expr: inner, collation }
            if catalog_name(collation).is_some_and(|name| PLAIN_COLLATIONS.contains(&name.as_str())) =>
        {
            *expr = take(inner);
            // What stood below it has not been looked at under its own name yet.
            plain(expr);
        }
        Expr::Cast { expr: inner, data_type: DataType::Custom(name, modifiers), .. }
            if modifiers.is_empty() && is_quoted_char(name) =>
        {
            *expr = call(FIRST_BYTE, take(inner), Vec::new());
        }
        _ => {}
    }
}

/// `!! query` is a function of text search.
pub(super) fn negate_query(expr: &mut Expr) {
    if let Expr::UnaryOp { op: UnaryOperator::PGPrefixFactorial, expr: inner } = expr {
        *expr = call("tsquery_not", take(inner), Vec::new());
    }
}

/// `"char"` with its quotes is the one-byte type of the catalogs; `char` without is `character(1)`.
fn is_quoted_char(name: &datafusion::sql::sqlparser::ast::ObjectName) -> bool {
    let last = name.0.last().and_then(|part| part.as_ident());
    catalog_name(name).as_deref() == Some("char")
        && last.is_some_and(|last| last.quote_style.is_some() || name.0.len() == 2)
}
