//! Conditions on text, answered by an index of the column's words or substrings.
//!
//! 1. [`TextSearchRule`] finds conditions over rows of a table that say what a text must have so that it can match
//!    ([`wanted`]): `@@`, `@@@`, LIKE, ILIKE, regular expressions, `starts_with`, `ends_with`.
//! 2. [`TextSearch`] takes the scan's place. It asks the index which rows can match, and scans those alone, rows that the
//!    index does not cover among them. The condition stays above it and decides about each row, so that the answer is the
//!    one without an index.
//! 3. Where the rows with the highest scores are wanted ([`best`]), the index finds those alone.
//! 4. [`TextStatistics`] is what scores are made of: how many texts there are, how long they are, and how many have each word.
//!    The index knows it without reading a text that it covers.
//!
//! Where the index has no data, knows nothing of what is asked for, and in a transaction that has changed the table, all rows
//! are scanned.

mod best;
mod operator;
mod rule;
mod statistics;
mod wanted;

pub use operator::{TextSearch, describe};
pub use rule::TextSearchRule;
pub use statistics::TextStatistics;

/// The function that `column @@@ search` is: `(search, config, name, column, ...)`.
const MATCHES: &str = "search_matches";
/// The function that scores: `(search, config, statistics, name, column, ...)`.
const SCORE_OF: &str = "bm25_score_of";
/// The aggregate that gathers statistics: `(search, config, name, column, ...)`.
const CORPUS: &str = "bm25_corpus";
/// The function that `to_tsvector(config, column) @@ query` is: `(config, column, query)`.
const MATCHES_TSQUERY: &str = "ts_match_text";
