//! Postgres's types for a whole plan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, ExprSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, Case, Cast, Exists, InList, InSubquery, ScalarFunction, SetComparison, Sort,
    WindowFunction,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{RecursiveQuery, Subquery, Union, Values};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, WindowFunctionDefinition,
    lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::arithmetic::Negate;
use super::binary::{Resolved, binary};
use super::operand::{Kind, Operand, is_float, is_integer, is_number, is_text, number_literal, rank};
use super::quantified::Quantified;
use super::sets::{self, refuse_json};
use super::time_zone;
use super::vector::{self, sortable};
use super::zeros;
use crate::functions::{type_name, typed_function, with_known_digits};
use crate::pgvector::{BitMetric, Kind as VectorKind, Metric, VectorFunction, parse_bits};
use crate::text::parse_array;
use crate::text_search;
use crate::types::{CastContext, ClientType, PostgresCast, cast, relabel};

/// Resolves the types of literals, casts and operators in a plan as Postgres does.
///
/// The rule may run more than once on a plan. It stands before DataFusion's type coercion.
#[derive(Debug, Default)]
pub struct PostgresTyping;

impl AnalyzerRule for PostgresTyping {
    fn name(&self) -> &str {
        "postgres_typing"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> PlanResult<LogicalPlan> {
        resolve_plan(plan, &DFSchema::empty())
    }
}

/// Resolves a plan from its leaves up; `outer` is what a correlated subquery sees around it.
fn resolve_plan(plan: LogicalPlan, outer: &DFSchema) -> PlanResult<LogicalPlan> {
    let plan = match plan {
        LogicalPlan::RecursiveQuery(query) => return resolve_recursion(query, outer),
        plan => plan.map_children(|child| resolve_plan(child, outer).map(Transformed::yes))?.data,
    };
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    schema.merge(outer);
    refuse_json(&plan)?;
    let resolver = Resolver { schema: &schema, outer };
    match plan {
        // The rows of a limit are DataFusion's to read.
        LogicalPlan::Limit(_) => Ok(plan),
        LogicalPlan::Values(values) => resolver.values(values),
        LogicalPlan::Union(union) => TypeCoercionRewriter::coerce_union(resolver.union(union)?),
        LogicalPlan::Sort(mut sort) => {
            for by in &mut sort.expr {
                by.expr = sortable(resolver.expr(by.expr.clone())?, &schema)?;
            }
            Ok(LogicalPlan::Sort(sort))
        }
        plan => {
            let names = NamePreserver::new(&plan);
            let plan = plan
                .map_expressions(|expr| {
                    let name = names.save(&expr);
                    Ok(Transformed::yes(name.restore(resolver.expr(expr)?)))
                })?
                .data
                .recompute_schema()?;
            zeros::in_node(plan)
        }
    }
}

/// The working table of a recursive query got its types when the query was planned, so both terms keep them.
fn resolve_recursion(query: RecursiveQuery, outer: &DFSchema) -> PlanResult<LogicalPlan> {
    let types = Arc::clone(query.static_term.schema());
    let term = |plan: Arc<LogicalPlan>| {
        resolve_plan(Arc::unwrap_or_clone(plan), outer).and_then(|plan| with_types_of(plan, &types)).map(Arc::new)
    };
    let (static_term, recursive_term) = (term(query.static_term)?, term(query.recursive_term)?);
    LogicalPlan::RecursiveQuery(RecursiveQuery { static_term, recursive_term, ..query }).recompute_schema()
}

/// The plan with its columns cast to the types of another schema, where they differ.
fn with_types_of(plan: LogicalPlan, wanted: &DFSchemaRef) -> PlanResult<LogicalPlan> {
    let mut columns = Vec::with_capacity(wanted.fields().len());
    for ((qualifier, field), wanted) in plan.schema().iter().zip(wanted.fields()) {
        let column = Expr::from((qualifier, field));
        let (Some(from), Some(to)) = (SqlType::of_field(field), SqlType::of_field(wanted)) else {
            columns.push(column);
            continue;
        };
        let client_type = ClientType::of_field(wanted).unwrap_or_else(|| ClientType::of(&to));
        let as_wanted =
            field.data_type() == wanted.data_type() && *field.metadata() == *client_type.field("").metadata();
        columns.push(match as_wanted {
            true => column,
            // Also where only the name of the type differs: the working table compares that too.
            false => {
                let function = ScalarUDF::from(PostgresCast::new(&from, &to, CastContext::Explicit)?);
                relabel(function.call(vec![column]), &client_type, plan.schema().as_ref())?
                    .alias_qualified(qualifier.cloned(), field.name())
            }
        });
    }
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Resolves the expressions of one plan node.
struct Resolver<'a> {
    /// What the expressions see: the node's inputs, and what is around a subquery.
    schema: &'a DFSchema,
    outer: &'a DFSchema,
}

impl Resolver<'_> {
    fn expr(&self, expr: Expr) -> PlanResult<Expr> {
        Ok(expr.transform_up(|expr| self.node(expr).map(Transformed::yes))?.data)
    }

