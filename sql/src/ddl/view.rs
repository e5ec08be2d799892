//! CREATE VIEW, and what a view takes down about its query.

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{self, CreateTableOptions, CreateView, ObjectName};
use slipstream_engine::catalog::{Catalog, CatalogEdit, Relation, ViewDefinition, ViewRelation};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::names::{Place, already_exists, check_free, check_schema, is_taken, place};
use crate::dml::normalize;
use crate::error::from_datafusion;
use crate::graph::algorithm;
use crate::pgq::graph_table::conditions;
use crate::planner::views::{named_columns, parts};
use crate::planner::{Planning, binding, parameters, refused};
use crate::prepare::rewritten;

/// CREATE VIEW.
pub(super) async fn create_view(planning: &Planning<'_>, create: &CreateView) -> Result<Definition> {
    check_clauses(create)?;
    let place = place(planning, &create.name)?;
    let catalog = &planning.view.snapshot.catalog;
    let known = match catalog.get_relation(&place.schema, &place.name) {
        Some(Relation::View(view)) if create.or_replace => Some(view),
        Some(_) if create.or_replace => {
            return Err(Error::new(ErrorKind::WrongObjectType, format!("\"{}\" is not a view", place.name)));
        }
        Some(_) if create.if_not_exists => {
            let notice = format!("relation \"{}\" already exists, skipping", place.name);
            return Ok(Definition::passed_over("CREATE VIEW", notice));
        }
        Some(_) => return Err(already_exists(&place.name)),
        None if is_taken(catalog, &place) => return Err(already_exists(&place.name)),
        None => None,
    };
    let mut view = define(planning, create, place).await?;
    let Some(known) = known else {
        return Ok(Definition::new("CREATE VIEW", vec![CatalogEdit::CreateView(view)]));
    };
    check_replacement(&known, &view)?;
    view.oid = known.oid;
    if reaches(catalog, &view.depends_on, known.oid) {
        let message = format!("view \"{}\" would read itself", view.name);
        return Err(Error::new(ErrorKind::InvalidTableDefinition, message));
    }
    Ok(Definition::new("CREATE VIEW", vec![CatalogEdit::ReplaceView(view)]))
}

async fn define(planning: &Planning<'_>, create: &CreateView, place: Place) -> Result<ViewDefinition> {
    let written = ast::Statement::Query(create.query.clone());
    let mut statement = written.clone();
    conditions::push(&mut statement, &planning.view.snapshot.catalog, &planning.engine.session)?;
    let statement = rewritten(&statement);
    refused::check(&statement)?;
    let plan = planning.statement(&statement).await?.plan;
    if !binding::writing(&plan).map_err(from_datafusion)?.is_empty() {
        return Err(Error::not_supported("views must not contain Cypher that writes"));
    }
    let mut types = Vec::new();
    parameters::infer(&plan, &mut types)?;
    if !types.is_empty() || !planning.seen.take().is_empty() {
        return Err(Error::new(ErrorKind::UndefinedParameter, "there is no parameter $1")
            .with_detail("A view has no parameters."));
    }
    // What types the columns have is known after type coercion only.
    let analyzed = planning.analyze(plan.clone())?;
    let mut graphs = planning.tables.graphs_of(&statement);
    graphs.extend(algorithm::graphs(&statement));
    graphs.sort();
    graphs.dedup();
    let mut relations = relations(planning, &statement, &plan)?;
    let depends_on: Vec<u32> = relations.iter().map(|relation| relation.oid).collect();
    relations.retain(|relation| !relation.columns.is_empty());
    let catalog = &planning.view.snapshot.catalog;
    let graphs = graphs.iter().filter_map(|name| catalog.graphs.get(name)).map(|graph| graph.oid);
    Ok(ViewDefinition {
        oid: catalog.reserve_oid(),
        schema: place.schema,
        name: place.name,
        columns: columns(create, &written, &plan, &analyzed)?,
        query: create.query.to_string(),
        search_path: planning.tables.path().schemas().to_vec(),
        depends_on: depends_on.into_iter().chain(graphs).collect(),
        relations,
    })
}

/// Names and types of the view's columns.
fn columns(
    create: &CreateView,
    written: &ast::Statement,
    plan: &LogicalPlan,
    analyzed: &LogicalPlan,
) -> Result<Vec<(String, SqlType)>> {
    let names = named_columns(written, plan)?;
    if create.columns.len() > names.len() {
        return Err(Error::new(ErrorKind::Syntax, "CREATE VIEW specifies more column names than columns"));
    }
    let mut columns: Vec<(String, SqlType)> = Vec::with_capacity(names.len());
    for (position, (name, _)) in names.into_iter().enumerate() {
        let name = create.columns.get(position).map_or(name, |column| normalize(&column.name));
        if columns.iter().any(|(known, _)| *known == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(ErrorKind::DuplicateColumn, message));
        }
        let field = analyzed.schema().field(position);
        // Text that nothing gives a type is text, as in Postgres.
        let sql_type = match SqlType::of_field(field) {
            Some(sql_type) => sql_type,
            None if field.data_type().is_null() => SqlType::Text,
            None => return Err(Error::not_supported(format!("column \"{name}\" has no SQL type"))),
        };
        columns.push((name, sql_type));
    }
    Ok(columns)
}

