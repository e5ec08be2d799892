//! `GRAPH_TABLE (graph MATCH ... WHERE ... COLUMNS (...))` in FROM: SQL/PGQ's way to ask a graph.
//!
//! It is said in words that the rest of the planner knows:
//!
//! ```sql
//! FROM GRAPH_TABLE (g MATCH (a IS person WHERE a.age > 30)-[e]->(b) WHERE e.since > a.age COLUMNS (a.name, upper(b.name) AS friend))
//! FROM (SELECT a.name, upper(b.name) AS friend FROM "?graph_table"('...') WHERE (a.age > 30) AND (e.since > a.age))
//! ```
//!
//! 1. [`parse`](GraphTable::parse) reads the text between the parentheses from sqlparser's tokens: the graph's name, the pattern as
//!    a syntax tree ([`pattern`]; the same tree as Cypher's, with names folded as SQL folds them), and where conditions and
//!    columns stand.
//! 2. [`expand()`] puts the subquery into the place of the tokens. Conditions and columns are the user's own tokens, so that they are
//!    parsed, rewritten and planned as any SQL, and errors point at them.
//! 3. While planning, [`crate::graph::graph_table`] reads the text again and plans the pattern: a relation with a column for each
//!    property that conditions and columns name, qualified with the variable (`a.name`).
//! 4. Conditions that mean the same to the index become part of the pattern before that ([`conditions`]); all others are
//!    filters over its rows.
//!
//! An outer column in a condition or a column makes it a LATERAL subquery, as GRAPH_TABLE is.
//!
//! Paths are walks: an edge may be used again, unless the pattern says TRAIL, or MATCH DIFFERENT EDGES.

pub(crate) mod conditions;
mod expand;
mod pattern;
mod pieces;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use slipstream_engine::catalog::DEFAULT_SCHEMA;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::lexer::Span;
use slipstream_graph_language::syntax::{
    Clause, Expression, ExpressionKind, Item, Match, Name, Part, Projection, Query,
};

use self::pattern::Read;
use self::pieces::{ColumnName, Pieces, folded};
use crate::graph::graph_table::Elements;
use crate::source::SourceText;
use crate::statement::{self, DIALECT};

pub(crate) use expand::expand;

/// The function that takes the place of the pattern. Nobody can name it by accident.
pub(crate) const FUNCTION: &str = "?graph_table";

/// The column of a path with its length.
const LENGTH: &str = "?length";

/// What a GRAPH_TABLE asks for. Places are characters of its text from 0.
#[derive(Debug, Clone)]
pub(crate) struct GraphTable {
    /// The graph.
    pub(crate) graph: Name,
    /// The older version of it, as the database that stands for that version.
    pub(crate) version: Option<String>,
    /// The pattern, without conditions.
    pattern: Match,
    /// Conditions on each of several edges in a row.
    on_each: Vec<OnEach>,
    /// Conditions, all of which must hold: those inside of elements first.
    conditions: Vec<Span>,
    /// The items of COLUMNS.
    columns: Vec<Column>,
    /// The properties that conditions and columns name.
    properties: Vec<Property>,
    /// The paths whose lengths they ask for, and where they do.
    lengths: Vec<(String, Span)>,
    /// Whether there are subqueries in them, in which a variable's name may mean something else.
    shadowed: bool,
    /// Whether conditions or columns name what is not of the pattern.
    lateral: bool,
}

/// Property of a variable, in COLUMNS or in a condition.
#[derive(Debug, Clone)]
struct Property {
    variable: String,
    /// Its name; none for all of them.
    name: Option<String>,
    /// Where the name stands.
    span: Span,
}

/// A condition in an edge with a quantifier.
#[derive(Debug, Clone)]
struct OnEach {
    /// Where the edge stands.
    edge: Span,
    condition: ast::Expr,
    span: Span,
}

/// One item of COLUMNS.
#[derive(Debug, Clone)]
struct Column {
    /// Where it stands.
    span: Span,
    /// The name that it has by itself: it is a property.
    name: Option<String>,
}

