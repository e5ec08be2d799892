//! psql and Python clients, as people use them.

use std::path::Path;

use slipstream_tests::{Output, TestServer, psql, python};

const SETUP: &str = "
    CREATE TABLE person (id bigint PRIMARY KEY, name text NOT NULL, age integer DEFAULT 18, embedding vector(3));
    CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, since date);
    INSERT INTO person VALUES (1, 'Ann', 40, '[1,0,0]'), (2, 'Bob', 30, '[0,1,0]'), (3, 'Cid', NULL, '[0,0,1]');
    INSERT INTO knows VALUES (10, 1, 2, '2020-01-01'), (11, 2, 3, NULL);
    CREATE PROPERTY GRAPH social
      VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, name, age))
      EDGE TABLES (knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id)
                   LABEL knows PROPERTIES (id, since));
";

/// A server with two tables and a graph.
fn social(data: &Path) -> TestServer {
    let server = TestServer::start(data);
    well(&psql(&server, &["--set", "ON_ERROR_STOP=1"], SETUP));
    server
}

/// The standard output of a client that had no complaints.
fn well(output: &Output) -> &str {
    assert!(output.success && output.stderr.is_empty(), "{}\n{}", output.stderr, output.stdout);
    &output.stdout
}

/// Lines without the spaces at their ends, which psql pads with.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn psql_lists_tables_schemas_databases_and_roles() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let tables = psql(&server, &[], r"\dt");
    let expected = "         List of relations
 Schema |  Name  | Type  |  Owner
--------+--------+-------+----------
 public | knows  | table | postgres
 public | person | table | postgres
(2 rows)
";
    assert_eq!(trimmed(well(&tables)), expected);
    for (command, words) in [
        (r"\d", &["person", "knows"][..]),
        (r"\dn", &["public", "postgres"]),
        (r"\l", &["postgres", "UTF8"]),
        (r"\du", &["postgres", "Superuser"]),
        (r"\dt+", &["person"]),
        (r"\d+ person", &["embedding"]),
        (r"\di", &["person_pkey"]),
        (r"\dT", &[]),
        (r"\df", &[]),
        (r"\conninfo", &["postgres"]),
        (r"\encoding", &["UTF8"]),
    ] {
        let output = psql(&server, &[], command);
        for word in words {
            assert!(well(&output).contains(word), "{command}: {}", output.stdout);
        }
        well(&output);
    }
}

#[test]
fn psql_describes_a_table() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let output = psql(&server, &[], r"\d person");
    let expected = "                 Table \"public.person\"
  Column   |   Type    | Collation | Nullable | Default
-----------+-----------+-----------+----------+---------
 id        | bigint    |           | not null |
 name      | text      |           | not null |
 age       | integer   |           |          | 18
 embedding | vector(3) |           |          |
Indexes:
    \"person_pkey\" PRIMARY KEY, btree (id)
";
    assert_eq!(trimmed(well(&output)), expected);
}

#[test]
fn psql_copies_files_both_ways() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let files = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let csv = files.path().join("people.csv");
    std::fs::write(&csv, "id,name,age\n4,\"Dee, the fourth\",\n5,\"say \"\"hi\"\"\",50\n").expect("a file");
    let out = files.path().join("out.tsv");
    let script = format!(
        "\\copy person (id, name, age) from '{}' with (format csv, header)\n\
         \\copy (select id, name, age from person order by id) to '{}'\n",
        csv.display(),
        out.display()
    );
    well(&psql(&server, &[], &script));
    let written = std::fs::read_to_string(out).expect("psql has written");
    let expected = "1\tAnn\t40\n2\tBob\t30\n3\tCid\t\\N\n4\tDee, the fourth\t\\N\n5\tsay \"hi\"\t50\n";
    assert_eq!(written, expected);
}

#[test]
fn psql_joins_table_graph_and_vectors() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let sql = "SELECT p.name, p.age
               FROM cypher('social', $$ MATCH (a:person {name: 'Ann'})-[:knows*1..2]->(b:person) RETURN b.id AS id $$) AS near
               JOIN person p ON p.id = near.id
               ORDER BY p.embedding <-> '[0,0,1]' LIMIT 5";
    let output = psql(&server, &["--no-align", "--tuples-only"], sql);
    assert_eq!(well(&output), "Cid|\nBob|30\n");
}

