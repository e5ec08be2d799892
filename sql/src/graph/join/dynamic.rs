//! Values that DataFusion does not compute as openCypher does, as programs ([`crate::graph::value`]).
//!
//! Of an expression the largest parts that DataFusion does compute are arguments of the program.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, Volatility};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::elements::{Member, whole};
use super::walks::{walk_destinations, walk_relationships, walk_sources};
use super::{Lowering, column};
use crate::graph::value::Dynamic;
use crate::graph::value::function::{Evaluate, Result as Computed};
use crate::graph::value::program::{PathStep, Program};
use crate::text::parse_scalar;
use slipstream_graph_language::bound::{Function, Part, Value, ValueKind};
use slipstream_graph_language::syntax::Arithmetic;

impl Lowering<'_> {
    /// The expression of a value that needs a program.
    pub(super) fn evaluated(&self, value: &Value, result: Computed) -> Result<Expr> {
        let mut compiler = Compiler::new(self);
        let program = compiler.program(value)?;
        Ok(compiler.finish(program, result))
    }

    /// The bytes by which values of a column are told apart and ordered, where DataFusion would do it otherwise.
    pub(super) fn key_of(&self, value: Expr, sql_type: Option<&SqlType>) -> Expr {
        match sql_type {
            Some(sql_type @ (SqlType::Jsonb | SqlType::Array(_) | SqlType::Interval)) => {
                let arguments = vec![(value, sql_type.clone())];
                Evaluate::call(Program::Argument(0), arguments, Computed::Key, self.now, false)
            }
            _ => value,
        }
    }

    /// A column for a client.
    pub(super) fn for_client(&self, value: Expr) -> Expr {
        Evaluate::call(Program::Argument(0), vec![(value, SqlType::Jsonb)], Computed::Client, self.now, false)
    }

    /// The value of a row of a table, as JSON for the rest of the query.
    pub(super) fn element_value(&self, element: &Member<'_>, of: &dyn Fn(&str) -> Expr) -> Result<Expr> {
        let columns: Vec<String> =
            element.table().definition.columns.iter().map(|column| column.name.clone()).collect();
        let mut compiler = Compiler::new(self);
        let program = compiler.element(element, &columns, of)?;
        Ok(compiler.finish(program, Computed::Value(SqlType::Jsonb)))
    }
}

