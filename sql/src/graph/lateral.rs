//! A graph pattern with values of the rows beside it: `FROM t, cypher('g', $$ MATCH (a {id: $id}) ... $$, jsonb_build_object('id', t.id))`.
//!
//! The third argument of `cypher()` is then any expression over what stands before the call in FROM (LATERAL, which for a function
//! need not be written), or over nothing, such as a subquery that gathers keys. DataFusion's planner shows a relation no columns of
//! its neighbours, so:
//!
//! 1. [`gather`] puts such a call and all that stands before it into one nested join, before planning;
//! 2. [`Lateral::planned`] plans what stands before, then the argument over its columns, and makes an [`ApplyNode`] of both;
//! 3. when it is known what the statement reads, the node gets who answers (`super::answer`), and becomes an operator
//!    ([`ApplyExec`]) that asks for each row: the index by a statement that is prepared already, or a plan of joins.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::{Column, DFSchema, DFSchemaRef, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use datafusion::sql::sqlparser::ast::{
    self, Join, JoinConstraint, JoinOperator, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};
use slipstream_catalog::apply::{Answer, Apply, ApplyExec};
use slipstream_engine::{Error, ErrorKind, Result};

use super::table::CypherTable;

/// Puts every relation that `is_lateral` into one nested join with what stands before it in its FROM.
pub(crate) fn gather(statement: &mut ast::Statement, is_lateral: fn(&TableFactor) -> bool) {
    struct Gather(fn(&TableFactor) -> bool);
    impl VisitorMut for Gather {
        type Break = ();
        fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
            select.from = gathered(std::mem::take(&mut select.from), self.0);
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Gather(is_lateral));
}

fn gathered(from: Vec<TableWithJoins>, is_lateral: fn(&TableFactor) -> bool) -> Vec<TableWithJoins> {
    let mut items: Vec<TableWithJoins> = Vec::with_capacity(from.len());
    for mut item in from {
        if is_lateral(&item.relation) && !items.is_empty() {
            let before = std::mem::take(&mut items).into_iter().map(unit).collect::<Vec<_>>();
            let call = std::mem::replace(&mut item.relation, nothing());
            item.relation = nested(before.into_iter().chain([call]).collect());
        }
        let mut joined = TableWithJoins { relation: item.relation, joins: Vec::new() };
        for join in item.joins {
            let lateral = is_lateral(&join.relation);
            joined.joins.push(join);
            if lateral {
                let inner = std::mem::replace(&mut joined, TableWithJoins { relation: nothing(), joins: Vec::new() });
                joined.relation = TableFactor::NestedJoin { table_with_joins: Box::new(inner), alias: None };
            }
        }
        items.push(joined);
    }
    items
}

