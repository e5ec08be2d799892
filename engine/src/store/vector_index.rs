//! Searching a vector index of a table version.
//!
//! What it gives are candidates: rows among which the nearest are, though an approximate index may miss some. Distances in
//! an index are those of its codes, so whoever asks measures again and sorts. Rows that no data covers are measured one by
//! one and merged by Lance, and rows that have gone since are left out.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::UInt64Type;
use futures::TryStreamExt;
use lance::dataset::scanner::RowAddrMask;
use lance_core::ROW_ID;
use lance_core::datatypes::format_field_path;

use super::index_recipe::distance_type;
use super::layout::stored_elements;
use super::row_mask::tree_map;
use super::table::TableVersion;
use crate::addresses::AddressSet;
use crate::catalog::{IndexDefinition, IndexMethod};
use crate::error::{Error, Result};

/// How hard a search tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SearchEffort {
    /// Candidates that the search of a graph of neighbours keeps, at least.
    pub ef_search: usize,
    /// Clusters that are searched, at least; `None` for as many as the data asks for.
    pub probes: Option<usize>,
}

impl Default for SearchEffort {
    /// As pgvector has it, but that a few more clusters than one are searched.
    fn default() -> Self {
        SearchEffort { ef_search: 40, probes: None }
    }
}

/// What is searched for.
#[derive(Debug)]
pub struct NearestRequest<'a> {
    /// The index.
    pub index: &'a IndexDefinition,
    /// The elements of the vector, in the Arrow type that those of the column have in plans.
    pub query: &'a ArrayRef,
    /// How many of the nearest are wanted.
    pub count: usize,
    /// The rows that are looked at; all where there is none.
    pub among: Option<&'a AddressSet>,
    /// How hard it tries.
    pub effort: SearchEffort,
}

/// Candidates for each row that is wanted: codes that say less of a vector need more.
fn oversampling(method: IndexMethod) -> usize {
    match method {
        IndexMethod::Ivfflat => 1,
        IndexMethod::Hnsw | IndexMethod::IvfHnswSq => 2,
        IndexMethod::IvfRq => 4,
        _ => 10,
    }
}

/// Candidates at the least.
const FEWEST_CANDIDATES: usize = 20;

impl TableVersion {
    /// Addresses of rows among which the nearest are; the closer first, as far as the index knows. They are at least as many
    /// as are wanted, if it finds so many. `None` where the index has no data at this version.
    pub async fn nearest(&self, request: &NearestRequest<'_>) -> Result<Option<Vec<u64>>> {
        let NearestRequest { index, query, count, among, effort } = request;
        let pieces = self.pieces(index).await?;
        let (Some(column), Some(distance)) = (index.plain_column(), index.metric().and_then(distance_type)) else {
            return Ok(None);
        };
        let pieces: Vec<_> = pieces.iter().filter(|piece| self.is_over_rows(piece)).map(|piece| piece.uuid).collect();
        if pieces.is_empty() {
            return Ok(None);
        }
        let candidates = (count * oversampling(index.method)).max(FEWEST_CANDIDATES);
        let wrap = |error: lance::Error| self.failed("search an index of", &error);
        let mut scanner = self.dataset.scan();
        scanner.prefilter(true).with_fragments(self.dataset.manifest().fragments.as_ref().clone());
        let column = format_field_path(&[column]);
        let query = stored_elements(query);
        scanner.nearest(&column, query.as_ref(), candidates).map_err(wrap)?;
        scanner.distance_metric(distance).ef(effort.ef_search.max(candidates));
        scanner.with_index_segments(pieces).map_err(wrap)?;
        if let Some(probes) = effort.probes {
            scanner.minimum_nprobes(probes);
        }
        if let Some(among) = among {
            scanner.with_row_id_prefilter(RowAddrMask::from_allowed(tree_map(among)));
        }
        scanner.empty_project().map_err(wrap)?;
        scanner.with_row_id().disable_scoring_autoprojection();
        let batches: Vec<_> = scanner.try_into_stream().await.map_err(wrap)?.try_collect().await.map_err(wrap)?;
        let mut found = Vec::with_capacity(candidates);
        for batch in &batches {
            let addresses =
                batch.column_by_name(ROW_ID).ok_or_else(|| Error::internal("a search gives no addresses"))?;
            found.extend_from_slice(addresses.as_primitive::<UInt64Type>().values());
        }
        Ok(Some(found))
    }
}
