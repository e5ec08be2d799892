//! What `slipstream check` sees, and what it takes in.

use super::stop_at::StopAt;
use super::*;
use crate::check::{CheckOptions, CheckReport, Verdict, adopt, check};
use crate::storage::{Durability, Storage};
use crate::store::{append_as_a_stranger, delete_as_a_stranger, newest_of_a_stranger, restore_as_a_stranger};

fn options(directory: &tempfile::TempDir) -> CheckOptions {
    CheckOptions::new(Storage::local(directory.path(), Durability::Relaxed).unwrap(), directory.path())
}

async fn open(directory: &tempfile::TempDir) -> Arc<Database> {
    Database::open(OpenOptions::new(directory.path())).await.unwrap()
}

async fn with_a_graph() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create_graph(&database).await;
    meet(&database, 3, 4).await.unwrap();
    database.close().await;
    directory
}

/// Rows that another program writes to `person`.
async fn strange_rows(directory: &tempfile::TempDir, new: &[(i64, &str)]) {
    let database = open(directory).await;
    let table = database.snapshot().table("person").await.unwrap();
    append_as_a_stranger(&table, rows(table.definition(), new)).await;
    database.close().await;
}

fn bad(report: &CheckReport) -> Vec<String> {
    let bad = report.findings.iter().filter(|finding| finding.verdict == Verdict::Bad);
    bad.map(ToString::to_string).collect()
}

/// Every file below a directory, with its size and when it was written.
fn files(directory: &std::path::Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let about = std::fs::metadata(&path).unwrap();
        match about.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path, about.len(), about.modified().unwrap())),
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_sound_database_is_sound_and_untouched() {
    let directory = with_a_graph().await;
    let before = files(directory.path());
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.findings.iter().all(|finding| finding.verdict == Verdict::Good), "{report}");
    let text = report.to_string();
    assert!(text.contains("table person: 4 rows at version"), "{text}");
    assert!(text.contains("graph social: its index holds 6 rows"), "{text}");
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn a_running_server_is_no_obstacle() {
    let directory = with_a_graph().await;
    let database = open(&directory).await;
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("note graph social: a server works with its index"), "{report}");
    assert_eq!(adopt(&options(&directory)).await.unwrap_err().kind(), ErrorKind::Locked);
    meet(&database, 5, 6).await.unwrap();
}

#[tokio::test]
async fn a_directory_without_a_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = check(&options(&directory)).await.unwrap_err();
    assert!(error.message().starts_with("there is no database at"), "{error}");
    assert_eq!(files(directory.path()), []);
}

#[tokio::test]
async fn a_missing_file_is_damage() {
    let directory = with_a_graph().await;
    let data = files(directory.path()).into_iter().find(|(path, ..)| {
        let path = path.to_string_lossy();
        path.contains("person-") && path.contains("/data/")
    });
    std::fs::remove_file(data.unwrap().0).unwrap();
    let report = check(&options(&directory)).await.unwrap();
    assert!(bad(&report).iter().any(|line| line.starts_with("BAD  table person: cannot")), "{report}");
}

#[tokio::test]
async fn a_broken_log_is_damage() {
    for damage in ["gone", "half", "other"] {
        let directory = with_a_graph().await;
        let records = files(&directory.path().join("commits"));
        let (record, ..) = &records[2];
        let contents = std::fs::read(record).unwrap();
        match damage {
            "gone" => std::fs::remove_file(record).unwrap(),
            "half" => std::fs::write(record, &contents[..contents.len() / 2]).unwrap(),
            _ => std::fs::copy(&records[1].0, record).map(drop).unwrap(),
        }
        let report = check(&options(&directory)).await.unwrap();
        assert!(bad(&report).iter().any(|line| line.starts_with("BAD  log: ")), "{damage}: {report}");
    }
}

