//! Building what indexes hold: derived data in a table's dataset, as Lance keeps it, so that every Lance reader can use it.
//!
//! 1. [`TableVersion::build_index`] reads a version and writes files that no version names. It holds no lock, and whoever
//!    writes to the table meanwhile goes on doing so.
//! 2. A commit makes a staged write of it ([`Store::stage_indexes`]), whose version has the rows of the one before and the
//!    data. It covers the fragments that were there when it was built; fragments that have come since are searched
//!    without it, and rows that have gone are left out by whoever reads it.
//!
//! Data belongs to the index whose object id its name ends with. One index can have several pieces, each over other
//! fragments: rows that come later get a piece of their own, until it is better to build all of it anew.

use std::sync::Arc;

use async_trait::async_trait;
use lance::Dataset;
use lance::dataset::transaction::Operation;
use lance::index::DatasetIndexExt;
use lance_core::datatypes::format_field_path;
use lance_index::progress::IndexBuildProgress;
use lance_table::format::IndexMetadata;
use roaring::RoaringBitmap;

use super::index_recipe::{can_have_data, recipes};
use super::staging::{StagedWrite, staged};
use super::table::TableVersion;
use super::{Store, failed};
use crate::catalog::index::data_owner;
use crate::catalog::{IndexDefinition, IndexFamily, TableId};
use crate::error::{Error, ErrorKind, Result};

/// Tables with fewer rows are read as a whole faster than any index finds its way.
pub const FEWEST_ROWS: usize = if cfg!(test) { 4 } else { 1_000 };

/// Rows that are not covered and that nobody minds: reading them is as fast as the rest of a search.
const MOST_UNCOVERED: usize = 10_000;

/// Pieces that an index may have before it is built anew: each is searched by itself.
const MOST_PIECES: usize = 6;

/// Data of one index, written and part of no version yet.
#[derive(Debug, Clone)]
pub struct StagedIndex {
    table: TableId,
    oid: u32,
    /// The pieces that come, one for each column; none where there is only something to be removed.
    pieces: Vec<IndexMetadata>,
    /// Whether the pieces that are there go.
    replaces: bool,
}

/// How much of a table's rows an index covers at one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Pieces of data.
    pub pieces: usize,
    /// Fragments that they cover.
    pub covered_fragments: usize,
    /// Fragments of the table.
    pub fragments: usize,
    /// Rows that they cover.
    pub covered_rows: usize,
    /// Rows of the table.
    pub rows: usize,
}

/// What an index needs so that it serves its table well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Data over all rows.
    Whole,
    /// Data over the rows that it does not cover yet.
    Rest,
}

/// Hears how a build gets on. An error ends the build.
pub trait BuildProgress: Send + Sync + std::fmt::Debug {
    /// A phase has begun, of so many units of work where that is known.
    fn phase(&self, name: &str, total: Option<u64>);
    /// So many units of the phase are done.
    fn done(&self, completed: u64);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unheard;

impl BuildProgress for Unheard {
    fn phase(&self, _: &str, _: Option<u64>) {}
    fn done(&self, _: u64) {}
}

/// Lance's progress, told on.
#[derive(Debug)]
struct Told(Arc<dyn BuildProgress>);

#[async_trait]
impl IndexBuildProgress for Told {
    async fn stage_start(&self, stage: &str, total: Option<u64>, _unit: &str) -> lance::Result<()> {
        self.0.phase(stage, total);
        Ok(())
    }

    async fn stage_progress(&self, _stage: &str, completed: u64) -> lance::Result<()> {
        self.0.done(completed);
        Ok(())
    }

    async fn stage_complete(&self, _stage: &str) -> lance::Result<()> {
        Ok(())
    }
}

impl StagedIndex {
    /// The table.
    pub(crate) fn table(&self) -> TableId {
        self.table
    }

