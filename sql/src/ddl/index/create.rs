//! CREATE INDEX.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{
    CreateIndex, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, IndexColumn, Value, visit_expressions,
};
use slipstream_engine::catalog::{
    CatalogEdit, ColumnDefinition, IndexDefinition, IndexFamily, IndexKey, IndexMethod, IndexPredicate, Metric,
    OperatorClass, TableDefinition,
};
use slipstream_engine::store::index_recipe::can_have_data;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::Config;

use super::super::Definition;
use super::super::names::{Place, already_exists, choose, is_taken};
use super::super::table::{Constraint, Draft, key_columns};
use super::options;
use crate::dml::normalize;
use crate::error::from_datafusion;
use crate::planner::Planning;

/// CREATE INDEX.
pub(in super::super) fn create_index(planning: &Planning<'_>, create: &CreateIndex) -> Result<Definition> {
    refuse_clauses(create)?;
    let method = method(create)?;
    let table = planning.tables.written(&create.table_name)?;
    let options = options::of(method, &create.with)?;
    let key_field = key_field(&table, &options)?;
    let keys = create.columns.iter().map(|column| match key_field {
        Some(name) if is_column(column, name) => Ok(without_words(name)),
        _ => key(planning, &table, method, column),
    });
    let mut keys = keys.collect::<Result<Vec<_>>>()?;
    if keys.len() > 1 && !has_several_columns(method) {
        let message = format!("access method \"{}\" does not support multicolumn indexes", method.name());
        return Err(Error::not_supported(message));
    }
    let names = create.columns.iter().map(|column| figure_name(&column.column.expr));
    let name = name(planning, create, &table, &names.collect::<Vec<_>>())?;
    let place = Place { schema: table.schema.clone(), name };
    if is_taken(&planning.view.snapshot.catalog, &place) {
        return match create.if_not_exists {
            true => {
                let notice = format!("relation \"{}\" already exists, skipping", place.name);
                Ok(Definition::passed_over("CREATE INDEX", notice))
            }
            false => Err(already_exists(&place.name)),
        };
    }
    if create.unique {
        return unique(planning, create, method, &table, place.name);
    }
    let predicate = match &create.predicate {
        Some(condition) => Some(IndexPredicate {
            expression: checked(planning, &table, condition)?,
            columns: columns_of(&table, condition),
        }),
        None => None,
    };
    if method == IndexMethod::Bm25 {
        let config = options.get("language").map_or(Config::ENGLISH.name(), String::as_str);
        let of_words =
            keys.iter_mut().filter(|key| Some(key.columns.as_slice()) != key_field.map(std::slice::from_ref));
        of_words.for_each(|key| key.text_config = Some(config.to_string()));
    }
    let index = IndexDefinition {
        oid: planning.view.snapshot.catalog.reserve_oid(),
        name: place.name,
        method,
        keys,
        options,
        predicate,
    };
    let mut definition = Definition::new("CREATE INDEX", Vec::new());
    definition.notices.extend(without_data(&table, &index));
    definition.changes.catalog.push(CatalogEdit::CreateIndex { table: table.id, index });
    definition.alone = create.concurrently.then_some("CREATE INDEX CONCURRENTLY");
    Ok(definition)
}

fn has_several_columns(method: IndexMethod) -> bool {
    method.family() == IndexFamily::Scalar || matches!(method, IndexMethod::Bm25 | IndexMethod::Gin)
}

/// The column that `key_field` names: the table's key, as pg_search wants it, which may then be among the columns. Rows are found by
/// themselves here, so it means nothing.
fn key_field<'a>(table: &TableDefinition, options: &'a BTreeMap<String, String>) -> Result<Option<&'a String>> {
    let Some(key) = options.get("key_field") else { return Ok(None) };
    if table.primary_key != [key.as_str()] {
        let message = format!("key_field \"{key}\" is not the primary key of table \"{}\"", table.name);
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    Ok(Some(key))
}

