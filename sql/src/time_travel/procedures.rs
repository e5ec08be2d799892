//! `CALL slipstream.create_snapshot('name')` and its like. Each commits by itself, so none runs in a transaction block.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::IntervalMonthDayNanoType;
use chrono::TimeDelta;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
};
use slipstream_catalog::pg_catalog::objects::split_name;
use slipstream_engine::{Error, ErrorKind, Result};

use super::versions::constant;
use crate::dml::normalize;
use crate::session::{Execution, Inner};
use crate::statement::Statement;

/// The schema of the procedures.
const SCHEMA: &str = "slipstream";

/// Days that a clean-up leaves alone where it is not told how many.
const RETENTION: &str = "interval '7 days'";

/// Days in a month of an interval, as Postgres counts them where it has to.
const DAYS_OF_MONTH: i64 = 30;

/// Runs a procedure.
pub(crate) async fn call(session: &Arc<Inner>, statement: &Statement, call: &Function) -> Result<Execution> {
    let parts: Vec<String> = call.name.0.iter().filter_map(ObjectNamePart::as_ident).map(normalize).collect();
    let procedure = match &parts[..] {
        [schema, procedure] if schema == SCHEMA => procedure.as_str(),
        _ => return Err(undefined(&call.name)),
    };
    let called = Call { session, statement, arguments: arguments(call)? };
    let what = format!("CALL {SCHEMA}.{procedure}");
    session.check_writable(&what)?;
    session.transaction().lock().check_alone(&what)?;
    let database = session.database();
    let notice = match procedure {
        "create_snapshot" => {
            let name = called.text("name").await?;
            let seq = session.uninterrupted(database.create_snapshot(&name)).await?;
            format!("snapshot \"{name}\" is version {seq}")
        }
        "drop_snapshot" => {
            let name = called.text("name").await?;
            session.uninterrupted(database.drop_snapshot(&name)).await?;
            format!("snapshot \"{name}\" was dropped")
        }
        "restore_snapshot" => {
            let name = called.text("name").await?;
            let seq = session.uninterrupted(database.restore_snapshot(&name)).await?;
            format!("version {seq} is what snapshot \"{name}\" was")
        }
        "compact" => {
            let name = called.text("table").await?;
            let parts = split_name(&name).unwrap_or_default();
            let name = ObjectName::from(parts.into_iter().map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>());
            let view = session.view(&[]).await?;
            let table = session.tables(&view).written(&name)?;
            let done = database.compact(&table).await?;
            format!("{} fragments of table \"{}\" became {}", done.before, table.name, done.after)
        }
        "cleanup" => {
            let done = database.cleanup(called.interval("older_than", RETENTION).await?).await?;
            let (commits, versions, tables) = (done.commits, done.versions, done.tables);
            format!("removed {commits} commits, {versions} versions of tables and {tables} dropped tables")
        }
        _ => return Err(undefined(&call.name)),
    };
    session.notice(vec![notice]);
    Ok(Execution::Done("CALL".to_string()))
}

/// A call on its way.
struct Call<'a> {
    session: &'a Arc<Inner>,
    statement: &'a Statement,
    arguments: Vec<(Option<String>, &'a Expr)>,
}

impl Call<'_> {
    /// The only argument, which may be named.
    fn argument(&self, name: &str) -> Result<Option<&Expr>> {
        match &self.arguments[..] {
            [] => Ok(None),
            [(given, value)] if given.as_ref().is_none_or(|given| given == name) => Ok(Some(value)),
            [(Some(given), _), ..] if given != name => {
                Err(Error::new(ErrorKind::UndefinedFunction, format!("there is no argument named \"{given}\""))
                    .with_hint(format!("The procedure takes {name}.")))
            }
            _ => Err(Error::new(ErrorKind::UndefinedFunction, format!("the procedure takes one argument, {name}"))),
        }
    }

    async fn text(&self, name: &str) -> Result<String> {
        let missing = || Error::new(ErrorKind::UndefinedFunction, format!("the procedure takes one argument, {name}"));
        let value = self.value(&format!("CAST({} AS TEXT)", self.argument(name)?.ok_or_else(missing)?)).await?;
        let text = value.as_string_opt::<i32>().and_then(|texts| texts.iter().next().flatten().map(str::to_string));
        text.ok_or_else(|| Error::new(ErrorKind::NullNotAllowed, format!("{name} must not be NULL")))
    }

    async fn interval(&self, name: &str, default: &str) -> Result<TimeDelta> {
        let text = self.argument(name)?.map_or_else(|| default.to_string(), Expr::to_string);
        let value = self.value(&format!("CAST({text} AS INTERVAL)")).await?;
        let interval =
            value.as_primitive_opt::<IntervalMonthDayNanoType>().and_then(|values| values.iter().next().flatten());
        let interval =
            interval.ok_or_else(|| Error::new(ErrorKind::NullNotAllowed, format!("{name} must not be NULL")))?;
        let days = i64::from(interval.months) * DAYS_OF_MONTH + i64::from(interval.days);
        let span = TimeDelta::try_days(days).map(|days| days + TimeDelta::nanoseconds(interval.nanoseconds));
        match span {
            Some(span) if span >= TimeDelta::zero() => Ok(span),
            _ => Err(Error::new(ErrorKind::InvalidParameter, format!("{name} must not be negative"))),
        }
    }

    async fn value(&self, text: &str) -> Result<arrow::array::ArrayRef> {
        let view = self.session.view(&[]).await?;
        constant(self.session, self.statement, &view, text).await
    }
}

fn arguments(call: &Function) -> Result<Vec<(Option<String>, &Expr)>> {
    let list = match &call.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::List(list) => list,
        FunctionArguments::Subquery(_) => return Err(undefined(&call.name)),
    };
    list.args.iter().map(|given| argument(given).ok_or_else(|| undefined(&call.name))).collect()
}

/// The name and the value of an argument; `None` where it is something else.
fn argument(given: &FunctionArg) -> Option<(Option<String>, &Expr)> {
    match given {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some((None, value)),
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
        | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
            Some((Some(normalize(name)), value))
        }
        _ => None,
    }
}

fn undefined(name: &ObjectName) -> Error {
    Error::new(ErrorKind::UndefinedFunction, format!("procedure {name} does not exist"))
        .with_hint("There are slipstream.create_snapshot, drop_snapshot, restore_snapshot, compact and cleanup.")
}
