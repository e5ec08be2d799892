//! What a text must have so that a condition can hold.

use std::fmt;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, LikeExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use futures::future::BoxFuture;
use slipstream_engine::AddressSet;
use slipstream_engine::catalog::{IndexDefinition, TableDefinition};
use slipstream_engine::store::index_recipe::can_have_data;
use slipstream_engine::store::{TableVersion, TextPart};
use slipstream_text_search::parts::Part;
use slipstream_text_search::search::Search;
use slipstream_text_search::{Config, TsQuery, parts};

use super::{MATCHES, MATCHES_TSQUERY};

/// Runs of characters that an index of substrings has: shorter ones it does not know.
const SHORTEST_SUBSTRING: usize = 3;

/// What rows must have, and the indexes that know who has it.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// A part in a column.
    Part(Arc<IndexDefinition>, String, TextPart),
    /// All of these.
    All(Vec<Wanted>),
    /// One of these.
    Any(Vec<Wanted>),
}

/// The column of an index of words.
#[derive(Debug, Clone)]
pub(super) struct WordColumn {
    pub(super) index: Arc<IndexDefinition>,
    pub(super) column: String,
}

/// `column @@@ search`, or a score of it, with the columns' indexes.
pub(super) struct SearchCall {
    pub(super) search: String,
    pub(super) config: Config,
    /// In the order of the search's fields.
    pub(super) fields: Vec<WordColumn>,
}

/// Finds what a condition wants of the columns of a table's rows.
pub(super) struct Finder<'a> {
    pub(super) table: &'a TableDefinition,
    /// The columns of the rows, by name.
    pub(super) columns: &'a [String],
}

impl SearchCall {
    /// The search, read; `None` where it cannot be, which whoever evaluates it will say.
    pub(super) fn parse(&self) -> Option<Search> {
        let names: Vec<&str> = self.fields.iter().map(|field| field.column.as_str()).collect();
        Search::parse(&self.search, &mut self.config.lexer(), &names).ok()
    }
}

impl Finder<'_> {
    /// What a condition wants; `None` where no index knows it.
    pub(super) fn of(&self, condition: &Arc<dyn PhysicalExpr>) -> Option<Wanted> {
        if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
            let sides = || [self.of(binary.left()), self.of(binary.right())];
            return match binary.op() {
                Operator::And => joined(sides().into_iter().flatten().collect(), Wanted::All),
                Operator::Or => joined(sides().into_iter().collect::<Option<_>>()?, Wanted::Any),
                Operator::RegexMatch | Operator::RegexIMatch => {
                    let pattern = text(binary.right())?;
                    let any_case = *binary.op() == Operator::RegexIMatch;
                    let pattern = if any_case { format!("(?i){pattern}") } else { pattern };
                    self.part_of_trigrams(binary.left(), TextPart::Pattern(pattern))
                }
                Operator::LikeMatch | Operator::ILikeMatch => self.like(binary.left(), binary.right()),
                _ => None,
            };
        }
        if let Some(like) = condition.downcast_ref::<LikeExpr>() {
            return if like.negated() { None } else { self.like(like.expr(), like.pattern()) };
        }
        let call = condition.downcast_ref::<ScalarFunctionExpr>()?;
        match (call.name(), call.args()) {
            (MATCHES_TSQUERY, [config, column, query]) => self.tsquery(&text(config)?, column, &text(query)?),
            (MATCHES, [search, config, fields @ ..]) => {
                let call = self.search_call(search, config, fields)?;
                let part = parts::of_search(call.config, &call.parse()?)?;
                of_part(&call.fields, part)
            }
            ("starts_with" | "ends_with" | "contains", [column, part]) => {
                self.substrings(column, std::iter::once(text(part)?))
            }
            _ => None,
        }
    }

    /// A search of columns that all have indexes of words of its configuration.
    pub(super) fn search_call(
        &self,
        search: &Arc<dyn PhysicalExpr>,
        config: &Arc<dyn PhysicalExpr>,
        fields: &[Arc<dyn PhysicalExpr>],
    ) -> Option<SearchCall> {
        let config = text(config)?;
        let fields = fields.chunks_exact(2).map(|pair| {
            // A search may call a column otherwise.
            let name = text(&pair[0])?;
            self.words(&pair[1], &config).filter(|field| field.column == name)
        });
        let fields = fields.collect::<Option<Vec<_>>>()?;
        Some(SearchCall { search: text(search)?, config: config.parse().ok()?, fields })
    }

    fn tsquery(&self, config: &str, column: &Arc<dyn PhysicalExpr>, query: &str) -> Option<Wanted> {
        let field = self.words(column, config)?;
        let config: Config = config.parse().ok()?;
        let part = parts::of_tsquery(config, &TsQuery::parse(query).ok()?)?;
        of_part(&[field], part)
    }

    fn like(&self, column: &Arc<dyn PhysicalExpr>, pattern: &Arc<dyn PhysicalExpr>) -> Option<Wanted> {
        self.substrings(column, literal_parts(&text(pattern)?).into_iter())
    }

    fn substrings(&self, column: &Arc<dyn PhysicalExpr>, texts: impl Iterator<Item = String>) -> Option<Wanted> {
        let long = texts.filter(|text| text.chars().count() >= SHORTEST_SUBSTRING);
        let parts = long.map(|text| self.part_of_trigrams(column, TextPart::Substring(text)));
        joined(parts.collect::<Option<Vec<_>>>()?, Wanted::All)
    }

    fn part_of_trigrams(&self, column: &Arc<dyn PhysicalExpr>, part: TextPart) -> Option<Wanted> {
        let column = self.column(column)?;
        let index = self.index(|index| index.trigram_column() == Some(column))?;
        Some(Wanted::Part(index, column.to_string(), part))
    }

    /// The name of a column; `coalesce(column, '')` has the same words.
    fn column(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return self.column(cast.expr());
        }
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>()
            && call.name() == "coalesce"
            && let [column, empty] = call.args()
            && text(empty)?.is_empty()
        {
            return self.column(column);
        }
        let column = expr.downcast_ref::<Column>()?;
        self.columns.get(column.index()).map(String::as_str)
    }

    fn words(&self, column: &Arc<dyn PhysicalExpr>, config: &str) -> Option<WordColumn> {
        let column = self.column(column)?;
        let plain = config.strip_prefix("pg_catalog.").unwrap_or(config);
        let index = self.index(|index| index.word_columns().any(|known| known == (column, plain)))?;
        Some(WordColumn { index, column: column.to_string() })
    }

    fn index(&self, fits: impl Fn(&IndexDefinition) -> bool) -> Option<Arc<IndexDefinition>> {
        let fits = |index: &&IndexDefinition| fits(index) && can_have_data(self.table, index);
        self.table.indexes.iter().find(fits).cloned().map(Arc::new)
    }
}

