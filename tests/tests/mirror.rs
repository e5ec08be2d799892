//! Graph patterns answered by the index and by joins, compared row for row.
//!
//! A seeded generator writes queries over a small graph that has what goes wrong: edges from a node to itself, several edges
//! between the same nodes, cycles, missing properties. Each query is answered under `slipstream.graph_strategy` `index` and
//! `join`; the rows must be the same, in any order. A second graph over the same tables covers little: of its queries the index
//! answers a part, and joins go on from there. The queries of the scripts about patterns are compared as well.
//!
//! `SLIPSTREAM_MIRROR_SEED` and `SLIPSTREAM_MIRROR_QUERIES` choose other queries, and more of them.

use std::path::Path;

use slipstream_tests::TestServer;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Queries of a run, unless the environment wants another number.
const QUERIES: usize = 150;
/// Rows beyond which a query says nothing more.
const MOST_ROWS: usize = 200_000;

#[tokio::test]
async fn the_index_and_joins_give_the_same_rows() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let seed = number("SLIPSTREAM_MIRROR_SEED", 1);
    let mut random = Random(seed as u64);
    make_graph(&client, &mut random).await;
    let (mut compared, mut refused, mut in_parts) = (0, 0, 0);
    let mut failures = Vec::new();
    for at in 0..number("SLIPSTREAM_MIRROR_QUERIES", QUERIES) {
        let query = Writer::new(&mut random).query();
        let sql = format!("SELECT * FROM cypher('g', $$ {query} $$) AS answer");
        match compare(&client, &sql).await {
            Comparison::Same => compared += 1,
            Comparison::Refused => refused += 1,
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}: {query}\n{difference}"))
            }
        }
        let little = format!("SELECT * FROM cypher('little', $$ {query} $$) AS answer");
        match compare(&client, &little).await {
            Comparison::Same => in_parts += 1,
            Comparison::Refused => {}
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}, in parts: {query}\n{difference}"))
            }
        }
    }
    assert!(in_parts * 3 > compared, "only {in_parts} queries were compared over the graph that covers little");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n\n"));
    assert!(compared > 2 * refused, "only {compared} queries were compared, {refused} refused");
}

#[tokio::test]
async fn the_queries_of_the_scripts_have_the_same_rows_by_joins() {
    for (script, call) in [("cypher", "cypher("), ("graph_table", "GRAPH_TABLE (")] {
        compare_script(script, call).await;
    }
}

/// Compares the queries of a script that have a call in them.
async fn compare_script(script: &str, call: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/{script}.slt"));
    let script = std::fs::read_to_string(script).expect("the script is there");
    // In a block an error of the index would end it, and its own changes are for joins anyway.
    let (mut compared, mut in_block) = (0, false);
    for record in script.split("\n\n") {
        let lines: Vec<&str> = record.lines().filter(|line| !line.starts_with('#')).collect();
        let Some((head, rest)) = lines.split_first() else { continue };
        let sql = rest.iter().take_while(|line| **line != "----").copied().collect::<Vec<_>>().join("\n");
        if head.starts_with("statement ok") {
            client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            in_block = sql == "BEGIN" || in_block && sql != "COMMIT";
        } else if !in_block && head.starts_with("query") && sql.contains(call) && !sql.starts_with("EXPLAIN") {
            match compare(&client, &sql).await {
                Comparison::Same => compared += 1,
                Comparison::Refused => {}
                Comparison::Different(difference) => panic!("{sql}\n{difference}"),
            }
        }
    }
    assert!(compared > 15, "only {compared} queries were compared");
}

