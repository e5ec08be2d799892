//! The engine as a whole: what a commit promises, with the steps of the protocol stopped one by one.

mod bucket;
mod check;
mod crash_matrix;
mod faults;
mod past;
mod power_cut;
mod spill;
mod stop_at;
mod store;
mod transactions;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, Schema};
use parking_lot::Mutex;

use crate::ReadView;
use crate::catalog::{
    CatalogEdit, ColumnDefinition, EdgeTable, EndPoint, GraphDefinition, TableDefinition, VertexTable,
};
use crate::change::{Changes, RowChanges};
use crate::database::{Database, OpenOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::index::IndexFactory;
use crate::graph::index::{GraphIndex, IndexQuery};
use crate::graph::memory::MemoryIndex;
use crate::store::ScanRequest;
use crate::stream;
use crate::transaction::{CommitObserver, CommitStep};
use crate::types::SqlType;

fn people() -> TableDefinition {
    let column = |name: &str, sql_type, not_null| ColumnDefinition {
        name: name.into(),
        sql_type,
        not_null,
        default: None,
        identity: None,
        generated: None,
    };
    let columns = vec![column("id", SqlType::BigInt, true), column("name", SqlType::Text, false)];
    TableDefinition::new("person", columns, vec!["id".into()])
}

fn rows(table: &TableDefinition, rows: &[(i64, &str)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_new(table.arrow_schema(), vec![ids, names]).unwrap()
}

async fn create(database: &Database) -> Arc<TableDefinition> {
    edit(database, CatalogEdit::CreateTable(people())).await;
    Arc::clone(database.snapshot().catalog.table("person").unwrap())
}

/// Commits what one statement changes.
async fn commit(database: &Database, changes: Changes) -> Result<()> {
    let view = database.read_view(&[]).await?;
    database.commit(&view, changes).await.map(drop)
}

async fn edit(database: &Database, edit: CatalogEdit) {
    commit(database, Changes { catalog: vec![edit], ..Changes::default() }).await.unwrap();
}

/// Rows that come into `person`.
fn insertion(table: &Arc<TableDefinition>, new: &[(i64, &str)]) -> Changes {
    let added = vec![rows(table, new)].into();
    Changes { rows: vec![RowChanges { added, ..RowChanges::new(Arc::clone(table)) }], ..Changes::default() }
}

/// A row of `person` that goes, as a view sees it.
async fn deletion(view: &ReadView, id: i64) -> Result<Changes> {
    let table = Arc::clone(view.snapshot.catalog.table("person")?);
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![id]));
    let identity = ["id".to_string()];
    let removed = view.table(&table).await?.rows_where_in(&identity, &[keys], &identity).await?.into();
    Ok(Changes { rows: vec![RowChanges { removed, ..RowChanges::new(table) }], ..Changes::default() })
}

async fn insert(database: &Database, new: &[(i64, &str)]) -> Result<()> {
    let table = Arc::clone(database.snapshot().catalog.table("person")?);
    commit(database, insertion(&table, new)).await
}

async fn delete(database: &Database, id: i64) -> Result<()> {
    let view = database.read_view(&[]).await?;
    database.commit(&view, deletion(&view, id).await?).await.map(drop)
}

async fn contents(database: &Database) -> Vec<(i64, String)> {
    people_in(&database.read_view(&[]).await.unwrap()).await
}

/// The rows of `person` as a view sees them.
async fn people_in(view: &ReadView) -> Vec<(i64, String)> {
    let table = view.snapshot.catalog.table("person").unwrap();
    let mut stream = view.table(table).await.unwrap().read(&ScanRequest::default()).await.unwrap();
    let mut found = Vec::new();
    while let Some(batch) = stream::next(&mut stream).await.unwrap() {
        let (ids, names) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
        found.extend((0..batch.num_rows()).map(|row| (ids.value(row), names.value(row).to_string())));
    }
    found.sort();
    found
}

fn owned(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
    rows.iter().map(|(id, name)| (*id, name.to_string())).collect()
}

#[tokio::test]
async fn rows_survive_a_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    insert(&database, &[(3, "cyd")]).await.unwrap();
    delete(&database, 2).await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "ann"), (3, "cyd")]));
    database.close().await;
    drop(database);
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "ann"), (3, "cyd")]));
    assert_eq!(database.recovery().redone, Vec::<String>::new());
    insert(&database, &[(2, "bea")]).await.unwrap();
    assert_eq!(contents(&database).await.len(), 3);
}