fn nothing() -> TableFactor {
    TableFactor::UNNEST {
        alias: None,
        array_exprs: Vec::new(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// An item of FROM as one relation.
fn unit(item: TableWithJoins) -> TableFactor {
    match item.joins.is_empty() {
        true => item.relation,
        false => TableFactor::NestedJoin { table_with_joins: Box::new(item), alias: None },
    }
}

/// The cross join of relations.
fn nested(mut relations: Vec<TableFactor>) -> TableFactor {
    let first = relations.remove(0);
    let cross =
        |relation| Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) };
    let joins = relations.into_iter().map(cross).collect();
    TableFactor::NestedJoin { table_with_joins: Box::new(TableWithJoins { relation: first, joins }), alias: None }
}

/// The name of the columns that a pattern adds.
pub(super) const ADDED: &str = "?lateral";

/// The name of the column that holds their argument.
pub(super) const ARGUMENT: &str = "?argument";

/// What a relation is.
pub(super) enum Apart {
    /// One that depends on what stands before it.
    Lateral(Box<Lateral>),
    /// Another.
    Other(Box<TableFactor>),
}

/// A relation that depends on what stands before it, taken out of the nested join that [`gather`] has made.
pub(super) struct Lateral {
    /// What stands before it; nothing where it stands first.
    before: Option<TableFactor>,
    /// The relation.
    pub(super) relation: TableFactor,
    outer: bool,
    condition: Option<ast::Expr>,
}

/// Takes a relation apart that `is_lateral`, or a nested join with such a one at its end.
pub(super) fn apart(relation: TableFactor, is_lateral: fn(&TableFactor) -> bool) -> Result<Apart> {
    if is_lateral(&relation) {
        return Ok(Apart::Lateral(Box::new(Lateral { before: None, relation, outer: false, condition: None })));
    }
    let (mut table_with_joins, last) = match relation {
        TableFactor::NestedJoin { mut table_with_joins, alias: None }
            if table_with_joins.joins.last().is_some_and(|join| is_lateral(&join.relation)) =>
        {
            let last = table_with_joins.joins.pop();
            (table_with_joins, last)
        }
        other => return Ok(Apart::Other(Box::new(other))),
    };
    let Some(Join { relation, join_operator, .. }) = last else {
        return Err(Error::internal("a nested join without its end"));
    };
    let (outer, condition) = match join_operator {
        JoinOperator::CrossJoin(_) => (false, None),
        JoinOperator::Join(JoinConstraint::On(on)) | JoinOperator::Inner(JoinConstraint::On(on)) => (false, Some(on)),
        JoinOperator::Left(JoinConstraint::On(on)) | JoinOperator::LeftOuter(JoinConstraint::On(on)) => {
            (true, Some(on))
        }
        _ => return Err(unjoinable()),
    };
    let before = TableWithJoins {
        relation: std::mem::replace(&mut table_with_joins.relation, nothing()),
        joins: std::mem::take(&mut table_with_joins.joins),
    };
    Ok(Apart::Lateral(Box::new(Lateral { before: Some(unit(before)), relation, outer, condition })))
}

fn unjoinable() -> Error {
    Error::not_supported(
        "a LATERAL graph pattern is joined by a comma, CROSS JOIN, JOIN ... ON, or LEFT JOIN ... ON true",
    )
    .with_hint("Put the condition into the pattern.")
}

impl Lateral {
    /// The rows of what stands before it, each with those of `table` for the value of `argument`. The columns of `table` come
    /// last, under the name `cypher`.
    pub(super) fn planned(
        self,
        argument: ast::Expr,
        table: CypherTable,
        context: &mut dyn RelationPlannerContext,
    ) -> PlanResult<(LogicalPlan, Option<ast::Expr>)> {
        let before = match self.before {
            Some(before) => context.plan(before)?,
            None => LogicalPlanBuilder::empty(true).build()?,
        };
        let condition = match (self.outer, self.condition) {
            (_, None) => None,
            (_, Some(ast::Expr::Value(value))) if value.value == ast::Value::Boolean(true) => None,
            (false, Some(condition)) => Some(condition),
            (true, Some(_)) => return Err(unjoinable().into()),
        };
        // Subqueries have a place in a projection.
        let argument = context.sql_to_expr(argument, before.schema())?.alias(ARGUMENT);
        let columns = before.schema().iter().map(|known| Expr::Column(Column::from(known)));
        let columns: Vec<Expr> = columns.chain([argument]).collect();
        let before = LogicalPlanBuilder::from(before).project(columns)?.build()?;
        let argument = Expr::Column(Column::new_unqualified(ARGUMENT));
        let node = ApplyNode::new(before, argument, Arc::new(table), self.outer)?;
        Ok((LogicalPlan::Extension(Extension { node: Arc::new(node) }), condition))
    }
}

/// Each row of the input with the rows of a pattern for it.
#[derive(Clone)]
pub(crate) struct ApplyNode {
    input: Arc<LogicalPlan>,
    argument: Expr,
    table: Arc<CypherTable>,
    outer: bool,
    answer: Option<(Arc<dyn Answer>, String)>,
    schema: DFSchemaRef,
}

impl ApplyNode {
    fn new(input: LogicalPlan, argument: Expr, table: Arc<CypherTable>, outer: bool) -> PlanResult<Self> {
        let schema = schema(&input, &table)?;
        Ok(ApplyNode { input: Arc::new(input), argument, table, outer, answer: None, schema })
    }

    /// The pattern.
    pub(crate) fn table(&self) -> &Arc<CypherTable> {
        &self.table
    }

    /// The same, with who answers.
    pub(crate) fn answered(&self, answer: Arc<dyn Answer>, description: String) -> LogicalPlan {
        let node = ApplyNode { answer: Some((answer, description)), ..self.clone() };
        LogicalPlan::Extension(Extension { node: Arc::new(node) })
    }

    /// The node that a plan is, if it is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&ApplyNode> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }
}

fn schema(input: &LogicalPlan, table: &CypherTable) -> PlanResult<DFSchemaRef> {
    let added = table.fields().map(|field| {
        let nullable = field.as_ref().clone().with_nullable(true);
        (Some(TableReference::bare(ADDED)), Arc::new(nullable))
    });
    let fields = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).chain(added);
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), input.schema().metadata().clone())?))
}

