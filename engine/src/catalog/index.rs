//! Indexes: their definition. What they hold is derived data in the table's dataset (`store::index_build`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::SqlType;

/// An index that somebody asked for. The rows of a query never depend on it, only the time that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDefinition {
    /// Object id. It is part of the name of the data, so that renaming the index leaves the data alone.
    pub oid: u32,
    /// Name. Its schema is that of its table, and it shares the name space of relations.
    pub name: String,
    /// How it finds rows.
    pub method: IndexMethod,
    /// What it is of, in order.
    pub keys: Vec<IndexKey>,
    /// Parameters of WITH, as they were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// The condition of the rows that it is of, where it is not of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<IndexPredicate>,
}

/// WHERE of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPredicate {
    /// Text of the condition.
    pub expression: String,
    /// The columns that it reads.
    pub columns: Vec<String>,
}

/// One thing that an index is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKey {
    /// The column; or the columns that the expression reads.
    pub columns: Vec<String>,
    /// Text of the expression, where it is not a column as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Name of the operator class: what it compares by. Empty for methods that have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operator_class: String,
    /// What was said of its order (`DESC NULLS LAST`), for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// The text search configuration that makes words of the column, where it is of words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_config: Option<String>,
}

/// How an index finds rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexMethod {
    /// By order.
    Btree,
    /// By equality.
    Hash,
    /// Nearest vectors, by a graph of neighbours.
    Hnsw,
    /// Nearest vectors, by clusters of whole vectors.
    Ivfflat,
    /// Nearest vectors, by clusters of vectors in a product code.
    IvfPq,
    /// Nearest vectors, by graphs within clusters, of vectors in a scalar code.
    IvfHnswSq,
    /// Nearest vectors, by clusters of vectors in a code of one bit a dimension.
    IvfRq,
    /// Words, ranked.
    Bm25,
    /// Words of a `tsvector`.
    Gin,
    /// Runs of three characters.
    Ngram,
}

/// What a method is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexFamily {
    /// Values in order.
    Scalar,
    /// Nearest vectors.
    Vector,
    /// Words and substrings.
    Text,
}

/// How far apart two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance, `<->`.
    L2,
    /// One minus the cosine of the angle, `<=>`.
    Cosine,
    /// The inner product, turned round so that near is small, `<#>`.
    InnerProduct,
    /// The sum of the differences, `<+>`.
    L1,
    /// The bits that differ, `<~>`.
    Hamming,
    /// The share of the set bits that are set in one only, `<%>`.
    Jaccard,
}

/// What an index compares by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorClass {
    /// Name.
    pub name: &'static str,
    /// The method that it is for.
    pub method: IndexMethod,
    /// `typname` of the values.
    pub of: &'static str,
    /// Whether it is taken where none is named.
    pub default: bool,
    /// For vectors, the distance.
    pub metric: Option<Metric>,
}

impl IndexMethod {
    /// All of them.
    pub const ALL: [IndexMethod; 10] = [
        IndexMethod::Btree,
        IndexMethod::Hash,
        IndexMethod::Hnsw,
        IndexMethod::Ivfflat,
        IndexMethod::IvfPq,
        IndexMethod::IvfHnswSq,
        IndexMethod::IvfRq,
        IndexMethod::Bm25,
        IndexMethod::Gin,
        IndexMethod::Ngram,
    ];

    /// The name after USING.
    pub fn name(self) -> &'static str {
        match self {
            IndexMethod::Btree => "btree",
            IndexMethod::Hash => "hash",
            IndexMethod::Hnsw => "hnsw",
            IndexMethod::Ivfflat => "ivfflat",
            IndexMethod::IvfPq => "ivf_pq",
            IndexMethod::IvfHnswSq => "ivf_hnsw_sq",
            IndexMethod::IvfRq => "ivf_rq",
            IndexMethod::Bm25 => "bm25",
            IndexMethod::Gin => "gin",
            IndexMethod::Ngram => "ngram",
        }
    }

    /// The method of that name, however it is written.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// What it is for.
    pub fn family(self) -> IndexFamily {
        match self {
            IndexMethod::Btree | IndexMethod::Hash => IndexFamily::Scalar,
            IndexMethod::Hnsw
            | IndexMethod::Ivfflat
            | IndexMethod::IvfPq
            | IndexMethod::IvfHnswSq
            | IndexMethod::IvfRq => IndexFamily::Vector,
            IndexMethod::Bm25 | IndexMethod::Gin | IndexMethod::Ngram => IndexFamily::Text,
        }
    }
}

