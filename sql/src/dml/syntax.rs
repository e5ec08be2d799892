//! Postgres's DML where sqlparser has no grammar for it, said in tokens that it has.
//!
//! * `OVERRIDING SYSTEM VALUE` and `OVERRIDING USER VALUE`, and the condition of `ON CONFLICT (...) WHERE ...`, are taken
//!   out and given back to the INSERT that they stood in ([`Marks::attach`]), as hints, which Postgres does not have.
//! * `WHEN ... THEN DO NOTHING` and `INSERT DEFAULT VALUES` of MERGE become an UPDATE or INSERT of a column that cannot be
//!   ([`NOTHING`]), and an INSERT of one DEFAULT.
//! * `FOR NO KEY UPDATE` and `FOR KEY SHARE` become FOR UPDATE and FOR SHARE, which are the same here; `OF a, b` becomes two
//!   clauses; and a LIMIT behind a locking clause moves in front of it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, MergeAction, OptimizerHint, OptimizerHintStyle, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Whitespace};

/// The column that MERGE's DO NOTHING assigns to. No statement can name it by accident.
pub(crate) const NOTHING: &str = "?nothing";

const OVERRIDING: &str = "overriding";
const ARBITER_CONDITION: &str = "arbiter";

/// Whose value an INSERT takes for identity columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overriding {
    /// The statement's, though the column is GENERATED ALWAYS.
    System,
    /// The sequence's, though the statement has one.
    User,
}

/// What was taken out of a statement's tokens.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

#[derive(Debug)]
struct Mark {
    /// Where the INSERT begins that it belongs to.
    insert: Location,
    kind: &'static str,
    text: String,
}

/// The tokens in words that the parser knows, and what had to be taken out.
pub(crate) fn rewrite(tokens: &[TokenWithSpan]) -> (Vec<TokenWithSpan>, Marks) {
    if !tokens.iter().any(is_trigger) {
        return (tokens.to_vec(), Marks::default());
    }
    let mut marks = Marks::default();
    let tokens = without_overriding(tokens, &mut marks);
    let tokens = without_arbiter_condition(tokens, &mut marks);
    let tokens = merge_actions(tokens);
    (lock_clauses(tokens), marks)
}

fn is_trigger(token: &TokenWithSpan) -> bool {
    ["overriding", "conflict", "merge", "key", "of", "share", "update"].iter().any(|word| is_word(token, word))
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

/// Where the words stand, one after the other from `start` on, if they do; the position behind them.
fn words(tokens: &[TokenWithSpan], start: usize, expected: &[&str]) -> Option<usize> {
    let mut position = start;
    for word in expected {
        position = next(tokens, position)?;
        if !is_word(&tokens[position], word) {
            return None;
        }
        position += 1;
    }
    Some(position)
}

/// The position of the first token from `start` on that is not white space.
fn next(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    (start..tokens.len()).find(|position| !is_space(&tokens[*position]) && tokens[*position].token != Token::EOF)
}

fn keyword(word: &str, like: &TokenWithSpan) -> [TokenWithSpan; 2] {
    [TokenWithSpan::new(Token::make_keyword(word), like.span), space(like)]
}

fn space(like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::Whitespace(Whitespace::Space), like.span)
}

fn without_overriding(tokens: &[TokenWithSpan], marks: &mut Marks) -> Vec<TokenWithSpan> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut insert = None;
    let mut position = 0;
    while position < tokens.len() {
        let token = &tokens[position];
        if is_word(token, "insert") {
            insert = Some(token.span.start);
        }
        let found = insert.and_then(|insert| {
            let system = words(tokens, position, &["overriding", "system", "value"]).map(|end| (end, "system"));
            let user = || words(tokens, position, &["overriding", "user", "value"]).map(|end| (end, "user"));
            let (end, text) = system.or_else(user)?;
            Some((end, Mark { insert, kind: OVERRIDING, text: text.to_string() }))
        });
        match found {
            Some((end, mark)) if !is_space(token) => {
                marks.0.push(mark);
                position = end;
            }
            _ => {
                kept.push(token.clone());
                position += 1;
            }
        }
    }
    kept
}