#[test]
fn psql_shows_errors_where_they_are() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let output = psql(&server, &["--set", "VERBOSITY=verbose"], "SELECT 1 FORM person;\nSELECT nme FROM person;\n");
    assert!(output.stderr.contains("ERROR:  42601: syntax error at or near"), "{}", output.stderr);
    assert!(output.stderr.contains("LINE 1: SELECT 1 FORM person;"), "{}", output.stderr);
    assert!(output.stderr.contains("ERROR:  42703: column \"nme\" does not exist"), "{}", output.stderr);
}

#[test]
fn psycopg_reads_and_writes_with_parameters() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import datetime, decimal, uuid
import psycopg

with psycopg.connect(autocommit=True) as connection:
    connection.execute("""CREATE TABLE v (id bigint PRIMARY KEY, t text, n numeric(20,5), d date, s timestamptz, u uuid,
                          b bytea, f double precision, l integer[])""")
    row = (1, "häßlich", decimal.Decimal("12345.67891"), datetime.date(2024, 2, 29),
           datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc),
           uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), b"\x00\xff", 0.1, [1, None, 3])
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute("DELETE FROM v")
            cursor.execute("INSERT INTO v VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", row)
            read = cursor.execute("SELECT * FROM v WHERE id = %s", (1,)).fetchone()
            assert read == row, (binary, read, row)
    # Past five executions psycopg prepares the statement.
    for id in range(2, 12):
        connection.execute("INSERT INTO v (id, t) VALUES (%s, %s)", (id, f"row {id}"))
    count = connection.execute("SELECT count(*) FROM v").fetchone()
    assert count == (11,), count
    with connection.cursor() as cursor:
        with cursor.copy("COPY v (id, t) FROM STDIN") as copy:
            for id in range(100, 200):
                copy.write_row((id, f"copied\t{id}"))
        rows = []
        with cursor.copy("COPY (SELECT id, t FROM v WHERE id >= 100 ORDER BY id) TO STDOUT") as copy:
            for row in copy.rows():
                rows.append(row)
        assert len(rows) == 100 and rows[0] == ("100", "copied\t100"), rows[:2]
    try:
        connection.execute("INSERT INTO v (id) VALUES (1)")
        raise AssertionError("a duplicate was taken")
    except psycopg.errors.UniqueViolation as error:
        assert error.diag.constraint_name == "v_pkey", error.diag.constraint_name
    people = connection.execute("SELECT name FROM person ORDER BY embedding <=> %s::vector LIMIT 1", ("[0,1,0]",)).fetchone()
    assert people == ("Bob",), people
    with connection.transaction():
        assert connection.execute("SELECT 1").fetchone() == (1,)
print("done")
"#;
    assert_eq!(well(&python(&server, &[], script)), "done\n");
}

