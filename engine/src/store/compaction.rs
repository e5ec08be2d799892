//! Compaction: small fragments, and those with many deleted rows, become few large ones.
//!
//! [`Store::compact`] writes the rows again, batch by batch, into fragments that no version names, while readers and writers go on.
//! [`Store::stage_compaction`] makes one write of them over whatever version the table has by then: fragments that somebody
//! has changed meanwhile stay as they are, and what was written for them is never named.
//!
//! Rows get other addresses. The new fragments' keys come along, as those of folded fragments do, so the key indexes in memory
//! follow, and who has read a row that has moved finds it by key, or has lost where its table has none.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use lance::dataset::transaction::{Operation, UpdateMode};
use lance::dataset::{WriteDestination, WriteMode};
use lance_table::format::Fragment;
use parking_lot::Mutex;

use super::staging::{RowKeys, StagedWrite, append_fragments, staged, to_stored_stream, unique_keys};
use super::table::TableVersion;
use super::{ScanRequest, Store};
use crate::catalog::TableDefinition;
use crate::error::Result;
use crate::stream;

/// Rows that a fragment is to have: what Lance aims at.
const TARGET_ROWS: usize = 1 << 20;

/// A fragment is written again when more than one in so many of its rows is deleted.
const MOST_DELETED: usize = 10;

/// Fragments of a table, written again.
pub(crate) struct Compaction {
    /// The table.
    pub(crate) table: Arc<TableDefinition>,
    bins: Vec<Bin>,
}

/// Fragments that become one, or a few.
struct Bin {
    /// As they were read.
    before: Vec<Fragment>,
    after: Vec<Fragment>,
    /// Keys of the rows, in the order in which they are written.
    keys: Vec<RowKeys>,
}

impl Compaction {
    /// Whether there was nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// How many fragments became how many.
    pub(crate) fn fragments(&self) -> (usize, usize) {
        let sum = |count: fn(&Bin) -> usize| self.bins.iter().map(count).sum();
        (sum(|bin| bin.before.len()), sum(|bin| bin.after.len()))
    }
}

impl Store {
    /// Writes the fragments of a table that are worth it again.
    pub(crate) async fn compact(self: &Arc<Self>, base: &Arc<TableVersion>) -> Result<Compaction> {
        let mut bins = Vec::new();
        for before in choose(&base.dataset.manifest().fragments) {
            let (after, keys) = self.rewrite(base, &before).await?;
            bins.push(Bin { before, after, keys });
        }
        Ok(Compaction { table: Arc::clone(base.definition()), bins })
    }

    async fn rewrite(
        self: &Arc<Self>,
        base: &Arc<TableVersion>,
        fragments: &[Fragment],
    ) -> Result<(Vec<Fragment>, Vec<RowKeys>)> {
        let table = base.definition();
        let ids: HashSet<u64> = fragments.iter().map(|fragment| fragment.id).collect();
        let plan = base.scan_fragments(&ScanRequest::default(), Some(&ids)).await?;
        let keys: Arc<Mutex<Vec<RowKeys>>> = Arc::new(Mutex::new(unique_keys(table, &[])?));
        let rows = stream::execute(plan)?;
        let schema = rows.schema();
        let watched = rows.map({
            let (keys, table) = (Arc::clone(&keys), Arc::clone(table));
            move |batch| {
                let batch = batch?;
                let more = unique_keys(&table, std::slice::from_ref(&batch))?;
                for ((_, known), (_, new)) in keys.lock().iter_mut().zip(more) {
                    known.extend(new);
                }
                Ok(batch)
            }
        });
        let stored = to_stored_stream(table, Box::pin(RecordBatchStreamAdapter::new(schema, watched)));
        let destination = WriteDestination::Dataset(Arc::clone(&base.dataset));
        let fragments = append_fragments(self.write(destination, table, WriteMode::Append, stored).await?)?;
        let keys = std::mem::take(&mut *keys.lock());
        Ok((fragments, keys))
    }