fn without_arbiter_condition(tokens: Vec<TokenWithSpan>, marks: &mut Marks) -> Vec<TokenWithSpan> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut insert = None;
    let mut position = 0;
    while position < tokens.len() {
        let token = &tokens[position];
        if is_word(token, "insert") {
            insert = Some(token.span.start);
        }
        if let (Some(insert), true) = (insert, is_word(token, "conflict"))
            && let Some((start, end)) = arbiter_condition(&tokens, position + 1)
        {
            let text = tokens[start + 1..end].iter().map(|token| token.token.to_string()).collect();
            marks.0.push(Mark { insert, kind: ARBITER_CONDITION, text });
            kept.extend_from_slice(&tokens[position..start]);
            position = end;
            continue;
        }
        kept.push(token.clone());
        position += 1;
    }
    kept
}

/// Where `WHERE condition` stands between the columns of a conflict target and DO.
fn arbiter_condition(tokens: &[TokenWithSpan], after_conflict: usize) -> Option<(usize, usize)> {
    let open = next(tokens, after_conflict)?;
    if tokens[open].token != Token::LParen {
        return None;
    }
    let close = closing(tokens, open)?;
    let start = next(tokens, close + 1)?;
    if !is_word(&tokens[start], "where") {
        return None;
    }
    let mut depth = 0;
    for position in start..tokens.len() {
        match &tokens[position].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let is_action =
            words(tokens, position, &["do", "nothing"]).or_else(|| words(tokens, position, &["do", "update"]));
        if depth == 0 && is_action.is_some() {
            return Some((start, position));
        }
    }
    None
}

/// The parenthesis that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0;
    (open..tokens.len()).find(|position| {
        match &tokens[*position].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn merge_actions(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(token, "merge")) {
        return tokens;
    }
    let mut said = Vec::with_capacity(tokens.len());
    let mut has_row = true;
    let mut position = 0;
    while position < tokens.len() {
        let token = &tokens[position];
        if is_word(token, "when") {
            has_row = words(&tokens, position, &["when", "not", "matched"]).is_none()
                || words(&tokens, position, &["when", "not", "matched", "by", "source"]).is_some();
        }
        let after_then = is_word(token, "then").then_some(position + 1);
        if let Some(end) = after_then.and_then(|start| words(&tokens, start, &["do", "nothing"])) {
            said.extend(keyword("THEN", token));
            said.extend(nothing(has_row, token));
            position = end;
        } else if let Some(end) = after_then.and_then(|start| words(&tokens, start, &["insert", "default", "values"])) {
            for word in ["THEN", "INSERT", "VALUES"] {
                said.extend(keyword(word, token));
            }
            said.push(TokenWithSpan::new(Token::LParen, token.span));
            said.extend(keyword("DEFAULT", token));
            said.push(TokenWithSpan::new(Token::RParen, token.span));
            position = end;
        } else {
            said.push(token.clone());
            position += 1;
        }
    }
    said
}

/// `UPDATE SET "?nothing" = 0`, or `INSERT ("?nothing") VALUES (0)` where there is no row to update.
fn nothing(has_row: bool, like: &TokenWithSpan) -> Vec<TokenWithSpan> {
    let token = |token: Token| TokenWithSpan::new(token, like.span);
    let column = token(Token::make_word(NOTHING, Some('"')));
    let zero = token(Token::Number("0".to_string(), false));
    let mut said = Vec::new();
    if has_row {
        said.extend(keyword("UPDATE", like));
        said.extend(keyword("SET", like));
        said.extend([column, token(Token::Eq), zero]);
    } else {
        said.extend(keyword("INSERT", like));
        said.extend([token(Token::LParen), column, token(Token::RParen)]);
        said.extend(keyword("VALUES", like));
        said.extend([token(Token::LParen), zero, token(Token::RParen)]);
    }
    said
}

/// A locking clause: where it ends, and what stands for it.
struct LockClause {
    end: usize,
    said: Vec<TokenWithSpan>,
}

fn lock_clauses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut said = Vec::with_capacity(tokens.len());
    // Clauses that a LIMIT follows wait for its end.
    let mut waiting: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut depth = 0;
    let mut position = 0;
    while position < tokens.len() {
        let token = &tokens[position];
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                release(&mut waiting, depth, &mut said);
                depth -= 1;
            }
            _ if is_word(token, "on") || is_word(token, "returning") => release(&mut waiting, depth, &mut said),
            _ => {}
        }
        match lock_clause(&tokens, position) {
            Some(clause) => {
                let limit = next(&tokens, clause.end)
                    .is_some_and(|next| ["limit", "offset", "fetch"].iter().any(|word| is_word(&tokens[next], word)));
                if limit || waiting.iter().any(|(at, _)| *at == depth) {
                    waiting.push((depth, clause.said));
                } else {
                    said.extend(clause.said);
                }
                position = clause.end;
            }
            None => {
                said.push(token.clone());
                position += 1;
            }
        }
    }
    release(&mut waiting, 0, &mut said);
    said
}

