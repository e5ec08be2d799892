//! A write as a node of the logical plan.
//!
//! Its input are rows that say what changes; their columns are, in this order:
//!
//! 1. the action, where rows of one statement have different ones ([`Action`] as a small integer);
//! 2. the identity of the row that changes or goes: [`Catalog::identity_columns`], then its address. Both are NULL for a
//!    row that is added;
//! 3. the row that comes, with the columns of the table; for a row that goes, itself, if RETURNING wants it;
//! 4. columns of other tables, for RETURNING.
//!
//! Its output are the rows of 3 and 4 that were affected, if there is a RETURNING, whose expressions are a projection above;
//! else nothing.
//!
//! [`Catalog::identity_columns`]: slipstream_engine::catalog::Catalog::identity_columns

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::SelectItem;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::{Error, Result};

use super::generated::{self, Recomputed};
use super::target::Target;
use super::{checks, returning};
use crate::error::from_datafusion;
use crate::planner::Scope;

/// A statement that writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
}

impl Command {
    /// Its name in messages and EXPLAIN.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Command::Insert => "Insert",
            Command::Update => "Update",
            Command::Delete => "Delete",
            Command::Merge => "Merge",
        }
    }

    /// The command tag without its row count.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Command::Insert => "INSERT 0",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
            Command::Merge => "MERGE",
        }
    }

    /// The command as a statement that may not run here is named.
    pub(crate) fn keyword(self) -> &'static str {
        match self {
            Command::Insert => "INSERT",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
            Command::Merge => "MERGE",
        }
    }
}

/// What happens to one row. In plans it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing, though it was looked at: the condition of ON CONFLICT DO UPDATE was not true.
    Nothing = 0,
    /// It is added.
    Insert = 1,
    /// It is replaced.
    Update = 2,
    /// It goes.
    Delete = 3,
}

impl Action {
    /// As it stands in plans.
    pub(crate) fn literal(self) -> Expr {
        datafusion::logical_expr::lit(self as i32)
    }

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        [Action::Nothing, Action::Insert, Action::Update, Action::Delete]
            .into_iter()
            .find(|action| *action as i32 == number)
    }
}

/// What it means that a statement comes to the same row twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It cannot.
    Never,
    /// Only the first time counts: UPDATE and DELETE with other tables.
    FirstCounts,
    /// It is an error: ON CONFLICT DO UPDATE, MERGE.
    Error,
}

/// What a write does.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) command: Command,
    pub(crate) table: Arc<TableDefinition>,
    /// Whether the first column is the action.
    pub(crate) has_action: bool,
    /// Where the identity is.
    pub(crate) identity: Range<usize>,
    /// The names of its columns in the table.
    pub(crate) identity_columns: Vec<String>,
    /// Where the row is.
    pub(crate) row: Range<usize>,
    /// Where the columns of other tables are.
    pub(crate) sources: Range<usize>,
    pub(crate) again: Again,
    /// The keys that a row may not have in common with an earlier one of the statement: positions in the table.
    pub(crate) arbiters: Vec<Vec<usize>>,
    /// Names of the constraints that are the arbiters.
    pub(crate) arbiter_names: Vec<String>,
    /// CHECK constraints, over the table's own columns.
    pub(crate) checks: Vec<(String, Expr)>,
    pub(crate) returning: bool,
}

impl Write {
    /// Whether rows may go, so that those that come are kept with them.
    pub(crate) fn replaces(&self) -> bool {
        !self.identity.is_empty()
    }

    /// What happens to rows that say nothing themselves.
    pub(crate) fn default_action(&self) -> Action {
        match self.command {
            Command::Insert | Command::Merge => Action::Insert,
            Command::Update => Action::Update,
            Command::Delete => Action::Delete,
        }
    }
}

/// The line of EXPLAIN.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.command.name(), self.table.name)?;
        if !self.arbiter_names.is_empty() || (self.command == Command::Insert && self.again == Again::Error) {
            let resolution = if self.has_action { "update" } else { "nothing" };
            write!(f, ": conflict={resolution}, arbiters=[{}]", self.arbiter_names.join(", "))?;
        }
        Ok(())
    }
}

/// A write, before its input is put into the order that the node wants.
pub(crate) struct Parts<'a> {
    pub(crate) command: Command,
    pub(crate) target: &'a Target,
    /// Rows with everything that the expressions below and RETURNING refer to.
    pub(crate) base: LogicalPlan,
    pub(crate) action: Option<Expr>,
    /// Whether the base has rows of the target.
    pub(crate) has_identity: bool,
    /// The row, in the order of the table's columns and of their types. Empty where nothing comes and nothing is returned.
    pub(crate) row: Vec<Expr>,
    /// Columns of other tables, as `*` gives them.
    pub(crate) sources: Vec<Column>,
    /// Whether `*` of RETURNING begins with the other tables.
    pub(crate) sources_first: bool,
    pub(crate) again: Again,
    pub(crate) arbiters: Vec<Vec<usize>>,
    pub(crate) arbiter_names: Vec<String>,
    pub(crate) returning: Option<&'a [SelectItem]>,
}