    fn operand(&self, expr: Expr) -> PlanResult<Operand> {
        Operand::new(expr, self.schema)
    }

    /// Resolves one expression, whose parts are resolved.
    fn node(&self, expr: Expr) -> PlanResult<Expr> {
        match expr {
            Expr::Literal(_, None) => number_literal(expr),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(op, *left, *right),
            Expr::Cast(cast) => self.cast(cast),
            Expr::Negative(operand) => self.negative(*operand),
            Expr::Between(between) => self.between(between),
            Expr::InList(list) => self.in_list(list),
            Expr::Case(case) => self.case(case),
            Expr::ScalarFunction(function) => self.function(function),
            Expr::AggregateFunction(function) => self.aggregate(function),
            Expr::WindowFunction(function) => {
                let mut function = window(*function);
                if function.params.partition_by.iter().any(asks_a_subquery) {
                    return Err(
                        Error::not_supported("IN and EXISTS of a subquery in PARTITION BY are not supported").into()
                    );
                }
                function.params.partition_by = zeros::in_all(function.params.partition_by, self.schema)?;
                self.sort_keys(&mut function.params.order_by)?;
                Ok(Expr::WindowFunction(Box::new(function)))
            }
            Expr::OuterReferenceColumn(field, column) => Ok(match self.outer.field_from_column(&column) {
                Ok(current) => Expr::OuterReferenceColumn(Arc::clone(current), column),
                Err(_) => Expr::OuterReferenceColumn(field, column),
            }),
            Expr::ScalarSubquery(subquery) => Ok(Expr::ScalarSubquery(self.subquery(subquery)?)),
            Expr::Exists(Exists { subquery, negated }) => {
                Ok(Expr::Exists(Exists { subquery: self.subquery(subquery)?, negated }))
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let mut subquery = self.subquery(subquery)?;
                subquery.subquery = zeros::in_subquery(subquery.subquery)?;
                let expr = Box::new(zeros::one_zero(*expr, self.schema)?);
                Ok(Expr::InSubquery(InSubquery { expr, subquery, negated }))
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                Ok(Expr::SetComparison(SetComparison { expr, subquery: self.subquery(subquery)?, op, quantifier }))
            }
            other => Ok(other),
        }
    }

