//! Values as the feature files write them, and whether what the server answers is one of them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value as Json;

/// A value of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A string.
    String(String),
    /// `[a, b]`
    List(Vec<Value>),
    /// `{a: 1}`
    Map(BTreeMap<String, Value>),
    /// `(:A:B {a: 1})`: labels in order of their names, and properties.
    Node(Vec<String>, BTreeMap<String, Value>),
    /// `[:T {a: 1}]`
    Relationship(String, BTreeMap<String, Value>),
    /// `<(:A)-[:T]->(:B)>`: a node, and for every step its relationship, whether it is gone along forwards, and a node.
    Path(Box<Value>, Vec<(Value, bool, Value)>),
}

/// Columns of element tables that no scenario knows of; they leave what the server answers.
pub(crate) const HIDDEN: [&str; 3] = ["tck_id", "tck_source", "tck_destination"];

impl Value {
    /// Reads a cell of a table.
    pub(crate) fn parse(text: &str) -> Result<Value, String> {
        let mut reader = Reader { rest: text.chars().peekable() };
        let value = reader.value().ok_or_else(|| format!("not a value: {text}"))?;
        reader.space();
        match reader.rest.next() {
            None => Ok(value),
            Some(_) => Err(format!("not a value: {text}")),
        }
    }

    /// What a JSON value of the server is.
    pub(crate) fn of_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(*value),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Value::Integer(integer),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => {
                path(items).unwrap_or_else(|| Value::List(items.iter().map(Value::of_json).collect()))
            }
            Json::Object(members) => element(members).unwrap_or_else(|| Value::Map(map(members))),
        }
    }

    /// Whether it is the other value; the items of lists in any order, where that is asked for.
    pub(crate) fn is(&self, other: &Value, any_order: bool) -> bool {
        let all = |left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>| {
            left.len() == right.len()
                && left.iter().zip(right).all(|((a, one), (b, two))| a == b && one.is(two, any_order))
        };
        match (self, other) {
            (Value::Float(one), Value::Float(two)) => one == two || one.is_nan() && two.is_nan(),
            (Value::List(one), Value::List(two)) if any_order => {
                let mut left: Vec<&Value> = two.iter().collect();
                one.len() == two.len()
                    && one.iter().all(|item| match left.iter().position(|other| item.is(other, true)) {
                        Some(at) => {
                            left.swap_remove(at);
                            true
                        }
                        None => false,
                    })
            }
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.is(two, false))
            }
            (Value::Map(one), Value::Map(two)) => all(one, two),
            (Value::Node(one, left), Value::Node(two, right)) => one == two && all(left, right),
            (Value::Relationship(one, left), Value::Relationship(two, right)) => one == two && all(left, right),
            // A path of one node and a list of one node look alike in JSON.
            (Value::List(one), Value::Path(start, steps)) | (Value::Path(start, steps), Value::List(one)) => {
                steps.is_empty() && matches!(one.as_slice(), [node] if node.is(start, any_order))
            }
            (Value::Path(one, left), Value::Path(two, right)) => {
                one.is(two, any_order)
                    && left.len() == right.len()
                    && left.iter().zip(right).all(|((r1, forwards1, n1), (r2, forwards2, n2))| {
                        r1.is(r2, any_order) && forwards1 == forwards2 && n1.is(n2, any_order)
                    })
            }
            _ => self == other,
        }
    }
}

fn map(members: &serde_json::Map<String, Json>) -> BTreeMap<String, Value> {
    members.iter().map(|(name, value)| (name.clone(), Value::of_json(value))).collect()
}

fn properties(json: &Json) -> Option<BTreeMap<String, Value>> {
    let mut properties = map(json.as_object()?);
    properties.retain(|name, _| !HIDDEN.contains(&name.as_str()));
    Some(properties)
}

/// The node or relationship that an object is, if it is one.
fn element(members: &serde_json::Map<String, Json>) -> Option<Value> {
    if members.len() == 3 && members.contains_key("id") {
        let labels = members.get("labels")?.as_array()?;
        let mut labels: Vec<String> = labels.iter().filter_map(|label| Some(label.as_str()?.to_string())).collect();
        labels.sort();
        return Some(Value::Node(labels, properties(members.get("properties")?)?));
    }
    if members.len() == 5 && members.contains_key("id") && members.contains_key("start") && members.contains_key("end")
    {
        let label = members.get("type")?.as_str()?.to_string();
        return Some(Value::Relationship(label, properties(members.get("properties")?)?));
    }
    None
}