fn release(waiting: &mut Vec<(usize, Vec<TokenWithSpan>)>, depth: usize, said: &mut Vec<TokenWithSpan>) {
    let (now, later) = std::mem::take(waiting).into_iter().partition(|(at, _)| *at >= depth);
    *waiting = later;
    let now: Vec<(usize, Vec<TokenWithSpan>)> = now;
    for (_, clause) in now {
        if let Some(first) = clause.first() {
            said.push(space(first));
        }
        said.extend(clause);
    }
}

fn lock_clause(tokens: &[TokenWithSpan], start: usize) -> Option<LockClause> {
    let first = &tokens[start];
    if !is_word(first, "for") {
        return None;
    }
    let strengths: [(&[&str], &str); 4] = [
        (&["for", "no", "key", "update"], "UPDATE"),
        (&["for", "key", "share"], "SHARE"),
        (&["for", "update"], "UPDATE"),
        (&["for", "share"], "SHARE"),
    ];
    let (mut end, strength) =
        strengths.iter().find_map(|(expected, strength)| Some((words(tokens, start, expected)?, *strength)))?;
    let head = || [keyword("FOR", first), keyword(strength, first)].concat();
    let mut said = head();
    if let Some(mut name) = words(tokens, end, &["of"]) {
        said.extend(keyword("OF", first));
        while let Some(part) = next(tokens, name) {
            said.push(tokens[part].clone());
            name = part + 1;
            let Some(behind) = next(tokens, name) else { break };
            match tokens[behind].token {
                Token::Period => said.push(tokens[behind].clone()),
                Token::Comma => {
                    said.push(space(first));
                    said.extend(head());
                    said.extend(keyword("OF", first));
                }
                _ => break,
            }
            name = behind + 1;
        }
        end = name;
    }
    for waiting in [&["nowait"][..], &["skip", "locked"]] {
        if let Some(behind) = words(tokens, end, waiting) {
            said.push(space(first));
            said.extend(waiting.iter().flat_map(|word| keyword(&word.to_uppercase(), first)));
            end = behind;
        }
    }
    Some(LockClause { end, said })
}

impl Marks {
    /// Gives what was taken out back to the statements it stood in.
    pub(crate) fn attach(&self, statement: &mut ast::Statement) {
        if !self.0.is_empty() {
            let _ = statement.visit(&mut Attach(self));
        }
    }
}

struct Attach<'a>(&'a Marks);