/// Whether DataFusion computes a value, but for its parts, as openCypher does.
pub(super) fn is_native(value: &Value) -> bool {
    if has_local(value) {
        return false;
    }
    let plain = |value: &Value| {
        !matches!(value.sql_type, Some(SqlType::Jsonb | SqlType::Json | SqlType::Array(_) | SqlType::Interval))
    };
    match &value.kind {
        ValueKind::Null
        | ValueKind::Boolean(_)
        | ValueKind::Integer(_)
        | ValueKind::Float(_)
        | ValueKind::String(_)
        | ValueKind::Constant(_)
        | ValueKind::Parameter(_)
        | ValueKind::Property { .. }
        | ValueKind::Variable { .. }
        | ValueKind::Length(..)
        | ValueKind::Identity(_)
        | ValueKind::Table(_)
        | ValueKind::Subquery(_)
        | ValueKind::Not(_)
        | ValueKind::And(_)
        | ValueKind::Or(_)
        | ValueKind::Xor(..)
        | ValueKind::IsNull { .. }
        | ValueKind::InItems(..)
        | ValueKind::Aggregate { .. } => true,
        ValueKind::Case { .. } | ValueKind::Call(Function::Coalesce, _) => value.sql_type != Some(SqlType::Jsonb),
        ValueKind::Negate(operand) => plain(operand),
        ValueKind::Compare(_, left, right) | ValueKind::Concatenate(left, right) | ValueKind::Match(_, left, right) => {
            plain(left) && plain(right)
        }
        ValueKind::Arithmetic(operator, left, right) => {
            let numbers = matches!(value.sql_type, Some(SqlType::BigInt | SqlType::Double));
            numbers && plain(left) && plain(right) && (*operator != Arithmetic::Power || plain(value))
        }
        ValueKind::InList(needle, list) => {
            let scalars = matches!(&list.sql_type, Some(SqlType::Array(item)) if **item != SqlType::Jsonb);
            plain(needle) && scalars
        }
        ValueKind::List(_) => matches!(value.sql_type, Some(SqlType::Array(_))),
        ValueKind::Cast(operand) => {
            let dynamic = |sql_type: Option<&SqlType>| match sql_type {
                Some(SqlType::Array(item)) => **item == SqlType::Jsonb,
                sql_type => sql_type == Some(&SqlType::Jsonb),
            };
            !dynamic(operand.sql_type.as_ref()) && !dynamic(value.sql_type.as_ref())
        }
        ValueKind::Call(Function::Abs | Function::Floor | Function::Ceil, arguments) => {
            plain(value) && arguments.iter().all(plain)
        }
        ValueKind::Call(Function::Size, arguments) => {
            arguments.iter().all(|argument| matches!(argument.sql_type, Some(SqlType::Array(_))))
        }
        ValueKind::Call(..)
        | ValueKind::Map(_)
        | ValueKind::Whole(_)
        | ValueKind::Path(_)
        | ValueKind::Local(_)
        | ValueKind::Access(..)
        | ValueKind::Slice(..)
        | ValueKind::Pattern(..)
        | ValueKind::Comprehension { .. }
        | ValueKind::Quantified { .. }
        | ValueKind::Reduce { .. } => false,
    }
}

/// Whether the variable of a comprehension is part of a value.
fn has_local(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Local(_)) || value.children().into_iter().any(has_local)
}

/// Makes a program, and gathers its arguments.
struct Compiler<'l, 'g> {
    lowering: &'l Lowering<'g>,
    arguments: Vec<(Expr, SqlType)>,
    /// The variables of comprehensions around, in the order of their slots.
    slots: Vec<String>,
    volatile: bool,
}

impl<'l, 'g> Compiler<'l, 'g> {
    fn new(lowering: &'l Lowering<'g>) -> Self {
        Compiler { lowering, arguments: Vec::new(), slots: Vec::new(), volatile: false }
    }

    fn finish(self, program: Program, result: Computed) -> Expr {
        let volatile = self.volatile || self.arguments.iter().any(|(argument, _)| is_volatile(argument));
        Evaluate::call(program, self.arguments, result, self.lowering.now, volatile)
    }

    /// A column or another expression as an argument.
    fn argument(&mut self, expr: Expr, sql_type: SqlType) -> Program {
        let known = self.arguments.iter().position(|(other, _)| *other == expr);
        let at = known.unwrap_or_else(|| {
            self.arguments.push((expr, sql_type));
            self.arguments.len() - 1
        });
        Program::Argument(at)
    }

    fn boxed(&mut self, value: &Value) -> Result<Box<Program>> {
        self.program(value).map(Box::new)
    }

    fn some(&mut self, value: Option<&Value>) -> Result<Option<Box<Program>>> {
        value.map(|value| self.boxed(value)).transpose()
    }

    fn all(&mut self, values: &[Value]) -> Result<Vec<Program>> {
        values.iter().map(|value| self.program(value)).collect()
    }

    fn constant(&self, value: &Value) -> Result<Option<Dynamic>> {
        let typed = || value.sql_type.clone().unwrap_or(SqlType::Text);
        Ok(Some(match &value.kind {
            ValueKind::Null => Dynamic::Null,
            ValueKind::Boolean(truth) => Dynamic::Boolean(*truth),
            ValueKind::Integer(number) => Dynamic::Integer(*number),
            ValueKind::Float(number) => Dynamic::Float(*number),
            ValueKind::String(text) => Dynamic::String(text.clone()),
            ValueKind::Constant(text) => Dynamic::of_typed(&typed(), &parse_scalar(&typed(), text)?)?,
            ValueKind::Parameter(name) => Dynamic::of_typed(&typed(), &self.lowering.parameter(name)?)?,
            _ => return Ok(None),
        }))
    }

