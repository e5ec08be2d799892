//! What clauses use of their variables, so that only that is read and carried along.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::bound::{Answer, BoundClause, BoundItem, BoundMatch, BoundSet, Distinct, Made, Part, Value, ValueKind};

/// What clauses name.
#[derive(Debug, Default)]
pub struct Uses {
    /// Columns of elements.
    pub properties: HashMap<String, BTreeSet<String>>,
    /// Values.
    pub values: HashSet<String>,
    /// Variable-length relationships whose length is asked.
    pub lengths: HashSet<String>,
    /// Variable-length relationships whose edges are compared with others.
    pub walks: HashSet<String>,
    /// Elements that are asked for as a whole.
    pub wholes: HashSet<String>,
    /// Variable-length relationships, and other parts of paths, whose path is asked as a whole.
    pub paths: HashSet<String>,
    /// Elements and values that are named as they are: nodes of earlier clauses in a pattern, what WITH passes on.
    pub named: HashSet<String>,
}

impl Uses {
    /// What clauses use.
    pub fn of<'a>(clauses: impl IntoIterator<Item = &'a BoundClause>) -> Uses {
        let mut uses = Uses::default();
        clauses.into_iter().for_each(|clause| uses.clause(clause));
        uses
    }

    /// Visits the values that clauses compute.
    pub(crate) fn values_of<'a>(clauses: &'a [BoundClause], visit: &mut impl FnMut(&'a Value)) {
        for clause in clauses {
            match clause {
                BoundClause::Match(pattern) => {
                    pattern.conditions.iter().for_each(&mut *visit);
                    pattern.each_relationship().flat_map(|edge| &edge.conditions).for_each(&mut *visit);
                }
                BoundClause::Unwind { list, .. } => visit(list),
                BoundClause::With(projection, filter) => {
                    projection.values().for_each(&mut *visit);
                    filter.iter().for_each(&mut *visit);
                }
                BoundClause::Return(projection) => projection.values().for_each(&mut *visit),
                BoundClause::Create(made) => made.iter().flat_map(Made::values).for_each(&mut *visit),
                BoundClause::Merge(merge) => merge.each_value().for_each(&mut *visit),
                BoundClause::Set(sets) => sets.iter().flat_map(BoundSet::values).for_each(&mut *visit),
                BoundClause::Delete { items, .. } => items.iter().map(|item| &item.key).for_each(&mut *visit),
            }
        }
    }

    /// Visits the patterns of clauses, those of queries inside their expressions among them.
    pub fn patterns_of<'a>(clauses: &'a [BoundClause], visit: &mut impl FnMut(&'a BoundMatch)) {
        let mut queries: Vec<&'a [BoundClause]> = vec![clauses];
        while let Some(clauses) = queries.pop() {
            for clause in clauses {
                match clause {
                    BoundClause::Match(pattern) => visit(pattern),
                    BoundClause::Merge(merge) => visit(&merge.pattern),
                    _ => {}
                }
            }
            Uses::values_of(clauses, &mut |value| note_queries(value, &mut queries));
        }
    }

    fn clause(&mut self, clause: &BoundClause) {
        match clause {
            BoundClause::Match(pattern) => self.pattern(pattern),
            BoundClause::With(projection, _) | BoundClause::Return(projection) => {
                let items = projection.stage.iter().chain(&projection.items);
                self.named.extend(items.filter_map(|item| match item {
                    BoundItem::Variable(name) => Some(name.clone()),
                    BoundItem::Value { .. } => None,
                }));
            }
            BoundClause::Merge(merge) => self.pattern(&merge.pattern),
            BoundClause::Create(made) => self.named.extend(made.iter().flat_map(|made| {
                made.ends.iter().flat_map(|(source, destination)| [source.clone(), destination.clone()])
            })),
            BoundClause::Unwind { .. } | BoundClause::Set(_) | BoundClause::Delete { .. } => {}
        }
        Uses::values_of(std::slice::from_ref(clause), &mut |value| self.value(value));
    }

    fn pattern(&mut self, pattern: &BoundMatch) {
        let nodes = pattern
            .paths
            .iter()
            .flat_map(|path| std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node)));
        self.named.extend(nodes.filter(|node| !node.introduced).map(|node| node.variable.clone()));
        pattern.distinct.iter().for_each(|distinct| self.distinct(distinct));
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

    /// Adds a whole element.
    fn part(&mut self, part: &Part) {
        self.properties.entry(part.variable.clone()).or_default().extend(part.columns.iter().cloned());
        self.wholes.insert(part.variable.clone());
    }

    /// Adds what a value uses.
    pub fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Property { variable, column, .. } => {
                self.properties.entry(variable.clone()).or_default().insert(column.clone());
            }
            ValueKind::Variable { name, .. } => {
                self.values.insert(name.clone());
            }
            ValueKind::Identity(variable) | ValueKind::Table(variable) => {
                self.named.insert(variable.clone());
            }
            ValueKind::Length(_, walks) => self.lengths.extend(walks.iter().cloned()),
            ValueKind::Whole(part) => self.part(part),
            ValueKind::Path(parts) => {
                parts.iter().for_each(|part| self.part(part));
                self.paths.extend(parts.iter().map(|part| part.variable.clone()));
            }
            ValueKind::Subquery(subquery) => {
                self.named.extend(subquery.captured.iter().cloned());
                self.values.extend(subquery.captured.iter().cloned());
                subquery.clauses.iter().for_each(|clause| self.clause(clause));
                if let Answer::Collect(value) = &subquery.answer {
                    self.value(value);
                }
            }
            _ => value.children().into_iter().for_each(|child| self.value(child)),
        }
    }
}

/// The clauses of the queries inside a value.
fn note_queries<'a>(value: &'a Value, found: &mut Vec<&'a [BoundClause]>) {
    if let ValueKind::Subquery(subquery) = &value.kind {
        found.push(&subquery.clauses);
        if let Answer::Collect(value) = &subquery.answer {
            note_queries(value, found);
        }
    }
    value.children().into_iter().for_each(|child| note_queries(child, found));
}
