//! Small differences of text.

use datafusion::sql::sqlparser::ast::{DataType, Expr};

use super::functions::FIRST_BYTE;
use super::{call, catalog_name, take};

/// Collations under which text compares by its bytes, as it does here without one.
const PLAIN_COLLATIONS: [&str; 4] = ["default", "C", "POSIX", "ucs_basic"];

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

/// `"char"` with its quotes is the one-byte type of the catalogs; `char` without is `character(1)`.
fn is_quoted_char(name: &datafusion::sql::sqlparser::ast::ObjectName) -> bool {
    let last = name.0.last().and_then(|part| part.as_ident());
    catalog_name(name).as_deref() == Some("char")
        && last.is_some_and(|last| last.quote_style.is_some() || name.0.len() == 2)
}
