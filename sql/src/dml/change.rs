//! UPDATE and DELETE: a query of the target's rows, joined with the tables of FROM or USING.

use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::utils::expand_wildcard;
use datafusion::sql::sqlparser::ast::{
    self, Delete, FromTable, Statement, TableWithJoins, Update, UpdateTableFromKind, With,
};
use slipstream_engine::{Error, Result};

<<<<<<< HEAD
use super::set;
use super::target::Target;
use super::write::{Again, Command, Parts};
=======
use super::assign::assign;
use super::insert::default_text;
use super::{is_default, normalize};
>>>>>>> 7347ebf (sql, catalog: constraints, ALTER TABLE, views, schemas and sequences)
use crate::error::from_datafusion;
use crate::planner::{Plan, Planning, Scope};

/// Plans a DELETE.
pub(super) async fn delete(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    delete: &Delete,
) -> Result<Plan> {
    refuse(&[
        (!delete.tables.is_empty() || delete.output.is_some(), "this form of DELETE"),
        (!delete.order_by.is_empty() || delete.limit.is_some(), "DELETE with ORDER BY or LIMIT"),
    ])?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [from] = &from[..] else {
        return Err(Error::not_supported("DELETE from several tables is not supported"));
    };
    let target = Target::without_joins(planning, from)?;
    let mut scope = planning.scope(statement, with).await?;
    let others = delete.using.as_deref().unwrap_or_default();
    let base = rows(&mut scope, &target, others, delete.selection.as_ref()).await?;
    let row = if delete.returning.is_some() { target.columns() } else { Vec::new() };
    let plan = parts(Command::Delete, &target, base, others, delete.returning.as_deref())?;
    let plan = Parts { row, ..plan }.plan(&mut scope)?;
    Ok(scope.finish(plan))
}

/// Plans an UPDATE.
pub(super) async fn update(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    update: &Update,
) -> Result<Plan> {
    refuse(&[
        (update.or.is_some() || update.output.is_some(), "this form of UPDATE"),
        (!update.order_by.is_empty() || update.limit.is_some(), "UPDATE with ORDER BY or LIMIT"),
        (matches!(update.from, Some(UpdateTableFromKind::BeforeSet(_))), "FROM before SET"),
    ])?;
    let target = Target::without_joins(planning, &update.table)?;
    let mut scope = planning.scope(statement, with).await?;
    let others = match &update.from {
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => &from[..],
        None => &[],
    };
    let base = rows(&mut scope, &target, others, update.selection.as_ref()).await?;
    let row = set::new_row(&mut scope, &target, &base, &update.assignments)?;
    let plan = parts(Command::Update, &target, base, others, update.returning.as_deref())?;
    let plan = Parts { row, ..plan }.plan(&mut scope)?;
    Ok(scope.finish(plan))
}

fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// The rows of the target that a statement is about, with those of the other tables.
async fn rows(
    scope: &mut Scope<'_>,
    target: &Target,
    others: &[TableWithJoins],
    selection: Option<&ast::Expr>,
) -> Result<LogicalPlan> {
    let mut from = vec![TableWithJoins { relation: target.rows(scope).await?, joins: Vec::new() }];
    from.extend_from_slice(others);
    scope.relation(from, selection.cloned())
}

fn parts<'a>(
    command: Command,
    target: &'a Target,
    base: LogicalPlan,
    others: &[TableWithJoins],
    returning: Option<&'a [ast::SelectItem]>,
) -> Result<Parts<'a>> {
    Ok(Parts {
        command,
        target,
        action: None,
        has_identity: true,
        row: Vec::new(),
        sources: source_columns(target, &base)?,
        sources_first: false,
        again: if others.is_empty() { Again::Never } else { Again::FirstCounts },
        arbiters: Vec::new(),
        arbiter_names: Vec::new(),
        returning,
        base,
    })
}

