//! Columns: types, NULL, defaults, what generates them, and the sequences of serial and IDENTITY columns.

use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, ColumnDef, ColumnOption, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    GeneratedAs, Ident, ObjectName, Value, VisitMut, VisitorMut,
};
use slipstream_catalog::pg_catalog::definitions::quote_identifier;
use slipstream_catalog::pg_catalog::objects::split_name;
use slipstream_engine::catalog::{ColumnDefinition, Identity, Relation};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::sequence::SequenceOptions;
use super::constraints::Constraint;
use super::draft::Draft;
use super::generated::text_of;
use crate::dml::assign::assign;
use crate::dml::normalize;
use crate::planner::Planning;
use crate::types::sql_type;

/// What the options of one column say.
#[derive(Default)]
struct Options {
    not_null: bool,
    null: bool,
    default: Option<Expr>,
    identity: Option<(Identity, SequenceOptions)>,
    generated: Option<Expr>,
    constraints: Vec<Constraint>,
}

impl Draft<'_> {
    /// Adds a column, and gives the constraints that its definition comes with.
    pub(super) fn add_column(&mut self, definition: &ColumnDef) -> Result<Vec<Constraint>> {
        let name = normalize(&definition.name);
        if self.table.get_column(&name).is_some() {
            let is_made = !self.planning.view.snapshot.catalog.tables.contains_key(&self.table.id);
            return Err(duplicate_column(&name, &self.table.name, !is_made));
        }
        check_name(&name)?;
        let serial = serial(&definition.data_type);
        let options = self.options(definition, &name)?;
        let sql_type = match &serial {
            Some(sql_type) => sql_type.clone(),
            None => sql_type(&definition.data_type)?,
        };
        let mut column = ColumnDefinition {
            name,
            sql_type,
            not_null: options.not_null,
            default: None,
            identity: None,
            generated: None,
        };
        let numbered = serial.is_some() || options.identity.is_some();
        if options.null && (column.not_null || numbered || options.constraints.iter().any(Constraint::is_primary_key)) {
            let message = format!(
                "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{}\"",
                column.name, self.table.name
            );
            return Err(Error::new(ErrorKind::Syntax, message));
        }
        if options.default.is_some() && numbered {
            let what = if serial.is_some() { "multiple default values" } else { "both default and identity" };
            return Err(both(what, &column.name, &self.table.name));
        }
        if serial.is_some() && options.identity.is_some() {
            return Err(both("both default and identity", &column.name, &self.table.name));
        }
        if let Some(expression) = &options.generated {
            if options.default.is_some() || serial.is_some() {
                return Err(both("both default and generation expression", &column.name, &self.table.name));
            }
            if options.identity.is_some() {
                return Err(both("both identity and generation expression", &column.name, &self.table.name));
            }
            column.generated = Some(text_of(expression, &self.table));
        }
        if let Some(default) = &options.default {
            column.default = checked_default(self.planning, default, &column)?;
        }
        if serial.is_some() {
            column.not_null = true;
            let sequence = SequenceOptions::default();
            column.default = Some(self.own_sequence(&column.name, column.sql_type.clone(), &sequence)?);
        }
        if let Some((identity, sequence)) = &options.identity {
            self.make_identity(&mut column, *identity, sequence)?;
        }
        self.table.columns.push(column);
        Ok(options.constraints)
    }

    fn options(&self, definition: &ColumnDef, name: &str) -> Result<Options> {
        let mut options = Options::default();
        for option in &definition.options {
            let constraint_name = option.name.as_ref().map(normalize);
            match &option.option {
                ColumnOption::NotNull => options.not_null = true,
                ColumnOption::Null => options.null = true,
                ColumnOption::Default(expr) => {
                    if options.default.replace(expr.clone()).is_some() {
                        return Err(both("multiple default values", name, &self.table.name));
                    }
                }
                ColumnOption::Generated {
                    generated_as: GeneratedAs::ExpStored,
                    generation_expr: Some(expression),
                    ..
                } => {
                    if options.generated.replace(expression.clone()).is_some() {
                        return Err(both("multiple generation clauses", name, &self.table.name));
                    }
                }
                ColumnOption::Generated { generated_as, sequence_options, generation_expr: None, .. } => {
                    let sequence = SequenceOptions::of_identity(sequence_options.as_deref().unwrap_or_default())?;
                    let identity = identity(generated_as)?;
                    if options.identity.replace((identity, sequence)).is_some() {
                        return Err(both("multiple identity specifications", name, &self.table.name));
                    }
                }
                other => match Constraint::of_column(other, name, constraint_name)? {
                    Some(constraint) => options.constraints.push(constraint),
                    None => return Err(unsupported(other, name)),
                },
            }
        }
        Ok(options)
    }

    /// Makes a column that draws from a sequence of its own.
    pub(super) fn make_identity(
        &mut self,
        column: &mut ColumnDefinition,
        identity: Identity,
        sequence: &SequenceOptions,
    ) -> Result<()> {
        if !matches!(column.sql_type, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt) {
            let message = "identity column type must be smallint, integer, or bigint";
            return Err(Error::new(ErrorKind::InvalidParameter, message).on_column(&column.name));
        }
        column.default = Some(self.own_sequence(&column.name, column.sql_type.clone(), sequence)?);
        column.identity = Some(identity);
        column.not_null = true;
        Ok(())
    }
}

