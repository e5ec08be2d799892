//! A store that fails at any one operation: what was acknowledged is there, everything else is there as a whole or not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::check::{CheckOptions, check};
use crate::graph::index::GraphIndex;
use crate::graph::index::IndexFactory;
use crate::graph::memory::MemoryIndex;
use crate::storage::Storage;
use crate::storage::faults::{Fault, Faults, FaultyStore};

/// An index that needs no files, so that the store is the only thing that can fail.
pub(super) fn memory_indexes() -> IndexFactory {
    Arc::new(|_, schema| {
        Box::pin(async move { MemoryIndex::new(schema).map(|index| Arc::new(index) as Arc<dyn GraphIndex>) })
    })
}

/// What the tables should hold: people by key, and edges.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct World {
    people: BTreeMap<i64, String>,
    edges: BTreeSet<i64>,
}

/// One transaction.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Insert(i64),
    Rename(i64),
    Delete(i64),
    /// Two people and an edge, in two tables.
    Meet(i64),
    /// Two statements in one block.
    Block(i64),
    /// Rows that are written ahead of their commit.
    Load(i64),
}

impl World {
    pub(super) fn random_step(&self, random: &mut StdRng) -> Step {
        let fresh = random.random_range(1..1_000_000) * 10;
        let known: Vec<i64> = self.people.keys().copied().filter(|id| id % 10 == 0).collect();
        let chosen = known.get(random.random_range(0..known.len().max(1))).copied();
        match (random.random_range(0..7), chosen) {
            (0, Some(id)) => Step::Rename(id),
            (1, Some(id)) => Step::Delete(id),
            (2, _) => Step::Meet(fresh),
            (3, _) => Step::Block(fresh),
            (4, _) => Step::Load(fresh),
            _ => Step::Insert(fresh),
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Insert(id) => drop(self.people.insert(*id, "new".into())),
            Step::Rename(id) => drop(self.people.insert(*id, "other".into())),
            Step::Delete(id) => drop(self.people.remove(id)),
            Step::Meet(id) => {
                self.people.extend([(id + 1, "a".to_string()), (id + 2, "b".to_string())]);
                self.edges.insert(id + 1);
            }
            Step::Load(id) => self.people.extend((*id..id + 9).map(|id| (id, "loaded".to_string()))),
            Step::Block(id) => self.people.extend([(*id, "new".to_string()), (id + 5, "second".to_string())]),
        }
    }

    pub(super) async fn of(database: &Database) -> Result<World> {
        let view = database.read_view(&[]).await?;
        let table = view.snapshot.catalog.table("knows")?;
        let mut edges = BTreeSet::new();
        let mut rows = view.table(table).await?.read(&ScanRequest::default()).await?;
        while let Some(batch) = stream::next(&mut rows).await? {
            edges.extend(batch.column(0).as_primitive::<Int64Type>().values());
        }
        Ok(World { people: people_in(&view).await.into_iter().collect(), edges })
    }
}

pub(super) async fn run(database: &Arc<Database>, step: &Step) -> Result<()> {
    match step {
        Step::Insert(id) => insert(database, &[(*id, "new")]).await,
        Step::Delete(id) => delete(database, *id).await,
        Step::Meet(id) => meet(database, id + 1, id + 2).await,
        Step::Rename(id) => {
            let view = database.read_view(&[]).await?;
            let mut changes = deletion(&view, *id).await?;
            let table = Arc::clone(&changes.rows[0].table);
            changes.rows[0].added = vec![rows(&table, &[(*id, "other")])].into();
            database.commit(&view, changes).await.map(drop)
        }
        Step::Load(id) => {
            let view = database.read_view(&[]).await?;
            let table = Arc::clone(view.snapshot.catalog.table("person")?);
            let new: Vec<(i64, &str)> = (*id..id + 9).map(|id| (id, "loaded")).collect();
            let batches = futures::stream::iter([Ok(rows(&table, &new))]);
            let batches = Box::pin(RecordBatchStreamAdapter::new(table.arrow_schema(), batches));
            let load = database.stage_load(&table, &view, batches).await?;
            database.commit(&view, Changes { loads: vec![load], ..Changes::default() }).await.map(drop)
        }
        Step::Block(id) => {
            let mut transaction = database.begin();
            let table = Arc::clone(transaction.view(&[]).await?.snapshot.catalog.table("person")?);
            transaction.apply(insertion(&table, &[(*id, "new")])).await?;
            transaction.apply(insertion(&table, &[(id + 5, "second")])).await?;
            transaction.commit().await.map(drop)
        }
    }
}

/// A database in memory whose store can be made to fail.
struct Bench {
    store: Arc<InMemory>,
    faults: Arc<Faults>,
    local: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench::over(InMemory::new())
    }

    fn over(store: InMemory) -> Self {
        Bench { store: Arc::new(store), faults: Arc::default(), local: tempfile::tempdir().unwrap() }
    }

    fn storage(&self) -> Storage {
        let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
        let faulty = FaultyStore::new(store, Arc::clone(&self.faults));
        Storage::on(Arc::new(faulty), "memory://faulty")
    }

    async fn open(&self) -> Result<Arc<Database>> {
        let storage = Some(self.storage());
        let options = OpenOptions { storage, index: memory_indexes(), ..OpenOptions::new(self.local.path()) };
        Database::open(options).await
    }

    /// A database with the graph in it.
    async fn ready(&self) -> Arc<Database> {
        let database = self.open().await.unwrap();
        create_graph(&database).await;
        database
    }

    async fn sound(&self) {
        let options =
            CheckOptions { storage: self.storage(), local: self.local.path().into(), index: memory_indexes() };
        let report = check(&options).await.unwrap();
        assert!(report.is_sound(), "{report}");
    }
}