/// What the names of a query mean.
fn relations(planning: &Planning<'_>, statement: &ast::Statement, plan: &LogicalPlan) -> Result<Vec<ViewRelation>> {
    let named = named_in_plan(plan)?;
    let mut relations = Vec::new();
    for reference in planning.references(statement)? {
        let Some(relation) = relation(planning, &reference) else { continue };
        let columns: Vec<String> = match &relation {
            Relation::Table(table) => table.columns.iter().map(|column| column.name.clone()).collect(),
            Relation::View(view) => view.columns.iter().map(|(name, _)| name.clone()).collect(),
            Relation::Sequence(_) => ["last_value", "log_cnt", "is_called"].map(str::to_string).to_vec(),
            Relation::Graph(_) => continue,
        };
        let used = columns.iter().filter(|column| named.contains(*column)).cloned().collect();
        relations.push(ViewRelation { name: parts(&reference), oid: relation.oid(), columns, used });
    }
    Ok(relations)
}

/// The user's relation that a reference means, unless the server's own come first.
fn relation(planning: &Planning<'_>, reference: &TableReference) -> Option<Relation> {
    use slipstream_catalog::{pg_catalog, search_path::is_system_schema};
    let catalog = &planning.view.snapshot.catalog;
    let name = reference.table();
    if let Some(schema) = reference.schema() {
        return catalog.get_relation(schema, name);
    }
    for schema in planning.tables.path().searched() {
        if schema == pg_catalog::NAME && pg_catalog::contains(name) {
            return None;
        }
        if !is_system_schema(schema)
            && let Some(relation) = catalog.get_relation(schema, name)
        {
            return Some(relation);
        }
    }
    None
}

/// The names of all columns that a plan speaks of, anywhere.
fn named_in_plan(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = expr {
                    names.insert(column.name.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(from_datafusion)?;
    Ok(names)
}

/// CREATE OR REPLACE VIEW may add columns and change nothing about those that there are.
fn check_replacement(known: &ViewDefinition, view: &ViewDefinition) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidTableDefinition, message));
    if view.columns.len() < known.columns.len() {
        return invalid("cannot drop columns from view".to_string());
    }
    for ((old, old_type), (new, new_type)) in known.columns.iter().zip(&view.columns) {
        if old != new {
            return Err(Error::new(
                ErrorKind::InvalidTableDefinition,
                format!("cannot change name of view column \"{old}\" to \"{new}\""),
            )
            .with_hint("Drop the view and make it again."));
        }
        if old_type != new_type {
            return invalid(format!("cannot change data type of view column \"{old}\" from {old_type} to {new_type}"));
        }
    }
    Ok(())
}

/// Whether something that `from` names reads the view `to`.
fn reaches(catalog: &Catalog, from: &[u32], to: u32) -> bool {
    from.iter()
        .any(|oid| *oid == to || catalog.views.get(oid).is_some_and(|view| reaches(catalog, &view.depends_on, to)))
}

fn check_clauses(create: &CreateView) -> Result<()> {
    let refused = [
        (create.materialized, "CREATE MATERIALIZED VIEW"),
        (create.temporary, "CREATE TEMPORARY VIEW"),
        (create.options != CreateTableOptions::None, "WITH (...) of a view"),
        (
            create.or_alter || create.secure || create.copy_grants || create.with_no_schema_binding,
            "this form of CREATE VIEW",
        ),
        (!create.cluster_by.is_empty() || create.comment.is_some() || create.to.is_some(), "this form of CREATE VIEW"),
        (create.params.is_some(), "this form of CREATE VIEW"),
        (create.columns.iter().any(|c| c.data_type.is_some() || c.options.is_some()), "a typed column of a view"),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported yet"))),
        None => Ok(()),
    }
}

/// ALTER VIEW ... RENAME TO, SET SCHEMA.
pub(super) fn move_view(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
    schema: Option<&str>,
    new_name: Option<&str>,
) -> Result<Definition> {
    let (_, bare) = planning.tables.split(name)?;
    let view = match planning.tables.relation(name)? {
        Some(Relation::View(view)) => view,
        Some(_) => return Err(Error::new(ErrorKind::WrongObjectType, format!("\"{bare}\" is not a view"))),
        None if if_exists => {
            let notice = format!("relation \"{bare}\" does not exist, skipping");
            return Ok(Definition::passed_over("ALTER VIEW", notice));
        }
        None => {
            return Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{bare}\" does not exist")));
        }
    };
    let catalog = &planning.view.snapshot.catalog;
    let schema = schema.unwrap_or(&view.schema).to_string();
    let place = Place { schema, name: new_name.unwrap_or(&view.name).to_string() };
    check_schema(catalog, &place.schema)?;
    check_free(catalog, &place)?;
    let moved = ViewDefinition { schema: place.schema, name: place.name, ..view.as_ref().clone() };
    Ok(Definition::new("ALTER VIEW", vec![CatalogEdit::ReplaceView(moved)]))
}
