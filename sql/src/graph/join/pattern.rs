//! MATCH: one element after the other.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::{JoinType, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::functions_nested::expr_fn::{array_has, array_has_any};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, lit};
use slipstream_catalog::expand::{Bounds, Expand, Output, Search, Way};

use super::relationships::{Leg, left_end, right_end, walk_edges, walk_end, walk_length};
use super::subquery::has_subquery;
use super::{Lowering, column, extended};
use slipstream_graph_language::bound::{BoundMatch, Distinct, Value, ValueKind};
use slipstream_graph_language::syntax::{Comparison, Direction, SearchKind};

/// Joins from a node known by its key whose rows are expected to be fewer than those of a table.
const FEW_ROWS_JOINS: usize = 2;

impl Lowering<'_> {
    pub(super) fn match_clause(
        &self,
        rows: Option<LogicalPlan>,
        pattern: &BoundMatch,
        clause: usize,
    ) -> PlanResult<LogicalPlan> {
        if pattern.impossible {
            return self.nothing(super::started(rows)?, pattern);
        }
        let (placed, asking) = apart(pattern);
        if pattern.optional {
            return self.optional(super::started(rows)?, &placed, &asking, clause);
        }
        let rows = Placing::new(self, rows, &placed, Kind::Inner)?.all()?.finish()?;
        let rows = self.answered(rows, &asking)?;
        let conditions = asking.iter().map(|condition| self.value(condition));
        let conditions = conditions.collect::<slipstream_engine::Result<Vec<Expr>>>()?;
        match conditions.into_iter().reduce(Expr::and) {
            Some(condition) => LogicalPlanBuilder::from(rows).filter(condition)?.build(),
            None => Ok(rows),
        }
    }

    /// What becomes of rows of a pattern to which no tables fit.
    fn nothing(&self, rows: LogicalPlan, pattern: &BoundMatch) -> PlanResult<LogicalPlan> {
        let mut missing = Vec::new();
        for variable in pattern.introduced() {
            if self.uses.lengths.contains(variable) {
                missing.push(lit(ScalarValue::Int64(None)).alias(walk_length(variable)));
            }
            for (_, list) in self.value_lists(variable) {
                missing.push(lit(ScalarValue::new_null_list(DataType::Utf8, true, 1)).alias(list));
            }
            missing.extend(self.missing(variable)?);
        }
        let rows = extended(rows, missing)?;
        if pattern.optional { Ok(rows) } else { LogicalPlanBuilder::from(rows).filter(lit(false))?.build() }
    }

    /// The conditions of a pattern, those that make its paths trails among them.
    pub(super) fn conditions(&self, pattern: &BoundMatch) -> PlanResult<Vec<Condition>> {
        let mut conditions = Vec::with_capacity(pattern.conditions.len() + pattern.distinct.len());
        for value in &pattern.conditions {
            let needs = owned(value.variables());
            conditions.push(Condition { expr: self.value(value)?, needs });
        }
        for distinct in &pattern.distinct {
            conditions.push(self.distinct(distinct)?);
        }
        Ok(conditions)
    }

    fn distinct(&self, distinct: &Distinct) -> PlanResult<Condition> {
        let (expr, names) = match distinct {
            Distinct::Relationships(first, second) => {
                let (left, right) = self.comparable(first, second)?;
                (left.not_eq(right), [first, second])
            }
            Distinct::Walk { walk, relationship, .. } => {
                let key = match self.identified.contains(walk.as_str()) {
                    true => self.identity(relationship)?,
                    false => self.key(relationship)?,
                };
                (!array_has(column(walk_edges(walk)), key), [walk, relationship])
            }
            Distinct::Walks(first, second) => {
                (!array_has_any(column(walk_edges(first)), column(walk_edges(second))), [first, second])
            }
        };
        Ok(Condition { expr, needs: names.into_iter().cloned().collect() })
    }
}

/// A condition, and the variables that it is about.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) expr: Expr,
    pub(super) needs: BTreeSet<String>,
}

/// What becomes of rows to which nothing fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They go.
    Inner,
    /// They stay, with NULLs.
    Outer,
}

/// The elements of a pattern, being joined to the rows.
pub(super) struct Placing<'a> {
    lowering: &'a Lowering<'a>,
    rows: Option<LogicalPlan>,
    kind: Kind,
    pattern: &'a BoundMatch,
    nodes: Vec<&'a str>,
    legs: Vec<Leg<'a>>,
    /// Elements of the pattern that the rows do not hold yet.
    missing: BTreeSet<String>,
    /// Conditions that are not part of the plan yet.
    conditions: Vec<Condition>,
    /// How many joins the rows may still go through as the few of the two sides.
    few: usize,
}

impl<'a> Placing<'a> {
    pub(super) fn new(
        lowering: &'a Lowering<'a>,
        rows: Option<LogicalPlan>,
        pattern: &'a BoundMatch,
        kind: Kind,
    ) -> PlanResult<Self> {
        let (nodes, legs) = elements(pattern);
        let missing = owned(pattern.introduced());
        let conditions = lowering.conditions(pattern)?;
        Ok(Placing { lowering, rows, kind, pattern, nodes, legs, missing, conditions, few: 0 })
    }