#[tokio::test]
async fn explain_says_how_a_pattern_is_answered_and_why() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY, name text, bio text)",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, name))",
    ] {
        client.batch_execute(statement).await.expect("a graph");
    }
    let explain = |property: &str| {
        format!("EXPLAIN SELECT * FROM cypher('g', $$ MATCH (p:person) RETURN p.{property} AS it $$) AS answer")
    };
    let plan = |rows: Result<Vec<String>, String>| rows.expect("a plan").join("\n");
    let by_index = plan(rows(&client, "auto", &explain("name")).await);
    assert!(by_index.contains("GraphIndexScan: graph=g, "), "{by_index}");
    assert!(by_index.contains("GraphPattern: graph=g, route=index, MATCH (p:person)"), "{by_index}");
    let by_strategy = plan(rows(&client, "join", &explain("name")).await);
    assert!(by_strategy.contains("GraphPattern: graph=g, route=joins (slipstream.graph_strategy)"), "{by_strategy}");
    assert!(!by_strategy.contains("GraphIndexScan"), "{by_strategy}");
    let uncovered = plan(rows(&client, "auto", &explain("bio")).await);
    let lack = "the graph index does not cover property \"bio\" of \"person\"";
    let why = format!("route=joins ({lack}, and nothing keeps the rows few)");
    assert!(uncovered.contains(&why), "{uncovered}");
    let few = "MATCH (p:person {id: 1}) RETURN p.bio AS it";
    let fetched =
        plan(rows(&client, "auto", &format!("EXPLAIN SELECT * FROM cypher('g', $$ {few} $$) AS answer")).await);
    let why = format!("route=index for the first clause, joins from there on ({lack})");
    assert!(fetched.contains(&why), "{fetched}");
    assert!(fetched.contains("IndexThenStore: table=person") && fetched.contains("GraphIndexScan"), "{fetched}");
    client.batch_execute("BEGIN; INSERT INTO person VALUES (1, 'Ann', NULL)").await.expect("a transaction");
    let own = plan(rows(&client, "auto", &explain("name")).await);
    assert!(own.contains("route=joins (own uncommitted writes)"), "{own}");
}

#[tokio::test]
async fn a_search_without_end_can_be_stopped() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY)",
        "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
        "INSERT INTO person VALUES (0), (1), (2), (3), (4)",
        "INSERT INTO knows SELECT a.id * 5 + b.id, a.id, b.id FROM person a, person b",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person) EDGE TABLES (knows KEY (id)
           SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows)",
        "SET statement_timeout = '500ms'",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    // There are only 25 edges, so no path is as long as the second asks, and no row ever leaves the search.
    for pattern in ["(a:person)-[:knows*1..25]->(b:person)", "(a:person)-[:knows*30]->(b:person)"] {
        let sql = format!("SELECT n FROM cypher('g', $$ MATCH {pattern} RETURN count(*) AS n $$) AS answer");
        let started = std::time::Instant::now();
        let stopped = rows(&client, "join", &sql).await.expect_err("it does not end");
        assert!(stopped.starts_with("57014"), "{stopped}");
        assert!(started.elapsed().as_secs() < 20, "stopped after {:?}", started.elapsed());
    }
}

pub(crate) enum Comparison {
    Same,
    /// The index does not answer this query.
    Refused,
    Different(String),
}

pub(crate) async fn compare(client: &Client, sql: &str) -> Comparison {
    let index = rows(client, "index", sql).await;
    if let Err(code) = &index
        && code.starts_with("0A000")
    {
        return Comparison::Refused;
    }
    let joins = rows(client, "join", sql).await;
    match (index, joins) {
        (Ok(index), Ok(joins)) if index == joins => Comparison::Same,
        (Ok(index), Ok(_)) if index.len() > MOST_ROWS => Comparison::Refused,
        (Err(index), Err(joins)) if index[..5] == joins[..5] => Comparison::Same,
        (index, joins) => Comparison::Different(difference(index, joins)),
    }
}

fn difference(index: Result<Vec<String>, String>, joins: Result<Vec<String>, String>) -> String {
    let (Ok(mut index), Ok(mut joins)) = (index.clone(), joins.clone()) else {
        let shown = |rows: Result<Vec<String>, String>| match rows {
            Ok(rows) => format!("{} rows", rows.len()),
            Err(error) => error,
        };
        return format!("  index: {}\n  joins: {}", shown(index), shown(joins));
    };
    let counts = (index.len(), joins.len());
    joins.retain(|row| match index.iter().position(|other| other == row) {
        Some(at) => {
            index.remove(at);
            false
        }
        None => true,
    });
    index.truncate(5);
    joins.truncate(5);
    format!("  index: {} rows, alone with {index:?}\n  joins: {} rows, alone with {joins:?}", counts.0, counts.1)
}

