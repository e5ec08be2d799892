//! Statements that have no plan: DDL, COPY FROM, and those about the session itself.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{self, CopySource, DiscardObject, ObjectType, Reset};
use futures::FutureExt;
use slipstream_catalog::pg_catalog::session_info::SettingsSource;
use slipstream_engine::catalog::CatalogEdit;
use slipstream_engine::change::Changes;
use slipstream_engine::index_builds::Builder;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};

use crate::attempts::Attempts;
use crate::copy_command::{self, CopyIn, Filling};
use crate::ddl;
use crate::dml;
use crate::dml::checks::{self, Checks};
use crate::dml::generated::Completion;
use crate::error::{from_arrow, from_datafusion};
use crate::execute::one_batch;
use crate::extension;
use crate::graph::age;
use crate::interrupt::Interrupt;
use crate::named::{self, Execute};
use crate::session::{Execution, Inner};
use crate::settings;
use crate::statement::{Command, Statement};
use crate::time_travel;
use crate::transaction;

/// Carries out a statement that has no plan.
pub(crate) async fn utility(session: &Arc<Inner>, statement: &Statement, interrupt: Interrupt) -> Result<Execution> {
    if let Some(what) = ddl::command_name(statement.command()) {
        session.check_writable(what)?;
        return define(session, statement).boxed().await;
    }
    match statement.command() {
        Command::Empty => Ok(Execution::Empty),
        Command::Transaction(command) => transaction::run(session, command).await,
        Command::Definition(definition) => match &**definition {
            ddl::Statement::Reindex { target, concurrently } => {
                session.check_writable("REINDEX")?;
                reindex(session, statement, target, *concurrently).await
            }
            definition if ddl::is_upkeep(definition) => upkeep(session, definition).await,
            other => Err(Error::internal(format!("{other:?} was not carried out"))),
        },
        Command::Cursor(_) => Err(Error::internal("cursors have parameters, and are not utilities")),
        Command::Prepare(prepare) => prepare.run(session).await,
        Command::Sql(sql) => match &**sql {
            ast::Statement::Execute { .. } => match Execute::of(sql) {
                Some(execute) => execute.run(session, statement, interrupt).await,
                None => Err(ddl::refused(sql)),
            },
            ast::Statement::Explain { statement: inner, .. } => match Execute::of(inner) {
                Some(execute) => execute.explain(session, statement, sql, interrupt).await,
                None => Err(ddl::refused(inner)),
            },
            ast::Statement::CreateExtension(create) => extension::create(session, create),
            ast::Statement::DropExtension(drop) => extension::drop(session, drop).await,
            ast::Statement::Load { extension_name } if age::is_library(extension_name) => {
                Ok(Execution::Done("LOAD".to_string()))
            }
            ast::Statement::Truncate(truncate) => {
                session.check_writable("TRUNCATE TABLE")?;
                truncate_tables(session, statement, truncate).await
            }
            ast::Statement::Copy { source, to: false, target, options, legacy_options, .. } => {
                let options = copy_command::options(target, options, legacy_options)?;
                copy_in(session, statement, source, options, interrupt).await.map(Execution::CopyIn)
            }
            ast::Statement::Call(call) => time_travel::procedures::call(session, statement, call).await,
            sql => {
                check_as_of(session, sql).await?;
                session_statement(session, sql)
            }
        },
        other => Err(Error::internal(format!("{other:?} was not carried out"))),
    }
}

/// Carries out DDL; again, when the catalog has changed in between.
async fn define(session: &Arc<Inner>, statement: &Statement) -> Result<Execution> {
    let engine = session.engine()?;
    let mut attempts = Attempts::new(session);
    loop {
        let view = session.view(&[]).await?;
        let ground = session.ground(Arc::clone(&engine), &view);
        let definition = ddl::definition(&ground.planning(statement, &[]), statement.command()).await?;
        if let Some(what) = definition.alone {
            session.transaction().lock().check_alone(what)?;
        }
        if !definition.restarts.is_empty() && session.in_block() {
            return Err(Error::not_supported("RESTART of a sequence inside a transaction block is not supported yet")
                .with_hint("It could not be undone. setval() is not undone either, and says so."));
        }
        match finish_definition(session, &view, definition.changes).await {
            Err(error) if attempts.again(&error).await => {}
            Err(error) => return Err(error),
            Ok(()) => {
                for (sequence, value) in definition.restarts {
                    session.database().set_value(&sequence, value, false).await?;
                }
                session.notice(definition.notices);
                return Ok(Execution::Done(definition.tag.to_string()));
            }
        }
    }
}

