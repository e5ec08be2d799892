//! The names of a result's columns, as Postgres gives them.
//!
//! DataFusion names an expression by its text (`Int64(1)`, `count(*)`) and insists that names differ; Postgres names it after
//! its column, function or type, `?column?` where there is nothing to go by, and lets names repeat. So names are taken from
//! the syntax tree ([`output_names`]) and put on the result, and where the tree repeats a name, DataFusion gets an alias
//! that nobody sees ([`make_distinct`]).

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, CopySource, DataType, Expr, Function, Ident, ObjectName, Query, Select, SelectItem, SetExpr, Statement,
    Subscript, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

/// The name of what has none.
const ANONYMOUS: &str = "?column?";

/// Names for the first columns of a result, and for the last ones; those between come out of `*` and keep their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutputNames {
    first: Vec<String>,
    last: Vec<String>,
}

/// The names of a query's columns.
pub(crate) fn output_names(query: &Query) -> OutputNames {
    match leftmost(&query.body) {
        Some(select) => names_of(select),
        None => OutputNames::default(),
    }
}

impl OutputNames {
    /// The schema that a client sees.
    pub(crate) fn apply(&self, schema: &Schema) -> SchemaRef {
        let total = schema.fields().len();
        let rename = |(index, field): (usize, &std::sync::Arc<Field>)| {
            let from_end = total - index;
            let name = self.first.get(index).or_else(|| {
                let position = self.last.len().checked_sub(from_end)?;
                self.last.get(position)
            });
            let field = field.as_ref().clone().with_nullable(true);
            match name {
                Some(name) => field.with_name(name),
                None => field,
            }
        };
        std::sync::Arc::new(Schema::new(schema.fields().iter().enumerate().map(rename).collect::<Vec<_>>()))
    }
}

/// Set operations take their names from the first query.
fn leftmost(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

fn names_of(select: &Select) -> OutputNames {
    item_names(&select.projection)
}

/// The names of the items of a select list or a RETURNING.
pub(crate) fn item_names(items: &[SelectItem]) -> OutputNames {
    let before = items.iter().position(is_wildcard).unwrap_or(items.len());
    let after = items.iter().rposition(is_wildcard).map_or(items.len(), |position| position + 1);
    OutputNames {
        first: items[..before].iter().map(item_name).collect(),
        last: items[after..].iter().map(item_name).collect(),
    }
}

/// The name of one item.
pub(crate) fn item_name(item: &SelectItem) -> String {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => normalize(alias),
        SelectItem::UnnamedExpr(expr) => expression_name(expr),
        _ => ANONYMOUS.to_string(),
    }
}

fn expression_name(expr: &Expr) -> String {
    found(expr).map_or_else(|| ANONYMOUS.to_string(), |name| name.text)
}

/// A name and whether it is better than that of a type around it.
struct Name {
    text: String,
    strong: bool,
}

fn strong(text: impl Into<String>) -> Option<Name> {
    Some(Name { text: text.into(), strong: true })
}

fn weak(text: impl Into<String>) -> Option<Name> {
    Some(Name { text: text.into(), strong: false })
}

/// The rules of Postgres's `FigureColname`.
fn found(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Identifier(ident) => strong(normalize(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().and_then(|ident| strong(normalize(ident))),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(expr) => Some(found(expr)),
                AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. }) => None,
            });
            field.unwrap_or_else(|| found(root))
        }
        Expr::Function(Function { name, .. }) => strong(last_part(name)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => found(inner),
        Expr::Cast { expr, data_type, .. } => match found(expr) {
            Some(name) if name.strong => Some(name),
            _ => weak(type_name(data_type)),
        },
        Expr::TypedString(typed) => weak(type_name(&typed.data_type)),
        Expr::Interval(_) => weak("interval"),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(found) {
            Some(name) if name.strong => Some(name),
            _ => weak("case"),
        },
        Expr::Subquery(query) => leftmost(&query.body)
            .and_then(|select| select.projection.first())
            .map(item_name)
            .filter(|name| name != ANONYMOUS)
            .and_then(strong),
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where.map(|side| side.to_string()).as_deref() {
            Some("LEADING") => "ltrim",
            Some("TRAILING") => "rtrim",
            _ => "btrim",
        }),
        Expr::AtTimeZone { .. } => strong("timezone"),
        _ => None,
    }
}

fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map_or_else(|| ANONYMOUS.to_string(), normalize)
}

