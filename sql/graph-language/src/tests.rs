//! Whole queries: the text for the index, types and keys of what comes back, and errors with their places.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slipstream_engine::ErrorKind;
use slipstream_engine::catalog::{
    Catalog, ColumnDefinition, EdgeTable, EndPoint, GraphDefinition, TableDefinition, TableId, VertexTable,
};
use slipstream_engine::types::SqlType;
use uuid::Uuid;

use super::index::{Carried, IndexPart};
use super::{CypherParameter, GraphQuery, plan, referenced_parameters};

fn table(number: u128, name: &str, columns: &[(&str, SqlType)]) -> TableDefinition {
    let columns = columns
        .iter()
        .map(|(name, sql_type)| ColumnDefinition {
            name: (*name).to_string(),
            sql_type: sql_type.clone(),
            not_null: *name == "id",
            default: None,
            identity: None,
            generated: None,
        })
        .collect();
    let oid = 16384 + u32::try_from(number).unwrap();
    let table = TableDefinition::new(name, columns, vec!["id".to_string()]);
    TableDefinition { id: TableId(Uuid::from_u128(number)), oid, ..table }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_string()).collect()
}

/// People who know each other and live in cities.
fn social() -> (Catalog, GraphDefinition) {
    let tables = [
        table(
            1,
            "person",
            &[
                ("id", SqlType::BigInt),
                ("name", SqlType::Text),
                ("age", SqlType::Integer),
                ("score", SqlType::Double),
                ("born", SqlType::Date),
                ("token", SqlType::Uuid),
                ("bio", SqlType::Text),
            ],
        ),
        table(2, "city", &[("id", SqlType::Integer), ("name", SqlType::Text)]),
        table(
            3,
            "knows",
            &[("id", SqlType::BigInt), ("src", SqlType::BigInt), ("dst", SqlType::BigInt), ("since", SqlType::Integer)],
        ),
        table(4, "lives_in", &[("id", SqlType::BigInt), ("person", SqlType::BigInt), ("city", SqlType::Integer)]),
    ];
    let vertex = |number: u128, label: &str, properties: &[&str]| VertexTable {
        table: TableId(Uuid::from_u128(number)),
        name: label.to_string(),
        labels: vec![label.to_string()],
        key: names(&["id"]),
        properties: names(properties),
    };
    let edge = |number: u128, label: &str, source: (&str, &str), destination: (&str, &str), properties: &[&str]| {
        let end = |(column, vertex): (&str, &str)| EndPoint { columns: names(&[column]), vertex: vertex.to_string() };
        EdgeTable {
            table: TableId(Uuid::from_u128(number)),
            name: label.to_string(),
            labels: vec![label.to_string()],
            key: names(&["id"]),
            source: end(source),
            destination: end(destination),
            properties: names(properties),
            on_delete_cascade: false,
        }
    };
    let graph = GraphDefinition {
        oid: 20000,
        id: Uuid::from_u128(9),
        name: "social".to_string(),
        vertices: vec![
            vertex(1, "person", &["id", "name", "age", "score", "born", "token"]),
            vertex(2, "city", &["id", "name"]),
        ],
        edges: vec![
            edge(3, "knows", ("src", "person"), ("dst", "person"), &["id", "since"]),
            edge(4, "lives_in", ("person", "person"), ("city", "city"), &["id"]),
        ],
    };
    let mut catalog = Catalog::default();
    for table in tables {
        catalog.tables.insert(table.id, Arc::new(table));
    }
    (catalog, graph)
}

fn whole(query: &GraphQuery) -> &str {
    match &query.index {
        IndexPart::Whole(text) => text,
        other => panic!("not by the index alone: {other:?}"),
    }
}

fn planned(text: &str) -> slipstream_engine::Result<GraphQuery> {
    let (catalog, graph) = social();
    plan(text, 1, &catalog, &graph, &[])
}