impl GraphTable {
    /// Reads the text between the parentheses. Errors point into it, in characters from 1.
    pub(crate) fn parse(text: &str) -> Result<GraphTable> {
        let tokens = Tokenizer::new(&DIALECT, text)
            .tokenize_with_location()
            .map_err(|error| Error::new(ErrorKind::Syntax, error.message))?;
        let source = SourceText::new(text);
        let mut pieces = Pieces::new(&tokens, &source, text.chars().count());
        let graph = graph_name(&mut pieces)?;
        let version = pieces.version(&tokens, &source)?.map(|key| key.database());
        pieces.expect("MATCH")?;
        let Read { pattern, mut conditions, on_each } = pattern::parse(&mut pieces)?;
        if pieces.word("WHERE") {
            conditions.push(pieces.until(&["ONE", "COLUMNS", "EXPORT"], "a condition")?);
        }
        rows(&mut pieces)?;
        let columns = columns(&mut pieces)?;
        pieces.end()?;
        let on_each = on_each.into_iter().map(|(edge, span)| {
            let within = |token: &&TokenWithSpan| {
                let place = source.position(token.span.start.line, token.span.start.column);
                place.is_some_and(|place| (span.start + 1..=span.end).contains(&place))
            };
            let tokens: Vec<TokenWithSpan> = tokens.iter().filter(within).cloned().collect();
            let mut parser = statement::parser(tokens.clone());
            let condition = parser.parse_expr().map_err(|error| statement::syntax_error(error, &tokens, &source))?;
            match parser.next_token() {
                end if end.token == Token::EOF => Ok(OnEach { edge, condition, span }),
                rest => Err(statement::near(&rest, &source)),
            }
        });
        let on_each = on_each.collect::<Result<Vec<_>>>()?;
        let mut table = GraphTable {
            graph,
            version,
            pattern,
            on_each,
            conditions,
            columns,
            properties: Vec::new(),
            lengths: Vec::new(),
            shadowed: false,
            lateral: false,
        };
        table.find_properties(&pieces);
        Ok(table)
    }

    /// The names of the pattern's variables.
    fn variables(&self) -> BTreeSet<&str> {
        let paths = || self.pattern.patterns.iter();
        let nodes = paths().flat_map(|path| path.nodes()).filter_map(|node| node.variable.as_ref());
        let edges = paths().flat_map(|path| path.relationships()).filter_map(|edge| edge.variable.as_ref());
        nodes.chain(edges).map(|name| name.text.as_str()).collect()
    }

    fn is_path(&self, name: &str) -> bool {
        self.pattern.patterns.iter().any(|path| path.variable.as_ref().is_some_and(|variable| variable.text == name))
    }

    fn find_properties(&mut self, pieces: &Pieces<'_>) {
        let variables: BTreeSet<String> = self.variables().into_iter().map(str::to_string).collect();
        let mut properties = Vec::new();
        let (mut lateral, mut shadowed) = (false, false);
        let columns = self.columns.iter().map(|column| column.span);
        for span in self.conditions.iter().copied().chain(columns) {
            shadowed |= pieces.has_subquery(span);
            let paths = pieces.path_lengths(span).into_iter().filter(|(path, _)| self.is_path(path));
            self.lengths.extend(paths.collect::<Vec<_>>());
            for property in pieces.properties(span) {
                if variables.contains(&property.variable) {
                    properties.push(property);
                } else {
                    lateral = true;
                }
            }
        }
        (self.properties, self.lateral, self.shadowed) = (properties, lateral, shadowed);
    }

