//! Small helpers around DataFusion's record batch streams and errors.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::TryStreamExt;

use crate::error::{Error, Result};

/// Runs a plan of the engine's own, outside any session.
pub(crate) fn execute(plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream> {
    execute_stream(plan, Arc::new(TaskContext::default())).map_err(error)
}

/// The next batch that has rows.
pub(crate) async fn next(stream: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>> {
    while let Some(batch) = stream.try_next().await.map_err(error)? {
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// A stream with columns picked and repeated.
pub(crate) fn project(rows: SendableRecordBatchStream, positions: Vec<usize>) -> Result<SendableRecordBatchStream> {
    let schema = rows.schema().project(&positions).map_err(|error| Error::internal(error.to_string()))?;
    let picked = rows.and_then(move |batch| std::future::ready(batch.project(&positions).map_err(Into::into)));
    Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::new(schema), picked)))
}

/// Finds our own error inside DataFusion's; anything else is a bug or a failed read, told without its wrapping.
pub fn error(error: DataFusionError) -> Error {
    find(&error).cloned().unwrap_or_else(|| Error::internal(error.strip_backtrace()))
}

/// Our own error inside a chain of DataFusion's, Arrow's and boxed errors.
pub fn find(error: &DataFusionError) -> Option<&Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(own) = current.downcast_ref::<Error>() {
            return Some(own);
        }
        cause = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            Some(DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            Some(_) => None,
            None => match current.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => current.source(),
            },
        };
    }
    None
}