/// The operator class of GIN by which an index has runs of three characters.
const TRIGRAMS: &str = "gin_trgm_ops";

/// The operator classes of a method that finds the nearest vectors: pgvector's.
fn vector_classes(method: IndexMethod) -> impl Iterator<Item = OperatorClass> {
    let classes = [
        ("vector_l2_ops", Metric::L2),
        ("vector_ip_ops", Metric::InnerProduct),
        ("vector_cosine_ops", Metric::Cosine),
        ("vector_l1_ops", Metric::L1),
    ];
    classes.into_iter().map(move |(name, metric)| OperatorClass {
        name,
        method,
        of: "vector",
        // pgvector has none for hnsw, so that nobody gets a distance unasked.
        default: metric == Metric::L2 && method != IndexMethod::Hnsw,
        metric: Some(metric),
    })
}

/// Those of pgvector's other types. None is taken unasked.
fn other_classes(method: IndexMethod) -> impl Iterator<Item = OperatorClass> {
    static HALVES: [(&str, &str, Metric); 4] = [
        ("halfvec_l2_ops", "halfvec", Metric::L2),
        ("halfvec_ip_ops", "halfvec", Metric::InnerProduct),
        ("halfvec_cosine_ops", "halfvec", Metric::Cosine),
        ("halfvec_l1_ops", "halfvec", Metric::L1),
    ];
    static SPARSE: [(&str, &str, Metric); 4] = [
        ("sparsevec_l2_ops", "sparsevec", Metric::L2),
        ("sparsevec_ip_ops", "sparsevec", Metric::InnerProduct),
        ("sparsevec_cosine_ops", "sparsevec", Metric::Cosine),
        ("sparsevec_l1_ops", "sparsevec", Metric::L1),
    ];
    static BITS: [(&str, &str, Metric); 2] =
        [("bit_hamming_ops", "bit", Metric::Hamming), ("bit_jaccard_ops", "bit", Metric::Jaccard)];
    let (sparse, bits): (&[_], &[_]) = match method {
        IndexMethod::Hnsw => (&SPARSE, &BITS),
        IndexMethod::Ivfflat => (&[], &BITS[..1]),
        _ => (&[], &[]),
    };
    let classes = HALVES.iter().chain(sparse).chain(bits);
    classes.map(move |&(name, of, metric)| OperatorClass { name, method, of, default: false, metric: Some(metric) })
}

impl OperatorClass {
    /// All of them, in an order that stays.
    pub fn all() -> impl Iterator<Item = OperatorClass> {
        let scalar = |name, method, of, default| OperatorClass { name, method, of, default, metric: None };
        let scalars = [
            scalar("text_pattern_ops", IndexMethod::Btree, "text", false),
            scalar("varchar_pattern_ops", IndexMethod::Btree, "varchar", false),
            scalar("bpchar_pattern_ops", IndexMethod::Btree, "bpchar", false),
        ];
        let vectors = IndexMethod::ALL.into_iter().filter(|method| method.family() == IndexFamily::Vector);
        let trigrams = scalar(TRIGRAMS, IndexMethod::Gin, "text", false);
        let others = vectors.clone().flat_map(other_classes);
        scalars.into_iter().chain(vectors.flat_map(vector_classes)).chain([trigrams]).chain(others)
    }

    /// The one of that name for a method.
    pub fn named(method: IndexMethod, name: &str) -> Option<Self> {
        Self::all().find(|class| class.method == method && class.name == name)
    }

    /// The one that a method takes for a type, where none is named.
    pub fn default_of(method: IndexMethod, sql_type: &SqlType) -> Option<Self> {
        Self::all().find(|class| class.method == method && class.default && class.takes(sql_type))
    }

    /// Whether its values are of that type.
    pub fn takes(&self, sql_type: &SqlType) -> bool {
        match sql_type {
            SqlType::Vector(_) => self.of == "vector",
            SqlType::Halfvec(_) => self.of == "halfvec",
            SqlType::Sparsevec(_) => self.of == "sparsevec",
            SqlType::Bit(_) => self.of == "bit",
            SqlType::Text => matches!(self.of, "text" | "varchar" | "bpchar"),
            SqlType::Varchar(_) => matches!(self.of, "text" | "varchar" | "bpchar"),
            _ => false,
        }
    }
}