#[test]
fn queries_become_the_text_of_the_index() {
    let cases = [
        ("MATCH (p:person) RETURN p.name", "MATCH (n1:`person`) RETURN n1.`name` AS v2"),
        (
            "MATCH (p:Person {id: $id})-[:knows]->(f) WHERE f.age >= 18 RETURN f.id, f.name AS friend ORDER BY friend LIMIT 5",
            "MATCH (n1:`person`)-[r3:`knows`]->(n2:`person`) WHERE (n1.`id` = $id) AND (n2.`age` >= CAST(18 AS INT32)) \
             RETURN n2.`id` AS v4, n2.`name` AS v5 ORDER BY v5 LIMIT 5",
        ),
        (
            "UNWIND $ids AS id MATCH (a:person {id: id})-[:knows]->(b {age: 3}) RETURN b.id",
            "UNWIND $ids AS v1 MATCH (n2:`person`) WHERE (n2.`id` = v1) WITH * OPTIONAL MATCH (n2)-[r4:`knows`]->(n3:`person`) \
             WITH * WHERE (id(r4) IS NOT NULL) AND (n3.`age` = CAST(3 AS INT32)) RETURN n3.`id` AS v5",
        ),
        (
            "MATCH (a:person)-[:knows]->(b) WHERE a.id IN $ids AND a.name = 'Ann' RETURN b.id",
            "UNWIND list_distinct($ids) AS n1_key MATCH (n1:`person`) WHERE (n1.`id` = n1_key) AND (n1.`name` = 'Ann') WITH * \
             OPTIONAL MATCH (n1)-[r3:`knows`]->(n2:`person`) WITH * WHERE (id(r3) IS NOT NULL) RETURN n2.`id` AS v4",
        ),
        (
            "MATCH (a:person)-[:knows]->(b)-[:knows]->(c) RETURN count(*)",
            "MATCH (n1:`person`)-[r4:`knows`]->(n2:`person`)-[r5:`knows`]->(n3:`person`) WHERE (id(r4) <> id(r5)) \
             RETURN count(*) AS v6",
        ),
        (
            "MATCH (a:person)-[r:knows*1..3]->(b) RETURN DISTINCT b.id, length(r) AS hops",
            "MATCH (n1:`person`)-[r3:`knows`* TRAIL 1..3]->(n2:`person`) \
             RETURN DISTINCT n2.`id` AS v4, CAST(length(r3) AS INT64) AS v5",
        ),
        (
            "MATCH (a)-[:lives_in]-(c:city {name: 'Oslo'}) RETURN a.id",
            "MATCH (n1:`person`)-[r3:`lives_in`]->(n2:`city`) WHERE (n2.`name` = 'Oslo') RETURN n1.`id` AS v4",
        ),
        (
            "MATCH (c:city)<--(p) OPTIONAL MATCH (p)-[k:knows]->(q) WHERE k.since > 2000 RETURN p.id, k.dst",
            "MATCH (n1:`city`)<-[r3:`lives_in`]-(n2:`person`) OPTIONAL MATCH (n2)-[r5:`knows`]->(n4:`person`) \
             WHERE (r5.`since` > CAST(2000 AS INT32)) RETURN n2.`id` AS v6, \
             (CASE WHEN (r5.`id` IS NULL) THEN CAST(NULL AS INT64) ELSE n4.`id` END) AS v7",
        ),
        (
            "MATCH (p:person) WITH p, p.age AS years WHERE NOT years IN [1, NULL] RETURN p.name, years + 1 AS next",
            "MATCH (n1:`person`) WITH n1, n1.`age` AS v2 WHERE (NOT (v2 = CAST(1 AS INT32) OR v2 = CAST(NULL AS INT32))) \
             RETURN n1.`name` AS v3, (CAST(v2 AS INT64) + 1) AS v4",
        ),
        (
            "MATCH (p:person)-[:lives_in]->(c) RETURN c.name AS city, avg(p.age) AS age, sum(p.age), collect(DISTINCT p.name) \
             ORDER BY age DESC, city",
            "MATCH (n1:`person`)-[r3:`lives_in`]->(n2:`city`) RETURN n2.`name` AS v4, avg(CAST(n1.`age` AS INT64)) AS v5, \
             CAST(coalesce(sum(CAST(n1.`age` AS INT64)), 0) AS INT64) AS v6, collect(DISTINCT n1.`name`) AS v7 \
             ORDER BY v5 DESC, v4",
        ),
        (
            "MATCH (p:person) RETURN p.name, count(*) + 1 AS more ORDER BY count(*) + 1",
            "MATCH (n1:`person`) WITH n1.`name` AS v4, count(*) AS v5 RETURN v4 AS v2, (v5 + 1) AS v3 ORDER BY v3",
        ),
        (
            "MATCH (p:person) WHERE p.score < 1 AND p.name STARTS WITH 'it\\'s' RETURN p.name + '!' AS loud",
            "MATCH (n1:`person`) WHERE (1.0 > n1.`score`) AND (n1.`name` STARTS WITH 'it\\'s') \
             RETURN (CASE WHEN n1.`name` IS NULL OR '!' IS NULL THEN CAST(NULL AS STRING) ELSE concat(n1.`name`, '!') END) AS v2",
        ),
        (
            "MATCH (p:person) WHERE p.born > '1990-01-31' OR p.token = '6F9619FF-8B86-D011-B42D-00C04FC964FF' RETURN p.id",
            "MATCH (n1:`person`) WHERE ((n1.`born` > CAST('1990-01-31' AS DATE)) OR \
             (n1.`token` = CAST('6f9619ff-8b86-d011-b42d-00c04fc964ff' AS UUID))) RETURN n1.`id` AS v2",
        ),
        (
            "UNWIND [1, 2] AS x MATCH (p:person {id: x}) RETURN CASE p.age WHEN 1 THEN 'one' END AS age",
            "UNWIND [1, 2] AS v1 MATCH (n2:`person`) WHERE (n2.`id` = v1) \
             RETURN (CASE WHEN (n2.`age` = CAST(1 AS INT32)) THEN 'one' ELSE CAST(NULL AS STRING) END) AS v3",
        ),
        (
            "MATCH (p:person) WITH p ORDER BY p.name SKIP 2 LIMIT $n MATCH (p)-->(:city) RETURN p.id AS id",
            "MATCH (n1:`person`) WITH n1 ORDER BY n1.`name` SKIP 2 LIMIT $n \
             MATCH (n1)-[r3:`lives_in`]->(n2:`city`) RETURN n1.`id` AS v4",
        ),
        (
            "MATCH (a:person), (b:person) WHERE a = b AND a.name IN $names RETURN a.id",
            "MATCH (n1:`person`), (n2:`person`) WHERE (n1.`id` = n2.`id`) AND list_contains($names, n1.`name`) \
             RETURN n1.`id` AS v3",
        ),
        (
            "MATCH q = (a:person)-[:knows]->()-[:lives_in]->(:city) RETURN length(q)",
            "MATCH (n1:`person`)-[r4:`knows`]->(n2:`person`)-[r5:`lives_in`]->(n3:`city`) RETURN CAST(2 AS INT64) AS v6",
        ),
        (
            "MATCH (a:person)-[k:knows]-(b)-[:knows*1..2]->(c) WHERE k.since = 1 AND a.name CONTAINS $s RETURN k.since, c.id",
            "MATCH (n1:`person`)-[r4:`knows`]-(n2:`person`)-[r5:`knows`* TRAIL 1..2]->(n3:`person`) \
             WHERE (r4.`since` = CAST(1 AS INT32)) \
             AND (CASE WHEN $s = '' THEN (n1.`name` ENDS WITH $s) ELSE (n1.`name` CONTAINS $s) END) \
             AND (NOT list_contains(properties(rels(r5), 'id'), r4.`id`)) \
             WITH DISTINCT n1, n2, n3, r4.`id` AS r4_0, r4.`since` AS r4_1, r5 RETURN r4_1 AS v6, n3.`id` AS v7",
        ),
        (
            "MATCH (a:person {id: 7, name: 'x'})-[:knows]->(b)-[:knows]->(c)<-[:knows]-(a) RETURN count(*)",
            "MATCH (n1:`person`)-[r4:`knows`]->(n2:`person`)-[r5:`knows`]->(n3:`person`)<-[r6:`knows`]-(n1_r6:`person`) \
             WHERE (n1.`id` = 7) WITH * WHERE (n1.`name` = 'x') AND (id(n1) = id(n1_r6)) AND (id(r4) <> id(r5)) \
             AND (id(r4) <> id(r6)) AND (id(r5) <> id(r6)) RETURN count(*) AS v7",
        ),
        ("RETURN -9223372036854775808 AS least, 2 ^ 3 AS cube", "RETURN -9223372036854775808 AS v1, (2.0 ^ 3.0) AS v2"),
    ];
    for (text, expected) in cases {
        match planned(text) {
            Ok(query) => assert_eq!(whole(&query), expected, "{text}"),
            Err(error) => panic!("{text}: {error} at {:?}", error.position()),
        }
    }
}