    /// The pattern as a query that returns the properties of its elements, with the conditions that are part of it; and which
    /// these properties are. Without the elements it returns nothing.
    pub(crate) fn query(
        &self,
        elements: Option<&Elements>,
        conditions: Vec<Expression>,
    ) -> Result<(Query, Vec<(String, String)>)> {
        let returned = elements.map(|elements| self.returned(elements)).unwrap_or_default();
        let span = self.pattern.span;
        let mut items = Vec::with_capacity(returned.len().max(1));
        for ((variable, name), span) in &returned {
            let owner = Expression::new(ExpressionKind::Variable(variable.clone()), *span)?;
            let kind = match name.as_str() {
                LENGTH if self.is_path(variable) => ExpressionKind::Call {
                    name: Name { text: "length".to_string(), span: *span },
                    distinct: false,
                    arguments: vec![owner],
                },
                _ => ExpressionKind::Property(Box::new(owner), Name { text: name.clone(), span: *span }),
            };
            items.push(item(Expression::new(kind, *span)?, format!("{variable}.{name}")));
        }
        if items.is_empty() {
            // Rows of nothing still count.
            items.push(item(Expression::new(ExpressionKind::Integer(1), span)?, "?".to_string()));
        }
        let mut pattern = self.pattern.clone();
        if let Some(elements) = elements {
            self.filter_edges(&mut pattern, elements)?;
        }
        if !conditions.is_empty() {
            pattern.filter = Some(Expression::new(ExpressionKind::And(conditions), span)?);
        }
        let projection =
            Projection { span, distinct: false, star: None, items, order: Vec::new(), skip: None, limit: None };
        let clauses = vec![Clause::Match(pattern), Clause::Return(projection)];
        Ok((Query { parts: vec![Part { span, clauses }], all: false }, returned.into_keys().collect()))
    }

    /// Puts the conditions on each of several edges into their patterns.
    fn filter_edges(&self, pattern: &mut Match, elements: &Elements) -> Result<()> {
        for OnEach { edge, condition, span } in &self.on_each {
            let condition = conditions::expression(condition, elements, *span).ok_or_else(|| {
                Error::not_supported("this condition in an edge with a quantifier is not supported")
                    .with_detail(
                        "It may compare properties of the edge with constants, parameters and each other, where both are whole \
                         numbers, strings, booleans, dates or of another type without exceptions.",
                    )
                    .at(span.position())
            })?;
            let edges = pattern.patterns.iter_mut().flat_map(|path| path.steps.iter_mut().map(|(edge, _)| edge));
            for found in edges.filter(|found| found.span == *edge) {
                let both = found.filter.take().map(|other| *other).into_iter().chain([condition.clone()]).collect();
                found.filter = Some(Box::new(Expression::new(ExpressionKind::And(both), *span)?));
            }
        }
        Ok(())
    }

    /// The properties that are wanted, each once, with the place of one that names it.
    fn returned(&self, elements: &Elements) -> BTreeMap<(String, String), Span> {
        let mut returned = BTreeMap::new();
        for Property { variable, name, span } in &self.properties {
            let known = elements.properties(variable);
            let named = match name {
                None => known,
                // What means something else in a subquery is none of the element's.
                Some(name) if self.shadowed && !known.contains(name) => Vec::new(),
                Some(name) => vec![name.clone()],
            };
            for name in named {
                returned.entry((variable.clone(), name)).or_insert(*span);
            }
        }
        for (path, span) in &self.lengths {
            returned.entry((path.clone(), LENGTH.to_string())).or_insert(*span);
        }
        returned
    }
}

fn item(expression: Expression, name: String) -> Item {
    let alias = Name { text: name.clone(), span: expression.span };
    Item { expression, alias: Some(alias), text: name }
}

/// The name of the graph; all graphs are in one schema.
fn graph_name(pieces: &mut Pieces<'_>) -> Result<Name> {
    let first = pieces.name("the name of a graph")?;
    if !pieces.symbol('.') {
        return Ok(first);
    }
    if first.text != DEFAULT_SCHEMA {
        let message = format!("schema \"{}\" does not exist", first.text);
        return Err(Error::new(ErrorKind::UndefinedSchema, message).at(first.span.position()));
    }
    pieces.name("the name of a graph")
}

/// `ONE ROW PER MATCH`, which is what there is.
fn rows(pieces: &mut Pieces<'_>) -> Result<()> {
    if pieces.at_word("EXPORT") {
        return Err(pieces.refused("EXPORT is"));
    }
    if !pieces.at_word("ONE") {
        return Ok(());
    }
    let place = pieces.span();
    pieces.expect("ONE")?;
    pieces.expect("ROW")?;
    pieces.expect("PER")?;
    if pieces.word("MATCH") {
        return Ok(());
    }
    for other in ["VERTEX", "STEP"] {
        if pieces.at_word(other) {
            return Err(Error::not_supported(format!("ONE ROW PER {other} is not supported")).at(place.position()));
        }
    }
    Err(pieces.expected("MATCH, VERTEX or STEP"))
}

