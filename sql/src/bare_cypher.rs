//! Cypher that stands by itself in a message, without `cypher()` around it.
//!
//! Cypher has other lexical rules than SQL (backticks, `//`, strings in double quotes, arrows that look like SQL's comments), so
//! such a statement must be cut out of the message before SQL's tokenizer sees it. [`Masked`] finds where statements begin,
//! knows Cypher by its first words, and puts one word in the place of its text and blanks around that, so that everything
//! else keeps its place. When the rest is tokenised, that word becomes `SELECT * FROM "?cypher"('...')`, which
//! [`crate::graph::relation`] plans over the session's graph. So a Cypher statement is planned, kept and run as any query.
//!
//! It is found at the beginning of a statement, and behind `EXPLAIN`, `PREPARE ... AS`, `DECLARE ... FOR` and `COPY (`.
//!
//! | words | Cypher | otherwise |
//! |---|---|---|
//! | `MATCH`, `UNWIND`, `RETURN`, `DETACH`, `REMOVE`, `FOREACH` | always | |
//! | `OPTIONAL` | before `MATCH` | |
//! | `LOAD` | before `CSV` | loads a library |
//! | `CREATE`, `MERGE` | before `(`, or a name and `=` | SQL's own |
//! | `CALL` | before `{` | calls a procedure |
//! | `WITH` | where no common table expression follows: `[RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] (` | |

use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use slipstream_graph_language::extent::extent;

/// The function that a bare Cypher statement becomes. Nobody can name it by accident.
pub(crate) const FUNCTION: &str = "?cypher";

/// How many words may stand between `DECLARE` and `FOR`, and the like.
const HEAD: usize = 16;

/// A message whose Cypher is hidden from SQL's tokenizer.
pub(crate) struct Masked<'a> {
    /// The message, with a word in the place of every Cypher text.
    pub(crate) text: Cow<'a, str>,
    stretches: Vec<Stretch<'a>>,
}

/// A Cypher text, and where it stands.
struct Stretch<'a> {
    text: &'a str,
    start: Location,
    end: Location,
}

impl<'a> Masked<'a> {
    /// Finds and hides the Cypher of a message.
    pub(crate) fn new(sql: &'a str) -> Self {
        let found = Scanner { text: sql, at: 0 }.cypher();
        if found.is_empty() {
            return Masked { text: Cow::Borrowed(sql), stretches: Vec::new() };
        }
        let mut text = String::with_capacity(sql.len());
        let mut stretches = Vec::with_capacity(found.len());
        let mut place = Location { line: 1, column: 1 };
        let mut done = 0;
        for (start, end) in found {
            text.push_str(&sql[done..start]);
            advance(&mut place, &sql[done..start]);
            let cypher = &sql[start..end];
            let from = place;
            advance(&mut place, cypher);
            stretches.push(Stretch { text: cypher, start: from, end: place });
            text.push('x');
            text.extend(cypher.chars().skip(1).map(|hidden| if hidden == '\n' { '\n' } else { ' ' }));
            done = end;
        }
        text.push_str(&sql[done..]);
        Masked { text: Cow::Owned(text), stretches }
    }

    /// Puts queries into the places of the Cypher texts.
    pub(crate) fn expand(&self, tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
        if self.stretches.is_empty() {
            return tokens;
        }
        let mut expanded = Vec::with_capacity(tokens.len() + 8 * self.stretches.len());
        let mut stretches = self.stretches.iter().peekable();
        for token in tokens {
            match stretches.next_if(|stretch| stretch.start == token.span.start) {
                Some(stretch) => expanded.extend(stretch.query()),
                None => expanded.push(token),
            }
        }
        expanded
    }
}

impl Stretch<'_> {
    fn query(&self) -> impl Iterator<Item = TokenWithSpan> {
        let (beginning, whole) = (Span::new(self.start, self.start), Span::new(self.start, self.end));
        [
            (Token::make_keyword("SELECT"), beginning),
            (Token::Mul, beginning),
            (Token::make_keyword("FROM"), beginning),
            (Token::make_word(FUNCTION, Some('"')), beginning),
            (Token::LParen, beginning),
            (Token::SingleQuotedString(self.text.to_string()), beginning),
            (Token::RParen, whole),
        ]
        .into_iter()
        .map(|(token, span)| TokenWithSpan::new(token, span))
    }
}

/// Moves a place over a text. The tokenizer counts the same way.
fn advance(place: &mut Location, text: &str) {
    for character in text.chars() {
        if character == '\n' {
            place.line += 1;
            place.column = 1;
        } else {
            place.column += 1;
        }
    }
}

/// Reads a message only as far as it takes to find where its statements begin.
#[derive(Clone)]
struct Scanner<'a> {
    text: &'a str,
    /// The next byte.
    at: usize,
}