impl VisitorMut for Attach<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &mut ast::Statement) -> ControlFlow<()> {
        match statement {
            ast::Statement::Insert(insert) => {
                let start = insert.insert_token.0.span.start;
                let marks = self.0.0.iter().filter(|mark| mark.insert == start);
                insert.optimizer_hints.extend(marks.map(|mark| OptimizerHint {
                    prefix: mark.kind.to_string(),
                    text: mark.text.clone(),
                    style: OptimizerHintStyle::MultiLine,
                }));
            }
            ast::Statement::Merge(merge) => {
                for clause in &mut merge.clauses {
                    if let MergeAction::Insert(insert) = &mut clause.action {
                        let start = insert.insert_token.0.span.start;
                        let mark = self.0.0.iter().find(|mark| mark.insert == start);
                        insert.insert_predicate = mark.map(|mark| Expr::Identifier(Ident::new(mark.text.clone())));
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What an INSERT says about its identity columns.
pub(crate) fn overriding(insert: &ast::Insert) -> Option<Overriding> {
    hint(insert, OVERRIDING).and_then(overriding_word)
}

/// What an INSERT of a MERGE says about its identity columns.
pub(crate) fn merge_overriding(insert: &ast::MergeInsertExpr) -> Option<Overriding> {
    match &insert.insert_predicate {
        Some(Expr::Identifier(word)) => overriding_word(&word.value),
        _ => None,
    }
}

fn overriding_word(word: &str) -> Option<Overriding> {
    match word {
        "system" => Some(Overriding::System),
        "user" => Some(Overriding::User),
        _ => None,
    }
}

/// The condition of the unique index that ON CONFLICT means.
pub(crate) fn arbiter_predicate(insert: &ast::Insert) -> Option<&str> {
    hint(insert, ARBITER_CONDITION)
}

fn hint<'a>(insert: &'a ast::Insert, kind: &str) -> Option<&'a str> {
    insert.optimizer_hints.iter().find(|hint| hint.prefix == kind).map(|hint| hint.text.as_str())
}

/// Whether an action of MERGE is DO NOTHING.
pub(crate) fn is_nothing(action: &MergeAction) -> bool {
    let name = match action {
        MergeAction::Update(update) => match update.assignments.first().map(|assignment| &assignment.target) {
            Some(ast::AssignmentTarget::ColumnName(name)) => name,
            _ => return false,
        },
        MergeAction::Insert(insert) => match insert.columns.first() {
            Some(name) => name,
            None => return false,
        },
        MergeAction::Delete { .. } => return false,
    };
    name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.value == NOTHING)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::statement::{Command, DIALECT, parse};

    fn said(sql: &str) -> String {
        let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().expect(sql);
        let text: String = rewrite(&tokens).0.iter().map(|token| token.token.to_string()).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn statement(sql: &str) -> ast::Statement {
        let statements = parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let Command::Sql(statement) = statements[0].command() else { panic!("{sql}") };
        statement.as_ref().clone()
    }

    #[test]
    fn overriding_belongs_to_its_insert() {
        for (sql, expected) in [
            ("insert into t (a) overriding system value values (1)", Some(Overriding::System)),
            ("insert into t overriding user value select 1", Some(Overriding::User)),
            ("insert into t values (1)", None),
        ] {
            let ast::Statement::Insert(insert) = statement(sql) else { panic!("{sql}") };
            assert_eq!(overriding(&insert), expected, "{sql}");
        }
    }

    #[test]
    fn the_condition_of_an_arbiter_is_kept() {
        let sql = "insert into t values (1) on conflict (a) where (b > 0) and c do update set b = 1 where t.b < 2";
        let ast::Statement::Insert(insert) = statement(sql) else { panic!("{sql}") };
        assert_eq!(arbiter_predicate(&insert).map(str::trim), Some("(b > 0) and c"));
    }

    #[test]
    fn merge_can_do_nothing() {
        let sql = "merge into t using s on t.a = s.a when matched and s.b = 1 then do nothing \
                   when not matched then insert default values when not matched by source then do nothing";
        let ast::Statement::Merge(merge) = statement(sql) else { panic!("{sql}") };
        let nothing: Vec<bool> = merge.clauses.iter().map(|clause| is_nothing(&clause.action)).collect();
        assert_eq!(nothing, [true, false, true]);
    }

    #[test]
    fn locking_clauses_are_said_with_two_strengths() {
        for (sql, expected) in [
            ("select * from t for no key update", "select * from t FOR UPDATE"),
            ("select * from t for key share of t nowait", "select * from t FOR SHARE OF t NOWAIT"),
            (
                "select 1 from a, b for update of a, s.b skip locked",
                "select 1 from a, b FOR UPDATE OF a FOR UPDATE OF s.b SKIP LOCKED",
            ),
            ("select * from t for update limit 1", "select * from t limit 1 FOR UPDATE"),
            (
                "select (select a from t for update skip locked limit 1) x",
                "select (select a from t limit 1 FOR UPDATE SKIP LOCKED ) x",
            ),
        ] {
            assert_eq!(said(sql), expected);
            statement(sql);
        }
    }
}