fn normalize(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The name of a type in `pg_type`.
fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Boolean | DataType::Bool => "bool",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float(_) => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Timestamp(_, zone) if zone.to_string().contains("WITH TIME") => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Time(..) => "time",
        DataType::Interval { .. } => "interval",
        DataType::Custom(name, _) => return last_part(name),
        other => return other.to_string().to_lowercase(),
    };
    name.to_string()
}

/// Gives the columns of subqueries in FROM and WITH the names that Postgres gives them, so that the query around can use them.
pub(crate) fn name_subqueries(statement: &mut Statement) {
    struct Subqueries;
    impl VisitorMut for Subqueries {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
                name_body(&mut table.query.body);
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Derived { subquery, .. } = factor {
                name_body(&mut subquery.body);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Subqueries);
}

fn name_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_items(&mut select.projection),
        SetExpr::Query(query) => name_body(&mut query.body),
        SetExpr::SetOperation { left, .. } => name_body(left),
        _ => {}
    }
}

/// A name that comes twice is left to the first: nobody can refer to the other.
fn name_items(items: &mut [SelectItem]) {
    let own_name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        | SelectItem::ExprWithAlias { .. } => given_name(item),
        _ => None,
    };
    let mut taken: HashSet<String> = items.iter().filter_map(own_name).collect();
    for item in items {
        if let SelectItem::UnnamedExpr(expr) = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let name = expression_name(expr);
            if taken.insert(name.clone()) {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
    }
}

/// Gives an alias to every expression whose name DataFusion has seen already, at the top of a statement's query.
pub(crate) fn make_distinct(statement: &mut Statement) {
    let query = match statement {
        Statement::Query(query) => {
            if let SetExpr::Insert(insert) = query.body.as_mut() {
                return make_distinct(insert);
            }
            Some(query)
        }
        Statement::Copy { source: CopySource::Query(query), .. } => Some(query),
        Statement::Insert(insert) => insert.source.as_mut(),
        Statement::CreateTable(create) => create.query.as_mut(),
        Statement::Explain { statement, .. } => return make_distinct(statement),
        _ => None,
    };
    if let Some(query) = query {
        distinct_body(&mut query.body);
    }
    let _ = statement.visit(&mut SetOperations);
}

/// Takes the names off the later queries of every set operation: the first one's count, and DataFusion, which gives them to
/// the others by place, would mistake a column of one of those for the one that it names.
struct SetOperations;

impl VisitorMut for SetOperations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        anonymous_after_the_first(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn anonymous_after_the_first(body: &mut SetExpr) {
    let SetExpr::SetOperation { left, right, .. } = body else { return };
    anonymous_after_the_first(left);
    if let SetExpr::Select(select) = right.as_mut() {
        for (position, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let alias = Ident::with_quote('"', format!("?{position}?"));
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
    }
}

fn distinct_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => distinct_items(&mut select.projection, select.distinct.is_some()),
        SetExpr::Query(query) => distinct_body(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            distinct_body(left);
            distinct_body(right);
        }
        _ => {}
    }
}

