//! Table versions: rows by address and by key tuples, and versions that replace everything before them.

use arrow::array::UInt64Array;

use super::stop_at::StopAt;
use super::*;
use crate::catalog::ColumnSource;
use crate::change::ROW_ADDRESS;

fn ids(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_row_comes_with_its_address_wherever_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob"), (3, "cyd")]).await.unwrap();
    let table = database.snapshot().table("person").await.unwrap();
    let columns = strings(&["name", ROW_ADDRESS, "id"]);
    let (positions, rows) = table.take_by_key(&[ids(&[3, 9, 1])], &columns).await.unwrap();
    assert_eq!(positions.values(), &[0, 2]);
    assert_eq!(rows.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), columns);
    assert_eq!(rows.column(2).as_ref(), ids(&[3, 1]).as_ref());
    let addresses: &UInt64Array = rows.column(1).as_primitive();
    let again = table.take(addresses.values(), &columns).await.unwrap();
    assert_eq!(again, rows);
    let alone = table.take(addresses.values(), &strings(&[ROW_ADDRESS])).await.unwrap();
    assert_eq!(alone.column(0).as_ref(), addresses as &dyn Array);
    assert_eq!(table.take(&[], &columns).await.unwrap().num_columns(), 3);
}

#[tokio::test]
async fn rows_are_found_by_tuples_of_columns() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    create(&database).await;
    insert(&database, &[(1, "ann"), (2, "ann"), (3, "bob")]).await.unwrap();
    insert(&database, &[(4, "bob"), (5, "cyd")]).await.unwrap();
    let table = database.snapshot().table("person").await.unwrap();
    let found = |batches: Vec<RecordBatch>| -> Vec<i64> {
        let mut ids: Vec<i64> =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        ids.sort_unstable();
        ids
    };
    let output = strings(&["id"]);
    let by_name = table.rows_where_in(&strings(&["name"]), &[texts(&["ann", "cyd", "ann"])], &output).await.unwrap();
    assert_eq!(found(by_name), [1, 2, 5]);
    let pairs = [texts(&["ann", "bob", "cyd", "ann"]), ids(&[2, 4, 1, 3])];
    let by_pair = table.rows_where_in(&strings(&["name", "id"]), &pairs, &output).await.unwrap();
    assert!(by_pair.iter().all(|batch| batch.num_columns() == 2 && batch.schema().field(1).name() == ROW_ADDRESS));
    assert_eq!(found(by_pair), [2, 4]);
    let none = table.rows_where_in(&strings(&["name", "id"]), &[texts(&[]), ids(&[])], &output).await.unwrap();
    assert_eq!(found(none), Vec::<i64>::new());
}

/// The table `person` with `age` instead of `name`.
fn reshaped(database: &Database) -> CatalogEdit {
    let mut table = database.snapshot().catalog.table("person").unwrap().as_ref().clone();
    table.columns[1].name = "age".into();
    table.columns[1].sql_type = SqlType::Integer;
    let age = ColumnSource::Value(datafusion::scalar::ScalarValue::Int32(Some(7)));
    CatalogEdit::ReshapeTable { table, sources: vec![ColumnSource::Column("id".into()), age] }
}

#[tokio::test]
async fn a_replaced_table_is_redone_and_its_old_version_stays() {
    for before in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let observer = Arc::new(StopAt::default());
        let options = OpenOptions { observer: Some(Arc::clone(&observer) as _), ..OpenOptions::new(directory.path()) };
        let database = Database::open(options).await.unwrap();
        create(&database).await;
        insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
        let old = Arc::clone(database.snapshot().catalog.table("person").unwrap());
        let old_version = database.snapshot().version(&old).unwrap();
        observer.set(Some((CommitStep::CommitTables, before)));
        commit(&database, Changes { catalog: vec![reshaped(&database)], ..Changes::default() }).await.unwrap_err();
        drop(database);

        let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
        let snapshot = database.snapshot();
        let table = snapshot.table("person").await.unwrap();
        assert_eq!(table.version(), old_version + 1);
        let mut rows = table.read(&ScanRequest::default()).await.unwrap();
        let batch = stream::next(&mut rows).await.unwrap().unwrap();
        assert_eq!(batch.column(0).as_ref(), ids(&[1, 2]).as_ref());
        assert_eq!(batch.column(1).as_primitive::<arrow::datatypes::Int32Type>().values(), &[7, 7]);

        let past = snapshot.store.open(&old, old_version).await.unwrap();
        let (_, names) = past.take_by_key(&[ids(&[2])], &strings(&["name"])).await.unwrap();
        assert_eq!(names.column(0).as_ref(), texts(&["bob"]).as_ref());
    }
}

#[tokio::test]
async fn a_table_emptied_as_a_whole_takes_its_old_keys_again() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    let table = create(&database).await;
    insert(&database, &[(1, "ann"), (2, "bob")]).await.unwrap();
    let empty = RowChanges { truncated: true, ..RowChanges::new(Arc::clone(&table)) };
    commit(&database, Changes { rows: vec![empty], ..Changes::default() }).await.unwrap();
    assert_eq!(contents(&database).await, []);
    insert(&database, &[(1, "new")]).await.unwrap();
    let error = insert(&database, &[(1, "again")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    drop(database);
    let database = Database::open(OpenOptions::new(directory.path())).await.unwrap();
    assert_eq!(contents(&database).await, owned(&[(1, "new")]));
}
