//! Calls over rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float32Builder, Int32Builder, ListBuilder, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Int32Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::ColumnarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::config::Lexer;
use slipstream_text_search::headline::{Options, headline};
use slipstream_text_search::query::Node;
use slipstream_text_search::rank::{DEFAULT_WEIGHTS, rank};
use slipstream_text_search::to_query::{phrase, plain, to_tsquery};
use slipstream_text_search::token::Kind;
use slipstream_text_search::vector::Weight;
use slipstream_text_search::websearch::websearch;
use slipstream_text_search::{Config, TsQuery, TsVector};

use crate::error::from_text_search;

/// Calls a function for every row; once when all arguments are constants.
pub(super) fn call(
    name: &str,
    result: &SqlType,
    args: &[ColumnarValue],
    number_rows: usize,
) -> PlanResult<ColumnarValue> {
    let constant = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { number_rows };
    let columns = args.iter().map(Column::new).collect::<PlanResult<Vec<_>>>()?;
    let mut results = Results::new(result, rows);
    let mut memory = Memory::default();
    for row in 0..rows {
        let values = Values { columns: &columns, row };
        match columns.iter().any(|column| column.is_null(row)) {
            true => results.append_null(),
            false => results.append(value(name, &values, &mut memory)?),
        }
    }
    let array = results.finish();
    Ok(match constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
        false => ColumnarValue::Array(array),
    })
}

/// An argument: a value for each row, or one for all.
pub(super) struct Column {
    array: ArrayRef,
    constant: bool,
}

impl Column {
    /// An argument of a function.
    pub(super) fn new(value: &ColumnarValue) -> PlanResult<Column> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let plain = match array.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 => cast(&array, &DataType::Utf8)?,
            _ => array,
        };
        Ok(Column { array: plain, constant })
    }

    fn row(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(self.row(row))
    }
}

/// The arguments in one row.
pub(super) struct Values<'a> {
    pub(super) columns: &'a [Column],
    pub(super) row: usize,
}

impl<'a> Values<'a> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    fn column(&self, at: usize) -> Result<&'a Column> {
        self.columns.get(at).ok_or_else(|| Error::internal("an argument of text search is missing"))
    }

    fn is_list(&self, at: usize) -> bool {
        self.columns.get(at).is_some_and(|column| matches!(column.array.data_type(), DataType::List(_)))
    }

    fn text(&self, at: usize) -> Result<&'a str> {
        let column = self.column(at)?;
        let texts = column.array.as_string_opt::<i32>().ok_or_else(untyped)?;
        Ok(texts.value(column.row(self.row)))
    }

    /// A text; `None` where it is NULL, or left out.
    pub(super) fn get_text(&self, at: usize) -> Result<Option<&'a str>> {
        match self.columns.get(at) {
            Some(column) if !column.array.data_type().is_null() && !column.is_null(self.row) => self.text(at).map(Some),
            _ => Ok(None),
        }
    }

    fn integer(&self, at: usize) -> Result<i32> {
        let column = self.column(at)?;
        let integers = column.array.as_primitive_opt::<Int32Type>().ok_or_else(untyped)?;
        Ok(integers.value(column.row(self.row)))
    }

    fn list(&self, at: usize) -> Result<ArrayRef> {
        let column = self.column(at)?;
        let lists = column.array.as_list_opt::<i32>().ok_or_else(untyped)?;
        Ok(lists.value(column.row(self.row)))
    }

    fn texts(&self, at: usize) -> Result<Vec<String>> {
        let items = self.list(at)?;
        let items: &StringArray = items.as_string_opt::<i32>().ok_or_else(untyped)?;
        let text = |text: Option<&str>| {
            text.map(str::to_string)
                .ok_or_else(|| Error::new(ErrorKind::NullNotAllowed, "lexeme array may not contain nulls"))
        };
        items.iter().map(text).collect()
    }

    fn vector(&self, at: usize) -> Result<TsVector> {
        TsVector::parse(self.text(at)?).map_err(from_text_search)
    }

    /// What makes lexemes, and of what.
    fn config_and_text(&self) -> Result<(&'a str, &'a str)> {
        Ok((self.text(0)?, self.text(1)?))
    }
}