/// Where only different rows are wanted, DataFusion orders by what it finds in the list as it is written, so that there no item gets
/// an alias that can do without.
fn distinct_items(items: &mut [SelectItem], distinct: bool) {
    let has_wildcard = items.iter().any(is_wildcard);
    for position in 0..items.len() {
        let (earlier, rest) = items.split_at_mut(position);
        let item = &mut rest[0];
        let repeats = match &*item {
            SelectItem::UnnamedExpr(expr) if has_subquery(expr) => true,
            SelectItem::UnnamedExpr(expr) if has_wildcard && column_name(expr).is_some() => true,
            item => earlier.iter().any(|other| collide(item, other) || !distinct && may_collide(item, other)),
        };
        if let (true, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = (repeats, &*item) {
            let alias = Ident::with_quote('"', format!("?{position}?"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// DataFusion names a subquery after its column, which may be the name of another one, and calls any other that is part of an
/// expression `<subquery>`.
fn has_subquery(expr: &Expr) -> bool {
    struct Subqueries;
    impl Visitor for Subqueries {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Subqueries).is_break()
}

/// Whether two items would have the same name: the same text, or the same last name where not both are qualified.
fn collide(a: &SelectItem, b: &SelectItem) -> bool {
    match (a, b) {
        (SelectItem::UnnamedExpr(a), SelectItem::UnnamedExpr(b)) => {
            let qualified = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(_));
            let same_column = matches!((column_name(a), column_name(b)), (Some(a), Some(b)) if a == b);
            let (a, b) = (uncast(a), uncast(b));
            a.to_string() == b.to_string() || (same_column && !(qualified(a) && qualified(b)))
        }
        (a, b) => matches!((given_name(a), given_name(b)), (Some(a), Some(b)) if a == b),
    }
}

/// Whether two items are expressions of the same columns, of which DataFusion may make the same (`a @> b` and `b <@ a`).
fn may_collide(a: &SelectItem, b: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(a), SelectItem::UnnamedExpr(b)) = (a, b) else { return false };
    let (a, b) = (uncast(a), uncast(b));
    is_computed(a) && is_computed(b) && columns_of(a) == columns_of(b)
}

/// Whether an expression is more than a column or a literal.
fn is_computed(expr: &Expr) -> bool {
    !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
}

/// The names of the columns in an expression, in alphabetical order.
fn columns_of(expr: &Expr) -> Vec<String> {
    struct Columns(Vec<String>);
    impl Visitor for Columns {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.0.push(normalize(ident)),
                Expr::CompoundIdentifier(idents) => self.0.extend(idents.last().map(normalize)),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns(Vec::new());
    let _ = expr.visit(&mut columns);
    columns.0.sort();
    columns.0
}

fn given_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normalize(alias)),
        SelectItem::UnnamedExpr(expr) => column_name(expr),
        _ => None,
    }
}

/// DataFusion names a cast after what it casts.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => uncast(expr),
        expr => expr,
    }
}

fn column_name(expr: &Expr) -> Option<String> {
    match uncast(expr) {
        Expr::Identifier(ident) => Some(normalize(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(normalize),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Command, parse};

    fn names(sql: &str) -> Vec<String> {
        let statements = parse(sql).expect(sql);
        let Command::Sql(statement) = statements[0].command() else { panic!("not a query") };
        let Statement::Query(query) = &**statement else { panic!("not a query") };
        output_names(query).first
    }

    #[test]
    fn names_are_postgres_s() {
        let cases = [
            ("select 1", "?column?"),
            ("select 1 + a from t", "?column?"),
            ("select t.A from t", "a"),
            ("select \"A\" from t", "A"),
            ("select count(*)", "count"),
            ("select pg_catalog.version()", "version"),
            ("select '1'::int", "int4"),
            ("select a::text from t", "a"),
            ("select upper(x)::varchar(3) from t", "upper"),
            ("select case when a then 1 else 2 end from t", "case"),
            ("select case when a then 1 else b end from t", "b"),
            ("select exists (select 1)", "exists"),
            ("select (select max(a) from t)", "max"),
            ("select array[1,2]", "array"),
            ("select date '2020-01-01'", "date"),
            ("select extract(year from d) from t", "extract"),
            ("select substr(a, 1) from t", "substr"),
            ("select substring(a from 1) from t", "substring"),
            ("select a as B from t union select c from t", "b"),
        ];
        for (sql, expected) in cases {
            assert_eq!(names(sql), [expected], "{sql}");
        }
    }

    #[test]
    fn subqueries_have_names_that_can_be_used() {
        for (sql, expected) in [
            (
                "SELECT \"?column?\" FROM (SELECT 1 + 1) AS s",
                "SELECT \"?column?\" FROM (SELECT 1 + 1 AS \"?column?\") AS s",
            ),
            (
                "WITH c AS (SELECT count(*), count(a), a::text FROM t) SELECT count FROM c",
                "WITH c AS (SELECT count(*) AS \"count\", count(a), a::TEXT AS \"a\" FROM t) SELECT count FROM c",
            ),
        ] {
            let statements = parse(sql).expect(sql);
            let Command::Sql(statement) = statements[0].command() else { panic!("not a query") };
            let mut statement = statement.as_ref().clone();
            name_subqueries(&mut statement);
            assert_eq!(statement.to_string(), expected);
        }
    }

    #[test]
    fn a_wildcard_keeps_its_own_names() {
        let schema = Schema::new(
            ["a", "x", "y", "count(*)"].map(|name| Field::new(name, arrow::datatypes::DataType::Int64, false)).to_vec(),
        );
        let names = OutputNames { first: vec!["one".into()], last: vec!["count".into()] };
        let renamed = names.apply(&schema);
        let seen: Vec<_> = renamed.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(seen, ["one", "x", "y", "count"]);
    }
}
