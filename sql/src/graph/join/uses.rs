//! What a query uses of its variables, so that only that is read and carried along.

use std::collections::{BTreeSet, HashMap, HashSet};

use slipstream_graph_language::bound::{
    BoundClause, BoundItem, BoundProjection, BoundQuery, Distinct, Value, ValueKind,
};

/// What the expressions of a query name.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Columns of elements.
    pub(super) properties: HashMap<String, BTreeSet<String>>,
    /// Values.
    pub(super) values: HashSet<String>,
    /// Variable-length relationships whose length is asked.
    pub(super) lengths: HashSet<String>,
    /// Variable-length relationships whose edges are compared with others.
    pub(super) walks: HashSet<String>,
}

impl Uses {
    pub(super) fn of(query: &BoundQuery) -> Uses {
        let mut uses = Uses::default();
        for clause in &query.clauses {
            match clause {
                BoundClause::Match(pattern) => {
                    pattern.conditions.iter().for_each(|condition| uses.value(condition));
                    pattern.distinct.iter().for_each(|distinct| uses.distinct(distinct));
                }
                BoundClause::Unwind { list, .. } => uses.value(list),
                BoundClause::With(projection, filter) => {
                    uses.projection(projection);
                    filter.iter().for_each(|filter| uses.value(filter));
                }
                BoundClause::Return(projection) => uses.projection(projection),
            }
        }
        uses
    }

    fn distinct(&mut self, distinct: &Distinct) {
        match distinct {
            Distinct::Relationships(..) => {}
            Distinct::Walk { walk, .. } => {
                self.walks.insert(walk.clone());
            }
            Distinct::Walks(first, second) => {
                self.walks.insert(first.clone());
                self.walks.insert(second.clone());
            }
        }
    }

    fn projection(&mut self, projection: &BoundProjection) {
        for item in projection.stage.iter().chain(&projection.items) {
            match item {
                BoundItem::Variable(_) => {}
                BoundItem::Value { value, .. } => self.value(value),
            }
        }
        projection.order.iter().for_each(|(value, _)| self.value(value));
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Property { variable, column, .. } => {
                self.properties.entry(variable.clone()).or_default().insert(column.clone());
            }
            ValueKind::Variable { name, .. } => {
                self.values.insert(name.clone());
            }
            ValueKind::Length(_, walks) => self.lengths.extend(walks.iter().cloned()),
            _ => value.children().into_iter().for_each(|child| self.value(child)),
        }
    }
}
