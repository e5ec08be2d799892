//! The rows with the highest scores.
//!
//! The index scores by the statistics of the whole table, so its order is that of the function that scores, but for the last
//! digits. Rows whose scores are as good as that of the last one that is wanted are candidates too, and the sort above them
//! decides, by whatever else it sorts.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use slipstream_engine::AddressSet;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::{BestRequest, ScanRequest, TableVersion, TextStatistics};
use slipstream_text_search::bm25::Corpus;
use slipstream_text_search::parts::Terms;

use super::wanted::WordColumn;
use crate::prefilter;

/// Scores that differ by less, relative to them, may be the same.
const TOLERANCE: f32 = 1e-4;
/// So few rows that satisfy the other conditions are scored all.
const FEW_ROWS: usize = 256;
/// Candidates at the least.
const FEWEST_CANDIDATES: usize = 32;

/// What is searched for.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) field: WordColumn,
    pub(super) terms: Terms,
    /// What scores are made of, as text; it is known when the plan runs only.
    pub(super) statistics: Arc<dyn PhysicalExpr>,
    /// How many rows are wanted.
    pub(super) count: usize,
    /// What else the rows must satisfy, over the request's columns.
    pub(super) conditions: Vec<Arc<dyn PhysicalExpr>>,
}

impl Best {
    /// Candidates: the rows with the highest scores, and those that nobody has scored. `None` where all have to be looked at.
    pub(super) async fn candidates(
        &self,
        table: &Arc<TableVersion>,
        request: &ScanRequest,
        context: &Arc<TaskContext>,
    ) -> PlanResult<Option<AddressSet>> {
        let Some(statistics) = self.statistics()? else { return Ok(None) };
        let (index, column) = (self.field.index.as_ref(), self.field.column.as_str());
        let Some(uncovered) = table.uncovered(index, column).await? else { return Ok(None) };
        let among = match request.filter.is_none() && self.conditions.is_empty() {
            true => None,
            false => {
                let state = TableState::of(Arc::clone(table));
                let rows = prefilter::addresses(&state, request, &self.conditions, context).await?;
                if rows.len() <= FEW_ROWS.max(self.count) {
                    return Ok(Some(rows.into_iter().collect()));
                }
                Some(rows.into_iter().collect::<AddressSet>())
            }
        };
        let mut count = self.count.saturating_mul(2).max(FEWEST_CANDIDATES);
        loop {
            let lexemes = &self.terms.lexemes;
            let (all, among) = (self.terms.all, among.as_ref());
            let request = BestRequest { index, column, lexemes, all, statistics: &statistics, among, count };
            let Some(found) = table.best_texts(&request).await? else { return Ok(None) };
            if is_enough(&found, self.count, count) {
                let found: AddressSet = sorted(found).into_iter().collect();
                return Ok(Some(found.or(&uncovered)));
            }
            count = count.saturating_mul(8);
        }
    }

    fn statistics(&self) -> PlanResult<Option<TextStatistics>> {
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let value = self.statistics.evaluate(&row)?.into_array(1)?;
        let Some(text) = value.as_string_opt::<i32>().map(|texts| texts.value(0)) else { return Ok(None) };
        let Ok(corpus) = text.parse::<Corpus>() else { return Ok(None) };
        let Some((texts, words)) = corpus.fields().first().copied() else { return Ok(None) };
        let having = (0..self.terms.lexemes.len()).map(|leaf| corpus.having(leaf, 0)).collect();
        Ok((texts > 0).then_some(TextStatistics { texts, words, having }))
    }
}

/// Whether the rows found, of at most `asked`, are all that can be among the first `wanted`.
fn is_enough(found: &[(u64, f32)], wanted: usize, asked: usize) -> bool {
    let (Some((_, last)), Some((_, needed))) = (found.last(), found.get(wanted - 1)) else { return true };
    found.len() < asked || *last < needed * (1.0 - TOLERANCE)
}

fn sorted(found: Vec<(u64, f32)>) -> Vec<u64> {
    let mut rows: Vec<u64> = found.into_iter().map(|(row, _)| row).collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_as_good_as_the_last_are_found() {
        let scores = |scores: &[f32]| scores.iter().map(|score| (0, *score)).collect::<Vec<_>>();
        assert!(is_enough(&scores(&[3.0, 2.0, 1.0]), 2, 3));
        assert!(!is_enough(&scores(&[3.0, 2.0, 2.0]), 2, 3));
        assert!(!is_enough(&scores(&[3.0, 2.0, 1.999_99]), 2, 3));
        assert!(is_enough(&scores(&[3.0, 2.0, 2.0]), 2, 4), "there are no more");
        assert!(is_enough(&scores(&[3.0]), 2, 4) && is_enough(&[], 2, 4));
    }
}
