//! What time it is.

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::Error;
use slipstream_engine::types::SqlType;

use crate::types::{session_zone, typed_literal};

const STATEMENT_TIMESTAMP: &str = "statement_timestamp";

/// Puts the time at which the statement began into a plan that asks for it.
pub(crate) fn at_statement(plan: LogicalPlan, began: DateTime<Utc>) -> PlanResult<LogicalPlan> {
    let value = ScalarValue::TimestampMicrosecond(Some(began.timestamp_micros()), Some("UTC".into()));
    let literal = typed_literal(&SqlType::TimestampTz, value);
    let fixed = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let fixed = expr.transform_up(|expr| match &expr {
                Expr::ScalarFunction(call) if call.func.name() == STATEMENT_TIMESTAMP => {
                    Ok(Transformed::yes(literal.clone()))
                }
                _ => Ok(Transformed::no(expr)),
            })?;
            Ok(fixed.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(fixed.data)
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    let clock = |reading: Reading| {
        let volatility = if reading == Reading::This { Volatility::Volatile } else { Volatility::Stable };
        ScalarUDF::from(Clock { reading, aliases: reading.aliases(), signature: Signature::nullary(volatility) })
    };
    vec![clock(Reading::Transaction), clock(Reading::Statement), clock(Reading::Local), clock(Reading::This)]
}

/// Which clock is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// The time at which the transaction began, the same wherever it is asked for.
    Transaction,
    /// The time at which the statement began.
    Statement,
    /// The transaction's time as clocks in the session's zone show it.
    Local,
    /// This moment.
    This,
}

impl Reading {
    fn name(self) -> &'static str {
        match self {
            Reading::Transaction => "now",
            Reading::Statement => STATEMENT_TIMESTAMP,
            Reading::Local => "localtimestamp",
            Reading::This => "clock_timestamp",
        }
    }

    fn aliases(self) -> Vec<String> {
        let names: &[&str] = match self {
            Reading::Transaction => &["current_timestamp", "transaction_timestamp"],
            Reading::Statement | Reading::Local | Reading::This => &[],
        };
        names.iter().map(|name| (*name).to_string()).collect()
    }

    fn sql_type(self) -> SqlType {
        match self {
            Reading::Local => SqlType::Timestamp,
            Reading::Transaction | Reading::Statement | Reading::This => SqlType::TimestampTz,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    reading: Reading,
    aliases: Vec<String>,
    signature: Signature,
}

impl Clock {
    fn value(&self, instant: DateTime<Utc>, config: &datafusion::config::ConfigOptions) -> PlanResult<ScalarValue> {
        let micros = instant.timestamp_micros();
        Ok(match self.reading {
            Reading::Local => ScalarValue::TimestampMicrosecond(Some(session_zone(config)?.local_of(micros)), None),
            Reading::Transaction | Reading::Statement | Reading::This => {
                ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
            }
        })
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        self.reading.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.reading.sql_type().arrow_type())
    }

    /// The transaction's time is fixed when the plan is optimized. The statement's own, which the optimizer does not know, is
    /// in the plan by then ([`at_statement`]), unless it is only being looked at.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> PlanResult<ExprSimplifyResult> {
        match (self.reading, info.query_execution_start_time()) {
            (Reading::Transaction | Reading::Statement | Reading::Local, Some(start)) => {
                let value = self.value(start, info.config_options())?;
                Ok(ExprSimplifyResult::Simplified(typed_literal(&self.reading.sql_type(), value)))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        match self.reading {
            Reading::This => Ok(ColumnarValue::Scalar(self.value(Utc::now(), &args.config_options)?)),
            // Folding of constants tries this too, and then leaves the call for `simplify`.
            Reading::Transaction | Reading::Statement | Reading::Local => {
                Err(DataFusionError::from(Error::internal(format!("{} ran without its statement's time", self.name()))))
            }
        }
    }
}
