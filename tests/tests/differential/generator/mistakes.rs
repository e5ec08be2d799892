//! Statements that are wrong, each in one way.

use super::{Effect, Generator, Proposal};
use crate::differential::feature::Feature;
use crate::differential::{Alike, Step};

impl Generator {
    pub(super) fn mistake(&mut self) -> Proposal {
        let table = self.table();
        let (name, column) = (&table.name, self.dice.pick(&table.columns).name.clone());
        let first = &table.columns[0].name;
        let count = table.columns.len();
        let too_many = vec!["NULL"; count + 1].join(", ");
        let mut choices = vec![
            "SELECT * FROM nowhere".to_string(),
            "INSERT INTO nowhere VALUES (1)".to_string(),
            "UPDATE nowhere SET a = 1".to_string(),
            "DELETE FROM nowhere".to_string(),
            "DROP TABLE nowhere".to_string(),
            format!("SELECT nothing FROM {name}"),
            format!("SELECT {name}.nothing FROM {name}"),
            format!("INSERT INTO {name} (nothing) VALUES (1)"),
            format!("INSERT INTO {name} ({column}, {column}) VALUES (NULL, NULL)"),
            format!("INSERT INTO {name} VALUES ({too_many})"),
            format!("INSERT INTO {name} ({column}) VALUES (NULL, NULL)"),
            format!("UPDATE {name} SET nothing = 1"),
            format!("UPDATE {name} SET {column} = NULL, {column} = NULL"),
            format!("DELETE FROM {name} WHERE nothing = 1"),
            format!("DELETE FROM {name} WHERE {column}"),
            format!("SELECT {column}, count(*) FROM {name}"),
            format!("SELECT count(*) FROM {name} WHERE count(*) > 1"),
            format!("SELECT {first} FROM {name} x, {name} y"),
            format!("CREATE TABLE {name} (id integer PRIMARY KEY)"),
            "CREATE TABLE wrong (a integer, a text)".to_string(),
            "CREATE TABLE wrong (a nosuchtype)".to_string(),
            "CREATE TABLE wrong (a integer, PRIMARY KEY (b))".to_string(),
            "CREATE TABLE wrong (a integer PRIMARY KEY, b integer PRIMARY KEY)".to_string(),
            "SELECT 1 / 0".to_string(),
            "SELECT 2147483647 + 1".to_string(),
            "SELECT CAST('x' AS integer)".to_string(),
            "SELECT CAST('2024-02-30' AS date)".to_string(),
            "SELECT CAST(123456789.5 AS numeric(10,2))".to_string(),
            "SELECT 'a' || nosuch('b')".to_string(),
            "SELECT 1 + true".to_string(),
            "SELEC 1".to_string(),
            "SELECT 1 +".to_string(),
            "SELECT (SELECT 1 UNION ALL SELECT 2)".to_string(),
        ];
        if self.has(Feature::Views) {
            choices.push("DROP VIEW nowhere".to_string());
        }
        if self.has(Feature::Truncate) {
            choices.push("TRUNCATE nowhere".to_string());
        }
        if self.has(Feature::OnConflict) {
            choices.push(format!("INSERT INTO {name} ({column}) VALUES (1) ON CONFLICT (nothing) DO NOTHING"));
        }
        if self.has(Feature::References) {
            choices.push("CREATE TABLE wrong (a integer REFERENCES nowhere (id))".to_string());
            choices.push(format!("CREATE TABLE wrong (a integer REFERENCES {name} (nothing))"));
        }
        if self.has(Feature::Alter) {
            choices.push("ALTER TABLE nowhere ADD COLUMN a integer".to_string());
            choices.push(format!("ALTER TABLE {name} ADD COLUMN {column} integer"));
            choices.push(format!("ALTER TABLE {name} DROP COLUMN nothing"));
            choices.push(format!("ALTER TABLE {name} RENAME COLUMN nothing TO something"));
            choices.push(format!("ALTER TABLE {name} DROP CONSTRAINT nothing"));
        }
        Proposal {
            step: Step { errors: Alike::Class, ..Step::new(self.dice.pick(&choices).clone()) },
            effect: Effect::Nothing,
        }
    }
}
