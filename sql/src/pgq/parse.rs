//! SQL/PGQ's DDL from sqlparser's tokens.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use slipstream_engine::catalog::DEFAULT_SCHEMA;
use slipstream_engine::{Error, ErrorKind, Result};

use super::statement::{
    CreateGraph, DropGraph, EdgeElement, EndReference, Label, LabelClause, Name, Properties, Statement, VertexElement,
};
use crate::source::SourceText;

/// Whether a statement is one of SQL/PGQ's: `CREATE`, `ALTER` or `DROP PROPERTY GRAPH`.
pub fn is_statement(tokens: &[TokenWithSpan]) -> bool {
    let mut words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut next_is = |accepted: &[&str]| words.next().is_some_and(|token| is_word(&token.token, accepted));
    next_is(&["CREATE", "ALTER", "DROP"]) && next_is(&["PROPERTY"]) && next_is(&["GRAPH"])
}

/// Parses the tokens of one statement; places are counted in `sql`, the text that they come from.
pub fn parse(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let tokens = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect();
    let mut parser = Parser { tokens, at: 0, source: SourceText::new(sql), end: sql.chars().count() + 1 };
    let statement = parser.statement()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.expected("the end of the statement"));
    }
    Ok(statement)
}

struct Parser<'a> {
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
    source: SourceText,
    end: usize,
}

/// What comes before an element's clauses.
struct ElementStart {
    schema: Option<Name>,
    table: Name,
    alias: Option<Name>,
    key: Option<Vec<Name>>,
}

/// The clauses after an element's table and key.
#[derive(Default)]
struct Clauses {
    labels: Vec<LabelClause>,
    on_delete_cascade: bool,
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement> {
        if self.at_word(&["ALTER"]) {
            return Err(self.refused("ALTER PROPERTY GRAPH"));
        }
        let create = self.take(&["CREATE"]);
        if !create {
            self.expect("DROP")?;
        }
        self.expect("PROPERTY")?;
        self.expect("GRAPH")?;
        if create { self.create().map(Statement::Create) } else { self.drop().map(Statement::Drop) }
    }

    fn create(&mut self) -> Result<CreateGraph> {
        let if_not_exists = self.take(&["IF"]);
        if if_not_exists {
            self.expect("NOT")?;
            self.expect("EXISTS")?;
        }
        let name = self.qualified_name("the name of a graph")?;
        if !self.take(&["VERTEX", "NODE"]) {
            return Err(self.expected("VERTEX TABLES"));
        }
        self.expect("TABLES")?;
        let vertices = self.list(Self::vertex)?;
        let mut edges = Vec::new();
        if self.take(&["EDGE", "RELATIONSHIP"]) {
            self.expect("TABLES")?;
            edges = self.list(Self::edge)?;
        }
        Ok(CreateGraph { name, if_not_exists, vertices, edges })
    }

    fn drop(&mut self) -> Result<DropGraph> {
        let if_exists = self.take(&["IF"]);
        if if_exists {
            self.expect("EXISTS")?;
        }
        let name = self.qualified_name("the name of a graph")?;
        if self.at_symbol(&Token::Comma) {
            return Err(self.refused("dropping several graphs at once"));
        }
        let cascade = self.take(&["CASCADE"]);
        if !cascade {
            self.take(&["RESTRICT"]);
        }
        Ok(DropGraph { name, if_exists, cascade })
    }

    fn vertex(&mut self) -> Result<VertexElement> {
        let start = self.element_start()?;
        let clauses = self.clauses(false)?;
        Ok(vertex_element(start, clauses))
    }

    fn edge(&mut self) -> Result<EdgeElement> {
        let start = self.element_start()?;
        self.expect("SOURCE")?;
        let source = self.end_reference("SOURCE")?;
        self.expect("DESTINATION")?;
        let destination = self.end_reference("DESTINATION")?;
        let clauses = self.clauses(true)?;
        let on_delete_cascade = clauses.on_delete_cascade;
        Ok(EdgeElement { element: vertex_element(start, clauses), source, destination, on_delete_cascade })
    }

    fn element_start(&mut self) -> Result<ElementStart> {
        let mut table = self.name("the name of a table")?;
        let mut schema = None;
        if self.at_symbol(&Token::Period) {
            self.at += 1;
            schema = Some(std::mem::replace(&mut table, self.name("the name of a table")?));
        }
        let alias = if self.take(&["AS"]) { Some(self.name("an alias")?) } else { None };
        let key = if self.take(&["KEY"]) { Some(self.names()?) } else { None };
        Ok(ElementStart { schema, table, alias, key })
    }

    fn end_reference(&mut self, end: &str) -> Result<EndReference> {
        if !self.take(&["KEY"]) {
            return Err(self
                .refused(&format!("{end} without its key columns"))
                .with_hint(format!("Write {end} KEY (column) REFERENCES vertex (column).")));
        }
        let columns = self.names()?;
        self.expect("REFERENCES")?;
        let vertex = self.name("the name of a vertex table")?;
        let references = if self.at_symbol(&Token::LParen) { Some(self.names()?) } else { None };
        Ok(EndReference { columns, vertex, references })
    }

