//! Who answers a graph pattern for the rows beside it ([`super::lateral`]): the index for many at once, where it may be asked so, and
//! else for one after the other.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::scalar::ScalarValue;
use slipstream_catalog::apply::{Answer, Many};
use slipstream_engine::catalog::TableId;
use slipstream_engine::{Error, Result};

use super::join::ElementTable;
use super::route::Route;
use super::table::CypherTable;
use crate::error::from_datafusion;
use crate::planner::state::Engine;

/// A pattern, bound to what the statement reads.
pub(crate) struct PatternAnswer {
    pub(crate) table: Arc<CypherTable>,
    pub(crate) route: Route,
    pub(crate) elements: HashMap<TableId, ElementTable>,
    pub(crate) engine: Arc<Engine>,
    /// What `now()` means.
    pub(crate) now: DateTime<Utc>,
}

impl fmt::Debug for PatternAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PatternAnswer({})", self.table.explain(&self.route))
    }
}

#[async_trait]
impl Answer for PatternAnswer {
    async fn answer(&self, argument: ScalarValue) -> Result<SendableRecordBatchStream> {
        let values = [argument];
        let physical = match &self.route {
            Route::Index(reader) => {
                let scan = self.table.index_scan(Arc::clone(reader), &values)?;
                scan.plan(None).map_err(from_datafusion)?
            }
            Route::Prefix(_) | Route::Joins(_) => {
                let functions = &self.engine.session;
                let plan = match &self.route {
                    Route::Prefix(reader) => {
                        self.table.begun_by_index_over(Arc::clone(reader), &self.elements, functions, &values)?
                    }
                    Route::Index(_) | Route::Joins(_) => self.table.joins_over(&self.elements, functions, &values)?,
                };
                let plan = self.engine.optimize(plan, self.now).map_err(from_datafusion)?;
                self.engine.physical(&plan).await?
            }
        };
        execute_stream(physical, Arc::clone(&self.engine.task)).map_err(from_datafusion)
    }

    fn many(&self) -> Option<Many> {
        match (&self.route, &self.table.batch) {
            (Route::Index(_), Some(batch)) => Some(Many { asks_again: batch.asks_again }),
            (Route::Index(_) | Route::Prefix(_) | Route::Joins(_), _) => None,
        }
    }

    async fn answer_many(&self, arguments: &ArrayRef) -> Result<SendableRecordBatchStream> {
        let (Route::Index(reader), Some(batch)) = (&self.route, &self.table.batch) else {
            return Err(Error::internal("a pattern that is asked for many rows, and answers one"));
        };
        let arguments = (0..arguments.len()).map(|row| ScalarValue::try_from_array(arguments, row));
        let arguments = arguments.collect::<Result<Vec<_>, _>>().map_err(from_datafusion)?;
        let scan = self.table.batch_scan(batch, Arc::clone(reader), &arguments)?;
        let physical = scan.plan(None).map_err(from_datafusion)?;
        execute_stream(physical, Arc::clone(&self.engine.task)).map_err(from_datafusion)
    }
}