/// The rows as sorted text, or the error with its code first.
async fn rows(client: &Client, strategy: &str, sql: &str) -> Result<Vec<String>, String> {
    client.batch_execute(&format!("SET slipstream.graph_strategy = '{strategy}'")).await.expect("a setting");
    let messages = client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
        Some(report) => format!("{} {}", report.code().code(), report.message()),
        None => format!("lost {error}"),
    })?;
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let values: Vec<String> = (0..row.len()).map(|column| shown(row.get(column))).collect();
            rows.push(values.join(" | "));
        }
    }
    rows.sort();
    Ok(rows)
}

/// A value; the elements of a list have no order.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_string(),
        Some(list) if list.starts_with('{') => {
            let mut items: Vec<&str> = list.trim_matches(['{', '}']).split(',').collect();
            items.sort_unstable();
            format!("{{{}}}", items.join(","))
        }
        Some(text) => text.to_string(),
    }
}

/// Random numbers that a seed repeats (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// The value, or NULL.
    fn or_null(&mut self, value: String) -> String {
        if self.percent(25) { "NULL".to_string() } else { value }
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

const PEOPLE: usize = 8;
const CITIES: usize = 3;
const NAMES: [&str; 5] = ["Ann", "Bob", "Anna", "bo", ""];

pub(crate) async fn make_graph(client: &Client, random: &mut Random) {
    let mut sql = String::from(
        "CREATE TABLE person (id bigint PRIMARY KEY, name text, age integer, score double precision, active boolean, born date);
         CREATE TABLE city (id integer PRIMARY KEY, name text, size bigint);
         CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, since integer);
         CREATE TABLE follows (id text PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, weight double precision);
         CREATE TABLE lives (id bigint PRIMARY KEY, person bigint NOT NULL, city integer NOT NULL, since integer);",
    );
    for id in 0..PEOPLE {
        let (name, age) = (*random.pick(&NAMES), random.below(5));
        let values = [
            random.or_null(format!("'{name}'")),
            random.or_null(age.to_string()),
            random.or_null(format!("{}.25", id % 3)),
            random.or_null((id % 2 == 0).to_string()),
            random.or_null(format!("'2000-01-{:02}'", 1 + id % 4)),
        ];
        sql.push_str(&format!("INSERT INTO person VALUES ({id}, {});", values.join(", ")));
    }
    for id in 0..CITIES {
        let (name, size) = (*random.pick(&NAMES), random.below(3));
        let values = [random.or_null(format!("'{name}'")), random.or_null(size.to_string())];
        sql.push_str(&format!("INSERT INTO city VALUES ({id}, {});", values.join(", ")));
    }
    for id in 0..14 {
        let (from, to) = ends(random, id);
        let since = random.below(4);
        let since = random.or_null(since.to_string());
        sql.push_str(&format!("INSERT INTO knows VALUES ({id}, {from}, {to}, {since});"));
    }
    for id in 0..9 {
        let (from, to) = ends(random, id);
        let weight = random.below(3);
        let weight = random.or_null(format!("{weight}.5"));
        sql.push_str(&format!("INSERT INTO follows VALUES ('f{id}', {from}, {to}, {weight});"));
    }
    for id in 0..7 {
        let (person, city) = (random.below(PEOPLE), random.below(CITIES));
        let since = random.below(4);
        let since = random.or_null(since.to_string());
        sql.push_str(&format!("INSERT INTO lives VALUES ({id}, {person}, {city}, {since});"));
    }
    sql.push_str(
        "CREATE PROPERTY GRAPH g
           VERTEX TABLES (person KEY (id) LABEL person, city KEY (id) LABEL city)
           EDGE TABLES (
             knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows,
             follows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL follows,
             lives KEY (id) SOURCE KEY (person) REFERENCES person (id) DESTINATION KEY (city) REFERENCES city (id) LABEL lives);
         CREATE PROPERTY GRAPH little
           VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, age), city KEY (id) LABEL city PROPERTIES (id))
           EDGE TABLES (
             knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows
               PROPERTIES (id),
             follows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL follows
               PROPERTIES (id, weight),
             lives KEY (id) SOURCE KEY (person) REFERENCES person (id) DESTINATION KEY (city) REFERENCES city (id) LABEL lives)",
    );
    for statement in sql.split(';') {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// The ends of an edge: some lie beside another, some lead back to where they start, and they are in few nodes.
fn ends(random: &mut Random, id: usize) -> (usize, usize) {
    let from = random.below(PEOPLE - 1);
    match id % 5 {
        0 => (from, from),
        1 => (1, 2),
        _ => (from, random.below(PEOPLE - 1)),
    }
}

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
    Text,
    Boolean,
    Date,
}

