//! Changes of the catalog, applied one by one and checked against what is there.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::scalar::ScalarValue;

use super::{
    Catalog, GraphDefinition, IndexDefinition, SequenceDefinition, SequenceId, TableDefinition, TableId, ViewDefinition,
};
use crate::error::{Error, ErrorKind, Result};

/// An edit of the catalog. Applied to the transaction's own catalog first, and again to the catalog at the head when it
/// commits. What is made has an object id that was reserved for it; with 0 it gets one when it is applied.
#[derive(Debug, Clone)]
pub enum CatalogEdit {
    /// Make a schema.
    CreateSchema(String),
    /// Drop a schema, which must be empty.
    DropSchema(String),
    /// Make a table.
    CreateTable(TableDefinition),
    /// Replace the definition of the table with the same identity; its columns keep their number and their types.
    AlterTable(TableDefinition),
    /// Replace the definition of the table with the same identity, and its rows with what `sources` make of them.
    ReshapeTable {
        /// The new definition.
        table: TableDefinition,
        /// Where the values of each column of the new definition come from.
        sources: Vec<ColumnSource>,
    },
    /// Drop a table.
    DropTable(TableId),
    /// Make an index of a table.
    CreateIndex {
        /// The table.
        table: TableId,
        /// The index.
        index: IndexDefinition,
    },
    /// Replace the definition of the table's index with the same object id.
    AlterIndex {
        /// The table.
        table: TableId,
        /// The new definition.
        index: IndexDefinition,
    },
    /// Drop an index of a table.
    DropIndex {
        /// The table.
        table: TableId,
        /// The index's object id.
        oid: u32,
    },
    /// Make a view.
    CreateView(ViewDefinition),
    /// Replace the view with the same object id.
    ReplaceView(ViewDefinition),
    /// Drop a view, by object id.
    DropView(u32),
    /// Make a sequence.
    CreateSequence(SequenceDefinition),
    /// Replace the definition of the sequence with the same identity.
    AlterSequence(SequenceDefinition),
    /// Drop a sequence.
    DropSequence(SequenceId),
    /// Make a property graph.
    CreateGraph(GraphDefinition),
    /// Drop a property graph.
    DropGraph(String),
}

/// Where the values of a reshaped table's column come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnSource {
    /// A column of the table as it was, by name.
    Column(String),
    /// The same value in every row, of the column's Arrow type.
    Value(ScalarValue),
    /// What a function makes of other values.
    Computed(Computed),
}

/// A function of a row's values, batch by batch: the arguments, the number of rows, and the values of the column's Arrow type.
pub type RowFunction = dyn Fn(Vec<ArrayRef>, usize) -> Result<ArrayRef> + Send + Sync;

