//! Text search: words of a text, `tsvector`, `tsquery`, the query language of `@@@`, matching, ranking and headlines.
//!
//! 1. [`token`] takes a text apart into words, numbers, hosts, paths, as Postgres's default parser does.
//! 2. A [`config::Config`] makes lexemes of them: lower case, without stop words, stemmed by Snowball (the crate that Lance
//!    stems with, so that an index has the same stems).
//! 3. [`vector::TsVector`] is the lexemes of a text with their positions; [`query::TsQuery`] is a condition on them, made of
//!    text by [`query_text`] (exactly as written), [`to_query`] (through a configuration) and [`websearch`].
//! 4. [`matching`] decides, [`rank`] orders, [`headline`] shows.
//!
//! The conditions of `@@@` are a language of their own: [`search_text`] reads it, [`search`] decides, [`bm25`] scores.
//!
//! Everything here is a pure function of its arguments. Who has an index compares nothing but what these functions say:
//! an index finds candidates, and the functions decide.
//!
//! # What differs from Postgres
//!
//! * What is a letter or a digit is Unicode's to say (`char::is_alphanumeric`), not the locale's: `²` and `①` are digits.
//!   A combining mark that is no letter ends a word, so text had better be composed (NFC).
//! * A number ends where its letters and digits end: `3.14abc` is `3` and `14abc`, where Postgres has `3.14` and `abc`.
//! * Hosts, paths and addresses are found by simpler rules, which agree on what people write.

pub mod bm25;
pub mod config;
pub mod error;
pub mod headline;
pub mod matching;
pub mod parts;
pub mod query;
pub mod query_text;
pub mod rank;
pub mod search;
pub mod search_text;
mod stop_words;
pub mod to_query;
pub mod token;
pub mod vector;
pub mod websearch;

pub use config::Config;
pub use error::{Error, ErrorKind, Result};
pub use query::TsQuery;
pub use vector::TsVector;
