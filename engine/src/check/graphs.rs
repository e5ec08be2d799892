//! Checks that graph indexes hold what their tables hold.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::physical_plan::SendableRecordBatchStream;

use super::{CheckOptions, CheckReport, counted, text_of};
use crate::catalog::{GraphDefinition, TableId};
use crate::error::{Error, Result};
use crate::graph::index::{GraphIndex, IndexQuery, IndexReader};
use crate::graph_set::{index_path, read, standing_at};
use crate::snapshot::Snapshot;
use crate::store::KeyHash;
use crate::store::key_index::hash_keys;
use crate::stream;
use crate::transaction::graph_changes::{index_schema, node_columns, relationship_columns};
use crate::transaction::messages::key_text;

/// Checks the index of every graph. Nobody may write to them meanwhile.
pub(super) async fn check(options: &CheckOptions, snapshot: &Snapshot, report: &mut CheckReport) {
    for graph in snapshot.catalog.graphs.values() {
        let object = format!("graph {}", graph.name);
        match check_graph(options, snapshot, graph).await {
            Ok(Outcome::Agrees { rows }) => report.good(object, format!("its index holds {}", counted(rows, "row"))),
            Ok(Outcome::Elsewhere(text)) => report.note(object, text),
            Ok(Outcome::Differs(faults)) => {
                faults.into_iter().for_each(|fault| report.bad(object.clone(), fault));
            }
            Err(error) => report.note(object, format!("its index could not be read: {}", text_of(&error))),
        }
    }
}

enum Outcome {
    Agrees {
        rows: usize,
    },
    /// The index is not there, or stands elsewhere: the next server brings it along.
    Elsewhere(String),
    Differs(Vec<String>),
}

async fn check_graph(options: &CheckOptions, snapshot: &Snapshot, graph: &GraphDefinition) -> Result<Outcome> {
    let there = index_path(&options.local, graph);
    if !there.exists() {
        return Ok(Outcome::Elsewhere("has no index here, a server makes it".into()));
    }
    let copy = TemporaryCopy::of(&there)?;
    let schema = index_schema(&snapshot.catalog, graph)?;
    let index = (options.index)(copy.path.join("index"), schema).await?;
    let outcome = compare(snapshot, graph, index.as_ref()).await;
    index.close().await;
    outcome
}

async fn compare(snapshot: &Snapshot, graph: &GraphDefinition, index: &dyn GraphIndex) -> Result<Outcome> {
    let Some(reader) = index.begin_read().await? else {
        return Ok(Outcome::Elsewhere("its index is empty or not complete, a server makes it anew".into()));
    };
    let standing = reader.standing();
    if standing.versions != standing_at(graph, &snapshot.versions, snapshot.seq)?.versions {
        return Ok(Outcome::Elsewhere(format!(
            "its index stands at commit {}, a server brings it along",
            standing.seq
        )));
    }
    let (mut rows, mut faults) = (0, Vec::new());
    for (element, table, columns, cypher) in elements(graph) {
        let compared = Comparison { snapshot, reader: reader.as_ref(), element: &element, table, columns: &columns };
        rows += compared.run(&cypher, &mut faults).await?;
    }
    Ok(if faults.is_empty() { Outcome::Agrees { rows } } else { Outcome::Differs(faults) })
}

