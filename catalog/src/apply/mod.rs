//! Apply: for each row of the input, the rows of an answer that depends on it.
//!
//! This is what LATERAL means where the answer is no plan that could be joined: a graph pattern with values of the row as its
//! parameters, or the first rows of a subquery. The input's order is kept.
//!
//! Who answers one argument at a time ([`Answer::answer`]) is asked for one row after the other, or for some rows at once, and what comes
//! back streams; memory is a batch of the input and one of each answer. Who answers many arguments at once ([`Answer::many`]) is asked for groups of rows
//! ([`group`]), as large as their answers allow, and those are in memory for as long as they are put beside their rows.

mod group;
mod operator;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use async_trait::async_trait;
use datafusion::error::Result as PlanResult;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use datafusion::scalar::ScalarValue;
use slipstream_engine::{Error, Result};

pub use operator::{Apply, ApplyExec};

/// Makes another plan of a plan.
pub type ChangePlan<'a> = dyn Fn(Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> + 'a;

/// Gives rows for the value of an argument.
#[async_trait]
pub trait Answer: Debug + Send + Sync {
    /// The rows; their columns are those that [`ApplyExec`] adds.
    async fn answer(&self, argument: ScalarValue) -> Result<SendableRecordBatchStream>;

    /// The plan that gives them, where it is the same for every row.
    fn plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        None
    }

    /// The same by changed plans; `None` where there are none.
    fn mapped(&self, _change: &ChangePlan<'_>) -> PlanResult<Option<Arc<dyn Answer>>> {
        Ok(None)
    }

    /// How it answers many arguments at once, if it does.
    fn many(&self) -> Option<Many> {
        None
    }

    /// The rows for many arguments, in any order but those for one of them in theirs. Behind their columns is one with the number
    /// of the argument, from 1, as a 64-bit integer.
    async fn answer_many(&self, arguments: &ArrayRef) -> Result<SendableRecordBatchStream> {
        Err(Error::internal(format!("{} arguments at once for who answers one", arguments.len())))
    }
}

/// How many arguments are answered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Many {
    /// Whether an argument for which nothing came back is asked again, alone.
    pub asks_again: bool,
}
