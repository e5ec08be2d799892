//! `age(x)` counts from today: `age(current_date, x)`.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{catalog_name, nullary};

/// Adds the argument that is left out.
pub(super) fn from_today(expr: &mut Expr) {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr else { return };
    if list.args.len() == 1 && catalog_name(name).as_deref() == Some("age") {
        list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(nullary("current_date"))));
    }
}