    /// Places everything: what hangs together with the rows first, and of that what cannot make them more.
    pub(super) fn all(mut self) -> PlanResult<Self> {
        loop {
            if let Some(at) = self.next_leg() {
                let leg = self.legs.remove(at);
                match leg.relationship.length {
                    None => self.place_relationship(leg)?,
                    Some(length) => self.place_walk(leg, length)?,
                }
            } else if let Some(node) = self.next_node() {
                let nodes = self.lowering.nodes(node)?;
                self.missing.remove(node);
                self.join(nodes, node, Vec::new())?;
            } else {
                return Ok(self);
            }
        }
    }

    /// The rows, and the conditions that are left.
    pub(super) fn into_parts(self) -> PlanResult<(LogicalPlan, Vec<Condition>)> {
        Ok((super::started(self.rows)?, self.conditions))
    }

    /// The rows that satisfy every condition.
    fn finish(mut self) -> PlanResult<LogicalPlan> {
        let conditions = self.ripe();
        let rows = super::started(self.rows)?;
        filtered(rows, conditions)
    }

    fn is_placed(&self, variable: &str) -> bool {
        !self.missing.contains(variable)
    }

    fn next_leg(&self) -> Option<usize> {
        let cost = |leg: &Leg<'_>| {
            let ends = usize::from(self.is_placed(leg.left)) + usize::from(self.is_placed(leg.right));
            (ends > 0).then_some((2 - ends, leg.relationship.length.is_some()))
        };
        let legs = self.legs.iter().enumerate();
        legs.filter_map(|(at, leg)| cost(leg).map(|cost| (cost, at))).min().map(|(_, at)| at)
    }

    /// The missing node with the condition that leaves the fewest.
    fn next_node(&mut self) -> Option<&'a str> {
        let nodes = self.nodes.iter().filter(|node| !self.is_placed(node));
        let best = nodes.min_by_key(|node| {
            let scores = self.pattern.conditions.iter().map(|condition| self.selectivity(condition, node));
            scores.min().unwrap_or(UNSELECTIVE)
        })?;
        if self.pattern.conditions.iter().any(|condition| self.selectivity(condition, best) == 0) {
            self.few = FEW_ROWS_JOINS;
        }
        Some(best)
    }

    /// How few nodes a condition leaves: less is fewer.
    fn selectivity(&self, condition: &Value, node: &str) -> usize {
        let needs = condition.variables();
        if !needs.contains(node) || needs.iter().any(|other| *other != node && !self.is_placed(other)) {
            return UNSELECTIVE;
        }
        let side = |value: &Value| match &value.kind {
            ValueKind::Property { variable, key_of, .. } if variable == node => Some(key_of.is_some()),
            _ => None,
        };
        match &condition.kind {
            ValueKind::Compare(Comparison::Equal, left, right) => match side(left).or_else(|| side(right)) {
                Some(true) => 0,
                Some(false) => 1,
                None => 2,
            },
            _ => 2,
        }
    }

    fn place_relationship(&mut self, leg: Leg<'_>) -> PlanResult<()> {
        let name = &leg.relationship.variable;
        let ends = [(leg.left, left_end(name)), (leg.right, right_end(name))];
        let mut on = Vec::new();
        for (node, end) in &ends {
            if self.is_placed(node) {
                on.push(self.lowering.key(node)?.eq(column(end)));
            }
        }
        let relationships = self.lowering.relationships(leg)?;
        self.missing.remove(name);
        self.join(relationships, name, on)?;
        for (node, end) in ends {
            self.place_node(node, self.lowering.key(node)?.eq(column(end)))?;
        }
        Ok(())
    }

    fn place_walk(&mut self, leg: Leg<'_>, length: (u32, u32)) -> PlanResult<()> {
        let from_left = self.is_placed(leg.left);
        let (start, end) = if from_left { (leg.left, leg.right) } else { (leg.right, leg.left) };
        let way = match (leg.relationship.direction, from_left) {
            (Direction::Right, true) | (Direction::Left, false) => Way::Forward,
            (Direction::Left, true) | (Direction::Right, false) => Way::Backward,
            (Direction::Either, _) => Way::Both,
        };
        let name = &leg.relationship.variable;
        let uses = &self.lowering.uses;
        let edges = self.lowering.walk_edges(leg)?;
        let output = Output {
            end: walk_end(name),
            length: uses.lengths.contains(name).then(|| walk_length(name)),
            lists: self.lowering.walk_lists(&edges, name),
        };
        let rows = super::started(self.rows.take())?;
        let (key, end_key) = (self.lowering.walk_key(&edges, start)?, self.lowering.walk_key(&edges, end)?);
        let outer = self.kind == Kind::Outer;
        let search = leg
            .relationship
            .search
            .map(|kind| Search { all: kind == SearchKind::AllShortest, cycles: leg.relationship.repeats });
        let bounds = Bounds { least: length.0, most: length.1, repeats: leg.relationship.repeats, search };
        let expand = Expand::new(rows, key, edges.columns, way, bounds, outer, output)?;
        self.rows = Some(LogicalPlan::Extension(Extension { node: std::sync::Arc::new(expand) }));
        self.missing.remove(name);
        self.few = 0;
        let end_column = walk_end(name);
        if !from_left && let Some(rows) = self.rows.take() {
            self.rows = Some(self.lowering.turned(rows, name)?);
        }
        if self.is_placed(end) {
            let expr = end_key.eq(column(end_column));
            self.conditions.push(Condition { expr, needs: BTreeSet::new() });
        } else {
            self.place_node(end, end_key.eq(column(end_column)))?;
        }
        self.filter()
    }

    /// Joins the node that the rows tell, where it is missing.
    fn place_node(&mut self, node: &str, same: Expr) -> PlanResult<()> {
        if self.is_placed(node) {
            return Ok(());
        }
        let nodes = self.lowering.nodes(node)?;
        self.missing.remove(node);
        self.join(nodes, node, vec![same])
    }

    /// Joins the rows of an element. The smaller side should be the one that is kept in memory: the element's table, but
    /// for the first steps away from a node that is known by its key.
    fn join(&mut self, element: LogicalPlan, variable: &str, mut on: Vec<Expr>) -> PlanResult<()> {
        let (own, rest) = self.conditions.drain(..).partition(|condition| condition.is_about(variable));
        self.conditions = rest;
        let element = filtered(element, own)?;
        let Some(rows) = self.rows.take() else {
            self.rows = Some(element);
            return Ok(());
        };
        let rows_first = self.few > 0;
        self.few = self.few.saturating_sub(1);
        let (left, right, join) = match self.kind {
            Kind::Inner => {
                on.extend(self.ripe().into_iter().map(|condition| condition.expr));
                if rows_first { (rows, element, JoinType::Inner) } else { (element, rows, JoinType::Inner) }
            }
            Kind::Outer => (element, rows, JoinType::Right),
        };
        self.rows = Some(joined(left, right, join, on)?);
        Ok(())
    }

    /// Leaves out the rows for which a condition that can be tested does not hold.
    fn filter(&mut self) -> PlanResult<()> {
        if self.kind == Kind::Inner
            && let Some(rows) = self.rows.take()
        {
            let ripe = self.ripe();
            self.rows = Some(filtered(rows, ripe)?);
        }
        Ok(())
    }

    /// Takes the conditions whose variables are all there.
    fn ripe(&mut self) -> Vec<Condition> {
        let missing = &self.missing;
        let (ripe, rest) = self.conditions.drain(..).partition(|condition| condition.needs.is_disjoint(missing));
        self.conditions = rest;
        ripe
    }
}

