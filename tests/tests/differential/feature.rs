//! What the generator may use: each part of SQL can be switched off.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A part of SQL.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Feature {
            $($(#[$doc])* $name),*
        }

        impl Feature {
            const ALL: &[Feature] = &[$(Feature::$name),*];
        }
    };
}

features!(
    /// BEGIN, COMMIT, ROLLBACK, and what they say out of place.
    Blocks,
    /// SAVEPOINT, ROLLBACK TO, RELEASE.
    Savepoints,
    /// Several statements in one message.
    Lists,
    /// The extended protocol.
    Extended,
    /// RETURNING on INSERT, UPDATE, DELETE.
    Returning,
    /// INSERT ... ON CONFLICT.
    OnConflict,
    /// UPDATE ... FROM.
    UpdateFrom,
    /// DELETE ... USING.
    DeleteUsing,
    /// INSERT ... SELECT.
    InsertSelect,
    /// TRUNCATE.
    Truncate,
    /// MERGE.
    Merge,
    /// COPY FROM STDIN and TO STDOUT.
    Copy,
    /// Tables without a primary key.
    Keyless,
    /// UNIQUE.
    Unique,
    /// CHECK.
    Check,
    /// FOREIGN KEY.
    References,
    /// ALTER TABLE.
    Alter,
    /// CREATE VIEW.
    Views,
    /// SELECT ... FOR UPDATE and FOR SHARE.
    Locks,
    /// Joins.
    Joins,
    /// Aggregates, GROUP BY, HAVING.
    Aggregates,
    /// Subqueries in WHERE and in FROM.
    Subqueries,
    /// Subqueries anywhere in an expression.
    Nested,
    /// IS DISTINCT FROM without parentheses around it.
    Bare,
    /// UNION, INTERSECT, EXCEPT.
    Unions,
    /// WITH.
    With,
    /// Window functions.
    Windows,
    /// Statements that are wrong.
    Mistakes,
    /// Text and detail of constraint errors are compared.
    Details,
);

/// The features that are on.
#[derive(Debug, Clone)]
pub(super) struct Features(BTreeSet<Feature>);

impl Features {
    /// All, but for what the environment says.
    pub(super) fn chosen() -> Features {
        let only = named("SLIPSTREAM_FEATURES");
        let without = named("SLIPSTREAM_WITHOUT");
        let chosen = |feature: &Feature| only.is_empty() || only.contains(feature);
        Features(Feature::ALL.iter().copied().filter(|f| chosen(f) && !without.contains(f)).collect())
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|feature| format!("{feature:?}").to_lowercase()).collect();
        f.write_str(&names.join(","))
    }
}

fn named(variable: &str) -> BTreeSet<Feature> {
    let text = std::env::var(variable).unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let is_named = |feature: &&Feature| format!("{feature:?}").eq_ignore_ascii_case(name);
            *Feature::ALL.iter().find(is_named).unwrap_or_else(|| panic!("{variable}: there is no feature {name}"))
        })
        .collect()
}
