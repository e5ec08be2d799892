//! Feature files: what they ask, as a list of scenarios.
//!
//! Of Gherkin this reads what such files are made of: scenarios, outlines with their examples, backgrounds, doc strings and
//! tables. (The crate for it would have most of our dependencies built again with other features.)

use std::path::{Path, PathBuf};

/// One scenario; an outline is one for each row of its examples.
pub(crate) struct Scenario {
    /// File, number and name: its line of the scoreboard.
    pub(crate) name: String,
    /// What is given, done and expected, in order.
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    /// What it says, without Given, When, Then, And, But.
    pub(crate) text: String,
    /// The text between its triple quotes.
    pub(crate) document: Option<String>,
    /// The rows of its table, the header first.
    pub(crate) table: Vec<Vec<String>>,
}

/// All scenarios of the feature files below a folder, sorted by file.
pub(crate) fn scenarios(folder: &Path) -> Result<Vec<Scenario>, String> {
    let mut files = Vec::new();
    find(folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let path = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let feature = Feature::read(&text).map_err(|error| format!("{path}: {error}"))?;
        scenarios.extend(feature.scenarios(&path));
    }
    Ok(scenarios)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            files.push(path);
        }
    }
    Ok(())
}

/// A scenario or an outline, as it is written.
#[derive(Default)]
struct Written {
    name: String,
    steps: Vec<Step>,
    /// The tables of its examples.
    examples: Vec<Vec<Vec<String>>>,
}

/// A feature file.
#[derive(Default)]
struct Feature {
    background: Vec<Step>,
    scenarios: Vec<Written>,
}

/// What the lines below belong to.
enum Section {
    Description,
    Background,
    Steps,
    Examples,
}

impl Feature {
    fn read(text: &str) -> Result<Feature, String> {
        let mut feature = Feature::default();
        let mut section = Section::Description;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            if line.is_empty() || line.starts_with(['#', '@']) {
                continue;
            }
            if let Some((_, name)) = keyword(line, &["Scenario Outline:", "Scenario:", "Example:"]) {
                feature.scenarios.push(Written { name: name.to_string(), ..Written::default() });
                section = Section::Steps;
            } else if keyword(line, &["Background:"]).is_some() {
                section = Section::Background;
            } else if keyword(line, &["Examples:", "Scenarios:"]).is_some() {
                let scenario = feature.scenarios.last_mut().ok_or_else(|| wrong("examples of nothing"))?;
                scenario.examples.push(Vec::new());
                section = Section::Examples;
            } else if keyword(line, &["Feature:", "Rule:"]).is_some() {
                section = Section::Description;
            } else if let Section::Examples = section {
                let rows = feature.scenarios.last_mut().and_then(|scenario| scenario.examples.last_mut());
                rows.ok_or_else(|| wrong("examples of nothing"))?.push(cells(line));
            } else if let Some(steps) = feature.steps(&section) {
                if let Some((_, text)) = keyword(line, &["Given ", "When ", "Then ", "And ", "But ", "* "]) {
                    steps.push(Step { text: text.to_string(), ..Step::default() });
                    continue;
                }
                let step = steps.last_mut().ok_or_else(|| wrong("not a step"))?;
                if line.starts_with('|') {
                    step.table.push(cells(line));
                } else if line == "\"\"\"" {
                    let document: Vec<&str> =
                        lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "\"\"\"").collect();
                    step.document = Some(document.join("\n"));
                } else {
                    return Err(wrong("not a step"));
                }
            }
        }
        Ok(feature)
    }

    fn steps(&mut self, section: &Section) -> Option<&mut Vec<Step>> {
        match section {
            Section::Background => Some(&mut self.background),
            Section::Steps => self.scenarios.last_mut().map(|scenario| &mut scenario.steps),
            Section::Description | Section::Examples => None,
        }
    }

    fn scenarios(self, path: &str) -> Vec<Scenario> {
        let mut scenarios = Vec::new();
        for written in self.scenarios {
            let steps: Vec<Step> = self.background.iter().cloned().chain(written.steps).collect();
            let name = format!("{path}: {}", written.name);
            if written.examples.is_empty() {
                scenarios.push(Scenario { name, steps });
                continue;
            }
            let rows = written.examples.iter().filter_map(|table| table.split_first());
            let rows = rows.flat_map(|(header, rows)| rows.iter().map(move |row| (header, row)));
            for (number, (header, row)) in rows.enumerate() {
                let steps = steps.iter().map(|step| step.with_values(header, row)).collect();
                scenarios.push(Scenario { name: format!("{name} ({})", number + 1), steps });
            }
        }
        scenarios
    }
}

impl Step {
    /// A step of an outline with the values of one example.
    fn with_values(&self, names: &[String], values: &[String]) -> Step {
        let fill = |text: &String| {
            let values = names.iter().zip(values);
            values.fold(text.clone(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
        };
        Step {
            text: fill(&self.text),
            document: self.document.as_ref().map(fill),
            table: self.table.iter().map(|row| row.iter().map(fill).collect()).collect(),
        }
    }
}

/// The keyword that a line begins with, and the rest of it.
fn keyword<'a>(line: &'a str, keywords: &[&'static str]) -> Option<(&'static str, &'a str)> {
    keywords.iter().find_map(|keyword| Some((*keyword, line.strip_prefix(keyword)?.trim())))
}

/// The cells of a table's row; `\|` is a bar in one of them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut rest = line.trim_start_matches('|').chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('|')) => cell.extend(rest.next()),
            ('\\', Some('\\')) => cell.extend(rest.next()),
            ('|', _) => cells.push(std::mem::take(&mut cell).trim().to_string()),
            _ => cell.push(c),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::{Feature, Step};

    #[test]
    fn outlines_become_a_scenario_for_each_example() {
        let text = "
            Feature: f
              words that say nothing
              Background:
                Given any graph
              Scenario Outline: [1] a
                When executing query:
                  \"\"\"
                  RETURN <x>

                  AS y
                  \"\"\"
                Then the result should be, in any order:
                  | y   |
                  | <x> |
                Examples:
                  | x      |
                  | 1      |
                  | 'a\\|b' |
              Scenario: [2] b
                Then the result should be empty";
        let scenarios = Feature::read(text).unwrap().scenarios("f.feature");
        let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(names, ["f.feature: [1] a (1)", "f.feature: [1] a (2)", "f.feature: [2] b"]);
        let given = Step { text: "any graph".to_string(), ..Step::default() };
        assert!(scenarios.iter().all(|scenario| scenario.steps[0] == given));
        let document = scenarios[1].steps[1].document.as_deref().unwrap();
        assert_eq!(document.split_whitespace().collect::<Vec<_>>(), ["RETURN", "'a|b'", "AS", "y"]);
        assert_eq!(scenarios[0].steps[2].table, [["y"], ["1"]]);
        assert_eq!(scenarios[2].steps.len(), 2);
    }

    #[test]
    fn what_is_no_step_is_an_error() {
        assert!(Feature::read("Feature: f\n Scenario: s\n Given a\n Whenever b").is_err());
    }
}