    fn program(&mut self, value: &Value) -> Result<Program> {
        if let Some(constant) = self.constant(value)? {
            return Ok(Program::Constant(constant));
        }
        if is_native(value) {
            let expr = self.lowering.value(value)?;
            return Ok(self.argument(expr, value.sql_type.clone().unwrap_or(SqlType::Text)));
        }
        Ok(match &value.kind {
            ValueKind::Local(name) => {
                let slot = self.slots.iter().rposition(|other| other == name);
                Program::Local(slot.ok_or_else(|| Error::internal("a local variable out of its place"))?)
            }
            ValueKind::Not(operand) => Program::Not(self.boxed(operand)?),
            ValueKind::Negate(operand) => Program::Negate(self.boxed(operand)?),
            ValueKind::And(operands) => Program::And(self.all(operands)?),
            ValueKind::Or(operands) => Program::Or(self.all(operands)?),
            ValueKind::Xor(left, right) => Program::Xor(self.boxed(left)?, self.boxed(right)?),
            ValueKind::Compare(operator, left, right) => {
                Program::Compare(*operator, self.boxed(left)?, self.boxed(right)?)
            }
            ValueKind::Arithmetic(operator, left, right) => {
                Program::Arithmetic(*operator, self.boxed(left)?, self.boxed(right)?)
            }
            ValueKind::Concatenate(left, right) => {
                Program::Arithmetic(Arithmetic::Add, self.boxed(left)?, self.boxed(right)?)
            }
            ValueKind::Match(operator, left, right) => Program::Match(*operator, self.boxed(left)?, self.boxed(right)?),
            ValueKind::Pattern(left, right) => Program::Pattern(self.boxed(left)?, self.boxed(right)?),
            ValueKind::InList(needle, list) => Program::In(self.boxed(needle)?, self.boxed(list)?),
            ValueKind::InItems(needle, items) => {
                Program::In(self.boxed(needle)?, Box::new(Program::List(self.all(items)?)))
            }
            ValueKind::IsNull { operand, negated } => Program::IsNull(self.boxed(operand)?, *negated),
            ValueKind::Case { branches, otherwise } => {
                let branches = branches
                    .iter()
                    .map(|(when, then)| Ok((self.program(when)?, self.program(then)?)))
                    .collect::<Result<Vec<_>>>()?;
                Program::Case(branches, self.boxed(otherwise)?)
            }
            ValueKind::List(items) => Program::List(self.all(items)?),
            ValueKind::Map(members) => {
                let members = members.iter().map(|(name, value)| Ok((name.clone(), self.program(value)?)));
                Program::Map(members.collect::<Result<Vec<_>>>()?)
            }
            ValueKind::Cast(operand) => {
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::Jsonb);
                Program::Convert(self.boxed(operand)?, sql_type)
            }
            ValueKind::Call(function, arguments) => {
                self.volatile |= *function == Function::Rand;
                Program::Call(*function, self.all(arguments)?)
            }
            ValueKind::Access(value, index) => Program::Access(self.boxed(value)?, self.boxed(index)?),
            ValueKind::Slice(list, from, to) => {
                Program::Slice(self.boxed(list)?, self.some(from.as_deref())?, self.some(to.as_deref())?)
            }
            ValueKind::Comprehension { variable, list, filter, result } => {
                let list = self.boxed(list)?;
                let slot = self.enter(&[variable]);
                let (filter, result) = (self.some(filter.as_deref())?, self.some(result.as_deref())?);
                self.slots.truncate(slot);
                Program::Comprehension { slot, list, filter, result }
            }
            ValueKind::Quantified { quantifier, variable, list, condition } => {
                let list = self.boxed(list)?;
                let slot = self.enter(&[variable]);
                let condition = self.boxed(condition)?;
                self.slots.truncate(slot);
                Program::Quantified { quantifier: *quantifier, slot, list, condition }
            }
            ValueKind::Reduce { accumulator, start, variable, list, step } => {
                let (start, list) = (self.boxed(start)?, self.boxed(list)?);
                let slot = self.enter(&[accumulator, variable]);
                let step = self.boxed(step)?;
                self.slots.truncate(slot);
                Program::Reduce { slot, start, list, step }
            }
            ValueKind::Whole(part) => self.part(part)?,
            ValueKind::Path(parts) => Program::Path(parts.iter().map(|part| self.step(part)).collect::<Result<_>>()?),
            _ => return Err(Error::internal("a value that nothing computes")),
        })
    }

    /// Makes room for variables; the slot of the first comes back.
    fn enter(&mut self, variables: &[&String]) -> usize {
        let slot = self.slots.len();
        self.slots.extend(variables.iter().map(|variable| (*variable).clone()));
        slot
    }

    /// A whole node or relationship, or the list of relationships that a variable-length one is.
    fn part(&mut self, part: &Part) -> Result<Program> {
        let variable = &part.variable;
        let element = self.lowering.known_element(variable)?;
        if element.walk {
            return Ok(self.list_column(walk_relationships(variable)));
        }
        let Some(only) = element.only() else {
            return Ok(self.argument(column(whole(variable)), SqlType::Jsonb));
        };
        let of = |name: &str| Expr::Column(Column::new_unqualified(format!("{variable}.{name}")));
        self.element(only, &part.columns, &of)
    }

    fn step(&mut self, part: &Part) -> Result<PathStep> {
        let variable = &part.variable;
        if self.lowering.known_element(variable)?.walk {
            return Ok(PathStep::Walk {
                relationships: self.list_column(walk_relationships(variable)),
                sources: self.list_column(walk_sources(variable)),
                destinations: self.list_column(walk_destinations(variable)),
            });
        }
        self.part(part).map(PathStep::One)
    }

    fn list_column(&mut self, name: String) -> Program {
        self.argument(column(name), SqlType::Array(Box::new(SqlType::Jsonb)))
    }

    /// A node or relationship of its columns. The ends of a relationship are no properties.
    fn element(&mut self, element: &Member<'_>, columns: &[String], of: &dyn Fn(&str) -> Expr) -> Result<Program> {
        let named = |compiler: &mut Self, name: &str| {
            let definition = element.table().definition.get_column(name);
            let sql_type = definition.map(|column| column.sql_type.clone());
            let sql_type = sql_type.ok_or_else(|| Error::internal(format!("a table without column \"{name}\"")))?;
            Ok::<_, Error>(compiler.argument(of(name), sql_type))
        };
        let id = Box::new(named(self, element.key)?);
        let ends = element.get_ends();
        let is_end =
            |name: &String| ends.is_some_and(|(from, to)| [from, to].iter().any(|end| end.column == name.as_str()));
        let properties = columns
            .iter()
            .filter(|name| !is_end(name))
            .map(|name| Ok((name.clone(), named(self, name)?)))
            .collect::<Result<Vec<_>>>()?;
        let (table, labels) = (element.name.to_string(), element.labels.to_vec());
        Ok(match ends {
            None => Program::Node { table, labels, id, properties },
            Some((from, to)) => {
                let vertex = |place| self.lowering.vertex_name(place).map(str::to_string);
                let (source, destination) = (vertex(from.vertex)?, vertex(to.vertex)?);
                let ends = [(source, named(self, from.column)?), (destination, named(self, to.column)?)];
                let label = labels.into_iter().next().unwrap_or_default();
                Program::Relationship { table, label, id, ends: Box::new(ends), properties }
            }
        })
    }
}

fn is_volatile(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function)
        if function.func.signature().volatility == Volatility::Volatile)
}