const PERSON: &[(&str, Kind)] = &[
    ("id", Kind::Integer),
    ("name", Kind::Text),
    ("age", Kind::Integer),
    ("score", Kind::Float),
    ("active", Kind::Boolean),
    ("born", Kind::Date),
];
const CITY: &[(&str, Kind)] = &[("id", Kind::Integer), ("name", Kind::Text), ("size", Kind::Integer)];
const KNOWS: &[(&str, Kind)] = &[("id", Kind::Integer), ("since", Kind::Integer)];
const FOLLOWS: &[(&str, Kind)] = &[("id", Kind::Text), ("weight", Kind::Float)];
const LIVES: &[(&str, Kind)] = &[("id", Kind::Integer), ("since", Kind::Integer)];

/// A variable of the query.
#[derive(Debug, Clone)]
enum Variable {
    Node(String, &'static str),
    Relationship(String, &'static str),
    Walk(String),
    Value(String, Kind),
}

fn properties(label: &str) -> &'static [(&'static str, Kind)] {
    match label {
        "person" => PERSON,
        "city" => CITY,
        "knows" => KNOWS,
        "follows" => FOLLOWS,
        _ => LIVES,
    }
}

/// Writes one query.
struct Writer<'a> {
    random: &'a mut Random,
    scope: Vec<Variable>,
    names: usize,
    /// Relationships so far, a variable-length one as several: more make too many rows.
    size: usize,
}

impl<'a> Writer<'a> {
    fn new(random: &'a mut Random) -> Self {
        Writer { random, scope: Vec::new(), names: 0, size: 0 }
    }

