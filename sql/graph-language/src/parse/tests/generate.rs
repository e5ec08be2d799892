//! Random queries by the grammar, and what is left of them when parts are lost.

use rand::Rng;
use rand::rngs::StdRng;

use crate::lexer::tokenize;

/// A query.
pub(super) fn query(random: &mut StdRng) -> String {
    let mut generator = Generator { random, text: String::new(), depth: 0 };
    generator.query();
    generator.text
}

/// The text without some of its tokens, others twice or elsewhere.
pub(super) fn without_some_tokens(text: &str, random: &mut StdRng) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens: Vec<String> = tokenize(text)
        .unwrap_or_default()
        .iter()
        .map(|token| characters[token.span.start..token.span.end].iter().collect())
        .collect();
    for _ in 0..random.random_range(1..4) {
        let (one, other) = (random.random_range(0..tokens.len()), random.random_range(0..tokens.len()));
        match random.random_range(0..3) {
            0 if tokens.len() > 1 => drop(tokens.remove(one)),
            1 => tokens.swap(one, other),
            _ => tokens.insert(other, tokens[one].clone()),
        }
    }
    tokens.join(" ")
}

/// The text without some of its characters, and with others.
pub(super) fn without_some_characters(text: &str, random: &mut StdRng) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let others: Vec<char> = "()[]{}<>-=!|&:.,;$`'\"\\*+/%^~0aé\u{0}\n".chars().collect();
    for _ in 0..random.random_range(1..5) {
        if characters.is_empty() {
            break;
        }
        let at = random.random_range(0..characters.len());
        match random.random_range(0..3) {
            0 => drop(characters.remove(at)),
            1 => characters.truncate(at),
            _ => characters.insert(at, others[random.random_range(0..others.len())]),
        }
    }
    characters.into_iter().collect()
}

struct Generator<'r> {
    random: &'r mut StdRng,
    text: String,
    depth: usize,
}

const MAX_DEPTH: usize = 4;

