//! Random patterns as trees, which the oracle answers and [`Query::text`] writes in Cypher.
//!
//! They have what tables, labels and ways have to do with: elements without labels or with several to choose from, in any
//! direction, of any length, over several clauses. Conditions are few; [`super::writer`] has those.

use super::random::Random;

/// A query: it returns what every variable stands for.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) clauses: Vec<Clause>,
}

/// MATCH, or OPTIONAL MATCH.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) optional: bool,
    pub(super) paths: Vec<Path>,
    pub(super) filter: Option<Condition>,
}

#[derive(Debug)]
pub(super) struct Path {
    pub(super) start: Node,
    pub(super) steps: Vec<(Step, Node)>,
}

/// A node; variables are numbers.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) variable: usize,
    pub(super) labels: Labels,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) variable: usize,
    pub(super) types: Labels,
    pub(super) direction: Direction,
    pub(super) length: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Right,
    Left,
    Either,
}

/// Which labels an element may have.
#[derive(Debug, Clone)]
pub(super) enum Labels {
    Any,
    One(&'static str),
    Either(&'static str, &'static str),
    Both(&'static str, &'static str),
    Not(&'static str),
}

#[derive(Debug)]
pub(super) enum Condition {
    Less(usize, &'static str, i64),
    IsNull(usize, &'static str),
    Same(usize, usize),
    Has(usize, Labels),
    Not(Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Query {
    /// Its variables, in order.
    pub(super) fn variables(&self) -> Vec<usize> {
        let mut variables: Vec<usize> = self.clauses.iter().flat_map(Clause::variables).collect();
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    /// Whether a variable is a relationship of variable length.
    pub(super) fn is_walk(&self, variable: usize) -> bool {
        self.steps().any(|step| step.variable == variable && step.length.is_some())
    }

    fn is_edge(&self, variable: usize) -> bool {
        self.steps().any(|step| step.variable == variable && step.length.is_none())
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.clauses.iter().flat_map(|clause| &clause.paths).flat_map(|path| path.steps.iter().map(|(step, _)| step))
    }

    /// The query in Cypher.
    pub(super) fn text(&self) -> String {
        let mut words: Vec<String> = self.clauses.iter().map(Clause::text).collect();
        let items = self.variables().into_iter().map(|variable| {
            let name = format!("x{variable}");
            match (self.is_walk(variable), self.is_edge(variable)) {
                (true, _) => format!("length({name}) AS {name}"),
                (_, true) => format!("{name}.tag AS {name}, type({name}) AS {name}_is"),
                _ => format!("{name}.tag AS {name}, labels({name}) AS {name}_is"),
            }
        });
        words.push(format!("RETURN {}", items.collect::<Vec<_>>().join(", ")));
        words.join(" ")
    }
}

impl Clause {
    pub(super) fn variables(&self) -> Vec<usize> {
        let of = |path: &Path| {
            let steps = path.steps.iter().flat_map(|(step, node)| [step.variable, node.variable]);
            std::iter::once(path.start.variable).chain(steps).collect::<Vec<_>>()
        };
        self.paths.iter().flat_map(of).collect()
    }

    fn text(&self) -> String {
        let keyword = if self.optional { "OPTIONAL MATCH" } else { "MATCH" };
        let paths: Vec<String> = self.paths.iter().map(Path::text).collect();
        let filter = self.filter.as_ref().map(|filter| format!(" WHERE {}", filter.text())).unwrap_or_default();
        format!("{keyword} {}{filter}", paths.join(", "))
    }
}

impl Path {
    fn text(&self) -> String {
        let node = |node: &Node| format!("(x{}{})", node.variable, node.labels.text());
        let mut text = node(&self.start);
        for (step, end) in &self.steps {
            let (left, right) = match step.direction {
                Direction::Right => ("-", "->"),
                Direction::Left => ("<-", "-"),
                Direction::Either => ("-", "-"),
            };
            let length = step.length.map(|(least, most)| format!("*{least}..{most}")).unwrap_or_default();
            text.push_str(&format!("{left}[x{}{}{length}]{right}{}", step.variable, step.types.text(), node(end)));
        }
        text
    }
}

impl Labels {
    fn text(&self) -> String {
        match self {
            Labels::Any => String::new(),
            Labels::One(label) => format!(":{label}"),
            Labels::Either(one, other) => format!(":{one}|{other}"),
            Labels::Both(one, other) => format!(":{one}&{other}"),
            Labels::Not(label) => format!(":!{label}"),
        }
    }
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Condition::Less(variable, property, limit) => format!("x{variable}.{property} < {limit}"),
            Condition::IsNull(variable, property) => format!("x{variable}.{property} IS NULL"),
            Condition::Same(one, other) => format!("x{one} = x{other}"),
            Condition::Has(variable, labels) => format!("x{variable}{}", labels.text()),
            Condition::Not(operand) => format!("NOT ({})", operand.text()),
            Condition::Or(left, right) => format!("({} OR {})", left.text(), right.text()),
        }
    }
}

/// What shapes are made of.
pub(super) struct Vocabulary {
    pub(super) labels: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    pub(super) node_properties: &'static [&'static str],
    pub(super) edge_properties: &'static [&'static str],
}

/// Makes a query.
pub(super) struct Shaper<'a> {
    random: &'a mut Random,
    words: &'a Vocabulary,
    nodes: Vec<usize>,
    edges: Vec<usize>,
    next: usize,
    /// Relationships so far, a variable-length one as several: more make too many rows.
    size: usize,
}

impl<'a> Shaper<'a> {
    pub(super) fn new(random: &'a mut Random, words: &'a Vocabulary) -> Self {
        Shaper { random, words, nodes: Vec::new(), edges: Vec::new(), next: 0, size: 0 }
    }

    pub(super) fn query(mut self) -> Query {
        let mut clauses = vec![self.clause(false)];
        for _ in 0..self.random.below(3) {
            let optional = self.random.percent(60);
            clauses.push(self.clause(optional));
        }
        Query { clauses }
    }

    fn clause(&mut self, optional: bool) -> Clause {
        let mut paths = vec![self.path()];
        if self.random.percent(20) {
            paths.push(self.path());
        }
        let filter = self.random.percent(40).then(|| self.condition(1));
        Clause { optional, paths, filter }
    }

    fn path(&mut self) -> Path {
        let start = self.node();
        let most = 4_usize.saturating_sub(self.size).min(3);
        let steps = (0..self.random.below(most + 1)).map(|_| (self.step(), self.node())).collect();
        Path { start, steps }
    }

    fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn node(&mut self) -> Node {
        let known = !self.nodes.is_empty() && self.random.percent(30);
        let variable = if known { *self.random.pick(&self.nodes) } else { self.fresh() };
        let labels = if known && self.random.percent(80) { Labels::Any } else { self.labels(self.words.labels) };
        if !known {
            self.nodes.push(variable);
        }
        Node { variable, labels }
    }

    fn step(&mut self) -> Step {
        self.size += 1;
        let variable = self.fresh();
        let types = self.labels(self.words.types);
        let direction = [Direction::Right, Direction::Left, Direction::Either][self.random.below(3)];
        let mut length = None;
        if self.size < 4 && self.random.percent(20) {
            self.size += 1;
            length = Some(*self.random.pick(&[(1, 2), (1, 3), (2, 2), (0, 1), (0, 2)]));
        } else {
            self.edges.push(variable);
        }
        Step { variable, types, direction, length }
    }

    fn labels(&mut self, known: &'static [&'static str]) -> Labels {
        let (one, other) = (*self.random.pick(known), *self.random.pick(known));
        match self.random.below(10) {
            0..4 => Labels::Any,
            4..7 => Labels::One(one),
            7 | 8 => Labels::Either(one, other),
            _ if self.random.percent(50) => Labels::Both(one, other),
            _ => Labels::Not(one),
        }
    }

    fn condition(&mut self, depth: usize) -> Condition {
        if depth > 0 && self.random.percent(40) {
            return match self.random.percent(50) {
                true => Condition::Not(Box::new(self.condition(depth - 1))),
                false => Condition::Or(Box::new(self.condition(depth - 1)), Box::new(self.condition(depth - 1))),
            };
        }
        let node = *self.random.pick(&self.nodes);
        let (element, properties) = match self.edges.is_empty() || self.random.percent(70) {
            true => (node, self.words.node_properties),
            false => (*self.random.pick(&self.edges), self.words.edge_properties),
        };
        let property: &'static str = properties[self.random.below(properties.len())];
        match self.random.below(5) {
            0 => Condition::IsNull(element, property),
            1 => Condition::Same(node, *self.random.pick(&self.nodes)),
            2 => {
                let labels = self.labels(self.words.labels);
                match labels {
                    Labels::Any => Condition::Has(node, Labels::One(self.words.labels[0])),
                    labels => Condition::Has(node, labels),
                }
            }
            _ => Condition::Less(element, property, self.random.below(4) as i64),
        }
    }
}
