//! `column @@@ 'search'` as functions of a plan.
//!
//! * `search_matches(search, config, name, column, ...)` is the operator;
//! * `bm25_score_of(search, config, statistics, name, column, ...)` is what `bm25_score(...)` becomes;
//! * `search_highlight(search, config, options, name, column)` is what `highlight(column, search)` becomes;
//! * `bm25_corpus(search, config, name, column, ...)`, an aggregate, gathers the statistics of all texts.
//!
//! [`mod@super::rewrite`] writes the calls, with the names of the columns, which are the fields of a search.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float32Builder, StringBuilder};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::Config;
use slipstream_text_search::bm25::Corpus;
use slipstream_text_search::config::Lexer;
use slipstream_text_search::headline::{Options, highlight};
use slipstream_text_search::search::{Search, Words};

use super::evaluate::{Column, Values};
use crate::error::from_text_search;
use crate::functions::untyped_null;

/// The name of the operator's function.
pub(super) const MATCHES: &str = "search_matches";
/// The name of the function that scores.
pub(super) const SCORE_OF: &str = "bm25_score_of";
/// The name of the aggregate that gathers what scoring needs to know.
pub(super) const CORPUS: &str = "bm25_corpus";
/// The name of the function that marks words.
pub(super) const HIGHLIGHT: &str = "search_highlight";
/// Marks the words of a text, and says nothing but that.
const WHOLE_TEXT: &str = "HighlightAll=true";

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Matches,
    Score,
    Highlight,
    /// What a statement says and [`mod@super::rewrite`] takes out; left over where there is no search that it could be about.
    Unbound(&'static str),
}

/// A function of a search.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SearchFunction {
    what: What,
    signature: Signature,
}

/// Every function of searches.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    [What::Matches, What::Score, What::Highlight, What::Unbound("bm25_score"), What::Unbound("highlight")]
        .map(|what| {
            let arguments = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
            ScalarUDF::from(SearchFunction { what, signature: Signature::new(arguments, Volatility::Immutable) })
        })
        .into()
}

/// The aggregate.
pub(crate) fn aggregates() -> Vec<AggregateUDF> {
    vec![AggregateUDF::from(GatherCorpus { signature: Signature::variadic_any(Volatility::Immutable) })]
}

impl SearchFunction {
    fn result(&self) -> SqlType {
        match self.what {
            What::Matches => SqlType::Boolean,
            What::Score | What::Unbound("bm25_score") => SqlType::Real,
            What::Highlight | What::Unbound(_) => SqlType::Text,
        }
    }

    /// How many arguments stand in front of the columns and their names.
    fn leading(&self) -> usize {
        if self.what == What::Matches { 2 } else { 3 }
    }
}

