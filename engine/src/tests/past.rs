//! The past: versions are read as they were, names hold them, clean-up gives up what nobody holds, compaction moves rows and
//! changes none.

use chrono::TimeDelta;

use super::*;
use crate::Version;
use crate::check::{CheckOptions, check};
use crate::storage::{Durability, Storage};

async fn open(directory: &tempfile::TempDir) -> Arc<Database> {
    Database::open(OpenOptions::new(directory.path())).await.unwrap()
}

async fn at(database: &Database, version: Version) -> Result<Vec<(i64, String)>> {
    Ok(people_in(&database.view_at(&version).await?).await)
}

async fn assert_sound(directory: &tempfile::TempDir) {
    let storage = Storage::local(directory.path(), Durability::Full).unwrap();
    let report = check(&CheckOptions::new(storage, directory.path())).await.unwrap();
    assert!(report.is_sound(), "{report}");
}

fn invalid<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    error.message().to_string()
}

/// A person for each of some commits; gives the number of the commit before the first.
async fn one_by_one(database: &Database, ids: std::ops::Range<i64>) -> u64 {
    let before = database.snapshot().seq;
    for id in ids {
        insert(database, &[(id, "x")]).await.unwrap();
    }
    before
}

#[tokio::test]
async fn every_version_is_read_by_number_and_by_time() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create(&database).await;
    let before = one_by_one(&database, 0..20).await;
    let times: Vec<_> =
        database.commits(100).await.unwrap().into_iter().map(|record| (record.seq, record.timestamp)).collect();
    for (seq, time) in times.into_iter().filter(|(seq, _)| *seq >= before) {
        let rows = (seq - before) as usize;
        let shown = chrono::SubsecRound::trunc_subsecs(time, 6);
        for version in [Version::Commit(seq), Version::Time(time), Version::Time(shown)] {
            assert_eq!(at(&database, version.clone()).await.unwrap().len(), rows, "{version}");
        }
    }
    let head = database.snapshot();
    assert_eq!(invalid(at(&database, Version::Commit(0)).await), "version 0 does not exist");
    assert!(invalid(at(&database, Version::Commit(head.seq + 1)).await).contains("lies in the future"));
    assert!(invalid(at(&database, Version::Time(chrono::Utc::now() + TimeDelta::days(1))).await).contains("future"));
    assert!(invalid(at(&database, Version::Name("x".into())).await).contains("does not exist"));
}

#[tokio::test]
async fn a_transaction_at_an_older_version_loses_against_what_came_since() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    insert(&database, &[(1, "a"), (2, "b")]).await.unwrap();
    let seq = database.snapshot().seq;
    delete(&database, 1).await.unwrap();
    let begin = async || {
        let mut transaction = database.begin();
        assert!(transaction.begin_at(&Version::Commit(seq)).await.unwrap());
        assert!(!transaction.begin_at(&Version::Commit(seq)).await.unwrap(), "it has one already");
        assert_eq!(people_in(&transaction.view(&[]).await.unwrap()).await.len(), 2);
        transaction
    };
    let mut transaction = begin().await;
    let changes = deletion(&transaction.view(&[]).await.unwrap(), 1).await.unwrap();
    transaction.apply(changes).await.unwrap();
    assert_eq!(transaction.commit().await.unwrap_err().kind(), ErrorKind::SerializationFailure);
    let mut transaction = begin().await;
    transaction.apply(insertion(&table, &[(3, "c")])).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(2, "b"), (3, "c")]));
}

