//! The crash matrix: every kind of commit, stopped before and after every step, as a crash and as a failure that the process
//! survives; then recovered, also with recovery itself stopped after every step of its own, and twice in a row.
//!
//! What must hold is the same everywhere: the commit is there as a whole or not at all; it is there when it was acknowledged
//! and when its record was written; tables, keys and graph agree; and the database takes further commits.

use arrow::array::{FixedSizeListArray, Float32Array};
use arrow::datatypes::DataType;

use super::*;
use crate::catalog::{ColumnSource, IndexDefinition, IndexKey, IndexMethod, NamedSnapshot};
use crate::index_builds::Builder;
use crate::transaction::RecoveryStep;
use crate::{SpillLimits, Version};

/// What a commit changes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    OneTable,
    SeveralTables,
    WithGraph,
    Ddl,
    Group,
    /// A transaction block whose rows are in a temporary file.
    Spilled,
    /// The newest version gets a name.
    Snapshot,
    /// A name goes.
    DroppedSnapshot,
    /// A named snapshot becomes the newest version.
    Restored,
    /// Small fragments become large ones.
    Compaction,
    /// Older versions are given up.
    Cleanup,
    /// An index with what it holds.
    Index,
}

/// How it is stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stop {
    /// Before the step, and the process ends.
    CrashBefore,
    /// After the step, and the process ends.
    CrashAfter,
    /// The step fails once, and the process goes on.
    Failure,
}

const KINDS: [Kind; 12] = [
    Kind::OneTable,
    Kind::SeveralTables,
    Kind::WithGraph,
    Kind::Ddl,
    Kind::Group,
    Kind::Spilled,
    Kind::Snapshot,
    Kind::DroppedSnapshot,
    Kind::Restored,
    Kind::Compaction,
    Kind::Cleanup,
    Kind::Index,
];
const STOPS: [Stop; 3] = [Stop::CrashBefore, Stop::CrashAfter, Stop::Failure];

/// Stops commits and recoveries where it is told to.
#[derive(Debug, Default)]
struct Stopper {
    commit: Mutex<Option<(CommitStep, Stop)>>,
    recovery: Mutex<Option<RecoveryStep>>,
    /// Lets the next commit wait at its first step, and pass all of them, so that others gather behind it.
    front: Mutex<Front>,
}

/// How far the commit is that others gather behind.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Front {
    #[default]
    None,
    Expected,
    Waiting,
    Passing,
}

impl Stopper {
    fn stopped() -> Result<()> {
        Err(Error::storage("stopped by the test"))
    }

    /// Whether this step is one of the commit in front, which is never stopped.
    fn passes_in_front(&self, step: CommitStep) -> bool {
        let mut front = self.front.lock();
        match (*front, step) {
            (Front::None, _) => false,
            (Front::Passing, CommitStep::Check) => {
                *front = Front::None;
                false
            }
            (Front::Expected, _) => {
                *front = Front::Waiting;
                while *front == Front::Waiting {
                    parking_lot::MutexGuard::unlocked(&mut front, || {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    });
                }
                true
            }
            (Front::Waiting | Front::Passing, _) => true,
        }
    }
}

impl CommitObserver for Stopper {
    fn before(&self, step: CommitStep) -> Result<()> {
        if self.passes_in_front(step) {
            return Ok(());
        }
        let mut stop = self.commit.lock();
        match *stop {
            Some((at, Stop::CrashBefore)) if at == step => Self::stopped(),
            Some((at, Stop::Failure)) if at == step => {
                *stop = None;
                Self::stopped()
            }
            _ => Ok(()),
        }
    }

    fn after(&self, step: CommitStep) -> Result<()> {
        match *self.commit.lock() {
            Some(_) if *self.front.lock() != Front::None => Ok(()),
            Some((at, Stop::CrashAfter)) if at == step => Self::stopped(),
            _ => Ok(()),
        }
    }

    fn recovered(&self, step: RecoveryStep) -> Result<()> {
        match *self.recovery.lock() {
            Some(at) if at == step => Self::stopped(),
            _ => Ok(()),
        }
    }
}

async fn open(directory: &tempfile::TempDir, stopper: &Arc<Stopper>) -> Result<Arc<Database>> {
    let observer = Some(Arc::clone(stopper) as Arc<dyn CommitObserver>);
    // Rows that may go to a temporary file all do.
    let spill = SpillLimits { memory: 0, ..SpillLimits::default() };
    Database::open(OpenOptions { observer, spill, ..OpenOptions::new(directory.path()) }).await
}

