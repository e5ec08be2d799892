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
use lance::index::vector::VectorIndexParams;
use lance_core::datatypes::format_field_path;
use lance_index::progress::IndexBuildProgress;
use lance_index::vector::bq::RQBuildParams;
use lance_index::vector::hnsw::builder::HnswBuildParams;
use lance_index::vector::ivf::IvfBuildParams;
use lance_index::vector::pq::PQBuildParams;
use lance_index::vector::sq::builder::SQBuildParams;
use lance_index::{IndexParams, IndexType};
use lance_linalg::distance::DistanceType;
use lance_table::format::IndexMetadata;
use roaring::RoaringBitmap;

use super::staging::{StagedWrite, staged};
use super::table::TableVersion;
use super::{Store, failed};
use crate::catalog::index::data_owner;
use crate::catalog::{IndexDefinition, IndexFamily, IndexMethod, Metric, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::types::SqlType;

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
    /// The piece that comes; `None` where there is only something to be removed.
    piece: Option<IndexMetadata>,
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

/// What Lance is asked to build.
struct Recipe {
    column: String,
    kind: IndexType,
    parameters: Box<dyn IndexParams>,
}

impl StagedIndex {
    /// The table.
    pub(crate) fn table(&self) -> TableId {
        self.table
    }

    /// Nothing in place of the data of an index that is no more.
    pub(crate) fn removal(table: TableId, oid: u32) -> Self {
        StagedIndex { table, oid, piece: None, replaces: true }
    }
}

/// Whether Lance keeps data for such an index of a table. Where it does not, statements are answered without.
pub fn can_have_data(table: &TableDefinition, index: &IndexDefinition) -> bool {
    recipe(table, index).is_some()
}

/// What Lance has to build for an index; `None` where it has nothing that serves it.
fn recipe(table: &TableDefinition, index: &IndexDefinition) -> Option<Recipe> {
    match index.method.family() {
        IndexFamily::Vector => vector_recipe(table, index),
        IndexFamily::Scalar | IndexFamily::Text => None,
    }
}

fn vector_recipe(table: &TableDefinition, index: &IndexDefinition) -> Option<Recipe> {
    let column = index.plain_column()?.to_string();
    // Vectors of any dimension are lists to Lance.
    let SqlType::Vector(dimension @ 1..) = table.get_column(&column)?.sql_type else { return None };
    let distance = distance_type(index.metric()?)?;
    let num_partitions = index.number("lists").or_else(|| index.number("num_partitions"));
    let clusters = IvfBuildParams { num_partitions, ..IvfBuildParams::default() };
    let neighbours = || {
        let defaults = HnswBuildParams::default();
        let m = index.number("m").unwrap_or(defaults.m);
        let ef_construction = index.number("ef_construction").unwrap_or(defaults.ef_construction);
        HnswBuildParams { m, ef_construction, ..defaults }
    };
    let parameters = match index.method {
        IndexMethod::Hnsw | IndexMethod::IvfHnswSq => {
            VectorIndexParams::with_ivf_hnsw_sq_params(distance, clusters, neighbours(), SQBuildParams::default())
        }
        IndexMethod::Ivfflat => VectorIndexParams::with_ivf_flat_params(distance, clusters),
        IndexMethod::IvfPq => {
            let parts = index.number("num_sub_vectors").filter(|parts| (dimension as usize).is_multiple_of(*parts));
            let num_sub_vectors = parts.unwrap_or_else(|| sub_vectors(dimension as usize));
            let num_bits = index.number("num_bits").unwrap_or(8);
            let code = PQBuildParams { num_sub_vectors, num_bits, ..PQBuildParams::default() };
            VectorIndexParams::with_ivf_pq_params(distance, clusters, code)
        }
        IndexMethod::IvfRq => {
            let mut code = RQBuildParams::default();
            code.num_bits = index.number("num_bits").and_then(|bits| bits.try_into().ok()).unwrap_or(code.num_bits);
            VectorIndexParams::with_ivf_rq_params(distance, clusters, code)
        }
        _ => return None,
    };
    Some(Recipe { column, kind: IndexType::Vector, parameters: Box::new(parameters) })
}

/// Sub-vectors of a product code: of four numbers each where that comes out even, else of fewer.
fn sub_vectors(dimension: usize) -> usize {
    let sizes = [4, 2];
    sizes.into_iter().find(|size| dimension.is_multiple_of(*size)).map_or(dimension, |size| dimension / size)
}

/// The distance as Lance names it; `None` for those that it has no index for.
pub(super) fn distance_type(metric: Metric) -> Option<DistanceType> {
    match metric {
        Metric::L2 => Some(DistanceType::L2),
        Metric::Cosine => Some(DistanceType::Cosine),
        Metric::InnerProduct => Some(DistanceType::Dot),
        Metric::L1 => None,
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
        Ok(need(self.coverage(index).await?))
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
        let Some(recipe) = recipe(table, index) else { return Ok(None) };
        let fragments = match whole {
            true => self.fragment_ids(),
            false => self.fragment_ids() - covered_fragments(&self.pieces(index).await?),
        };
        if fragments.is_empty() {
            return Ok(None);
        }
        let mut dataset = Dataset::clone(&self.dataset);
        let column = format_field_path(&[&recipe.column]);
        let columns = [column.as_str()];
        let mut builder = dataset
            .create_index_builder(&columns, recipe.kind, recipe.parameters.as_ref())
            .name(index.data_name())
            .replace(true)
            .progress(Arc::new(Told(progress)));
        if fragments != self.fragment_ids() {
            builder = builder.fragments(fragments.iter().collect());
        }
        let piece = builder.execute_uncommitted().await.map_err(|error| {
            failed(&format!("build index \"{}\" of table \"{}\"", index.name, table.name), &error).on_table(&table.name)
        })?;
        Ok(Some(StagedIndex { table: table.id, oid: index.oid, piece: Some(piece), replaces: whole }))
    }

    fn fragment_ids(&self) -> RoaringBitmap {
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

fn covered_fragments(pieces: &[IndexMetadata]) -> RoaringBitmap {
    pieces.iter().filter_map(|piece| piece.fragment_bitmap.as_ref()).fold(RoaringBitmap::new(), |all, one| all | one)
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
            let Some(piece) = index.piece.as_ref().filter(|_| known) else { continue };
            let covered = piece.fragment_bitmap.clone().unwrap_or_default();
            let overlaps = !covered_fragments(&own.into_iter().cloned().collect::<Vec<_>>()).is_disjoint(&covered);
            if !base.takes(piece) || (!index.replaces && overlaps) {
                let message = format!("table \"{}\" was changed while an index of it was built", table.name);
                return Err(Error::new(ErrorKind::SerializationFailure, message).on_table(&table.name));
            }
            new.push(piece.clone());
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

    #[test]
    fn a_product_code_divides_the_vector() {
        assert_eq!(sub_vectors(384), 96);
        assert_eq!(sub_vectors(6), 3);
        assert_eq!(sub_vectors(7), 7);
    }
}