fn untyped() -> Error {
    Error::internal("a function of text search ran before its arguments were typed")
}

/// What need not be made anew for each row: arguments are mostly the same.
#[derive(Default)]
struct Memory {
    lexer: Option<(String, Lexer)>,
    query: Option<(String, TsQuery)>,
    options: Option<(String, Options)>,
}

impl Memory {
    fn lexer(&mut self, config: &str) -> Result<&mut Lexer> {
        if self.lexer.as_ref().is_none_or(|(name, _)| name != config) {
            self.lexer = None;
        }
        let (_, lexer) = match &mut self.lexer {
            Some(known) => known,
            unknown => {
                let lexer = config.parse::<Config>().map_err(from_text_search)?.lexer();
                unknown.insert((config.to_string(), lexer))
            }
        };
        Ok(lexer)
    }

    fn query(&mut self, text: &str) -> Result<&TsQuery> {
        if self.query.as_ref().is_none_or(|(known, _)| known != text) {
            self.query = None;
        }
        let (_, query) = match &mut self.query {
            Some(known) => known,
            unknown => unknown.insert((text.to_string(), TsQuery::parse(text).map_err(from_text_search)?)),
        };
        Ok(query)
    }

    fn options(&mut self, text: &str) -> Result<&Options> {
        if self.options.as_ref().is_none_or(|(known, _)| known != text) {
            self.options = None;
        }
        let (_, options) = match &mut self.options {
            Some(known) => known,
            unknown => unknown.insert((text.to_string(), Options::parse(text).map_err(from_text_search)?)),
        };
        Ok(options)
    }
}

/// A result.
enum Value {
    Text(String),
    Texts(Option<Vec<String>>),
    Boolean(bool),
    Integer(i32),
    Real(f32),
}

impl From<TsVector> for Value {
    fn from(vector: TsVector) -> Self {
        Value::Text(vector.to_string())
    }
}

impl From<TsQuery> for Value {
    fn from(query: TsQuery) -> Self {
        Value::Text(query.to_string())
    }
}

fn value(name: &str, values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
    Ok(match name {
        "to_tsvector" => {
            let (config, text) = values.config_and_text()?;
            TsVector::of_text(memory.lexer(config)?, text).map_err(from_text_search)?.into()
        }
        "to_tsquery" | "plainto_tsquery" | "phraseto_tsquery" | "websearch_to_tsquery" => {
            let (config, text) = values.config_and_text()?;
            let lexer = memory.lexer(config)?;
            match name {
                "to_tsquery" => to_tsquery(lexer, text).map_err(from_text_search)?.into(),
                "plainto_tsquery" => plain(lexer, text).into(),
                "phraseto_tsquery" => phrase(lexer, text).into(),
                _ => websearch(lexer, text).into(),
            }
        }
        "ts_match_text" => {
            let vector =
                TsVector::of_text(memory.lexer(values.text(0)?)?, values.text(1)?).map_err(from_text_search)?;
            Value::Boolean(memory.query(values.text(2)?)?.matches(&vector))
        }
        "ts_match_vq" => Value::Boolean(memory.query(values.text(1)?)?.matches(&values.vector(0)?)),
        "get_current_ts_config" => Value::Text(Config::ENGLISH.name().to_string()),
        "ts_headline" => headline_of(values, memory)?,
        "ts_rank" => rank_of(values, memory)?,
        "ts_lexize" => lexize(values, memory)?,
        _ if name.starts_with("tsq") || matches!(name, "numnode" | "querytree") => of_query(name, values, memory)?,
        _ => of_vector(name, values)?,
    })
}