#[test]
fn psql_takes_cypher_at_its_prompt() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = "
MATCH (a:person {name: \"Ann\"})-[:knows*1..2]->(b:person)
RETURN b.name AS name ORDER BY name;
SELECT count(*) FROM person;
MATCH (p:person) WHERE p.name = \"it's\" RETURN p.id;
COPY (MATCH (p:person) RETURN p.name ORDER BY p.id) TO STDOUT;
UNWIND [1, 2] AS x RETURN x \\gdesc
";
    let output = psql(&server, &["--tuples-only", "--no-align"], script);
    assert_eq!(well(&output), "Bob\nCid\n3\nAnn\nBob\nCid\nx|bigint\n");
    let output = psql(&server, &[], "MATCH (p:person)\n  RETURN p.nme;");
    assert!(output.stderr.contains("LINE 2:   RETURN p.nme;\n                   ^"), "{}", output.stderr);
}

#[test]
fn psycopg_asks_as_it_would_ask_apache_age() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import json, psycopg

with psycopg.connect(autocommit=True) as connection:
    connection.execute("CREATE EXTENSION IF NOT EXISTS age")
    connection.execute("LOAD 'age'")
    connection.execute('SET search_path = ag_catalog, "$user", public')
    ask = "SELECT * FROM cypher('social', $$ MATCH (p:person)-[k:knows]->(q:person) RETURN p.name, q.name, k.since $$)"
    rows = connection.execute(ask + " AS (p agtype, q agtype, since agtype) ORDER BY p").fetchall()
    assert [row[:2] for row in rows] == [("Ann", "Bob"), ("Bob", "Cid")], rows
    with_map = """SELECT name FROM cypher('social', $$ MATCH (p:person {name: $name}) RETURN p.name, p.age $$, %s)
                  AS (name agtype, age int)"""
    for name in ("Ann", "Bob", "Ann", "Bob", "Ann", "Bob", "nobody"):
        rows = connection.execute(with_map, (json.dumps({"name": name}),)).fetchall()
        assert rows == ([(name,)] if name != "nobody" else []), rows
    # Cypher by itself, with the statement's own parameters.
    with connection.cursor(binary=True) as cursor:
        for age in (30, 40, 30):
            cursor.execute("MATCH (p:person) WHERE p.age >= %s RETURN p.id AS id, p.name AS name ORDER BY id", (age,))
            assert [column.name for column in cursor.description] == ["id", "name"]
            assert cursor.fetchall() == [row for row in [(1, "Ann"), (2, "Bob")] if row != (2, "Bob") or age == 30]
    try:
        connection.execute("SELECT create_graph('other')")
        raise AssertionError("a graph was made")
    except psycopg.errors.FeatureNotSupported as error:
        assert "CREATE PROPERTY GRAPH" in error.diag.message_hint
print("done")
"#;
    assert_eq!(well(&python(&server, &[], script)), "done\n");
}

#[test]
fn lancedb_opens_the_data_folder() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import sys
import lancedb

database = lancedb.connect(sys.argv[1] + "/tables")
names = database.list_tables().tables if hasattr(database, "list_tables") else database.table_names()
table = next(name for name in names if name.startswith("person-"))
rows = database.open_table(table).to_arrow().sort_by("id").to_pylist()
assert [row["name"] for row in rows] == ["Ann", "Bob", "Cid"], rows
assert [row["age"] for row in rows] == [40, 30, None], rows
assert rows[1]["embedding"] == [0.0, 1.0, 0.0], rows
nearest = database.open_table(table).search([0.0, 0.1, 0.9]).limit(1).to_list()
assert nearest[0]["name"] == "Cid", nearest
print("done")
"#;
    let folder = data.path().to_str().expect("a plain path");
    let output = python(&server, &[folder], script);
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout, "done\n");
}

#[test]
fn lancedb_opens_the_tag_of_a_named_snapshot() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let statements = "CALL slipstream.create_snapshot('three');
        DELETE FROM knows;
        DELETE FROM person WHERE name = 'Bob';
        CALL slipstream.compact('person');
        CALL slipstream.cleanup(older_than => interval '0 seconds');";
    let output = psql(&server, &["--set", "ON_ERROR_STOP=1"], statements);
    assert!(output.success, "{}", output.stderr);
    let script = r#"
import sys
import lancedb

database = lancedb.connect(sys.argv[1] + "/tables")
names = database.list_tables().tables if hasattr(database, "list_tables") else database.table_names()
table = database.open_table(next(name for name in names if name.startswith("person-")))
assert sorted(row["name"] for row in table.to_arrow().to_pylist()) == ["Ann", "Cid"]
assert list(table.tags.list()) == ["slipstream-three"], table.tags.list()
table.checkout("slipstream-three")
assert sorted(row["name"] for row in table.to_arrow().to_pylist()) == ["Ann", "Bob", "Cid"]
print("done")
"#;
    let folder = data.path().to_str().expect("a plain path");
    let output = python(&server, &[folder], script);
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout, "done\n");
}

#[test]
fn psql_rolls_back_to_the_last_good_statement() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r"\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO person (id, name) VALUES (4, 'Dee');
INSERT INTO person (id, name) VALUES (4, 'Dee again');
INSERT INTO person (id, name) VALUES (5, 'Eve');
COMMIT;
SELECT count(*) FROM person;
";
    let output = psql(&server, &["--no-align", "--tuples-only"], script);
    assert!(output.stderr.contains("duplicate key value"), "{}", output.stderr);
    assert!(!output.stderr.contains("aborted"), "{}", output.stderr);
    assert_eq!(output.stdout, "5\n");
}

