//! Changes in a write transaction: applied, then committed or forgotten by whoever decides.
//!
//! Rows go one by one through prepared statements, each found by its primary key (about 0.1 ms a row): a statement over many
//! rows is planned by Kuzu as a product of node scans.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use tokio::sync::OwnedMutexGuard;

use super::generation::Generation;
use super::session::Session;
use super::threads::Worker;
use super::{statements, values};
use crate::error::{Error, Result};
use crate::graph::index::{Change, IndexSchema, NodeSchema, RelationshipSchema, StagedChanges, Standing};

/// Begins a write transaction, applies the changes and writes the standing. The index must be complete.
pub(super) async fn stage(
    generation: Arc<Generation>,
    writing: OwnedMutexGuard<()>,
    schema: Arc<IndexSchema>,
    changes: Vec<Change>,
    standing: Standing,
) -> Result<Box<dyn StagedChanges>> {
    let worker = generation.writer().clone();
    // Made before the transaction begins: however this ends, the transaction does not outlive it.
    let staged = Staged { open: true, worker: worker.clone(), _generation: generation, _writing: writing };
    let staged = worker.run(move |session| {
        let mut staged = staged;
        if let Err(error) = apply_all(session, &schema, &changes, &standing) {
            session.rollback();
            staged.open = false;
            return Err(error);
        }
        Ok(staged)
    });
    Ok(Box::new(staged.await?))
}

/// Refuses to add to an index that is not complete.
pub(super) async fn require_complete(writer: &Worker) -> Result<()> {
    writer
        .run(|session| {
            session.begin_read()?;
            let complete = complete(session);
            session.rollback();
            complete
        })
        .await
}

fn complete(session: &mut Session<'_, '_>) -> Result<()> {
    match session.read_standing()? {
        Some(_) => Ok(()),
        None => Err(Error::storage("the graph index is behind, only a rebuild can complete it")),
    }
}

struct Staged {
    open: bool,
    worker: Worker,
    _generation: Arc<Generation>,
    _writing: OwnedMutexGuard<()>,
}

#[async_trait::async_trait]
impl StagedChanges for Staged {
    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.open = false;
        self.worker.run(|session| session.commit()).await
    }

    async fn rollback(mut self: Box<Self>) {
        self.open = false;
        let ended = self.worker.run(|session| {
            session.rollback();
            Ok(())
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "changes of a closed graph index are forgotten");
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.open {
            self.worker.post(|session| session.rollback());
        }
    }
}

fn apply_all(
    session: &mut Session<'_, '_>,
    schema: &IndexSchema,
    changes: &[Change],
    standing: &Standing,
) -> Result<()> {
    session.begin_write()?;
    complete(session)?;
    for change in changes {
        apply(session, schema, change)?;
    }
    session.write_standing(standing)
}

fn apply(session: &mut Session<'_, '_>, schema: &IndexSchema, change: &Change) -> Result<()> {
    match change {
        Change::DeleteRelationships { element, rows } => {
            let text = statements::delete_relationship(schema, relationship(schema, element)?);
            for_each_row(session, &text, rows.columns(), 2).map(drop)
        }
        Change::DeleteNodes { element, keys } => {
            let text = statements::delete_node(node(schema, element)?);
            for_each_row(session, &text, std::slice::from_ref(keys), 1).map(drop)
        }
        Change::PutNodes { element, rows } => {
            let text = statements::put_node(node(schema, element)?);
            for_each_row(session, &text, rows.columns(), 1).map(drop)
        }
        Change::CreateRelationships { element, rows } => {
            let text = statements::create_relationship(schema, relationship(schema, element)?);
            let made = for_each_row(session, &text, rows.columns(), 2)?;
            if made == edges_in(rows) {
                Ok(())
            } else {
                Err(Error::internal(format!("an end point of a new edge \"{element}\" is not in the graph index")))
            }
        }
    }
}

/// Runs a statement for each row that has its `keys` leading columns, and counts the rows that come back.
fn for_each_row(session: &mut Session<'_, '_>, text: &str, columns: &[ArrayRef], keys: usize) -> Result<usize> {
    let names: Vec<_> = (0..columns.len()).map(statements::parameter).collect();
    let rows = columns.first().map_or(0, |column| column.len());
    let mut returned = 0;
    for row in 0..rows {
        if columns.iter().take(keys).any(|column| column.is_null(row)) {
            continue;
        }
        let cells = names.iter().zip(columns);
        let parameters = cells.map(|(name, column)| Ok((name.as_str(), values::of_cell(column.as_ref(), row)?)));
        let result = session.execute(text, parameters.collect::<Result<_>>()?)?;
        returned += usize::try_from(result.get_num_tuples()).unwrap_or(usize::MAX);
    }
    Ok(returned)
}

/// The rows that are edges: those without an end point are not.
fn edges_in(rows: &RecordBatch) -> usize {
    (0..rows.num_rows()).filter(|row| rows.columns().iter().take(2).all(|column| column.is_valid(*row))).count()
}

/// The node table of an element.
pub(super) fn node<'a>(schema: &'a IndexSchema, element: &str) -> Result<&'a NodeSchema> {
    schema.nodes.iter().find(|node| node.element == element).ok_or_else(|| unknown(element))
}

/// The relationship table of an element.
pub(super) fn relationship<'a>(schema: &'a IndexSchema, element: &str) -> Result<&'a RelationshipSchema> {
    schema.relationships.iter().find(|edge| edge.element == element).ok_or_else(|| unknown(element))
}

fn unknown(element: &str) -> Error {
    Error::internal(format!("element \"{element}\" is not in the graph index"))
}
