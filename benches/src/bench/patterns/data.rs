//! A social network: persons who follow one another, live somewhere and like something. The same in every run.

use super::super::random::Random;
use crate::demo::copy_text::Row;

/// How many others a person follows, on average.
const FOLLOWS: usize = 24;
/// How many interests a person has, at most.
const INTERESTS: usize = 4;

const INTEREST_NAMES: [&str; 12] = [
    "fine dining",
    "tennis",
    "photography",
    "biking",
    "running",
    "movies",
    "music",
    "opera",
    "cooking",
    "travel",
    "gardening",
    "chess",
];

/// How many cities, states and countries there are: few of each lie in the next.
const CITIES: usize = 7000;
const STATES: usize = 270;
const COUNTRIES: usize = 3;

/// A table: its name, its columns as SQL and as the index has them, and its rows. Ids count from one; the rows of an edge table
/// begin with the ids of both ends.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The tables at both ends of an edge table.
    pub(super) ends: Option<(&'static str, &'static str)>,
    /// Columns beside `id`, with their SQL types.
    pub(super) columns: &'static [(&'static str, &'static str)],
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// The rows in COPY's text format, with ids.
    pub(super) fn copy_text(&self) -> String {
        let row = |(index, cells): (usize, &Vec<String>)| {
            cells.iter().fold(Row::new().plain(index + 1), |row, cell| row.plain(cell)).finish()
        };
        self.rows.iter().enumerate().map(row).collect()
    }
}

/// All tables, vertex tables first.
pub(super) fn tables(persons: usize) -> Vec<Table> {
    let mut random = Random::new(7);
    let person = |at: usize, random: &mut Random| {
        let gender = if random.below(2) == 0 { "male" } else { "female" };
        vec![format!("person {at}"), gender.to_string(), (18 + random.below(60)).to_string()]
    };
    let vertices = [
        Table {
            name: "person",
            ends: None,
            columns: &[("name", "text"), ("gender", "text"), ("age", "integer")],
            rows: (1..=persons).map(|at| person(at, &mut random)).collect(),
        },
        named("city", CITIES),
        named("state", STATES),
        named("country", COUNTRIES),
        Table { rows: INTEREST_NAMES.iter().map(|name| vec![(*name).to_string()]).collect(), ..named("interest", 0) },
    ];
    // A few are followed by many.
    let follows = (0..persons * FOLLOWS).map(|edge| {
        let (from, share) = (edge / FOLLOWS, random.unit());
        let to = (share * share * persons as f64) as usize % persons;
        let to = if to == from { (to + 1) % persons } else { to };
        vec![(from + 1).to_string(), (to + 1).to_string()]
    });
    let follows = follows.collect();
    let lives_in = (1..=persons).map(|at| vec![at.to_string(), (1 + random.below(CITIES)).to_string()]).collect();
    let mut has_interest = Vec::new();
    for at in 1..=persons {
        let (first, many) = (random.below(INTEREST_NAMES.len()), 1 + random.below(INTERESTS));
        has_interest.extend(
            (0..many).map(|more| vec![at.to_string(), (1 + (first + more) % INTEREST_NAMES.len()).to_string()]),
        );
    }
    let within =
        |many: usize, of: usize| (1..=many).map(|at| vec![at.to_string(), (1 + at % of).to_string()]).collect();
    let edges = [
        edge("follows", "person", "person", follows),
        edge("lives_in", "person", "city", lives_in),
        edge("has_interest", "person", "interest", has_interest),
        edge("city_in", "city", "state", within(CITIES, STATES)),
        edge("state_in", "state", "country", within(STATES, COUNTRIES)),
    ];
    vertices.into_iter().chain(edges).collect()
}

fn named(name: &'static str, many: usize) -> Table {
    let rows = (1..=many).map(|at| vec![format!("{name} {at}")]).collect();
    Table { name, ends: None, columns: &[("name", "text")], rows }
}

fn edge(name: &'static str, from: &'static str, to: &'static str, rows: Vec<Vec<String>>) -> Table {
    Table { name, ends: Some((from, to)), columns: &[("src", "bigint"), ("dst", "bigint")], rows }
}
