//! What the parser makes of texts: in its canonical form ([`print`]), errors with their places, and random texts
//! ([`generate`]) that must be read, printed and read again as the same.

mod errors;
mod generate;
mod print;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use slipstream_engine::ErrorKind;

use self::print::printed;
use super::{PATTERN_LEVELS, parse};
use crate::syntax::MAX_DEPTH;

/// What is read of an expression, in canonical form.
fn expression(text: &str) -> String {
    let query = printed(&parse(&format!("RETURN {text}")).unwrap_or_else(|error| panic!("{text}: {error}")));
    query.strip_prefix("RETURN ").unwrap().to_string()
}

#[test]
fn operators_bind_as_open_cypher_says() {
    for (text, tree) in [
        ("a OR b XOR c AND NOT d", "(`a` OR (`b` XOR (`c` AND (NOT `d`))))"),
        ("NOT a = b", "(NOT (`a` = `b`))"),
        ("1 < x <= 3", "((1 < `x`) AND (`x` <= 3))"),
        ("a + b * c ^ -2 % 3", "(`a` + ((`b` * (`c` ^ -2)) % 3))"),
        ("2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)"),
        ("-x.y ^ 2", "((-`x`.`y`) ^ 2)"),
        ("a - b - c", "((`a` - `b`) - `c`)"),
        ("a + 1 IN list", "((`a` + 1) IN `list`)"),
        ("a = b IS NULL", "(`a` = (`b` IS NULL))"),
        (
            "n.name =~ 'x.*' OR n.a STARTS WITH 'b' + 'c'",
            "((`n`.`name` =~ 'x.*') OR (`n`.`a` STARTS WITH ('b' + 'c')))",
        ),
        ("a[0][1..2][..3][4..][..]", "`a`[0][1..2][..3][4..][..]"),
        ("-a[0]", "(-`a`[0])"),
        ("- - 5 + +5", "(5 + 5)"),
        ("-9223372036854775808 + -0x8000000000000000", "(-9223372036854775808 + -9223372036854775808)"),
    ] {
        assert_eq!(expression(text), tree, "{text}");
    }
}

