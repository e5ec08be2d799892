//! What the generator knows of the tables that there are.

/// Names of tables.
pub(super) const TABLES: &[&str] = &["t0", "t1", "t2", "t3", "t4"];
/// Names of views.
pub(super) const VIEWS: &[&str] = &["v0", "v1"];

/// Types on which both servers agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    Bigint,
    Text,
    Boolean,
    Date,
    Numeric,
}

impl Type {
    pub(super) const ALL: &[Type] =
        &[Type::Integer, Type::Bigint, Type::Text, Type::Boolean, Type::Date, Type::Numeric];

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Integer => "integer",
            Type::Bigint => "bigint",
            Type::Text => "text",
            Type::Boolean => "boolean",
            Type::Date => "date",
            Type::Numeric => "numeric(10,2)",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
}

/// A constraint with a name.
#[derive(Debug, Clone)]
pub(super) struct Constraint {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) kind: ConstraintKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ConstraintKind {
    Unique,
    Check,
    /// To a column of another table, or of the same.
    References(String, String),
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Columns of the primary key; none in a table without.
    pub(super) key: Vec<String>,
    pub(super) constraints: Vec<Constraint>,
}

/// A view over one table.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) over: String,
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    pub(super) tables: Vec<Table>,
    pub(super) views: Vec<View>,
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key, when it is a single column.
    pub(super) fn single_key(&self) -> Option<&Column> {
        let [name] = self.key.as_slice() else { return None };
        self.column(name)
    }

    /// Whether a column is part of a key or UNIQUE, so that two rows must not agree in it.
    pub(super) fn is_distinct(&self, column: &str) -> bool {
        let unique = |constraint: &Constraint| {
            constraint.kind == ConstraintKind::Unique && constraint.columns.iter().any(|name| name == column)
        };
        self.key.iter().any(|name| name == column) || self.constraints.iter().any(unique)
    }

    /// Columns that others may refer to, or ON CONFLICT may name: each is distinct by itself.
    pub(super) fn targets(&self) -> Vec<&Column> {
        let unique = self.constraints.iter().filter(|c| c.kind == ConstraintKind::Unique && c.columns.len() == 1);
        let names = unique.map(|constraint| constraint.columns[0].as_str());
        self.single_key().into_iter().chain(names.filter_map(|name| self.column(name))).collect()
    }

    /// Whether a constraint is about this column.
    pub(super) fn constrains(&self, column: &str) -> bool {
        self.key.iter().chain(self.constraints.iter().flat_map(|c| &c.columns)).any(|name| name == column)
    }
}

impl Schema {
    pub(super) fn table_mut(&mut self, name: &str) -> &mut Table {
        self.tables.iter_mut().find(|table| table.name == name).expect("the generator knows its tables")
    }

    pub(super) fn has_view_over(&self, table: &str) -> bool {
        self.views.iter().any(|view| view.over == table)
    }
}