<<<<<<< HEAD
/// The columns that `*` gives, without the target's.
pub(super) fn source_columns(target: &Target, base: &LogicalPlan) -> Result<Vec<Column>> {
    let qualifier = target.qualifier();
    let columns = expand_wildcard(base.schema(), base, None).map_err(from_datafusion)?;
    Ok(columns
        .into_iter()
        .filter_map(|expr| match expr {
            datafusion::logical_expr::Expr::Column(column) => Some(column),
            _ => None,
        })
        .filter(|column| column.relation.as_ref() != Some(&qualifier) && !column.name.starts_with('?'))
        .collect())
=======
impl Target {
    fn of(planning: &Planning<'_>, from: &TableWithJoins) -> Result<Self> {
        let TableFactor::Table { name, alias, args: None, .. } = &from.relation else {
            return Err(Error::not_supported("UPDATE and DELETE take the name of a table"));
        };
        if !from.joins.is_empty() {
            return Err(Error::not_supported("UPDATE and DELETE of a join are not supported"));
        }
        let table = planning.tables.written(name)?;
        let alias = match alias {
            Some(alias) => alias.name.clone(),
            None => Ident::with_quote('"', &table.name),
        };
        Ok(Target { table, alias })
    }

    fn column(&self, name: &str) -> ast::Expr {
        ast::Expr::CompoundIdentifier(vec![self.alias.clone(), Ident::with_quote('"', name)])
    }

    /// The columns that identify a row wherever it is kept, and its address.
    fn identity(&self, planning: &Planning<'_>) -> Vec<SelectItem> {
        let columns = planning.view.snapshot.catalog.identity_columns(&self.table);
        columns.iter().map(String::as_str).chain([ROW_ADDRESS]).map(|name| aliased(self.column(name), name)).collect()
    }

    fn query(&self, projection: Vec<SelectItem>, selection: Option<ast::Expr>) -> ast::Query {
        let name = [TARGET_SCHEMA, &self.table.schema, &self.table.name].map(|part| Ident::with_quote('"', part));
        let relation = TableFactor::Table {
            name: ObjectName::from(name.to_vec()),
            alias: Some(ast::TableAlias { explicit: true, name: self.alias.clone(), columns: Vec::new(), at: None }),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        select(projection, relation, selection)
    }
}

fn aliased(expr: ast::Expr, alias: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) }
}

fn select(projection: Vec<SelectItem>, relation: TableFactor, selection: Option<ast::Expr>) -> ast::Query {
    let select = ast::Select {
        select_token: ast::helpers::attached_token::AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection,
        connect_by: Vec::new(),
        group_by: ast::GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: ast::SelectFlavor::Standard,
    };
    ast::Query {
        with: None,
        body: Box::new(ast::SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The new value of every column that SET names.
fn assignments(table: &TableDefinition, assignments: &[ast::Assignment]) -> Result<HashMap<String, ast::Expr>> {
    let mut values = HashMap::new();
    for assignment in assignments {
        for (column, value) in pairs(table, assignment)? {
            let value = if is_default(&value) { default_text(column)? } else { value };
            if values.insert(column.name.clone(), value).is_some() {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    format!("multiple assignments to same column \"{}\"", column.name),
                ));
            }
        }
    }
    Ok(values)
}

fn pairs<'a>(
    table: &'a TableDefinition,
    assignment: &ast::Assignment,
) -> Result<Vec<(&'a ColumnDefinition, ast::Expr)>> {
    match (&assignment.target, &assignment.value) {
        (AssignmentTarget::ColumnName(name), value) => Ok(vec![(column(table, name)?, value.clone())]),
        (AssignmentTarget::Tuple(names), ast::Expr::Tuple(values)) if names.len() == values.len() => {
            names.iter().zip(values).map(|(name, value)| Ok((column(table, name)?, value.clone()))).collect()
        }
        (AssignmentTarget::Tuple(_), ast::Expr::Tuple(_)) => {
            Err(Error::new(ErrorKind::Syntax, "number of columns does not match number of values"))
        }
        (AssignmentTarget::Tuple(_), _) => {
            Err(Error::not_supported("UPDATE ... SET (columns) = (subquery) is not supported yet"))
        }
    }
}

fn column<'a>(table: &'a TableDefinition, name: &ObjectName) -> Result<&'a ColumnDefinition> {
    let name = name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
    table.column(&name)
>>>>>>> 7347ebf (sql, catalog: constraints, ALTER TABLE, views, schemas and sequences)
}
