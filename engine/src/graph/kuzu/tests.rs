//! What the Kuzu door promises, checked against Kuzu itself: exact values, all or nothing, and nothing believed that a
//! crash may have cut.

mod agreement;
mod crashes;
mod planning;
mod reading;
mod values;
mod writing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};

use super::{KuzuOptions, open};
use crate::catalog::TableId;
use crate::error::Result;
use crate::graph::index::{
    Change, GraphIndex, IndexQuery, IndexReader, IndexSchema, NodeSchema, Property, RebuildSource, RelationshipSchema,
    Standing,
};
use crate::graph::memory::{Dump, rows_of, text_of_row};
use crate::types::SqlType;

/// People who know people and live in cities.
fn social() -> IndexSchema {
    IndexSchema {
        nodes: vec![
            NodeSchema {
                element: "person".to_string(),
                key: property("id", SqlType::BigInt),
                properties: vec![property("name", SqlType::Text)],
            },
            NodeSchema { element: "city".to_string(), key: property("code", SqlType::Text), properties: Vec::new() },
        ],
        relationships: vec![
            RelationshipSchema {
                element: "knows".to_string(),
                from: "person".to_string(),
                to: "person".to_string(),
                key: property("id", SqlType::BigInt),
                properties: vec![property("since", SqlType::Date)],
            },
            RelationshipSchema {
                element: "lives_in".to_string(),
                from: "person".to_string(),
                to: "city".to_string(),
                key: property("id", SqlType::BigInt),
                properties: Vec::new(),
            },
        ],
    }
}

fn property(name: &str, sql_type: SqlType) -> Property {
    Property { name: name.to_string(), sql_type }
}

fn options() -> KuzuOptions {
    KuzuOptions { buffer_pool_bytes: 128 << 20, max_db_bytes: 1 << 32, readers: 2 }
}

async fn open_social(path: &Path) -> Arc<dyn GraphIndex> {
    open(path, social(), options()).await.unwrap()
}

/// A standing of one table.
fn standing(seq: u64) -> Standing {
    let table = TableId(uuid::Uuid::from_u128(0x0192_7f00_0000_7000_8000_0000_0000_0001));
    Standing { seq, versions: BTreeMap::from([(table, seq * 10)]) }
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = columns.iter().enumerate();
    let fields = fields.map(|(position, column)| Field::new(format!("f{position}"), column.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
}

fn people(rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let names: StringArray = rows.iter().map(|row| row.1).collect();
    batch(vec![Arc::new(ids), Arc::new(names)])
}

/// Source, destination, key, since.
type Knows = (i64, i64, i64, Option<i32>);

fn knows(rows: &[Knows]) -> RecordBatch {
    let column = |at: fn(&Knows) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(at))) as ArrayRef;
    let since: Date32Array = rows.iter().map(|row| row.3).collect();
    batch(vec![column(|row| row.0), column(|row| row.1), column(|row| row.2), Arc::new(since)])
}

fn put_people(rows: &[(i64, Option<&str>)]) -> Change {
    Change::PutNodes { element: "person".to_string(), rows: people(rows) }
}

fn create_knows(rows: &[Knows]) -> Change {
    Change::CreateRelationships { element: "knows".to_string(), rows: knows(rows) }
}

fn source(nodes: Vec<(&str, RecordBatch)>, relationships: Vec<(&str, RecordBatch)>) -> RebuildSource {
    let streams = |rows: Vec<(&str, RecordBatch)>| {
        rows.into_iter().map(|(element, rows)| (element.to_string(), stream_of(vec![rows]))).collect()
    };
    RebuildSource { nodes: streams(nodes), relationships: streams(relationships) }
}

fn stream_of(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches.into_iter().map(Ok))))
}

/// An index with `people` in it and nobody knowing anybody.
async fn filled(path: &Path, rows: &[(i64, Option<&str>)]) -> Arc<dyn GraphIndex> {
    let index = open_social(path).await;
    index.rebuild(source(vec![("person", people(rows))], Vec::new()), standing(1)).await.unwrap();
    index
}

async fn commit(index: &dyn GraphIndex, changes: Vec<Change>, seq: u64) {
    index.stage(changes, standing(seq)).await.unwrap().commit().await.unwrap();
}

fn query(cypher: &str, columns: &[(&str, DataType)]) -> IndexQuery {
    let fields: Vec<_> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    IndexQuery { cypher: cypher.to_string(), parameters: Vec::new(), schema: Arc::new(Schema::new(fields)) }
}

async fn rows(reader: &dyn IndexReader, query: &IndexQuery) -> Result<Vec<RecordBatch>> {
    let stream = reader.query(query).await?;
    Ok(stream.try_collect().await.unwrap())
}

async fn count(reader: &dyn IndexReader, cypher: &str) -> i64 {
    let batches = rows(reader, &query(cypher, &[("n", DataType::Int64)])).await.unwrap();
    let column = batches[0].column(0);
    column.as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

async fn count_people(index: &dyn GraphIndex) -> i64 {
    let reader = index.begin_read().await.unwrap().unwrap();
    count(reader.as_ref(), "MATCH (p:person) RETURN count(*)").await
}

/// Everything in the index, as the twin shows it.
async fn dump(index: &dyn GraphIndex) -> Dump {
    let reader = index.begin_read().await.unwrap().expect("a complete index");
    let schema = index.schema();
    let mut dump = Dump::new();
    for node in &schema.nodes {
        let columns: Vec<_> = std::iter::once(&node.key).chain(&node.properties).collect();
        let returned: Vec<_> = columns.iter().map(|column| format!("n.`{}`", column.name)).collect();
        let cypher = format!("MATCH (n:`{}`) RETURN {}", node.element, returned.join(", "));
        dump.insert(node.element.clone(), texts(reader.as_ref(), cypher, &columns).await);
    }
    for edge in &schema.relationships {
        let end = |element: &str| schema.nodes.iter().find(|node| node.element == element).unwrap().key.clone();
        let (from, to) = (end(&edge.from), end(&edge.to));
        let own: Vec<_> = std::iter::once(&edge.key).chain(&edge.properties).collect();
        let returned: Vec<_> = own.iter().map(|column| format!("r.`{}`", column.name)).collect();
        let cypher = format!(
            "MATCH (a:`{}`)-[r:`{}`]->(b:`{}`) RETURN a.`{}`, b.`{}`, {}",
            edge.from,
            edge.element,
            edge.to,
            from.name,
            to.name,
            returned.join(", ")
        );
        let columns: Vec<_> = [&from, &to].into_iter().chain(own).collect();
        dump.insert(edge.element.clone(), texts(reader.as_ref(), cypher, &columns).await);
    }
    dump
}

async fn texts(reader: &dyn IndexReader, cypher: String, columns: &[&Property]) -> std::collections::BTreeSet<String> {
    let numbered = columns.iter().enumerate();
    let fields: Vec<_> = numbered.map(|(n, column)| column.sql_type.field(&format!("c{n}"), true)).collect();
    let query = IndexQuery { cypher, parameters: Vec::new(), schema: Arc::new(Schema::new(fields)) };
    let batches = rows(reader, &query).await.unwrap();
    let rows = batches.iter().flat_map(|batch| rows_of(batch.columns()).unwrap());
    rows.map(|row| text_of_row(&row)).collect()
}
