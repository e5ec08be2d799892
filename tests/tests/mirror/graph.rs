//! The graph that the queries of the writer are about.

use tokio_postgres::Client;

use super::random::Random;

const PEOPLE: usize = 8;
const CITIES: usize = 3;
pub(super) const NAMES: [&str; 5] = ["Ann", "Bob", "Anna", "bo", ""];

pub(crate) async fn make_graph(client: &Client, random: &mut Random) {
    let mut sql = String::from(
        "CREATE TABLE person (id bigint PRIMARY KEY, name text, age integer, score double precision, active boolean, born date);
         CREATE TABLE city (id integer PRIMARY KEY, name text, size bigint);
         CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, since integer);
         CREATE TABLE follows (id text PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, weight double precision);
         CREATE TABLE lives (id bigint PRIMARY KEY, person bigint NOT NULL, city integer NOT NULL, since integer);",
    );
    for id in 0..PEOPLE {
        let (name, age) = (*random.pick(&NAMES), random.below(5));
        let values = [
            random.or_null(format!("'{name}'")),
            random.or_null(age.to_string()),
            random.or_null(format!("{}.25", id % 3)),
            random.or_null((id % 2 == 0).to_string()),
            random.or_null(format!("'2000-01-{:02}'", 1 + id % 4)),
        ];
        sql.push_str(&format!("INSERT INTO person VALUES ({id}, {});", values.join(", ")));
    }
    for id in 0..CITIES {
        let (name, size) = (*random.pick(&NAMES), random.below(3));
        let values = [random.or_null(format!("'{name}'")), random.or_null(size.to_string())];
        sql.push_str(&format!("INSERT INTO city VALUES ({id}, {});", values.join(", ")));
    }
    for id in 0..14 {
        let (from, to) = ends(random, id);
        let since = random.below(4);
        let since = random.or_null(since.to_string());
        sql.push_str(&format!("INSERT INTO knows VALUES ({id}, {from}, {to}, {since});"));
    }
    for id in 0..9 {
        let (from, to) = ends(random, id);
        let weight = random.below(3);
        let weight = random.or_null(format!("{weight}.5"));
        sql.push_str(&format!("INSERT INTO follows VALUES ('f{id}', {from}, {to}, {weight});"));
    }
    for id in 0..7 {
        let (person, city) = (random.below(PEOPLE), random.below(CITIES));
        let since = random.below(4);
        let since = random.or_null(since.to_string());
        sql.push_str(&format!("INSERT INTO lives VALUES ({id}, {person}, {city}, {since});"));
    }
    sql.push_str(
        "CREATE PROPERTY GRAPH g
           VERTEX TABLES (person KEY (id) LABEL person, city KEY (id) LABEL city)
           EDGE TABLES (
             knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows,
             follows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL follows,
             lives KEY (id) SOURCE KEY (person) REFERENCES person (id) DESTINATION KEY (city) REFERENCES city (id) LABEL lives);
         CREATE PROPERTY GRAPH little
           VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, age), city KEY (id) LABEL city PROPERTIES (id))
           EDGE TABLES (
             knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows
               PROPERTIES (id),
             follows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL follows
               PROPERTIES (id, weight),
             lives KEY (id) SOURCE KEY (person) REFERENCES person (id) DESTINATION KEY (city) REFERENCES city (id) LABEL lives)",
    );
    for statement in sql.split(';') {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// The ends of an edge: some lie beside another, some lead back to where they start, and they are in few nodes.
fn ends(random: &mut Random, id: usize) -> (usize, usize) {
    let from = random.below(PEOPLE - 1);
    match id % 5 {
        0 => (from, from),
        1 => (1, 2),
        _ => (from, random.below(PEOPLE - 1)),
    }
}