#[test]
fn psql_runs_a_script_as_one_transaction() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script =
        "CREATE TABLE one (id bigint PRIMARY KEY);\nINSERT INTO one VALUES (1);\nINSERT INTO one VALUES (1);\n";
    let output = psql(&server, &["--single-transaction", "--set", "ON_ERROR_STOP=1"], script);
    assert!(!output.success, "{}", output.stdout);
    let output = psql(&server, &[], "SELECT * FROM one");
    assert!(output.stderr.contains("relation \"one\" does not exist"), "{}", output.stderr);
    // Warnings and states as psql shows them.
    let output =
        psql(&server, &["--set", "VERBOSITY=verbose", "--set", "SHOW_CONTEXT=never"], "BEGIN; BEGIN; COMMIT; COMMIT;");
    assert!(output.stderr.contains("WARNING:  25001: there is already a transaction in progress"), "{}", output.stderr);
    assert!(output.stderr.contains("WARNING:  25P01: there is no transaction in progress"), "{}", output.stderr);
}

#[test]
fn psycopg_s_transactions_are_real() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import psycopg
from psycopg.pq import TransactionStatus

def names(connection):
    return [row[0] for row in connection.execute("SELECT name FROM person WHERE id > 3 ORDER BY id")]

# Without autocommit the first statement begins a block, and leaving the connection's context commits it.
with psycopg.connect() as connection:
    connection.execute("INSERT INTO person (id, name) VALUES (%s, %s)", (4, "Dee"))
    assert connection.info.transaction_status == TransactionStatus.INTRANS
    connection.rollback()
    assert connection.info.transaction_status == TransactionStatus.IDLE
    connection.execute("INSERT INTO person (id, name) VALUES (%s, %s)", (4, "Dee"))
    try:
        connection.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        assert connection.info.transaction_status == TransactionStatus.INERROR
    try:
        connection.execute("SELECT 1")
        raise AssertionError("a failed block took a statement")
    except psycopg.errors.InFailedSqlTransaction:
        pass
    connection.rollback()
    assert names(connection) == []
    connection.execute("INSERT INTO person (id, name) VALUES (4, 'Dee')")

with psycopg.connect(autocommit=True) as connection:
    assert names(connection) == ["Dee"]
    # Nested contexts are savepoints.
    with connection.transaction():
        connection.execute("INSERT INTO person (id, name) VALUES (5, 'Eve')")
        try:
            with connection.transaction():
                connection.execute("INSERT INTO person (id, name) VALUES (6, 'Fay')")
                connection.execute("INSERT INTO person (id, name) VALUES (5, 'again')")
        except psycopg.errors.UniqueViolation:
            pass
        with connection.transaction("named"):
            connection.execute("INSERT INTO person (id, name) VALUES (7, 'Gus')")
        with connection.transaction(force_rollback=True):
            connection.execute("DELETE FROM person WHERE id > 3")
        assert names(connection) == ["Dee", "Eve", "Gus"], names(connection)
    assert names(connection) == ["Dee", "Eve", "Gus"]
    try:
        with connection.transaction():
            connection.execute("DELETE FROM person WHERE id > 3")
            raise KeyError("a mistake of the program")
    except KeyError:
        pass
    assert names(connection) == ["Dee", "Eve", "Gus"]

    # What is sent before one Sync is one transaction.
    try:
        with connection.pipeline():
            connection.execute("INSERT INTO person (id, name) VALUES (8, 'Hal')")
            connection.execute("INSERT INTO person (id, name) VALUES (8, 'again')")
    except psycopg.errors.UniqueViolation:
        pass
    assert names(connection) == ["Dee", "Eve", "Gus"], names(connection)
    with connection.pipeline():
        connection.execute("INSERT INTO person (id, name) VALUES (8, 'Hal')")
        connection.execute("UPDATE person SET name = 'Ham' WHERE id = 8")
    assert names(connection) == ["Dee", "Eve", "Gus", "Ham"]

# The modes that drivers offer.
with psycopg.connect() as connection:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
    try:
        connection.execute("DELETE FROM person")
        raise AssertionError("a read-only transaction wrote")
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.rollback()
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    try:
        connection.execute("SELECT 1")
        raise AssertionError("serializable was promised")
    except psycopg.errors.FeatureNotSupported:
        pass

