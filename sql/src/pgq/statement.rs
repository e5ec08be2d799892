//! What SQL/PGQ's DDL says, before anything is looked up.

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `CREATE PROPERTY GRAPH`
    Create(CreateGraph),
    /// `DROP PROPERTY GRAPH`
    Drop(DropGraph),
}

/// A name and its place in the text, in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name; folded to lower case unless it was quoted.
    pub text: String,
    /// Where it stands.
    pub position: usize,
}

/// `CREATE PROPERTY GRAPH [IF NOT EXISTS] name VERTEX TABLES (...) [EDGE TABLES (...)]`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateGraph {
    /// Its name.
    pub name: Name,
    /// Whether a graph of that name may exist.
    pub if_not_exists: bool,
    /// Vertex tables.
    pub vertices: Vec<VertexElement>,
    /// Edge tables.
    pub edges: Vec<EdgeElement>,
}

/// `DROP PROPERTY GRAPH [IF EXISTS] name [CASCADE | RESTRICT]`
#[derive(Debug, Clone, PartialEq)]
pub struct DropGraph {
    /// Its name.
    pub name: Name,
    /// Whether there need not be such a graph.
    pub if_exists: bool,
    /// Whether views that read it go, too.
    pub cascade: bool,
}

/// `[schema.]table [AS alias] [KEY (columns)] [labels and properties]`
#[derive(Debug, Clone, PartialEq)]
pub struct VertexElement {
    /// The table's schema, where it is written.
    pub schema: Option<Name>,
    /// The table.
    pub table: Name,
    /// Its name within the graph's definition.
    pub alias: Option<Name>,
    /// The key columns, where they are named.
    pub key: Option<Vec<Name>>,
    /// Its labels; one clause at least.
    pub labels: Vec<LabelClause>,
}

/// `LABEL label [properties]`, `DEFAULT LABEL [properties]`, `NO LABEL [properties]`, or properties alone
#[derive(Debug, Clone, PartialEq)]
pub struct LabelClause {
    /// The label.
    pub label: Label,
    /// What the index covers for it.
    pub properties: Properties,
}

/// A label of an element.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// The element's own name.
    Default,
    /// A name that is given.
    Named(Name),
    /// None; it stands alone. The standard has no such thing, Cypher's nodes have it.
    None,
}

/// A [`VertexElement`] with `SOURCE ... DESTINATION ... [ON DELETE CASCADE]`
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeElement {
    /// What it shares with a vertex.
    pub element: VertexElement,
    /// Where edges start.
    pub source: EndReference,
    /// Where edges end.
    pub destination: EndReference,
    /// Whether deleting a vertex deletes its edges.
    pub on_delete_cascade: bool,
}

/// `KEY (columns) REFERENCES vertex [(columns)]`
#[derive(Debug, Clone, PartialEq)]
pub struct EndReference {
    /// Columns of the edge table.
    pub columns: Vec<Name>,
    /// The vertex table's name within the graph's definition.
    pub vertex: Name,
    /// The columns referred to, where they are named.
    pub references: Option<Vec<Name>>,
}

/// Which columns the index covers.
#[derive(Debug, Clone, PartialEq)]
pub enum Properties {
    /// Every column that it can.
    All {
        /// But these.
        except: Vec<Name>,
    },
    /// These, and the key.
    Listed(Vec<Name>),
    /// The key alone.
    None,
}