#[test]
fn outputs_have_names_types_and_keys() {
    let query = planned(
        "MATCH (p:person)-[k:knows]->(q) WITH p, k.id AS edge, q \
         RETURN p.id, edge, p.name, q.age, count(q), collect(q.id) AS all",
    )
    .unwrap();
    let fields: Vec<(String, SqlType)> =
        query.schema.fields().iter().map(|field| (field.name().clone(), SqlType::of_field(field).unwrap())).collect();
    let expected = [
        ("id", SqlType::BigInt),
        ("edge", SqlType::BigInt),
        ("name", SqlType::Text),
        ("age", SqlType::Integer),
        ("count", SqlType::BigInt),
        ("all", SqlType::Array(Box::new(SqlType::BigInt))),
    ];
    assert_eq!(fields, expected.map(|(name, sql_type)| (name.to_string(), sql_type)));
    let keys: Vec<_> =
        query.key_columns.iter().map(|key| (key.output, key.table.0.as_u128(), key.column.as_str())).collect();
    assert_eq!(keys, [(0, 1, "id"), (1, 3, "id")]);
    assert_eq!(query.description, "MATCH (p:person)-[k:knows]->(q:person)");
}

#[test]
fn the_index_answers_the_clauses_of_which_it_lacks_nothing() {
    let cases = [
        // Columns that it does not cover: the key goes on.
        (
            "MATCH (a:person {id: 1})-[k:knows]->(b) RETURN a.name, b.bio",
            "MATCH (n1:`person`)-[r3:`knows`]->(n2:`person`) WHERE (n1.`id` = 1) \
             RETURN n1.`name` AS c0, n2.`id` AS c1",
            (1, 0, true),
        ),
        // A condition that is left waits for a pattern, and not for what counts.
        (
            "MATCH (a:person {id: 1, bio: 'x'})-[:knows]->(b) MATCH (b)-[:knows]->(c) WITH c, count(*) AS n RETURN c.name, n",
            "MATCH (n1:`person`)-[r3:`knows`]->(n2:`person`) WHERE (n1.`id` = 1) MATCH (n2)-[r5:`knows`]->(n4:`person`) \
             RETURN n1.`id` AS c0, n4.`id` AS c1, n4.`name` AS c2",
            (2, 1, true),
        ),
        (
            "MATCH (a:person)-[k:knows]-(b) WITH a, k, count(*) AS n WHERE a.bio = 'x' RETURN k.since, k.dst, n",
            "MATCH (n1:`person`)-[r3:`knows`]-(n2:`person`) \
             WITH DISTINCT n1, n2, r3.`id` AS r3_0, r3.`since` AS r3_1 WITH n1, r3_0, r3_1, count(*) AS v4 \
             RETURN n1.`id` AS c0, r3_0 AS c1, r3_1 AS c2, v4 AS c3",
            (2, 1, true),
        ),
        // Nothing but how many.
        (
            "MATCH (a:person)-[:knows]->(b) OPTIONAL MATCH (a {bio: 'x'}) RETURN count(*) AS n",
            "MATCH (n1:`person`)-[r3:`knows`]->(n2:`person`) RETURN n1.`id` AS c0",
            (1, 0, true),
        ),
    ];
    for (text, expected, (clauses, conditions, fetches)) in cases {
        let query = planned(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let IndexPart::Prefix(prefix) = &query.index else { panic!("{text}: {:?}", query.index) };
        assert_eq!(prefix.cypher, expected, "{text}");
        assert_eq!((prefix.clauses, prefix.conditions.len(), prefix.fetches), (clauses, conditions, fetches), "{text}");
    }
    let query =
        planned("MATCH (a:person)-[r:knows*1..2]->(b) WHERE b.bio = $x AND b.id = $y RETURN length(r)").unwrap();
    let IndexPart::Prefix(prefix) = &query.index else { panic!("{:?}", query.index) };
    assert_eq!(prefix.parameters, ["y"]);
    assert!(prefix.columns.contains(&(Carried::Length("r3".to_string()), SqlType::BigInt)), "{:?}", prefix.columns);
}

#[test]
fn columns_that_would_share_a_name_keep_their_text() {
    let query = planned("MATCH (a:person)-[:knows]->(b) RETURN a.name, b.name, a.age").unwrap();
    let names: Vec<_> = query.schema.fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["a.name", "b.name", "age"]);
}