/// Everything that a reader can see: people with the number of columns of their table, edges, names of tables.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    people: Vec<(i64, String)>,
    columns: usize,
    edges: Vec<(i64, i64)>,
    tables: Vec<String>,
    /// Named snapshots, and how many people each has.
    named: Vec<(String, usize)>,
    /// Indexes, and the rows that they cover.
    indexes: Vec<(String, usize)>,
}

async fn look(database: &Database) -> Seen {
    let snapshot = database.snapshot();
    let mut tables: Vec<String> = snapshot.catalog.tables.values().map(|table| table.name.clone()).collect();
    tables.sort();
    let columns = snapshot.catalog.table("person").unwrap().columns.len();
    let edges = match snapshot.catalog.graphs.is_empty() {
        true => Vec::new(),
        false => acquaintances(database).await,
    };
    let mut named = Vec::new();
    for name in snapshot.catalog.snapshots.keys() {
        let view = database.view_at(&Version::Name(name.clone())).await.unwrap();
        named.push((name.clone(), people_in(&view).await.len()));
    }
    let mut indexes = Vec::new();
    for table in snapshot.catalog.tables.values() {
        for index in &table.indexes {
            let coverage = snapshot.open(table).await.unwrap().coverage(index).await.unwrap();
            indexes.push((index.name.clone(), coverage.covered_rows));
        }
    }
    Seen { people: contents(database).await, columns, edges, tables, named, indexes }
}

/// A database before the commit under test.
async fn prepare(database: &Arc<Database>, kind: Kind) {
    match kind {
        Kind::OneTable | Kind::Ddl | Kind::Group | Kind::Spilled => {
            create(database).await;
            insert(database, &[(1, "a"), (2, "b")]).await.unwrap();
        }
        Kind::Snapshot | Kind::DroppedSnapshot | Kind::Restored | Kind::Compaction | Kind::Cleanup => {
            create(database).await;
            insert(database, &[(1, "a"), (2, "b")]).await.unwrap();
            database.create_snapshot("old").await.unwrap();
            insert(database, &[(3, "c")]).await.unwrap();
            delete(database, 1).await.unwrap();
        }
        Kind::SeveralTables => {
            create(database).await;
            let other = TableDefinition::new("other", people().columns, vec!["id".into()]);
            edit(database, CatalogEdit::CreateTable(other)).await;
            insert(database, &[(1, "a"), (2, "b")]).await.unwrap();
        }
        Kind::WithGraph => create_graph(database).await,
        Kind::Index => {
            create(database).await;
            insert(database, &[(1, "a"), (2, "b")]).await.unwrap();
            edit(database, CatalogEdit::CreateTable(points())).await;
            let table = Arc::clone(database.snapshot().catalog.table("point").unwrap());
            let added = vec![vectors(&table)].into();
            let rows = vec![RowChanges { added, ..RowChanges::new(table) }];
            commit(database, Changes { rows, ..Changes::default() }).await.unwrap();
        }
    }
}

fn points() -> TableDefinition {
    let column = ColumnDefinition { sql_type: SqlType::Vector(2), ..people().columns[1].clone() };
    let (id, v) = (people().columns[0].clone(), ColumnDefinition { name: "v".into(), ..column });
    TableDefinition::new("point", vec![id, v], vec!["id".into()])
}

fn vectors(table: &TableDefinition) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8));
    let schema = table.arrow_schema();
    let DataType::FixedSizeList(item, 2) = schema.field(1).data_type() else { panic!("no vectors") };
    let numbers = Arc::new(Float32Array::from_iter_values((0u8..16).map(f32::from)));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(Arc::clone(item), 2, numbers, None));
    RecordBatch::try_new(schema, vec![ids, vectors]).unwrap()
}

/// An index of `point` is made.
async fn make_index(database: &Database) -> Result<()> {
    let view = database.read_view(&[]).await?;
    let catalog = &view.snapshot.catalog;
    let key = IndexKey {
        columns: vec!["v".into()],
        expression: None,
        operator_class: "vector_l2_ops".into(),
        order: String::new(),
        text_config: None,
    };
    let index = IndexDefinition {
        oid: catalog.reserve_oid(),
        name: "by_v".into(),
        method: IndexMethod::Ivfflat,
        keys: vec![key],
        options: [("lists".to_string(), "2".to_string())].into(),
        predicate: None,
    };
    let edits = vec![CatalogEdit::CreateIndex { table: catalog.table("point")?.id, index }];
    let built = database.build_indexes(&view, &edits, Builder { pid: 1, command: "CREATE INDEX" }).await?;
    assert_eq!(database.index_builds().running(), Vec::new());
    database.commit_indexes(&view, edits, built).await.map(drop)
}

