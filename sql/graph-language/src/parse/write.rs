//! Clauses that change the graph.

use slipstream_engine::{Error, ErrorKind, Result};

use super::Parser;
use crate::lexer::Span;
use crate::syntax::{
    Create, Delete, Direction, Expression, ExpressionKind, LabelExpression, LabelKind, Merge, Name, PathPattern,
    Remove, RemoveItem, Set, SetItem,
};

impl Parser {
    pub(super) fn create(&mut self) -> Result<Create> {
        let start = self.span();
        self.expect_keyword("CREATE")?;
        let mut patterns = Vec::new();
        loop {
            let pattern = self.path_pattern()?;
            check_made(&pattern, "CREATE")?;
            patterns.push(pattern);
            if !self.take_symbol(",") {
                return Ok(Create { span: self.span_from(start), patterns });
            }
        }
    }

    pub(super) fn merge(&mut self) -> Result<Merge> {
        let start = self.span();
        self.expect_keyword("MERGE")?;
        let pattern = self.path_pattern()?;
        check_made(&pattern, "MERGE")?;
        self.check_properties(&pattern, "MERGE")?;
        let (mut on_create, mut on_match) = (Vec::new(), Vec::new());
        while self.take_keyword("ON") {
            let items = if self.take_keyword("CREATE") {
                &mut on_create
            } else if self.take_keyword("MATCH") {
                &mut on_match
            } else {
                return Err(self.expected("CREATE or MATCH"));
            };
            self.expect_keyword("SET")?;
            items.extend(self.set_items()?);
        }
        Ok(Merge { span: self.span_from(start), pattern, on_create, on_match })
    }

    pub(super) fn set(&mut self) -> Result<Set> {
        let start = self.span();
        self.expect_keyword("SET")?;
        let items = self.set_items()?;
        Ok(Set { span: self.span_from(start), items })
    }

    fn set_items(&mut self) -> Result<Vec<SetItem>> {
        let mut items = vec![self.set_item()?];
        while self.take_symbol(",") {
            items.push(self.set_item()?);
        }
        Ok(items)
    }

    fn set_item(&mut self) -> Result<SetItem> {
        let target = self.operand()?;
        let span = target.span;
        Ok(match target.kind {
            ExpressionKind::HasLabels(owner, labels) => {
                let (variable, labels) = given_labels(*owner, &labels)?;
                SetItem::Labels { variable, labels }
            }
            ExpressionKind::Property(owner, name) => {
                self.expect_symbol("=")?;
                SetItem::Property { owner: *owner, name, value: self.expression()? }
            }
            ExpressionKind::Variable(text) => {
                let variable = Name { text, span };
                if self.take_symbol("+=") {
                    SetItem::Add { variable, value: self.expression()? }
                } else if self.take_symbol("=") {
                    SetItem::Replace { variable, value: self.expression()? }
                } else {
                    return Err(self.expected("\".\", \":\", \"=\" or \"+=\""));
                }
            }
            _ => return Err(no_target("SET", span)),
        })
    }

    pub(super) fn remove(&mut self) -> Result<Remove> {
        let start = self.span();
        self.expect_keyword("REMOVE")?;
        let mut items = Vec::new();
        loop {
            let target = self.operand()?;
            items.push(match target.kind {
                ExpressionKind::HasLabels(owner, labels) => {
                    let (variable, labels) = given_labels(*owner, &labels)?;
                    RemoveItem::Labels { variable, labels }
                }
                ExpressionKind::Property(owner, name) => RemoveItem::Property { owner: *owner, name },
                _ => return Err(no_target("REMOVE", target.span)),
            });
            if !self.take_symbol(",") {
                return Ok(Remove { span: self.span_from(start), items });
            }
        }
    }

    pub(super) fn delete(&mut self) -> Result<Delete> {
        let start = self.span();
        let detach = self.take_keyword("DETACH");
        self.expect_keyword("DELETE")?;
        let mut items = Vec::new();
        loop {
            let item = self.expression()?;
            if matches!(item.kind, ExpressionKind::HasLabels(..)) {
                return Err(Error::new(ErrorKind::Syntax, "a label cannot be deleted")
                    .with_hint("REMOVE takes a label off a node.")
                    .at(item.span.position()));
            }
            items.push(item);
            if !self.take_symbol(",") {
                return Ok(Delete { span: self.span_from(start), detach, items });
            }
        }
    }
}

fn no_target(clause: &str, span: Span) -> Error {
    Error::new(ErrorKind::Syntax, format!("{clause} needs a property or a label of a node or relationship"))
        .at(span.position())
}

/// The variable and the labels of `n:a:b`.
fn given_labels(owner: Expression, labels: &LabelExpression) -> Result<(Name, Vec<Name>)> {
    let ExpressionKind::Variable(text) = owner.kind else {
        return Err(Error::new(ErrorKind::Syntax, "labels belong to a variable").at(owner.span.position()));
    };
    let names = labels.conjunction().ok_or_else(|| no_choice(labels.span))?;
    Ok((Name { text, span: owner.span }, names))
}

fn no_choice(span: Span) -> Error {
    Error::new(ErrorKind::Syntax, "an element is given its labels by name, not by a choice of them").at(span.position())
}

/// Checks that it is said of a pattern what would be made: labels by name, relationships of one type each, that point
/// somewhere and are single.
fn check_made(pattern: &PathPattern, clause: &str) -> Result<()> {
    let error = |message: String, span: Span| Err(Error::new(ErrorKind::Syntax, message).at(span.position()));
    if let Some(search) = pattern.search {
        return error(format!("{clause} cannot make a shortest path"), search.span);
    }
    for node in pattern.nodes() {
        if let Some(labels) = node.labels.as_ref().filter(|labels| labels.conjunction().is_none()) {
            return Err(no_choice(labels.span));
        }
        if let Some(filter) = &node.filter {
            return error(format!("WHERE cannot stand in a pattern of {clause}"), filter.span);
        }
    }
    for relationship in pattern.relationships() {
        match &relationship.types {
            Some(LabelExpression { kind: LabelKind::Label(_), .. }) => {}
            other => {
                let span = other.as_ref().map_or(relationship.span, |types| types.span);
                return error(format!("a relationship in {clause} needs exactly one type"), span);
            }
        }
        if let Some(length) = relationship.length {
            return error(format!("a variable-length relationship cannot be used in {clause}"), length.span);
        }
        if clause == "CREATE" && relationship.direction == Direction::Either {
            return error("a relationship in CREATE needs a direction".to_string(), relationship.span);
        }
        if let Some(filter) = &relationship.filter {
            return error(format!("WHERE cannot stand in a pattern of {clause}"), filter.span);
        }
    }
    Ok(())
}