fn is_column(column: &IndexColumn, name: &str) -> bool {
    matches!(&column.column.expr, Expr::Identifier(ident) if normalize(ident) == name)
}

fn without_words(column: &str) -> IndexKey {
    IndexKey {
        columns: vec![column.to_string()],
        expression: None,
        operator_class: String::new(),
        order: String::new(),
        text_config: None,
    }
}

/// Why an index will have no data, where that is so: statements then read what they would without it.
fn without_data(table: &TableDefinition, index: &IndexDefinition) -> Option<String> {
    let name = &index.name;
    if index.method.family() == IndexFamily::Scalar || can_have_data(table, index) {
        return None;
    }
    let what = if index.predicate.is_some() {
        "partial"
    } else if index.keys.iter().any(|key| key.expression.is_some()) {
        "on an expression"
    } else if index.metric() == Some(Metric::L1) {
        "for the L1 distance"
    } else if index.metric() == Some(Metric::Jaccard) {
        "for the Jaccard distance"
    } else if !can_have_data(table, index) {
        "of a type that the store has no such index for"
    } else {
        "of a type that has none"
    };
    Some(format!("index \"{name}\" is {what}: it is kept as a definition, searches stay exact"))
}

fn refuse_clauses(create: &CreateIndex) -> Result<()> {
    let refuse = |what: &str| Err(Error::not_supported(format!("CREATE INDEX ... {what} is not supported yet")));
    if !create.include.is_empty() {
        return refuse("INCLUDE");
    }
    if create.nulls_distinct == Some(false) {
        return refuse("NULLS NOT DISTINCT");
    }
    if !create.index_options.is_empty() || !create.alter_options.is_empty() {
        return refuse("with these options");
    }
    Ok(())
}

fn method(create: &CreateIndex) -> Result<IndexMethod> {
    let Some(using) = &create.using else { return Ok(IndexMethod::Btree) };
    let written = using.to_string();
    let name = written.trim_matches('"');
    let method = match IndexMethod::named(name) {
        Some(method) => method,
        None if ["gist", "spgist", "brin"].iter().any(|known| name.eq_ignore_ascii_case(known)) => {
            return Err(Error::not_supported(format!("access method \"{}\" is not supported", name.to_lowercase())));
        }
        None => {
            let message = format!("access method \"{}\" does not exist", name.to_lowercase());
            return Err(Error::new(ErrorKind::UndefinedObject, message));
        }
    };
    Ok(method)
}

/// A unique index is a UNIQUE constraint.
fn unique(
    planning: &Planning<'_>,
    create: &CreateIndex,
    method: IndexMethod,
    table: &TableDefinition,
    name: String,
) -> Result<Definition> {
    if method != IndexMethod::Btree {
        let message = format!("access method \"{}\" does not support unique indexes", method.name());
        return Err(Error::not_supported(message));
    }
    if create.predicate.is_some() || !create.with.is_empty() {
        let message = "CREATE UNIQUE INDEX with WHERE or WITH is not supported yet";
        return Err(Error::not_supported(message).with_hint("A unique index is a UNIQUE constraint here."));
    }
    let mut draft = Draft::new(planning, table.clone());
    draft.add_constraint(Constraint::unique(Some(name), key_columns(&create.columns)?))?;
    let definition = Definition::new("CREATE INDEX", vec![CatalogEdit::AlterTable(draft.into_table())]);
    Ok(Definition { alone: create.concurrently.then_some("CREATE INDEX CONCURRENTLY"), ..definition })
}

/// The name that was given, or one of its own.
fn name(planning: &Planning<'_>, create: &CreateIndex, table: &TableDefinition, columns: &[String]) -> Result<String> {
    match &create.name {
        Some(name) => match planning.tables.split(name)? {
            (None, name) => Ok(name),
            (Some(_), _) => Err(Error::new(ErrorKind::Syntax, "an index is in the schema of its table")),
        },
        None => {
            let taken = |name: &str| {
                let place = Place { schema: table.schema.clone(), name: name.to_string() };
                is_taken(&planning.view.snapshot.catalog, &place)
            };
            Ok(choose(&table.name, columns, "idx", taken))
        }
    }
}