/// Values that a function makes of others. The function must give the same values whenever it is asked.
#[derive(Clone)]
pub struct Computed {
    /// Where the function's arguments come from.
    pub arguments: Vec<ColumnSource>,
    /// The function.
    pub function: Arc<RowFunction>,
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Computed").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl PartialEq for Computed {
    fn eq(&self, other: &Self) -> bool {
        self.arguments == other.arguments && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Catalog {
    /// Applies one edit, checking it against what is there.
    pub(crate) fn apply(&mut self, edit: CatalogEdit) -> Result<()> {
        match edit {
            CatalogEdit::CreateSchema(name) => {
                if self.has_schema(&name) {
                    let message = format!("schema \"{name}\" already exists");
                    return Err(Error::new(ErrorKind::DuplicateSchema, message));
                }
                let oid = self.allocate_oid();
                self.schemas.insert(name, oid);
            }
            CatalogEdit::DropSchema(name) => self.drop_schema(&name)?,
            CatalogEdit::CreateTable(mut table) => {
                self.refuse_taken_name(&table.schema, &table.name, None)?;
                table.oid = self.settle_oid(table.oid);
                self.tables.insert(table.id, Arc::new(table));
            }
            CatalogEdit::AlterTable(table) | CatalogEdit::ReshapeTable { table, .. } => {
                let known = self.tables.get(&table.id).ok_or_else(|| gone("table"))?;
                let oid = known.oid;
                self.refuse_taken_name(&table.schema, &table.name, Some(oid))?;
                self.tables.insert(table.id, Arc::new(TableDefinition { oid, ..table }));
            }
            CatalogEdit::DropTable(id) => self.drop_table(id)?,
            CatalogEdit::CreateIndex { table, mut index } => {
                self.refuse_taken_index_name(table, &index)?;
                index.oid = self.settle_oid(index.oid);
                self.indexes_of(table)?.push(index);
            }
            CatalogEdit::AlterIndex { table, index } => {
                self.refuse_taken_index_name(table, &index)?;
                let known = self.indexes_of(table)?.iter_mut().find(|known| known.oid == index.oid);
                *known.ok_or_else(|| gone("index"))? = index;
            }
            CatalogEdit::DropIndex { table, oid } => {
                let indexes = self.indexes_of(table)?;
                let position = indexes.iter().position(|known| known.oid == oid).ok_or_else(|| gone("index"))?;
                indexes.remove(position);
            }
            CatalogEdit::CreateView(mut view) => {
                self.refuse_taken_name(&view.schema, &view.name, None)?;
                view.oid = self.settle_oid(view.oid);
                self.views.insert(view.oid, Arc::new(view));
            }
            CatalogEdit::ReplaceView(view) => {
                self.views.contains_key(&view.oid).then_some(()).ok_or_else(|| gone("view"))?;
                self.refuse_taken_name(&view.schema, &view.name, Some(view.oid))?;
                self.views.insert(view.oid, Arc::new(view));
            }
            CatalogEdit::DropView(oid) => {
                let view = self.views.remove(&oid).ok_or_else(|| gone("view"))?;
                self.refuse_dependent_views("view", &view.name, oid)?;
            }
            CatalogEdit::CreateSequence(mut sequence) => {
                self.refuse_taken_name(&sequence.schema, &sequence.name, None)?;
                sequence.oid = self.settle_oid(sequence.oid);
                self.sequences.insert(sequence.id, Arc::new(sequence));
            }
            CatalogEdit::AlterSequence(sequence) => {
                let oid = self.sequences.get(&sequence.id).ok_or_else(|| gone("sequence"))?.oid;
                self.refuse_taken_name(&sequence.schema, &sequence.name, Some(oid))?;
                self.sequences.insert(sequence.id, Arc::new(SequenceDefinition { oid, ..sequence }));
            }
            CatalogEdit::DropSequence(id) => {
                let sequence = self.sequences.remove(&id).ok_or_else(|| gone("sequence"))?;
                self.refuse_dependent_views("sequence", &sequence.name, sequence.oid)?;
            }
            CatalogEdit::CreateGraph(mut graph) => {
                self.refuse_taken_name(super::DEFAULT_SCHEMA, &graph.name, None)?;
                if let Some(missing) = graph.tables().find(|table| !self.tables.contains_key(table)) {
                    return Err(gone(&format!("table {missing} of graph \"{}\"", graph.name)));
                }
                graph.oid = self.settle_oid(graph.oid);
                self.graphs.insert(graph.name.clone(), Arc::new(graph));
            }
            CatalogEdit::DropGraph(name) => {
                let graph = self.graphs.remove(&name).ok_or_else(|| gone("graph"))?;
                self.refuse_dependent_views("property graph", &name, graph.oid)?;
            }
        }
        Ok(())
    }

    /// The indexes of a table, to be changed.
    fn indexes_of(&mut self, table: TableId) -> Result<&mut Vec<IndexDefinition>> {
        let table = self.tables.get_mut(&table).ok_or_else(|| gone("table"))?;
        Ok(&mut Arc::make_mut(table).indexes)
    }

    fn refuse_taken_index_name(&self, table: TableId, index: &IndexDefinition) -> Result<()> {
        let schema = &self.tables.get(&table).ok_or_else(|| gone("table"))?.schema;
        self.refuse_taken_name(schema, &index.name, None)?;
        match self.get_index(schema, &index.name) {
            Some((_, known)) if known.oid != index.oid || index.oid == 0 => {
                let message = format!("relation \"{}\" already exists", index.name);
                Err(Error::new(ErrorKind::DuplicateTable, message).on_table(&index.name))
            }
            _ => Ok(()),
        }
    }

    fn drop_schema(&mut self, name: &str) -> Result<()> {
        self.schemas.remove(name).ok_or_else(|| gone("schema"))?;
        let tables = self.tables.values().map(|table| (&table.schema, &table.name));
        let views = self.views.values().map(|view| (&view.schema, &view.name));
        let sequences = self.sequences.values().map(|sequence| (&sequence.schema, &sequence.name));
        match tables.chain(views).chain(sequences).find(|(schema, _)| *schema == name) {
            Some((_, member)) => Err(dependent("schema", name, &format!("{name}.{member} depends on schema {name}"))),
            None => Ok(()),
        }
    }

    /// Drops a table with the sequences that its columns own.
    fn drop_table(&mut self, id: TableId) -> Result<()> {
        let table = self.tables.remove(&id).ok_or_else(|| gone("table"))?;
        self.sequences.retain(|_, sequence| sequence.owned_by.as_ref().is_none_or(|(owner, _)| *owner != id));
        if let Some(graph) = self.graphs_of(id).next() {
            let detail = format!("property graph {} depends on table {}", graph.name, table.name);
            return Err(dependent("table", &table.name, &detail).on_table(&table.name));
        }
        let refers = |key: &super::ForeignKey| key.table == id;
        for other in self.tables.values() {
            if let Some(key) = other.foreign_keys.iter().find(|key| refers(key)) {
                let detail = format!("constraint {} on table {} depends on table {}", key.name, other.name, table.name);
                return Err(dependent("table", &table.name, &detail).on_table(&table.name));
            }
        }
        self.refuse_dependent_views("table", &table.name, table.oid)
    }

    fn refuse_dependent_views(&self, what: &str, name: &str, oid: u32) -> Result<()> {
        match self.views.values().find(|view| view.depends_on.contains(&oid)) {
            Some(view) => Err(dependent(what, name, &format!("view {} depends on {what} {name}", view.name))),
            None => Ok(()),
        }
    }

    /// Tables, views, sequences and graphs share one name space, as relations do in Postgres. `own` is the object that may
    /// have the name already.
    fn refuse_taken_name(&self, schema: &str, name: &str, own: Option<u32>) -> Result<()> {
        if !self.has_schema(schema) {
            return Err(Error::new(ErrorKind::UndefinedSchema, format!("schema \"{schema}\" does not exist")));
        }
        match self.get_relation(schema, name) {
            Some(relation) if Some(relation.oid()) != own => {
                Err(Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")).on_table(name))
            }
            _ => Ok(()),
        }
    }
}

fn dependent(what: &str, name: &str, detail: &str) -> Error {
    let message = format!("cannot drop {what} {name} because other objects depend on it");
    Error::new(ErrorKind::DependentObjects, message)
        .with_detail(detail)
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

fn gone(what: &str) -> Error {
    Error::new(ErrorKind::SerializationFailure, format!("{what} was dropped by another transaction"))
        .with_hint("Run the statement again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableDefinition {
        TableDefinition::new(name, Vec::new(), Vec::new())
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut catalog = Catalog::default();
        catalog.apply(CatalogEdit::CreateTable(table("t"))).unwrap();
        let error = catalog.apply(CatalogEdit::CreateTable(table("t"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateTable);
    }

    #[test]
    fn a_table_keeps_its_own_name_when_it_is_altered() {
        let mut catalog = Catalog::default();
        catalog.apply(CatalogEdit::CreateTable(table("t"))).unwrap();
        catalog.apply(CatalogEdit::CreateTable(table("u"))).unwrap();
        let t = catalog.get_table("t").unwrap().as_ref().clone();
        catalog.apply(CatalogEdit::AlterTable(t.clone())).unwrap();
        let error = catalog.apply(CatalogEdit::AlterTable(TableDefinition { name: "u".into(), ..t })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateTable);
    }

    #[test]
    fn object_ids_are_never_given_twice() {
        let mut catalog = Catalog::default();
        let first = table("a");
        catalog.apply(CatalogEdit::CreateTable(first.clone())).unwrap();
        let oid = catalog.get_table("a").unwrap().oid;
        catalog.apply(CatalogEdit::DropTable(first.id)).unwrap();
        catalog.apply(CatalogEdit::CreateTable(table("a"))).unwrap();
        assert!(catalog.get_table("a").unwrap().oid > oid);
    }
}
