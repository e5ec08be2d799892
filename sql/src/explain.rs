//! EXPLAIN: the physical plan as text, one line a row.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::sqlparser::ast::{self, AnalyzeFormat, AnalyzeFormatKind, Expr, UtilityOption, Value};
use futures::StreamExt;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::{from_arrow, from_datafusion};
use crate::prepare::{Explain, Kind, has_plan};

/// Takes an EXPLAIN statement apart.
pub(crate) fn parse(statement: &ast::Statement) -> Result<(Explain, &ast::Statement)> {
    let ast::Statement::Explain { analyze, verbose, statement, format, options, query_plan, estimate, .. } = statement
    else {
        return Err(Error::internal("not an EXPLAIN statement"));
    };
    if *query_plan || *estimate {
        return Err(Error::new(ErrorKind::Syntax, "EXPLAIN takes ANALYZE, VERBOSE or options in parentheses"));
    }
    if let Some(format) = format {
        let (AnalyzeFormatKind::Keyword(format) | AnalyzeFormatKind::Assignment(format)) = format;
        if *format != AnalyzeFormat::TEXT {
            return Err(Error::not_supported(format!("EXPLAIN (FORMAT {format}) is not supported yet")));
        }
    }
    let mut explain = Explain { analyze: *analyze, verbose: *verbose, kind: Box::new(Kind::Query { locks: false }) };
    for option in options.iter().flatten() {
        apply(&mut explain, option)?;
    }
    if !has_plan(statement) || matches!(**statement, ast::Statement::Explain { .. }) {
        return Err(Error::new(ErrorKind::Syntax, "EXPLAIN takes a query, INSERT, UPDATE or DELETE"));
    }
    Ok((explain, statement))
}

fn apply(explain: &mut Explain, option: &UtilityOption) -> Result<()> {
    let name = option.name.value.to_lowercase();
    let word = option.arg.as_ref().map(word).unwrap_or_else(|| "on".to_string());
    let on = match word.as_str() {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    };
    match (name.as_str(), on) {
        ("analyze", Some(on)) => explain.analyze = on,
        ("verbose", Some(on)) => explain.verbose = on,
        ("format", _) if word == "text" => {}
        ("format", _) => return Err(Error::not_supported(format!("EXPLAIN (FORMAT {word}) is not supported yet"))),
        // What these would add is not known here, or always shown; asking for it changes no answer.
        ("costs" | "timing" | "summary" | "settings" | "buffers" | "wal", Some(_)) => {}
        _ => return Err(Error::new(ErrorKind::Syntax, format!("unrecognized EXPLAIN option \"{name}\""))),
    }
    Ok(())
}

fn word(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Boolean(value) => value.to_string(),
            other => other.to_string().trim_matches('\'').to_lowercase(),
        },
        other => other.to_string().to_lowercase(),
    }
}

/// What running a plan has shown.
pub(crate) struct Analyzed {
    /// Rows that it gave, or has written.
    pub(crate) rows: usize,
    pub(crate) time: Duration,
}

/// Runs a plan and forgets its rows.
pub(crate) async fn run(plan: &Arc<dyn ExecutionPlan>, task: &Arc<TaskContext>) -> Result<usize> {
    let mut rows = 0;
    let mut stream = execute_stream(Arc::clone(plan), Arc::clone(task)).map_err(from_datafusion)?;
    while let Some(batch) = stream.next().await {
        rows += batch.map_err(from_datafusion)?.num_rows();
    }
    Ok(rows)
}

/// The lines of a plan; with ANALYZE, those of what running it has shown.
pub(crate) fn lines(plan: &Arc<dyn ExecutionPlan>, explain: &Explain, analyzed: Option<&Analyzed>) -> Vec<String> {
    let displayed = match analyzed {
        Some(_) => DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(explain.verbose).to_string(),
        None => DisplayableExecutionPlan::new(plan.as_ref()).indent(explain.verbose).to_string(),
    };
    let creates = matches!(*explain.kind, Kind::CreateTableAs(_));
    let indent = if creates { "  " } else { "" };
    let mut lines: Vec<String> = creates.then(|| "Create table".to_string()).into_iter().collect();
    lines.extend(displayed.lines().map(|line| format!("{indent}{line}")));
    if let Some(Analyzed { rows, time }) = analyzed {
        lines.push(format!("Rows: {rows}"));
        lines.push(format!("Execution Time: {:.3} ms", time.as_secs_f64() * 1000.0));
    }
    lines
}

/// The lines as the one column of the result.
pub(crate) fn batch(schema: arrow::datatypes::SchemaRef, lines: Vec<String>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(lines))]).map_err(from_arrow)
}
