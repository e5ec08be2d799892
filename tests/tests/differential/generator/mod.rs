//! Writes statements about what there is, and learns from PostgreSQL's answers what that is.
//!
//! Tables stay small and values few, so that keys meet, conditions hold for some rows and not for others, and constraints break.

mod ddl;
mod dml;
mod expression;
mod mistakes;
mod query;

use super::dice::Dice;
use super::feature::{Feature, Features};
use super::outcome::Outcome;
use super::schema::{Schema, Table};
use super::{Alike, Step};

pub(super) struct Generator {
    dice: Dice,
    features: Features,
    schema: Schema,
    block: Option<Block>,
    /// Numbers for names of columns, constraints and savepoints.
    names: u32,
    /// A table that was made a moment ago, by its name.
    fresh: Option<String>,
    /// The next statement, when one calls for another.
    follow: Option<Proposal>,
    finishing: Option<Vec<Proposal>>,
}

/// An open transaction block.
struct Block {
    before: Schema,
    savepoints: Vec<(String, Schema)>,
    failed: bool,
}

/// A step, and what it does to what there is.
pub(super) struct Proposal {
    pub(super) step: Step,
    pub(super) effect: Effect,
}

/// What has changed when a step has succeeded.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Nothing,
    Schema(Schema),
    Begin,
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Release(String),
}

impl From<Step> for Proposal {
    fn from(step: Step) -> Proposal {
        Proposal { step, effect: Effect::Nothing }
    }
}

impl Proposal {
    fn new(sql: impl Into<String>, effect: Effect) -> Proposal {
        Proposal { step: Step::new(sql), effect }
    }
}

impl Generator {
    pub(super) fn new(seed: u64, features: Features) -> Generator {
        let (dice, schema) = (Dice::new(seed), Schema::default());
        Generator { dice, features, schema, block: None, names: 0, fresh: None, follow: None, finishing: None }
    }

    /// The next step. When there are to be no more, the open block ends and every table is read once, and then there is none.
    pub(super) fn next(&mut self, more: bool) -> Option<Proposal> {
        if let Some(proposal) = self.follow.take() {
            return Some(proposal);
        }
        if more {
            return Some(self.choose());
        }
        if self.block.is_some() {
            return Some(if self.dice.chance(50) {
                Proposal::new("COMMIT", Effect::Commit)
            } else {
                Proposal::new("ROLLBACK", Effect::Rollback)
            });
        }
        let tables = &self.schema.tables;
        let last = self.finishing.get_or_insert_with(|| tables.iter().map(|table| all_of(table).into()).collect());
        last.pop()
    }

    /// Takes note of what a step has done.
    pub(super) fn learn(&mut self, effect: Effect, outcome: &Outcome) {
        if outcome.error.is_some() {
            match &mut self.block {
                Some(block) => block.failed = true,
                None => return,
            }
        } else {
            self.apply(effect);
        }
        // A COMMIT that failed has ended the block all the same.
        if outcome.status == Some('I')
            && let Some(block) = self.block.take()
        {
            self.schema = block.before;
        }
    }