#[test]
fn parameters_take_their_types_from_their_use() {
    let text = "MATCH (p:person) WHERE p.age > $a AND p.token = $t AND p.name CONTAINS $s AND p.id IN $ids AND p.score = $f \
                RETURN p.id SKIP $n";
    assert_eq!(referenced_parameters(text).unwrap(), ["a", "t", "s", "ids", "f", "n"]);
    let (catalog, graph) = social();
    let declared = [("a", SqlType::BigInt), ("t", SqlType::Text), ("f", SqlType::BigInt)]
        .map(|(name, sql_type)| CypherParameter { name: name.to_string(), sql_type });
    for known in [&[][..], &declared] {
        let query = plan(text, 1, &catalog, &graph, known).unwrap();
        let types: Vec<_> = query.parameters.iter().map(|parameter| parameter.sql_type.clone()).collect();
        assert_eq!(
            types,
            [
                SqlType::Integer,
                SqlType::Uuid,
                SqlType::Text,
                SqlType::Array(Box::new(SqlType::BigInt)),
                SqlType::Double,
                SqlType::BigInt
            ]
        );
    }
}

#[test]
fn errors_have_their_kind_and_point_at_their_place() {
    use ErrorKind::{
        DatatypeMismatch, DuplicateColumn, DuplicateObject, Grouping, InvalidDatetime, InvalidText, NotSupported,
        NumericOutOfRange, Syntax, TooComplex, UndefinedColumn, UndefinedFunction, UndefinedParameter, UndefinedTable,
    };
    // The caret stands under the place.
    let cases = [
        (Syntax, "MATCH (p:person RETURN p", "                ^", "expected \"{\" or \")\""),
        (Syntax, "MATCH p RETURN p", "      ^", "expected a node pattern"),
        (Syntax, "MATCH (p:person)", "                ^", "at end of input: expected MATCH"),
        (Syntax, "MATCH (p:person) RETURN", "                       ^", "expected an expression"),
        (Syntax, "MATCH (p:person) RETURN p.name p", "                               ^", "expected the end"),
        (Syntax, "SELECT 1", "^", "expected MATCH"),
        (Syntax, "MATCH (p:person) WITH p.age RETURN 1", "                      ^", "use AS"),
        (NotSupported, "MATCH (a)-[:knows*3..1]->(b) RETURN 1", "         ^", "at least 3 and at most 1"),
        (NotSupported, "MATCH (a:city)-[:knows]->(b) RETURN 1", "      ^", "fit this pattern"),
        (UndefinedTable, "MATCH (p:persn) RETURN 1", "         ^", "\"persn\""),
        (UndefinedTable, "MATCH (:person)-[:likes]->() RETURN 1", "                   ^".split_at(1).1, "\"likes\""),
        (UndefinedColumn, "MATCH (p:person) RETURN p.nam", "                          ^", "\"nam\""),
        (UndefinedColumn, "MATCH (p:person) RETURN q.name", "                        ^", "\"q\""),
        (
            UndefinedColumn,
            "MATCH (p:person) WITH p.age AS a RETURN p.id",
            "                                        ^",
            "\"p\"",
        ),
        (NotSupported, "MATCH (p:person) RETURN p.bio", "                          ^", "does not cover"),
        (NotSupported, "MATCH (p:person) RETURN p", "                        ^", "whole node"),
        (NotSupported, "MATCH (p) RETURN p.id", "                   ^", "several types"),
        (NotSupported, "MATCH (a)-[:knows*]->(b) RETURN 1", "                 ^", "upper bound"),
        (NotSupported, "MATCH (a)-[:knows*1..99]->(b) RETURN 1", "                 ^", "more than 30"),
        (
            NotSupported,
            "MATCH (a)-[:knows*1..2]->(b)-[:knows*1..2]->(c) RETURN 1",
            "                            ^",
            "two variable-length",
        ),
        (NotSupported, "CREATE (p:person)", "^", "CREATE"),
        (NotSupported, "MATCH (p:person) SET p.age = 1", "                 ^", "SET"),
        (NotSupported, "MATCH (p:person) DETACH DELETE p", "                 ^", "DETACH"),
        (
            NotSupported,
            "MATCH (p:person) WHERE (p)-[:knows]->() RETURN 1",
            "                       ^",
            "queries inside",
        ),
        (NotSupported, "MATCH (p:person) RETURN toLower(p.name)", "                        ^", "toLower"),
        (
            NotSupported,
            "MATCH (p:person) WITH p ORDER BY p.age RETURN p.id",
            "                                 ^",
            "ORDER BY",
        ),
        (
            NotSupported,
            "MATCH (p:person) RETURN p.id UNION RETURN 1 AS id",
            "                                   ^",
            "UNION",
        ),
        (
            Syntax,
            "MATCH (p:person) RETURN p.id UNION RETURN 1 AS x",
            "                                   ^",
            "same columns",
        ),
        (
            NotSupported,
            "MATCH (a:person)-[k:knows]-(b) RETURN k.src",
            "                                        ^",
            "end point",
        ),
        (
            NotSupported,
            "OPTIONAL MATCH (a:person)-[:knows]->()-[:knows]->()-[:knows]->(b) RETURN 1",
            "               ^",
            "more than 2",
        ),
        (
            NotSupported,
            "UNWIND [1, 1] AS x MATCH (a:person)-[:knows]-(b) RETURN 1",
            "                                   ^",
            "without an arrow",
        ),
        (UndefinedFunction, "MATCH (p:person) RETURN nope(p.name)", "                        ^", "nope"),
        (DatatypeMismatch, "MATCH (p:person) WHERE p.age = 'x' RETURN 1", "                       ^", "compare"),
        (DatatypeMismatch, "MATCH (p:person) WHERE p.age RETURN 1", "                       ^", "boolean"),
        (NotSupported, "MATCH (p:city)-[:knows]->(q) RETURN 1", "      ^", "fit this pattern"),
        (DatatypeMismatch, "MATCH (p:person), (q) RETURN p < q", "                             ^", "no order"),
        (DatatypeMismatch, "MATCH (p:person) RETURN p.name * 2", "                        ^", "number"),
        (InvalidDatetime, "MATCH (p:person) WHERE p.born = '1990-02-30' RETURN 1", "                       ^", "date"),
        (InvalidText, "MATCH (p:person) WHERE p.token = 'x' RETURN 1", "                       ^", "uuid"),
        (DuplicateObject, "MATCH (a:person)-[a:knows]->(b) RETURN 1", "                  ^", "already"),
        (
            DuplicateColumn,
            "MATCH (p:person) RETURN p.age AS x, p.id AS x",
            "                                            ^",
            "\"x\"",
        ),
        (Grouping, "MATCH (p:person) WHERE count(*) > 1 RETURN 1", "                       ^", "not allowed"),
        (
            Grouping,
            "MATCH (p:person) RETURN p.age + count(*) AS x",
            "                                            ^",
            "grouping key",
        ),
        (Grouping, "MATCH (p:person) RETURN sum(count(*))", "                            ^", "nested"),
        (
            Grouping,
            "MATCH (p:person) RETURN DISTINCT p.id ORDER BY p.age",
            "                                               ^",
            "DISTINCT",
        ),
        (NotSupported, "UNWIND $x AS y RETURN y", "       ^", "list of anything"),
        (UndefinedParameter, "RETURN $x IS NULL", "       ^", "type"),
        (NumericOutOfRange, "RETURN 9223372036854775808", "       ^", "range"),
        (TooComplex, &format!("RETURN {}1", "(".repeat(90)), &format!("{:>71}^", ""), "too deep"),
    ];
    for (kind, text, caret, words) in cases {
        let error = planned(text)
            .and_then(|query| query.index.lack().map_or(Ok(()), |lack| Err(lack.clone())))
            .expect_err(text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.message().contains(words), "{text}: {error}");
        if kind != UndefinedTable || text.contains("persn") {
            assert_eq!(error.position(), Some(caret.len()), "{text}: {error}");
        }
    }
}

