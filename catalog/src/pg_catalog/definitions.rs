//! Objects as SQL text.

use slipstream_engine::catalog::{IndexDefinition, IndexKey, IndexMethod, OperatorClass};

use super::objects::{Object, ObjectColumn, Objects};

/// A name as SQL needs it: quoted unless it is a plain lower-case word that means nothing else.
pub fn quote_identifier(name: &str) -> String {
    let mut characters = name.chars();
    let plain = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|rest| rest.is_ascii_lowercase() || rest.is_ascii_digit() || rest == '_' || rest == '$');
    if plain && !RESERVED.contains(&name) { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as a literal, with Postgres's escape form where it has backslashes.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// An object's name, with its schema unless statements find it without.
pub(super) fn display_name(objects: &Objects, object: &Object) -> String {
    let name = quote_identifier(&object.name);
    if objects.is_visible(object) { name } else { format!("{}.{name}", quote_identifier(&object.namespace.name())) }
}

/// `CREATE INDEX ...`; for the index of a key `CREATE UNIQUE INDEX ...`.
pub(super) fn index_definition(index: &Object, table: &Object) -> String {
    if let Some(definition) = &index.index {
        return made_index(definition, table);
    }
    format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quote_identifier(&index.name),
        quote_identifier(&table.namespace.name()),
        quote_identifier(&table.name),
        names(index.columns.iter()),
    )
}

/// A column of an index by its number, or the expression that it is.
pub(super) fn index_column(index: &Object, number: i64) -> Option<String> {
    let position = usize::try_from(number).ok()?.checked_sub(1)?;
    let key = index.index.as_ref().and_then(|definition| definition.keys.get(position));
    match key.and_then(|key| key.expression.clone()) {
        Some(expression) => Some(expression),
        None => index.column(number).map(|column| quote_identifier(&column.name)),
    }
}

fn made_index(index: &IndexDefinition, table: &Object) -> String {
    let mut text = format!(
        "CREATE INDEX {} ON {}.{} USING {} ({})",
        quote_identifier(&index.name),
        quote_identifier(&table.namespace.name()),
        quote_identifier(&table.name),
        index.method.name(),
        index.keys.iter().map(|key| index_key(index.method, key)).collect::<Vec<_>>().join(", "),
    );
    if !index.options.is_empty() {
        let options =
            index.options.iter().map(|(name, value)| format!("{}={}", quote_identifier(name), quote_literal(value)));
        text.push_str(&format!(" WITH ({})", options.collect::<Vec<_>>().join(", ")));
    }
    if let Some(predicate) = &index.predicate {
        text.push_str(&format!(" WHERE ({})", predicate.expression));
    }
    text
}

/// A column or an expression of an index. The operator class is shown where it is not the one that is taken anyway.
fn index_key(method: IndexMethod, key: &IndexKey) -> String {
    let mut text = match &key.expression {
        Some(expression) if is_call(expression) => expression.clone(),
        Some(expression) => format!("({expression})"),
        None => key.columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", "),
    };
    let is_default = OperatorClass::named(method, &key.operator_class).is_some_and(|class| class.default);
    for part in [if is_default { "" } else { key.operator_class.as_str() }, key.order.as_str()] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    text
}

/// Whether an expression is a call of a function, which needs no parentheses around it.
fn is_call(expression: &str) -> bool {
    let Some((name, rest)) = expression.split_once('(') else { return false };
    let mut depth = 1;
    let closes = rest.char_indices().find(|(_, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    is_name && closes.is_some_and(|(at, _)| at + 1 == rest.len())
}

/// The query of a view. The metadata views are code, not SQL: their text reads the view itself.
pub(crate) fn view_definition(view: &Object) -> String {
    match &view.query {
        Some(query) => format!(" {query};"),
        None => format!("SELECT * FROM {}.{};", quote_identifier(&view.namespace.name()), quote_identifier(&view.name)),
    }
}

fn names<'a>(columns: impl Iterator<Item = &'a ObjectColumn>) -> String {
    columns.map(|column| quote_identifier(&column.name)).collect::<Vec<_>>().join(", ")
}

/// Key words that cannot be names without quotes: Postgres 16's reserved words, and those that may only be the names of
/// functions or types.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json_array",
    "json_arrayagg",
    "json_object",
    "json_objectagg",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quote_identifier("person"), "person");
        assert_eq!(quote_identifier("Person"), "\"Person\"");
        assert_eq!(quote_identifier("order"), "\"order\"");
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_identifier("1st"), "\"1st\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
