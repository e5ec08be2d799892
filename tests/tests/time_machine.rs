//! A history of some hundred commits, with changes of the schema and of the graph: at any version every kind of query gives what
//! the model of that version says. Names, compaction and clean-up come in between.
//!
//! `SLIPSTREAM_SEED` chooses the history, `SLIPSTREAM_COMMITS` how long it is.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slipstream_tests::{TestServer, check_data, error_of};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Commits of `make test`.
const COMMITS: u64 = 200;
/// Commits between two looks at the past.
const LOOK_AFTER: u64 = 8;

const SETUP: [&str; 3] = [
    "CREATE TABLE person (id bigint PRIMARY KEY, name text)",
    "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
    "CREATE PROPERTY GRAPH social
       VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id))
       EDGE TABLES (knows KEY (id) SOURCE KEY (src) REFERENCES person (id)
                    DESTINATION KEY (dst) REFERENCES person (id) LABEL knows PROPERTIES (id))",
];

/// A row as text, column by column.
type Row = Vec<Option<String>>;

/// The database at one version.
#[derive(Debug, Clone, Default)]
struct Model {
    /// Columns of `person` beside `id`.
    columns: Vec<String>,
    /// Their values by `id`.
    people: BTreeMap<i64, Row>,
    /// End points by `id`.
    edges: BTreeMap<i64, (i64, i64)>,
    next: i64,
}

impl Model {
    fn rows(&self) -> Vec<Row> {
        let row = |(id, values): (&i64, &Row)| std::iter::once(Some(id.to_string())).chain(values.clone()).collect();
        self.people.iter().map(row).collect()
    }

    fn pairs(&self) -> Vec<Row> {
        sorted(self.edges.values().map(|(from, to)| vec![Some(from.to_string()), Some(to.to_string())]).collect())
    }

    /// Paths of one to three edges, none of which comes twice.
    fn trails(&self) -> usize {
        let edges: Vec<(i64, i64)> = self.edges.values().copied().collect();
        let follow = |path: &Vec<usize>| {
            let end = path.last().map(|last| edges[*last].1);
            let next = edges.iter().enumerate().filter(|(at, edge)| Some(edge.0) == end && !path.contains(at));
            next.map(|(at, _)| path.iter().copied().chain([at]).collect()).collect::<Vec<Vec<usize>>>()
        };
        let one: Vec<Vec<usize>> = (0..edges.len()).map(|at| vec![at]).collect();
        let two: Vec<Vec<usize>> = one.iter().flat_map(follow).collect();
        let three: Vec<Vec<usize>> = two.iter().flat_map(follow).collect();
        one.len() + two.len() + three.len()
    }

    /// Walks of two edges.
    fn walks(&self) -> usize {
        let edges = || self.edges.values();
        edges().map(|first| edges().filter(|second| second.0 == first.1).count()).sum()
    }

    /// What `slipstream.diff` says of `person` from here to there.
    fn difference(&self, there: &Model) -> Vec<Row> {
        // A column that is not there any more is not compared, one that was not there yet was NULL.
        let old = |values: &Row| -> Row {
            let value =
                |name: &String| self.columns.iter().position(|known| known == name).and_then(|at| values[at].clone());
            there.columns.iter().map(value).collect()
        };
        let mut rows = Vec::new();
        let row = |what: &str, id: &i64| vec![Some(what.to_string()), Some(id.to_string())];
        for (id, values) in &there.people {
            match self.people.get(id) {
                None => rows.push(row("added", id)),
                Some(before) if old(before) != *values => rows.push(row("changed", id)),
                Some(_) => {}
            }
        }
        rows.extend(self.people.keys().filter(|id| !there.people.contains_key(id)).map(|id| row("removed", id)));
        sorted(rows)
    }