impl Parts<'_> {
    /// The plan of the write.
    pub(crate) fn plan(self, scope: &mut Scope<'_>) -> Result<LogicalPlan> {
        let Parts { command, target, base, action, has_identity, row, sources, sources_first, .. } = self;
        let returned = match self.returning {
            Some(items) => Some(returning::plan(scope, items, target, &base, &sources, sources_first)?),
            None => None,
        };
        let sources: Vec<Column> = returned.as_ref().map(|returned| returned.sources.clone()).unwrap_or_default();
        let recomputed = Recomputed::of(scope.planning, target, command, action.is_some(), &row)?;
        let mut columns: Vec<Expr> = action.iter().map(|action| action.clone().alias(generated::ACTION)).collect();
        let has_action = !columns.is_empty();
        let start = columns.len();
        if has_identity {
            let names = target.identity.iter().enumerate();
            columns.extend(names.map(|(index, name)| target.column(name).alias(format!("?identity{index}"))));
        }
        let identity = start..columns.len();
        columns.extend(row.into_iter().enumerate().map(|(index, value)| value.alias(generated::comes(index))));
        let row = identity.end..columns.len();
        columns.extend(sources.iter().cloned().map(Expr::Column));
        let sources = row.end..columns.len();
        columns.extend(recomputed.kept(target));
        let input = LogicalPlanBuilder::from(base).project(columns).and_then(LogicalPlanBuilder::build);
        let input = recomputed.complete(input.map_err(from_datafusion)?, &target.table)?;
        let write = Write {
            command,
            table: Arc::clone(&target.table),
            has_action,
            identity,
            identity_columns: target.identity.clone(),
            row,
            sources,
            again: self.again,
            arbiters: self.arbiters,
            arbiter_names: self.arbiter_names,
            checks: checks::plan(scope.planning, &target.table)?,
            returning: returned.is_some(),
        };
        let schema = match &returned {
            Some(_) => output_schema(target, &write, input.schema())?,
            None => Arc::new(DFSchema::empty()),
        };
        let plan =
            LogicalPlan::Extension(Extension { node: Arc::new(WriteNode { input, write: Arc::new(write), schema }) });
        match returned {
            Some(returned) => LogicalPlanBuilder::from(plan)
                .project(returned.items)
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| scope.planning.error(error)),
            None => Ok(plan),
        }
    }
}

fn output_schema(target: &Target, write: &Write, input: &DFSchema) -> Result<DFSchemaRef> {
    let mut fields = target_fields(target);
    for position in write.sources.clone() {
        let (qualifier, field) = input.qualified_field(position);
        fields.push((qualifier.cloned(), Arc::clone(field)));
    }
    DFSchema::new_with_metadata(fields, Default::default()).map(Arc::new).map_err(from_datafusion)
}

/// The columns of the target as RETURNING sees them.
pub(super) fn target_fields(target: &Target) -> Vec<(Option<datafusion::common::TableReference>, Arc<Field>)> {
    let schema = target.table.arrow_schema();
    let fields = schema.fields().iter();
    fields.map(|field| (Some(target.qualifier()), Arc::new(field.as_ref().clone().with_nullable(true)))).collect()
}

/// The node.
#[derive(Debug, Clone)]
pub(crate) struct WriteNode {
    input: LogicalPlan,
    write: Arc<Write>,
    schema: DFSchemaRef,
}

impl WriteNode {
    pub(crate) fn write(&self) -> &Arc<Write> {
        &self.write
    }
}

impl PartialEq for WriteNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.write, &other.write) && self.input == other.input
    }
}

impl Eq for WriteNode {}

impl Hash for WriteNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
    }
}

impl PartialOrd for WriteNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for WriteNode {
    fn name(&self) -> &str {
        "Write"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.write, f)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let input = inputs.pop().ok_or_else(|| DataFusionError::from(Error::internal("a write without an input")))?;
        // The analyzer may have given the input's columns other types.
        let own = self.schema.fields().len() - if self.write.returning { self.write.sources.len() } else { 0 };
        let fields = self.schema.iter().enumerate().map(|(position, (qualifier, field))| {
            let field = match position.checked_sub(own) {
                Some(source) => &input.schema().fields()[self.write.sources.start + source],
                None => field,
            };
            (qualifier.cloned(), Arc::clone(field))
        });
        let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?);
        Ok(WriteNode { input, write: Arc::clone(&self.write), schema })
    }

    /// Every column of the input is wanted, whatever becomes of the output.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}

/// The write that a plan holds.
pub(crate) fn find_write(plan: &LogicalPlan) -> Option<Arc<Write>> {
    if let LogicalPlan::Extension(extension) = plan
        && let Some(node) = extension.node.as_any().downcast_ref::<WriteNode>()
    {
        return Some(Arc::clone(&node.write));
    }
    plan.inputs().into_iter().find_map(find_write)
}
