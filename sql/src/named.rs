//! Prepared statements by name, those of the protocol's `Parse` and of PREPARE alike: either is found by EXECUTE and by `Bind`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use parking_lot::Mutex;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::dml::assign::{is_assignable, typed_null};
use crate::dml::normalize;
use crate::error::{from_arrow, from_datafusion};
use crate::execute;
use crate::interrupt::Interrupt;
use crate::prepare::{Prepared, has_plan};
use crate::session::{Execution, Inner};
use crate::statement::{self, Command, Statement};
use crate::types::{CastContext, ClientType, cast, client_type, literal};
use crate::words::Words;

/// The prepared statements of a session. The empty name is the unnamed statement.
#[derive(Default)]
pub(crate) struct NamedStatements(Mutex<HashMap<String, Prepared>>);

impl NamedStatements {
    /// The statement of a name, or `26000`.
    pub(crate) fn get(&self, name: &str) -> Result<Prepared> {
        self.0.lock().get(name).cloned().ok_or_else(|| undefined(name))
    }

    /// Refuses a name that is taken (`42P05`). The unnamed statement may be replaced.
    pub(crate) fn check_free(&self, name: &str) -> Result<()> {
        if name.is_empty() || !self.0.lock().contains_key(name) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::DuplicateStatement, format!("prepared statement \"{name}\" already exists")))
    }

    /// Keeps a statement.
    pub(crate) fn put(&self, name: &str, prepared: Prepared) {
        self.0.lock().insert(name.to_string(), prepared);
    }

    /// Forgets a statement. Says whether there was one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

fn undefined(name: &str) -> Error {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_string(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    Error::new(ErrorKind::UndefinedStatement, message)
}

/// `PREPARE name (types) AS statement`
#[derive(Debug, Clone)]
pub(crate) struct Prepare {
    name: String,
    types: Vec<ast::DataType>,
    statement: Statement,
}

impl Prepare {
    /// The PREPARE that a statement is; `None` for any other.
    pub(crate) fn parse(sql: &str, mut words: Words<'_>) -> Result<Option<Prepare>> {
        if !words.word("PREPARE") {
            return Ok(None);
        }
        let name = words.name()?;
        let types = match words.peek() {
            Some(Token::LParen) => types(&mut words)?,
            _ => Vec::new(),
        };
        words.expect("AS")?;
        let statement = statement::one(sql, words.rest(), words.source)?;
        match statement.command() {
            Command::Sql(inner) if has_plan(inner) => Ok(Some(Prepare { name, types, statement })),
            _ => Err(words.unexpected()),
        }
    }

    /// Prepares the statement under its name.
    pub(crate) async fn run(&self, session: &Inner) -> Result<Execution> {
        session.statements().check_free(&self.name)?;
        let declared =
            self.types.iter().map(|data_type| client_type(data_type).map(Some)).collect::<Result<Vec<_>>>()?;
        let prepared = session.prepare(&self.statement, &declared).await?;
        session.statements().put(&self.name, prepared);
        Ok(Execution::Done("PREPARE".to_string()))
    }
}

/// The types between parentheses.
fn types(words: &mut Words<'_>) -> Result<Vec<ast::DataType>> {
    words.take();
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    let mut depth = 1;
    loop {
        let next = words.rest().first().ok_or_else(|| words.unexpected())?;
        match next.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        words.take();
        if depth == 0 {
            break;
        }
        tokens.push(next.clone());
    }
    let mut parser = statement::parser(tokens.clone());
    parser
        .parse_comma_separated(Parser::parse_data_type)
        .map_err(|error| statement::syntax_error(error, &tokens, words.source))
}

/// An EXECUTE statement.
pub(crate) struct Execute<'a> {
    /// The statement that it runs.
    pub(crate) name: String,
    arguments: &'a [ast::Expr],
}