    /// Changes the model, and says how the database is changed alike.
    fn change(&mut self, chance: &mut StdRng) -> String {
        let someone = |model: &Model, chance: &mut StdRng| {
            model.people.keys().nth(chance.random_range(0..model.people.len())).copied()
        };
        self.next += 1;
        let id = self.next;
        match chance.random_range(0..100) {
            _ if self.people.len() < 4 => self.insert(id),
            0..25 => self.insert(id),
            25..45 => {
                let who = someone(self, chance).expect("there is somebody");
                let at = chance.random_range(0..self.columns.len());
                let text = format!("v{id}");
                self.people.get_mut(&who).expect("known")[at] = Some(text.clone());
                format!("UPDATE person SET {} = '{text}' WHERE id = {who}", self.columns[at])
            }
            45..55 => {
                let who = someone(self, chance).expect("there is somebody");
                self.people.remove(&who);
                self.edges.retain(|_, (from, to)| *from != who && *to != who);
                format!(
                    "BEGIN; DELETE FROM knows WHERE src = {who} OR dst = {who}; DELETE FROM person WHERE id = {who}; COMMIT"
                )
            }
            55..85 => {
                let (from, to) = (someone(self, chance).expect("somebody"), someone(self, chance).expect("somebody"));
                self.edges.insert(id, (from, to));
                format!("INSERT INTO knows VALUES ({id}, {from}, {to})")
            }
            85..92 if !self.edges.is_empty() => {
                let edge = *self.edges.keys().nth(chance.random_range(0..self.edges.len())).expect("there is one");
                self.edges.remove(&edge);
                format!("DELETE FROM knows WHERE id = {edge}")
            }
            92..96 if self.columns.len() < 5 => {
                let name = format!("c{id}");
                self.columns.push(name.clone());
                self.people.values_mut().for_each(|values| values.push(Some("new".to_string())));
                format!("ALTER TABLE person ADD COLUMN {name} text DEFAULT 'new'")
            }
            96..98 if self.columns.len() > 1 => {
                let at = chance.random_range(1..self.columns.len());
                let name = self.columns.remove(at);
                self.people.values_mut().for_each(|values| drop(values.remove(at)));
                format!("ALTER TABLE person DROP COLUMN {name}")
            }
            98.. if self.columns.len() > 1 => {
                let at = chance.random_range(1..self.columns.len());
                let name = std::mem::replace(&mut self.columns[at], format!("r{id}"));
                format!("ALTER TABLE person RENAME COLUMN {name} TO r{id}")
            }
            _ => self.insert(id),
        }
    }

    fn insert(&mut self, id: i64) -> String {
        let values: Row = (0..self.columns.len()).map(|at| (at == 0).then(|| format!("p{id}"))).collect();
        let text: Vec<String> = values
            .iter()
            .map(|value| value.as_ref().map_or_else(|| "NULL".to_string(), |value| format!("'{value}'")))
            .collect();
        self.people.insert(id, values);
        format!("INSERT INTO person VALUES ({id}, {})", text.join(", "))
    }
}

