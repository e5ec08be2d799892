//! Searching a text index of a table version.
//!
//! [`TableVersion::having`] gives candidates: all rows that can match are among them, and rows that do not match may be too.
//! So whoever asks decides about each, by the same functions as without an index, and the answer is the same; the index only
//! spares reading the others. Rows that no data covers are all candidates.
//!
//! [`TableVersion::text_statistics`] and [`TableVersion::best_texts`] are exact for the rows that data covers: rows that have
//! gone since do not count. What nothing covers ([`TableVersion::uncovered`]) has to be looked at.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use lance::dataset::scanner::RowAddrMask;
use lance::index::DatasetIndexInternalExt;
use lance_core::datatypes::format_field_path;
use lance_index::metrics::NoOpMetricsCollector;
use lance_index::prefilter::{NoFilter, PreFilter};
use lance_index::scalar::inverted::document_tokenizer::DocType;
use lance_index::scalar::inverted::query::{FtsSearchParams, Operator, Tokens};
use lance_index::scalar::inverted::{InvertedIndex, MemBM25Scorer};
use lance_index::scalar::{ScalarIndex, SearchResult, TextQuery};
use lance_table::format::IndexMetadata;
use roaring::RoaringBitmap;

use super::index_build::covered_fragments;
use super::row_mask::{address_set, tree_map};
use super::table::TableVersion;
use crate::addresses::AddressSet;
use crate::catalog::IndexDefinition;
use crate::error::{Error, Result};

/// What a text must have so that it can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// A lexeme.
    Lexeme(String),
    /// A substring, in any case.
    Substring(String),
    /// Something that a regular expression matches.
    Pattern(String),
}

/// What is known of the texts of one column that data covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextStatistics {
    /// Texts with words.
    pub texts: u64,
    /// Words that they have in all.
    pub words: u64,
    /// For each lexeme that was asked for, the texts that have it.
    pub having: Vec<u64>,
}

/// The texts with the highest scores are wanted.
#[derive(Debug)]
pub struct BestRequest<'a> {
    /// The index.
    pub index: &'a IndexDefinition,
    /// The column.
    pub column: &'a str,
    /// The lexemes, each once.
    pub lexemes: &'a [String],
    /// Whether a text must have all of them.
    pub all: bool,
    /// What scores are made of, for all texts of the table.
    pub statistics: &'a TextStatistics,
    /// The rows that are looked at; all where there is none.
    pub among: Option<&'a AddressSet>,
    /// How many are wanted at the most.
    pub count: usize,
}

/// Rows that a search of words looks at.
struct Allowed(Arc<RowAddrMask>);

#[async_trait]
impl PreFilter for Allowed {
    async fn wait_for_ready(&self) -> lance::Result<()> {
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }

    fn mask(&self) -> Arc<RowAddrMask> {
        Arc::clone(&self.0)
    }

    fn filter_row_ids<'a>(&self, rows: Box<dyn Iterator<Item = &'a u64> + 'a>) -> Vec<u64> {
        self.0.selected_indices(rows)
    }
}

impl TableVersion {
    /// The rows that can have a part in a column, by an index; `None` where it has no data at this version, or says nothing of
    /// such a part.
    pub async fn having(&self, index: &IndexDefinition, column: &str, part: &TextPart) -> Result<Option<AddressSet>> {
        let pieces = self.pieces_of(index, column).await?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let mut rows = AddressSet::default();
        for piece in &pieces {
            match self.search_piece(column, piece, part).await? {
                Some(found) => rows = rows.or(&found),
                None => return Ok(None),
            }
        }
        Ok(Some(rows.or(&self.uncovered_by(&pieces))))
    }

    /// The rows that the data of a column does not cover; `None` where there is no data.
    pub async fn uncovered(&self, index: &IndexDefinition, column: &str) -> Result<Option<AddressSet>> {
        let pieces = self.pieces_of(index, column).await?;
        Ok((!pieces.is_empty()).then(|| self.uncovered_by(&pieces)))
    }

    /// What an index knows of the texts of a column; `None` where it has no data, or counts rows that have gone and that nobody
    /// can take off any more.
    pub async fn text_statistics(
        &self,
        index: &IndexDefinition,
        column: &str,
        lexemes: &[String],
    ) -> Result<Option<TextStatistics>> {
        let pieces = self.pieces_of(index, column).await?;
        if pieces.is_empty() || !self.has_all_fragments(&pieces) {
            return Ok(None);
        }
        let gone = tree_map(&self.removed(&covered_fragments(&pieces)).await?);
        let mut sum = TextStatistics { texts: 0, words: 0, having: vec![0; lexemes.len()] };
        for piece in &pieces {
            let data = self.open_piece(column, piece).await?;
            let (words, texts, having) = words_of(data.as_ref())?
                .bm25_row_stats_for_terms(lexemes, Some(&gone), None)
                .await
                .map_err(|error| self.failed("search an index of", &error))?;
            sum.words += words;
            sum.texts += texts as u64;
            sum.having.iter_mut().zip(having).for_each(|(sum, having)| *sum += having as u64);
        }
        Ok(Some(sum))
    }

