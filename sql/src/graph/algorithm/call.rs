//! A call in FROM: which algorithm, and which expressions its arguments are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArgOperator, ObjectName, Spanned, TableFactor, Value, Visit, Visitor,
};
use slipstream_catalog::system;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::signature::{Argument, Function};
use crate::dml::normalize;
use crate::error::from_datafusion;
use crate::graph::relation::SeenParameters;
use crate::planner::parameters;
use crate::source::SourceText;
use crate::types::ClientType;

/// The algorithm that a table factor calls, and the arguments as they are written.
pub(super) fn of(factor: &TableFactor) -> Option<(Function, &[FunctionArg])> {
    let (name, args) = match factor {
        TableFactor::Table { name, args: Some(args), .. } => (name, &args.args),
        TableFactor::Function { name, args, .. } => (name, args),
        _ => return None,
    };
    Some((function(name)?, args))
}

fn function(name: &ObjectName) -> Option<Function> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalize).collect();
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [system::NAME, name] => Function::named(name),
        _ => None,
    }
}

/// The graphs that algorithms in a statement are asked of, as far as they are written as plain strings.
pub(crate) fn graphs(statement: &ast::Statement) -> Vec<String> {
    struct Graphs(BTreeSet<String>);
    impl Visitor for Graphs {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let Some((_, arguments)) = of(factor) {
                self.0.extend(graph_argument(arguments));
            }
            ControlFlow::Continue(())
        }
    }
    let mut graphs = Graphs(BTreeSet::new());
    let _ = statement.visit(&mut graphs);
    graphs.0.into_iter().collect()
}

fn graph_argument(arguments: &[FunctionArg]) -> Option<String> {
    let named = |arg: &&FunctionArg| name_of(arg).is_some_and(|name| name == Argument::Graph.name());
    let first = arguments.first().filter(|arg| matches!(arg, FunctionArg::Unnamed(_)));
    let (FunctionArg::Unnamed(arg) | FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. }) =
        first.or_else(|| arguments.iter().find(named))?;
    let FunctionArgExpr::Expr(ast::Expr::Value(literal)) = arg else { return None };
    match &literal.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
        Value::DollarQuotedString(text) => Some(text.value.clone()),
        _ => None,
    }
}

/// The name that an argument is given by.
fn name_of(arg: &FunctionArg) -> Option<String> {
    match arg {
        FunctionArg::Named { name, .. } => Some(normalize(name)),
        FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), .. } => Some(normalize(name)),
        FunctionArg::ExprNamed { .. } | FunctionArg::Unnamed(_) => None,
    }
}

/// An argument that was given.
pub(super) struct Given {
    /// Its value, in which there may be parameters.
    pub(super) value: Expr,
    position: Option<usize>,
}

/// A call with its arguments planned.
pub(super) struct Call {
    pub(super) function: Function,
    given: BTreeMap<Argument, Given>,
}

