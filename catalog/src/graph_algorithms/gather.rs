//! A network out of the rows of its tables.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::error::Result as PlanResult;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use super::network::{NUMBER_BYTES, Network};

/// What an edge costs while it is gathered.
const EDGE_BYTES: usize = size_of::<(u32, u32)>();
/// What its weight costs.
const WEIGHT_BYTES: usize = size_of::<f64>();

/// Rows that become vertices: the name of their table, and one column, the key.
pub(super) type VertexRows = (String, SendableRecordBatchStream);
/// Rows that become edges: between which tables they are, and two columns, the keys of the ends, with a third one for the
/// weight, if there is one.
pub(super) type EdgeRows = ((usize, usize), SendableRecordBatchStream);

/// Gathers the network. Its memory is asked of `memory`, which says no with an error of its own.
pub(super) async fn gather(
    vertices: Vec<VertexRows>,
    edges: Vec<EdgeRows>,
    key_type: &DataType,
    memory: &MemoryReservation,
) -> PlanResult<Network> {
    let mut tables = Vec::new();
    for (name, mut rows) in vertices {
        let mut keys = Vec::new();
        while let Some(batch) = rows.next().await.transpose()? {
            let column = batch.column(0);
            // Once as it came, once in order, and once to be found by.
            memory.try_grow(3 * column.get_array_memory_size() + batch.num_rows() * NUMBER_BYTES)?;
            keys.push(Arc::clone(column));
        }
        tables.push((name, keys));
    }
    let mut network = Network::of(tables, key_type)?;
    for (tables, mut rows) in edges {
        while let Some(batch) = rows.next().await.transpose()? {
            let weights = (batch.num_columns() > 2).then(|| batch.column(2));
            let bytes = if weights.is_some() { EDGE_BYTES + WEIGHT_BYTES } else { EDGE_BYTES };
            memory.try_grow(batch.num_rows() * bytes)?;
            network.add(tables, (batch.column(0), batch.column(1)), weights)?;
        }
    }
    Ok(network)
}