    fn subquery(&self, subquery: Subquery) -> PlanResult<Subquery> {
        let plan = resolve_plan(Arc::unwrap_or_clone(subquery.subquery), self.schema)?;
        let outer_ref_columns = subquery
            .outer_ref_columns
            .into_iter()
            .map(|column| match column {
                Expr::OuterReferenceColumn(field, column) => {
                    let field = self.schema.field_from_column(&column).map_or(field, Arc::clone);
                    Expr::OuterReferenceColumn(field, column)
                }
                other => other,
            })
            .collect();
        Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans })
    }

    fn binary(&self, operator: Operator, left: Expr, right: Expr) -> PlanResult<Expr> {
        Ok(match binary(operator, left, right, self.schema)? {
            Resolved::Done(expr) => expr,
            Resolved::Default(left, right) => {
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
            }
        })
    }

    /// A cast that the statement asks for carries its SQL type; one that DataFusion made for itself does not.
    fn cast(&self, Cast { expr, field }: Cast) -> PlanResult<Expr> {
        if let Some(zone) = time_zone::named_by(&field) {
            return time_zone::at(self.operand(*expr)?, zone, self.schema);
        }
        let Some(to) = SqlType::of_field(&field).filter(|_| !field.metadata().is_empty()) else {
            return Ok(Expr::Cast(Cast { expr, field }));
        };
        let operand = self.operand(*expr)?;
        let named = ClientType::of_field(&field);
        let value = self.cast_to(operand, field, to)?;
        Ok(match named {
            // An `oid` is a `bigint` to the plan and something else to the client.
            Some(named) => relabel(value, &named, self.schema)?,
            None => value,
        })
    }

    fn cast_to(&self, operand: Operand, field: FieldRef, to: SqlType) -> PlanResult<Expr> {
        match (&operand.kind, operand.sql_type(), &to) {
            // What is a vector of that kind has its own dimension already.
            (Kind::Typed(_), Some(from), to) if VectorKind::of(from).is_some_and(|kind| *to == kind.sql_type(0)) => {
                Ok(operand.expr)
            }
            (Kind::Typed(from), ..) => explicit(operand.expr.clone(), from, &to).map_err(Into::into),
            (Kind::Foreign, ..) => Ok(Expr::Cast(Cast { expr: Box::new(operand.expr), field })),
            (Kind::Unknown(text), _, SqlType::Varchar(limit)) => {
                let cut: String = text.chars().take(*limit as usize).collect();
                Ok(crate::types::literal(&to, &cut)?)
            }
            (Kind::Unknown(text), _, SqlType::Bit(length)) if *length > 0 => {
                let mut bits = parse_bits(text)?;
                bits.resize(*length as usize, false);
                Ok(crate::types::literal(&to, &digits(&bits))?)
            }
            (Kind::Unknown(text), _, SqlType::Varbit(most)) if *most > 0 => {
                let mut bits = parse_bits(text)?;
                bits.truncate(*most as usize);
                Ok(crate::types::literal(&to, &digits(&bits))?)
            }
            _ => operand.into_type(&to, self.schema),
        }
    }

    fn negative(&self, operand: Expr) -> PlanResult<Expr> {
        let operand = self.operand(operand)?;
        Ok(match operand.sql_type() {
            // A negative literal is one at once: what has a type of its own for a literal (`round`) would have two else.
            Some(sql_type) if is_integer(sql_type) && operand.is_literal() => match &operand.expr {
                Expr::Literal(value, metadata) if value.arithmetic_negate().is_ok() => {
                    Expr::Literal(value.arithmetic_negate()?, metadata.clone())
                }
                _ => Negate::call(sql_type.clone(), operand.expr),
            },
            Some(sql_type) if is_integer(sql_type) => Negate::call(sql_type.clone(), operand.expr),
            _ => Expr::Negative(Box::new(operand.expr)),
        })
    }

    /// `x BETWEEN a AND b` is two comparisons, each with its own types.
    fn between(&self, Between { expr, negated, low, high }: Between) -> PlanResult<Expr> {
        let (above, below) = match negated {
            false => (Operator::GtEq, Operator::LtEq),
            true => (Operator::Lt, Operator::Gt),
        };
        let low = self.binary(above, (*expr).clone(), *low)?;
        let high = self.binary(below, *expr, *high)?;
        Ok(if negated { low.or(high) } else { low.and(high) })
    }

    /// The elements are compared with the expression one by one, so each takes the type it has beside it.
    fn in_list(&self, InList { expr, list, negated }: InList) -> PlanResult<Expr> {
        let mut tested: Option<Expr> = None;
        let mut same = true;
        let mut elements = Vec::with_capacity(list.len());
        for element in &list {
            let Expr::BinaryExpr(BinaryExpr { left, right, .. }) =
                self.binary(Operator::Eq, expr.as_ref().clone(), element.clone())?
            else {
                same = false;
                break;
            };
            same &= tested.as_ref().is_none_or(|tested| *tested == *left);
            tested = Some(*left);
            elements.push(*right);
        }
        match tested {
            Some(tested) if same => Ok(Expr::InList(InList::new(Box::new(tested), elements, negated))),
            // The elements want the expression in different types.
            _ => self.disjunction(&expr, list, negated),
        }
    }

    fn disjunction(&self, expr: &Expr, list: Vec<Expr>, negated: bool) -> PlanResult<Expr> {
        let mut any: Option<Expr> = None;
        for element in list {
            let equal = self.binary(Operator::Eq, expr.clone(), element)?;
            any = Some(match any {
                Some(any) => any.or(equal),
                None => equal,
            });
        }
        let any = any.unwrap_or_else(|| Expr::Literal(ScalarValue::Boolean(Some(false)), None));
        Ok(if negated { !any } else { any })
    }

    fn case(&self, case: Case) -> PlanResult<Expr> {
        let Case { expr, when_then_expr, else_expr } = case;
        let (whens, thens): (Vec<Expr>, Vec<Expr>) =
            when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
        // `CASE x WHEN y` compares.
        let (expr, whens) = match expr {
            Some(tested) => {
                let comparisons = whens.into_iter().map(|when| self.binary(Operator::Eq, (*tested).clone(), when));
                (None, comparisons.collect::<PlanResult<Vec<_>>>()?)
            }
            None => (None, whens),
        };
        let has_else = else_expr.is_some();
        let mut results = self.common_type("CASE", thens.into_iter().chain(else_expr.map(|other| *other)).collect())?;
        let else_expr = if has_else { results.pop().map(Box::new) } else { None };
        let when_then_expr = whens.into_iter().map(Box::new).zip(results.into_iter().map(Box::new)).collect();
        Ok(Expr::Case(Case { expr, when_then_expr, else_expr }))
    }

    /// Gives expressions that must have one type that type; `what` wants it.
    fn common_type(&self, what: &str, exprs: Vec<Expr>) -> PlanResult<Vec<Expr>> {
        let operands = exprs.into_iter().map(|expr| self.operand(expr)).collect::<PlanResult<Vec<_>>>()?;
        let mut common: Option<SqlType> = None;
        for sql_type in operands.iter().filter_map(Operand::sql_type) {
            common = Some(match common {
                Some(common) => common_type(what, &common, sql_type)?,
                None => sql_type.clone(),
            });
        }
        let Some(common) = common else { return Ok(operands.into_iter().map(|operand| operand.expr).collect()) };
        operands
            .into_iter()
            .map(|operand| match &operand.kind {
                Kind::Unknown(_) if is_text(&common) => Ok(operand.expr),
                Kind::Unknown(_) | Kind::Null | Kind::Parameter => operand.into_type(&common, self.schema),
                // Exact numbers of different widths are DataFusion's to widen.
                Kind::Typed(found)
                    if *found != common
                        && (is_float(&common) || is_datetime(&common) || vector::has_no_extremes(&common)) =>
                {
                    operand.into_type(&common, self.schema)
                }
                _ => Ok(operand.expr),
            })
            .collect()
    }

    /// `x = ANY (array)`: a literal array has its elements compared one by one, as in a list.
    fn quantified(&self, function: ScalarFunction) -> PlanResult<Expr> {
        let (Some(quantified), [left, right]) = (Quantified::of(&function.func), function.args.as_slice()) else {
            return Err(Error::internal("ANY and ALL take two operands").into());
        };
        let (left, right) = (self.operand(left.clone())?, self.operand(right.clone())?);
        let elements = match (&right.kind, &right.expr) {
            (Kind::Unknown(text), _) => Some(elements(text)?),
            (_, Expr::ScalarFunction(call)) if call.func.name() == "make_array" => Some(call.args.clone()),
            _ => None,
        };
        if let Some(elements) = elements {
            return match (quantified.operator, quantified.all) {
                _ if elements.is_empty() => Ok(lit(quantified.all)),
                (Operator::Eq, false) => self.in_list(InList::new(Box::new(left.expr), elements, false)),
                (Operator::NotEq, true) => self.in_list(InList::new(Box::new(left.expr), elements, true)),
                (operator, all) => self.compare_each(operator, all, &left.expr, elements),
            };
        }
        let Some(common) = Quantified::types(left.sql_type(), right.sql_type())? else {
            return Ok(Expr::ScalarFunction(function));
        };
        let args = vec![
            left.into_type(&common, self.schema)?,
            right.into_type(&SqlType::Array(Box::new(common)), self.schema)?,
        ];
        Ok(Expr::ScalarFunction(ScalarFunction { func: function.func, args }))
    }

    /// The comparisons of one side with each of some elements, in one condition.
    fn compare_each(&self, operator: Operator, all: bool, left: &Expr, elements: Vec<Expr>) -> PlanResult<Expr> {
        let mut whole: Option<Expr> = None;
        for element in elements {
            let compared = self.binary(operator, left.clone(), element)?;
            whole = Some(match whole {
                Some(whole) if all => whole.and(compared),
                Some(whole) => whole.or(compared),
                None => compared,
            });
        }
        Ok(whole.unwrap_or_else(|| lit(all)))
    }

    /// Functions whose arguments have one type, and functions that write their arguments as text.
    fn function(&self, ScalarFunction { func, args }: ScalarFunction) -> PlanResult<Expr> {
        if Quantified::of(&func).is_some() {
            return self.quantified(ScalarFunction { func, args });
        }
        if let Some(function) = VectorFunction::untyped_of(&func) {
            return vector::call(function, args, self.schema);
        }
        if let (Some(metric), 2) = (BitMetric::of_function(func.name()), args.len()) {
            return vector::bit_distance_call(metric, args, self.schema);
        }
        if let Some(args) = text_search::typed(func.name(), &args, self.schema)? {
            return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
        }
        if func.name() == "character_length"
            && let Some(length) = text_search::length_of_vector(&args, self.schema)?
        {
            return Ok(length);
        }
        let args = match (func.name(), Metric::of_function(func.name())) {
            (_, Some(metric)) if args.len() == 2 => return vector::distance_call(metric, args, self.schema),
            ("coalesce" | "greatest" | "least" | "nullif", _) => {
                let args = self.common_type(&func.name().to_uppercase(), args)?;
                let func = typed_function(&func).unwrap_or(func);
                return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
            }
            ("concat" | "concat_ws" | "format", _) => {
                args.into_iter().map(|arg| self.as_text(arg)).collect::<PlanResult<Vec<_>>>()?
            }
            ("age", _) => args.into_iter().map(|arg| self.as_timestamp(arg)).collect::<PlanResult<Vec<_>>>()?,
            ("round", _) => return Ok(Expr::ScalarFunction(with_known_digits(ScalarFunction { func, args })?)),
            _ => args,
        };
        Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
    }

    fn as_timestamp(&self, expr: Expr) -> PlanResult<Expr> {
        let operand = self.operand(expr)?;
        match operand.sql_type() {
            Some(SqlType::Timestamp) => Ok(operand.expr),
            None | Some(SqlType::Date | SqlType::TimestampTz) => operand.into_type(&SqlType::Timestamp, self.schema),
            Some(other) => {
                let message = format!("function age({other}) does not exist");
                Err(Error::new(ErrorKind::UndefinedFunction, message).with_hint("It takes timestamps or dates.").into())
            }
        }
    }

    fn as_text(&self, expr: Expr) -> PlanResult<Expr> {
        let operand = self.operand(expr)?;
        match operand.sql_type() {
            Some(SqlType::Array(_)) | None => Ok(operand.expr),
            Some(sql_type) if is_text(sql_type) => Ok(operand.expr),
            Some(_) => operand.into_type(&SqlType::Text, self.schema),
        }
    }

    /// DataFusion's `count` takes several arguments, and counts what has no NULL among them.
    fn aggregate(&self, function: AggregateFunction) -> PlanResult<Expr> {
        if function.func.name() == "count" && function.params.args.len() > 1 {
            let args =
                function.params.args.iter().map(|arg| self.operand(arg.clone())).collect::<PlanResult<Vec<_>>>()?;
            let types = args.iter().map(|arg| arg.sql_type().map_or("unknown".to_string(), SqlType::to_string));
            let types = types.collect::<Vec<_>>().join(", ");
            return Err(Error::new(ErrorKind::UndefinedFunction, format!("function count({types}) does not exist"))
                .with_hint(
                    "No function matches the given name and argument types. You might need to add explicit type casts.",
                )
                .into());
        }
        if let ("max" | "min", [argument]) = (function.func.name(), function.params.args.as_slice())
            && let Some(sql_type) = self.operand(argument.clone())?.sql_type()
            && vector::has_no_extremes(sql_type)
        {
            let message = format!("function {}({}) does not exist", function.func.name(), type_name(sql_type));
            return Err(Error::new(ErrorKind::UndefinedFunction, message)
                .with_hint(
                    "No function matches the given name and argument types. You might need to add explicit type casts.",
                )
                .into());
        }
        let mut function = function;
        self.sort_keys(&mut function.params.order_by)?;
        if function.params.distinct {
            function.params.args = zeros::in_all(function.params.args, self.schema)?;
        }
        Ok(Expr::AggregateFunction(function))
    }

    fn sort_keys(&self, keys: &mut [Sort]) -> PlanResult<()> {
        for key in keys {
            key.expr = sortable(key.expr.clone(), self.schema)?;
        }
        Ok(())
    }

    /// The literals of a column take the type of the other inputs.
    fn union(&self, union: Union) -> PlanResult<Union> {
        let mut inputs = union.inputs;
        let columns = inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or(0);
        for column in 0..columns {
            let found = inputs.iter().map(|input| sets::output(input, column)).collect::<PlanResult<Vec<_>>>()?;
            let mut common: Option<SqlType> = None;
            for sql_type in found.iter().filter_map(Operand::sql_type) {
                common = Some(match common {
                    Some(common) => common_type("UNION", &common, sql_type)?,
                    None => sql_type.clone(),
                });
            }
            let Some(common) = common else { continue };
            for (input, operand) in inputs.iter_mut().zip(found) {
                let found = operand.sql_type().filter(|found| **found != common);
                let is_resized = found.is_some() && vector::has_no_extremes(&common);
                if is_resized || matches!(operand.kind, Kind::Unknown(_)) && !is_text(&common) {
                    *input = Arc::new(sets::with_output(input, column, operand.into_type(&common, self.schema)?)?);
                }
            }
        }
        Union::try_new_with_loose_types(inputs)
    }

    /// VALUES does not compute its schema again by itself. A column's literals take the type of the others.
    fn values(&self, Values { schema, values }: Values) -> PlanResult<LogicalPlan> {
        let mut rows = values
            .into_iter()
            .map(|row| row.into_iter().map(|expr| self.expr(expr)).collect::<PlanResult<Vec<_>>>())
            .collect::<PlanResult<Vec<_>>>()?;
        let mut fields = Vec::with_capacity(schema.fields().len());
        for (column, field) in schema.fields().iter().enumerate() {
            let exprs = rows.iter().map(|row| row[column].clone()).collect();
            let exprs = self.common_type("VALUES", exprs)?;
            fields.push(self.values_field(field.name(), &exprs)?);
            for (row, expr) in rows.iter_mut().zip(exprs) {
                row[column] = expr;
            }
        }
        let schema = Arc::new(DFSchema::from_unqualified_fields(fields.into(), schema.as_arrow().metadata().clone())?);
        let plan = LogicalPlanBuilder::values_with_schema(rows, &schema)?.build()?;
        // The builder casts the values to the schema's types, and leaves the SQL types out of its own.
        Ok(match plan {
            LogicalPlan::Values(Values { values, .. }) => LogicalPlan::Values(Values { schema, values }),
            other => other,
        })
    }

    /// The column of VALUES that holds these expressions; it has a SQL type if they all have the same.
    fn values_field(&self, name: &str, exprs: &[Expr]) -> PlanResult<Field> {
        let fields = exprs.iter().map(|expr| Ok(expr.to_field(self.schema)?.1)).collect::<PlanResult<Vec<_>>>()?;
        let typed = || fields.iter().filter(|field| !field.data_type().is_null());
        let mut sql_types = typed().map(|field| SqlType::of_field(field));
        if let Some(Some(first)) = sql_types.next()
            && sql_types.all(|other| other.as_ref() == Some(&first))
        {
            return Ok(first.field(name, true));
        }
        let data_types: Vec<DataType> = typed().map(|field| field.data_type().clone()).collect();
        let common = match data_types.is_empty() {
            true => DataType::Null,
            false => type_union_resolution(&data_types).ok_or_else(|| {
                DataFusionError::from(Error::new(ErrorKind::DatatypeMismatch, "VALUES types cannot be matched"))
            })?,
        };
        Ok(Field::new(name, common, true))
    }
}