impl Call {
    /// Plans the arguments of a call.
    pub(super) fn planned(
        function: Function,
        arguments: &[FunctionArg],
        source: &Arc<SourceText>,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<Call> {
        let mut call = Call { function, given: BTreeMap::new() };
        let mut any_named = false;
        for (at, written) in arguments.iter().enumerate() {
            let start = written.span().start;
            let place = |error: Error| source.point(error, start.line, start.column);
            let (argument, value) = argument(function, at, written, &mut any_named).map_err(place)?;
            let value = context.sql_to_expr(value.clone(), &DFSchema::empty())?;
            let given = Given { value, position: source.position(start.line, start.column) };
            if call.given.insert(argument, given).is_some() {
                let message = format!("argument name \"{}\" used more than once", argument.name());
                return Err(place(Error::new(ErrorKind::Syntax, message)).into());
            }
        }
        if let Some(missing) = function.required().iter().find(|argument| !call.has(**argument)) {
            let message = format!("function {} needs argument \"{}\"", full_name(function), missing.name());
            return Err(Error::new(ErrorKind::UndefinedFunction, message).with_hint(hint(function)).into());
        }
        Ok(call)
    }

    /// Whether an argument was given.
    pub(super) fn has(&self, argument: Argument) -> bool {
        self.given.contains_key(&argument)
    }

    /// An argument, where it was given.
    pub(super) fn get(&self, argument: Argument) -> Option<&Given> {
        self.given.get(&argument)
    }

    /// Points an error at an argument.
    pub(super) fn point(&self, error: Error, argument: Argument) -> Error {
        match self.get(argument).and_then(|given| given.position) {
            Some(position) => error.at(position),
            None => error,
        }
    }

    /// Tells the types of the parameters in the arguments.
    pub(super) fn note_parameters(&self, key: &SqlType, seen: &SeenParameters) -> Result<()> {
        for (argument, given) in &self.given {
            note_parameters(&given.value, &argument.sql_type(key), seen)?;
        }
        Ok(())
    }
}

/// Which argument stands in a place, and its value.
fn argument<'a>(
    function: Function,
    at: usize,
    written: &'a FunctionArg,
    any_named: &mut bool,
) -> Result<(Argument, &'a ast::Expr)> {
    let undefined = |message: String| Error::new(ErrorKind::UndefinedFunction, message).with_hint(hint(function));
    let (argument, value) = match written {
        FunctionArg::Unnamed(_) if *any_named => {
            return Err(Error::new(ErrorKind::Syntax, "positional argument cannot follow named argument"));
        }
        FunctionArg::Unnamed(value) => {
            let argument = function.arguments().get(at).ok_or_else(|| {
                undefined(format!("function {} takes {} arguments", full_name(function), function.arguments().len()))
            })?;
            (*argument, value)
        }
        FunctionArg::Named { arg, operator, .. } | FunctionArg::ExprNamed { arg, operator, .. } => {
            *any_named = true;
            if !matches!(operator, FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment) {
                return Err(Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{operator}\"")));
            }
            let name = name_of(written).unwrap_or_else(|| written.to_string());
            let known = function.arguments().iter().find(|argument| argument.name() == name);
            let argument = known.ok_or_else(|| {
                undefined(format!("function {} has no argument named \"{name}\"", full_name(function)))
            })?;
            (*argument, arg)
        }
    };
    match value {
        FunctionArgExpr::Expr(value) => Ok((argument, value)),
        _ => Err(Error::new(ErrorKind::Syntax, "an argument of a graph algorithm is a value")),
    }
}

fn full_name(function: Function) -> String {
    format!("{}.{}", system::NAME, function.name())
}

fn hint(function: Function) -> String {
    let names: Vec<_> = function.arguments().iter().map(|argument| argument.name()).collect();
    format!("Its arguments are {}({}).", full_name(function), names.join(", "))
}

/// Tells the types of the parameters in a value: that of its place where a parameter is all of it, else that of a cast.
fn note_parameters(value: &Expr, place: &SqlType, seen: &SeenParameters) -> Result<()> {
    let mut failed = None;
    let mut note = |id: &str, sql_type: Option<SqlType>| match parameters::number(id) {
        Ok(index) => seen.note(index, sql_type.unwrap_or(SqlType::Text)),
        Err(error) => failed = Some(error),
    };
    if let Expr::Placeholder(placeholder) = value {
        let known = placeholder.field.as_ref().and_then(|field| SqlType::of_field(field));
        note(&placeholder.id, Some(known.unwrap_or_else(|| place.clone())));
    } else {
        value
            .apply(|part| {
                match part {
                    Expr::Placeholder(placeholder) => {
                        note(&placeholder.id, placeholder.field.as_ref().and_then(|field| SqlType::of_field(field)));
                    }
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(placeholder) = cast.expr.as_ref() {
                            let cast_to = ClientType::of_field(&cast.field);
                            note(&placeholder.id, cast_to.map(|to| to.sql_type().clone()));
                            return Ok(TreeNodeRecursion::Jump);
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(from_datafusion)?;
    }
    failed.map_or(Ok(()), Err)
}
