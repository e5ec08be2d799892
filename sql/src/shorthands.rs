//! Shorthands that sqlparser has no grammar for, in words that it has: `TABLE t`, `FORCE_QUOTE *`, the operator `@@@`, and
//! EXPLAIN of a query that begins with a parenthesis, which sqlparser takes for that of options.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use crate::text_search::OPERATOR;

/// The name that stands for all columns in the options of COPY.
pub(crate) const ALL_COLUMNS: &str = "*";

/// Writes shorthands out. What takes the place of a token stands where it stood.
pub(crate) fn expand(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut expanded = Vec::with_capacity(tokens.len());
    let mut before: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        let put = |part: Token| TokenWithSpan::new(part, token.span);
        match &token.token {
            Token::Word(word) if is_command(word, before, &tokens[at + 1..]) => {
                let blank = Token::Whitespace(Whitespace::Space);
                let from =
                    [Token::make_keyword("SELECT"), blank.clone(), Token::Mul, blank, Token::make_keyword("FROM")];
                expanded.extend(from.map(put));
            }
            Token::LParen if before.is_some_and(is_explain) && begins_query(&tokens[at..]) => {
                let blank = || Token::Whitespace(Whitespace::Space);
                let text = [Token::make_keyword("FORMAT"), blank(), Token::make_keyword("TEXT"), blank()];
                expanded.extend(text.map(put));
                expanded.push(token.clone());
            }
            // `@@@` is read as `@@` and `@`.
            Token::AtAt if tokens.get(at + 1).is_some_and(|next| next.token == Token::AtSign) => {
                expanded.push(put(Token::CustomBinaryOperator(OPERATOR.to_string())));
            }
            Token::AtSign if at > 0 && tokens[at - 1].token == Token::AtAt => {}
            Token::Mul if before.is_some_and(is_force) => {
                let all = Token::make_word(ALL_COLUMNS, Some('"'));
                expanded.extend([Token::LParen, all, Token::RParen].map(put));
            }
            _ => expanded.push(token.clone()),
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            before = Some(&token.token);
        }
    }
    expanded
}

/// Whether a word is the TABLE of `TABLE t`, which stands where a query may begin.
fn is_command(word: &Word, before: Option<&Token>, after: &[TokenWithSpan]) -> bool {
    if word.keyword != Keyword::TABLE || word.quote_style.is_some() {
        return false;
    }
    let next = after.iter().find(|token| !matches!(token.token, Token::Whitespace(_))).map(|token| &token.token);
    let name = match next {
        Some(Token::Word(name)) => name,
        _ => return false,
    };
    match before {
        None | Some(Token::LParen) => true,
        Some(Token::Word(before)) => match before.keyword {
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::ALL | Keyword::EXPLAIN => true,
            // `SELECT 1 AS table FROM t` has another word behind it.
            Keyword::AS => name.quote_style.is_some() || name.keyword == Keyword::NoKeyword,
            _ => false,
        },
        _ => false,
    }
}

fn is_explain(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword == Keyword::EXPLAIN && word.quote_style.is_none())
}

/// Whether parentheses open around a query.
fn begins_query(tokens: &[TokenWithSpan]) -> bool {
    let mut inner = tokens.iter().map(|token| &token.token);
    let first = inner.find(|token| !matches!(token, Token::Whitespace(_) | Token::LParen));
    let queries = [Keyword::SELECT, Keyword::WITH, Keyword::VALUES, Keyword::TABLE];
    matches!(first, Some(Token::Word(word)) if word.quote_style.is_none() && queries.contains(&word.keyword))
}

fn is_force(token: &Token) -> bool {
    let forces = ["force_quote", "force_null", "force_not_null"];
    matches!(token, Token::Word(word) if forces.iter().any(|force| word.value.eq_ignore_ascii_case(force)))
}

#[cfg(test)]
mod tests {
    use crate::statement::{Command, parse};

    #[test]
    fn shorthands_are_written_out() {
        for (short, long) in [
            ("TABLE t", "SELECT * FROM t"),
            ("TABLE \"Odd\" UNION ALL TABLE b", "SELECT * FROM \"Odd\" UNION ALL SELECT * FROM b"),
            ("CREATE TABLE a AS TABLE b", "CREATE TABLE a AS SELECT * FROM b"),
            ("SELECT a @@@ 'b' AND c@@@'d'", "SELECT a @@@ 'b' AND c @@@ 'd'"),
            ("SELECT a @@ 'b'", "SELECT a @@ 'b'"),
            ("SELECT 1 AS table FROM t", "SELECT 1 AS table FROM t"),
            (
                "EXPLAIN ((SELECT 1) UNION ALL (TABLE t))",
                "EXPLAIN FORMAT TEXT ((SELECT 1) UNION ALL (SELECT * FROM t))",
            ),
            ("EXPLAIN (VERBOSE) (SELECT 1)", "EXPLAIN (VERBOSE) (SELECT 1)"),
            ("COPY t TO STDOUT (FORCE_QUOTE *)", "COPY t TO STDOUT (FORCE_QUOTE (\"*\"))"),
        ] {
            let [short, long] = [short, long].map(|sql| {
                let statements = parse(sql).expect(sql);
                let Command::Sql(statement) = statements[0].command() else { panic!("{sql}") };
                statement.to_string()
            });
            assert_eq!(short, long);
        }
    }
}
