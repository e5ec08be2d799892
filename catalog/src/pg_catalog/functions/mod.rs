//! The functions that psql, drivers and tools call on metadata.
//!
//! Each is one line of a declaration: name, numbers of arguments, result type, and what it does with a row. The same
//! declarations make the rows of `pg_proc`.

mod definitions;
mod function;
mod lookup;
mod privileges;
mod session;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use slipstream_engine::catalog::Catalog;

use super::objects::Objects;
use super::session_info::SessionInfo;
use function::Function;

/// All metadata functions over one catalog, for one session.
pub fn functions(catalog: &Arc<Catalog>, session: &Arc<SessionInfo>) -> Vec<Arc<ScalarUDF>> {
    let objects = Arc::new(Objects::new(catalog, session));
    declared().map(|function| function.over(&objects)).collect()
}

/// Name and smallest number of arguments of every declared function.
pub(super) fn signatures() -> impl Iterator<Item = (&'static str, i16)> {
    declared().map(|function| {
        let arity = function.arity.iter().min().copied().unwrap_or(0);
        (function.name, arity as i16)
    })
}

fn declared() -> impl Iterator<Item = &'static Function> {
    [definitions::FUNCTIONS, lookup::FUNCTIONS, privileges::FUNCTIONS, session::FUNCTIONS].into_iter().flatten()
}