    fn query(mut self) -> String {
        let mut clauses = Vec::new();
        if self.random.percent(10) {
            clauses.push(self.unwind());
        }
        clauses.push(self.pattern("MATCH"));
        for _ in 0..self.random.below(3) {
            let clause = match self.random.below(10) {
                0..3 => self.pattern("MATCH"),
                3..7 => self.pattern("OPTIONAL MATCH"),
                7 => self.unwind(),
                _ => self.with(),
            };
            clauses.push(clause);
        }
        clauses.push(self.returning());
        clauses.join(" ")
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn unwind(&mut self) -> String {
        let name = self.fresh();
        self.scope.push(Variable::Value(name.clone(), Kind::Integer));
        let list = *self.random.pick(&["[1, 2]", "[3, NULL, 1]", "[0]"]);
        format!("UNWIND {list} AS {name}")
    }

    fn pattern(&mut self, keyword: &str) -> String {
        let mut paths = vec![self.path()];
        if self.random.percent(20) {
            paths.push(self.path());
        }
        let condition = if self.random.percent(50) { format!(" WHERE {}", self.condition(2)) } else { String::new() };
        format!("{keyword} {}{condition}", paths.join(", "))
    }

    fn path(&mut self) -> String {
        let mut label = if self.random.percent(80) { "person" } else { "city" };
        let mut text = self.node(label);
        let most = 4_usize.saturating_sub(self.size);
        let steps = if most == 0 { 0 } else { self.random.below(most.min(3) + 1) };
        for _ in 0..steps {
            let (edge, next) = match (label, self.random.below(10)) {
                ("person", 0..5) => ("knows", "person"),
                ("person", 5..8) => ("follows", "person"),
                ("person", _) => ("lives", "city"),
                _ => ("lives", "person"),
            };
            let direction = match (edge, label) {
                ("lives", "person") => 0,
                ("lives", _) => 1,
                _ => self.random.below(3),
            };
            let direction = if self.random.percent(15) { 2 } else { direction };
            let relationship = self.relationship(edge);
            let (left, right) = [("-", "->"), ("<-", "-"), ("-", "-")][direction];
            text.push_str(&format!("{left}[{relationship}]{right}{}", self.node(next)));
            label = next;
        }
        text
    }

    fn node(&mut self, label: &'static str) -> String {
        let known: Vec<String> = self
            .scope
            .iter()
            .filter_map(|variable| match variable {
                Variable::Node(name, other) if *other == label => Some(name.clone()),
                _ => None,
            })
            .collect();
        if !known.is_empty() && self.random.percent(35) {
            return format!("({})", self.random.pick(&known));
        }
        let inline = match self.random.below(12) {
            0 => format!(" {{id: {}}}", self.random.below(4)),
            1 => " {name: 'Ann'}".to_string(),
            _ => String::new(),
        };
        if self.random.percent(30) {
            return format!("(:{label}{inline})");
        }
        let name = self.fresh();
        self.scope.push(Variable::Node(name.clone(), label));
        format!("({name}:{label}{inline})")
    }

    fn relationship(&mut self, label: &'static str) -> String {
        self.size += 1;
        let name = self.random.percent(60).then(|| self.fresh());
        let written = name.clone().unwrap_or_default();
        if label != "lives" && self.size < 4 && self.random.percent(20) {
            self.size += 1;
            if let Some(name) = name {
                self.scope.push(Variable::Walk(name));
            }
            let length = *self.random.pick(&["1..2", "1..3", "2", "2..3", "0..2"]);
            return format!("{written}:{label}*{length}");
        }
        if let Some(name) = name {
            self.scope.push(Variable::Relationship(name, label));
        }
        format!("{written}:{label}")
    }

    /// A value of a kind, if something has one.
    fn value(&mut self, kind: Kind) -> Option<String> {
        let mut found = Vec::new();
        for variable in &self.scope {
            match variable {
                Variable::Node(name, label) | Variable::Relationship(name, label) => {
                    let fitting = properties(label).iter().filter(|(_, other)| *other == kind);
                    found.extend(fitting.map(|(property, _)| format!("{name}.{property}")));
                }
                Variable::Walk(name) if kind == Kind::Integer => found.push(format!("length({name})")),
                Variable::Value(name, other) if *other == kind => found.push(name.clone()),
                Variable::Walk(_) | Variable::Value(..) => {}
            }
        }
        if found.is_empty() { None } else { Some(self.random.pick(&found).clone()) }
    }

    fn constant(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Integer => self.random.below(6).to_string(),
            Kind::Float => format!("{}.25", self.random.below(3)),
            Kind::Text => format!("'{}'", self.random.pick(&NAMES)),
            Kind::Boolean => self.random.percent(50).to_string(),
            Kind::Date => format!("date('2000-01-0{}')", 1 + self.random.below(4)),
        }
    }

    fn kind(&mut self) -> Kind {
        *self.random.pick(&[Kind::Integer, Kind::Integer, Kind::Text, Kind::Float, Kind::Boolean, Kind::Date])
    }