#[tokio::test]
async fn a_named_snapshot_survives_compaction_and_clean_up_and_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    one_by_one(&database, 0..10).await;
    let named = database.create_snapshot("ten").await.unwrap();
    let tables = directory.path().join("tables");
    assert_eq!(database.create_snapshot("ten").await.unwrap_err().kind(), ErrorKind::DuplicateObject);
    one_by_one(&database, 10..60).await;
    delete(&database, 3).await.unwrap();
    let middle = database.snapshot().seq;
    one_by_one(&database, 60..90).await;
    assert!(database.compact(&table).await.unwrap().before > 1);
    assert_eq!(database.snapshot().table("person").await.unwrap().fragments(), 1);
    one_by_one(&database, 90..120).await;
    let reader = database.view_at(&Version::Commit(middle)).await.unwrap();
    let report = database.cleanup(TimeDelta::zero()).await.unwrap();
    assert!(report.commits > 20 && report.versions > 20, "{report:?}");
    assert_eq!(people_in(&reader).await.len(), 59, "who reads a version keeps it");
    assert!(invalid(at(&database, Version::Commit(middle)).await).contains("has been cleaned up"));
    assert!(invalid(at(&database, Version::Commit(named - 1)).await).contains("has been cleaned up"));
    assert_eq!(at(&database, Version::Name("ten".into())).await.unwrap().len(), 10);
    assert_eq!(at(&database, Version::Commit(named)).await.unwrap().len(), 10);
    assert_eq!(contents(&database).await.len(), 119);
    let commits = database.commits(1000).await.unwrap();
    assert_eq!(commits.last().unwrap().seq, named);
    drop(reader);
    // The recent versions have been held for readers of a graph index.
    one_by_one(&database, 120..140).await;
    database.cleanup(TimeDelta::zero()).await.unwrap();
    database.close().await;
    drop(database);
    assert_sound(&directory).await;
    let database = open(&directory).await;
    assert_eq!(at(&database, Version::Name("ten".into())).await.unwrap().len(), 10);
    let before = database.snapshot();
    database.restore_snapshot("ten").await.unwrap();
    assert_eq!(contents(&database).await, at(&database, Version::Name("ten".into())).await.unwrap());
    assert_eq!(at(&database, Version::Commit(before.seq)).await.unwrap().len(), 139, "nothing is lost");
    // Keys and addresses are those of the restored rows.
    delete(&database, 3).await.unwrap();
    assert_eq!(insert(&database, &[(4, "again")]).await.unwrap_err().kind(), ErrorKind::UniqueViolation);
    insert(&database, &[(130, "y")]).await.unwrap();
    assert_eq!(contents(&database).await.len(), 10);
    database.drop_snapshot("ten").await.unwrap();
    assert!(invalid(at(&database, Version::Name("ten".into())).await).contains("does not exist"));
    assert!(invalid(at(&database, Version::Commit(named)).await).contains("has been cleaned up"));
    one_by_one(&database, 200..220).await;
    database.cleanup(TimeDelta::zero()).await.unwrap();
    database.close().await;
    drop(database);
    assert_sound(&directory).await;
    assert!(tables.exists());
}

#[tokio::test]
async fn a_dropped_table_comes_back_with_the_snapshot_that_has_it_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    insert(&database, &[(1, "a")]).await.unwrap();
    database.create_snapshot("first").await.unwrap();
    insert(&database, &[(2, "b")]).await.unwrap();
    edit(&database, CatalogEdit::DropTable(table.id)).await;
    edit(&database, CatalogEdit::CreateTable(TableDefinition::new("other", people().columns, vec!["id".into()]))).await;
    database.cleanup(TimeDelta::zero()).await.unwrap();
    database.restore_snapshot("first").await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "a")]));
    assert!(database.snapshot().catalog.table("other").is_err());
    insert(&database, &[(2, "c")]).await.unwrap();
    edit(&database, CatalogEdit::DropTable(table.id)).await;
    database.drop_snapshot("first").await.unwrap();
    let folder = directory.path().join("tables").join(&table.directory);
    assert!(folder.exists());
    // Enough commits for the recent ones to have nothing of it.
    for number in 0..20 {
        edit(&database, CatalogEdit::CreateSchema(format!("s{number}"))).await;
    }
    let report = database.cleanup(TimeDelta::zero()).await.unwrap();
    assert_eq!(report.tables, 2);
    assert!(!folder.exists());
    database.close().await;
    drop(database);
    assert_sound(&directory).await;
}

