//! `array_agg` and `string_agg` that are never turned around.
//!
//! Where two aggregates of one statement ask for opposite orders, DataFusion runs one of them backwards over the other's
//! order. In two stages that goes wrong: the first stage hands its values over turned back and what they are ordered by
//! not, and the second merges by the wrong pairs. Both functions can sort for themselves, and here they do.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result as PlanResult;
use datafusion::functions_aggregate::{array_agg::array_agg_udaf, string_agg::string_agg_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};

pub(super) fn functions() -> Vec<AggregateUDF> {
    [array_agg_udaf(), string_agg_udaf()].map(|inner| AggregateUDF::from(Forward(inner))).into()
}

/// An aggregate of DataFusion that has no reverse.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Forward(Arc<AggregateUDF>);

impl AggregateUDFImpl for Forward {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> PlanResult<DataType> {
        self.0.return_type(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        self.0.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        self.0.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn GroupsAccumulator>> {
        self.0.create_groups_accumulator(args)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.0.supports_null_handling_clause()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn with_beneficial_ordering(self: Arc<Self>, sorted: bool) -> PlanResult<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = match AggregateUDF::clone(&self.0).with_beneficial_ordering(sorted)? {
            Some(inner) => Arc::new(inner),
            // It sorts whatever comes.
            None => Arc::clone(&self.0),
        };
        Ok(Some(Arc::new(Forward(inner))))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}
