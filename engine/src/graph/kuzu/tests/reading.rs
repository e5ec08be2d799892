//! One state per reader, and results that stream.

use std::time::{Duration, Instant};

use datafusion::scalar::ScalarValue;
use futures::StreamExt;

use super::*;
use crate::error::{Error, ErrorKind};

const MANY: i64 = 40_000;

async fn crowd(path: &Path) -> Arc<dyn GraphIndex> {
    let index = open_social(path).await;
    let rows: Vec<_> = (0..MANY).map(|id| (id, None)).collect();
    let edges: Vec<_> = (0..MANY).map(|id| (id, (id * 7 + 1) % MANY, id, None)).collect();
    let all = source(vec![("person", people(&rows))], vec![("knows", knows(&edges))]);
    index.rebuild(all, standing(1)).await.unwrap();
    index
}

#[tokio::test]
async fn readers_see_one_state_during_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let before = index.begin_read().await.unwrap().unwrap();
    let staged = index.stage(vec![put_people(&[(2, None)])], standing(2)).await.unwrap();
    let during = index.begin_read().await.unwrap().unwrap();
    staged.commit().await.unwrap();
    for reader in [&before, &during] {
        assert_eq!(reader.standing(), &standing(1));
        assert_eq!(count(reader.as_ref(), "MATCH (p:person) RETURN count(*)").await, 1);
    }
    drop(before);
    let after = index.begin_read().await.unwrap().unwrap();
    assert_eq!(after.standing(), &standing(2));
    assert_eq!(count(after.as_ref(), "MATCH (p:person) RETURN count(*)").await, 2);
    index.checkpoint().await.unwrap();
    assert_eq!(count(during.as_ref(), "MATCH (p:person) RETURN count(*)").await, 1);
    drop((during, after));
    index.close().await;
}

#[tokio::test]
async fn a_reader_keeps_its_state_through_a_rebuild() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let before = index.begin_read().await.unwrap().unwrap();
    index.rebuild(source(vec![("person", people(&[(2, None), (3, None)]))], Vec::new()), standing(2)).await.unwrap();
    assert_eq!(count(before.as_ref(), "MATCH (p:person) RETURN count(*)").await, 1);
    assert_eq!(count_people(index.as_ref()).await, 2);
    drop(before);
    index.close().await;
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), Some(standing(2)));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    index.close().await;
}

#[tokio::test]
async fn long_results_stream_and_two_of_one_reader_do_not_block_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let index = crowd(directory.path()).await;
    let reader = index.begin_read().await.unwrap().unwrap();
    let ids = query("MATCH (p:person) RETURN p.id ORDER BY p.id", &[("id", DataType::Int64)]);
    let mut first = reader.query(&ids).await.unwrap();
    let mut second = reader.query(&ids).await.unwrap();
    drop(reader);
    let mut seen = 0;
    while let Some(batch) = first.next().await {
        let batch = batch.unwrap();
        let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone();
        assert_eq!(column.value(0), seen);
        assert_eq!(second.next().await.unwrap().unwrap(), batch);
        seen += batch.num_rows() as i64;
    }
    assert_eq!(seen, MANY);
    assert!(second.next().await.is_none());
    drop((first, second));
    index.close().await;
}

#[tokio::test]
async fn parameters_and_lists_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let index = crowd(directory.path()).await;
    let reader = index.begin_read().await.unwrap().unwrap();
    let mut hops = query(
        "MATCH (a:person)-[:knows]->(b:person) WHERE a.id IN $ids RETURN b.id AS id ORDER BY id",
        &[("id", DataType::Int32)],
    );
    let ids = ScalarValue::new_list(&[ScalarValue::from(1_i64), ScalarValue::from(2_i64)], &DataType::Int64, true);
    hops.parameters = vec![("ids".to_string(), ScalarValue::List(ids))];
    let batches = rows(reader.as_ref(), &hops).await.unwrap();
    assert_eq!(batches[0].column(0).as_ref(), &arrow::array::Int32Array::from(vec![8, 15]));
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let collected = query("MATCH (p:person) WHERE p.id < 3 RETURN collect(p.id)", &[("l", list)]);
    assert_eq!(rows(reader.as_ref(), &collected).await.unwrap()[0].num_rows(), 1);
    drop(reader);
    index.close().await;
}

#[tokio::test]
async fn an_error_of_kuzu_is_an_error_and_the_reader_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let reader = index.begin_read().await.unwrap().unwrap();
    let wrong = query("MATCH (n:nobody) RETURN n.id", &[("id", DataType::Int64)]);
    for _ in 0..3 {
        assert_eq!(reader.check(&wrong).await.unwrap_err().kind(), ErrorKind::NotSupported);
        let error = reader.query(&wrong).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert!(!error.to_string().contains(".cpp"), "{error}");
        assert_eq!(count(reader.as_ref(), "MATCH (p:person) RETURN count(*)").await, 1);
    }
    let division = query("MATCH (p:person) RETURN p.id / (p.id - 1)", &[("x", DataType::Int64)]);
    assert_eq!(reader.query(&division).await.err().unwrap().kind(), ErrorKind::DivisionByZero);
    // The state has gone on meanwhile, so this reader cannot.
    commit(index.as_ref(), vec![put_people(&[(2, None)])], 2).await;
    let people = query("MATCH (p:person) RETURN count(*)", &[("n", DataType::Int64)]);
    assert_eq!(reader.query(&people).await.err().unwrap().kind(), ErrorKind::SerializationFailure);
    drop(reader);
    index.close().await;
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let index = crowd(directory.path()).await;
    let reader = index.begin_read().await.unwrap().unwrap();
    let endless = query(
        "MATCH (a:person), (b:person), (c:person) WHERE a.id + b.id = -c.id - 1 RETURN count(*)",
        &[("n", DataType::Int64)],
    );
    let began = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(300), reader.query(&endless)).await.is_err());
    assert_eq!(count(reader.as_ref(), "MATCH (p:person) RETURN count(*)").await, MANY);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(reader);
    index.close().await;
}

#[tokio::test]
async fn readers_wait_in_line() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let held = [index.begin_read().await.unwrap().unwrap(), index.begin_read().await.unwrap().unwrap()];
    let waiting = tokio::spawn({
        let index = Arc::clone(&index);
        async move { index.begin_read().await.map(drop).map_err(|error: Error| error.kind()) }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(held);
    assert_eq!(waiting.await.unwrap(), Ok(()));
    index.close().await;
    assert_eq!(index.begin_read().await.err().unwrap().kind(), ErrorKind::ShuttingDown);
}
