//! Casts to `regclass`, `regtype`, `regproc`, `regnamespace` and `regrole`.
//!
//! Such a value is an object id that is read and written as a name. So a cast becomes a function of the catalog:
//! `regclass_text` where the name is seen (in the select list of the outermost query, in a cast to text, as an operand of
//! `||`), and `regclass_oid` anywhere else, where it is compared. Both take names and ids.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Select, SelectItem, SetExpr};

use super::{call, catalog_name, take};

/// The outermost select list shows names.
pub(super) fn show_names(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            keep_column_names(select);
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    to_text(expr);
                }
            }
        }
        SetExpr::Query(query) => show_names(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            show_names(left);
            show_names(right);
        }
        _ => {}
    }
}

/// A cast of a column is named after the column, so the function that takes its place is, too.
pub(super) fn keep_column_names(select: &mut Select) {
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(cast) = item else { continue };
        let Some((_, operand)) = registered_type(cast) else { continue };
        let name = match operand {
            Expr::Identifier(name) => name.clone(),
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(name) => name.clone(),
                None => continue,
            },
            _ => continue,
        };
        *item = SelectItem::ExprWithAlias { expr: take(cast), alias: name };
    }
}

/// Replaces a cast by its look-up.
pub(super) fn look_up(expr: &mut Expr) {
    match expr {
        Expr::Cast { expr: inner, data_type, .. } if is_text(data_type) && registered_type(inner).is_some() => {
            to_text(inner);
        }
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            to_text(left);
            to_text(right);
        }
        _ => {
            if let Some((name, _)) = registered_type(expr) {
                replace(expr, &format!("{name}_oid"));
            }
        }
    }
}

fn to_text(expr: &mut Expr) {
    if let Some((name, _)) = registered_type(expr) {
        replace(expr, &format!("{name}_text"));
    }
}

fn replace(cast: &mut Expr, function: &str) {
    if let Expr::Cast { expr, .. } = cast {
        *cast = call(function, take(expr), Vec::new());
    }
}

/// The look-up that a cast stands for, and what is cast.
fn registered_type(expr: &Expr) -> Option<(&'static str, &Expr)> {
    let Expr::Cast { expr: operand, data_type, .. } = expr else { return None };
    let name = match data_type {
        DataType::Regclass => "regclass",
        DataType::Custom(name, modifiers) if modifiers.is_empty() => match catalog_name(name)?.as_str() {
            "regclass" => "regclass",
            "regtype" => "regtype",
            "regproc" | "regprocedure" => "regproc",
            "regnamespace" => "regnamespace",
            "regrole" => "regrole",
            _ => return None,
        },
        _ => return None,
    };
    Some((name, operand))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) => true,
        DataType::Custom(name, _) => matches!(catalog_name(name).as_deref(), Some("text" | "name" | "varchar")),
        _ => false,
    }
}