    /// Rows with the highest scores among those that data covers, the highest first, and their scores; `None` where there is no
    /// data.
    pub async fn best_texts(&self, request: &BestRequest<'_>) -> Result<Option<Vec<(u64, f32)>>> {
        let BestRequest { index, column, lexemes, all, statistics, among, count } = request;
        let pieces = self.pieces_of(index, column).await?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let covered = covered_fragments(&pieces);
        let filter: Arc<dyn PreFilter> = match among {
            Some(among) => Arc::new(Allowed(Arc::new(RowAddrMask::from_allowed(tree_map(among))))),
            None => {
                let (removed, gone) = (self.removed(&covered).await?, &covered - self.fragment_ids());
                match removed.is_empty() && gone.is_empty() {
                    true => Arc::new(NoFilter),
                    false => {
                        let mut blocked = tree_map(&removed);
                        gone.iter().for_each(|fragment| blocked.insert_fragment(fragment));
                        Arc::new(Allowed(Arc::new(RowAddrMask::from_block(blocked))))
                    }
                }
            }
        };
        let having = statistics.having.iter().map(|having| *having as usize);
        let having: HashMap<String, usize> = lexemes.iter().cloned().zip(having).collect();
        let scorer = MemBM25Scorer::new(statistics.words, statistics.texts as usize, having);
        let parameters = Arc::new(FtsSearchParams::new().with_limit(Some(*count)));
        let tokens = Arc::new(Tokens::new(lexemes.to_vec(), DocType::Text));
        let operator = if *all { Operator::And } else { Operator::Or };
        let mut found: Vec<(u64, f32)> = Vec::new();
        for piece in &pieces {
            let data = self.open_piece(column, piece).await?;
            let (tokens, parameters, filter) = (Arc::clone(&tokens), Arc::clone(&parameters), Arc::clone(&filter));
            let (rows, scores) = words_of(data.as_ref())?
                .bm25_search(tokens, parameters, operator, filter, Arc::new(NoOpMetricsCollector), Some(&scorer))
                .await
                .map_err(|error| self.failed("search an index of", &error))?;
            found.extend(rows.into_iter().zip(scores));
        }
        found.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        found.truncate(*count);
        Ok(Some(found))
    }

    /// The pieces of data that an index has of a column.
    async fn pieces_of(&self, index: &IndexDefinition, column: &str) -> Result<Vec<IndexMetadata>> {
        let Some(field) = self.dataset.schema().field(column).map(|field| field.id) else { return Ok(Vec::new()) };
        let mut pieces = self.pieces(index).await?;
        pieces.retain(|piece| piece.fields == [field] && self.is_over_rows(piece));
        Ok(pieces)
    }

    async fn open_piece(&self, column: &str, piece: &IndexMetadata) -> Result<Arc<dyn ScalarIndex>> {
        let path = format_field_path(&[column]);
        let opened = self.dataset.open_scalar_index(&path, &piece.uuid, &NoOpMetricsCollector).await;
        opened.map_err(|error| self.failed("open an index of", &error))
    }

    async fn search_piece(&self, column: &str, piece: &IndexMetadata, part: &TextPart) -> Result<Option<AddressSet>> {
        let data = self.open_piece(column, piece).await?;
        let query = match part {
            TextPart::Lexeme(lexeme) => return self.search_words(data.as_ref(), lexeme).await.map(Some),
            TextPart::Substring(text) => TextQuery::StringContains(text.clone()),
            TextPart::Pattern(pattern) => TextQuery::Regex(pattern.clone()),
        };
        let found = data.search(&query, &NoOpMetricsCollector).await;
        Ok(match found.map_err(|error| self.failed("search an index of", &error))? {
            SearchResult::Exact(rows) | SearchResult::AtMost(rows) => Some(address_set(&rows.true_rows())),
            // Too short, or of nothing that the data has.
            SearchResult::AtLeast(_) => None,
        })
    }

    async fn search_words(&self, data: &dyn ScalarIndex, lexeme: &str) -> Result<AddressSet> {
        // Handed over as it is: Lance would stem the text of a query once more.
        let tokens = Arc::new(Tokens::new(vec![lexeme.to_string()], DocType::Text));
        let (parameters, metrics) = (Arc::new(FtsSearchParams::new()), Arc::new(NoOpMetricsCollector));
        let found = words_of(data)?.bm25_search(tokens, parameters, Operator::Or, Arc::new(NoFilter), metrics, None);
        let (mut rows, _) = found.await.map_err(|error| self.failed("search an index of", &error))?;
        rows.sort_unstable();
        Ok(rows.into_iter().collect())
    }

    /// The rows of fragments that no piece covers.
    fn uncovered_by(&self, pieces: &[IndexMetadata]) -> AddressSet {
        let covered = covered_fragments(pieces);
        let mut rows = AddressSet::default();
        for fragment in self.dataset.manifest().fragments.iter().filter(|one| !covered.contains(one.id as u32)) {
            let count = fragment.physical_rows.unwrap_or_default() as u32;
            rows.insert_offsets(fragment.id as u32, &RoaringBitmap::from_iter(0..count));
        }
        rows
    }

    fn has_all_fragments(&self, pieces: &[IndexMetadata]) -> bool {
        covered_fragments(pieces).is_subset(&self.fragment_ids())
    }

    /// The rows of fragments that have gone.
    async fn removed(&self, fragments: &RoaringBitmap) -> Result<AddressSet> {
        let mut rows = AddressSet::default();
        for fragment in self.dataset.get_fragments() {
            if !fragments.contains(fragment.id() as u32) || fragment.metadata().deletion_file.is_none() {
                continue;
            }
            let removed = fragment.get_deletion_vector().await;
            if let Some(removed) = removed.map_err(|error| self.failed("read the deletions of", &error))? {
                rows.insert_offsets(fragment.id() as u32, &removed.as_ref().into());
            }
        }
        Ok(rows)
    }
}

fn words_of(data: &dyn ScalarIndex) -> Result<&InvertedIndex> {
    data.as_any()
        .downcast_ref::<InvertedIndex>()
        .ok_or_else(|| Error::internal("an index of words holds something else"))
}