/// What Postgres calls an expression in the name of an index.
fn figure_name(expr: &Expr) -> String {
    let named = |expr: &Expr| match expr {
        Expr::Identifier(ident) => Some(normalize(ident)),
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(normalize),
        _ => None,
    };
    let mut expr = expr;
    while let Expr::Nested(inner) | Expr::Cast { expr: inner, .. } = expr {
        expr = inner;
    }
    named(expr).unwrap_or_else(|| "expr".to_string())
}

fn key(
    planning: &Planning<'_>,
    table: &TableDefinition,
    method: IndexMethod,
    column: &IndexColumn,
) -> Result<IndexKey> {
    let ordered = column.column.options.asc.is_some() || column.column.options.nulls_first.is_some();
    if ordered && method != IndexMethod::Btree {
        let message = format!("access method \"{}\" does not support ASC/DESC options", method.name());
        return Err(Error::not_supported(message));
    }
    let class = column.operator_class.as_ref().map(|class| planning.tables.split(class).map(|(_, name)| name));
    let class = class.transpose()?;
    if let Expr::Identifier(ident) = &column.column.expr {
        let name = normalize(ident);
        let found = table.get_column(&name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" does not exist")).on_column(&name)
        })?;
        let operator_class = operator_class(method, class.as_deref(), &found.sql_type)?;
        if method.family() == IndexFamily::Vector && has_no_dimension(&found.sql_type) {
            return Err(Error::new(ErrorKind::InvalidParameter, "column does not have dimensions"));
        }
        let (columns, order) = (vec![name], order(column));
        return Ok(IndexKey { columns, expression: None, operator_class, order, text_config: None });
    }
    let mut expr = &column.column.expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    let expression = checked(planning, table, expr)?;
    // The type of an expression of vectors may be one that columns do not have here.
    let operator_class = class.unwrap_or_default();
    Ok(IndexKey {
        columns: columns_of(table, expr),
        expression: Some(expression),
        operator_class,
        order: order(column),
        text_config: if method == IndexMethod::Gin { text_config(table, expr) } else { None },
    })
}

/// The configuration of `to_tsvector(config, column)`; `None` for any other expression.
fn text_config(table: &TableDefinition, expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else { return None };
    let name = function.name.0.last()?.as_ident().map(normalize)?;
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let arguments = list.args.iter().map(plain).collect::<Option<Vec<_>>>()?;
    let [config, column] = arguments.as_slice() else { return None };
    let config = literal_text(config).filter(|_| name == "to_tsvector")?;
    let is_column = |ident| table.get_column(&normalize(ident)).is_some();
    let config: Config = config.parse().ok()?;
    matches!(without_null(column), Expr::Identifier(ident) if is_column(ident)).then(|| config.name().to_string())
}

/// A column in `coalesce(column, '')`, which has the same words.
fn without_null(expr: &Expr) -> &Expr {
    if let Expr::Function(function) = expr
        && function.name.to_string().eq_ignore_ascii_case("coalesce")
        && let FunctionArguments::List(list) = &function.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(column)), FunctionArg::Unnamed(FunctionArgExpr::Expr(empty))] =
            list.args.as_slice()
        && literal_text(empty).is_some_and(|text| text.is_empty())
    {
        return column;
    }
    expr
}

fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => literal_text(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a type is of vectors of any dimension.
fn has_no_dimension(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Vector(0) | SqlType::Halfvec(0) | SqlType::Sparsevec(0) | SqlType::Bit(0))
}