/// Where the edits of a definition go. An index that is made by itself is built first; until its commit that can be cancelled.
async fn finish_definition(session: &Arc<Inner>, view: &ReadView, changes: Changes) -> Result<()> {
    let makes_index = changes.catalog.iter().any(|edit| matches!(edit, CatalogEdit::CreateIndex { .. }));
    if !makes_index || session.in_block() {
        return session.finish_write(view, changes).await;
    }
    let database = session.database();
    let builder = Builder { pid: session.process_id(), command: "CREATE INDEX" };
    let built = database.build_indexes(view, &changes.catalog, builder).await?;
    session.uninterrupted(database.commit_indexes(view, changes.catalog, built)).await.map(drop)
}

/// Commits a TRUNCATE; again, when somebody else was first.
async fn truncate_tables(session: &Arc<Inner>, statement: &Statement, truncate: &ast::Truncate) -> Result<Execution> {
    let engine = session.engine()?;
    let mut attempts = Attempts::new(session);
    loop {
        let view = session.view(&[]).await?;
        let truncation = {
            let ground = session.ground(Arc::clone(&engine), &view);
            dml::truncate(&ground.planning(statement, &[]), truncate)?
        };
        if !truncation.restarted.is_empty() && session.in_block() {
            return Err(Error::not_supported("TRUNCATE ... RESTART IDENTITY cannot run inside a transaction block")
                .with_detail("A sequence that is set stays set, whatever becomes of the transaction."));
        }
        match session.finish_write(&view, truncation.changes).await {
            Err(error) if attempts.again(&error).await => {}
            Err(error) => return Err(error),
            Ok(()) => {
                for sequence in &truncation.restarted {
                    session.database().set_value(sequence, sequence.start, false).await?;
                }
                session.notice(truncation.notices);
                return Ok(Execution::Done("TRUNCATE TABLE".to_string()));
            }
        }
    }
}

/// Builds indexes anew. What they hold is no part of any transaction, so a block sees it when it is over.
async fn reindex(
    session: &Arc<Inner>,
    statement: &Statement,
    target: &ddl::ReindexTarget,
    concurrently: bool,
) -> Result<Execution> {
    let many = matches!(target, ddl::ReindexTarget::Schema(_) | ddl::ReindexTarget::Database);
    if concurrently || many {
        let what = if concurrently { "REINDEX CONCURRENTLY" } else { "REINDEX SCHEMA" };
        session.transaction().lock().check_alone(what)?;
    }
    let engine = session.engine()?;
    let view = session.view(&[]).await?;
    let ground = session.ground(engine, &view);
    let indexes = ddl::to_reindex(&ground.planning(statement, &[]), target)?;
    let builder = Builder { pid: session.process_id(), command: "REINDEX" };
    for (table, index) in indexes {
        session.database().reindex(table, index, builder).await?;
    }
    Ok(Execution::Done("REINDEX".to_string()))
}

/// VACUUM and ANALYZE: the store keeps itself in order, so there is nothing to do but to look whether the tables are there.
async fn upkeep(session: &Arc<Inner>, statement: &ddl::Statement) -> Result<Execution> {
    if matches!(statement, ddl::Statement::Vacuum(_)) {
        session.transaction().lock().check_alone("VACUUM")?;
    }
    let view = session.view(&[]).await?;
    ddl::upkeep(&session.tables(&view), statement).map(|tag| Execution::Done(tag.to_string()))
}

async fn copy_in(
    session: &Arc<Inner>,
    statement: &Statement,
    source: &CopySource,
    options: crate::copy::CopyOptions,
    interrupt: Interrupt,
) -> Result<CopyIn> {
    session.check_writable("COPY FROM")?;
    let CopySource::Table { table_name, columns } = source else {
        return Err(Error::new(ErrorKind::Syntax, "COPY FROM takes the name of a table"));
    };
    let engine = session.engine()?;
    let view = session.view(&[]).await?;
    let ground = session.ground(Arc::clone(&engine), &view);
    let planning = ground.planning(statement, &[]);
    let table = planning.tables.written(table_name)?;
    let positions = copy_command::positions(&table, columns)?;
    let schema = DFSchema::empty();
    let checks = Checks::new(&table, &checks::plan(&planning, &table)?, &engine.session)?;
    let defaults = dml::defaults(&planning, &table)?
        .into_iter()
        .map(|default| engine.session.create_physical_expr(default, &schema).map_err(from_datafusion))
        .collect::<Result<Vec<_>>>()?;
    let filling = Filling::new(&positions, defaults);
    let completion = Completion::of(&planning, &engine, &table)?;
    Ok(CopyIn::new(session, &view, checks, &positions, options, (filling, completion), interrupt))
}