impl IndexDefinition {
    /// The distance that it finds the nearest vectors by.
    pub fn metric(&self) -> Option<Metric> {
        let [key] = self.keys.as_slice() else { return None };
        OperatorClass::named(self.method, &key.operator_class)?.metric
    }

    /// The column that it is of, where it is of one column as it is and of all rows.
    pub fn plain_column(&self) -> Option<&str> {
        match self.keys.as_slice() {
            [IndexKey { columns, expression: None, .. }] if self.predicate.is_none() => {
                columns.first().map(String::as_str)
            }
            _ => None,
        }
    }

    /// The columns whose words it has, each with the text search configuration that makes them; none where it has no words.
    pub fn word_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.keys.iter().filter(|_| self.predicate.is_none());
        keys.filter_map(|key| Some((key.columns.first()?.as_str(), key.text_config.as_deref()?)))
    }

    /// The column of whose texts it has the runs of three characters.
    pub fn trigram_column(&self) -> Option<&str> {
        let by_class = || self.keys.first().is_some_and(|key| key.operator_class == TRIGRAMS);
        let is_of_trigrams = self.method == IndexMethod::Ngram || self.method == IndexMethod::Gin && by_class();
        self.plain_column().filter(|_| is_of_trigrams)
    }

    /// Whether it reads a column.
    pub fn reads(&self, column: &str) -> bool {
        let keys = self.keys.iter().flat_map(|key| &key.columns);
        keys.chain(self.predicate.iter().flat_map(|predicate| &predicate.columns)).any(|known| known == column)
    }

    /// A number among its options.
    pub fn number(&self, option: &str) -> Option<usize> {
        self.options.get(option)?.parse().ok()
    }

    /// The name that its data of one of its columns, counted from 0, gets in the table's dataset.
    pub fn data_name(&self, column: usize) -> String {
        match column {
            0 => format!("{}-{}", self.name, self.oid),
            _ => format!("{}.{column}-{}", self.name, self.oid),
        }
    }

    /// Whether data of that name in the table's dataset is its own, whatever the index was called when it was built.
    pub fn owns_data(&self, name: &str) -> bool {
        data_owner(name) == Some(self.oid)
    }
}

/// The object id of the index whose data has that name; `None` for data that is no index of ours.
pub fn data_owner(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, oid: u32) -> IndexDefinition {
        let key = IndexKey {
            columns: vec!["v".into()],
            expression: None,
            operator_class: "vector_cosine_ops".into(),
            order: String::new(),
            text_config: None,
        };
        let (options, predicate) = (BTreeMap::from([("m".to_string(), "8".to_string())]), None);
        IndexDefinition { oid, name: name.into(), method: IndexMethod::Hnsw, keys: vec![key], options, predicate }
    }

    #[test]
    fn data_is_found_again_under_another_name() {
        let built = index("a-17", 18).data_name(0);
        assert!(index("b", 18).owns_data(&built));
        assert!(index("b", 18).owns_data(&index("a", 18).data_name(1)));
        assert!(!index("a", 17).owns_data(&built));
        assert_eq!(data_owner("somebody_elses"), None);
    }

    #[test]
    fn the_bytes_of_an_index_are_fixed() {
        let expected = concat!(
            r#"{"oid":18,"name":"i","method":"hnsw","#,
            r#""keys":[{"columns":["v"],"operator_class":"vector_cosine_ops"}],"options":{"m":"8"}}"#
        );
        assert_eq!(serde_json::to_string(&index("i", 18)).unwrap(), expected);
        assert_eq!(serde_json::from_str::<IndexDefinition>(expected).unwrap(), index("i", 18));
    }

    #[test]
    fn a_distance_comes_from_the_operator_class() {
        assert_eq!(index("i", 18).metric(), Some(Metric::Cosine));
        assert_eq!(OperatorClass::default_of(IndexMethod::Hnsw, &SqlType::Vector(3)), None);
        let default = OperatorClass::default_of(IndexMethod::Ivfflat, &SqlType::Vector(3)).unwrap();
        assert_eq!(default.name, "vector_l2_ops");
        assert_eq!(OperatorClass::default_of(IndexMethod::Ivfflat, &SqlType::Halfvec(3)), None);
        let jaccard = |method| OperatorClass::named(method, "bit_jaccard_ops").and_then(|class| class.metric);
        assert_eq!((jaccard(IndexMethod::Hnsw), jaccard(IndexMethod::Ivfflat)), (Some(Metric::Jaccard), None));
    }
}