/// Whether an expression has IN or EXISTS of a subquery in it.
fn asks_a_subquery(expr: &Expr) -> bool {
    let asks = |expr: &Expr| matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_));
    expr.exists(|expr| Ok(asks(expr))).unwrap_or(false)
}

/// The elements of an array literal, each a literal whose type is not known yet.
fn elements(text: &str) -> Result<Vec<Expr>> {
    let mut elements = Vec::new();
    parse_array(text, |element| {
        elements.push(Expr::Literal(ScalarValue::Utf8(element.map(str::to_string)), None));
        Ok(())
    })?;
    Ok(elements)
}

/// The type that holds two types' values, if Postgres knows one.
fn common_type(what: &str, a: &SqlType, b: &SqlType) -> Result<SqlType> {
    let wider = if rank(a) >= rank(b) { a } else { b };
    Ok(match (a, b) {
        (a, b) if a == b => a.clone(),
        (a, b) if is_number(a) && is_number(b) => match is_float(wider) {
            true => SqlType::Double,
            false => wider.clone(),
        },
        (a, b) if is_text(a) && is_text(b) => SqlType::Text,
        (a, b) if is_datetime(a) && is_datetime(b) => match (a, b) {
            (SqlType::TimestampTz, _) | (_, SqlType::TimestampTz) => SqlType::TimestampTz,
            _ => SqlType::Timestamp,
        },
        (SqlType::Array(_), SqlType::Array(_)) => a.clone(),
        (SqlType::Bit(_), SqlType::Bit(_)) => SqlType::Bit(0),
        (SqlType::Bit(_) | SqlType::Varbit(_), SqlType::Bit(_) | SqlType::Varbit(_)) => SqlType::Varbit(0),
        (a, b) if VectorKind::of(a).is_some() && VectorKind::of(b).is_some() => {
            VectorKind::of(a).max(VectorKind::of(b)).unwrap_or(VectorKind::Vector).sql_type(0)
        }
        (a, b) => {
            let message = format!("{what} types {a} and {b} cannot be matched");
            return Err(Error::new(ErrorKind::DatatypeMismatch, message));
        }
    })
}

/// Bits as text.
fn digits(bits: &[bool]) -> String {
    bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect()
}

fn is_datetime(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz)
}

/// A cast that the statement asks for.
fn explicit(expr: Expr, from: &SqlType, to: &SqlType) -> Result<Expr> {
    cast(expr, from, to, CastContext::Explicit)
}

/// Window functions read counts that are literals as bigint: the offset of `lag(x, 1)`, the buckets of `ntile(4)`.
fn window(mut function: WindowFunction) -> WindowFunction {
    if let WindowFunctionDefinition::WindowUDF(window) = &function.fun {
        let count = if window.name() == "ntile" { 0 } else { 1 };
        if let Some(argument) = function.params.args.get_mut(count)
            && let Expr::Literal(ScalarValue::Int32(Some(number)), _) = argument
        {
            *argument = lit(i64::from(*number));
        }
    }
    function
}
