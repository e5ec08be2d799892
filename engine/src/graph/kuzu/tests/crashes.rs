//! Death at the worst places. A child process, this test binary again with one test, dies there; the parent opens what is
//! left.

use std::process::Command;

use super::*;

const DIRECTORY: &str = "SLIPSTREAM_CRASH_TEST_DIRECTORY";

/// In a child: the directory to die in.
fn child() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

/// Runs a test of this file again, in a child that must not return from it.
fn die_in(directory: &Path, test: &str) {
    let name = format!("graph::kuzu::tests::crashes::{test}");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(!child.status.success() && !output.contains("0 passed; 0 failed"), "the child lived: {output}");
}

/// Rows of an element that is never read from: whoever asks for them dies.
fn deadly(element: &str) -> (String, SendableRecordBatchStream) {
    let schema = people(&[]).schema();
    let death = stream::once(async { std::process::abort() });
    (element.to_string(), Box::pin(RecordBatchStreamAdapter::new(schema, death)))
}

/// A source whose people are copied before the process dies.
fn deadly_source() -> RebuildSource {
    let rows: Vec<_> = (100..5000).map(|id| (id, Some("someone"))).collect();
    let people = ("person".to_string(), stream_of(vec![people(&rows)]));
    RebuildSource { nodes: vec![people, deadly("city")], relationships: Vec::new() }
}

#[tokio::test]
async fn a_crash_between_copy_and_checkpoint_of_a_load_leaves_no_standing() {
    if let Some(path) = child() {
        let index = filled(&path, &[(1, None)]).await;
        return index.load(deadly_source(), standing(2)).await.unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    die_in(directory.path(), "a_crash_between_copy_and_checkpoint_of_a_load_leaves_no_standing");
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), None);
    index.rebuild(source(vec![("person", people(&[(1, None)]))], Vec::new()), standing(2)).await.unwrap();
    assert_eq!(count_people(index.as_ref()).await, 1);
    index.close().await;
}

#[tokio::test]
async fn a_crash_inside_a_rebuild_leaves_no_standing() {
    if let Some(path) = child() {
        let index = filled(&path, &[(1, None)]).await;
        return index.rebuild(deadly_source(), standing(2)).await.unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    die_in(directory.path(), "a_crash_inside_a_rebuild_leaves_no_standing");
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), None);
    index.close().await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_crash_after_a_commit_loses_nothing_and_an_open_stage_is_gone() {
    if let Some(path) = child() {
        let index = filled(&path, &[(1, None)]).await;
        commit(index.as_ref(), vec![put_people(&[(2, None)])], 2).await;
        let _staged = index.stage(vec![put_people(&[(3, None)])], standing(3)).await.unwrap();
        std::process::abort();
    }
    let directory = tempfile::tempdir().unwrap();
    die_in(directory.path(), "a_crash_after_a_commit_loses_nothing_and_an_open_stage_is_gone");
    let index = open_social(directory.path()).await;
    assert_eq!(index.standing().await.unwrap(), Some(standing(2)));
    assert_eq!(count_people(index.as_ref()).await, 2);
    index.close().await;
}