/// Runs a few steps on a copy of `prepared` with `fault` at the `nth` operation among those whose description contains
/// `only`, and checks what is left. Gives whether the fault was reached.
async fn survives(prepared: &InMemory, seed: u64, only: &'static str, nth: u64, fault: Fault) -> bool {
    let bench = Bench::over(prepared.fork());
    let database = bench.open().await.unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let mut possible = BTreeSet::from([World::of(&database).await.unwrap()]);
    bench.faults.strike_only(only, nth, fault);
    let mut history = Vec::new();
    for _ in 0..3 {
        let step = possible.first().unwrap().random_step(&mut random);
        let outcome = run(&database, &step).await;
        history.push((step.clone(), outcome.as_ref().err().map(ToString::to_string)));
        let after = possible.iter().map(|world| {
            let mut world = world.clone();
            world.take(&step);
            world
        });
        let after: BTreeSet<World> = after.collect();
        match outcome {
            Ok(()) => possible = after,
            Err(_) => possible.extend(after),
        }
    }
    drop(database);
    let struck = bench.faults.clear();
    let context = format!("seed {seed}, {fault:?} at {nth}: {struck:?}, {history:#?}");
    let database = bench.open().await.unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = World::of(&database).await.unwrap();
    assert!(possible.contains(&found), "{context}: {found:?} is none of {possible:?}");
    meet(&database, 7_000_001, 7_000_002).await.unwrap();
    drop(database);
    bench.sound().await;
    struck.is_some()
}

/// Every write, and every third operation of any kind: reads repeat themselves.
async fn survives_at_any_operation(seed: u64, fault: Fault) {
    let prepared = Bench::new();
    prepared.ready().await;
    for (only, every) in [("put ", 1), ("", 3)] {
        let mut tried = 0;
        while survives(&prepared.store, seed, only, tried * every, fault).await {
            tried += 1;
        }
        assert!(tried > 10, "only {tried} operations");
    }
}

#[tokio::test]
async fn commits_survive_the_refusal_of_any_operation() {
    survives_at_any_operation(1, Fault::Refused).await;
}

#[tokio::test]
async fn commits_survive_an_unheard_success_of_any_operation() {
    survives_at_any_operation(2, Fault::HappenedUnheard).await;
}

#[tokio::test]
async fn commits_survive_the_loss_of_the_store_at_any_operation() {
    survives_at_any_operation(3, Fault::Gone).await;
}

#[tokio::test]
async fn opening_survives_a_fault_at_any_operation() {
    for fault in [Fault::Refused, Fault::HappenedUnheard, Fault::Gone] {
        let bench = Bench::new();
        let database = bench.ready().await;
        // The last commit is recorded, and not finished.
        bench.faults.strike_only("put tables/", 2, Fault::Gone);
        let outcome = meet(&database, 3, 4).await;
        let worlds: Vec<usize> = if outcome.is_ok() { vec![4] } else { vec![2, 4] };
        drop(database);
        let mut nth = 0;
        loop {
            bench.faults.strike(nth, fault);
            let opened = bench.open().await;
            let struck = bench.faults.clear();
            if let Ok(database) = opened {
                assert!(worlds.contains(&contents(&database).await.len()), "{fault:?} at {nth}: {struck:?}");
            }
            if struck.is_none() {
                break;
            }
            nth += 1;
        }
        bench.sound().await;
    }
}

#[tokio::test]
async fn a_record_that_was_written_unheard_is_a_commit() {
    let bench = Bench::new();
    let database = bench.ready().await;
    bench.faults.strike_only("put commits/", 0, Fault::HappenedUnheard);
    insert(&database, &[(10, "ann")]).await.unwrap();
    assert!(bench.faults.clear().is_some());
    insert(&database, &[(11, "bob")]).await.unwrap();
    drop(database);
    assert_eq!(contents(&bench.open().await.unwrap()).await.len(), 4);
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_no_commit_and_the_next_one_is() {
    let bench = Bench::new();
    let database = bench.ready().await;
    bench.faults.strike_only("put commits/", 0, Fault::Refused);
    let error = insert(&database, &[(10, "ann")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(bench.faults.clear().is_some());
    insert(&database, &[(11, "bob")]).await.unwrap();
    assert_eq!(contents(&database).await.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 11]);
}

#[tokio::test]
async fn a_table_that_cannot_be_published_is_finished_before_the_next_commit() {
    let bench = Bench::new();
    let database = bench.ready().await;
    bench.faults.strike_only("put _versions/", 0, Fault::Refused);
    let outcome = insert(&database, &[(10, "ann")]).await;
    assert!(bench.faults.clear().is_some());
    assert!(outcome.unwrap_err().hint().unwrap().contains("will be finished before the next one"));
    insert(&database, &[(11, "bob")]).await.unwrap();
    assert_eq!(contents(&database).await.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 10, 11]);
}

#[tokio::test]
async fn readers_do_not_wait_for_a_slow_commit() {
    let bench = Bench::new();
    let database = bench.ready().await;
    bench.faults.strike_only("put commits/", 0, Fault::Slow(Duration::from_millis(500)));
    let committing = tokio::spawn({
        let database = Arc::clone(&database);
        async move { insert(&database, &[(10, "ann")]).await }
    });
    let mut reads = 0;
    while !committing.is_finished() {
        assert!(contents(&database).await.len() <= 3);
        reads += 1;
    }
    committing.await.unwrap().unwrap();
    assert!(reads > 5, "{reads} reads");
    assert_eq!(contents(&database).await.len(), 3);
}
