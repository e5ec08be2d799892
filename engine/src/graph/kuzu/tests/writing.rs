//! All of a change or nothing of it.

use super::*;
use crate::error::ErrorKind;

#[tokio::test]
async fn an_error_inside_a_transaction_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, Some("Ada"))]).await;
    let changes = vec![put_people(&[(2, Some("Grace"))]), create_knows(&[(1, 99, 1, None)])];
    let error = index.stage(changes, standing(2)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(index.standing().await.unwrap(), Some(standing(1)));
    assert_eq!(count_people(index.as_ref()).await, 1);
    commit(index.as_ref(), vec![put_people(&[(3, None)])], 2).await;
    assert_eq!(count_people(index.as_ref()).await, 2);
    index.close().await;
}

#[tokio::test]
async fn standing_survives_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), None);
    index.rebuild(source(vec![("person", people(&[(1, None)]))], Vec::new()), standing(1)).await.unwrap();
    commit(index.as_ref(), vec![put_people(&[(2, Some("Grace"))])], 2).await;
    index.close().await;
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), Some(standing(2)));
    assert_eq!(count_people(index.as_ref()).await, 2);
    index.close().await;
}

#[tokio::test]
async fn an_index_that_is_dropped_can_be_opened_again_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None), (2, None)]).await;
    drop(index);
    for seq in 2..12 {
        let index = open_social(directory.path()).await;
        let number = i64::try_from(seq).unwrap();
        commit(index.as_ref(), vec![put_people(&[(number + 1, None)]), create_knows(&[(1, 2, number, None)])], seq)
            .await;
        drop(index);
        let index = open_social(directory.path()).await;
        assert_eq!(index.standing().await.unwrap(), Some(standing(seq)));
        assert_eq!(dump(index.as_ref()).await["knows"].len(), usize::try_from(seq).unwrap() - 1);
    }
}

#[tokio::test]
async fn a_dropped_stage_is_rolled_back() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    drop(index.stage(vec![put_people(&[(2, None)])], standing(2)).await.unwrap());
    assert_eq!(index.standing().await.unwrap(), Some(standing(1)));
    index.stage(vec![put_people(&[(3, None)])], standing(3)).await.unwrap().rollback().await;
    commit(index.as_ref(), Vec::new(), 4).await;
    assert_eq!(index.standing().await.unwrap(), Some(standing(4)));
    assert_eq!(count_people(index.as_ref()).await, 1);
    index.close().await;
}

#[tokio::test]
async fn an_uncommitted_stage_is_gone_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let staged = index.stage(vec![put_people(&[(2, None)])], standing(2)).await.unwrap();
    index.close().await;
    drop(staged);
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), Some(standing(1)));
    assert_eq!(count_people(index.as_ref()).await, 1);
    index.close().await;
}

#[tokio::test]
async fn an_index_that_is_behind_takes_no_changes_until_it_is_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    index.mark_behind().await.unwrap();
    assert_eq!(index.standing().await.unwrap(), None);
    assert!(index.stage(Vec::new(), standing(2)).await.is_err());
    assert!(index.load(source(Vec::new(), Vec::new()), standing(2)).await.is_err());
    index.close().await;
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), None);
    index.rebuild(source(vec![("person", people(&[(7, None)]))], Vec::new()), standing(3)).await.unwrap();
    assert_eq!(index.standing().await.unwrap(), Some(standing(3)));
    assert_eq!(count_people(index.as_ref()).await, 1);
    index.close().await;
}

#[tokio::test]
async fn a_load_adds_to_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None), (2, None)]).await;
    commit(index.as_ref(), vec![create_knows(&[(1, 2, 1, Some(3))])], 2).await;
    let more = source(
        vec![("person", people(&[(3, Some("Lin"))]))],
        vec![("knows", knows(&[(3, 1, 2, None), (1, 3, 3, None)]))],
    );
    index.load(more, standing(3)).await.unwrap();
    commit(index.as_ref(), vec![create_knows(&[(2, 3, 4, None)])], 4).await;
    let reader = index.begin_read().await.unwrap().unwrap();
    assert_eq!(reader.standing(), &standing(4));
    assert_eq!(count(reader.as_ref(), "MATCH (:person)-[k:knows]->(:person) RETURN count(*)").await, 4);
    assert_eq!(count(reader.as_ref(), "MATCH (p:person {id: 3})-[:knows]->(q:person) RETURN q.id").await, 1);
    drop(reader);
    index.close().await;
}

#[tokio::test]
async fn a_failed_load_leaves_no_standing() {
    let directory = tempfile::tempdir().unwrap();
    let index = filled(directory.path(), &[(1, None)]).await;
    let doubled = source(vec![("person", people(&[(2, None), (2, None)]))], Vec::new());
    assert!(index.load(doubled, standing(2)).await.is_err());
    assert_eq!(index.standing().await.unwrap(), None);
    index.rebuild(source(vec![("person", people(&[(2, None)]))], Vec::new()), standing(2)).await.unwrap();
    assert_eq!(count_people(index.as_ref()).await, 1);
    index.close().await;
}

#[tokio::test]
async fn an_index_of_another_shape_is_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), &[(1, None)]).await.close().await;
    let mut other = social();
    other.nodes[0].properties.push(property("age", SqlType::Integer));
    let index = open(directory.path(), other, options()).await.unwrap();
    assert_eq!(index.standing().await.unwrap(), None);
    index.close().await;
}

#[tokio::test]
async fn damaged_files_are_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), &[(1, None)]).await.close().await;
    // The one before may still be on its way out.
    let generations = std::fs::read_dir(directory.path()).unwrap();
    let generation = generations.map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::write(generation.join("index.kuzu"), b"this is no database").unwrap();
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), None);
    index.close().await;
}
