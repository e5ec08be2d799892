//! Step 1 of a commit: may these changes be made at the head?

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::cover_checks::texts_fit;
use crate::catalog::{Catalog, EdgeTable, EndPoint, TableDefinition, TableId};
use crate::change::Delta;
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::Snapshot;
use crate::store::key_index::{KeyHash, KeySet, hash_keys};
use crate::store::staging::EndPointCheck;
use crate::store::table::{row_addresses, without_rows};
use crate::store::{StagedLoad, TableVersion};

/// The changes of one transaction to rows, checked against one snapshot.
pub(crate) struct RowChecks<'a> {
    head: &'a Snapshot,
    /// The catalog that the transaction leads to.
    catalog: &'a Catalog,
    deltas: &'a mut Vec<Delta>,
    loads: &'a [StagedLoad],
}

impl<'a> RowChecks<'a> {
    pub(crate) fn new(
        head: &'a Snapshot,
        catalog: &'a Catalog,
        deltas: &'a mut Vec<Delta>,
        loads: &'a [StagedLoad],
    ) -> Self {
        RowChecks { head, catalog, deltas, loads }
    }

    /// Runs every check; may add cascaded deletions to the deltas.
    pub(crate) async fn run(&mut self, base: &Snapshot) -> Result<()> {
        self.conflicts(base)?;
        self.cascade().await?;
        for delta in self.deltas.iter() {
            not_null(&delta.table, &delta.added)?;
            texts_fit(self.catalog, &delta.table, &delta.added)?;
            self.unique(delta).await?;
            self.end_points_exist(delta).await?;
        }
        for load in self.loads {
            self.load_still_holds(load).await?;
        }
        Ok(())
    }

    /// First committer wins: rows are named by their address at the base, so their table must not have moved since.
    fn conflicts(&self, base: &Snapshot) -> Result<()> {
        for delta in self.deltas.iter().filter(|delta| delta.removed_rows() > 0) {
            if base.versions.get(&delta.table.id) != self.head.versions.get(&delta.table.id) {
                return Err(conflict(&delta.table));
            }
        }
        Ok(())
    }

    async fn unique(&self, delta: &Delta) -> Result<()> {
        if delta.table.primary_key.is_empty() || delta.added_rows() == 0 {
            return Ok(());
        }
        let removed = removed_keys(delta)?;
        let table = stored(self.head, &delta.table).await?;
        let mut seen = KeySet::default();
        for batch in &delta.added {
            let keys = key_columns(&delta.table, batch)?;
            let hashes = hash_keys(&keys)?;
            let present = present(table.as_ref(), &hashes).await?;
            for (row, (hash, address)) in hashes.iter().zip(present).enumerate() {
                let taken = address.is_some() && !removed.contains_key(hash);
                if taken || seen.insert(*hash, ()).is_some() {
                    return Err(duplicate(&delta.table, &keys, row));
                }
            }
        }
        Ok(())
    }

    async fn end_points_exist(&self, delta: &Delta) -> Result<()> {
        for (edge, end, vertex) in end_points(self.catalog, delta.table.id)? {
            let present = self.vertices_after(&vertex).await?;
            for batch in &delta.added {
                let keys = columns(batch, &end.columns)?;
                check_ends(edge, end, &delta.table, &vertex, &keys, Vertices::After(&present)).await?;
            }
        }
        Ok(())
    }

    /// The vertices of a table as this transaction leaves it.
    async fn vertices_after(&self, vertex: &Arc<TableDefinition>) -> Result<VerticesAfter> {
        let table = stored(self.head, vertex).await?;
        let mut after = VerticesAfter { table, removed: KeySet::default(), added: KeySet::default() };
        for delta in self.deltas.iter().filter(|delta| delta.table.id == vertex.id) {
            after.removed.extend(removed_keys(delta)?);
            for batch in &delta.added {
                after.added.extend(hash_keys(&key_columns(vertex, batch)?)?.into_iter().map(|key| (key, ())));
            }
        }
        for load in self.loads.iter().filter(|load| load.table.id == vertex.id) {
            after.added.extend(load.keys.iter().map(|key| (*key, ())));
        }
        Ok(after)
    }