/// The path that an array is: nodes with relationships between them.
fn path(items: &[Json]) -> Option<Value> {
    let (first, rest) = items.split_first()?;
    if rest.len() < 2 || rest.len() % 2 == 1 {
        return None;
    }
    let node = |json: &Json| match Value::of_json(json) {
        node @ Value::Node(..) => Some(node),
        _ => None,
    };
    let mut from = first;
    let mut steps = Vec::new();
    for step in rest.chunks(2) {
        let relationship = Value::of_json(&step[0]);
        if !matches!(relationship, Value::Relationship(..)) {
            return None;
        }
        let forwards = step[0].get("start") == from.get("id");
        steps.push((relationship, forwards, node(&step[1])?));
        from = &step[1];
    }
    Some(Value::Path(Box::new(node(first)?), steps))
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.space();
        self.rest.next_if_eq(&wanted).map(|_| ())
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        match *self.rest.peek()? {
            '\'' => self.string().map(Value::String),
            '[' => self.list(),
            '{' => self.map().map(Value::Map),
            '(' => self.node(),
            '<' => self.path(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || "+-._".contains(*c)) {
            word.push(c);
        }
        match word.as_str() {
            "null" => Some(Value::Null),
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            "NaN" => Some(Value::Float(f64::NAN)),
            "Inf" => Some(Value::Float(f64::INFINITY)),
            "-Inf" => Some(Value::Float(f64::NEG_INFINITY)),
            number => match number.parse() {
                Ok(integer) => Some(Value::Integer(integer)),
                Err(_) => number.parse().ok().map(Value::Float),
            },
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take('\'')?;
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '\'' => return Some(text),
                '\\' => match self.rest.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }

    fn list(&mut self) -> Option<Value> {
        self.take('[')?;
        self.space();
        if self.rest.peek() == Some(&':') {
            let mut labels = self.labels()?;
            let properties = self.properties()?;
            self.take(']')?;
            return Some(Value::Relationship(labels.pop()?, properties));
        }
        let mut items = Vec::new();
        while self.take(']').is_none() {
            if !items.is_empty() {
                self.take(',')?;
            }
            items.push(self.value()?);
        }
        Some(Value::List(items))
    }

    fn name(&mut self) -> Option<String> {
        self.space();
        let quoted = self.rest.next_if_eq(&'`').is_some();
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| if quoted { *c != '`' } else { c.is_alphanumeric() || *c == '_' }) {
            name.push(c);
        }
        if quoted {
            self.rest.next_if_eq(&'`')?;
        }
        (!name.is_empty()).then_some(name)
    }

    fn map(&mut self) -> Option<BTreeMap<String, Value>> {
        self.take('{')?;
        let mut members = BTreeMap::new();
        while self.take('}').is_none() {
            if !members.is_empty() {
                self.take(',')?;
            }
            let name = self.name()?;
            self.take(':')?;
            members.insert(name, self.value()?);
        }
        Some(members)
    }

    fn labels(&mut self) -> Option<Vec<String>> {
        let mut labels = Vec::new();
        while self.take(':').is_some() {
            labels.push(self.name()?);
        }
        labels.sort();
        Some(labels)
    }

    fn properties(&mut self) -> Option<BTreeMap<String, Value>> {
        self.space();
        if self.rest.peek() == Some(&'{') { self.map() } else { Some(BTreeMap::new()) }
    }

    fn node(&mut self) -> Option<Value> {
        self.take('(')?;
        let (labels, properties) = (self.labels()?, self.properties()?);
        self.take(')')?;
        Some(Value::Node(labels, properties))
    }

    fn path(&mut self) -> Option<Value> {
        self.take('<')?;
        let start = self.node()?;
        let mut steps = Vec::new();
        while self.take('>').is_none() {
            let backwards = self.take('<').is_some();
            self.take('-')?;
            let relationship = self.list()?;
            self.take('-')?;
            if !backwards {
                self.take('>')?;
            }
            steps.push((relationship, !backwards, self.node()?));
        }
        Some(Value::Path(Box::new(start), steps))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Value;

    fn is(cell: &str, json: serde_json::Value) -> bool {
        Value::parse(cell).unwrap().is(&Value::of_json(&json), false)
    }

    #[test]
    fn elements_are_told_from_maps_and_whole_from_floating_numbers() {
        let node = json!({"id": 1, "labels": ["B", "A"], "properties": {"tck_id": 1, "x": 2.0}});
        assert!(is("(:A:B {x: 2.0})", node.clone()));
        assert!(!is("(:A:B {x: 2})", node.clone()));
        assert!(!is("(:A {x: 2.0})", node));
        let knows = json!({"id": 5, "type": "T", "start": 2, "end": 1, "properties": {}});
        let other = json!({"id": 2, "labels": [], "properties": {"tck_id": 2}});
        let one = json!({"id": 1, "labels": ["A"], "properties": {"tck_id": 1}});
        assert!(is("<(:A)<-[:T]-()>", json!([one, knows, other])));
        assert!(!is("<(:A)-[:T]->()>", json!([one, knows, other])));
        assert!(is("[[:T], {id: 'x', a: [null, true]}]", json!([knows, {"id": "x", "a": [null, true]}])));
    }

    #[test]
    fn the_order_of_lists_may_not_matter() {
        let (one, two) = (Value::parse("[1, 2, [3, 4]]").unwrap(), Value::parse("[[4, 3], 2, 1]").unwrap());
        assert!(one.is(&two, true) && !one.is(&two, false));
        assert!(!Value::parse("[1, 1, 2]").unwrap().is(&Value::parse("[1, 2, 2]").unwrap(), true));
    }
}
