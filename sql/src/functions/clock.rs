//! What time it is.

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::Error;
use slipstream_engine::types::SqlType;

use crate::types::{session_zone, typed_literal};

pub(super) fn functions() -> Vec<ScalarUDF> {
    let clock = |reading: Reading| {
        let volatility = if reading == Reading::This { Volatility::Volatile } else { Volatility::Stable };
        ScalarUDF::from(Clock { reading, aliases: reading.aliases(), signature: Signature::nullary(volatility) })
    };
    vec![clock(Reading::Statement), clock(Reading::Local), clock(Reading::This)]
}

/// Which clock is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// The time at which the statement began, the same wherever it is asked for.
    Statement,
    /// The same as clocks in the session's zone show it.
    Local,
    /// This moment.
    This,
}

impl Reading {
    fn name(self) -> &'static str {
        match self {
            Reading::Statement => "now",
            Reading::Local => "localtimestamp",
            Reading::This => "clock_timestamp",
        }
    }

    fn aliases(self) -> Vec<String> {
        let names: &[&str] = match self {
            Reading::Statement => &["current_timestamp", "transaction_timestamp", "statement_timestamp"],
            Reading::Local | Reading::This => &[],
        };
        names.iter().map(|name| (*name).to_string()).collect()
    }

    fn sql_type(self) -> SqlType {
        match self {
            Reading::Local => SqlType::Timestamp,
            Reading::Statement | Reading::This => SqlType::TimestampTz,
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
            Reading::Statement | Reading::This => ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())),
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

    /// The statement's time is fixed when its plan is optimized.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> PlanResult<ExprSimplifyResult> {
        match (self.reading, info.query_execution_start_time()) {
            (Reading::Statement | Reading::Local, Some(start)) => {
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
            Reading::Statement | Reading::Local => {
                Err(DataFusionError::from(Error::internal(format!("{} ran without its statement's time", self.name()))))
            }
        }
    }
}