#[test]
fn places_are_counted_in_the_statement_around() {
    let (catalog, graph) = social();
    let error = plan("MATCH (é:person) RETURN x", 101, &catalog, &graph, &[]).unwrap_err();
    assert_eq!(error.position(), Some(125));
}

#[test]
fn broken_text_is_an_error_and_never_a_panic() {
    let (catalog, graph) = social();
    let seeds = [
        "MATCH (p:person {id: $id})-[k:knows*1..3]->(f)<-[:knows]-(g) WHERE f.age >= 18 AND NOT f.name IN ['a', NULL] \
         RETURN DISTINCT f.id, count(*) + 1 AS n ORDER BY n DESC SKIP 1 LIMIT 5",
        "OPTIONAL MATCH (a)-[:lives_in]-(c:city) WITH a, collect(c.name) AS names, CASE WHEN a.age > 1 THEN 'x' ELSE 'y' END AS z \
         WHERE size(names) > 1 UNWIND names AS one RETURN one + z, -a.score ^ 2 / 3 % 1",
    ];
    let scraps = [
        "(", ")", "[", "]", "-", ">", "<", "*", "..", "'", "`", "$", "é", "\\", "\0", "AS", " WITH ", "1e", "{", "NULL",
    ];
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..4000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..text.len());
            match random.random_range(0..3) {
                0 => {
                    text.remove(at);
                }
                1 => {
                    let end = (at + random.random_range(1..20)).min(text.len());
                    text.drain(at..end);
                }
                _ => {
                    let scrap = scraps[random.random_range(0..scraps.len())];
                    text.splice(at..at, scrap.chars());
                }
            }
            if text.is_empty() {
                text.push('M');
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = plan(&text, 1, &catalog, &graph, &[]) {
            assert_ne!(error.kind(), ErrorKind::Internal, "{text}: {error}");
            assert!(error.position().is_some_and(|at| at >= 1 && at <= text.chars().count() + 1), "{text}: {error}");
        }
    }
}

