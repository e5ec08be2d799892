//! Nearest vectors by an index: `ORDER BY distance LIMIT k` over a table does not measure every row.
//!
//! [`rule`] finds such a sort in the physical plan, whichever way it was written, and puts a [`VectorSearch`] in the place of
//! what reads the table's rows below it. The operator gives *candidates*: rows that satisfy the conditions, the nearest among
//! them. The sort above stays, measures each as the statement says, and keeps the first: distances are exact, ties and NULLs
//! are where they belong, and there are as many rows as there would be without the index.
//!
//! Conditions are checked before the search. What the index cannot answer is answered by reading the rows: a vector of
//! another dimension, zeros under the cosine distance, more rows than the search finds, an index without data at this
//! version.

mod leaf;
mod operator;
mod rule;

pub use leaf::StateScan;
pub use operator::{VectorSearch, describe, with_effort};
pub use rule::VectorSearchRule;

/// The function that gives a value of the row for which a LATERAL subquery runs. It differs from run to run of a plan, and is
/// the same in each.
pub const OUTER_VALUE: &str = "?outer";
