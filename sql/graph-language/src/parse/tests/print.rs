//! A tree as text: every operator in parentheses, every name quoted.

use crate::syntax::{
    BinaryOperator, Clause, Direction, Expression, ExpressionKind, LabelExpression, LabelKind, MapProjectionItem, Name,
    NodePattern, PathPattern, Projection, Properties, Query, RelationshipPattern, RemoveItem, SearchKind, SetItem,
};

/// A query as text.
pub(super) fn printed(query: &Query) -> String {
    let part = |clauses: &[Clause]| clauses.iter().map(clause).collect::<Vec<_>>().join(" ");
    let parts: Vec<_> = query.parts.iter().map(|one| part(&one.clauses)).collect();
    parts.join(if query.all { " UNION ALL " } else { " UNION " })
}

fn list<T>(items: &[T], print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

fn name(name: &Name) -> String {
    quoted(&name.text)
}

fn after(word: &str, printed: Option<String>) -> String {
    printed.map(|printed| format!("{word}{printed}")).unwrap_or_default()
}

fn clause(clause: &Clause) -> String {
    let paths = |patterns: &[PathPattern]| list(patterns, path);
    let body = match clause {
        Clause::Match(one) => {
            format!("{}{}", paths(&one.patterns), after(" WHERE ", one.filter.as_ref().map(expression)))
        }
        Clause::Unwind(one) => format!("{} AS {}", expression(&one.list), name(&one.variable)),
        Clause::With(one, filter) => {
            format!("{}{}", projection(one), after(" WHERE ", filter.as_ref().map(expression)))
        }
        Clause::Return(one) => projection(one),
        Clause::Create(one) => paths(&one.patterns),
        Clause::Merge(one) => {
            let items = |items: &[SetItem]| (!items.is_empty()).then(|| list(items, set_item));
            let created = after(" ON CREATE SET ", items(&one.on_create));
            format!("{}{created}{}", path(&one.pattern), after(" ON MATCH SET ", items(&one.on_match)))
        }
        Clause::Set(one) => list(&one.items, set_item),
        Clause::Remove(one) => list(&one.items, |item| match item {
            RemoveItem::Property { owner, name: property } => format!("{}.{}", expression(owner), name(property)),
            RemoveItem::Labels { variable, labels } => given(variable, labels),
        }),
        Clause::Delete(one) => list(&one.items, expression),
    };
    format!("{} {body}", clause.keyword())
}

fn given(variable: &Name, labels: &[Name]) -> String {
    let labels: String = labels.iter().map(|label| format!(":{}", name(label))).collect();
    format!("{}{labels}", name(variable))
}

fn set_item(item: &SetItem) -> String {
    match item {
        SetItem::Property { owner, name: property, value } => {
            format!("{}.{} = {}", expression(owner), name(property), expression(value))
        }
        SetItem::Replace { variable, value } => format!("{} = {}", name(variable), expression(value)),
        SetItem::Add { variable, value } => format!("{} += {}", name(variable), expression(value)),
        SetItem::Labels { variable, labels } => given(variable, labels),
    }
}

fn projection(projection: &Projection) -> String {
    let mut items: Vec<String> = projection.star.iter().map(|_| "*".to_string()).collect();
    items.extend(
        projection
            .items
            .iter()
            .map(|item| format!("{}{}", expression(&item.expression), after(" AS ", item.alias.as_ref().map(name)))),
    );
    let order = (!projection.order.is_empty()).then(|| {
        list(&projection.order, |sort| {
            format!("{}{}", expression(&sort.expression), if sort.descending { " DESC" } else { "" })
        })
    });
    format!(
        "{}{}{}{}{}",
        if projection.distinct { "DISTINCT " } else { "" },
        items.join(", "),
        after(" ORDER BY ", order),
        after(" SKIP ", projection.skip.as_ref().map(expression)),
        after(" LIMIT ", projection.limit.as_ref().map(expression)),
    )
}

fn path(path: &PathPattern) -> String {
    let mut text = node(&path.start);
    for (one, end) in &path.steps {
        text.push_str(&relationship(one));
        text.push_str(&node(end));
    }
    if let Some(search) = path.search {
        let word = match search.kind {
            SearchKind::Shortest => "shortestPath",
            SearchKind::AllShortest => "allShortestPaths",
        };
        text = format!("{word}({text})");
    }
    match &path.variable {
        Some(variable) => format!("{} = {text}", name(variable)),
        None => text,
    }
}

fn node(node: &NodePattern) -> String {
    format!(
        "({})",
        inside(node.variable.as_ref(), node.labels.as_ref(), "", node.properties.as_ref(), node.filter.as_deref())
    )
}

fn relationship(one: &RelationshipPattern) -> String {
    let length = one.length.map(|length| {
        format!("*{}..{}", length.lower, length.upper.map(|upper| upper.to_string()).unwrap_or_default())
    });
    let length = length.unwrap_or_default();
    let inside =
        inside(one.variable.as_ref(), one.types.as_ref(), &length, one.properties.as_ref(), one.filter.as_deref());
    let inside = if inside.is_empty() { inside } else { format!("[{inside}]") };
    match one.direction {
        Direction::Right => format!("-{inside}->"),
        Direction::Left => format!("<-{inside}-"),
        Direction::Either => format!("-{inside}-"),
    }
}

fn inside(
    variable: Option<&Name>,
    labels: Option<&LabelExpression>,
    length: &str,
    properties: Option<&Properties>,
    filter: Option<&Expression>,
) -> String {
    let properties = properties.map(|properties| match properties {
        Properties::Map(map) => entries(map),
        Properties::Parameter(parameter) => format!("${}", name(parameter)),
    });
    let text = format!(
        "{}{}{length}{}{}",
        variable.map(name).unwrap_or_default(),
        after(":", labels.map(label)),
        after(" ", properties),
        after(" WHERE ", filter.map(expression)),
    );
    text.trim_start().to_string()
}

fn label(one: &LabelExpression) -> String {
    let joined = |parts: &[LabelExpression], symbol: &str| {
        format!("({})", parts.iter().map(label).collect::<Vec<_>>().join(symbol))
    };
    match &one.kind {
        LabelKind::Label(text) => quoted(text),
        LabelKind::Any => "%".to_string(),
        LabelKind::Not(operand) => format!("(!{})", label(operand)),
        LabelKind::And(parts) => joined(parts, "&"),
        LabelKind::Or(parts) => joined(parts, "|"),
    }
}

fn entries(map: &[(Name, Expression)]) -> String {
    format!("{{{}}}", list(map, |(key, value)| format!("{}: {}", name(key), expression(value))))
}

fn string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '\'' | '\\' => format!("\\{character}"),
            '"' => "\\u0022".to_string(),
            _ if character.is_control() => format!("\\u{:04x}", u32::from(character)),
            _ => character.to_string(),
        })
        .collect();
    format!("'{escaped}'")
}