    fn clauses(&mut self, edge: bool) -> Result<Clauses> {
        let mut clauses = Clauses::default();
        // Properties without a label are those of the default label, and without a LABEL beside it there is no other.
        let mut closed = false;
        loop {
            if edge && self.take(&["ON"]) {
                self.expect("DELETE")?;
                clauses.on_delete_cascade = self.delete_action()?;
            } else if !closed && let Some(label) = self.label(clauses.labels.is_empty())? {
                closed = label == Label::None;
                let properties = match self.at_properties() {
                    true => self.properties()?,
                    false => Properties::All { except: Vec::new() },
                };
                clauses.labels.push(LabelClause { label, properties });
            } else if clauses.labels.is_empty() && self.at_properties() {
                closed = true;
                clauses.labels.push(LabelClause { label: Label::Default, properties: self.properties()? });
            } else {
                return Ok(clauses);
            }
        }
    }

    /// `LABEL label`, `DEFAULT LABEL`, or, where it is the first, `NO LABEL`.
    fn label(&mut self, first: bool) -> Result<Option<Label>> {
        if self.take(&["LABEL"]) {
            return self.name("a label").map(|name| Some(Label::Named(name)));
        }
        if self.take(&["DEFAULT"]) {
            self.expect("LABEL")?;
            return Ok(Some(Label::Default));
        }
        if first && self.at_words("NO", "LABEL") {
            self.at += 2;
            return Ok(Some(Label::None));
        }
        Ok(None)
    }

    fn at_properties(&self) -> bool {
        self.at_word(&["PROPERTIES"]) || self.at_words("NO", "PROPERTIES")
    }

    fn delete_action(&mut self) -> Result<bool> {
        if self.take(&["CASCADE"]) {
            return Ok(true);
        }
        if self.take(&["RESTRICT"]) {
            return Ok(false);
        }
        Err(self.expected("CASCADE or RESTRICT"))
    }

    fn properties(&mut self) -> Result<Properties> {
        if self.take(&["NO"]) {
            self.expect("PROPERTIES")?;
            return Ok(Properties::None);
        }
        self.expect("PROPERTIES")?;
        if self.at_symbol(&Token::LParen) {
            return self.list(Self::property).map(Properties::Listed);
        }
        self.take(&["ARE"]);
        self.expect("ALL")?;
        self.expect("COLUMNS")?;
        let except = if self.take(&["EXCEPT"]) { self.names()? } else { Vec::new() };
        Ok(Properties::All { except })
    }

    fn property(&mut self) -> Result<Name> {
        let name = self.name("a column")?;
        if self.at_symbol(&Token::Comma) || self.at_symbol(&Token::RParen) {
            return Ok(name);
        }
        Err(self.refused("a property that is not a column under its own name"))
    }

    /// `(a, b, c)`
    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_symbol(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.at_symbol(&Token::Comma) {
            self.at += 1;
            items.push(item(self)?);
        }
        if !self.at_symbol(&Token::RParen) {
            return Err(self.expected("\",\" or \")\""));
        }
        self.at += 1;
        Ok(items)
    }

    fn names(&mut self) -> Result<Vec<Name>> {
        self.list(|parser| parser.name("a column"))
    }

    /// The name of a graph, with or without the schema that all graphs are in.
    fn qualified_name(&mut self, what: &str) -> Result<Name> {
        let first = self.name(what)?;
        if !self.at_symbol(&Token::Period) {
            return Ok(first);
        }
        if first.text != DEFAULT_SCHEMA {
            return Err(Error::new(ErrorKind::UndefinedSchema, format!("schema \"{}\" does not exist", first.text))
                .at(first.position));
        }
        self.at += 1;
        self.name(what)
    }

    fn name(&mut self, what: &str) -> Result<Name> {
        let Some(Token::Word(word)) = self.token() else { return Err(self.expected(what)) };
        let name = Name { text: folded(word), position: self.position() };
        self.at += 1;
        Ok(name)
    }

    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    fn position(&self) -> usize {
        self.tokens
            .get(self.at)
            .and_then(|token| self.source.position(token.span.start.line, token.span.start.column))
            .unwrap_or(self.end)
    }

    fn at_symbol(&self, symbol: &Token) -> bool {
        self.token() == Some(symbol)
    }

    fn at_word(&self, words: &[&str]) -> bool {
        self.token().is_some_and(|token| is_word(token, words))
    }

    fn at_words(&self, first: &str, second: &str) -> bool {
        self.at_word(&[first]) && self.tokens.get(self.at + 1).is_some_and(|token| is_word(&token.token, &[second]))
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.at_word(words);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(&[word]) { Ok(()) } else { Err(self.expected(word)) }
    }

    fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if !self.at_symbol(symbol) {
            return Err(self.expected(&format!("\"{symbol}\"")));
        }
        self.at += 1;
        Ok(())
    }

    fn expected(&self, what: &str) -> Error {
        let place = match self.token() {
            Some(token) => format!("at or near \"{token}\""),
            None => "at end of input".to_string(),
        };
        Error::new(ErrorKind::Syntax, format!("syntax error {place}: expected {what}")).at(self.position())
    }

    fn refused(&self, what: &str) -> Error {
        Error::not_supported(format!("{what} is not supported")).at(self.position())
    }
}

fn vertex_element(start: ElementStart, clauses: Clauses) -> VertexElement {
    let ElementStart { schema, table, alias, key } = start;
    let mut labels = clauses.labels;
    if labels.is_empty() {
        labels.push(LabelClause { label: Label::Default, properties: Properties::All { except: Vec::new() } });
    }
    VertexElement { schema, table, alias, key, labels }
}

fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}

/// Whether a token is one of these words, unquoted. Most of them are no keywords to sqlparser.
fn is_word(token: &Token, words: &[&str]) -> bool {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        _ => false,
    }
}