#[tokio::test]
async fn a_check_finds_what_a_snapshot_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    insert(&database, &[(1, "a")]).await.unwrap();
    let seq = database.create_snapshot("one").await.unwrap();
    let version = database.snapshot().versions[&table.id];
    one_by_one(&database, 2..5).await;
    database.close().await;
    drop(database);
    let report = async || {
        let storage = Storage::local(directory.path(), Durability::Full).unwrap();
        check(&CheckOptions::new(storage, directory.path())).await.unwrap()
    };
    assert!(report().await.to_string().contains(&format!("ok   snapshot one: commit {seq}, 1 table")));
    let folder = directory.path().join("tables").join(&table.directory);
    std::fs::remove_file(folder.join("_refs/tags/slipstream-one.json")).unwrap();
    let found = report().await;
    assert!(found.is_sound() && found.to_string().contains("its tag is missing in table person"), "{found}");
    let manifest = format!("_versions/{:020}.manifest", u64::MAX - version);
    std::fs::remove_file(folder.join(manifest)).unwrap();
    let found = report().await;
    assert!(
        found.to_string().contains(&format!("BAD  snapshot one: version {version} of table person is gone")),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_go_on_while_a_table_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    one_by_one(&database, 0..40).await;
    let writer = {
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            for id in 40..80 {
                insert(&database, &[(id, "w")]).await.unwrap();
                delete(&database, id - 40).await.unwrap();
            }
        })
    };
    let mut compactions = 0;
    while !writer.is_finished() {
        if let Ok(report) = database.compact(&table).await {
            compactions += usize::from(report.before > 0);
        }
        let people = contents(&database).await;
        let whole = people.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
        assert!(whole && (40..=41).contains(&people.len()), "{} people", people.len());
    }
    writer.await.unwrap();
    database.compact(&table).await.unwrap();
    assert!(compactions > 0);
    let expected: Vec<i64> = (40..80).collect();
    assert_eq!(contents(&database).await.into_iter().map(|row| row.0).collect::<Vec<_>>(), expected);
    let table = database.snapshot().table("person").await.unwrap();
    let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values(0..80))];
    let (positions, _) = table.take_by_key(&keys, &["id".to_string()]).await.unwrap();
    assert_eq!(positions.len(), 40);
    database.close().await;
    drop(database);
    assert_sound(&directory).await;
}

#[tokio::test]
async fn a_transaction_finds_its_rows_after_a_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    one_by_one(&database, 0..10).await;
    let mut transaction = database.begin();
    let changes = deletion(&transaction.view(&[]).await.unwrap(), 4).await.unwrap();
    transaction.apply(changes).await.unwrap();
    assert!(database.compact(&table).await.unwrap().before > 1);
    transaction.commit().await.unwrap();
    let ids: Vec<i64> = contents(&database).await.into_iter().map(|row| row.0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_graph_index_follows_a_compaction_and_a_restored_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create_graph(&database).await;
    meet(&database, 3, 4).await.unwrap();
    let edges = acquaintances(&database).await;
    database.create_snapshot("met").await.unwrap();
    meet(&database, 5, 6).await.unwrap();
    let person = Arc::clone(database.snapshot().catalog.table("person").unwrap());
    let all = acquaintances(&database).await;
    assert!(database.compact(&person).await.unwrap().before > 1);
    assert_eq!(acquaintances(&database).await, all);
    let graph = database.snapshot().catalog.graphs.keys().next().unwrap().clone();
    let standing = database.graph_standing(&graph).await.unwrap().unwrap();
    assert_eq!(standing.versions[&person.id], database.snapshot().versions[&person.id], "it came along");
    database.restore_snapshot("met").await.unwrap();
    assert_eq!(acquaintances(&database).await, edges);
    meet(&database, 5, 6).await.unwrap();
    assert_eq!(acquaintances(&database).await, all);
    // An edge that was deleted is back.
    database.create_snapshot("all").await.unwrap();
    let view = database.read_view(&[]).await.unwrap();
    let knows = Arc::clone(view.snapshot.catalog.table("knows").unwrap());
    let identity = view.snapshot.catalog.identity_columns(&knows);
    let request = ScanRequest { columns: Some(identity), row_address: true, ..ScanRequest::default() };
    let mut rows = view.table(&knows).await.unwrap().read(&request).await.unwrap();
    let gone = stream::next(&mut rows).await.unwrap().unwrap().slice(0, 1);
    let changes = RowChanges { removed: vec![gone].into(), ..RowChanges::new(knows) };
    commit(&database, Changes { rows: vec![changes], ..Changes::default() }).await.unwrap();
    assert_eq!(acquaintances(&database).await.len(), all.len() - 1);
    database.restore_snapshot("all").await.unwrap();
    assert_eq!(acquaintances(&database).await, all);
}