    /// Something with a value of some kind.
    fn any(&mut self) -> (String, Kind) {
        loop {
            let kind = self.kind();
            if let Some(value) = self.value(kind) {
                return (value, kind);
            }
            if self.scope.is_empty() {
                return ("1".to_string(), Kind::Integer);
            }
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.percent(35) {
            let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
            return match self.random.below(4) {
                0 => format!("({left} AND {right})"),
                1 => format!("({left} OR {right})"),
                2 => format!("({left} XOR {right})"),
                _ => format!("NOT ({left})"),
            };
        }
        if self.random.percent(10)
            && let Some(comparison) = self.elements_compared()
        {
            return comparison;
        }
        let (value, kind) = self.any();
        let other = match self.random.percent(40).then(|| self.value(kind)).flatten() {
            Some(other) => other,
            None => self.constant(kind),
        };
        match (self.random.below(10), kind) {
            (0, _) => format!("{value} IS NULL"),
            (1, _) => format!("{value} IS NOT NULL"),
            (2, _) => {
                let more = self.constant(kind);
                let items = if self.random.percent(30) { format!("{more}, NULL") } else { format!("{other}, {more}") };
                format!("{value} IN [{items}]")
            }
            (3, Kind::Text) => format!("{value} STARTS WITH {other}"),
            (4, Kind::Text) => format!("{value} ENDS WITH {other}"),
            (5, Kind::Text) => format!("{value} CONTAINS {other}"),
            (3, Kind::Integer) => format!("{value} + 1 > {other} * 2"),
            (4, Kind::Integer | Kind::Float) => format!("coalesce({value}, 2) >= {other}"),
            (5, Kind::Integer) => format!("CASE WHEN {value} > 2 THEN {other} = 1 ELSE {value} IS NULL END"),
            (3, Kind::Boolean) => value,
            _ => {
                let operator = *self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!("{value} {operator} {other}")
            }
        }
    }

    fn elements_compared(&mut self) -> Option<String> {
        let people: Vec<String> = self
            .scope
            .iter()
            .filter_map(|variable| match variable {
                Variable::Node(name, "person") => Some(name.clone()),
                _ => None,
            })
            .collect();
        if people.len() < 2 {
            return None;
        }
        let (left, right) = (self.random.pick(&people).clone(), self.random.pick(&people).clone());
        Some(format!("{left} {} {right}", self.random.pick(&["=", "<>"])))
    }

    fn with(&mut self) -> String {
        let nodes: Vec<Variable> =
            self.scope.iter().filter(|variable| matches!(variable, Variable::Node(..))).cloned().collect();
        let mut items = Vec::new();
        let mut scope = Vec::new();
        for node in nodes {
            if self.random.percent(60)
                && let Variable::Node(name, _) = &node
            {
                items.push(name.clone());
                scope.push(node);
            }
        }
        let name = self.fresh();
        match self.random.below(3) {
            0 => {
                items.push(format!("count(*) AS {name}"));
                scope.push(Variable::Value(name, Kind::Integer));
            }
            1 => {
                let (value, kind) = self.any();
                items.push(format!("{value} AS {name}"));
                scope.push(Variable::Value(name, kind));
            }
            _ => {
                let (value, kind) = self.any();
                let function = if kind == Kind::Boolean { "min" } else { "max" };
                items.push(format!("{function}({value}) AS {name}"));
                scope.push(Variable::Value(name, kind));
            }
        }
        self.scope = scope;
        let distinct = if self.random.percent(20) { "DISTINCT " } else { "" };
        let filter = if self.random.percent(30) { format!(" WHERE {}", self.condition(1)) } else { String::new() };
        format!("WITH {distinct}{}{filter}", items.join(", "))
    }

    fn returning(&mut self) -> String {
        let mut items = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            items.push(self.any().0);
        }
        if self.random.percent(35) {
            for _ in 0..1 + self.random.below(2) {
                items.push(self.aggregate());
            }
        }
        let distinct = if self.random.percent(20) { "DISTINCT " } else { "" };
        let names: Vec<String> = (0..items.len()).map(|at| format!("c{at}")).collect();
        let items: Vec<String> = items.iter().zip(&names).map(|(item, name)| format!("{item} AS {name}")).collect();
        let mut text = format!("RETURN {distinct}{}", items.join(", "));
        if self.random.percent(20) && !text.contains("collect(") {
            // Ordered by everything, so that which rows are within the limit is certain.
            let order: Vec<String> = names
                .iter()
                .map(|name| if self.random.percent(30) { format!("{name} DESC") } else { name.clone() })
                .collect();
            text.push_str(&format!(" ORDER BY {}", order.join(", ")));
            if self.random.percent(40) {
                text.push_str(&format!(" SKIP {}", self.random.below(3)));
            }
            text.push_str(&format!(" LIMIT {}", 1 + self.random.below(5)));
        }
        text
    }

    fn aggregate(&mut self) -> String {
        let (value, kind) = self.any();
        let distinct = if self.random.percent(30) { "DISTINCT " } else { "" };
        match (self.random.below(6), kind) {
            (0, _) => "count(*)".to_string(),
            (1, _) => format!("count({distinct}{value})"),
            (2, _) => format!("collect({distinct}{value})"),
            (3, Kind::Integer | Kind::Float) => format!("sum({distinct}{value})"),
            (4, Kind::Integer | Kind::Float) => format!("avg({distinct}{value})"),
            (5, Kind::Integer) => format!("sum({value}) + 1"),
            (3, _) => format!("min({value})"),
            _ => format!("max({value})"),
        }
    }
}