impl Scanner<'_> {
    /// The Cypher texts of a message, as bytes from and to.
    fn cypher(mut self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        while self.at < self.text.len() {
            if let Some((start, enclosed)) = self.cypher_start() {
                let whole = &self.text[start..start + extent(&self.text[start..], enclosed)];
                self.at = start + whole.len();
                found.push((start, start + whole.trim_end().len()));
            }
            self.skip_statement();
        }
        found
    }

    /// Where the Cypher text of the statement begins that is next, and whether parentheses are around it.
    fn cypher_start(&self) -> Option<(usize, bool)> {
        let mut head = self.clone();
        let mut enclosed = false;
        head.skip_blanks();
        let start = head.clone();
        if head.word("EXPLAIN") {
            while head.word("ANALYZE") || head.word("VERBOSE") {}
            head.skip_parentheses();
        } else if head.word("PREPARE") || head.word("DECLARE") {
            let last = if start.clone().word("PREPARE") { "AS" } else { "FOR" };
            head.skip_to(last)?;
        } else if head.word("COPY") {
            head.symbol('(').then_some(())?;
            enclosed = true;
        }
        head.skip_blanks();
        let begins = head.at;
        // Comments of Cypher belong to it.
        head.skip_comments_of_cypher();
        head.begins_cypher().then_some((begins, enclosed))
    }

    /// Whether the next words are Cypher's.
    fn begins_cypher(&mut self) -> bool {
        let Some(word) = self.next_word() else { return false };
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if ["MATCH", "UNWIND", "RETURN", "DETACH", "REMOVE", "FOREACH"].into_iter().any(is) {
            return true;
        }
        match () {
            () if is("OPTIONAL") => self.word("MATCH"),
            () if is("LOAD") => self.word("CSV"),
            () if is("CALL") => self.symbol('{'),
            () if is("CREATE") || is("MERGE") => {
                self.clone().symbol('(') || (self.next_word().is_some() && self.symbol('='))
            }
            () if is("WITH") => !self.common_table_expression(),
            () => false,
        }
    }

    /// Whether what follows WITH is SQL's.
    fn common_table_expression(&mut self) -> bool {
        let mut plain = self.clone();
        if plain.word("RECURSIVE") && plain.named_query() {
            return true;
        }
        self.named_query()
    }

    /// `name [(columns)] AS [[NOT] MATERIALIZED] (`
    fn named_query(&mut self) -> bool {
        if !self.quoted() && self.next_word().is_none() {
            return false;
        }
        self.skip_parentheses();
        if !self.word("AS") {
            return false;
        }
        let _ = self.word("NOT");
        let _ = self.word("MATERIALIZED");
        self.symbol('(')
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn starts_with(&self, text: &str) -> bool {
        self.text[self.at..].starts_with(text)
    }

    /// White space and the comments of SQL.
    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start().len();
            if self.starts_with("--") {
                self.skip_past("\n");
            } else if self.starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_comments_of_cypher(&mut self) {
        while self.starts_with("//") {
            self.skip_past("\n");
            self.skip_blanks();
        }
    }

    /// Goes behind the next place of `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        let rest = &self.text[self.at..];
        self.at += rest.find(end).map_or(rest.len(), |found| found + end.len());
    }

    /// Comments of SQL nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.skip_character();
            }
        }
    }

    fn skip_character(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Takes the next word.
    fn next_word(&mut self) -> Option<&str> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let length = rest.find(|next: char| !is_word_part(next)).unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| &rest[..length])
    }

    /// Takes the next word if it is this one.
    fn word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.next_word().is_some_and(|next| next.eq_ignore_ascii_case(word));
        if !found {
            self.at = before;
        }
        found
    }

    /// Takes the next character if it is this one.
    fn symbol(&mut self, symbol: char) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(symbol);
        if found {
            self.skip_character();
        }
        found
    }

    /// Takes a name in double quotes.
    fn quoted(&mut self) -> bool {
        self.skip_blanks();
        let found = self.starts_with("\"");
        if found {
            self.skip_piece();
        }
        found
    }

    /// Takes what stands between parentheses, if some open here.
    fn skip_parentheses(&mut self) {
        if !self.symbol('(') {
            return;
        }
        let mut depth = 1;
        while depth > 0 && self.at < self.text.len() {
            match self.peek() {
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(';') => return,
                _ => {}
            }
            self.skip_piece();
        }
    }

    /// Goes behind a word that comes soon.
    fn skip_to(&mut self, word: &str) -> Option<()> {
        for _ in 0..HEAD {
            if self.word(word) {
                return Some(());
            }
            if self.clone().symbol('(') {
                self.skip_parentheses();
            } else if !self.quoted() {
                self.next_word()?;
            }
        }
        None
    }

    /// Goes behind the semicolon that ends the statement.
    fn skip_statement(&mut self) {
        while let Some(next) = self.peek() {
            self.skip_piece();
            if next == ';' {
                return;
            }
        }
    }

    /// Takes a comment, a string, a quoted name, a word, or else one character.
    fn skip_piece(&mut self) {
        match self.peek() {
            Some('\'') => self.skip_quoted('\'', false),
            Some('"') => self.skip_quoted('"', false),
            Some('$') => self.skip_dollar_quoted(),
            Some('-') if self.starts_with("--") => self.skip_past("\n"),
            Some('/') if self.starts_with("/*") => self.skip_block_comment(),
            Some(first) if is_word_part(first) => {
                let rest = &self.text[self.at..];
                let length = rest.find(|next: char| !is_word_part(next) && next != '$').unwrap_or(rest.len());
                self.at += length;
                if rest[..length].eq_ignore_ascii_case("e") && self.peek() == Some('\'') {
                    self.skip_quoted('\'', true);
                }
            }
            _ => self.skip_character(),
        }
    }

    /// A doubled quote goes in as an end and a beginning.
    fn skip_quoted(&mut self, quote: char, escapes: bool) {
        self.at += 1;
        while let Some(next) = self.peek() {
            self.skip_character();
            if next == quote {
                return;
            }
            if escapes && next == '\\' {
                self.skip_character();
            }
        }
    }

    /// `$tag$ ... $tag$`, or a parameter.
    fn skip_dollar_quoted(&mut self) {
        let rest = &self.text[self.at + 1..];
        let length = rest.find(|next: char| !is_word_part(next)).unwrap_or(rest.len());
        let parameter = rest.starts_with(|first: char| first.is_ascii_digit());
        if parameter || !rest[length..].starts_with('$') {
            self.at += 1 + length;
            return;
        }
        let tag = &self.text[self.at..self.at + length + 2];
        self.at += tag.len();
        self.skip_past(tag);
    }
}

