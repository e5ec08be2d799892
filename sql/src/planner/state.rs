//! DataFusion's session state: configuration, functions, rules and planners. It is the same for every session and is
//! built once; what differs between sessions is looked up elsewhere ([`super::names`]).

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::common::alias::AliasGenerator;
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use slipstream_catalog::expand::ExpandPlanner;
use slipstream_catalog::index_then_store::IndexThenStoreRule;
use slipstream_catalog::text_search::TextSearchRule;
use slipstream_catalog::vector_search::VectorSearchRule;
use slipstream_engine::Result;

use super::cooperation::MultipliersGiveWay;
use super::ordering::OrderBelowSubqueries;
use super::short_path::{only_scan, plan_of_scan};
use super::single_partition::BringTogether;
use crate::error::from_datafusion;
use crate::graph::lateral::ApplyPlanner;
use crate::operators::SeparateLists;
use crate::pg_rewrite::{self, ScalarSubqueries};
use crate::set_operations::CountCopies;
use crate::subqueries::{
    self, ConditionsBelowLateral, LateralLeftovers, LateralPlanner, LateralSubqueries, MarkSubqueries,
    ThreeValuedSubqueries,
};
use crate::{dml, functions, runtime};

/// Rows in a batch.
const BATCH_SIZE: usize = 8192;

/// The state, and what every execution derives from it.
pub(crate) struct Engine {
    pub(crate) session: SessionState,
    /// The same for plans that write: rows are dealt with in the order in which they come.
    writing: SessionState,
    pub(crate) task: Arc<TaskContext>,
}

static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();

impl Engine {
    /// The engine that all sessions share.
    pub(crate) fn shared() -> Result<Arc<Engine>> {
        if let Some(engine) = ENGINE.get() {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Self::build()?);
        Ok(Arc::clone(ENGINE.get_or_init(|| engine)))
    }

    /// The engine for sessions in a time zone.
    pub(crate) fn in_zone(zone: &str) -> Result<Arc<Engine>> {
        let shared = Self::shared()?;
        if shared.session.config_options().execution.time_zone.as_deref() == Some(zone) {
            return Ok(shared);
        }
        let mut session = shared.session.clone();
        session.config_mut().options_mut().execution.time_zone = Some(zone.to_string());
        Ok(Arc::new(Self::of(session)))
    }

    fn build() -> Result<Engine> {
        let mut rules = PhysicalOptimizer::new().rules;
        // It tells the columns of a join by their names, of which a plan has several alike, and so moves conditions to the wrong
        // side of an outer join. The logical rules have moved them already; what is moved after planning are filters that only
        // DataFusion's own files know of.
        rules.retain(|rule| rule.name() != "FilterPushdown");
        // Before the rules that distribute the plan.
        rules.insert(0, Arc::new(IndexThenStoreRule));
        rules.insert(0, Arc::new(TextSearchRule));
        rules.insert(0, Arc::new(VectorSearchRule));
        rules.insert(0, Arc::new(OrderBelowSubqueries));
        let sorting = rules.iter().position(|rule| rule.name() == "EnforceSorting").map_or(0, |at| at + 1);
        rules.insert(sorting, Arc::new(BringTogether));
        rules.push(Arc::new(MultipliersGiveWay));
        let builder = SessionStateBuilder::new()
            .with_config(config())
            .with_runtime_env(runtime::shared()?)
            .with_default_features()
            .with_physical_optimizer_rules(rules)
            .with_query_planner(Arc::new(Planner));
        let mut builder = functions::register(builder);
        if let Some(optimizer) = builder.optimizer() {
            answer_subqueries(&mut optimizer.rules);
        }
        let mut session = builder.build();
        for function in pg_rewrite::scalar_functions() {
            session.register_udf(function).map_err(from_datafusion)?;
        }
        for function in pg_rewrite::aggregate_functions() {
            session.register_udaf(function).map_err(from_datafusion)?;
        }
        session.add_analyzer_rule(Arc::new(LateralSubqueries));
        session.add_analyzer_rule(Arc::new(CountCopies));
        session.add_analyzer_rule(Arc::new(ThreeValuedSubqueries));
        session.add_analyzer_rule(Arc::new(ScalarSubqueries));
        session.add_analyzer_rule(Arc::new(LateralLeftovers));
        session.add_analyzer_rule(Arc::new(SeparateLists));
        Ok(Self::of(session))
    }