#[tokio::test]
async fn an_index_that_differs_from_its_tables_is_damage() {
    let directory = with_a_graph().await;
    let database = open(&directory).await;
    let snapshot = database.snapshot();
    let graph = Arc::clone(&snapshot.catalog.graphs["social"]);
    let standing = database.graph_standing("social").await.unwrap().unwrap();
    database.close().await;
    drop(database);
    // The index loses a person and its edges, and still says that it stands where it stood.
    let path = crate::graph_set::index_path(directory.path(), &graph);
    let schema = crate::transaction::graph_changes::index_schema(&snapshot.catalog, &graph).unwrap();
    let index = (options(&directory).index)(path, schema).await.unwrap();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![3]));
    let change = crate::graph::index::Change::DeleteNodes { element: "person".into(), keys };
    index.stage(vec![change], standing).await.unwrap().commit().await.unwrap();
    index.close().await;
    let report = check(&options(&directory)).await.unwrap();
    let expected = [
        "BAD  graph social: element \"person\" lacks 1 row in the index",
        "BAD  graph social: element \"knows\" lacks 1 row in the index",
    ];
    assert_eq!(bad(&report), expected);
}

#[tokio::test]
async fn an_index_that_is_gone_is_no_damage() {
    let directory = with_a_graph().await;
    std::fs::remove_dir_all(directory.path().join("graph")).unwrap();
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("note graph social: has no index here"), "{report}");
}

#[tokio::test]
async fn a_commit_that_waits_for_a_server_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let observer = Arc::new(StopAt::default());
    let stopping = OpenOptions { observer: Some(Arc::clone(&observer) as _), ..OpenOptions::new(directory.path()) };
    let database = Database::open(stopping).await.unwrap();
    create(&database).await;
    observer.set(Some((CommitStep::CommitTables, true)));
    insert(&database, &[(1, "ann")]).await.unwrap_err();
    drop(database);
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("is committed, and made when a server opens the database"), "{report}");
    for (path, ..) in files(directory.path()).iter().filter(|(path, ..)| path.to_string_lossy().contains("/data/")) {
        std::fs::remove_file(path).unwrap();
    }
    let report = check(&options(&directory)).await.unwrap();
    assert!(bad(&report)[0].contains("is missing"), "{report}");
}