# Of two that change the same row, the second to commit is told, and can run again.
with psycopg.connect() as one, psycopg.connect() as other:
    one.execute("UPDATE person SET age = 1 WHERE id = 4")
    other.execute("UPDATE person SET age = 2 WHERE id = 4")
    one.commit()
    try:
        other.commit()
        raise AssertionError("a lost update")
    except psycopg.errors.SerializationFailure:
        assert other.info.transaction_status == TransactionStatus.IDLE
    other.execute("UPDATE person SET age = age + 2 WHERE id = 4")
    other.commit()
    assert one.execute("SELECT age FROM person WHERE id = 4").fetchone() == (3,)
print("done")
"#;
    assert_eq!(well(&python(&server, &[], script)), "done\n");
}

#[test]
fn psycopg_has_pgvector_s_types_binary_copy_and_named_cursors() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector

with psycopg.connect(autocommit=True) as connection:
    register_vector(connection)
    for binary in (False, True):
        nearest = connection.execute("SELECT name, embedding FROM person ORDER BY embedding <-> %s LIMIT 1",
                                     (Vector([0, 1, 0.5]),), binary=binary).fetchone()
        assert nearest == ("Bob", Vector([0, 1, 0])), nearest
        for dimensions in (2, 5):
            vector = Vector([1.5] * dimensions)
            assert connection.execute("SELECT %s::vector", (vector,), binary=binary).fetchone() == (vector,)
            assert connection.execute("SELECT %s", (vector,), binary=binary).fetchone() == (vector,)
    with connection.cursor().copy("COPY person (id, name, embedding) FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types(["int8", "text", "vector"])
        for id in range(100, 200):
            copy.write_row((id, f"n{id}", Vector([id, 0, 1])))
    with connection.cursor().copy("COPY (SELECT id, embedding FROM person WHERE id >= 100 ORDER BY id) TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["int8", "vector"])
        rows = list(copy.rows())
    assert len(rows) == 100 and rows[7] == (107, Vector([107, 0, 1])), rows[:2]
with psycopg.connect() as connection:
    with connection.cursor("portion") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT id FROM person WHERE id >= %s ORDER BY id", (100,))
        assert [id for (id,) in cursor] == list(range(100, 200))
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT id FROM person ORDER BY id")
        assert cursor.fetchmany(2) == [(1,), (2,)]
        connection.commit()
        assert cursor.fetchmany(2) == [(3,), (100,)]
print("done")
"#;
    assert_eq!(well(&python(&server, &[], script)), "done\n");
}

#[test]
fn asyncpg_reads_and_writes_in_binary() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = social(data.path());
    let script = r#"
import asyncio, datetime
import asyncpg
from pgvector import Vector
from pgvector.asyncpg import register_vector

async def main():
    connection = await asyncpg.connect()
    await connection.execute("CREATE TABLE v (id integer PRIMARY KEY, t text, at timestamptz, l integer[], j jsonb)")
    at = datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)
    await connection.executemany("INSERT INTO v VALUES ($1, $2, $3, $4, $5)",
                                 [(id, f"t{id}", at, [1, None, id], '{"a": 1}') for id in range(10)])
    rows = await connection.fetch("SELECT * FROM v WHERE id = ANY($1) ORDER BY id", [3, 4])
    assert [tuple(row) for row in rows] == [(id, f"t{id}", at, [1, None, id], '{"a": 1}') for id in (3, 4)], rows
    async with connection.transaction():
        ids = [row["id"] async for row in connection.cursor("SELECT id FROM v ORDER BY id", prefetch=3)]
    assert ids == list(range(10)), ids
    await connection.copy_records_to_table("v", records=[(id, "x") for id in range(100, 110)], columns=["id", "t"])
    assert await connection.fetchval("SELECT count(*) FROM v") == 20
    await register_vector(connection)
    assert await connection.fetchval("SELECT embedding FROM person WHERE id = $1", 2) == Vector([0, 1, 0])
    await connection.close()

asyncio.run(main())
print("done")
"#;
    assert_eq!(well(&python(&server, &[], script)), "done\n");
}
