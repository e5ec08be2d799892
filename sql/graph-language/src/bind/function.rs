//! Function calls. The index computes few of them; what it computes as openCypher says is in [`Binder::call`], everything else
//! is by the functions' signatures.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::expression::list_of;
use super::scope::Binding;
use super::types::{Class, constant, mismatch};
use crate::bound::{Function, Value, ValueKind};
use crate::function::{Parameter, Returns, Signature};
use crate::lexer::Span;
use crate::syntax::{Expression, ExpressionKind, Name};

impl Binder<'_> {
    /// A function call, an aggregate among them.
    pub(super) fn call(&mut self, name: &Name, distinct: bool, arguments: &[Expression], span: Span) -> Result<Value> {
        let function = name.text.to_lowercase();
        if let Some(aggregate) = self.aggregate(&function, distinct, arguments, span)? {
            return Ok(aggregate);
        }
        if distinct {
            return Err(Error::new(
                ErrorKind::WrongObjectType,
                format!("DISTINCT specified, but {} is not an aggregate function", name.text),
            )
            .at(name.span.position()));
        }
        match (function.as_str(), arguments) {
            ("coalesce", _) => self.coalesce(arguments, span),
            ("nullif", [left, right]) => self.null_if(left, right, span),
            ("exists", [Expression { kind: ExpressionKind::Pattern(pattern), span, .. }]) => {
                self.pattern_exists(pattern, *span)
            }
            ("exists", [argument]) => {
                let value = self.value(argument)?;
                Ok(Value::new(ValueKind::IsNull { operand: Box::new(value), negated: true }, SqlType::Boolean))
            }
            ("size", [Expression { kind: ExpressionKind::Pattern(pattern), span, .. }]) => {
                self.pattern_count(pattern, *span)
            }
            ("size" | "length", [argument]) => self.length(&function, argument, span),
            ("abs", [argument]) => {
                let value = self.number_argument(&function, argument)?;
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::BigInt);
                Ok(Value::new(ValueKind::Call(Function::Abs, vec![value]), sql_type))
            }
            ("floor" | "ceil" | "ceiling", [argument]) => {
                let value = self.number_argument(&function, argument)?.cast(SqlType::Double);
                let function = if function == "floor" { Function::Floor } else { Function::Ceil };
                Ok(Value::new(ValueKind::Call(function, vec![value]), SqlType::Double))
            }
            ("tofloat", [argument]) => self.conversion_to_float(argument, span),
            ("type" | "labels" | "id" | "elementid" | "keys" | "properties", [argument])
                if self.get_element(argument).is_some() =>
            {
                self.of_element(&function, argument, span)
            }
            ("startnode" | "endnode", [argument]) => self.end_node(usize::from(function == "endnode"), argument, span),
            ("nodes" | "relationships" | "rels", [argument]) => self.path_parts(&function, argument, span),
            ("date", [argument]) if is_constant(argument) => self.constant_of(SqlType::Date, "date", argument),
            ("localdatetime", [argument]) if is_constant(argument) => {
                self.constant_of(SqlType::Timestamp, "localdatetime", argument)
            }
            ("datetime", [argument]) if is_constant(argument) => {
                self.constant_of(SqlType::TimestampTz, "datetime", argument)
            }
            _ => self.by_signature(name, arguments, span),
        }
    }

    fn coalesce(&mut self, arguments: &[Expression], span: Span) -> Result<Value> {
        if arguments.is_empty() {
            return Err(wrong_count("coalesce", span));
        }
        let values = arguments.iter().map(|argument| self.item_value(argument)).collect::<Result<Vec<_>>>()?;
        let (values, sql_type) = self.common(values, span)?;
        Ok(Value::new(ValueKind::Call(Function::Coalesce, values), sql_type))
    }

    fn null_if(&mut self, left: &Expression, right: &Expression, span: Span) -> Result<Value> {
        self.beyond_index("nullIf", span);
        let (left, right) = (self.item_value(left)?, self.item_value(right)?);
        let sql_type = left.sql_type.clone();
        let (left, right) = self.comparable(left, right, span)?;
        let sql_type = sql_type.or_else(|| left.sql_type.clone()).unwrap_or(SqlType::Text);
        Ok(Value::new(ValueKind::Call(Function::NullIf, vec![left, right]), sql_type))
    }

    fn number_argument(&mut self, function: &str, argument: &Expression) -> Result<Value> {
        let value = self.item_value(argument)?;
        let value = self.number(value, argument.span, function)?;
        if value.sql_type == Some(SqlType::Jsonb) {
            self.beyond_index("functions of dynamic values", argument.span);
        }
        Ok(value)
    }

    fn conversion_to_float(&mut self, argument: &Expression, span: Span) -> Result<Value> {
        let value = self.item_value(argument)?;
        match value.sql_type.as_ref().map(Class::of) {
            None | Some(Class::Integer | Class::Float) => {
                Ok(self.number(value, argument.span, "toFloat")?.cast(SqlType::Double))
            }
            Some(_) => self.converted(Function::ToFloat, value, argument.span, span),
        }
    }

    fn converted(&mut self, function: Function, value: Value, place: Span, span: Span) -> Result<Value> {
        self.beyond_index("conversions", span);
        let value = self.argument(Parameter::Any, value, place, function.name())?;
        Ok(Value::new(ValueKind::Call(function, vec![value]), SqlType::Double))
    }

    /// How long a path, a list or a string is.
    fn length(&mut self, function: &str, argument: &Expression, span: Span) -> Result<Value> {
        if let ExpressionKind::Variable(name) = &argument.kind {
            match self.scope.binding(name, argument.span)? {
                Binding::Path(path) if function == "length" => return Ok(path.length.clone()),
                Binding::Walk(walk) => {
                    return Ok(Value::new(ValueKind::Length(0, vec![walk.variable.clone()]), SqlType::BigInt));
                }
                _ => {}
            }
        }
        let value = self.item_value(argument)?;
        let value = if value.sql_type.is_none() { self.dynamic(value) } else { value };
        let class = value.sql_type.as_ref().map_or(Class::Dynamic, Class::of);
        let length = match (function, class) {
            ("size", Class::List) => Function::Size,
            ("size", Class::Text | Class::Dynamic) => {
                self.beyond_index("lengths of strings and dynamic values", span);
                Function::Size
            }
            ("length", Class::Dynamic) => Function::Length,
            _ => return Err(mismatch(format!("{function} needs a path or a list"), argument.span)),
        };
        Ok(Value::new(ValueKind::Call(length, vec![value]), SqlType::BigInt))
    }

    /// `type(r)`, `labels(n)`, `id(n)`, `keys(n)` and `properties(n)` of a node or relationship in a pattern.
    fn of_element(&mut self, function: &str, argument: &Expression, span: Span) -> Result<Value> {
        let refuse = |what: &str| Err(mismatch(format!("{function} needs a {what}"), argument.span));
        let ExpressionKind::Variable(name) = &argument.kind else { return refuse("node or relationship") };
        let (element, node) = match self.scope.binding(name, argument.span)? {
            Binding::Node(element) => (element.clone(), true),
            Binding::Relationship(element) => (element.clone(), false),
            _ => return refuse("node or relationship"),
        };
        match function {
            "type" if node => refuse("relationship"),
            "labels" if !node => refuse("node"),
            "type" => Ok(element.by_table(&SqlType::Text, |member| match member.labels.first() {
                Some(label) => ValueKind::String(label.clone()),
                None => ValueKind::Null,
            })),
            "labels" if self.deleted.contains(&element.variable) => {
                Err(Error::new(ErrorKind::UndefinedColumn, "a node that has been deleted has no labels")
                    .at(span.position()))
            }
            "labels" => Ok(element.by_table(&SqlType::Array(Box::new(SqlType::Text)), |member| {
                let label = |label: &String| Value::new(ValueKind::String(label.clone()), SqlType::Text);
                ValueKind::List(member.labels.iter().map(label).collect())
            })),
            "id" | "elementid" if element.only().is_some() => Ok(element.key_value()),
            "id" | "elementid" => {
                let whole = self.whole(&element, span);
                Ok(Value::new(ValueKind::Call(Function::Id, vec![whole]), SqlType::Jsonb))
            }
            function => {
                let whole = self.whole(&element, span);
                let (function, sql_type) = match function {
                    "keys" => (Function::Keys, SqlType::Array(Box::new(SqlType::Text))),
                    _ => (Function::Properties, SqlType::Jsonb),
                };
                Ok(Value::new(ValueKind::Call(function, vec![whole]), sql_type))
            }
        }
    }

    /// `startNode(r)`, `endNode(r)`
    fn end_node(&mut self, end: usize, argument: &Expression, span: Span) -> Result<Value> {
        if let ExpressionKind::Variable(name) = &argument.kind
            && let Binding::Relationship(element) = self.scope.binding(name, argument.span)?
            && let Some(only) = element.only()
            && let Some(edge) = self.graph.get_edge(&only.name)
        {
            let element = element.clone();
            let point = if end == 0 { &edge.source } else { &edge.destination };
            let column = point.columns.first().cloned().unwrap_or_default();
            let vertex = self.vertex_place(&point.vertex)?;
            let key = element.property(&Name { text: column, span }, &mut self.unindexed)?;
            return self.node_with_key(vertex, key, span);
        }
        self.beyond_index("nodes at the ends of relationships as values", span);
        let value = self.item_value(argument)?;
        let value = self.argument(Parameter::Dynamic, value, argument.span, "startNode or endNode")?;
        let mut found = Vec::with_capacity(self.graph.vertices.len());
        for vertex in 0..self.graph.vertices.len() {
            let member = self.vertex_member(&self.graph.vertices[vertex])?;
            let end = Value::new(ValueKind::Integer(end as i64), SqlType::BigInt);
            let table = Value::new(ValueKind::String(member.name.clone()), SqlType::Text);
            let key = ValueKind::Call(Function::EndKey, vec![value.clone(), end, table]);
            let key = Value::new(key, SqlType::Jsonb).cast(member.key_type());
            found.push(self.node_with_key(vertex, key, span)?);
        }
        Ok(Value::new(ValueKind::Call(Function::Coalesce, found), SqlType::Jsonb))
    }

    /// `nodes(p)`, `relationships(p)`
    fn path_parts(&mut self, function: &str, argument: &Expression, span: Span) -> Result<Value> {
        self.beyond_index("nodes and relationships of paths", span);
        let value = self.item_value(argument)?;
        let value = self.argument(Parameter::Dynamic, value, argument.span, function)?;
        let function = if function == "nodes" { Function::Nodes } else { Function::Relationships };
        Ok(Value::new(ValueKind::Call(function, vec![value]), SqlType::Jsonb))
    }

    /// A function that is known by its signature.
    fn by_signature(&mut self, name: &Name, arguments: &[Expression], span: Span) -> Result<Value> {
        let Some(signature) = Signature::named(&name.text) else {
            let known = ["coalesce", "exists", "nullif", "startnode", "endnode", "tofloat", "type", "labels"];
            if known.contains(&name.text.to_lowercase().as_str()) {
                return Err(wrong_count(&name.text, span));
            }
            return Err(Error::new(ErrorKind::UndefinedFunction, format!("function {} does not exist", name.text))
                .at(name.span.position()));
        };
        let most = signature.required.len() + signature.optional.len();
        if arguments.len() < signature.required.len() || arguments.len() > most {
            return Err(wrong_count(&name.text, span));
        }
        self.beyond_index(&format!("function {}", name.text), span);
        let parameters = signature.required.iter().chain(signature.optional);
        let mut values = Vec::with_capacity(arguments.len());
        for (argument, parameter) in arguments.iter().zip(parameters) {
            let value = self.item_value(argument)?;
            values.push(self.argument(*parameter, value, argument.span, &name.text)?);
        }
        let sql_type = result_type(signature.returns, values.first());
        Ok(Value::new(ValueKind::Call(signature.function, values), sql_type))
    }

    /// An argument as what a function takes.
    fn argument(&mut self, parameter: Parameter, value: Value, span: Span, function: &str) -> Result<Value> {
        let class = value.sql_type.as_ref().map(Class::of);
        match (parameter, class) {
            (Parameter::Text, _) => self.text(value, span, function),
            (Parameter::Integer, _) => self.whole_number(value, span, &format!("an argument of {function}")),
            (Parameter::Number, _) => self.number(value, span, function),
            (Parameter::List, _) => self.listed(value, span, function),
            (Parameter::Sized, None) => Ok(self.dynamic(value)),
            (Parameter::Sized, Some(Class::Text | Class::List | Class::Dynamic)) => Ok(value),
            (Parameter::Sized, Some(_)) => Err(mismatch(format!("{function} needs a list or a string"), span)),
            (Parameter::Any, None) => match value.kind {
                ValueKind::Null => Ok(self.dynamic(value)),
                _ => Ok(self.assume(value, &SqlType::Text)),
            },
            (Parameter::Any, Some(_)) => Ok(value),
            (Parameter::Dynamic, None | Some(Class::Dynamic)) => Ok(self.dynamic(value)),
            (Parameter::Dynamic, Some(_)) => {
                Err(mismatch(format!("{function} needs a node, a relationship, a path or a map"), span))
            }
        }
    }

    /// `date('2024-01-31')`: a constant of a type that Cypher has no literals for.
    fn constant_of(&mut self, sql_type: SqlType, function: &str, argument: &Expression) -> Result<Value> {
        match &argument.kind {
            ExpressionKind::String(text) => match constant(text, &sql_type, argument.span) {
                Ok(constant) => Ok(Value::new(ValueKind::Constant(constant), sql_type)),
                // In one of the other forms of ISO 8601, or in none.
                Err(_) => {
                    let name = Name { text: function.to_string(), span: argument.span };
                    self.by_signature(&name, std::slice::from_ref(argument), argument.span)
                }
            },
            ExpressionKind::Parameter(name) => {
                let known = self.parameters.reference(name, argument.span)?;
                let value = Value { kind: ValueKind::Parameter(name.clone()), sql_type: known };
                let value = self.towards(value, Some(&sql_type), argument.span)?;
                if value.sql_type.as_ref() == Some(&sql_type) {
                    return Ok(value);
                }
                let name = Name { text: function.to_string(), span: argument.span };
                self.by_signature(&name, std::slice::from_ref(argument), argument.span)
            }
            _ => Err(Error::internal("a constant that is none")),
        }
    }
}