/// `COLUMNS (a.name, expression AS name, b.*)`
fn columns(pieces: &mut Pieces<'_>) -> Result<Vec<Column>> {
    pieces.expect("COLUMNS")?;
    pieces.expect_symbol('(')?;
    let mut columns = Vec::new();
    let mut names = BTreeSet::new();
    if pieces.at_word("DISTINCT") || pieces.at_word("ALL") {
        return Err(pieces.expected("a column"));
    }
    loop {
        let span = pieces.item("a column")?;
        let (name, own) = match pieces.column_name(span) {
            ColumnName::Given(name) => (Some(name), None),
            ColumnName::Property(name) => (Some(name.clone()), Some(name)),
            ColumnName::All => (None, None),
            ColumnName::Missing => {
                let message = "complex graph table column must specify an explicit column name";
                return Err(Error::new(ErrorKind::Syntax, message).at(span.position()));
            }
        };
        if let Some(name) = name
            && !names.insert(name.clone())
        {
            let message = format!("column name \"{name}\" is specified more than once");
            return Err(Error::new(ErrorKind::DuplicateColumn, message).at(span.position()));
        }
        columns.push(Column { span, name: own });
        if pieces.symbol(')') {
            return Ok(columns);
        }
        if !pieces.symbol(',') {
            return Err(pieces.expected("\",\" or \")\""));
        }
    }
}

/// The name that a word is.
fn name_of(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(folded(word)),
        _ => None,
    }
}

/// Whether a token is this word, without quotes.
fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use crate::statement::parse;

    /// Pieces of patterns, put together at random.
    const PIECES: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "-",
        ">",
        "<",
        "~",
        "->",
        "<-",
        "*",
        "+",
        "?",
        ",",
        "1",
        "3",
        "|",
        "&",
        "!",
        "%",
        ":",
        "=",
        ".",
        "a",
        "b",
        "\"q",
        "\"q\"",
        "'s'",
        "'",
        "$1",
        "$$",
        "/*",
        "--",
        "é",
        "IS",
        "WHERE",
        "MATCH",
        "COLUMNS",
        "AS",
        "ONE ROW PER MATCH",
        "TRAIL",
        "ANY SHORTEST",
        "SELECT",
        "GRAPH_TABLE (g MATCH",
        "a.b",
        "COLUMNS (a.b))",
        "(a IS p)",
    ];

    #[test]
    fn nothing_that_is_written_ends_the_parser() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::from("SELECT * FROM GRAPH_TABLE (g MATCH ");
            for _ in 0..state % 17 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
                if state & 1 == 0 {
                    text.push(' ');
                }
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^= state >> 29;
            if let Err(error) = parse(&text)
                && let Some(position) = error.position()
            {
                assert!(position <= text.chars().count() + 1, "{text}: {error} at {position}");
            }
        }
    }

    #[test]
    fn errors_point_at_what_is_wrong() {
        for (text, wrong) in [
            ("select 1; select * from graph_table (g match (a is p)>(b) columns (a.x))", ">"),
            ("select * from graph_table (g\n match (a x) columns (a.x))", "x)"),
            ("select * from graph_table (g match (é)-[k]->{2,1}(b) columns (a.x))", "{"),
            ("select * from graph_table (g match (a) columns (a.x + 1))", "a.x"),
            ("select * from graph_table (g match (a) where a.x = columns (a.x))", "columns"),
            ("select * from graph_table (g match (a where a.x = 1 a.y)-[k]->(b) columns (a.x))", "a.y"),
            ("select * from graph_table (g match (a where a.x + )-[k]->(b) columns (a.x))", ")-"),
            ("select * from graph_table (g match (a) columns (a.x, a.y + * as z))", "* as z"),
        ] {
            let error = parse(text).expect_err(text);
            let place: String = text.chars().skip(error.position().expect(text) - 1).collect();
            assert!(place.starts_with(wrong), "{text}: {error} at {place}");
        }
    }
}