/// A version that is remembered.
#[derive(Debug, Clone)]
struct Version {
    seq: u64,
    time: String,
    name: Option<String>,
    model: Model,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_is_what_it_was() {
    let seed = number("SLIPSTREAM_SEED").unwrap_or(1);
    let commits = number("SLIPSTREAM_COMMITS").unwrap_or(COMMITS);
    println!("seed {seed}, {commits} commits");
    let mut chance = StdRng::seed_from_u64(seed);
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in SETUP {
        run(&client, statement).await;
    }
    let mut model = Model { columns: vec!["name".into()], ..Model::default() };
    let mut versions: Vec<Version> = Vec::new();
    for commit in 1..=commits {
        let statement = model.change(&mut chance);
        run(&client, &statement).await;
        let newest = ask(&client, "SELECT seq, timestamp FROM slipstream.commits LIMIT 1").await;
        let [Some(seq), Some(time)] = &newest[0][..] else { panic!("{newest:?}") };
        versions.push(Version {
            seq: seq.parse().expect("a number"),
            time: time.clone(),
            name: None,
            model: model.clone(),
        });
        if commit % 23 == 0 {
            let name = format!("s{commit}");
            run(&client, &format!("CALL slipstream.create_snapshot('{name}')")).await;
            versions.last_mut().expect("the newest").name = Some(name);
        }
        if commit % 31 == 0 {
            run(&client, "CALL slipstream.compact('person')").await;
            run(&client, "CALL slipstream.compact('knows')").await;
        }
        if commit == commits / 2 {
            give_up(&client, &mut versions).await;
        }
        if commit % LOOK_AFTER == 0 {
            let version = &versions[chance.random_range(0..versions.len())];
            let other = &versions[chance.random_range(0..versions.len())];
            let context = format!("seed {seed}, commit {commit}, version {}", version.seq);
            assert_version(&client, version, &context).await;
            assert_mixed(&client, version, &model, &context).await;
            assert_difference(&client, version, other, &context).await;
        }
    }
    give_up(&client, &mut versions).await;
    for version in &versions {
        assert_version(&client, version, &format!("seed {seed}, at the end, version {}", version.seq)).await;
    }
    let restored = versions.iter().rfind(|version| version.name.is_some()).expect("some have names").clone();
    run(&client, &format!("CALL slipstream.restore_snapshot('{}')", restored.name.as_deref().expect("a name"))).await;
    let now = ask(&client, "SELECT * FROM person ORDER BY id").await;
    assert_eq!(now, restored.model.rows(), "seed {seed}, restored");
    drop(client);
    server.kill();
    check_data(data.path());
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for version in versions.iter().filter(|version| version.name.is_some()) {
        assert_version(&client, version, &format!("seed {seed}, reopened, version {}", version.seq)).await;
    }
}

/// Gives up everything that has no name, and forgets it.
async fn give_up(client: &Client, versions: &mut Vec<Version>) {
    let newest = versions.last().expect("there are some").seq;
    run(client, "CALL slipstream.cleanup(older_than => interval '0 seconds')").await;
    for version in versions.iter().filter(|version| version.name.is_none() && version.seq + 40 < newest) {
        let gone = client.simple_query(&format!("SELECT * FROM person VERSION AS OF {}", version.seq)).await;
        let error = gone.expect_err("it was given up");
        assert_eq!(error_of(&error).code().code(), "22023", "version {}", version.seq);
    }
    versions.retain(|version| version.name.is_some());
}

/// Every kind of query at one version: by number, by time, by name, and in a session that is there.
async fn assert_version(client: &Client, version: &Version, context: &str) {
    let Version { seq, time, name, model } = version;
    let mut clauses = vec![format!("VERSION AS OF {seq}")];
    match name {
        Some(name) => clauses.push(format!("VERSION AS OF '{name}'")),
        None => clauses.push(format!("FOR SYSTEM_TIME AS OF '{time}'")),
    }
    for clause in &clauses {
        let rows = ask(client, &format!("SELECT * FROM person {clause} ORDER BY id")).await;
        assert_eq!(rows, model.rows(), "{context}, {clause}");
        let pairs = ask(client, &format!("SELECT src, dst FROM knows {clause} AS k")).await;
        assert_eq!(sorted(pairs), model.pairs(), "{context}, {clause}");
    }
    let clause = &clauses[0];
    for id in model.people.keys().rev().take(2).chain([&-1]) {
        let rows = ask(client, &format!("SELECT * FROM person {clause} AS p WHERE p.id = {id}")).await;
        let known: Vec<Row> = model.rows().into_iter().filter(|row| row[0] == Some(id.to_string())).collect();
        assert_eq!(rows, known, "{context}, key {id}");
    }
    let sums = ask(client, &format!("SELECT count(*), coalesce(sum(id), 0) FROM person {clause}")).await;
    let sum: i64 = model.people.keys().sum();
    assert_eq!(sums, [[Some(model.people.len().to_string()), Some(sum.to_string())]], "{context}");
    let only = name.as_ref().map_or_else(|| seq.to_string(), |name| format!("'{name}'"));
    let pattern = "MATCH (a IS person)-[IS knows]->(b IS person) COLUMNS (a.id AS a, b.id AS b)";
    let pairs = ask(client, &format!("SELECT * FROM GRAPH_TABLE (social VERSION AS OF {only} {pattern})")).await;
    assert_eq!(sorted(pairs), model.pairs(), "{context}, GRAPH_TABLE");
    let pattern = "MATCH (a IS person)-[IS knows]->()-[IS knows]->(b IS person) COLUMNS (a.id AS a)";
    let walks = ask(client, &format!("SELECT count(*) FROM GRAPH_TABLE (social VERSION AS OF {only} {pattern})")).await;
    assert_eq!(walks, [[Some(model.walks().to_string())]], "{context}, walks");
    run(client, &format!("SET slipstream.as_of = {only}")).await;
    let rows = ask(client, "SELECT * FROM person ORDER BY id").await;
    assert_eq!(rows, model.rows(), "{context}, as_of");
    let trails = "SELECT * FROM cypher('social', $$ MATCH (a:person)-[:knows*1..3]->(b:person) RETURN count(*) $$) AS (n bigint)";
    assert_eq!(ask(client, trails).await, [[Some(model.trails().to_string())]], "{context}, trails");
    let columns =
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'person' ORDER BY ordinal_position";
    let names: Vec<Row> =
        std::iter::once("id".to_string()).chain(model.columns.clone()).map(|name| vec![Some(name)]).collect();
    assert_eq!(ask(client, columns).await, names, "{context}, columns");
    run(client, "RESET slipstream.as_of").await;
}

/// One version and the newest in one statement.
async fn assert_mixed(client: &Client, version: &Version, now: &Model, context: &str) {
    let both = format!(
        "SELECT a.id FROM person AS a JOIN person VERSION AS OF {} AS b ON a.id = b.id ORDER BY 1",
        version.seq
    );
    let known: BTreeSet<&i64> = version.model.people.keys().collect();
    let expected: Vec<Row> =
        now.people.keys().filter(|id| known.contains(id)).map(|id| vec![Some(id.to_string())]).collect();
    assert_eq!(ask(client, &both).await, expected, "{context}, mixed");
}

async fn assert_difference(client: &Client, from: &Version, to: &Version, context: &str) {
    let sql = format!("SELECT change, id FROM slipstream.diff('person', {}, {})", from.seq, to.seq);
    let found = sorted(ask(client, &sql).await);
    assert_eq!(found, from.model.difference(&to.model), "{context}, difference to {}", to.seq);
}

async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.simple_query(sql).await {
        panic!("{sql}: {error:?}");
    }
}

async fn ask(client: &Client, sql: &str) -> Vec<Row> {
    let answer = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_string)).collect()),
        _ => None,
    };
    answer.into_iter().filter_map(row).collect()
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