impl Generator<'_> {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.random.random_range(0..choices.len())]
    }

    /// A token, with blanks or a comment before it.
    fn put(&mut self, token: &str) {
        let blank = if self.chance(4) { self.pick(&["\n", " /* x */", "\t ", " // y\n"]) } else { " " };
        self.text.push_str(blank);
        self.text.push_str(token);
    }

    /// A keyword, in any case.
    fn word(&mut self, words: &str) {
        let lower = self.chance(20);
        for word in words.split(' ') {
            let word = if lower { word.to_lowercase() } else { word.to_string() };
            self.put(&word);
        }
    }

    fn name(&mut self) {
        let name = self.pick(&["a", "b", "n", "näme", "Total", "type", "`a b`", "`x``y`", "_1", "`match`"]);
        self.put(name);
    }

    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Self)) {
        for at in 0..self.random.random_range(1..=most) {
            if at > 0 {
                self.put(",");
            }
            item(self);
        }
    }

    fn query(&mut self) {
        let all = self.chance(50);
        let parts = if self.chance(15) { 2 } else { 1 };
        for part in 0..parts {
            if part > 0 {
                self.word(if all { "UNION ALL" } else { "UNION" });
            }
            self.part(parts == 1 && self.depth == 0);
        }
        if self.depth == 0 && self.chance(10) {
            self.put(";");
        }
    }

    fn part(&mut self, may_write: bool) {
        for _ in 0..self.random.random_range(0..3) {
            match self.random.random_range(0..4) {
                0 => {
                    self.word("UNWIND");
                    self.expression();
                    self.word("AS");
                    self.name();
                }
                1 => self.with(),
                _ => self.matching(),
            }
        }
        if may_write && self.chance(40) {
            for _ in 0..self.random.random_range(1..3) {
                self.writing();
            }
            if self.chance(50) {
                return;
            }
            if self.chance(30) {
                self.with();
                self.matching();
            }
        }
        self.word("RETURN");
        self.projection(false);
    }

    fn with(&mut self) {
        self.word("WITH");
        self.projection(true);
        self.filter();
    }

    fn matching(&mut self) {
        let words = self.pick(&["MATCH", "OPTIONAL MATCH"]);
        self.word(words);
        self.list(2, |generator| generator.path(Use::Match));
        self.filter();
    }

    fn filter(&mut self) {
        if self.chance(30) {
            self.word("WHERE");
            self.expression();
        }
    }

    /// A filter that `|` may follow, which would go on with a choice of labels.
    fn enclosed_filter(&mut self) {
        if self.chance(30) {
            self.word("WHERE");
            self.put("(");
            self.expression();
            self.put(")");
        }
    }

    fn writing(&mut self) {
        match self.random.random_range(0..5) {
            0 => {
                self.word("CREATE");
                self.list(2, |generator| generator.path(Use::Create));
            }
            1 => {
                self.word("MERGE");
                self.path(Use::Merge);
                for _ in 0..self.random.random_range(0..3) {
                    let words = self.pick(&["ON CREATE SET", "ON MATCH SET"]);
                    self.word(words);
                    self.list(2, Self::set_item);
                }
            }
            2 => {
                self.word("SET");
                self.list(3, Self::set_item);
            }
            3 => {
                self.word("REMOVE");
                self.list(2, |generator| {
                    generator.name();
                    let between = generator.pick(&[".", ":"]);
                    generator.put(between);
                    generator.name();
                });
            }
            _ => {
                let words = self.pick(&["DELETE", "DETACH DELETE"]);
                self.word(words);
                self.list(2, |generator| generator.name());
            }
        }
    }

    fn set_item(&mut self) {
        self.name();
        match self.random.random_range(0..4) {
            0 => {
                self.put(":");
                self.name();
                return;
            }
            1 => self.put("="),
            2 => self.put("+="),
            _ => {
                self.put(".");
                self.name();
                self.put("=");
            }
        }
        self.expression();
    }

    fn projection(&mut self, with: bool) {
        if self.chance(20) {
            self.word("DISTINCT");
        }
        if self.chance(10) {
            self.put("*");
        } else {
            self.list(3, |generator| {
                generator.expression();
                if with || generator.chance(40) {
                    generator.word("AS");
                    generator.name();
                }
            });
        }
        if self.chance(20) {
            self.word("ORDER BY");
            self.list(2, |generator| {
                generator.expression();
                let way = generator.pick(&["", "ASC", "DESC", "ASCENDING", "DESCENDING"]);
                generator.word(way);
            });
        }
        for word in ["SKIP", "LIMIT"] {
            if self.chance(15) {
                self.word(word);
                self.expression();
            }
        }
    }

    fn path(&mut self, of: Use) {
        if self.chance(15) && of != Use::Condition {
            self.name();
            self.put("=");
        }
        if self.chance(10) && of == Use::Match {
            let search = self.pick(&["shortestPath", "allShortestPaths"]);
            self.put(search);
            self.put("(");
            self.node(of);
            self.relationship(Use::Match);
            self.node(of);
            self.put(")");
            return;
        }
        self.node(of);
        let least = usize::from(matches!(of, Use::Condition | Use::Search));
        for _ in 0..self.random.random_range(least..3) {
            self.relationship(of);
            self.node(of);
        }
    }

    fn node(&mut self, of: Use) {
        self.put("(");
        if self.chance(60) {
            self.name();
        }
        if self.chance(50) {
            self.put(":");
            match of {
                Use::Create | Use::Merge => self.name(),
                _ => self.labels(),
            }
        }
        self.properties(of);
        self.put(")");
    }

    fn relationship(&mut self, of: Use) {
        let making = matches!(of, Use::Create | Use::Merge);
        let left = self.chance(30);
        if left {
            self.put("<");
        }
        self.put("-");
        if making || self.chance(70) {
            self.put("[");
            if self.chance(50) {
                self.name();
            }
            if making {
                self.put(":");
                self.name();
            } else if self.chance(60) {
                self.put(":");
                self.labels();
            }
            if !making && self.chance(30) {
                let length = self.pick(&["*", "*2", "*1..3", "*..3", "*2..", "*0..0"]);
                self.put(length);
            }
            self.properties(of);
            self.put("]");
        }
        self.put("-");
        if (of == Use::Create && !left) || (self.chance(50) && !(making && left)) {
            self.put(">");
        }
    }

    fn properties(&mut self, of: Use) {
        if self.chance(20) && self.depth < MAX_DEPTH {
            self.map();
        } else if of == Use::Create && self.chance(10) {
            self.put("$map");
        }
        if matches!(of, Use::Match | Use::Condition | Use::Search) && self.chance(5) {
            self.filter();
        }
    }

    fn labels(&mut self) {
        for _ in 0..self.random.random_range(0..3) {
            if self.chance(20) {
                self.put("!");
            }
            match self.random.random_range(0..6) {
                0 => self.put("%"),
                1 => {
                    self.put("(");
                    self.labels();
                    self.put(")");
                }
                _ => self.name(),
            }
            let between = self.pick(&["|", "|:", "&", ":"]);
            self.put(between);
        }
        self.name();
    }

    fn map(&mut self) {
        self.put("{");
        if self.chance(80) {
            self.list(3, |generator| {
                generator.name();
                generator.put(":");
                generator.expression();
            });
        }
        self.put("}");
    }

    fn expression(&mut self) {
        self.depth += 1;
        if self.depth > MAX_DEPTH || self.chance(35) {
            self.simple();
        } else {
            self.compound();
        }
        self.depth -= 1;
    }

    fn simple(&mut self) {
        let text = self.pick(&[
            "1",
            "0x1F",
            "0o7",
            "1.5",
            ".5e-3",
            "'x'",
            "\"y\\'z\\u00e9\"",
            "NULL",
            "TRUE",
            "false",
            "$p",
            "$1",
            "$`p q`",
            "a.b",
            "n.`x y`.z",
            "count(*)",
            "-1",
            "-9223372036854775808",
            "[]",
            "{}",
            "date()",
            "any",
            "n:A",
        ]);
        self.put(text);
    }

    fn compound(&mut self) {
        match self.random.random_range(0..20) {
            0..=4 => {
                self.put("(");
                self.expression();
                let operator = self.pick(&[
                    "+",
                    "-",
                    "*",
                    "/",
                    "%",
                    "^",
                    "=",
                    "<>",
                    "!=",
                    "<",
                    "<=",
                    ">",
                    ">=",
                    "=~",
                    "IN",
                    "AND",
                    "OR",
                    "XOR",
                    "STARTS WITH",
                    "ENDS WITH",
                    "CONTAINS",
                ]);
                self.word(operator);
                self.expression();
                self.put(")");
            }
            5 => {
                let operator = self.pick(&["( NOT", "( -", "( +"]);
                self.word(operator);
                self.put("(");
                self.expression();
                self.put("))");
            }
            6 => {
                self.put("(");
                self.expression();
                let test = self.pick(&["IS NULL", "IS NOT NULL"]);
                self.word(test);
                self.put(")");
            }
            7 => {
                self.put("[");
                self.list(3, Self::expression);
                self.put("]");
            }
            8 => self.map(),
            9 => self.lookup(),
            10 => self.comprehension(),
            11 => {
                let word = self.pick(&["any", "all", "none", "single"]);
                self.word(word);
                self.put("(");
                self.name();
                self.word("IN");
                self.expression();
                self.word("WHERE");
                self.expression();
                self.put(")");
            }
            12 => {
                self.put("reduce( acc =");
                self.expression();
                self.put(", x IN (");
                self.expression();
                self.put(")");
                self.put("|");
                self.expression();
                self.put(")");
            }
            // A dash behind it would go on with it.
            13 => {
                self.put("(");
                self.path(Use::Condition);
                self.put(")");
            }
            14 => {
                self.put("[");
                self.path(Use::Search);
                self.enclosed_filter();
                self.put("|");
                self.expression();
                self.put("]");
            }
            15 => {
                let word = self.pick(&["EXISTS", "COUNT"]);
                self.word(word);
                self.put("{");
                if self.chance(50) {
                    self.query();
                } else {
                    self.list(2, |generator| generator.path(Use::Match));
                    self.filter();
                }
                self.put("}");
            }
            16 => self.projected_map(),
            17 => self.case(),
            18 => {
                let function = self.pick(&["coalesce(", "duration.between(", "exists(", "count(DISTINCT", "`fg`("]);
                self.put(function);
                self.list(2, Self::expression);
                self.put(")");
            }
            _ => {
                self.put("(");
                self.expression();
                self.put("):");
                self.labels();
            }
        }
    }

    fn lookup(&mut self) {
        self.put("(");
        self.expression();
        self.put(")[");
        match self.random.random_range(0..4) {
            0 => self.expression(),
            1 => {
                self.expression();
                self.put("..");
            }
            2 => {
                self.put("..");
                self.expression();
            }
            _ => self.put(".."),
        }
        self.put("]");
        if self.chance(30) {
            self.put(".");
            self.name();
        }
    }

    fn comprehension(&mut self) {
        self.put("[");
        self.name();
        self.word("IN");
        self.put("(");
        self.expression();
        self.put(")");
        self.enclosed_filter();
        if self.chance(50) {
            self.put("|");
            self.expression();
        }
        self.put("]");
    }

    fn projected_map(&mut self) {
        self.name();
        self.put("{");
        self.list(3, |generator| match generator.random.random_range(0..4) {
            0 => generator.put(".*"),
            1 => {
                generator.put(".");
                generator.name();
            }
            2 => generator.name(),
            _ => {
                generator.name();
                generator.put(":");
                generator.expression();
            }
        });
        self.put("}");
    }

    fn case(&mut self) {
        self.word("CASE");
        if self.chance(40) {
            self.expression();
        }
        for _ in 0..self.random.random_range(1..3) {
            self.word("WHEN");
            self.expression();
            self.word("THEN");
            self.expression();
        }
        if self.chance(50) {
            self.word("ELSE");
            self.expression();
        }
        self.word("END");
    }
}

/// What a pattern is for, which decides what it may have.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Match,
    Create,
    Merge,
    /// A condition, which has a relationship at least and no name.
    Condition,
    /// A comprehension.
    Search,
}