#[tokio::test]
async fn versions_of_another_program_are_found_and_taken_in() {
    let directory = with_a_graph().await;
    strange_rows(&directory, &[(8, "h"), (9, "i")]).await;
    let report = check(&options(&directory)).await.unwrap();
    assert!(bad(&report)[0].contains("is not of this database"), "{report}");
    assert_eq!(contents(&*open(&directory).await).await.len(), 4);

    let report = adopt(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("table person: taken in at version"), "{report}");
    assert!(report.to_string().contains("graph social: its index was brought along"), "{report}");
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("graph social: its index holds 8 rows"), "{report}");

    let database = open(&directory).await;
    assert_eq!(database.recovery().foreign, Vec::<String>::new());
    assert_eq!(contents(&database).await.len(), 6);
    insert(&database, &[(10, "j")]).await.unwrap();
    let error = insert(&database, &[(9, "again")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    let record = &database.commits(3).await.unwrap()[2];
    assert!(record.notes.as_deref().unwrap().starts_with("adopted table person at version"), "{record:?}");
}

/// A database whose newest commit is recorded, with its version of `person` made by another program. The commit adds person 8
/// and gives person 2 another name.
async fn overtaken(stranger: impl AsyncFnOnce(Arc<crate::store::TableVersion>)) -> tempfile::TempDir {
    let directory = with_a_graph().await;
    let observer = Arc::new(StopAt::default());
    let stopping = OpenOptions { observer: Some(Arc::clone(&observer) as _), ..OpenOptions::new(directory.path()) };
    let database = Database::open(stopping).await.unwrap();
    let before = database.snapshot().table("person").await.unwrap();
    let mut changes = deletion(&database.read_view(&[]).await.unwrap(), 2).await.unwrap();
    changes.rows[0].added = vec![rows(before.definition(), &[(2, "other"), (8, "h")])].into();
    observer.set(Some((CommitStep::CommitTables, true)));
    commit(&database, changes).await.unwrap_err();
    stranger(before).await;
    directory
}

#[tokio::test]
async fn a_commit_that_another_program_has_overtaken_is_finished_behind_it() {
    let directory = overtaken(async |table| {
        append_as_a_stranger(&table, rows(table.definition(), &[(9, "stranger")])).await;
    })
    .await;
    // Neither a server nor anybody else builds on it by mistake, and the way out is told.
    let error = Database::open(OpenOptions::new(directory.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignChange);
    assert!(error.hint().unwrap().contains("--adopt"), "{error}");
    let report = adopt(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.to_string().contains("behind rows of another program"), "{report}");
    let report = check(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    let database = open(&directory).await;
    let people = contents(&database).await;
    assert!(people.contains(&(2, "other".into())) && people.contains(&(8, "h".into())), "{people:?}");
    assert!(people.contains(&(9, "stranger".into())), "{people:?}");
    insert(&database, &[(10, "j")]).await.unwrap();
    assert_eq!(insert(&database, &[(9, "again")]).await.unwrap_err().kind(), ErrorKind::UniqueViolation);
}

#[tokio::test]
async fn a_commit_does_not_go_behind_rows_with_its_own_keys_before_they_are_gone() {
    let directory = overtaken(async |table| {
        append_as_a_stranger(&table, rows(table.definition(), &[(8, "stranger")])).await;
    })
    .await;
    // However often it is tried.
    for _ in 0..2 {
        let report = adopt(&options(&directory)).await.unwrap();
        assert_eq!(bad(&report), ["BAD  table person: key (id)=(8) of \"person_pkey\" is there twice"]);
        assert!(report.to_string().contains("note adopt: nothing was taken in"), "{report}");
        Database::open(OpenOptions::new(directory.path())).await.unwrap_err();
    }
    delete_as_a_stranger(&directory.path().join("tables"), "person", "name = 'stranger'").await;
    let report = adopt(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    let people = contents(&*open(&directory).await).await;
    assert!(people.contains(&(2, "other".into())) && people.contains(&(8, "h".into())), "{people:?}");
}

#[tokio::test]
async fn a_commit_does_not_go_behind_changes_of_its_own_rows_before_they_are_taken_back() {
    let directory = overtaken(async |_| ()).await;
    let tables = directory.path().join("tables");
    let base = newest_of_a_stranger(&tables, "person").await;
    delete_as_a_stranger(&tables, "person", "id = 2").await;
    let report = adopt(&options(&directory)).await.unwrap();
    assert!(bad(&report)[0].contains("does not go on top of version"), "{report}");
    assert!(report.to_string().contains(&format!("restore version {base} of it")), "{report}");
    Database::open(OpenOptions::new(directory.path())).await.unwrap_err();
    restore_as_a_stranger(&tables, "person", base).await;
    let report = adopt(&options(&directory)).await.unwrap();
    assert!(report.is_sound(), "{report}");
    let people = contents(&*open(&directory).await).await;
    assert!(people.contains(&(2, "other".into())) && people.contains(&(8, "h".into())), "{people:?}");
}

#[tokio::test]
async fn a_duplicate_key_of_another_program_is_not_taken_in() {
    let directory = with_a_graph().await;
    strange_rows(&directory, &[(8, "h"), (2, "again")]).await;
    let report = adopt(&options(&directory)).await.unwrap();
    assert_eq!(bad(&report), ["BAD  table person: key (id)=(2) of \"person_pkey\" is there twice"]);
    assert!(report.to_string().contains("note adopt: nothing was taken in"), "{report}");
    assert_eq!(contents(&*open(&directory).await).await.len(), 4);
}

#[tokio::test]
async fn a_null_of_another_program_is_not_taken_in() {
    let directory = with_a_graph().await;
    let database = open(&directory).await;
    let table = database.snapshot().table("person").await.unwrap();
    let mut definition = table.definition().as_ref().clone();
    definition.columns[0].not_null = false;
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["nobody"]));
    append_as_a_stranger(&table, RecordBatch::try_new(definition.arrow_schema(), vec![ids, names]).unwrap()).await;
    database.close().await;
    drop(database);
    let report = adopt(&options(&directory)).await.unwrap();
    assert_eq!(bad(&report), ["BAD  table person: column \"id\" is NULL in 1 row"]);
}

#[tokio::test]
async fn an_edge_of_another_program_needs_its_end_points() {
    let directory = with_a_graph().await;
    let database = open(&directory).await;
    let table = database.snapshot().table("knows").await.unwrap();
    let edge = [77, 1, 99].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef);
    append_as_a_stranger(&table, RecordBatch::try_new(table.definition().arrow_schema(), edge.into()).unwrap()).await;
    database.close().await;
    drop(database);
    let report = adopt(&options(&directory)).await.unwrap();
    assert_eq!(bad(&report), ["BAD  table knows: (dst)=(99) of \"knows_dst_fkey\" is not in table person"]);
}