fn operator(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Xor => "XOR",
        BinaryOperator::Compare(comparison) => comparison.symbol(),
        BinaryOperator::Arithmetic(arithmetic) => arithmetic.symbol(),
        BinaryOperator::Match(words) => words.words(),
        BinaryOperator::Regex => "=~",
        BinaryOperator::In => "IN",
    }
}

fn expression(one: &Expression) -> String {
    let joined = |operands: &[Expression], word: &str| {
        format!("({})", operands.iter().map(expression).collect::<Vec<_>>().join(word))
    };
    let optional = |word: &str, operand: Option<&Expression>| after(word, operand.map(expression));
    match &one.kind {
        ExpressionKind::Null => "NULL".to_string(),
        ExpressionKind::Boolean(value) => value.to_string().to_uppercase(),
        ExpressionKind::Integer(value) => value.to_string(),
        ExpressionKind::Float(value) => format!("{value:?}"),
        ExpressionKind::String(text) => string(text),
        ExpressionKind::Parameter(text) => format!("${}", quoted(text)),
        ExpressionKind::Variable(text) => quoted(text),
        ExpressionKind::Property(owner, property) => format!("{}.{}", operand(owner), name(property)),
        ExpressionKind::List(items) => format!("[{}]", list(items, expression)),
        ExpressionKind::Map(map) => entries(map),
        ExpressionKind::Index(owner, index) => format!("{}[{}]", operand(owner), expression(index)),
        ExpressionKind::Slice { list, from, to } => {
            format!("{}[{}..{}]", operand(list), optional("", from.as_deref()), optional("", to.as_deref()))
        }
        ExpressionKind::ListComprehension { variable, list, filter, result } => format!(
            "[{} IN {}{}{}]",
            name(variable),
            expression(list),
            optional(" WHERE ", filter.as_deref()),
            optional(" | ", result.as_deref())
        ),
        ExpressionKind::Quantified { quantifier, variable, list, condition } => {
            format!("{}({} IN {} WHERE {})", quantifier.word(), name(variable), expression(list), expression(condition))
        }
        ExpressionKind::Reduce { accumulator, start, variable, list, step } => format!(
            "reduce({} = {}, {} IN {} | {})",
            name(accumulator),
            expression(start),
            name(variable),
            expression(list),
            expression(step)
        ),
        ExpressionKind::Pattern(pattern) => path(pattern),
        ExpressionKind::PatternComprehension { pattern, filter, result } => {
            format!("[{}{} | {}]", path(pattern), optional(" WHERE ", filter.as_deref()), expression(result))
        }
        ExpressionKind::Exists(query) => format!("EXISTS {{ {} }}", printed(query)),
        ExpressionKind::Count(query) => format!("COUNT {{ {} }}", printed(query)),
        ExpressionKind::MapProjection { variable, items } => format!(
            "{} {{{}}}",
            name(variable),
            list(items, |item| match item {
                MapProjectionItem::Property(property) => format!(".{}", name(property)),
                MapProjectionItem::All(_) => ".*".to_string(),
                MapProjectionItem::Entry(key, value) => format!("{}: {}", name(key), expression(value)),
                MapProjectionItem::Variable(variable) => name(variable),
            })
        ),
        ExpressionKind::HasLabels(owner, labels) => format!("{}:{}", operand(owner), label(labels)),
        ExpressionKind::Not(operand) => format!("(NOT {})", expression(operand)),
        ExpressionKind::Negate(operand) => format!("(-{})", expression(operand)),
        ExpressionKind::And(operands) => joined(operands, " AND "),
        ExpressionKind::Or(operands) => joined(operands, " OR "),
        ExpressionKind::Binary(by, left, right) => {
            let left = match left.kind {
                // A dash behind it would go on with it.
                ExpressionKind::Pattern(_) => format!("({})", expression(left)),
                _ => expression(left),
            };
            format!("({left} {} {})", operator(*by), expression(right))
        }
        ExpressionKind::IsNull { operand, negated } => {
            format!("({} IS {}NULL)", expression(operand), if *negated { "NOT " } else { "" })
        }
        ExpressionKind::Case { operand, branches, otherwise } => {
            let branches: String = branches
                .iter()
                .map(|(when, then)| format!(" WHEN {} THEN {}", expression(when), expression(then)))
                .collect();
            let operand = optional(" ", operand.as_deref());
            format!("CASE{operand}{branches}{} END", optional(" ELSE ", otherwise.as_deref()))
        }
        ExpressionKind::Call { name, distinct, arguments } => {
            let distinct = if *distinct { "DISTINCT " } else { "" };
            format!("{}({distinct}{})", name.text, list(arguments, expression))
        }
        ExpressionKind::CountRows => "count(*)".to_string(),
    }
}

/// What a lookup stands behind: a number with a sign, and one with labels, only in parentheses.
fn operand(one: &Expression) -> String {
    let text = expression(one);
    let bare = !text.starts_with('-') && !matches!(one.kind, ExpressionKind::HasLabels(..));
    if bare { text } else { format!("({text})") }
}