impl ScalarUDFImpl for SearchFunction {
    fn name(&self) -> &str {
        match self.what {
            What::Matches => MATCHES,
            What::Score => SCORE_OF,
            What::Highlight => HIGHLIGHT,
            What::Unbound(name) => name,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.result().arrow_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        match self.what {
            What::Unbound("bm25_score") => {
                Err(Error::new(ErrorKind::InvalidColumnReference, "bm25_score has no search to score")
                    .with_detail("It belongs to a condition column @@@ 'search' of the WHERE beside it.")
                    .into())
            }
            What::Unbound(name) => {
                Err(Error::new(ErrorKind::UndefinedFunction, format!("function {name} takes a column and a search"))
                    .into())
            }
            _ => Ok(field_ref(self.name(), &self.result(), true)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        if self.what == What::Matches
            && args.args.first().is_some_and(|search| search.data_type().is_null())
            && let Some(null) = untyped_null(&args)
        {
            return null;
        }
        let columns = args.args.iter().map(Column::new).collect::<PlanResult<Vec<_>>>()?;
        let mut memory = Memory::default();
        let mut results = Results::new(self.what, rows);
        for row in 0..rows {
            let values = Values { columns: &columns, row };
            results.append(self.row(&values, &mut memory)?);
        }
        let array = results.finish();
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}

/// A result.
enum Value {
    Null,
    Boolean(bool),
    Real(f32),
    Text(String),
}

impl SearchFunction {
    fn row(&self, values: &Values<'_>, memory: &mut Memory) -> Result<Value> {
        let Some(fields) = memory.read(values, self.leading())? else { return Ok(Value::Null) };
        let Some(known) = &mut memory.known else { return Ok(Value::Null) };
        Ok(match self.what {
            What::Matches => Value::Boolean(known.search.holds(&known.search.frequencies(&fields))),
            What::Score => match values.get_text(2)? {
                Some(statistics) => {
                    let corpus = corpus(&mut known.corpus, statistics)?;
                    Value::Real(corpus.score(&known.search, &fields))
                }
                None => Value::Null,
            },
            _ => {
                let options = match values.get_text(2)?.filter(|options| !options.is_empty()) {
                    Some(options) => Options::parse(options).map_err(from_text_search)?,
                    None => Options::parse(WHOLE_TEXT).map_err(from_text_search)?,
                };
                match values.get_text(4)? {
                    Some(text) => Value::Text(highlight(&mut known.lexer, text, &known.search, &options)),
                    None => Value::Null,
                }
            }
        })
    }
}

/// The search that was read last: it is the same in all rows, mostly.
#[derive(Default)]
pub(super) struct Memory {
    known: Option<Known>,
}

struct Known {
    text: String,
    config: String,
    search: Search,
    lexer: Lexer,
    corpus: Option<(String, Corpus)>,
}

/// The statistics of a text form; that of the row before is kept.
fn corpus<'a>(known: &'a mut Option<(String, Corpus)>, statistics: &str) -> Result<&'a Corpus> {
    if known.as_ref().is_none_or(|(text, _)| text != statistics) {
        *known = None;
    }
    let (_, corpus) = match known {
        Some(known) => known,
        unknown => {
            let corpus = statistics.parse().map_err(from_text_search)?;
            unknown.insert((statistics.to_string(), corpus))
        }
    };
    Ok(corpus)
}

impl Memory {
    /// The words of a row's columns, for the search in it; `None` where there is no search or no text.
    fn read(&mut self, values: &Values<'_>, leading: usize) -> Result<Option<Vec<Option<Words>>>> {
        let (Some(text), Some(config)) = (values.get_text(0)?, values.get_text(1)?) else { return Ok(None) };
        if self.known.as_ref().is_none_or(|known| known.text != text || known.config != config) {
            self.known = Some(Self::search(text, config, values, leading)?);
        }
        let Some(known) = &mut self.known else { return Ok(None) };
        let mut fields = Vec::new();
        for at in (leading + 1..values.len()).step_by(2) {
            let text = values.get_text(at)?;
            fields.push(text.map(|text| Words::of(&mut known.lexer, text)));
        }
        Ok(fields.iter().any(Option::is_some).then_some(fields))
    }

    fn search(text: &str, config: &str, values: &Values<'_>, leading: usize) -> Result<Known> {
        let mut lexer = config.parse::<Config>().map_err(from_text_search)?.lexer();
        let names = (leading..values.len()).step_by(2).map(|at| Ok(values.get_text(at)?.unwrap_or_default()));
        let names = names.collect::<Result<Vec<_>>>()?;
        let search = Search::parse(text, &mut lexer, &names).map_err(from_text_search)?;
        Ok(Known { text: text.to_string(), config: config.to_string(), search, lexer, corpus: None })
    }
}

enum Results {
    Boolean(BooleanBuilder),
    Real(Float32Builder),
    Text(StringBuilder),
}

impl Results {
    fn new(what: What, rows: usize) -> Results {
        match what {
            What::Matches => Results::Boolean(BooleanBuilder::with_capacity(rows)),
            What::Score => Results::Real(Float32Builder::with_capacity(rows)),
            _ => Results::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, value: Value) {
        match (self, value) {
            (Results::Boolean(results), Value::Boolean(value)) => results.append_value(value),
            (Results::Real(results), Value::Real(value)) => results.append_value(value),
            (Results::Text(results), Value::Text(value)) => results.append_value(value),
            (Results::Boolean(results), _) => results.append_null(),
            (Results::Real(results), _) => results.append_null(),
            (Results::Text(results), _) => results.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Results::Boolean(mut results) => Arc::new(results.finish()),
            Results::Real(mut results) => Arc::new(results.finish()),
            Results::Text(mut results) => Arc::new(results.finish()),
        }
    }
}

/// `bm25_corpus`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GatherCorpus {
    signature: Signature,
}

impl AggregateUDFImpl for GatherCorpus {
    fn name(&self) -> &str {
        CORPUS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        Ok(vec![field_ref(&format_state_name(args.name, "corpus"), &SqlType::Text, true)])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered::default()))
    }
}

/// The statistics of the texts that have come so far.
#[derive(Default)]
struct Gathered {
    memory: Memory,
    corpus: Corpus,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("corpus", &self.corpus).finish_non_exhaustive()
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> PlanResult<()> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let columns = arrays.iter().map(|array| Column::new(&ColumnarValue::Array(Arc::clone(array))));
        let columns = columns.collect::<PlanResult<Vec<_>>>()?;
        for row in 0..rows {
            let fields = self.memory.read(&Values { columns: &columns, row }, 2)?;
            if let (Some(fields), Some(known)) = (fields, &self.memory.known) {
                self.corpus.add(&known.search, &fields);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let column = Column::new(&ColumnarValue::Array(Arc::clone(&states[0])))?;
        let columns = [column];
        for row in 0..states[0].len() {
            if let Some(text) = (Values { columns: &columns, row }).get_text(0)? {
                self.corpus.merge(&text.parse().map_err(from_text_search)?);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Utf8(Some(self.corpus.to_string()))])
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        Ok(ScalarValue::Utf8(Some(self.corpus.to_string())))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}