#[tokio::test]
async fn a_key_is_taken_once_and_free_again_after_its_row_went() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    insert(&database, &[(1, "ann")]).await.unwrap();
    let error = insert(&database, &[(2, "bob"), (1, "again")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
    let error = insert(&database, &[(7, "x"), (7, "y")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(contents(&database).await, owned(&[(1, "ann")]));
    delete(&database, 1).await.unwrap();
    insert(&database, &[(1, "new")]).await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "new")]));
}

#[tokio::test]
async fn rows_are_found_by_key_at_their_version() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    let old = database.snapshot().table("person").await.unwrap();
    delete(&database, 1).await.unwrap();
    insert(&database, &[(3, "cyd")]).await.unwrap();
    let new = database.snapshot().table("person").await.unwrap();
    let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![3, 2, 1, 2]))];
    let columns = ["name".to_string()];
    for _ in 0..2 {
        let (positions, found) = new.take_by_key(&keys, &columns).await.unwrap();
        assert_eq!(positions.values(), &[0, 1, 3]);
        assert_eq!(found.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["cyd", "bob", "bob"]);
        let (positions, found) = old.take_by_key(&keys, &columns).await.unwrap();
        assert_eq!(positions.values(), &[1, 2, 3]);
        assert_eq!(found.column(0).len(), 3);
    }
}

#[tokio::test]
async fn only_one_process_opens_a_database_for_writing() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    let error = Database::open(OpenOptions::new(directory.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
}

#[tokio::test]
async fn many_small_commits_leave_few_fragments_and_every_row() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    for id in 0..80 {
        insert(&database, &[(id, "x")]).await.unwrap();
        if id % 10 == 9 {
            delete(&database, id - 5).await.unwrap();
        }
    }
    let table = database.snapshot().table("person").await.unwrap();
    assert!(table.fragments() < 40, "{} fragments", table.fragments());
    let expected: Vec<i64> = (0..80).filter(|id| id % 10 != 4).collect();
    assert_eq!(contents(&database).await.into_iter().map(|row| row.0).collect::<Vec<_>>(), expected);
    let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values(0..80))];
    let (positions, rows) = table.take_by_key(&keys, &["id".to_string()]).await.unwrap();
    assert_eq!(positions.values().iter().map(|at| i64::from(*at)).collect::<Vec<_>>(), expected);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), expected.as_slice());
}

fn social(database: &Database) -> GraphDefinition {
    let catalog = Arc::clone(&database.snapshot().catalog);
    let end = |column: &str| EndPoint { columns: vec![column.into()], vertex: "person".into() };
    GraphDefinition {
        oid: 0,
        id: uuid::Uuid::now_v7(),
        name: "social".into(),
        vertices: vec![VertexTable {
            table: catalog.table("person").unwrap().id,
            name: "person".into(),
            labels: vec!["person".into()],
            key: vec!["id".into()],
            properties: vec!["id".into(), "name".into()],
        }],
        edges: vec![EdgeTable {
            table: catalog.table("knows").unwrap().id,
            name: "knows".into(),
            labels: vec!["knows".into()],
            key: vec!["id".into()],
            source: end("src"),
            destination: end("dst"),
            properties: vec!["id".into()],
            on_delete_cascade: false,
        }],
    }
}

/// Two people who know each other, as a graph.
async fn create_graph(database: &Database) {
    create(database).await;
    let column = |name: &str| ColumnDefinition {
        name: name.into(),
        sql_type: SqlType::BigInt,
        not_null: true,
        default: None,
        identity: None,
        generated: None,
    };
    let knows = TableDefinition::new("knows", ["id", "src", "dst"].map(column).into(), vec!["id".into()]);
    edit(database, CatalogEdit::CreateTable(knows)).await;
    edit(database, CatalogEdit::CreateGraph(social(database))).await;
    meet(database, 1, 2).await.unwrap();
}

