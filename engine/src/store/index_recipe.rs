//! What Lance is asked to build for an index: which of its kinds serves a method best, and with which parameters.
//!
//! Data of words has every run of letters and digits of a text, in lower case and stemmed by the configuration of the index;
//! stop words stay in, since Lance takes them out of what is stemmed already, which is not what Postgres does. Data of
//! substrings has runs of three letters or digits, without case and accents.

use lance::index::vector::VectorIndexParams;
use lance_index::scalar::{BuiltinIndexType, InvertedIndexParams, ScalarIndexParams};
use lance_index::vector::bq::RQBuildParams;
use lance_index::vector::hnsw::builder::HnswBuildParams;
use lance_index::vector::ivf::IvfBuildParams;
use lance_index::vector::pq::PQBuildParams;
use lance_index::vector::sq::builder::SQBuildParams;
use lance_index::{IndexParams, IndexType};
use lance_linalg::distance::DistanceType;

use crate::catalog::{IndexDefinition, IndexFamily, IndexMethod, Metric, TableDefinition};
use crate::types::SqlType;

/// What Lance is asked to build.
pub(super) struct Recipe {
    /// The column.
    pub(super) column: String,
    /// Lance's kind.
    pub(super) kind: IndexType,
    /// Lance's parameters.
    pub(super) parameters: Box<dyn IndexParams>,
}

/// Whether Lance keeps data for such an index of a table. Where it does not, statements are answered without.
pub fn can_have_data(table: &TableDefinition, index: &IndexDefinition) -> bool {
    !recipes(table, index).is_empty()
}

/// What Lance has to build for an index, column by column; nothing where it has nothing that serves it.
pub(super) fn recipes(table: &TableDefinition, index: &IndexDefinition) -> Vec<Recipe> {
    match index.method.family() {
        IndexFamily::Vector => vector_recipe(table, index).into_iter().collect(),
        IndexFamily::Text => text_recipes(table, index),
        IndexFamily::Scalar => Vec::new(),
    }
}

fn text_recipes(table: &TableDefinition, index: &IndexDefinition) -> Vec<Recipe> {
    let is_text = |column: &str| {
        let column = table.get_column(column);
        column.is_some_and(|column| matches!(column.sql_type, SqlType::Text | SqlType::Varchar(_)))
    };
    let words = index.word_columns().filter(|(column, _)| is_text(column)).filter_map(|(column, config)| {
        let parameters: Box<dyn IndexParams> = Box::new(word_parameters(config, index)?);
        Some(Recipe { column: column.to_string(), kind: IndexType::Inverted, parameters })
    });
    let trigrams = index.trigram_column().filter(|column| is_text(column)).map(|column| Recipe {
        column: column.to_string(),
        kind: IndexType::NGram,
        parameters: Box::new(ScalarIndexParams::for_builtin(BuiltinIndexType::NGram)),
    });
    words.chain(trigrams).collect()
}

/// Words are in posting blocks of so many texts. With larger ones Lance rounds the lengths of texts, and scores are others.
const BLOCK: usize = 128;

/// The parameters for words that a text search configuration makes; `None` for one that Lance does not have.
fn word_parameters(config: &str, index: &IndexDefinition) -> Option<InvertedIndexParams> {
    let positions = index.options.get("positions").is_none_or(|positions| positions != "false");
    let mut parameters = serde_json::json!({
        "base_tokenizer": "simple",
        "language": "English",
        "with_position": positions,
        "max_token_length": null,
        "lower_case": true,
        "stem": false,
        "remove_stop_words": false,
        "ascii_folding": false,
        "block_size": BLOCK,
    });
    if config != "simple" {
        let mut letters = config.chars();
        let language: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        parameters["language"] = language.into();
        parameters["stem"] = true.into();
    }
    serde_json::from_value(parameters).ok()
}

fn vector_recipe(table: &TableDefinition, index: &IndexDefinition) -> Option<Recipe> {
    let column = index.plain_column()?.to_string();
    let distance = distance_type(index.metric()?)?;
    let num_partitions = index.number("lists").or_else(|| index.number("num_partitions"));
    let clusters = IvfBuildParams { num_partitions, ..IvfBuildParams::default() };
    // Vectors of any dimension are lists to Lance, and sparse ones are bytes.
    let dimension = match table.get_column(&column)?.sql_type {
        SqlType::Vector(dimension @ 1..) => dimension,
        SqlType::Halfvec(dimension @ 1..) if index.method != IndexMethod::IvfRq => dimension,
        // Of bits it measures Hamming distances in clusters.
        SqlType::Bit(1..) if distance == DistanceType::Hamming => {
            let parameters = VectorIndexParams::with_ivf_flat_params(distance, clusters);
            return Some(Recipe { column, kind: IndexType::Vector, parameters: Box::new(parameters) });
        }
        _ => return None,
    };
    let neighbours = || {
        let defaults = HnswBuildParams::default();
        let m = index.number("m").unwrap_or(defaults.m);
        let ef_construction = index.number("ef_construction").unwrap_or(defaults.ef_construction);
        HnswBuildParams { m, ef_construction, ..defaults }
    };
    let parameters = match index.method {
        IndexMethod::Hnsw | IndexMethod::IvfHnswSq => {
            VectorIndexParams::with_ivf_hnsw_sq_params(distance, clusters, neighbours(), SQBuildParams::default())
        }
        IndexMethod::Ivfflat => VectorIndexParams::with_ivf_flat_params(distance, clusters),
        IndexMethod::IvfPq => {
            let parts = index.number("num_sub_vectors").filter(|parts| (dimension as usize).is_multiple_of(*parts));
            let num_sub_vectors = parts.unwrap_or_else(|| sub_vectors(dimension as usize));
            let num_bits = index.number("num_bits").unwrap_or(8);
            let code = PQBuildParams { num_sub_vectors, num_bits, ..PQBuildParams::default() };
            VectorIndexParams::with_ivf_pq_params(distance, clusters, code)
        }
        IndexMethod::IvfRq => {
            let mut code = RQBuildParams::default();
            code.num_bits = index.number("num_bits").and_then(|bits| bits.try_into().ok()).unwrap_or(code.num_bits);
            VectorIndexParams::with_ivf_rq_params(distance, clusters, code)
        }
        _ => return None,
    };
    Some(Recipe { column, kind: IndexType::Vector, parameters: Box::new(parameters) })
}

/// Sub-vectors of a product code: of four numbers each where that comes out even, else of fewer.
fn sub_vectors(dimension: usize) -> usize {
    let sizes = [4, 2];
    sizes.into_iter().find(|size| dimension.is_multiple_of(*size)).map_or(dimension, |size| dimension / size)
}

/// The distance as Lance names it; `None` for those that it has no index for.
pub(super) fn distance_type(metric: Metric) -> Option<DistanceType> {
    match metric {
        Metric::L2 => Some(DistanceType::L2),
        Metric::Cosine => Some(DistanceType::Cosine),
        Metric::InnerProduct => Some(DistanceType::Dot),
        Metric::Hamming => Some(DistanceType::Hamming),
        Metric::L1 | Metric::Jaccard => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_code_divides_the_vector() {
        assert_eq!(sub_vectors(384), 96);
        assert_eq!(sub_vectors(6), 3);
        assert_eq!(sub_vectors(7), 7);
    }
}
