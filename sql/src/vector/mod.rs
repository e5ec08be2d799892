//! Vectors in statements.
//!
//! * [`table_function`]: `vector_search(...)` in FROM.
//!
//! That `ORDER BY distance LIMIT k` uses an index is the business of `slipstream_catalog::vector_search`, which finds it in
//! the physical plan whichever way it was written.

pub(crate) mod table_function;
