//! The schemas in which names without one are looked up.

use slipstream_engine::catalog::{Catalog, DEFAULT_SCHEMA};

use crate::pg_catalog::session_info::SessionInfo;
use crate::{information_schema, pg_catalog, system};

/// What the setting `search_path` says, for one user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchPath(Vec<String>);

impl SearchPath {
    /// Reads the setting: names separated by commas, `"$user"` among them for the schema of the user's name.
    pub fn parse(setting: &str, user: &str) -> Self {
        let schemas = split(setting).into_iter().map(|name| if name == "$user" { user.to_string() } else { name });
        SearchPath(schemas.collect())
    }

    /// A path of these schemas.
    pub fn of(schemas: &[String]) -> Self {
        SearchPath(schemas.to_vec())
    }

    /// The path of a session.
    pub fn of_session(session: &SessionInfo) -> Self {
        let setting = session.settings.get("search_path");
        setting.map_or_else(Self::default, |setting| Self::parse(&setting, &session.user))
    }

    /// The schemas as the setting names them, whether they exist or not.
    pub fn schemas(&self) -> &[String] {
        &self.0
    }

    /// The schemas in the order in which they are searched: `pg_catalog` comes first unless the setting names it.
    pub fn searched(&self) -> impl Iterator<Item = &str> {
        let implicit = !self.0.iter().any(|schema| schema == pg_catalog::NAME);
        implicit.then_some(pg_catalog::NAME).into_iter().chain(self.0.iter().map(String::as_str))
    }

    /// The named schemas that exist: what `current_schemas(false)` answers.
    pub fn existing<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str).filter(|schema| schema_exists(catalog, schema))
    }

    /// The schema in which things are made that are given none.
    pub fn current<'a>(&'a self, catalog: &'a Catalog) -> Option<&'a str> {
        self.existing(catalog).next()
    }
}

impl Default for SearchPath {
    fn default() -> Self {
        SearchPath(vec![DEFAULT_SCHEMA.to_string()])
    }
}

/// Whether a schema is one that the server makes by itself, and nobody else puts anything into.
pub fn is_system_schema(name: &str) -> bool {
    [pg_catalog::NAME, information_schema::NAME, system::NAME].contains(&name)
}

/// Whether there is a schema of that name.
pub fn schema_exists(catalog: &Catalog, name: &str) -> bool {
    is_system_schema(name) || catalog.has_schema(name)
}

/// The names in a list separated by commas; quoted ones keep their case.
fn split(setting: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = setting.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => (quoted, was_quoted) = (!quoted, true),
            ',' if !quoted => {
                push(&mut names, &mut name, was_quoted);
                was_quoted = false;
            }
            space if !quoted && space.is_whitespace() => {}
            other if quoted => name.push(other),
            other => name.extend(other.to_lowercase()),
        }
    }
    push(&mut names, &mut name, was_quoted);
    names
}

fn push(names: &mut Vec<String>, name: &mut String, was_quoted: bool) {
    let name = std::mem::take(name);
    if !name.is_empty() || was_quoted {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_a_list_of_names() {
        let path = SearchPath::parse("\"$user\", Public,\"My, Schema\"", "ann");
        assert_eq!(path.schemas(), ["ann", "public", "My, Schema"]);
        assert_eq!(path.searched().next(), Some("pg_catalog"));
        assert_eq!(SearchPath::parse("", "ann").schemas(), [] as [String; 0]);
        assert_eq!(SearchPath::parse("s, pg_catalog", "ann").searched().collect::<Vec<_>>(), ["s", "pg_catalog"]);
    }

    #[test]
    fn things_are_made_in_the_first_schema_that_exists() {
        let catalog = Catalog::default();
        assert_eq!(SearchPath::parse("\"$user\", public", "ann").current(&catalog), Some("public"));
        assert_eq!(SearchPath::parse("nowhere", "ann").current(&catalog), None);
    }
}
