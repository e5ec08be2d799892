//! Transactions whose rows are in temporary files.

use super::*;
use crate::check::{CheckOptions, check};
use crate::storage::{Durability, Storage};
use crate::{Batches, SpillLimits, Transaction};

/// A database that keeps 20 kB of a transaction's rows in memory.
async fn open(directory: &tempfile::TempDir, disk: u64) -> Arc<Database> {
    let spill = SpillLimits { memory: 20_000, disk };
    Database::open(OpenOptions { spill, ..OpenOptions::new(directory.path()) }).await.unwrap()
}

fn names(ids: std::ops::Range<i64>, name: &str) -> Vec<(i64, String)> {
    ids.map(|id| (id, format!("{name} {id}"))).collect()
}

fn batches(database: &Database, people: &[(i64, String)]) -> Batches {
    let mut batches = database.batches();
    for chunk in people.chunks(500) {
        let chunk: Vec<(i64, &str)> = chunk.iter().map(|(id, name)| (*id, name.as_str())).collect();
        batches.push(rows(&super::people(), &chunk)).unwrap();
    }
    batches
}

/// Adds people in a transaction.
async fn add(database: &Database, transaction: &mut Transaction, people: &[(i64, String)]) -> Result<()> {
    let table = Arc::clone(database.snapshot().catalog.table("person").unwrap());
    let changes = RowChanges { added: batches(database, people), ..RowChanges::new(table) };
    transaction.apply(Changes { rows: vec![changes], ..Changes::default() }).await
}

/// Gives new names to the people with these ids.
async fn rename(database: &Database, transaction: &mut Transaction, people: &[(i64, String)]) -> Result<()> {
    let view = transaction.view(&[]).await?;
    let table = Arc::clone(view.snapshot.catalog.table("person")?);
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(people.iter().map(|person| person.0)));
    let wanted = ["id".to_string(), crate::change::ROW_ADDRESS.to_string()];
    let (_, identities) = view.table(&table).await?.take_by_key(&[keys], &wanted).await?;
    let mut removed = database.batches();
    for start in (0..identities.num_rows()).step_by(700) {
        removed.push(identities.slice(start, 700.min(identities.num_rows() - start))).unwrap();
    }
    let changes = RowChanges { removed, added: batches(database, people), ..RowChanges::new(table) };
    transaction.apply(Changes { rows: vec![changes], ..Changes::default() }).await
}

async fn seen(transaction: &mut Transaction) -> Vec<(i64, String)> {
    people_in(&transaction.view(&[]).await.unwrap()).await
}

#[tokio::test]
async fn a_block_of_many_rows_reads_goes_back_and_commits() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory, u64::MAX).await;
    create(&database).await;
    insert(&database, &[(0, "stored 0"), (1, "stored 1"), (2, "stored 2")]).await.unwrap();
    let mut transaction = database.begin();
    add(&database, &mut transaction, &names(10..10_000, "new")).await.unwrap();
    let first = database.spilled_bytes();
    assert!(first > 200_000, "{first}");
    // Stored rows, rows in memory and rows in the file are changed alike, and some of them twice.
    let mut renamed = names(1..3, "other");
    renamed.extend(names(10..6_000, "other"));
    rename(&database, &mut transaction, &renamed).await.unwrap();
    rename(&database, &mut transaction, &names(5_500..7_000, "third")).await.unwrap();
    let mut expected = vec![(0, "stored 0".to_string())];
    expected.extend(names(1..3, "other"));
    expected.extend(names(10..5_500, "other"));
    expected.extend(names(5_500..7_000, "third"));
    expected.extend(names(7_000..10_000, "new"));
    assert_eq!(seen(&mut transaction).await, expected);

    let savepoint = transaction.savepoint();
    let error = add(&database, &mut transaction, &names(9_000..20_000, "again")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    add(&database, &mut transaction, &names(20_000..30_000, "later")).await.unwrap();
    assert_eq!(seen(&mut transaction).await.len(), expected.len() + 10_000);
    let most = database.spilled_bytes();
    transaction.rollback_to(&savepoint);
    assert_eq!(seen(&mut transaction).await, expected);
    assert!(database.spilled_bytes() < most, "what was taken back is in a file");
    drop(savepoint);

    transaction.commit().await.unwrap();
    assert_eq!(database.spilled_bytes(), 0);
    assert_eq!(contents(&database).await, expected);
    drop(database);
    let database = open(&directory, u64::MAX).await;
    assert_eq!(contents(&database).await, expected);
    let storage = Storage::existing(directory.path(), Durability::Full).unwrap();
    let report = check(&CheckOptions::new(storage, directory.path())).await.unwrap();
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn what_is_rolled_back_leaves_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory, u64::MAX).await;
    create(&database).await;
    let mut transaction = database.begin();
    add(&database, &mut transaction, &names(0..10_000, "new")).await.unwrap();
    assert!(database.spilled_bytes() > 0);
    drop(transaction);
    assert_eq!(database.spilled_bytes(), 0);
    assert_eq!(contents(&database).await, []);
}

#[tokio::test]
async fn more_than_the_disk_may_take_is_refused_and_the_transaction_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory, 300_000).await;
    create(&database).await;
    let mut transaction = database.begin();
    add(&database, &mut transaction, &names(0..5_000, "new")).await.unwrap();
    let used = database.spilled_bytes();
    let mut refused = database.batches();
    let error = (0..100)
        .find_map(|number| {
            let people = names(number * 1000..number * 1000 + 1000, "many");
            let people: Vec<(i64, &str)> = people.iter().map(|(id, name)| (*id, name.as_str())).collect();
            refused.push(rows(&super::people(), &people)).err()
        })
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::ConfigurationLimit);
    drop(refused);
    assert_eq!(database.spilled_bytes(), used);
    transaction.commit().await.unwrap();
    assert_eq!(contents(&database).await, names(0..5_000, "new"));
}