impl<'a> Execute<'a> {
    /// The EXECUTE that a statement is.
    pub(crate) fn of(statement: &'a ast::Statement) -> Option<Execute<'a>> {
        match statement {
            ast::Statement::Execute {
                name: Some(name),
                parameters,
                immediate: false,
                into,
                using,
                output: false,
                default: false,
                ..
            } if into.is_empty() && using.is_empty() => {
                let name = name.0.last()?.as_ident().map(normalize)?;
                Some(Execute { name, arguments: parameters })
            }
            _ => None,
        }
    }

    /// Runs the statement that has been prepared.
    pub(crate) async fn run(
        &self,
        session: &Arc<Inner>,
        statement: &Statement,
        interrupt: Interrupt,
    ) -> Result<Execution> {
        let prepared = session.statements().get(&self.name)?;
        let values = self.values(session, statement, prepared.parameter_types()).await?;
        execute::execute(session, &prepared, values, interrupt).await
    }

    /// Explains the statement that has been prepared; `explain` is the EXPLAIN that this EXECUTE is in.
    pub(crate) async fn explain(
        &self,
        session: &Arc<Inner>,
        statement: &Statement,
        explain: &ast::Statement,
        interrupt: Interrupt,
    ) -> Result<Execution> {
        let prepared = session.statements().get(&self.name)?;
        let values = self.values(session, statement, prepared.parameter_types()).await?;
        let (Command::Sql(inner), ast::Statement::Explain { .. }) = (prepared.statement().command(), explain) else {
            return Err(Error::internal("EXPLAIN of a statement without a plan"));
        };
        let mut explained = explain.clone();
        if let ast::Statement::Explain { statement, .. } = &mut explained {
            *statement = inner.clone();
        }
        let types: Vec<_> = prepared.parameter_types().iter().cloned().map(Some).collect();
        let explained = session.prepare(&prepared.statement().with_command(explained), &types).await?;
        execute::execute(session, &explained, values, interrupt).await
    }

    /// The values of the arguments, in the types of the parameters.
    async fn values(&self, session: &Inner, statement: &Statement, types: &[ClientType]) -> Result<Vec<ScalarValue>> {
        let (expected, given) = (types.len(), self.arguments.len());
        if given != expected {
            let message = format!("wrong number of parameters for prepared statement \"{}\"", self.name);
            return Err(Error::new(ErrorKind::Syntax, message)
                .with_detail(format!("Expected {expected} parameters but got {given}.")));
        }
        if types.is_empty() {
            return Ok(Vec::new());
        }
        let engine = session.engine()?;
        let view = session.view(&[]).await?;
        let ground = session.ground(Arc::clone(&engine), &view);
        let planning = ground.planning(statement, &[]);
        let schema = DFSchema::empty();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).map_err(from_arrow)?;
        let mut values = Vec::with_capacity(types.len());
        for (index, (argument, client_type)) in self.arguments.iter().zip(types).enumerate() {
            let argument = coerce(planning.constant(argument.clone())?, index + 1, client_type.sql_type())?;
            let argument = engine.session.create_physical_expr(argument, &schema).map_err(from_datafusion)?;
            let value = argument.evaluate(&row).and_then(|value| value.into_array(1)).map_err(from_datafusion)?;
            values.push(ScalarValue::try_from_array(&value, 0).map_err(from_datafusion)?);
        }
        Ok(values)
    }
}

/// An argument in the type of its parameter.
fn coerce(argument: Expr, number: usize, to: &SqlType) -> Result<Expr> {
    match argument.unalias() {
        Expr::Literal(value, _) if value.is_null() => typed_null(to),
        Expr::Literal(ScalarValue::Utf8(Some(text)), None) => literal(to, &text),
        argument => {
            let (_, field) = argument.to_field(&DFSchema::empty()).map_err(from_datafusion)?;
            let from = SqlType::of_field(&field).filter(|from| is_assignable(from, to)).ok_or_else(|| {
                let found =
                    SqlType::of_field(&field).map_or_else(|| field.data_type().to_string(), |found| found.to_string());
                let message =
                    format!("parameter ${number} of type {found} cannot be coerced to the expected type {to}");
                Error::new(ErrorKind::DatatypeMismatch, message)
                    .with_hint("You will need to rewrite or cast the expression.")
            })?;
            cast(argument, &from, to, CastContext::Assignment)
        }
    }
}

/// Forgets the statement that DEALLOCATE names, or all.
pub(crate) fn deallocate(session: &Inner, name: &ast::Ident) -> Result<Execution> {
    if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
        session.statements().clear();
        return Ok(Execution::Done("DEALLOCATE ALL".to_string()));
    }
    let name = normalize(name);
    match session.statements().remove(&name) {
        true => Ok(Execution::Done("DEALLOCATE".to_string())),
        false => Err(undefined(&name)),
    }
}