fn of_vector(name: &str, values: &Values<'_>) -> Result<Value> {
    Ok(match name {
        "array_to_tsvector" => TsVector::of_lexemes(values.texts(0)?).map_err(from_text_search)?.into(),
        "strip" => values.vector(0)?.strip().into(),
        "setweight" => {
            let weight = weight(values.text(1)?)?;
            let of = if values.len() > 2 { Some(values.texts(2)?) } else { None };
            values.vector(0)?.set_weight(weight, of.as_deref()).into()
        }
        "ts_filter" => {
            let weights = values.texts(1)?;
            let weights = weights.iter().map(|letter| weight(letter)).collect::<Result<Vec<_>>>()?;
            values.vector(0)?.filter(&weights).into()
        }
        "ts_delete" => {
            let lexemes = if values.is_list(1) { values.texts(1)? } else { vec![values.text(1)?.to_string()] };
            values.vector(0)?.delete(&lexemes).into()
        }
        "tsvector_concat" => values.vector(0)?.concatenate(&values.vector(1)?).map_err(from_text_search)?.into(),
        "tsvector_length" => Value::Integer(values.vector(0)?.len() as i32),
        "tsvector_to_array" => {
            let vector = values.vector(0)?;
            Value::Texts(Some(vector.lexemes().map(|(lexeme, _)| lexeme.to_string()).collect()))
        }
        other => return Err(Error::internal(format!("{other} is no function of text search"))),
    })
}

fn of_query(name: &str, values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
    let left = memory.query(values.text(0)?)?.clone();
    let mut right = || -> Result<TsQuery> { Ok(memory.query(values.text(1)?)?.clone()) };
    Ok(match name {
        "numnode" => Value::Integer(left.nodes() as i32),
        "querytree" => Value::Text(indexable(&left)),
        "tsquery_and" => left.and(right()?).into(),
        "tsquery_or" => left.or(right()?).into(),
        "tsquery_not" => left.negated().into(),
        "tsquery_phrase" => {
            let distance = if values.len() > 2 { values.integer(2)? } else { 1 };
            left.phrase(right()?, distance.into()).map_err(from_text_search)?.into()
        }
        "tsq_mcontains" => {
            let right = right()?;
            let lexemes = left.operands();
            let has = |wanted: &str| lexemes.iter().any(|operand| operand.lexeme == wanted);
            Value::Boolean(right.operands().iter().all(|operand| has(&operand.lexeme)))
        }
        other => return Err(Error::internal(format!("{other} is no function of text search"))),
    })
}

/// The part of a query that an index can look for; `T` where that is anything.
fn indexable(query: &TsQuery) -> String {
    fn of(node: &Node) -> Option<Node> {
        match node {
            Node::Lexeme(_) => Some(node.clone()),
            Node::Not(_) => None,
            Node::And(left, right) | Node::Phrase(left, right, _) => match (of(left), of(right)) {
                (Some(left), Some(right)) => Some(match node {
                    Node::Phrase(_, _, distance) => Node::Phrase(Box::new(left), Box::new(right), *distance),
                    _ => Node::And(Box::new(left), Box::new(right)),
                }),
                (left, right) => left.or(right),
            },
            Node::Or(left, right) => Some(Node::Or(Box::new(of(left)?), Box::new(of(right)?))),
        }
    }
    match query.root() {
        None => String::new(),
        Some(root) => match of(root) {
            Some(node) => TsQuery::from(Some(node)).to_string(),
            None => "T".to_string(),
        },
    }
}

fn weight(letter: &str) -> Result<Weight> {
    let mut letters = letter.chars();
    match (letters.next().and_then(Weight::of), letters.next()) {
        (Some(weight), None) => Ok(weight),
        _ => Err(Error::new(ErrorKind::InvalidParameter, format!("unrecognized weight: \"{letter}\""))),
    }
}

fn headline_of(values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
    let query = memory.query(values.text(2)?)?.clone();
    let options = memory.options(values.text(3)?)?.clone();
    Ok(Value::Text(headline(memory.lexer(values.text(0)?)?, values.text(1)?, &query, &options)))
}