#[test]
fn operands_are_read_in_all_their_forms() {
    for (text, tree) in [
        ("0x1F + 0o17 + .5 + 1e3 + 1.5E-2 + 007", "(((((31 + 15) + 0.5) + 1000.0) + 0.015) + 7)"),
        (r#"'it\'s' + "q\"" + '\u00e9\n\\'"#, r"(('it\'s' + 'q\u0022') + 'é\u000a\\')"),
        ("`a b`.`c``d`", "`a b`.`c``d`"),
        ("$a + $1 + $`b c`", "(($`a` + $`1`) + $`b c`)"),
        ("{a: 1, `b c`: {d: []}, return: NULL}", "{`a`: 1, `b c`: {`d`: []}, `return`: NULL}"),
        ("{a: 1}.a", "{`a`: 1}.`a`"),
        ("[1, [2], TRUE, false]", "[1, [2], TRUE, FALSE]"),
        ("[x IN list WHERE x > 1 | x * 2]", "[`x` IN `list` WHERE (`x` > 1) | (`x` * 2)]"),
        ("[x IN list]", "[`x` IN `list`]"),
        ("[x IN [1, 2] | x]", "[`x` IN [1, 2] | `x`]"),
        ("[x IN list, y]", "[(`x` IN `list`), `y`]"),
        ("[x IN n.list WHERE x:A | x]", "[`x` IN `n`.`list` WHERE `x`:`A` | `x`]"),
        ("[x IN list WHERE (x:A|B) | x]", "[`x` IN `list` WHERE `x`:(`A`|`B`) | `x`]"),
        (
            "all(x IN list WHERE x) OR NONE (x IN y WHERE x)",
            "(all(`x` IN `list` WHERE `x`) OR none(`x` IN `y` WHERE `x`))",
        ),
        ("any(x IN [1] WHERE single(y IN x WHERE y))", "any(`x` IN [1] WHERE single(`y` IN `x` WHERE `y`))"),
        ("reduce(s = 0, x IN list | s + x)", "reduce(`s` = 0, `x` IN `list` | (`s` + `x`))"),
        ("n {.name, .*, age: n.age + 1, other}", "`n` {.`name`, .*, `age`: (`n`.`age` + 1), `other`}"),
        ("n {}", "`n` {}"),
        ("n:A:B", "`n`:(`A`&`B`)"),
        ("n:A|!B&(C|%)", "`n`:(`A`|((!`B`)&(`C`|%)))"),
        ("(n:A) AND n.x:B", "(`n`:`A` AND `n`.`x`:`B`)"),
        ("(n)-->(m)", "(`n`)-->(`m`)"),
        ("NOT (n)<-[:A|B*2..3]-() AND n.x", "((NOT (`n`)<-[:(`A`|`B`)*2..3]-()) AND `n`.`x`)"),
        ("(n:A {x: 1} WHERE n.y)--({z: 2})", "(`n`:`A` {`x`: 1} WHERE `n`.`y`)--({`z`: 2})"),
        ("exists((a)-->(b)) OR exists(n.p)", "(exists((`a`)-->(`b`)) OR exists(`n`.`p`))"),
        ("(a)-->(b) < (c) - 1", "(((`a`)-->(`b`)) < (`c` - 1))"),
        ("(a) - (b)", "(`a` - `b`)"),
        ("(a.x) - [1][0]", "(`a`.`x` - [1][0])"),
        ("(a) < -(b)", "(`a` < (-`b`))"),
        ("[(a)-->(b) | b.x]", "[(`a`)-->(`b`) | `b`.`x`]"),
        ("[p = (a)-->(b:A|B) WHERE a.x | p]", "[`p` = (`a`)-->(`b`:(`A`|`B`)) WHERE `a`.`x` | `p`]"),
        ("[(a)-->(b), (c)--(d)]", "[(`a`)-->(`b`), (`c`)--(`d`)]"),
        ("[p = (a)]", "[(`p` = `a`)]"),
        ("EXISTS { (a)-->(b) WHERE a.x }", "EXISTS { MATCH (`a`)-->(`b`) WHERE `a`.`x` }"),
        (
            "exists { MATCH (a) RETURN a UNION MATCH (b) RETURN b }",
            "EXISTS { MATCH (`a`) RETURN `a` UNION MATCH (`b`) RETURN `b` }",
        ),
        ("COUNT { p = (a)--(b), (c) } > 1", "(COUNT { MATCH `p` = (`a`)--(`b`), (`c`) } > 1)"),
        ("shortestPath((a)-[*..5]-(b))", "shortestPath((`a`)-[*1..5]-(`b`))"),
        ("length(allShortestPaths((a)-[:R*]->(b)))", "length(allShortestPaths((`a`)-[:`R`*1..]->(`b`)))"),
        ("duration.between(date('x'), b).days", "duration.between(date('x'), `b`).`days`"),
        ("count(*) + count(DISTINCT n) + collect(n.x)", "((count(*) + count(DISTINCT `n`)) + collect(`n`.`x`))"),
        ("CASE n.x WHEN 1 THEN 2 ELSE 3 END", "CASE `n`.`x` WHEN 1 THEN 2 ELSE 3 END"),
        ("CASE WHEN (a)-->() THEN 2 END", "CASE WHEN (`a`)-->() THEN 2 END"),
        ("any + all + count + single", "(((`any` + `all`) + `count`) + `single`)"),
    ] {
        assert_eq!(expression(text), tree, "{text}");
    }
}

#[test]
fn clauses_are_read_in_all_their_forms() {
    for (text, tree) in [
        (
            "MATCH p = (a:A:B)-[r:X|:Y*..3 {z: 1}]->(b), (c) OPTIONAL MATCH (a)<--(d) WHERE a.x RETURN *, a.x AS y ORDER BY y DESC, a ASC SKIP 1 LIMIT $n",
            "MATCH `p` = (`a`:(`A`&`B`))-[`r`:(`X`|`Y`)*1..3 {`z`: 1}]->(`b`), (`c`) OPTIONAL MATCH (`a`)<--(`d`) WHERE `a`.`x` \
             RETURN *, `a`.`x` AS `y` ORDER BY `y` DESC, `a` SKIP 1 LIMIT $`n`",
        ),
        (
            "UNWIND [1, 2] AS x WITH DISTINCT x, 1 AS y ORDER BY x LIMIT 3 WHERE x > 1 RETURN x;",
            "UNWIND [1, 2] AS `x` WITH DISTINCT `x`, 1 AS `y` ORDER BY `x` LIMIT 3 WHERE (`x` > 1) RETURN `x`",
        ),
        (
            "RETURN 1 AS a UNION ALL RETURN 2 AS a UNION ALL RETURN 3 AS a",
            "RETURN 1 AS `a` UNION ALL RETURN 2 AS `a` UNION ALL RETURN 3 AS `a`",
        ),
        ("CREATE (a:A {x: 1})-[:R]->(b $props), (c)", "CREATE (`a`:`A` {`x`: 1})-[:`R`]->(`b` $`props`), (`c`)"),
        (
            "MATCH (a) MERGE (a)-[r:R]-(b:B) ON CREATE SET r.x = 1, b = {y: 2} ON MATCH SET b += $m ON CREATE SET b:C:D RETURN r",
            "MATCH (`a`) MERGE (`a`)-[`r`:`R`]-(`b`:`B`) ON CREATE SET `r`.`x` = 1, `b` = {`y`: 2}, `b`:`C`:`D` \
             ON MATCH SET `b` += $`m` RETURN `r`",
        ),
        (
            "MATCH (a) SET a.x = a.x + 1, (a).y = NULL, a:B REMOVE a.z, a:C:D WITH a DETACH DELETE a, [a][0]",
            "MATCH (`a`) SET `a`.`x` = (`a`.`x` + 1), `a`.`y` = NULL, `a`:`B` REMOVE `a`.`z`, `a`:`C`:`D` WITH `a` \
             DETACH DELETE `a`, [`a`][0]",
        ),
        ("match (a) delete a", "MATCH (`a`) DELETE `a`"),
    ] {
        let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(printed(&query), tree, "{text}");
    }
}

#[test]
fn what_is_generated_is_read_and_printed_and_read_as_the_same() {
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..1500 {
        let text = generate::query(&mut random);
        let first = parse(&text).unwrap_or_else(|error| panic!("{text}\n{error} at {:?}", error.position()));
        let canonical = printed(&first);
        let second = parse(&canonical).unwrap_or_else(|error| panic!("{text}\n{canonical}\n{error}"));
        assert_eq!(printed(&second), canonical, "{text}");
    }
}

#[test]
fn broken_text_is_read_or_an_error_at_its_place() {
    let mut random = StdRng::seed_from_u64(12);
    for round in 0..4000 {
        let text = generate::query(&mut random);
        let text = if round % 2 == 0 {
            generate::without_some_tokens(&text, &mut random)
        } else {
            generate::without_some_characters(&text, &mut random)
        };
        if let Err(error) = parse(&text) {
            assert_ne!(error.kind(), ErrorKind::Internal, "{text}: {error}");
            assert!(error.position().is_some_and(|at| at >= 1 && at <= text.chars().count() + 1), "{text}: {error}");
        }
    }
}

#[test]
fn what_nests_deep_or_goes_on_and_on_is_an_error_and_soon() {
    let start = Instant::now();
    for (before, repeated, after) in [
        ("RETURN ", "(", "1"),
        ("RETURN ", "[", "1"),
        ("RETURN ", "{a: ", "1"),
        ("RETURN ", "NOT ", "1"),
        ("RETURN ", "- ", "1"),
        ("RETURN ", "-(", "1"),
        ("RETURN a", ".b", ""),
        ("RETURN a", "[0]", ""),
        ("RETURN a", "[a", ""),
        ("RETURN 1", " + 1", ""),
        ("RETURN 1", " XOR 1", ""),
        ("RETURN 1", " < (2", ""),
        ("RETURN ", "1 < (", "1"),
        ("RETURN ", "[x IN ", "1"),
        ("RETURN ", "[x IN y | ", "1"),
        ("RETURN ", "any(x IN y WHERE ", "1"),
        ("RETURN ", "reduce(a = b, c IN ", "1"),
        ("RETURN ", "f(", "1"),
        ("RETURN ", "CASE WHEN ", "1"),
        ("RETURN ", "EXISTS { MATCH (a) WHERE ", "1"),
        ("RETURN ", "COUNT { (a {b: ", "1"),
        ("RETURN ", "(a {b: ", "1"),
        ("RETURN ", "(a)-[{b: ", "1"),
        ("RETURN ", "[(a {b: ", "1"),
        ("RETURN ", "[p = (a WHERE ", "1"),
        ("RETURN n:", "!", "a"),
        ("RETURN n:", "(", "a"),
        ("RETURN n:a", "&b", ""),
        ("MATCH (a", ":b", ") RETURN 1"),
        ("MATCH (a)", "-->(a)", " RETURN 1"),
        ("MATCH (a)", ", (a)", " RETURN 1"),
        ("", "MATCH (a) ", "RETURN 1"),
        ("RETURN 1", " UNION RETURN 1", ""),
        ("CREATE (a)", " SET a.b = 1", ""),
        ("MATCH (a) SET a.b = ", "1 < (", "1"),
    ] {
        for count in [10, 63, 70, 1000, 30_000] {
            let text = format!("{before}{}{after}", repeated.repeat(count));
            if let Err(error) = parse(&text) {
                assert!(matches!(error.kind(), ErrorKind::Syntax | ErrorKind::TooComplex), "{repeated}: {error}");
            }
        }
    }
    // A chain has its operands twice in the tree, and so on inside.
    let chain = (0..60).fold("1".to_string(), |inner, _| format!("1 < ({inner}) < 1"));
    assert_eq!(parse(&format!("RETURN {chain}")).unwrap_err().kind(), ErrorKind::TooComplex);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn what_is_as_deep_as_may_be_is_read() {
    for (before, repeated, after) in [
        ("RETURN ", "(", ")"),
        ("RETURN ", "[", "]"),
        ("RETURN ", "EXISTS { MATCH (a) WHERE ", " }"),
        ("RETURN ", "[(a {b: ", "})-->() | 1]"),
    ] {
        let levels = if repeated.len() > 1 { MAX_DEPTH / PATTERN_LEVELS - 1 } else { MAX_DEPTH - 4 };
        let text = format!("{before}{}1{}", repeated.repeat(levels), after.repeat(levels));
        parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let long = vec!["1"; 200_000].join(", ");
    parse(&format!("UNWIND [{long}] AS x RETURN x")).unwrap();
}