fn order(column: &IndexColumn) -> String {
    let options = &column.column.options;
    let direction = if options.asc == Some(false) { "DESC" } else { "" };
    // NULLs come last in ascending order, and first in descending order.
    let nulls = match (options.asc == Some(false), options.nulls_first) {
        (false, Some(true)) => "NULLS FIRST",
        (true, Some(false)) => "NULLS LAST",
        _ => "",
    };
    [direction, nulls].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// The operator class of a column: the one that was named, or the method's own. Scalar indexes need none.
fn operator_class(method: IndexMethod, named: Option<&str>, sql_type: &SqlType) -> Result<String> {
    match named {
        Some(name) => match OperatorClass::named(method, name) {
            Some(class) if class.takes(sql_type) => Ok(name.to_string()),
            Some(_) => Err(unfit(name, sql_type)),
            // `int4_ops` and its like are what is taken anyway.
            None if method.family() == IndexFamily::Scalar && name.ends_with("_ops") => Ok(String::new()),
            None => {
                let message =
                    format!("operator class \"{name}\" does not exist for access method \"{}\"", method.name());
                Err(Error::new(ErrorKind::UndefinedObject, message))
            }
        },
        None if method.family() == IndexFamily::Scalar => match sql_type {
            SqlType::Vector(_) if method == IndexMethod::Hash => Err(no_default(method, sql_type)),
            SqlType::Json => Err(no_default(method, sql_type)),
            _ => Ok(String::new()),
        },
        None if matches!(method, IndexMethod::Bm25 | IndexMethod::Ngram) => match sql_type {
            SqlType::Text | SqlType::Varchar(_) => Ok(String::new()),
            _ => Err(no_default(method, sql_type)),
        },
        None => match OperatorClass::default_of(method, sql_type) {
            Some(class) => Ok(class.name.to_string()),
            None => Err(no_default(method, sql_type)),
        },
    }
}

fn unfit(class: &str, sql_type: &SqlType) -> Error {
    let sql_type = bare(sql_type);
    Error::new(ErrorKind::DatatypeMismatch, format!("operator class \"{class}\" does not accept data type {sql_type}"))
}

fn no_default(method: IndexMethod, sql_type: &SqlType) -> Error {
    let message =
        format!("data type {} has no default operator class for access method \"{}\"", bare(sql_type), method.name());
    Error::new(ErrorKind::UndefinedObject, message).with_hint(
        "You must specify an operator class for the index or define a default operator class for the data type.",
    )
}

/// A type without its modifier.
fn bare(sql_type: &SqlType) -> String {
    let text = sql_type.to_string();
    text.split('(').next().unwrap_or_default().to_string()
}

/// `42804` where an index of a column cannot be of its other type.
pub(in super::super) fn refuse_unfit_type(table: &TableDefinition, column: &ColumnDefinition) -> Result<()> {
    for index in table.indexes.iter().filter(|index| index.method.family() == IndexFamily::Vector) {
        for key in index.keys.iter().filter(|key| key.columns.contains(&column.name)) {
            if key.expression.is_some() {
                let message = format!("cannot alter type of a column used by index \"{}\"", index.name);
                return Err(Error::not_supported(message).with_hint("Drop the index, and make it again afterwards."));
            }
            operator_class(index.method, Some(&key.operator_class), &column.sql_type)?;
        }
    }
    Ok(())
}

/// The text of an expression over a table's columns, which must be one that can be evaluated and always gives the same.
fn checked(planning: &Planning<'_>, table: &TableDefinition, expr: &Expr) -> Result<String> {
    let schema = DFSchema::try_from(table.arrow_schema()).map_err(from_datafusion)?;
    let planned = planning.row_expression(expr.clone(), &schema)?;
    if planned.is_volatile() {
        let message = "functions in index expression must be marked IMMUTABLE";
        return Err(Error::new(ErrorKind::InvalidObjectDefinition, message));
    }
    Ok(expr.to_string())
}

/// The columns that an expression reads, each once.
fn columns_of(table: &TableDefinition, expr: &Expr) -> Vec<String> {
    let mut found = Vec::new();
    let _ = visit_expressions(expr, |expr| {
        if let Expr::Identifier(ident) = expr {
            let name = normalize(ident);
            if table.get_column(&name).is_some() && !found.contains(&name) {
                found.push(name);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    found
}
