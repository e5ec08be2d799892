//! Errors say what was expected, and where.

use slipstream_engine::ErrorKind;

use super::parse;

#[test]
fn errors_say_what_was_expected_and_where() {
    // `^` stands before the place.
    for (text, words) in [
        ("", "at end of input: expected MATCH"),
        ("^SELECT 1", "expected MATCH"),
        ("MATCH (a)^", "at end of input: expected MATCH"),
        ("MATCH (a) WITH a^", "expected MATCH"),
        ("MATCH (a) RETURN a ^MATCH (b)", "expected the end of the query"),
        ("MATCH (a)^>(b) RETURN a", "expected MATCH"),
        ("MATCH (a)-[r^(b) RETURN a", "expected \"]\""),
        ("MATCH (a {b: 1^) RETURN a", "expected \",\" or \"}\""),
        ("MATCH (a:^) RETURN a", "expected a label"),
        ("MATCH (a)-[:^]->() RETURN a", "expected a relationship type"),
        ("MATCH (a) WHERE a RETURN^", "expected an expression"),
        ("RETURN [1, 2^", "expected \",\" or \"]\""),
        ("RETURN [x IN y WHERE x ^; ]", "expected WHERE, \"|\" or \"]\""),
        ("RETURN any(x IN y^)", "expected WHERE"),
        ("RETURN a[1^, 2]", "expected \"..\" or \"]\""),
        ("RETURN (1 ^2)", "expected an operator or \")\""),
        ("RETURN n {.a ^.b}", "expected \",\" or \"}\""),
        ("RETURN n {^1}", "expected \".\" or a name"),
        ("RETURN {^1: 2}", "expected a property name"),
        ("RETURN EXISTS { MATCH (a) ^SET a.b = 1 }", "a subquery cannot SET"),
        ("RETURN 1 UNION RETURN 1 ^UNION ALL RETURN 1", "cannot be mixed"),
        ("CREATE (a)^UNION RETURN 1", "needs RETURN"),
        ("CREATE (a) ^MATCH (b) RETURN b", "WITH is required between CREATE and MATCH"),
        ("MATCH (a) SET a.x = 1 ^UNWIND [1] AS x RETURN x", "WITH is required between SET and UNWIND"),
        ("CREATE (a)^-[:R]-(b)", "needs a direction"),
        ("CREATE (a)^-->(b)", "exactly one type"),
        ("CREATE (a)-[:^A|B]->(b)", "exactly one type"),
        ("CREATE (a)-[:A^*2]->(b)", "variable-length"),
        ("CREATE (:^A|B)", "by name"),
        ("CREATE p = ^shortestPath((a)-[:R]->(b))", "shortest path"),
        ("CREATE (a WHERE ^a.x)", "WHERE cannot stand"),
        ("MERGE (a^ $map)", "a parameter cannot stand"),
        ("MATCH (a^ $map) RETURN a", "a parameter cannot stand"),
        ("MERGE (a) ON ^SET a.x = 1", "expected CREATE or MATCH"),
        ("MERGE (a) ON CREATE ^a.x = 1", "expected SET"),
        ("MATCH (a) SET a^", "expected \".\", \":\", \"=\" or \"+=\""),
        ("MATCH (a) SET ^f(a) = 1", "SET needs a property"),
        ("MATCH (a) SET a.x ^+= 1", "expected \"=\""),
        ("MATCH (a) SET a:^A|B", "by name"),
        ("MATCH (a) REMOVE ^a", "REMOVE needs a property"),
        ("MATCH (a) DELETE ^a:A", "a label cannot be deleted"),
        ("MATCH (a) DETACH ^a", "expected DELETE"),
        ("MATCH p = ^shortestPath((a)--(b)--(c)) RETURN p", "one relationship pattern"),
        ("RETURN 1 LIMIT 1 ^SKIP 1", "SKIP stands before LIMIT"),
    ] {
        check(text, ErrorKind::Syntax, words);
    }
    for (text, words) in [
        ("MATCH (a) ^CALL db.labels() YIELD label RETURN label", "CALL in Cypher is not supported"),
        ("^LOAD CSV FROM 'x' AS row RETURN row", "LOAD CSV in Cypher is not supported"),
        ("MATCH (a) ^FOREACH (x IN [1] | CREATE (b))", "FOREACH in Cypher is not supported"),
        ("RETURN ^COLLECT { MATCH (a) RETURN a }", "COLLECT of a subquery is not supported"),
    ] {
        check(text, ErrorKind::NotSupported, words);
    }
}

/// Asks for an error of that kind with these words, at the place of `^`.
fn check(marked: &str, kind: ErrorKind, words: &str) {
    let text = marked.replacen('^', "", 1);
    let place = marked.chars().position(|character| character == '^').unwrap_or(0);
    // What is expected is read from the token after blanks.
    let place = place + text.chars().skip(place).take_while(|character| *character == ' ').count();
    let error = parse(&text).expect_err(&text);
    assert_eq!(error.kind(), kind, "{text}: {error}");
    assert!(error.message().contains(words), "{text}: {error}");
    assert_eq!(error.position(), Some(place + 1), "{text}: {error}");
}
