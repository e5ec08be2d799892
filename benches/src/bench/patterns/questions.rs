//! Nine questions, of the kind that comparisons of graph databases ask of a social network.

/// A question, in Cypher that Slipstream and Kuzu both understand.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) cypher: &'static str,
}

/// All of them. Rows come in an order that says which is which, so that answers can be compared.
pub(super) const QUESTIONS: [Question; 9] = [
    Question {
        name: "1 most followed persons",
        cypher: "MATCH (a:person)-[:follows]->(b:person)
                 RETURN b.id AS id, count(a.id) AS followers ORDER BY followers DESC, id LIMIT 3",
    },
    Question {
        name: "2 home of the most followed",
        cypher: "MATCH (a:person)-[:follows]->(b:person)
                 WITH b, count(a.id) AS followers ORDER BY followers DESC, b.id LIMIT 1
                 MATCH (b)-[:lives_in]->(c:city) RETURN b.name AS person, followers, c.name AS city",
    },
    Question {
        name: "3 youngest cities of a country",
        cypher: "MATCH (p:person)-[:lives_in]->(c:city)-[:city_in]->(:state)-[:state_in]->(t:country)
                 WHERE t.name = 'country 1'
                 RETURN c.name AS city, avg(p.age) AS age ORDER BY age, city LIMIT 5",
    },
    Question {
        name: "4 persons of an age by country",
        cypher: "MATCH (p:person)-[:lives_in]->(:city)-[:city_in]->(:state)-[:state_in]->(t:country)
                 WHERE p.age >= 30 AND p.age <= 40
                 RETURN t.name AS country, count(p.id) AS persons ORDER BY persons DESC, country LIMIT 3",
    },
    Question {
        name: "5 men with an interest in a city",
        cypher: "MATCH (i:interest)<-[:has_interest]-(p:person)-[:lives_in]->(c:city)
                 WHERE i.name = 'fine dining' AND c.name = 'city 17' AND p.gender = 'male'
                 RETURN count(p.id) AS persons",
    },
    Question {
        name: "6 cities of women with an interest",
        cypher: "MATCH (i:interest)<-[:has_interest]-(p:person)-[:lives_in]->(c:city)
                 WHERE i.name = 'tennis' AND p.gender = 'female'
                 RETURN c.name AS city, count(p.id) AS persons ORDER BY persons DESC, city LIMIT 5",
    },
    Question {
        name: "7 state of the young with an interest",
        cypher: "MATCH (i:interest)<-[:has_interest]-(p:person)-[:lives_in]->(:city)-[:city_in]->(s:state)-[:state_in]->(t:country)
                 WHERE i.name = 'photography' AND p.age >= 23 AND p.age <= 30 AND t.name = 'country 2'
                 RETURN s.name AS state, count(p.id) AS persons ORDER BY persons DESC, state LIMIT 1",
    },
    Question {
        name: "8 paths of two",
        cypher: "MATCH (:person)-[:follows]->(:person)-[:follows]->(:person) RETURN count(*) AS paths",
    },
    Question {
        name: "9 paths of two with ages",
        cypher: "MATCH (:person)-[:follows]->(b:person)-[:follows]->(c:person)
                 WHERE b.age < 50 AND c.age > 25 RETURN count(*) AS paths",
    },
];
