//! The versions that a statement names, looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::DateTime;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast::{self, ObjectNamePart, TableFactor, Visit, Visitor};
use slipstream_engine::{Error, ErrorKind, ReadView, Result, Version};

use super::diff;
use super::key::Key;
use crate::error::from_datafusion;
use crate::functions::at_statement;
use crate::graph::graph_table;
use crate::session::Inner;
use crate::statement::{self, Statement};

/// The versions that a statement names, by the database that stands for each.
pub(crate) type Versions = BTreeMap<String, ReadView>;

/// The databases of versions that a statement names.
pub(crate) fn keys(statement: &ast::Statement) -> BTreeSet<String> {
    struct Keys(BTreeSet<String>);
    impl Visitor for Keys {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, .. } = factor
                && let [ObjectNamePart::Identifier(database), _, ..] = name.0.as_slice()
            {
                let sides = diff::sides(&database.value).map(|(from, to)| [Some(from), to]);
                let named = sides.unwrap_or([Some(database.value.as_str()), None]).into_iter().flatten();
                self.0.extend(named.filter(|database| Key::of_database(database).is_some()).map(str::to_string));
            }
            self.0.extend(graph_table::version_of(factor));
            ControlFlow::Continue(())
        }
    }
    let mut keys = Keys(BTreeSet::new());
    let _ = statement.visit(&mut keys);
    keys.0
}

impl Inner {
    /// Looks up the versions that a statement names. `view` is what it reads besides.
    pub(crate) async fn versions(&self, statement: &Statement, view: &ReadView) -> Result<Versions> {
        let mut versions = Versions::new();
        for database in statement.versions() {
            let key = Key::of_database(database).ok_or_else(|| Error::internal("a version that is none"))?;
            let version = version_of(self, statement, view, &key).await?;
            versions.insert(database.clone(), self.database().view_at(&version).await?);
        }
        Ok(versions)
    }
}

/// The version that a key asks for.
pub(crate) async fn version_of(session: &Inner, statement: &Statement, view: &ReadView, key: &Key) -> Result<Version> {
    let text = match key {
        Key::Version(version) => return Ok(version.clone()),
        Key::Time(text) => text,
    };
    let value = constant(session, statement, view, &format!("CAST({text} AS TIMESTAMPTZ)")).await?;
    let times = value.as_primitive_opt::<TimestampMicrosecondType>();
    let time = times.and_then(|times| times.iter().next().flatten()).and_then(DateTime::from_timestamp_micros);
    let missing = || Error::new(ErrorKind::InvalidParameter, format!("there is no version at the time {text}"));
    time.map(Version::Time).ok_or_else(missing)
}

/// The value of an expression that names nothing but functions.
pub(super) async fn constant(session: &Inner, statement: &Statement, view: &ReadView, text: &str) -> Result<ArrayRef> {
    let engine = session.engine()?;
    let ground = session.ground(Arc::clone(&engine), view);
    let expression = statement::parse_expression(text)?;
    let expression = ground.planning(statement, &[]).constant(expression)?;
    let plan = LogicalPlanBuilder::empty(true).project([expression]).and_then(LogicalPlanBuilder::build);
    let plan = plan.and_then(|plan| at_statement(plan, session.statement_started()));
    let plan = plan.and_then(|plan| engine.optimize(plan, session.now())).map_err(from_datafusion)?;
    let rows = collect(engine.physical(&plan).await?, Arc::clone(&engine.task)).await.map_err(from_datafusion)?;
    let value = rows.iter().find(|batch| batch.num_rows() > 0).map(|batch| Arc::clone(batch.column(0)));
    value.ok_or_else(|| Error::internal("an expression has no value"))
}