    /// Deleting a vertex that has edges: its edges go too where the edge table says so, else `23503`.
    async fn cascade(&mut self) -> Result<()> {
        let deletions: Vec<(Arc<TableDefinition>, ArrayRef)> = self
            .deltas
            .iter()
            .filter_map(|delta| deleted_vertices(delta).transpose().map(|keys| Ok((Arc::clone(&delta.table), keys?))))
            .collect::<Result<_>>()?;
        for (vertex, keys) in deletions {
            for graph in self.head.catalog.graphs_of(vertex.id) {
                let labels: Vec<&str> =
                    graph.vertices.iter().filter(|v| v.table == vertex.id).map(|v| v.label.as_str()).collect();
                for edge in &graph.edges {
                    for end in [&edge.source, &edge.destination] {
                        if labels.contains(&end.vertex.as_str()) {
                            self.cascade_to(&vertex, &keys, edge, end).await?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn cascade_to(
        &mut self,
        vertex: &TableDefinition,
        keys: &ArrayRef,
        edge: &EdgeTable,
        end: &EndPoint,
    ) -> Result<()> {
        let Some(edges) = self.catalog.tables.get(&edge.table).cloned() else { return Ok(()) };
        let table = self.head.open(&edges).await?;
        let identity = self.head.catalog.identity_columns(&edges);
        let touching = table.rows_where_in(&end.columns[0], keys, &identity).await?;
        let position = self.deltas.iter().position(|delta| delta.table.id == edges.id);
        let already = position.map(|at| addresses(&self.deltas[at].removed)).unwrap_or_default();
        let remaining: Vec<RecordBatch> = touching
            .iter()
            .map(|batch| without_rows(batch.clone(), &already))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .collect();
        let Some(first) = remaining.first() else { return Ok(()) };
        if !edge.on_delete_cascade {
            let ends = columns(first, &end.columns)?;
            return Err(still_referenced(vertex, &edges, end, &ends));
        }
        match position {
            Some(at) => self.deltas[at].removed.extend(remaining),
            None => self.deltas.push(Delta { table: edges, removed: remaining, added: Vec::new() }),
        }
        Ok(())
    }

    /// A load was checked when it was written; what has changed since is checked again.
    async fn load_still_holds(&self, load: &StagedLoad) -> Result<()> {
        let Some(head) = self.head.versions.get(&load.table.id).copied() else { return Ok(()) };
        if head != load.checked_at && !load.keys.is_empty() {
            let table = self.head.open(&load.table).await?;
            if table.addresses(&load.keys).await?.iter().any(Option::is_some) {
                return Err(conflict(&load.table));
            }
        }
        for (vertex, check) in &load.end_points {
            if self.head.versions.get(vertex) == Some(&check.checked_at) {
                continue;
            }
            let Some(vertex) = self.catalog.tables.get(vertex) else { return Err(conflict(&load.table)) };
            let hashes: Vec<KeyHash> = check.keys.keys().copied().collect();
            let present = self.vertices_after(vertex).await?.contains_all(&hashes).await?;
            if present.contains(&false) {
                return Err(conflict(&load.table));
            }
        }
        Ok(())
    }
}

/// Where end points are looked for.
enum Vertices<'a> {
    /// A stored table.
    In(&'a Arc<TableVersion>),
    /// A table as a transaction leaves it.
    After(&'a VerticesAfter),
}

impl Vertices<'_> {
    async fn contains_all(&self, keys: &[KeyHash]) -> Result<Vec<bool>> {
        match self {
            Vertices::In(table) => Ok(table.addresses(keys).await?.iter().map(Option::is_some).collect()),
            Vertices::After(after) => after.contains_all(keys).await,
        }
    }
}

struct VerticesAfter {
    table: Option<Arc<TableVersion>>,
    removed: KeySet,
    added: KeySet,
}

impl VerticesAfter {
    async fn contains_all(&self, keys: &[KeyHash]) -> Result<Vec<bool>> {
        let stored = present(self.table.as_ref(), keys).await?;
        Ok(keys
            .iter()
            .zip(stored)
            .map(|(key, address)| {
                self.added.contains_key(key) || (address.is_some() && !self.removed.contains_key(key))
            })
            .collect())
    }
}

/// Checks the rows of a load as they stream by: keys against the table and each other, end points against their tables.
pub(crate) struct LoadChecks {
    table: Arc<TableDefinition>,
    catalog: Arc<Catalog>,
    target: Option<Arc<TableVersion>>,
    ends: Vec<LoadEnd>,
    pub(crate) keys: Vec<KeyHash>,
    seen: KeySet,
}

struct LoadEnd {
    edge: EdgeTable,
    end: EndPoint,
    vertex: Arc<TableDefinition>,
    present: Arc<TableVersion>,
    needed: KeySet,
}

impl LoadChecks {
    pub(crate) async fn new(table: &Arc<TableDefinition>, base: &Snapshot) -> Result<Self> {
        let target = stored(base, table).await?;
        let mut ends = Vec::new();
        for (edge, end, vertex) in end_points(&base.catalog, table.id)? {
            let present = base.open(&vertex).await?;
            ends.push(LoadEnd { edge: edge.clone(), end: end.clone(), vertex, present, needed: KeySet::default() });
        }
        let catalog = Arc::clone(&base.catalog);
        Ok(LoadChecks { table: Arc::clone(table), catalog, target, ends, keys: Vec::new(), seen: KeySet::default() })
    }

    pub(crate) async fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        not_null(&self.table, std::slice::from_ref(batch))?;
        texts_fit(&self.catalog, &self.table, std::slice::from_ref(batch))?;
        if !self.table.primary_key.is_empty() {
            let keys = key_columns(&self.table, batch)?;
            let hashes = hash_keys(&keys)?;
            let present = present(self.target.as_ref(), &hashes).await?;
            for (row, (hash, address)) in hashes.iter().zip(present).enumerate() {
                if address.is_some() || self.seen.insert(*hash, ()).is_some() {
                    return Err(duplicate(&self.table, &keys, row));
                }
            }
            self.keys.extend(hashes);
        }
        for end in &mut self.ends {
            let keys = columns(batch, &end.end.columns)?;
            let present = Vertices::In(&end.present);
            let hashes = check_ends(&end.edge, &end.end, &self.table, &end.vertex, &keys, present).await?;
            end.needed.extend(hashes.into_iter().map(|hash| (hash, ())));
        }
        Ok(())
    }

    pub(crate) fn finish(self, load: &mut StagedLoad) {
        load.keys = self.keys;
        for end in self.ends {
            let check = load
                .end_points
                .entry(end.vertex.id)
                .or_insert_with(|| EndPointCheck { checked_at: end.present.version(), keys: KeySet::default() });
            check.keys.extend(end.needed);
        }
    }
}

/// The table as a snapshot has it; `None` for one that the same transaction makes.
async fn stored(snapshot: &Snapshot, table: &Arc<TableDefinition>) -> Result<Option<Arc<TableVersion>>> {
    match snapshot.versions.contains_key(&table.id) {
        true => snapshot.open(table).await.map(Some),
        false => Ok(None),
    }
}

/// Addresses of the rows with those keys, as far as there are any.
async fn present(table: Option<&Arc<TableVersion>>, keys: &[KeyHash]) -> Result<Vec<Option<u64>>> {
    match table {
        Some(table) => table.addresses(keys).await,
        None => Ok(vec![None; keys.len()]),
    }
}

/// Checks every edge of an existing table against its vertices, for a graph that is being declared.
pub(crate) async fn edges_have_end_points(head: &Snapshot, catalog: &Catalog, edge: &EdgeTable) -> Result<()> {
    let Some(table) = catalog.tables.get(&edge.table) else { return Ok(()) };
    let Some(graph) = catalog.graphs.values().find(|graph| graph.edges.contains(edge)) else { return Ok(()) };
    for end in [&edge.source, &edge.destination] {
        let vertex = graph
            .get_vertex(&end.vertex)
            .and_then(|vertex| catalog.tables.get(&vertex.table))
            .ok_or_else(|| Error::internal(format!("vertex table \"{}\" is missing", end.vertex)))?;
        let present = head.open(vertex).await?;
        let request = crate::store::ScanRequest { columns: Some(end.columns.clone()), ..Default::default() };
        let mut rows = head.open(table).await?.read(&request).await?;
        while let Some(batch) = crate::stream::next(&mut rows).await? {
            check_ends(edge, end, table, vertex, batch.columns(), Vertices::In(&present)).await?;
        }
    }
    Ok(())
}

/// The end points of a table's edges in every graph it is an edge table of, with the vertex table of each.
fn end_points(catalog: &Catalog, table: TableId) -> Result<Vec<(&EdgeTable, &EndPoint, Arc<TableDefinition>)>> {
    let mut ends: Vec<(&EdgeTable, &EndPoint, Arc<TableDefinition>)> = Vec::new();
    for graph in catalog.graphs_of(table) {
        for edge in graph.edges.iter().filter(|edge| edge.table == table) {
            for end in [&edge.source, &edge.destination] {
                let vertex = graph
                    .get_vertex(&end.vertex)
                    .and_then(|vertex| catalog.tables.get(&vertex.table))
                    .ok_or_else(|| Error::internal(format!("vertex table \"{}\" is missing", end.vertex)))?;
                ends.push((edge, end, Arc::clone(vertex)));
            }
        }
    }
    Ok(ends)
}

/// Checks that the vertices in `keys` exist; gives their hashes.
async fn check_ends(
    edge: &EdgeTable,
    end: &EndPoint,
    table: &TableDefinition,
    vertex: &TableDefinition,
    keys: &[ArrayRef],
    vertices: Vertices<'_>,
) -> Result<Vec<KeyHash>> {
    for (column, name) in keys.iter().zip(&end.columns) {
        if column.null_count() > 0 {
            return Err(null_value(table, name)
                .with_detail(format!("Every edge of label \"{}\" needs both of its end points.", edge.label)));
        }
    }
    let hashes = hash_keys(keys)?;
    let present = vertices.contains_all(&hashes).await?;
    match present.iter().position(|present| !present) {
        None => Ok(hashes),
        Some(row) => Err(Error::new(
            ErrorKind::ForeignKeyViolation,
            format!(
                "insert or update on table \"{}\" violates end point constraint \"{}\"",
                table.name,
                constraint(table, end)
            ),
        )
        .with_detail(format!(
            "Key ({})=({}) is not present in table \"{}\".",
            end.columns.join(", "),
            values(keys, row),
            vertex.name
        ))
        .on_table(&table.name)
        .on_constraint(constraint(table, end))),
    }
}

fn still_referenced(vertex: &TableDefinition, edges: &TableDefinition, end: &EndPoint, ends: &[ArrayRef]) -> Error {
    let name = constraint(edges, end);
    Error::new(
        ErrorKind::ForeignKeyViolation,
        format!(
            "update or delete on table \"{}\" violates end point constraint \"{name}\" on table \"{}\"",
            vertex.name, edges.name
        ),
    )
    .with_detail(format!(
        "Key ({})=({}) is still referenced from table \"{}\".",
        vertex.primary_key.join(", "),
        values(ends, 0),
        edges.name
    ))
    .with_hint("Delete the edges first, or declare the edge table with ON DELETE CASCADE.")
    .on_table(&edges.name)
    .on_constraint(name)
}

fn constraint(table: &TableDefinition, end: &EndPoint) -> String {
    format!("{}_{}_fkey", table.name, end.columns.join("_"))
}

fn conflict(table: &TableDefinition) -> Error {
    Error::new(ErrorKind::SerializationFailure, "could not serialize access due to concurrent update")
        .with_detail(format!("Table \"{}\" was changed by another transaction.", table.name))
        .with_hint("Run the transaction again.")
        .on_table(&table.name)
}

fn duplicate(table: &TableDefinition, keys: &[ArrayRef], row: usize) -> Error {
    let constraint = table.primary_key_name();
    Error::new(ErrorKind::UniqueViolation, format!("duplicate key value violates unique constraint \"{constraint}\""))
        .with_detail(format!("Key ({})=({}) already exists.", table.primary_key.join(", "), values(keys, row)))
        .on_table(&table.name)
        .on_constraint(constraint)
}

fn null_value(table: &TableDefinition, column: &str) -> Error {
    Error::new(
        ErrorKind::NotNullViolation,
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name),
    )
    .on_table(&table.name)
    .on_column(column)
}

fn not_null(table: &TableDefinition, added: &[RecordBatch]) -> Result<()> {
    for batch in added {
        for (definition, column) in table.columns.iter().zip(batch.columns()) {
            let refused = definition.not_null || table.primary_key.contains(&definition.name);
            if refused && column.logical_null_count() > 0 {
                return Err(null_value(table, &definition.name));
            }
        }
    }
    Ok(())
}

/// Text of a row of columns, for messages.
fn values(columns: &[ArrayRef], row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let texts: Vec<String> = columns
        .iter()
        .map(|column| match column.as_any().downcast_ref::<arrow::array::FixedSizeBinaryArray>() {
            Some(uuids) => uuid::Uuid::from_slice(uuids.value(row)).map(|uuid| uuid.to_string()).unwrap_or_default(),
            None => ArrayFormatter::try_new(column, &options)
                .map(|formatter| formatter.value(row).to_string())
                .unwrap_or_default(),
        })
        .collect();
    texts.join(", ")
}

fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    names
        .iter()
        .map(|name| {
            batch.column_by_name(name).cloned().ok_or_else(|| Error::internal(format!("rows lack column \"{name}\"")))
        })
        .collect()
}

pub(crate) fn key_columns(table: &TableDefinition, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    columns(batch, &table.primary_key)
}

/// Hashes of the keys that a delta removes.
pub(crate) fn removed_keys(delta: &Delta) -> Result<KeySet> {
    let mut removed = KeySet::default();
    for batch in &delta.removed {
        removed.extend(hash_keys(&key_columns(&delta.table, batch)?)?.into_iter().map(|key| (key, ())));
    }
    Ok(removed)
}

/// Keys of vertices that are there before and not after; `None` where there are none or the table has no one-column key.
fn deleted_vertices(delta: &Delta) -> Result<Option<ArrayRef>> {
    if delta.table.primary_key.len() != 1 || delta.removed_rows() == 0 {
        return Ok(None);
    }
    let mut kept = KeySet::default();
    for batch in &delta.added {
        kept.extend(hash_keys(&key_columns(&delta.table, batch)?)?.into_iter().map(|key| (key, ())));
    }
    let mut deleted = Vec::new();
    for batch in &delta.removed {
        let keys = key_columns(&delta.table, batch)?;
        let gone = hash_keys(&keys)?.iter().map(|key| Some(!kept.contains_key(key))).collect();
        deleted.push(arrow::compute::filter(&keys[0], &gone).map_err(|error| Error::internal(error.to_string()))?);
    }
    let parts: Vec<&dyn Array> = deleted.iter().map(AsRef::as_ref).collect();
    let keys = concat(&parts).map_err(|error| Error::internal(error.to_string()))?;
    Ok((!keys.is_empty()).then_some(keys))
}

fn addresses(batches: &[RecordBatch]) -> HashSet<u64> {
    batches.iter().flat_map(|batch| row_addresses(batch).values().to_vec()).collect()
}