#[test]
fn a_query_may_be_asked_for_many_rows() {
    let (catalog, graph) = social();
    let batch = |text: &str| planned(text).expect(text).batch(&catalog, &graph);
    let friends = batch("MATCH (a:person {id: $id})-[:knows]->(b) WHERE b.age > $age RETURN b.name").expect("a batch");
    assert!(!friends.asks_again);
    assert_eq!(
        friends.cypher,
        "UNWIND CAST($rows0 AS INT64[]) AS row0 WITH row0, list_extract(CAST($rows1 AS INT64[]), row0) AS row1, \
         list_extract(CAST($rows2 AS INT32[]), row0) AS row2 MATCH (n1:`person`) WHERE (n1.`id` = row1) WITH * \
         OPTIONAL MATCH (n1)-[r3:`knows`]->(n2:`person`) WITH * WHERE (id(r3) IS NOT NULL) AND (n2.`age` > row2) \
         RETURN n2.`name` AS v4, row0"
    );
    assert!(batch("MATCH (a:person {id: $id})-[:knows]->(b) RETURN count(*)").expect("a batch").asks_again);
    assert!(!batch("MATCH (a:person {id: $id})-[:knows]->(b) RETURN b.id, count(*)").expect("a batch").asks_again);
    for alone in [
        "MATCH (a:person {id: $id})-[:knows]->(b) RETURN b.name LIMIT 1",
        "MATCH (a:person {name: $name})-[:knows]->(b) RETURN b.name",
        "MATCH (a:person)-[:knows]->(b) WHERE a.id IN $ids RETURN b.name",
        "MATCH (a:person {id: 1})-[:knows]->(b {id: $id}) RETURN b.name",
        "MATCH (a:person {id: 1}) RETURN a.name",
    ] {
        assert_eq!(batch(alone), None, "{alone}");
    }
}

#[test]
fn creates_in_a_row_are_one_unless_they_see_each_other() {
    let clauses = |text: &str| planned(text).map(|query| query.bound.clauses.len());
    assert_eq!(clauses(&"CREATE (:person {id: 1}) ".repeat(600)).expect("one"), 1);
    assert_eq!(clauses("CREATE (a:person {id: 1}) CREATE (b:person {id: 2})-[:knows {id: 1}]->(a)").expect("one"), 1);
    assert_eq!(clauses("CREATE (a:person {id: 1}) CREATE (:person {id: a.id + 1})").expect("two"), 2);
    let seeing: String = (1..=501).map(|at| format!("CREATE (a{at}:person {{id: a{}.id}}) ", at - 1)).collect();
    assert_eq!(
        clauses(&format!("CREATE (a0:person {{id: 1}}) {seeing}")).expect_err("many").kind(),
        ErrorKind::TooComplex
    );
}