/// Name, table, columns, and the query for those columns, of every element table.
fn elements(graph: &GraphDefinition) -> Vec<(String, TableId, Vec<String>, String)> {
    let returned = |columns: Vec<String>| -> String {
        let columns = columns.into_iter().enumerate().map(|(number, column)| format!("{column} AS c{number}"));
        columns.collect::<Vec<_>>().join(", ")
    };
    let nodes = graph.vertices.iter().map(|vertex| {
        let columns = node_columns(vertex);
        let values = columns.iter().map(|column| format!("n.{}", quote(column))).collect();
        let cypher = format!("MATCH (n:{}) RETURN {}", quote(&vertex.name), returned(values));
        (vertex.name.clone(), vertex.table, columns, cypher)
    });
    let relationships = graph.edges.iter().filter_map(|edge| {
        let (from, to) = (graph.get_vertex(&edge.source.vertex)?, graph.get_vertex(&edge.destination.vertex)?);
        let columns = relationship_columns(edge);
        let ends = from.key.iter().map(|key| format!("a.{}", quote(key)));
        let ends = ends.chain(to.key.iter().map(|key| format!("b.{}", quote(key))));
        let own = columns.iter().skip(from.key.len() + to.key.len()).map(|column| format!("e.{}", quote(column)));
        let (from, to, element) = (quote(&from.name), quote(&to.name), quote(&edge.name));
        let cypher = format!("MATCH (a:{from})-[e:{element}]->(b:{to}) RETURN {}", returned(ends.chain(own).collect()));
        Some((edge.name.clone(), edge.table, columns, cypher))
    });
    nodes.chain(relationships).collect()
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// One element table, in its table and in the index.
struct Comparison<'a> {
    snapshot: &'a Snapshot,
    reader: &'a dyn IndexReader,
    element: &'a str,
    table: TableId,
    columns: &'a [String],
}

impl Comparison<'_> {
    /// Compares row by row, in any order. Gives the table's rows.
    async fn run(&self, cypher: &str, faults: &mut Vec<String>) -> Result<usize> {
        let mut open: HashMap<KeyHash, i64> = HashMap::new();
        let mut stored = read(self.snapshot, self.table, self.columns.to_vec()).await?;
        let types: Vec<Field> = stored.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut rows = 0;
        while let Some(batch) = stream::next(&mut stored).await? {
            rows += batch.num_rows();
            for hash in hash_keys(batch.columns())? {
                *open.entry(hash).or_default() += 1;
            }
        }
        let mut indexed = self.query(cypher, types).await?;
        let mut surplus = 0;
        while let Some(batch) = stream::next(&mut indexed).await? {
            for (row, hash) in hash_keys(batch.columns())?.into_iter().enumerate() {
                match open.get_mut(&hash).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None => {
                        surplus += 1;
                        if surplus == 1 {
                            let text = key_text(batch.columns(), row);
                            faults.push(format!("element \"{}\" has ({text}) in the index only", self.element));
                        }
                    }
                }
            }
        }
        if surplus > 1 {
            faults.push(format!("element \"{}\" has {} in the index only", self.element, counted(surplus, "row")));
        }
        let missing: i64 = open.values().sum();
        if missing > 0 {
            faults.push(format!(
                "element \"{}\" lacks {} in the index",
                self.element,
                counted(missing as usize, "row")
            ));
        }
        Ok(rows)
    }

    async fn query(&self, cypher: &str, types: Vec<Field>) -> Result<SendableRecordBatchStream> {
        let columns = types.into_iter().enumerate();
        let fields = columns.map(|(number, field)| field.with_name(format!("c{number}")).with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.reader.query(&IndexQuery { cypher: cypher.to_string(), parameters: Vec::new(), schema }).await
    }
}

/// Files copied to where they may be written to; gone with this.
struct TemporaryCopy {
    path: std::path::PathBuf,
}

impl TemporaryCopy {
    fn of(directory: &Path) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("slipstream-check-{}", uuid::Uuid::now_v7().simple()));
        let copy = TemporaryCopy { path };
        copy_files(directory, &copy.path.join("index")).map_err(|error| {
            Error::storage(format!("cannot copy \"{}\" to \"{}\"", directory.display(), copy.path.display()))
                .with_detail(error.to_string())
        })?;
        Ok(copy)
    }
}

impl Drop for TemporaryCopy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary copy is left");
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_files(&entry.path(), &there)?,
            false => std::fs::copy(entry.path(), there).map(drop)?,
        }
    }
    Ok(())
}