/// Names that the store keeps for itself, and those of Postgres's system columns.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.starts_with("_row") {
        return Err(Error::not_supported(format!("column name \"{name}\" is reserved for the store")));
    }
    if ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"].contains(&name) {
        let message = format!("column name \"{name}\" conflicts with a system column name");
        return Err(Error::new(ErrorKind::DuplicateColumn, message));
    }
    Ok(())
}

pub(super) fn duplicate_column(name: &str, table: &str, exists: bool) -> Error {
    let message = match exists {
        true => format!("column \"{name}\" of relation \"{table}\" already exists"),
        false => format!("column \"{name}\" specified more than once"),
    };
    Error::new(ErrorKind::DuplicateColumn, message).on_table(table).on_column(name)
}

fn both(what: &str, column: &str, table: &str) -> Error {
    Error::new(ErrorKind::Syntax, format!("{what} specified for column \"{column}\" of table \"{table}\""))
}

/// The type of a serial column.
fn serial(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type.to_string().to_lowercase().as_str() {
        "smallserial" | "serial2" => SqlType::SmallInt,
        "serial" | "serial4" => SqlType::Integer,
        "bigserial" | "serial8" => SqlType::BigInt,
        _ => return None,
    })
}

pub(super) fn identity(generated_as: &GeneratedAs) -> Result<Identity> {
    match generated_as {
        GeneratedAs::Always => Ok(Identity::Always),
        GeneratedAs::ByDefault => Ok(Identity::ByDefault),
        GeneratedAs::ExpStored => Err(Error::internal("a generation expression is no identity")),
    }
}

fn unsupported(option: &ColumnOption, column: &str) -> Error {
    let what = match option {
        ColumnOption::Generated { .. } => {
            return Error::not_supported("generated columns that are not STORED are not supported");
        }
        ColumnOption::Collation(_) => "COLLATE".to_string(),
        other => other.to_string(),
    };
    Error::not_supported(format!("{what} on column \"{column}\" is not supported yet"))
}

/// The text of a DEFAULT: an expression without columns that the column can take. `None` for NULL, which is what a column
/// takes anyway.
pub(super) fn checked_default(
    planning: &Planning<'_>,
    expr: &Expr,
    column: &ColumnDefinition,
) -> Result<Option<String>> {
    let mut expr = expr.clone();
    if matches!(&expr, Expr::Value(value) if value.value == Value::Null) {
        return Ok(None);
    }
    refuse_subqueries(&expr, "cannot use subquery in DEFAULT expression")?;
    name_sequences(planning, &mut expr)?;
    let value = planning.constant(expr.clone()).map_err(|error| match error.kind() {
        ErrorKind::UndefinedColumn => {
            Error::not_supported("cannot use column reference in DEFAULT expression").on_column(&column.name)
        }
        _ => error,
    })?;
    assign(value, &DFSchema::empty(), column)?;
    Ok(Some(expr.to_string()))
}

/// Refuses subqueries where an expression may not have any.
pub(super) fn refuse_subqueries(expr: &Expr, message: &str) -> Result<()> {
    let found = ast::visit_expressions(expr, |expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        Expr::Function(function) if matches!(function.args, FunctionArguments::Subquery(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if found.is_break() { Err(Error::not_supported(message)) } else { Ok(()) }
}

/// Gives the sequences that an expression names their schemas: the search path will be another when it is evaluated.
fn name_sequences(planning: &Planning<'_>, expr: &mut Expr) -> Result<()> {
    struct Sequences<'a>(&'a Planning<'a>);
    impl VisitorMut for Sequences<'_> {
        type Break = Error;

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
            match name_sequence(self.0, expr) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match expr.visit(&mut Sequences(planning)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn name_sequence(planning: &Planning<'_>, expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
    if !["nextval", "currval", "setval"].contains(&name.as_str()) {
        return Ok(());
    }
    let FunctionArguments::List(arguments) = &mut function.args else { return Ok(()) };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) = arguments.args.first_mut() else { return Ok(()) };
    let literal = match &*argument {
        Expr::Cast { expr, data_type, .. } if data_type.to_string().eq_ignore_ascii_case("regclass") => expr.as_ref(),
        other => other,
    };
    let Expr::Value(value) = literal else { return Ok(()) };
    let Some(text) = value.value.clone().into_string() else { return Ok(()) };
    let parts = split_name(&text).unwrap_or_default();
    let written = ObjectName::from(parts.iter().map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>());
    let Some(Relation::Sequence(sequence)) = planning.tables.relation(&written)? else {
        return Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{text}\" does not exist")));
    };
    let full = format!("{}.{}", quote_identifier(&sequence.schema), quote_identifier(&sequence.name));
    *argument = Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::Value(Value::SingleQuotedString(full).with_empty_span())),
        data_type: DataType::Custom(ObjectName::from(vec![Ident::new("regclass")]), Vec::new()),
        array: false,
        format: None,
    };
    Ok(())
}