impl UserDefinedLogicalNodeCore for ApplyNode {
    fn name(&self) -> &str {
        "Apply"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.argument.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Apply: argument={}", self.argument)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let (Some(argument), Some(input)) = (exprs.into_iter().next(), inputs.into_iter().next()) else {
            return Err(Error::internal("Apply has one expression and one input").into());
        };
        let schema = schema(&input, &self.table)?;
        Ok(ApplyNode { input: Arc::new(input), argument, schema, ..self.clone() })
    }
}

impl ApplyNode {
    fn identity(&self) -> (&Expr, usize, bool, bool) {
        (&self.argument, Arc::as_ptr(&self.table).addr(), self.outer, self.answer.is_some())
    }
}

impl fmt::Debug for ApplyNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Apply").field(&self.identity()).finish()
    }
}

impl PartialEq for ApplyNode {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity() && self.input == other.input
    }
}

impl Eq for ApplyNode {}

impl PartialOrd for ApplyNode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let identity = self.identity().partial_cmp(&other.identity())?;
        Some(identity.then(self.input.partial_cmp(&other.input)?)).filter(|order| order.is_ne() || self == other)
    }
}

impl Hash for ApplyNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
        self.input.hash(state);
    }
}

/// Makes [`ApplyNode`] physical.
#[derive(Debug)]
pub(crate) struct ApplyPlanner;

#[async_trait]
impl ExtensionPlanner for ApplyPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &SessionState,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<ApplyNode>() else { return Ok(None) };
        let ([logical], [input], Some((answer, description))) = (logical_inputs, physical_inputs, &node.answer) else {
            return Err(Error::internal("a graph pattern ran before it was bound to a snapshot").into());
        };
        let apply = Apply {
            argument: planner.create_physical_expr(&node.argument, logical.schema(), session)?,
            answer: Arc::clone(answer),
            outer: node.outer,
            at_once: 1,
            description: description.clone(),
        };
        let schema = Arc::clone(node.schema.inner());
        Ok(Some(Arc::new(ApplyExec::new(Arc::clone(input), apply, schema))))
    }
}

/// The error for an argument that is no JSON.
pub(super) fn check_argument(plan: &LogicalPlan) -> Result<()> {
    let Some(node) = ApplyNode::of(plan) else { return Ok(()) };
    let text = |data_type: &arrow::datatypes::DataType| data_type.is_string() || data_type.is_null();
    let found = datafusion::logical_expr::ExprSchemable::get_type(&node.argument, node.input.schema());
    match found {
        Ok(data_type) if text(&data_type) => Ok(()),
        _ => Err(Error::new(ErrorKind::InvalidParameter, "third argument of cypher() must be a map of parameters")
            .with_hint("Make one of columns: jsonb_build_object('id', t.id).")),
    }
}