impl Wanted {
    /// The rows that can match; `None` where all have to be looked at.
    pub(super) fn candidates<'a>(&'a self, table: &'a TableVersion) -> BoxFuture<'a, PlanResult<Option<AddressSet>>> {
        Box::pin(async move {
            match self {
                Wanted::Part(index, column, part) => Ok(table.having(index, column, part).await?),
                Wanted::All(all) => {
                    let mut rows: Option<AddressSet> = None;
                    for wanted in all {
                        rows = match (rows, wanted.candidates(table).await?) {
                            (Some(rows), Some(others)) => Some(rows.and(&others)),
                            (rows, others) => rows.or(others),
                        };
                    }
                    Ok(rows)
                }
                Wanted::Any(any) => {
                    let mut rows = AddressSet::default();
                    for wanted in any {
                        let Some(others) = wanted.candidates(table).await? else { return Ok(None) };
                        rows = rows.or(&others);
                    }
                    Ok(Some(rows))
                }
            }
        })
    }

    /// The indexes that are asked, each once.
    pub(super) fn indexes(&self) -> Vec<&IndexDefinition> {
        let mut indexes: Vec<&IndexDefinition> = match self {
            Wanted::Part(index, ..) => vec![index],
            Wanted::All(parts) | Wanted::Any(parts) => parts.iter().flat_map(Wanted::indexes).collect(),
        };
        indexes.sort_by_key(|index| index.oid);
        indexes.dedup_by_key(|index| index.oid);
        indexes
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, sign) = match self {
            Wanted::Part(.., TextPart::Lexeme(text)) => return f.write_str(text),
            Wanted::Part(.., TextPart::Substring(text)) => return write!(f, "%{text}%"),
            Wanted::Part(.., TextPart::Pattern(text)) => return write!(f, "/{text}/"),
            Wanted::All(parts) => (parts, " & "),
            Wanted::Any(parts) => (parts, " | "),
        };
        f.write_str("(")?;
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                f.write_str(sign)?;
            }
            write!(f, "{part}")?;
        }
        f.write_str(")")
    }
}

/// What a part of a search wants of its fields.
pub(super) fn of_part(fields: &[WordColumn], part: Part) -> Option<Wanted> {
    let all = |parts: Vec<Part>| parts.into_iter().map(|part| of_part(fields, part)).collect::<Option<Vec<_>>>();
    match part {
        Part::Lexeme(lexeme, field) => {
            let among = match field {
                Some(field) => std::slice::from_ref(fields.get(field)?),
                None => fields,
            };
            let of = |field: &WordColumn| {
                Wanted::Part(Arc::clone(&field.index), field.column.clone(), TextPart::Lexeme(lexeme.clone()))
            };
            joined(among.iter().map(of).collect(), Wanted::Any)
        }
        Part::All(parts) => all(parts).map(Wanted::All),
        Part::Any(parts) => all(parts).map(Wanted::Any),
    }
}

fn joined(mut wanted: Vec<Wanted>, join: impl FnOnce(Vec<Wanted>) -> Wanted) -> Option<Wanted> {
    match wanted.len() {
        0 => None,
        1 => wanted.pop(),
        _ => Some(join(wanted)),
    }
}

/// The text that an expression is, if it is a constant.
pub(super) fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        _ => None,
    }
}

/// What stands between the wildcards of a LIKE pattern.
fn literal_parts(pattern: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' | '_' => parts.push(std::mem::take(&mut part)),
            '\\' => part.extend(characters.next()),
            character => part.push(character),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cut_a_pattern() {
        assert_eq!(literal_parts("%foo_bar%"), ["", "foo", "bar", ""]);
        assert_eq!(literal_parts("a\\%b"), ["a%b"]);
    }
}
