//! Patterns of SQL/PGQ answered by the index and by joins, compared row for row, as [`crate::mirror`] does for Cypher.
//!
//! What is different there: paths are walks, in which an edge may come again, unless the pattern says TRAIL or DIFFERENT EDGES; and
//! conditions are SQL's, some of which the pattern takes over.

use slipstream_tests::TestServer;

use crate::mirror::{Comparison, Random, compare, make_graph};

/// Queries of a run, unless the environment wants another number.
const QUERIES: usize = 80;

#[tokio::test]
async fn the_index_and_joins_find_the_same_walks() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let seed = number("SLIPSTREAM_MIRROR_SEED", 1);
    let mut random = Random(seed as u64);
    make_graph(&client, &mut random).await;
    let (mut compared, mut refused) = (0, 0);
    let mut failures = Vec::new();
    for at in 0..number("SLIPSTREAM_MIRROR_QUERIES", QUERIES) {
        let sql = Writer { random: &mut random, nodes: Vec::new(), edges: Vec::new(), walks: 0 }.query();
        match compare(&client, &sql).await {
            Comparison::Same => compared += 1,
            Comparison::Refused => refused += 1,
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}: {sql}\n{difference}"))
            }
        }
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n\n"));
    assert!(compared > 2 * refused, "only {compared} queries were compared, {refused} refused");
}

/// Writes one query.
struct Writer<'a> {
    random: &'a mut Random,
    /// Variables of people, and of the edges between them that are one each, with their tables.
    nodes: Vec<String>,
    edges: Vec<(String, &'static str)>,
    walks: usize,
}

impl Writer<'_> {
    fn query(mut self) -> String {
        let modes = ["", "", "DIFFERENT EDGES ", "REPEATABLE ELEMENTS "];
        let mode = *self.random.pick(&modes);
        let paths: Vec<String> = (0..1 + usize::from(self.random.percent(25))).map(|_| self.path()).collect();
        let mut conditions = Vec::new();
        while self.random.percent(40) {
            conditions.push(self.condition());
        }
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let nodes = self.nodes.iter().map(|name| format!("{name}.id AS {name}"));
        let edges = self.edges.iter().map(|(name, _)| format!("{name}.id AS {name}"));
        let columns: Vec<String> = nodes.chain(edges).collect();
        format!(
            "SELECT * FROM GRAPH_TABLE (g MATCH {mode}{}{filter} COLUMNS ({}))",
            paths.join(", "),
            columns.join(", ")
        )
    }

    fn path(&mut self) -> String {
        let mut path = if self.random.percent(30) { "TRAIL ".to_string() } else { String::new() };
        path.push_str(&self.node());
        for _ in 0..1 + self.random.below(2) {
            let edge = self.edge();
            let node = self.node();
            path.push_str(&edge);
            path.push_str(&node);
        }
        path
    }

    fn node(&mut self) -> String {
        if self.random.percent(15) && !self.nodes.is_empty() {
            return format!("({})", self.random.pick(&self.nodes));
        }
        let name = format!("n{}", self.nodes.len());
        let filter = if self.random.percent(30) {
            format!(" WHERE {name}.id < {}", 1 + self.random.below(7))
        } else {
            String::new()
        };
        self.nodes.push(name.clone());
        format!("({name} IS person{filter})")
    }

    fn edge(&mut self) -> String {
        let table = *self.random.pick(&["knows", "follows"]);
        let (left, right) = *self.random.pick(&[("-", "->"), ("-", "->"), ("<-", "-"), ("-", "-")]);
        if self.random.percent(40) {
            let quantifier = *self.random.pick(&["{1,3}", "{2}", "?", "{,2}", "{2,4}"]);
            let filter = match table {
                "knows" if self.random.percent(40) => {
                    format!(" WHERE w.since {} {}", self.random.pick(&["<", ">=", "<>"]), self.random.below(4))
                }
                _ => String::new(),
            };
            let name = if filter.is_empty() { String::new() } else { format!("w{} ", self.walks()) };
            let filter = filter.replace(" w.", &format!(" {}.", name.trim_end()));
            return format!("{left}[{name}IS {table}{filter}]{right}{quantifier}");
        }
        let name = format!("e{}", self.edges.len());
        self.edges.push((name.clone(), table));
        format!("{left}[{name} IS {table}]{right}")
    }

    /// A number for a variable of several edges.
    fn walks(&mut self) -> usize {
        self.walks += 1;
        self.walks
    }

    fn condition(&mut self) -> String {
        let node = self.random.pick(&self.nodes).clone();
        let other = self.random.pick(&self.nodes).clone();
        let number = self.random.below(5);
        match self.random.below(9) {
            0 => format!("{node}.age >= {number}"),
            1 => format!("NOT {node}.age < {other}.age"),
            2 => format!("({node}.name = 'Ann' OR {other}.age IS NULL)"),
            3 => format!("{node}.name IN ('Bob', 'bo', '')"),
            4 => format!("{node}.age NOT IN (1, {number})"),
            5 => format!("{node}.active"),
            6 => format!("{node}.born BETWEEN '2000-01-02' AND '2000-01-03'"),
            7 => format!("{node}.age + {other}.age > {number}"),
            _ => format!("upper({node}.name) LIKE '%B%'"),
        }
    }
}
