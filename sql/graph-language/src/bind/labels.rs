//! Expressions over labels, decided table by table: every row of an element table has the labels of the table.

use std::collections::BTreeSet;

use slipstream_engine::{Error, Result};

use crate::syntax::{LabelExpression, LabelKind};

/// Positions of the tables to which an expression fits, by the labels of each; all where there is none. `unknown` makes the
/// error for a label that no table has, given those that there are.
pub(super) fn fitting(
    tables: &[&[String]],
    written: Option<&LabelExpression>,
    unknown: impl Fn(&str, &[&str]) -> Error,
) -> Result<BTreeSet<usize>> {
    let Some(written) = written else { return Ok((0..tables.len()).collect()) };
    let mut known: Vec<&str> = Vec::new();
    for label in tables.iter().flat_map(|labels| labels.iter()) {
        if !known.contains(&label.as_str()) {
            known.push(label);
        }
    }
    let mut found = BTreeSet::new();
    for (at, labels) in tables.iter().enumerate() {
        if fits(written, labels, &known, &unknown)? {
            found.insert(at);
        }
    }
    Ok(found)
}

fn fits(
    written: &LabelExpression,
    labels: &[String],
    known: &[&str],
    unknown: &impl Fn(&str, &[&str]) -> Error,
) -> Result<bool> {
    match &written.kind {
        LabelKind::Label(text) => {
            let label = find(text, known).ok_or_else(|| unknown(text, known).at(written.span.position()))?;
            Ok(labels.iter().any(|other| other == label))
        }
        LabelKind::Any => Ok(!labels.is_empty()),
        LabelKind::Not(operand) => Ok(!fits(operand, labels, known, unknown)?),
        // Every part is looked at, so that an unknown label is an error wherever it stands.
        LabelKind::And(parts) => parts.iter().try_fold(true, |all, part| Ok(all & fits(part, labels, known, unknown)?)),
        LabelKind::Or(parts) => parts.iter().try_fold(false, |any, part| Ok(any | fits(part, labels, known, unknown)?)),
    }
}

/// The label that is meant: the one of that name, else the only one that differs from it in case. SQL has folded the names
/// of tables, and people write `:Person`.
fn find<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    if let Some(exact) = known.iter().find(|label| **label == text) {
        return Some(exact);
    }
    let mut alike = known.iter().filter(|label| label.to_lowercase() == text.to_lowercase());
    alike.next().filter(|_| alike.next().is_none()).copied()
}