    /// Nothing in place of the data of an index that is no more.
    pub(crate) fn removal(table: TableId, oid: u32) -> Self {
        StagedIndex { table, oid, pieces: Vec::new(), replaces: true }
    }
}

impl TableVersion {
    /// The pieces of data that an index has at this version.
    pub(super) async fn pieces(&self, index: &IndexDefinition) -> Result<Vec<IndexMetadata>> {
        let all = self.dataset.load_indices().await.map_err(|error| self.failed("read the indexes of", &error))?;
        Ok(all.iter().filter(|piece| index.owns_data(&piece.name)).cloned().collect())
    }

    /// Object ids of indexes that have data at this version.
    pub(crate) async fn owners_of_data(&self) -> Result<Vec<u32>> {
        let all = self.dataset.load_indices().await.map_err(|error| self.failed("read the indexes of", &error))?;
        let mut owners: Vec<u32> = all.iter().filter_map(|piece| data_owner(&piece.name)).collect();
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    /// How much of this version an index covers.
    pub async fn coverage(&self, index: &IndexDefinition) -> Result<Coverage> {
        let pieces = self.pieces(index).await?;
        let covered = covered_fragments(&pieces);
        let mut coverage = Coverage { pieces: pieces.len(), ..Coverage::default() };
        for fragment in self.dataset.manifest().fragments.iter() {
            let rows = fragment.num_rows().unwrap_or_default();
            coverage.fragments += 1;
            coverage.rows += rows;
            if covered.contains(fragment.id as u32) {
                coverage.covered_fragments += 1;
                coverage.covered_rows += rows;
            }
        }
        Ok(coverage)
    }

    /// What an index needs at this version.
    pub(crate) async fn need(&self, index: &IndexDefinition) -> Result<Need> {
        if !can_have_data(self.definition(), index) {
            return Ok(Need::Nothing);
        }
        let need = need(self.coverage(index).await?);
        // Lance joins what it has of words by itself, and only as a whole.
        let is_of_text = index.method.family() == IndexFamily::Text;
        Ok(if is_of_text && need == Need::Rest { Need::Whole } else { need })
    }

    /// Writes data of an index over this version: over all of its rows, or over those that no data covers yet. `None` where
    /// there is nothing to write.
    pub(crate) async fn build_index(
        &self,
        index: &IndexDefinition,
        whole: bool,
        progress: Arc<dyn BuildProgress>,
    ) -> Result<Option<StagedIndex>> {
        let table = self.definition();
        let recipes = recipes(table, index);
        let fragments = match whole {
            true => self.fragment_ids(),
            false => self.fragment_ids() - covered_fragments(&self.pieces(index).await?),
        };
        if fragments.is_empty() || recipes.is_empty() {
            return Ok(None);
        }
        let mut dataset = Dataset::clone(&self.dataset);
        let mut pieces = Vec::new();
        for (number, recipe) in recipes.iter().enumerate() {
            let column = format_field_path(&[&recipe.column]);
            let columns = [column.as_str()];
            let mut builder = dataset
                .create_index_builder(&columns, recipe.kind, recipe.parameters.as_ref())
                .name(index.data_name(number))
                .replace(true)
                .progress(Arc::new(Told(Arc::clone(&progress))));
            if fragments != self.fragment_ids() {
                builder = builder.fragments(fragments.iter().collect());
            }
            let piece = builder.execute_uncommitted().await.map_err(|error| {
                let what = format!("build index \"{}\" of table \"{}\"", index.name, table.name);
                failed(&what, &error).on_table(&table.name)
            })?;
            pieces.push(piece);
        }
        Ok(Some(StagedIndex { table: table.id, oid: index.oid, pieces, replaces: whole }))
    }

    pub(super) fn fragment_ids(&self) -> RoaringBitmap {
        self.dataset.manifest().fragments.iter().map(|fragment| fragment.id as u32).collect()
    }

    /// Whether a piece covers rows that are still there.
    pub(super) fn is_over_rows(&self, piece: &IndexMetadata) -> bool {
        piece.fragment_bitmap.as_ref().is_some_and(|covered| !covered.is_disjoint(&self.fragment_ids()))
    }

    /// Whether data that was built over an earlier version of the table is true of this one: its column is the same, and the
    /// rows have not all been written anew since.
    fn takes(&self, piece: &IndexMetadata) -> bool {
        let known = |field: &i32| self.dataset.schema().field_by_id(*field).is_some();
        let covered = piece.fragment_bitmap.clone().unwrap_or_default();
        let here = self.fragment_ids();
        piece.fields.iter().all(known) && (covered.is_empty() || here.is_empty() || !covered.is_disjoint(&here))
    }
}

/// What an index that covers so much needs.
fn need(coverage: Coverage) -> Need {
    let uncovered = coverage.rows - coverage.covered_rows;
    if coverage.covered_rows == 0 {
        return if coverage.rows >= FEWEST_ROWS { Need::Whole } else { Need::Nothing };
    }
    let too_many = uncovered > MOST_UNCOVERED && uncovered > coverage.rows / 20;
    match too_many {
        false => Need::Nothing,
        true if uncovered > coverage.covered_rows || coverage.pieces >= MOST_PIECES => Need::Whole,
        true => Need::Rest,
    }
}

pub(super) fn covered_fragments<'a>(pieces: impl IntoIterator<Item = &'a IndexMetadata>) -> RoaringBitmap {
    let bitmaps = pieces.into_iter().filter_map(|piece| piece.fragment_bitmap.as_ref());
    bitmaps.fold(RoaringBitmap::new(), |all, one| all | one)
}

/// Paths of a piece's files below its table's directory.
pub(super) fn piece_files(piece: &IndexMetadata) -> Vec<String> {
    let files = piece.files.iter().flatten();
    files.map(|file| format!("_indices/{}/{}", piece.uuid, file.path)).collect()
}

impl Store {
    /// Stages a version of a table that has the rows of `base` and other data of its indexes; `None` where nothing changes.
    /// [`ErrorKind::SerializationFailure`] where data was built over rows that are no more.
    pub(crate) async fn stage_indexes(
        &self,
        base: &Arc<TableVersion>,
        indexes: &[&StagedIndex],
    ) -> Result<Option<StagedWrite>> {
        let table = base.definition();
        let there = base.dataset.load_indices().await.map_err(|error| base.failed("read the indexes of", &error))?;
        let (mut new, mut removed) = (Vec::new(), Vec::new());
        for index in indexes {
            let own: Vec<&IndexMetadata> =
                there.iter().filter(|piece| data_owner(&piece.name) == Some(index.oid)).collect();
            if index.replaces {
                removed.extend(own.iter().map(|piece| (*piece).clone()));
            }
            // Somebody may have dropped the index meanwhile.
            let known = table.indexes.iter().any(|known| known.oid == index.oid);
            let there = covered_fragments(own);
            for piece in index.pieces.iter().filter(|_| known) {
                let covered = piece.fragment_bitmap.clone().unwrap_or_default();
                if !base.takes(piece) || (!index.replaces && !there.is_disjoint(&covered)) {
                    let message = format!("table \"{}\" was changed while an index of it was built", table.name);
                    return Err(Error::new(ErrorKind::SerializationFailure, message).on_table(&table.name));
                }
                new.push(piece.clone());
            }
        }
        if new.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        let operation = Operation::CreateIndex { new_indices: new, removed_indices: removed };
        Ok(Some(staged(table, base.version(), operation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_built_when_it_pays() {
        let coverage = |pieces, covered_rows, rows| Coverage { pieces, covered_rows, rows, ..Coverage::default() };
        assert_eq!(need(coverage(0, 0, 3)), Need::Nothing);
        assert_eq!(need(coverage(0, 0, 10_000)), Need::Whole);
        assert_eq!(need(coverage(1, 100_000, 105_000)), Need::Nothing);
        assert_eq!(need(coverage(1, 100_000, 150_000)), Need::Rest);
        assert_eq!(need(coverage(1, 100_000, 250_000)), Need::Whole);
        assert_eq!(need(coverage(6, 100_000, 150_000)), Need::Whole);
    }
}