    fn apply(&mut self, effect: Effect) {
        match (effect, &mut self.block) {
            (Effect::Schema(schema), _) => {
                let made =
                    schema.tables.iter().find(|table| self.schema.tables.iter().all(|old| old.name != table.name));
                self.fresh = made.map(|table| table.name.clone());
                self.schema = schema;
            }
            (Effect::Begin, None) => {
                let before = self.schema.clone();
                self.block = Some(Block { before, savepoints: Vec::new(), failed: false });
            }
            (Effect::Commit, Some(block)) if !block.failed => self.block = None,
            (Effect::Savepoint(name), Some(block)) => block.savepoints.push((name, self.schema.clone())),
            (Effect::RollbackTo(name), Some(block)) => {
                if let Some(place) = block.savepoints.iter().rposition(|savepoint| savepoint.0 == name) {
                    block.savepoints.truncate(place + 1);
                    self.schema = block.savepoints[place].1.clone();
                    block.failed = false;
                }
            }
            (Effect::Release(name), Some(block)) => {
                if let Some(place) = block.savepoints.iter().rposition(|savepoint| savepoint.0 == name) {
                    block.savepoints.truncate(place);
                }
            }
            // The status in the answer tells when a block has ended without its changes.
            _ => {}
        }
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// A new name.
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn choose(&mut self) -> Proposal {
        let failed = self.block.as_ref().is_some_and(|block| block.failed);
        if self.has(Feature::Blocks) {
            let often = match (&self.block, failed) {
                (Some(_), true) => 85,
                (Some(_), false) => 20,
                (None, _) => 8,
            };
            if self.dice.chance(often) {
                return self.block_statement();
            }
        }
        if !failed && self.schema.tables.len() < 2 {
            return self.create_table();
        }
        if !failed && let Some(table) = self.fresh.take() {
            return self.fill(&table).into();
        }
        let mut proposal = self.statement();
        let single = !proposal.step.sql.contains(';') && proposal.step.input.is_none();
        if proposal.step.errors == Alike::Details && !self.has(Feature::Details) {
            proposal.step.errors = Alike::Code;
        }
        proposal.step.extended = single && self.has(Feature::Extended) && self.dice.chance(25);
        proposal
    }

    fn statement(&mut self) -> Proposal {
        #[derive(Clone, Copy)]
        enum Kind {
            Ddl,
            Dml,
            Query,
            Mistake,
            List,
        }
        let on = |feature, weight| if self.has(feature) { weight } else { 0 };
        let kinds = [
            (8, Kind::Ddl),
            (50, Kind::Dml),
            (36, Kind::Query),
            (on(Feature::Mistakes, 4), Kind::Mistake),
            (on(Feature::Lists, 4), Kind::List),
        ];
        match self.dice.weighted(&kinds) {
            Kind::Ddl => self.ddl(),
            Kind::Dml => {
                let (step, table) = self.dml();
                if self.dice.chance(35) {
                    self.follow = Some(all_of(&table).into());
                }
                step.into()
            }
            Kind::Query => self.query().into(),
            Kind::Mistake => self.mistake(),
            Kind::List => self.list().into(),
        }
    }

    /// Several statements in one message: one transaction, unless a block is open.
    fn list(&mut self) -> Step {
        let mut statements = Vec::new();
        for _ in 0..self.dice.between(2, 4) {
            let step = if self.dice.chance(75) { self.dml().0 } else { self.query() };
            if step.input.is_none() {
                statements.push(step.sql);
            }
        }
        if self.has(Feature::Mistakes) && self.dice.chance(10) {
            statements.push("SELECT 1 / (SELECT 0)".to_string());
        }
        Step { errors: Alike::Class, ..Step::new(statements.join("; ")) }
    }

    fn block_statement(&mut self) -> Proposal {
        let name = self.savepoint_name();
        let savepoints = self.has(Feature::Savepoints);
        let saved = self.block.as_ref().is_some_and(|block| !block.savepoints.is_empty());
        let weight = |weight: u32, when: bool| if when { weight } else { 0 };
        let (is_open, failed) = self.block.as_ref().map_or((false, false), |block| (true, block.failed));
        let kinds = [
            (weight(90, !is_open) + 2, 0),
            (weight(if failed { 5 } else { 25 }, is_open) + 1, 1),
            (weight(if failed { 12 } else { 6 }, is_open) + 1, 2),
            (weight(20, is_open && !failed && savepoints) + weight(1, savepoints), 3),
            (weight(if failed { 60 } else { 12 }, saved && savepoints) + weight(1, savepoints), 4),
            (weight(8, saved && !failed && savepoints) + weight(1, savepoints), 5),
        ];
        let begins = ["BEGIN", "BEGIN", "START TRANSACTION", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN WORK"];
        match self.dice.weighted(&kinds) {
            0 => Proposal::new(*self.dice.pick(&begins), Effect::Begin),
            1 => Proposal::new(*self.dice.pick(&["COMMIT", "END", "COMMIT WORK"]), Effect::Commit),
            2 => Proposal::new(*self.dice.pick(&["ROLLBACK", "ABORT"]), Effect::Rollback),
            3 => {
                // Now and then a name that is there already, which the new one hides.
                let name = if self.dice.chance(20) { name } else { self.name("s") };
                Proposal::new(format!("SAVEPOINT {name}"), Effect::Savepoint(name))
            }
            4 => Proposal::new(format!("ROLLBACK TO {name}"), Effect::RollbackTo(name)),
            _ => Proposal::new(format!("RELEASE SAVEPOINT {name}"), Effect::Release(name)),
        }
    }

    /// The name of a savepoint, which is there if any is.
    fn savepoint_name(&mut self) -> String {
        match &self.block {
            Some(block) if !block.savepoints.is_empty() => self.dice.pick(&block.savepoints).0.clone(),
            _ => "nowhere".to_string(),
        }
    }

    /// One of the tables.
    fn table(&mut self) -> Table {
        self.dice.pick(&self.schema.tables).clone()
    }
}

fn all_of(table: &Table) -> Step {
    Step::new(format!("SELECT * FROM {}", table.name))
}