fn rank_of(values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
    let first = usize::from(values.is_list(0));
    let weights = match first {
        1 => weights(&values.list(0)?)?,
        _ => DEFAULT_WEIGHTS,
    };
    let normalization = if values.len() > first + 2 { values.integer(first + 2)? } else { 0 };
    let vector = values.vector(first)?;
    Ok(Value::Real(rank(weights, &vector, memory.query(values.text(first + 1)?)?, normalization)))
}

/// What the labels D, C, B and A weigh.
fn weights(list: &ArrayRef) -> Result<[f32; 4]> {
    let invalid = |kind, message: &str| Error::new(kind, message);
    let values = list.as_primitive_opt::<Float32Type>().ok_or_else(untyped)?;
    if values.len() < 4 {
        return Err(invalid(ErrorKind::ArraySubscript, "array of weight is too short"));
    }
    if values.null_count() > 0 {
        return Err(invalid(ErrorKind::NullNotAllowed, "array of weight must not contain nulls"));
    }
    let mut weights = DEFAULT_WEIGHTS;
    for (weight, value) in weights.iter_mut().zip(values.values()) {
        // A negative one stands for the default.
        if *value >= 0.0 {
            *weight = *value;
        }
        if *weight > 1.0 {
            return Err(invalid(ErrorKind::InvalidParameter, "weight out of range"));
        }
    }
    Ok(weights)
}

/// `ts_lexize('english_stem', 'stars')`: the lexeme of one word; no lexemes for a stop word.
fn lexize(values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
    let dictionary = values.text(0)?;
    let config = dictionary.strip_suffix("_stem").unwrap_or(dictionary);
    let lexer = memory.lexer(config).map_err(|_| {
        let message = format!("text search dictionary \"{dictionary}\" does not exist");
        Error::new(ErrorKind::UndefinedObject, message)
    })?;
    Ok(Value::Texts(Some(lexer.lexeme(Kind::Word, values.text(1)?).into_iter().collect())))
}

/// The results, in the Arrow type of their SQL type.
enum Results {
    Text(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    Boolean(BooleanBuilder),
    Integer(Int32Builder),
    Real(Float32Builder),
}

impl Results {
    fn new(result: &SqlType, rows: usize) -> Results {
        match result {
            SqlType::Boolean => Results::Boolean(BooleanBuilder::with_capacity(rows)),
            SqlType::Integer => Results::Integer(Int32Builder::with_capacity(rows)),
            SqlType::Real => Results::Real(Float32Builder::with_capacity(rows)),
            SqlType::Array(_) => Results::Texts(ListBuilder::new(StringBuilder::new())),
            _ => Results::Text(StringBuilder::new()),
        }
    }

    fn append_null(&mut self) {
        match self {
            Results::Text(results) => results.append_null(),
            Results::Texts(results) => results.append_null(),
            Results::Boolean(results) => results.append_null(),
            Results::Integer(results) => results.append_null(),
            Results::Real(results) => results.append_null(),
        }
    }

    fn append(&mut self, value: Value) {
        match (self, value) {
            (Results::Text(results), Value::Text(text)) => results.append_value(text),
            (Results::Texts(results), Value::Texts(Some(texts))) => {
                texts.iter().for_each(|text| results.values().append_value(text));
                results.append(true);
            }
            (Results::Boolean(results), Value::Boolean(value)) => results.append_value(value),
            (Results::Integer(results), Value::Integer(value)) => results.append_value(value),
            (Results::Real(results), Value::Real(value)) => results.append_value(value),
            // A function gives what it says that it gives.
            (results, _) => results.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Results::Text(mut results) => Arc::new(results.finish()),
            Results::Texts(mut results) => Arc::new(results.finish()),
            Results::Boolean(mut results) => Arc::new(results.finish()),
            Results::Integer(mut results) => Arc::new(results.finish()),
            Results::Real(mut results) => Arc::new(results.finish()),
        }
    }
}
