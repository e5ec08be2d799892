//! A database whose root is in an object store: the same code, with the lock file and the graph indexes in a directory.

use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, path::Path};

use super::*;
use crate::storage::Storage;

fn options(store: &Arc<dyn ObjectStore>, local: &tempfile::TempDir) -> OpenOptions {
    // As a bucket is used: below a prefix, with listings in order.
    let store = PrefixStore::new(Arc::clone(store), "some/prefix");
    let storage = Storage::on(Arc::new(store), "memory://test/some/prefix").with_sorted_listings();
    OpenOptions { storage: Some(storage), ..OpenOptions::new(local.path().join("local")) }
}

fn in_memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

#[tokio::test]
async fn a_database_lives_in_an_object_store() {
    let (store, local) = (in_memory(), tempfile::tempdir().unwrap());
    let database = Database::open(options(&store, &local)).await.unwrap();
    create_graph(&database).await;
    meet(&database, 3, 4).await.unwrap();
    delete(&database, 1).await.unwrap_err();
    insert(&database, &[(9, "i"), (10, "j")]).await.unwrap();
    delete(&database, 9).await.unwrap();
    let people = contents(&database).await;
    assert_eq!(people.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3, 4, 10]);
    database.close().await;
    drop(database);
    // Another machine: nothing local is left.
    let elsewhere = tempfile::tempdir().unwrap();
    let database = Database::open(options(&store, &elsewhere)).await.unwrap();
    assert_eq!(contents(&database).await, people);
    assert_eq!(acquaintances(&database).await, [(1, 2), (3, 4)]);
    meet(&database, 5, 6).await.unwrap();
    assert_eq!(acquaintances(&database).await.len(), 3);
}

#[tokio::test]
async fn what_is_shared_is_in_the_store_and_what_is_local_is_not() {
    let (store, local) = (in_memory(), tempfile::tempdir().unwrap());
    let database = Database::open(options(&store, &local)).await.unwrap();
    create_graph(&database).await;
    let mut local: Vec<String> = std::fs::read_dir(local.path().join("local"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    local.sort();
    assert_eq!(local, ["LOCK", "graph"]);
    let shared = store.list_with_delimiter(Some(&Path::from("some/prefix"))).await.unwrap();
    let files: Vec<&str> = shared.objects.iter().filter_map(|object| object.location.filename()).collect();
    assert_eq!(files, ["format.json"]);
    let folders: Vec<&str> = shared.common_prefixes.iter().filter_map(Path::filename).collect();
    assert_eq!(folders, ["catalog", "commits", "tables"]);
}

#[tokio::test]
async fn a_writer_that_was_replaced_fails_at_its_next_commit() {
    let (store, first, second) = (in_memory(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = Database::open(options(&store, &first)).await.unwrap();
    create(&old).await;
    insert(&old, &[(1, "ann")]).await.unwrap();
    let new = Database::open(options(&store, &second)).await.unwrap();
    let error = insert(&old, &[(2, "bob")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    insert(&new, &[(2, "bea")]).await.unwrap();
    assert_eq!(contents(&new).await, owned(&[(1, "ann"), (2, "bea")]));
}

#[test]
fn a_kind_of_bucket_that_was_not_built_in_is_named() {
    let error = Storage::bucket("s3://bucket/database").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.detail().unwrap().contains("without support for \"s3\""), "{error}");
    let error = Storage::bucket("ftp://somewhere/else").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported, "{error}");
}