fn is_word_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::Masked;

    fn cypher(sql: &str) -> Vec<&str> {
        let masked = Masked::new(sql);
        assert_eq!(masked.text.chars().count(), sql.chars().count(), "{sql}");
        masked.stretches.iter().map(|stretch| stretch.text).collect()
    }

    #[test]
    fn cypher_is_known_by_its_first_words() {
        for sql in [
            "MATCH (a) RETURN a",
            "optional match (a) RETURN a",
            "UNWIND [1] AS x RETURN x",
            "RETURN 1",
            "WITH 1 AS x RETURN x",
            "WITH date('2020-01-01') AS d RETURN d",
            "WITH [1, 2] AS l RETURN l",
            "CREATE (a:person)",
            "CREATE p = (a)-[:knows]->(b)",
            "MERGE (a:person {id: 1})",
            "DETACH DELETE n",
            "CALL { MATCH (a) RETURN a } RETURN a",
            "LOAD CSV FROM 'x' AS row RETURN row",
            "// not SQL's -- comment\nMATCH (a) RETURN a",
        ] {
            assert_eq!(cypher(sql), [sql]);
        }
    }

    #[test]
    fn sql_stays_sql() {
        for sql in [
            "SELECT 1",
            "with x as (select 1) select * from x",
            "with recursive x(n) as (select 1) select * from x",
            "with \"x y\" (a, b) as not materialized (select 1) select 1",
            "with recursive as (select 1) select * from recursive",
            "create table match (a int)",
            "merge into t using s on true when matched then delete",
            "load 'age'",
            "call p()",
            "create view v as select 1",
            "prepare p as select 1",
            "declare c cursor for select 1",
            "copy (select 1) to stdout",
            "copy t from stdin",
            "select $$ ; match (a) return a $$, 'x;', e'\\';match', \"a;b\" -- ;\n /* ; /* ; */ match */",
            "select a$1, $1, a$b$ from t; ; -- match",
        ] {
            assert!(cypher(sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn cypher_is_cut_by_its_own_rules() {
        let sql = "SELECT ';' ; MATCH (a {n: \"it's;\"})-->(`b;`) // don't\n RETURN a.x ;\n-- end\nRETURN 2;select 3";
        assert_eq!(cypher(sql), ["MATCH (a {n: \"it's;\"})-->(`b;`) // don't\n RETURN a.x", "RETURN 2"]);
    }

    #[test]
    fn some_statements_take_cypher() {
        for (sql, expected) in [
            ("EXPLAIN ANALYZE RETURN 1", "RETURN 1"),
            ("explain (analyze, verbose) match (a) return a", "match (a) return a"),
            ("prepare p (int, text) as match (a) return a;", "match (a) return a"),
            ("declare \"c;\" no scroll cursor with hold for match (a) return a", "match (a) return a"),
            ("copy (match (a) return a.b) to stdout", "match (a) return a.b"),
        ] {
            assert_eq!(cypher(sql), [expected]);
        }
    }
}