/// The commit under test; whether it was acknowledged.
async fn run(database: &Arc<Database>, stopper: &Stopper, kind: Kind) -> bool {
    match kind {
        Kind::OneTable => {
            let mut transaction = database.begin();
            let changes = deletion(&transaction.view(&[]).await.unwrap(), 1).await.unwrap();
            let table = Arc::clone(&changes.rows[0].table);
            transaction.apply(changes).await.unwrap();
            transaction.apply(insertion(&table, &[(3, "c"), (4, "d")])).await.unwrap();
            transaction.commit().await.is_ok()
        }
        Kind::Spilled => {
            let mut transaction = database.begin();
            let mut changes = deletion(&transaction.view(&[]).await.unwrap(), 1).await.unwrap();
            changes.rows[0].added = database.batches();
            changes.rows[0].added.push(rows(&people(), &[(3, "c"), (4, "d")])).unwrap();
            transaction.apply(changes).await.unwrap();
            assert!(database.spilled_bytes() > 0);
            transaction.commit().await.is_ok()
        }
        Kind::SeveralTables => {
            let catalog = Arc::clone(&database.snapshot().catalog);
            let mut changes = insertion(catalog.table("person").unwrap(), &[(3, "c")]);
            changes.rows.extend(insertion(catalog.table("other").unwrap(), &[(30, "cc")]).rows);
            commit(database, changes).await.is_ok()
        }
        Kind::WithGraph => meet(database, 3, 4).await.is_ok(),
        Kind::Ddl => alter_and_create(database).await.is_ok(),
        Kind::Snapshot => database.create_snapshot("new").await.is_ok(),
        Kind::DroppedSnapshot => database.drop_snapshot("old").await.is_ok(),
        Kind::Restored => database.restore_snapshot("old").await.is_ok(),
        Kind::Compaction => {
            let table = Arc::clone(database.snapshot().catalog.table("person").unwrap());
            database.compact(&table).await.is_ok()
        }
        Kind::Cleanup => database.cleanup(chrono::TimeDelta::zero()).await.is_ok(),
        Kind::Index => make_index(database).await.is_ok(),
        Kind::Group => {
            // The one in front is not stopped; the two behind it commit together.
            *stopper.front.lock() = Front::Expected;
            let writer = |id: i64| {
                let database = Arc::clone(database);
                tokio::spawn(async move { insert(&database, &[(id, "g")]).await.is_ok() })
            };
            let front = writer(10);
            until(|| *stopper.front.lock() == Front::Waiting).await;
            let (first, second) = (writer(11), writer(12));
            until(|| database.waiting_commits() == 2).await;
            *stopper.front.lock() = Front::Passing;
            assert!(front.await.unwrap());
            let (first, second) = (first.await.unwrap(), second.await.unwrap());
            assert_eq!(first, second, "members of one group fare alike");
            first
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// A table gets a column and another table comes with a row, in one transaction.
async fn alter_and_create(database: &Arc<Database>) -> Result<()> {
    let mut transaction = database.begin();
    let view = transaction.view(&[]).await?;
    let mut table = view.snapshot.catalog.table("person")?.as_ref().clone();
    let mut column = table.columns[1].clone();
    column.name = "nick".into();
    table.columns.push(column);
    let nothing = datafusion::scalar::ScalarValue::Utf8(None);
    let sources =
        vec![ColumnSource::Column("id".into()), ColumnSource::Column("name".into()), ColumnSource::Value(nothing)];
    let made = Arc::new(TableDefinition::new("made", people().columns, vec!["id".into()]));
    let edits = vec![CatalogEdit::ReshapeTable { table, sources }, CatalogEdit::CreateTable(made.as_ref().clone())];
    transaction.apply(Changes { catalog: edits, ..Changes::default() }).await?;
    transaction.apply(insertion(&made, &[(1, "m")])).await?;
    transaction.commit().await.map(drop)
}

/// What is seen when the commit is there.
fn after(before: &Seen, kind: Kind) -> Seen {
    let mut seen = before.clone();
    let mut come = |rows: &[(i64, &str)]| seen.people.extend(owned(rows));
    match kind {
        Kind::OneTable | Kind::Spilled => come(&[(3, "c"), (4, "d")]),
        Kind::SeveralTables => come(&[(3, "c")]),
        Kind::WithGraph => come(&[(3, "a"), (4, "b")]),
        Kind::Group => come(&[(11, "g"), (12, "g")]),
        Kind::Snapshot => seen.named.insert(0, ("new".into(), 2)),
        Kind::DroppedSnapshot => seen.named.clear(),
        Kind::Restored => seen.people = owned(&[(1, "a"), (2, "b")]),
        Kind::Ddl | Kind::Compaction | Kind::Cleanup | Kind::Index => {}
    }
    match kind {
        Kind::OneTable | Kind::Spilled => seen.people.retain(|row| row.0 != 1),
        Kind::WithGraph => seen.edges.push((3, 4)),
        Kind::Ddl => {
            seen.columns += 1;
            seen.tables = ["made", "person"].map(String::from).into();
        }
        Kind::Index => seen.indexes.push(("by_v".into(), 8)),
        Kind::SeveralTables | Kind::Group => {}
        Kind::Snapshot | Kind::DroppedSnapshot | Kind::Restored | Kind::Compaction | Kind::Cleanup => {}
    }
    seen
}

fn is_past_the_point(step: CommitStep, stop: Stop) -> bool {
    let place = |step| CommitStep::ALL.iter().position(|other| *other == step);
    place(step) > place(CommitStep::WriteRecord) || (step, stop) == (CommitStep::WriteRecord, Stop::CrashAfter)
}

async fn one(kind: Kind, step: CommitStep, stop: Stop) {
    let context = format!("{kind:?} {step:?} {stop:?}");
    let directory = tempfile::tempdir().unwrap();
    let stopper = Arc::new(Stopper::default());
    let database = open(&directory, &stopper).await.unwrap();
    prepare(&database, kind).await;
    let mut before = look(&database).await;
    if kind == Kind::Group {
        before.people.push((10, "g".into()));
    }
    *stopper.commit.lock() = Some((step, stop));
    let acknowledged = run(&database, &stopper, kind).await;
    *stopper.commit.lock() = None;
    let expected = if is_past_the_point(step, stop) { after(&before, kind) } else { before };
    assert!(!acknowledged || is_past_the_point(step, stop), "{context}: acknowledged and not recorded");
    let mut expected = expected;
    if stop == Stop::Failure {
        // The process goes on: what was recorded is finished before the next commit.
        let added = if expected.columns == 2 { add(&database, 50).await } else { Ok(()) };
        added.unwrap_or_else(|error| panic!("{context}: {error}"));
        if expected.columns == 2 {
            expected.people.push((50, "later".into()));
        }
        if kind == Kind::Ddl && expected.columns == 3 {
            // The first attempt may have read the catalog from before the commit that it finishes.
            let make = || Changes { catalog: vec![CatalogEdit::CreateSchema("later".into())], ..Changes::default() };
            if commit(&database, make()).await.is_err() {
                commit(&database, make()).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        }
        expected.people.sort();
        assert_eq!(look(&database).await, expected, "{context}");
        assert_eq!(database.spilled_bytes(), 0, "{context}");
    }
    drop(database);
    expected.people.sort();
    for recovery in RecoveryStep::ALL {
        *stopper.recovery.lock() = Some(recovery);
        assert!(open(&directory, &stopper).await.is_err(), "{context}: recovery was to be stopped");
    }
    *stopper.recovery.lock() = None;
    for opening in 0..2 {
        let database = open(&directory, &stopper).await.unwrap();
        assert_eq!(look(&database).await, expected, "{context}, opening {opening}");
        let person = Arc::clone(database.snapshot().catalog.table("person").unwrap());
        let tags = database.committer.store.tags(&person.directory).await.unwrap();
        let names = expected.named.iter().map(|(name, _)| NamedSnapshot::tag(name));
        assert_eq!(tags, names.collect(), "{context}, opening {opening}");
        if expected.columns == 2 {
            let id = 60 + opening;
            add(&database, id).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            expected.people.push((id, "later".into()));
            assert_eq!(look(&database).await, expected, "{context}, written to after opening {opening}");
        }
    }
}

async fn add(database: &Database, id: i64) -> Result<()> {
    insert(database, &[(id, "later")]).await
}

async fn all(kind: Kind) {
    for step in CommitStep::ALL {
        for stop in STOPS {
            one(kind, step, stop).await;
        }
    }
}

#[test]
fn every_kind_of_commit_is_in_the_matrix() {
    assert_eq!(KINDS.len() * CommitStep::ALL.len() * STOPS.len(), 288);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_one_table() {
    all(Kind::OneTable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_several_tables() {
    all(Kind::SeveralTables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_a_graph() {
    all(Kind::WithGraph).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_definitions() {
    all(Kind::Ddl).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_commit() {
    all(Kind::Group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_rows_in_a_temporary_file() {
    all(Kind::Spilled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_names_a_snapshot() {
    all(Kind::Snapshot).await;
    all(Kind::DroppedSnapshot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_restores_a_snapshot() {
    all(Kind::Restored).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction() {
    all(Kind::Compaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_up() {
    all(Kind::Cleanup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_an_index() {
    all(Kind::Index).await;
}
