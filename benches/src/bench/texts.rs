//! The best texts by BM25: Slipstream and PostgreSQL with pg_search, over the wire.
//!
//! The texts are English that people have written: the documentation comments of the packages that the build has read. Both
//! sides get the same texts, stem them, and are asked for the ten best of all of them, with other words every time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::asking::{Session, ask_all};
use super::random::Random;
use super::report::{Columns, milliseconds, print_title};
use super::servers::Server;
use super::wire::copy;
use super::{Place, Result, quantile};

/// What to run.
pub struct Options {
    /// Texts at the most.
    pub texts: usize,
    /// How often each question is asked by each client.
    pub rounds: usize,
    /// Clients that ask at a time.
    pub clients: Vec<usize>,
}

/// Rows that a question wants.
const WANTED: usize = 10;
/// A shorter comment says nothing that anybody would look for.
const SHORTEST: usize = 60;
/// Letters of a word that is asked for: shorter ones are stop words, mostly.
const LETTERS: std::ops::Range<usize> = 6..14;
/// Rows of one COPY.
const CHUNK: usize = 20_000;

/// The texts with the words of questions about them.
struct Data {
    texts: Vec<String>,
    /// For each number of words, questions of so many.
    questions: Vec<(usize, Vec<String>)>,
}

impl Data {
    fn read(options: &Options) -> Result<Self> {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
        let sources = home.ok_or("neither CARGO_HOME nor HOME is set")?.join("registry/src");
        let (mut texts, mut known) = (Vec::new(), BTreeSet::new());
        read_folder(&sources, options.texts, &mut |text| {
            if known.insert(text.clone()) {
                texts.push(text);
            }
            texts.len()
        })?;
        if texts.len() < 1000 {
            return Err(format!("{} has the sources of no packages", sources.display()).into());
        }
        let mut random = Random::new(42);
        let mut word = || loop {
            let text = &texts[random.below(texts.len())];
            let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphabetic()).collect();
            let word = words[random.below(words.len())];
            if LETTERS.contains(&word.len()) {
                return word.to_lowercase();
            }
        };
        let mut questions = |count: usize| {
            let question = |_| (0..count).map(|_| word()).collect::<Vec<_>>().join(" ");
            (count, (0..options.rounds.max(1)).map(question).collect())
        };
        let questions = [1, 2, 4].map(&mut questions).into();
        Ok(Data { texts, questions })
    }

    /// Rows in COPY's text format.
    fn copy_text(&self, ids: std::ops::Range<usize>) -> String {
        let line = |id: usize| format!("{id}\t{}\n", self.texts[id].replace('\\', "\\\\").replace('\t', " "));
        ids.map(line).collect()
    }
}

/// Hands on the comments of all Rust files below a folder, in an order that stays, until there are enough.
fn read_folder(folder: &Path, enough: usize, take: &mut impl FnMut(String) -> usize) -> Result<bool> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if read_folder(&path, enough, take)? {
                return Ok(true);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            for text in comments(&source) {
                if take(text) >= enough {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The documentation comments of a source file, each as one line.
fn comments(source: &str) -> Vec<String> {
    let (mut texts, mut text) = (Vec::new(), String::new());
    for line in source.lines().chain([""]) {
        let line = line.trim_start();
        match line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            Some(words) => {
                text.push_str(words.trim());
                text.push(' ');
            }
            None => {
                if text.len() >= SHORTEST {
                    texts.push(text.trim_end().to_string());
                }
                text.clear();
            }
        }
    }
    texts
}

/// A server with the texts in it.
struct Side {
    name: &'static str,
    server: Server,
    load: Duration,
    build: Duration,
    question: &'static str,
}

impl Side {
    async fn load(
        name: &'static str,
        server: Server,
        data: &Data,
        index: &str,
        question: &'static str,
    ) -> Result<Side> {
        let client = server.connect().await?;
        client.batch_execute("CREATE TABLE docs (id bigint PRIMARY KEY, body text NOT NULL)").await?;
        let started = Instant::now();
        for start in (0..data.texts.len()).step_by(CHUNK) {
            copy(&client, "docs", data.copy_text(start..(start + CHUNK).min(data.texts.len()))).await?;
        }
        let load = started.elapsed();
        let started = Instant::now();
        client.batch_execute(index).await?;
        let build = started.elapsed();
        client.batch_execute("ANALYZE docs").await?;
        Ok(Side { name, server, load, build, question })
    }

    /// The ids that each question finds must be as many on both sides.
    async fn found(&self, questions: &[String]) -> Result<usize> {
        let session = Session::open(&self.server, "", self.question).await?;
        let mut found = 0;
        for question in questions {
            found += session.ask(question).await?.len();
        }
        Ok(found)
    }
}

/// Loads both sides, asks them in turns, and prints what came out.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    let data = Data::read(options)?;
    let words: usize = data.texts.iter().map(|text| text.split_whitespace().count()).sum();
    let (count, average) = (data.texts.len(), words / data.texts.len());
    print_title(&format!("texts: {count} of {average} words, the {WANTED} best by BM25"));
    let slipstream = Server::slipstream(place, &folder.path().join("slipstream")).await?;
    let index = "CREATE INDEX ON docs USING bm25 (body)";
    let question = "SELECT id FROM docs WHERE body @@@ $1 ORDER BY bm25_score(body) DESC LIMIT 10";
    let mut sides = vec![Side::load("slipstream", slipstream, &data, index, question).await?];
    if let Some(postgres) = Server::postgres(place, &folder.path().join("postgres")).await? {
        let client = postgres.connect().await?;
        client.batch_execute("CREATE EXTENSION pg_search").await?;
        let index =
            "CREATE INDEX ON docs USING bm25 (id, (body::pdb.simple('stemmer=english'))) WITH (key_field = 'id')";
        let question = "SELECT id FROM docs WHERE body ||| $1 ORDER BY pdb.score(id) DESC LIMIT 10";
        sides.push(Side::load("pg_search", postgres, &data, index, question).await?);
    }
    let mut builds = Columns::new(&["side", "load", "index build"]);
    for side in &sides {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        builds.line(vec![side.name.to_string(), seconds(side.load), seconds(side.build)]);
    }
    builds.print();
    let mut columns = Columns::new(&["words", "clients", "side", "found", "median", "p99", "per second"]);
    for (words, questions) in &data.questions {
        for clients in &options.clients {
            for side in &sides {
                let found = side.found(&questions[..questions.len().min(50)]).await?;
                let open = (0..*clients).map(|_| Session::open(&side.server, "", side.question));
                let (mut times, took) = ask_all(&try_join_all(open).await?, questions, options.rounds).await?;
                let per_second = times.len() as f64 / took.as_secs_f64();
                columns.line(vec![
                    words.to_string(),
                    clients.to_string(),
                    side.name.to_string(),
                    found.to_string(),
                    milliseconds(quantile(&mut times, 0.5)),
                    milliseconds(quantile(&mut times, 0.99)),
                    format!("{per_second:.0}"),
                ]);
            }
        }
    }
    columns.print();
    println!("aim: as many questions a second as pg_search");
    for side in sides {
        side.server.stop().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_joined() {
        let long = "/// A comment that is long enough to be looked for by somebody,\n    /// on two lines.\nfn f() {}\n// none\n";
        assert_eq!(comments(long), ["A comment that is long enough to be looked for by somebody, on two lines."]);
        assert!(comments("/// Short.\nfn f() {}").is_empty());
    }
}