    fn of(mut session: SessionState) -> Engine {
        // Physical expressions take their configuration from here.
        session.mark_start_execution();
        let task = session.task_ctx();
        let mut writing = session.clone();
        writing.config_mut().options_mut().optimizer.enable_round_robin_repartition = false;
        Engine { session, writing, task }
    }

    /// Runs the analyzer and the optimizer. `now` is what `now()` means.
    pub(crate) fn optimize(&self, plan: LogicalPlan, now: DateTime<Utc>) -> DataFusionResult<LogicalPlan> {
        let analyzed = self.analyze(plan)?;
        let config = StatementConfig { session: &self.session, now, aliases: Arc::new(AliasGenerator::new()) };
        let optimized = self.session.optimizer().optimize(analyzed, &config, |_, _| {})?;
        subqueries::refuse(&optimized)?;
        Ok(optimized)
    }

    /// Runs the analyzer alone, which finds types that do not fit.
    pub(crate) fn analyze(&self, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
        self.session.analyzer().execute_and_check(plan, self.session.config_options(), |_, _| {})
    }

    /// The same for a plan whose rows have to stay in their order.
    pub(crate) async fn physical_in_order(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        self.writing.query_planner().create_physical_plan(plan, &self.writing).await.map_err(from_datafusion)
    }

    /// The physical plan of an optimized plan.
    pub(crate) async fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(scan) = only_scan(plan) {
            return plan_of_scan(scan, &self.session).await.map_err(from_datafusion);
        }
        let session = if dml::find_write(plan).is_some() { &self.writing } else { &self.session };
        session.query_planner().create_physical_plan(plan, session).await.map_err(from_datafusion)
    }
}

/// Puts our rule for subqueries before the one that joins for them in conditions, and that for subqueries that run for each
/// row behind the one that moves conditions down.
fn answer_subqueries(rules: &mut Vec<Arc<dyn OptimizerRule + Send + Sync>>) {
    let joins = rules.iter().position(|rule| rule.name() == "decorrelate_predicate_subquery").unwrap_or(0);
    rules.insert(joins, Arc::new(MarkSubqueries));
    let filters = rules.iter().position(|rule| rule.name() == "push_down_filter").map_or(rules.len(), |at| at + 1);
    rules.insert(filters, Arc::new(ConditionsBelowLateral));
}

fn config() -> SessionConfig {
    let config = SessionConfig::new()
        .with_batch_size(BATCH_SIZE)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema("postgres", "public");
    let mut config = functions::configure(config);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // The simplifier makes `NOT c` of `c <> true` and leaves the schema as it was, without the metadata of `c`.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.sql_parser.default_null_ordering = "nulls_max".to_string();
    config
}

/// What the optimizer may ask about the statement.
struct StatementConfig<'a> {
    session: &'a SessionState,
    now: DateTime<Utc>,
    aliases: Arc<AliasGenerator>,
}

impl OptimizerConfig for StatementConfig<'_> {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        Some(self.now)
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        &self.aliases
    }

    fn options(&self) -> Arc<ConfigOptions> {
        Arc::clone(self.session.config_options())
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.session)
    }
}

/// DataFusion's physical planner with the catalog's operators.
#[derive(Debug)]
struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &SessionState,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let operators: Vec<Arc<dyn ExtensionPlanner + Send + Sync>> =
            vec![Arc::new(dml::Operators), Arc::new(ExpandPlanner), Arc::new(ApplyPlanner), Arc::new(LateralPlanner)];
        let plan = subqueries::set_aside(plan.clone())?;
        DefaultPhysicalPlanner::with_extension_planners(operators).create_physical_plan(&plan, session).await
    }
}
