//! The power goes: with full durability, what was acknowledged is there.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::faults::{Step, World, memory_indexes, run};
use super::stop_at::StopAt;
use super::*;
use crate::storage::Storage;
use crate::storage::faults::{PowerCut, Unsynced};
use crate::transaction::RecoveryStep;

const KINDS: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Emptied, Unsynced::Torn];

/// A directory on a disk that forgets.
struct Bench {
    directory: tempfile::TempDir,
    disk: Arc<PowerCut>,
    observer: Arc<StopAt>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = PowerCut::new(&directory.path().canonicalize().unwrap());
        Bench { directory, disk, observer: Arc::new(StopAt::default()) }
    }

    async fn open(&self) -> Result<Arc<Database>> {
        let storage = Some(Storage::on_disk(self.directory.path(), &self.disk)?);
        let observer = Some(Arc::clone(&self.observer) as _);
        let options = OpenOptions { storage, observer, ..OpenOptions::new(self.directory.path()) };
        Database::open(OpenOptions { index: memory_indexes(), ..options }).await
    }

    async fn ready(&self) -> Arc<Database> {
        let database = self.open().await.unwrap();
        create_graph(&database).await;
        database
    }

    /// What is there after the power came back; `None` where it cannot be opened or read.
    async fn after_the_cut(&self, unsynced: Unsynced) -> Result<World> {
        self.disk.strike(unsynced);
        self.observer.set(None);
        self.observer.set_recovery(None);
        World::of(&*self.open().await?).await
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    for (seed, unsynced) in (0..9).zip(KINDS.iter().cycle()) {
        let bench = Bench::new();
        let mut database = bench.ready().await;
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..3 {
            let mut world = World::of(&database).await.unwrap();
            for _ in 0..3 {
                let step = world.random_step(&mut random);
                run(&database, &step).await.unwrap();
                world.take(&step);
            }
            drop(database);
            assert_eq!(bench.after_the_cut(*unsynced).await.unwrap(), world, "seed {seed}, {unsynced:?}");
            database = bench.open().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_leaves_a_commit_whole_or_not_at_all() {
    for step in CommitStep::ALL {
        for (before, unsynced) in [true, false].into_iter().flat_map(|before| KINDS.map(|kind| (before, kind))) {
            let change = if before { Step::Meet(10) } else { Step::Load(10) };
            let bench = Bench::new();
            let database = bench.ready().await;
            let untouched = World::of(&database).await.unwrap();
            let mut changed = untouched.clone();
            changed.take(&change);
            bench.observer.set(Some((step, before)));
            let outcome = run(&database, &change).await;
            drop(database);
            let found = bench.after_the_cut(unsynced).await.unwrap();
            let fits = found == changed || (outcome.is_err() && found == untouched);
            assert!(fits, "{step:?} before={before} {unsynced:?}: {outcome:?}, {found:?}");
        }
    }
}

#[tokio::test]
async fn a_sync_that_is_left_out_is_noticed() {
    type Skipped = fn(&Path) -> bool;
    let kinds: [(&str, Skipped); 5] = [
        ("data files", |path| path.extension().is_some_and(|kind| kind == "lance") && path.is_file()),
        ("deletions", |path| path.parent().is_some_and(|parent| parent.ends_with("_deletions"))),
        ("manifests", |path| path.extension().is_some_and(|kind| kind == "manifest")),
        ("records", |path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ahead-"))),
        ("directories", Path::is_dir),
    ];
    for (name, skipped) in kinds {
        let bench = Bench::new();
        let database = bench.ready().await;
        bench.disk.skip(skipped);
        let mut world = World::of(&database).await.unwrap();
        for step in [Step::Block(10), Step::Insert(20), Step::Delete(10), Step::Insert(30)] {
            run(&database, &step).await.unwrap();
            world.take(&step);
        }
        drop(database);
        let found = bench.after_the_cut(Unsynced::Lost).await;
        assert!(found.is_err() || found.as_ref().unwrap() != &world, "leaving out {name} goes unnoticed");
    }
}

#[tokio::test]
async fn a_sync_that_fails_before_the_record_is_no_commit() {
    let bench = Bench::new();
    let database = bench.ready().await;
    let world = World::of(&database).await.unwrap();
    let mut failed = 0;
    for nth in 0.. {
        bench.disk.fail(nth);
        match run(&database, &Step::Meet(10)).await {
            Err(error) => {
                assert_eq!(error.message().split('"').next(), Some("cannot sync "), "{error}");
                assert_eq!(World::of(&database).await.unwrap(), world, "sync {nth}");
                failed += 1;
            }
            Ok(()) => break,
        }
    }
    assert!(failed >= 4, "{failed} syncs");
    drop(database);
    let mut expected = world;
    expected.take(&Step::Meet(10));
    assert_eq!(bench.after_the_cut(Unsynced::Lost).await.unwrap(), expected);
}

#[tokio::test]
async fn a_record_whose_sync_failed_is_synced_before_it_counts() {
    let bench = Bench::new();
    let database = bench.ready().await;
    let mut expected = World::of(&database).await.unwrap();
    bench.disk.fail_put("commits");
    run(&database, &Step::Meet(10)).await.unwrap();
    expected.take(&Step::Meet(10));
    drop(database);
    assert_eq!(bench.after_the_cut(Unsynced::Lost).await.unwrap(), expected);
}

#[tokio::test]
async fn a_record_that_cannot_be_synced_stops_the_writer() {
    let bench = Bench::new();
    let database = bench.ready().await;
    let syncs = {
        let probe = Bench::new();
        let database = probe.ready().await;
        let before = probe.disk.syncs();
        run(&database, &Step::Meet(10)).await.unwrap();
        probe.disk.syncs() - before
    };
    bench.disk.fail_put("commits");
    bench.disk.fail(syncs);
    run(&database, &Step::Meet(10)).await.unwrap_err();
    run(&database, &Step::Insert(20)).await.unwrap_err();
}

#[tokio::test]
async fn nothing_that_recovery_does_outlives_the_record_it_found() {
    for last in RecoveryStep::ALL {
        let bench = Bench::new();
        let database = bench.ready().await;
        let untouched = World::of(&database).await.unwrap();
        let mut changed = untouched.clone();
        changed.take(&Step::Meet(10));
        // Killed between the record's creation and its sync.
        bench.disk.fail_put("commits");
        bench.observer.set(Some((CommitStep::CommitTables, true)));
        bench
            .disk
            .skip(|path| path.parent().is_some_and(|folder| folder.ends_with("commits")) || path.ends_with("commits"));
        run(&database, &Step::Meet(10)).await.unwrap_err();
        drop(database);
        bench.disk.skip(|_| false);
        bench.observer.set(None);
        bench.observer.set_recovery(Some(last));
        bench.open().await.unwrap_err();
        let found = bench.after_the_cut(Unsynced::Lost).await.unwrap();
        assert_eq!(found, changed, "{last:?}");
        let database = bench.open().await.unwrap();
        assert!(database.recovery().foreign.is_empty(), "{last:?}");
        run(&database, &Step::Insert(20)).await.unwrap();
    }
}