    /// The write that puts a compaction on top of `base`; `None` where nothing of it is left to do.
    pub(crate) fn stage_compaction(&self, base: &TableVersion, compaction: &Compaction) -> Option<StagedWrite> {
        let there = &base.dataset.manifest().fragments;
        let is_unchanged = |bin: &&Bin| bin.before.iter().all(|fragment| there.contains(fragment));
        let bins: Vec<&Bin> = compaction.bins.iter().filter(is_unchanged).collect();
        if bins.is_empty() || *base.definition().arrow_schema() != *compaction.table.arrow_schema() {
            return None;
        }
        let mut gone: Vec<u64> = bins.iter().flat_map(|bin| &bin.before).map(|fragment| fragment.id).collect();
        gone.sort_unstable();
        let mut folded_keys: Vec<RowKeys> = Vec::new();
        for key in base.definition().unique_keys() {
            let of_bin =
                |bin: &&Bin| bin.keys.iter().find(|(columns, _)| *columns == key.columns).map(|(_, keys)| keys.clone());
            let hashes: Option<Vec<_>> = bins.iter().map(of_bin).collect();
            // A key that was declared meanwhile: its index is built anew when it is asked.
            folded_keys.extend(hashes.map(|hashes| (key.columns, hashes.concat())));
        }
        let operation = Operation::Update {
            removed_fragment_ids: gone.clone(),
            updated_fragments: Vec::new(),
            new_fragments: bins.iter().flat_map(|bin| bin.after.clone()).collect(),
            fields_modified: Vec::new(),
            compacted_sstables: Vec::new(),
            fields_for_preserving_frag_bitmap: Vec::new(),
            update_mode: Some(UpdateMode::RewriteRows),
            inserted_rows_filter: None,
            updated_fragment_offsets: None,
        };
        let mut write = staged(base.definition(), base.version(), operation);
        (write.folded_fragments, write.folded_keys) = (gone, folded_keys);
        Some(write)
    }

    /// The write that makes an older version of a table the next one, on top of version `latest`.
    pub(crate) fn stage_restore(&self, table: &Arc<TableDefinition>, latest: u64, version: u64) -> StagedWrite {
        staged(table, latest, Operation::Restore { version })
    }
}

/// The fragments to write again, in groups that become one fragment each, or some more.
fn choose(fragments: &[Fragment]) -> Vec<Vec<Fragment>> {
    let rows = |fragment: &Fragment| fragment.num_rows().unwrap_or(TARGET_ROWS);
    let has_holes = |fragment: &Fragment| {
        let all = fragment.physical_rows.unwrap_or(0);
        (all - rows(fragment).min(all)) * MOST_DELETED > all
    };
    let (mut bins, mut bin, mut size) = (Vec::new(), Vec::<Fragment>::new(), 0);
    for fragment in fragments.iter().filter(|fragment| rows(fragment) < TARGET_ROWS || has_holes(fragment)) {
        size += rows(fragment);
        bin.push(fragment.clone());
        if size >= TARGET_ROWS {
            bins.push(std::mem::take(&mut bin));
            size = 0;
        }
    }
    bins.push(bin);
    bins.retain(|bin| {
        bin.len() > 1 || bin.iter().any(|fragment| fragment.deletion_file.is_some() && has_holes(fragment))
    });
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(id: u64, rows: usize) -> Fragment {
        Fragment { physical_rows: Some(rows), ..Fragment::new(id) }
    }

    fn chosen(fragments: &[Fragment]) -> Vec<Vec<u64>> {
        choose(fragments).iter().map(|bin| bin.iter().map(|fragment| fragment.id).collect()).collect()
    }

    #[test]
    fn small_fragments_become_large_ones_and_large_ones_stay() {
        let fragments =
            [fragment(0, 10), fragment(1, 3 << 20), fragment(2, 10), fragment(3, TARGET_ROWS - 10), fragment(4, 1)];
        assert_eq!(chosen(&fragments), [vec![0, 2, 3]]);
        assert!(chosen(&fragments[..1]).is_empty(), "one by itself is as good as it gets");
    }
}
