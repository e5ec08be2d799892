//! `UNWIND $keys AS key MATCH (n {id: key})`, where nothing says what `$keys` holds: what its items are compared with does.

use slipstream_engine::types::SqlType;

use crate::CypherParameter;
use crate::bound::{BoundClause, BoundQuery, Value, ValueKind};
use crate::syntax::Comparison;

/// A parameter that is unwound as a list of anything.
#[derive(Debug)]
pub(super) struct UntypedList {
    /// Its name.
    pub(super) parameter: String,
    /// The variable that takes its items.
    pub(super) variable: String,
}

impl UntypedList {
    /// The parameter with its type: that of a property which must equal an item. None where there is no such property.
    pub(super) fn parameter(self, query: &BoundQuery) -> Option<CypherParameter> {
        let conditions = query.parts().flatten().filter_map(|clause| match clause {
            BoundClause::Match(pattern) => Some(&pattern.conditions),
            _ => None,
        });
        let found = conditions.flatten().find_map(|condition| self.item_type(condition))?;
        Some(CypherParameter { name: self.parameter, sql_type: SqlType::Array(Box::new(found)) })
    }

    fn item_type(&self, value: &Value) -> Option<SqlType> {
        if let ValueKind::Compare(Comparison::Equal, left, right) = &value.kind {
            for (item, property) in [(left, right), (right, left)] {
                if self.is_item(item)
                    && let Some(sql_type) = property_type(property)
                {
                    return Some(sql_type);
                }
            }
        }
        value.children().into_iter().find_map(|child| self.item_type(child))
    }

    fn is_item(&self, value: &Value) -> bool {
        match &value.kind {
            ValueKind::Variable { name, .. } => *name == self.variable,
            ValueKind::Cast(value) => self.is_item(value),
            _ => false,
        }
    }
}

/// The type of a property, before it was made one of any type.
fn property_type(value: &Value) -> Option<SqlType> {
    match &value.kind {
        ValueKind::Property { .. } => value.sql_type.clone().filter(|sql_type| *sql_type != SqlType::Jsonb),
        ValueKind::Cast(value) => property_type(value),
        _ => None,
    }
}