/// What a condition that says nothing of a node is worth.
const UNSELECTIVE: usize = 3;

impl Condition {
    /// Whether it is about this element alone.
    pub(super) fn is_about(&self, variable: &str) -> bool {
        self.needs.len() == 1 && self.needs.contains(variable)
    }
}

/// A pattern without the conditions that have a query inside, and those.
fn apart(pattern: &BoundMatch) -> (BoundMatch, Vec<Value>) {
    let (asking, rest) = pattern.conditions.iter().cloned().partition(has_subquery);
    (BoundMatch { conditions: rest, ..pattern.clone() }, asking)
}

/// The nodes of a pattern, each once, and its relationships.
fn elements(pattern: &BoundMatch) -> (Vec<&str>, Vec<Leg<'_>>) {
    let (mut nodes, mut legs) = (Vec::new(), Vec::new());
    for path in &pattern.paths {
        let mut left = path.start.variable.as_str();
        note(&mut nodes, left);
        for (relationship, node) in &path.steps {
            let right = node.variable.as_str();
            note(&mut nodes, right);
            legs.push(Leg { relationship, left, right });
            left = right;
        }
    }
    (nodes, legs)
}

fn note<'a>(nodes: &mut Vec<&'a str>, node: &'a str) {
    if !nodes.contains(&node) {
        nodes.push(node);
    }
}

pub(super) fn owned(names: BTreeSet<&str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_string).collect()
}

pub(super) fn filtered(rows: LogicalPlan, conditions: Vec<Condition>) -> PlanResult<LogicalPlan> {
    match conditions.into_iter().map(|condition| condition.expr).reduce(Expr::and) {
        Some(condition) => LogicalPlanBuilder::from(rows).filter(condition)?.build(),
        None => Ok(rows),
    }
}

pub(super) fn joined(left: LogicalPlan, right: LogicalPlan, join: JoinType, on: Vec<Expr>) -> PlanResult<LogicalPlan> {
    let builder = LogicalPlanBuilder::from(left);
    match (on.is_empty(), join) {
        (true, JoinType::Inner) => builder.cross_join(right)?.build(),
        (true, _) => builder.join_on(right, join, [lit(true)])?.build(),
        (false, _) => builder.join_on(right, join, on)?.build(),
    }
}