/// Refuses `SET slipstream.as_of` to a version that is not there.
async fn check_as_of(session: &Arc<Inner>, statement: &ast::Statement) -> Result<()> {
    let ast::Statement::Set(set) = statement else { return Ok(()) };
    for command in settings::set(set)? {
        if let (true, Some(value)) = (command.name.eq_ignore_ascii_case(time_travel::SETTING), &command.value)
            && !value.is_empty()
        {
            session.view_of_setting(value).await?;
        }
    }
    Ok(())
}

/// Statements about the session itself.
fn session_statement(session: &Arc<Inner>, statement: &ast::Statement) -> Result<Execution> {
    let done = |tag: &str| Ok(Execution::Done(tag.to_string()));
    match statement {
        ast::Statement::Set(set) => {
            let commands = settings::set(set)?;
            if commands.iter().any(|command| command.local) {
                session.warn_outside_block("SET LOCAL");
            }
            settings::apply(session.settings(), &commands)?;
            done("SET")
        }
        ast::Statement::Reset(reset) => {
            let name = match &reset.reset {
                Reset::ALL => None,
                Reset::ConfigurationParameter(name) => Some(name),
            };
            settings::reset(session.settings(), name)?;
            done("RESET")
        }
        ast::Statement::ShowVariable { variable } => show(session, variable),
        ast::Statement::Discard { object_type: DiscardObject::ALL } => {
            session.transaction().lock().check_alone("DISCARD ALL")?;
            session.cursors().close_all();
            session.statements().clear();
            session.settings().reset_all();
            session.plans().clear();
            session.given().clear();
            done("DISCARD ALL")
        }
        ast::Statement::Discard { object_type: DiscardObject::PLANS } => {
            session.plans().clear();
            done("DISCARD PLANS")
        }
        ast::Statement::Discard { object_type: DiscardObject::SEQUENCES } => {
            session.given().clear();
            done("DISCARD SEQUENCES")
        }
        // Nothing has been listened to. Connection pools say this when they take a connection back.
        ast::Statement::UNLISTEN { .. } => done("UNLISTEN"),
        ast::Statement::Discard { object_type: DiscardObject::TEMP } => done("DISCARD TEMP"),
        ast::Statement::Deallocate { name, .. } => named::deallocate(session, name),
        other => Err(refused(session, other)),
    }
}

/// The error for a statement that nothing takes. One that could not be undone is refused in a block before anything else.
fn refused(session: &Inner, statement: &ast::Statement) -> Error {
    let alone = match statement {
        ast::Statement::CreateDatabase { .. } => "CREATE DATABASE",
        ast::Statement::Drop { object_type: ObjectType::Database, .. } => "DROP DATABASE",
        ast::Statement::CreateIndex(create) if create.concurrently => "CREATE INDEX CONCURRENTLY",
        ast::Statement::Vacuum(_) => "VACUUM",
        _ => return ddl::refused(statement),
    };
    let alone = session.transaction().lock().check_alone(alone);
    alone.err().unwrap_or_else(|| ddl::refused(statement))
}

fn show(session: &Inner, variable: &[ast::Ident]) -> Result<Execution> {
    let columns: Vec<(String, Vec<String>)> = match settings::show_name(variable) {
        Some(name) => {
            let value = session.settings().show(&name)?;
            vec![(name.to_lowercase(), vec![value])]
        }
        None => {
            let all = session.settings().all();
            vec![
                ("name".to_string(), all.iter().map(|setting| setting.name.clone()).collect()),
                ("setting".to_string(), all.iter().map(|setting| setting.value.clone()).collect()),
                ("description".to_string(), all.iter().map(|setting| setting.description.clone()).collect()),
            ]
        }
    };
    let fields = columns.iter().map(|(name, _)| slipstream_engine::types::SqlType::Text.field(name, true));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, values)| Arc::new(StringArray::from(values)) as _).collect();
    Ok(one_batch(RecordBatch::try_new(schema, arrays).map_err(from_arrow)?, "SHOW"))
}