/// One transaction: two new people and the edge between them.
async fn meet(database: &Database, first: i64, second: i64) -> Result<()> {
    let catalog = Arc::clone(&database.snapshot().catalog);
    let (person, knows) = (Arc::clone(catalog.table("person")?), Arc::clone(catalog.table("knows")?));
    let edge = [first, first, second].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef);
    let edge = RecordBatch::try_new(knows.arrow_schema(), edge.into()).unwrap();
    let mut changes = insertion(&person, &[(first, "a"), (second, "b")]);
    changes.rows.push(RowChanges { added: vec![edge].into(), ..RowChanges::new(knows) });
    commit(database, changes).await
}

#[tokio::test]
async fn an_index_that_is_behind_has_no_reader_and_is_brought_forward() {
    let directory = tempfile::tempdir().unwrap();
    let opened: Arc<Mutex<Vec<Arc<dyn GraphIndex>>>> = Arc::default();
    let index: IndexFactory = {
        let opened = Arc::clone(&opened);
        Arc::new(move |_, schema| {
            let opened = Arc::clone(&opened);
            Box::pin(async move {
                let index: Arc<dyn GraphIndex> = Arc::new(MemoryIndex::new(schema)?);
                opened.lock().push(Arc::clone(&index));
                Ok(index)
            })
        })
    };
    let options = OpenOptions { index, ..OpenOptions::new(directory.path()) };
    let database = Database::open(options).await.unwrap();
    create_graph(&database).await;
    let graphs = ["social".to_string()];
    assert!(database.read_view(&graphs).await.unwrap().readers.contains_key("social"));
    let index = Arc::clone(&opened.lock()[0]);
    index.mark_behind().await.unwrap();
    let view = database.read_view(&graphs).await.unwrap();
    assert_eq!(view.snapshot.seq, database.snapshot().seq);
    assert!(view.readers.is_empty());
    while database.read_view(&graphs).await.unwrap().readers.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// The edges as the graph index has them, at the head.
async fn acquaintances(database: &Database) -> Vec<(i64, i64)> {
    let view = database.read_view(&["social".to_string()]).await.unwrap();
    assert_eq!(view.snapshot.seq, database.snapshot().seq);
    let schema = Schema::new(vec![SqlType::BigInt.field("a", true), SqlType::BigInt.field("b", true)]);
    let query = IndexQuery {
        cypher: "MATCH (a:person)-[k:knows]->(b:person) RETURN a.id, b.id ORDER BY a.id".into(),
        parameters: vec![],
        schema: Arc::new(schema),
    };
    let mut stream = view.readers["social"].query(&query).await.unwrap();
    let mut found = Vec::new();
    while let Some(batch) = stream::next(&mut stream).await.unwrap() {
        let column = |position: usize| batch.column(position).as_primitive::<Int64Type>().values().to_vec();
        found.extend(column(0).into_iter().zip(column(1)));
    }
    found
}

#[tokio::test]
async fn a_graph_index_that_was_deleted_gives_the_same_answers() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create_graph(&database).await;
    meet(&database, 3, 4).await.unwrap();
    let before = acquaintances(&database).await;
    database.close().await;
    drop(database);
    std::fs::remove_dir_all(directory.path().join("graph")).unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    assert_eq!(acquaintances(&database).await, before);
}

#[tokio::test]
async fn a_text_that_no_index_can_keep_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create_graph(&database).await;
    let error = insert(&database, &[(9, &"x".repeat(300_000))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StringTooLong);
    assert_eq!(error.subject().column.as_deref(), Some("name"));
    assert_eq!(contents(&database).await.len(), 2);
}

#[tokio::test]
async fn a_version_made_by_a_stranger_is_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    let table = create(&database).await;
    insert(&database, &[(1, "ann")]).await.unwrap();
    let snapshot = database.snapshot();
    crate::store::append_as_a_stranger(&snapshot.open(&table).await.unwrap(), rows(&table, &[(9, "stranger")])).await;
    let error = insert(&database, &[(2, "bob")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignChange, "{error}");
    assert_eq!(contents(&database).await, owned(&[(1, "ann")]));
    drop((database, snapshot));
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    assert_eq!(database.recovery().foreign, ["person"]);
    assert_eq!(contents(&database).await, owned(&[(1, "ann")]));
    assert_eq!(insert(&database, &[(2, "bob")]).await.unwrap_err().kind(), ErrorKind::ForeignChange);
}