/// Whether an expression is the same for all rows, and the index may be told so.
fn is_constant(expression: &Expression) -> bool {
    matches!(expression.kind, ExpressionKind::String(_) | ExpressionKind::Parameter(_))
}

/// The type of what a function gives, by its first argument where that says it.
fn result_type(returns: Returns, first: Option<&Value>) -> SqlType {
    let first = || first.and_then(|value| value.sql_type.clone()).unwrap_or(SqlType::Jsonb);
    match returns {
        Returns::Text => SqlType::Text,
        Returns::Texts => list_of(SqlType::Text),
        Returns::Integer => SqlType::BigInt,
        Returns::Integers => list_of(SqlType::BigInt),
        Returns::Double => SqlType::Double,
        Returns::Boolean => SqlType::Boolean,
        Returns::Number | Returns::Same => first(),
        Returns::Element => match first() {
            SqlType::Array(item) => *item,
            _ => SqlType::Jsonb,
        },
        Returns::Dynamic => SqlType::Jsonb,
        Returns::Date => SqlType::Date,
        Returns::Time => SqlType::Time,
        Returns::Timestamp => SqlType::Timestamp,
        Returns::TimestampTz => SqlType::TimestampTz,
        Returns::Interval => SqlType::Interval,
    }
}

/// The only argument of a function.
pub(super) fn one<'e>(function: &str, arguments: &'e [Expression], span: Span) -> Result<&'e Expression> {
    match arguments {
        [argument] => Ok(argument),
        _ => Err(wrong_count(function, span)),
    }
}

/// The error for a call with too many arguments, or too few.
pub(super) fn wrong_count(function: &str, span: Span) -> Error {
    Error::new(ErrorKind::UndefinedFunction, format!("wrong number of arguments for function {function}"))
        .at(span.position())
}
