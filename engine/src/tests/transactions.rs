//! Transactions over several statements: what they see, what they keep others from, and what they leave.

use super::*;

async fn open(directory: &tempfile::TempDir) -> Arc<Database> {
    Database::open(OpenOptions::new(directory.path())).await.unwrap()
}

/// Sets the name of a person within a transaction.
async fn rename(transaction: &mut crate::Transaction, id: i64, name: &str) -> Result<()> {
    let view = transaction.view(&[]).await?;
    let mut changes = deletion(&view, id).await?;
    let table = Arc::clone(&changes.rows[0].table);
    changes.rows[0].added = vec![rows(&table, &[(id, name)])].into();
    transaction.apply(changes).await
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    let mut transaction = database.begin();
    transaction.view(&[]).await.unwrap();
    transaction.apply(insertion(&table, &[(3, "cyd")])).await.unwrap();
    rename(&mut transaction, 3, "cid").await.unwrap();
    rename(&mut transaction, 1, "anna").await.unwrap();
    let changes = deletion(&transaction.view(&[]).await.unwrap(), 2).await.unwrap();
    transaction.apply(changes).await.unwrap();
    let own = people_in(&transaction.view(&[]).await.unwrap()).await;
    assert_eq!(own, owned(&[(1, "anna"), (3, "cid")]));
    assert_eq!(contents(&database).await, owned(&[(1, "ann"), (2, "bob")]));
    transaction.commit().await.unwrap().unwrap();
    assert_eq!(contents(&database).await, own);
    drop(database);
    assert_eq!(contents(&*open(&directory).await).await, own);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    let mut transaction = database.begin();
    transaction.apply(insertion(&table, &[(1, "ann")])).await.unwrap();
    drop(transaction);
    assert_eq!(contents(&database).await, []);
}

#[tokio::test]
async fn different_keys_of_one_table_are_no_conflict_and_the_same_key_is() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    let (mut first, mut second, mut third) = (database.begin(), database.begin(), database.begin());
    for transaction in [&mut first, &mut second, &mut third] {
        transaction.view(&[]).await.unwrap();
    }
    rename(&mut first, 1, "first").await.unwrap();
    rename(&mut second, 2, "second").await.unwrap();
    rename(&mut third, 1, "third").await.unwrap();
    first.commit().await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(third.commit().await.unwrap_err().kind(), ErrorKind::SerializationFailure);
    assert_eq!(contents(&database).await, owned(&[(1, "first"), (2, "second")]));
}

#[tokio::test]
async fn a_locked_row_that_somebody_changes_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    for (touched, conflicts) in [(1, true), (2, false)] {
        let mut transaction = database.begin();
        let view = transaction.view(&[]).await.unwrap();
        let row = deletion(&view, 1).await.unwrap().rows.remove(0);
        let locked = crate::change::LockedRows {
            table: Arc::clone(&table),
            exclusive: false,
            rows: row.removed.iter().collect::<Result<_>>().unwrap(),
        };
        transaction.apply(Changes { locked: vec![locked], ..Changes::default() }).await.unwrap();
        delete(&database, touched).await.unwrap();
        let outcome = transaction.commit().await;
        assert_eq!(outcome.is_err(), conflicts, "{outcome:?}");
        insert(&database, &[(touched, "again")]).await.unwrap();
    }
}

#[tokio::test]
async fn savepoints_are_states_to_come_back_to() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    let mut transaction = database.begin();
    let nothing = transaction.savepoint();
    transaction.apply(insertion(&table, &[(1, "ann")])).await.unwrap();
    let one = transaction.savepoint();
    rename(&mut transaction, 1, "x").await.unwrap();
    transaction.apply(insertion(&table, &[(2, "bob")])).await.unwrap();
    transaction.rollback_to(&one);
    assert_eq!(people_in(&transaction.view(&[]).await.unwrap()).await, owned(&[(1, "ann")]));
    transaction.rollback_to(&nothing);
    assert!(!transaction.has_changes());
    transaction.apply(insertion(&table, &[(3, "cyd")])).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(3, "cyd")]));
}

#[tokio::test]
async fn a_statement_that_breaks_a_key_changes_nothing_in_its_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let table = create(&database).await;
    let mut transaction = database.begin();
    transaction.apply(insertion(&table, &[(1, "ann")])).await.unwrap();
    let error = transaction.apply(insertion(&table, &[(2, "bob"), (1, "again")])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    transaction.commit().await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "ann")]));
}

#[tokio::test]
async fn small_transactions_that_wait_together_commit_together() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create(&database).await;
    let before = database.snapshot().seq;
    let writers: Vec<_> = (0..40)
        .map(|id| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { insert(&database, &[(id, "x")]).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(contents(&database).await.len(), 40);
    let commits = database.snapshot().seq - before;
    assert!(commits < 40, "{commits} commits for 40 transactions");
    let members: usize =
        database.commits(commits as usize).await.unwrap().iter().map(|record| record.members.len().max(1)).sum();
    assert_eq!(members, 40);
}

#[tokio::test]
async fn a_member_that_loses_drops_out_of_its_group_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create(&database).await;
    let writers: Vec<_> = (0..30)
        .map(|writer| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { insert(&database, &[(writer % 10, "x")]).await })
        })
        .collect();
    let mut taken = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => taken += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::UniqueViolation),
        }
    }
    assert_eq!((taken, contents(&database).await.len()), (10, 10));
}

#[tokio::test]
async fn a_table_is_made_filled_and_altered_in_one_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    create(&database).await;
    insert(&database, &[(1, "ann")]).await.unwrap();
    let mut transaction = database.begin();
    let view = transaction.view(&[]).await.unwrap();
    let mut table = view.snapshot.catalog.table("person").unwrap().as_ref().clone();
    table.columns.swap(0, 1);
    table.columns.push(ColumnDefinition {
        name: "age".into(),
        sql_type: SqlType::BigInt,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
    });
    let sources = vec![
        crate::catalog::ColumnSource::Column("name".into()),
        crate::catalog::ColumnSource::Column("id".into()),
        crate::catalog::ColumnSource::Value(datafusion::scalar::ScalarValue::Int64(Some(7))),
    ];
    transaction
        .apply(insertion(&Arc::clone(view.snapshot.catalog.table("person").unwrap()), &[(2, "bob")]))
        .await
        .unwrap();
    let edits = vec![CatalogEdit::ReshapeTable { table, sources }];
    transaction.apply(Changes { catalog: edits, ..Changes::default() }).await.unwrap();
    let view = transaction.view(&[]).await.unwrap();
    let ages = |view: ReadView| async move {
        let table = view.table(view.snapshot.catalog.table("person").unwrap()).await.unwrap();
        let request = ScanRequest { columns: Some(vec!["age".into(), "id".into()]), ..ScanRequest::default() };
        let mut rows = table.read(&request).await.unwrap();
        let mut found = Vec::new();
        while let Some(batch) = stream::next(&mut rows).await.unwrap() {
            let column = |at: usize| batch.column(at).as_primitive::<Int64Type>().values().to_vec();
            found.extend(column(0).into_iter().zip(column(1)));
        }
        found.sort_unstable();
        found
    };
    assert_eq!(ages(view).await, [(7, 1), (7, 2)]);
    transaction.commit().await.unwrap();
    assert_eq!(ages(database.read_view(&[]).await.unwrap()).await, [(7, 1), (7, 2)]);
    drop(database);
    let database = open(&directory).await;
    assert_eq!(ages(database.read_view(&[]).await.unwrap()).await, [(7, 1), (7, 2)]);
}
