use std::fs;

use super::*;

/// Two packages, `b` needed by `a` for its code (two declarations, for two targets) and for its build script.
fn workspace(folder: &std::path::Path) -> Metadata {
    for name in ["a", "b"] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("Cargo.toml"), "12345").unwrap();
    }
    fs::write(folder.join("a/README.md"), "Columns\tand rows").unwrap();
    let json = serde_json::json!({
        "packages": [
            {
                "id": "b 1", "name": "b", "version": "1.0.0", "license": null, "description": null, "repository": null,
                "manifest_path": folder.join("b/Cargo.toml"), "readme": "MISSING.md", "authors": ["Jane <j@example.org>"],
                "categories": [], "keywords": ["k"], "dependencies": [],
            },
            {
                "id": "a 1", "name": "a", "version": "0.1.0", "license": "MIT", "description": "An a.", "repository": null,
                "manifest_path": folder.join("a/Cargo.toml"), "readme": "README.md", "authors": ["Jane", "Joe"],
                "categories": ["c"], "keywords": ["k", "l"],
                "dependencies": [
                    { "name": "b", "req": "^1", "kind": null, "optional": true, "features": ["y"] },
                    { "name": "b", "req": "^1", "kind": null, "optional": true, "features": ["x"] },
                    { "name": "b", "req": "^1.0", "kind": "build", "optional": false, "features": [] },
                ],
            },
        ],
        "resolve": { "nodes": [
            { "id": "a 1", "deps": [{ "pkg": "b 1", "dep_kinds": [{ "kind": null }, { "kind": null }, { "kind": "build" }] }] },
            { "id": "b 1", "deps": [] },
        ] },
    });
    metadata::parse(json.to_string().as_bytes(), "cargo metadata").unwrap()
}

fn lines(tables: Vec<Table>, name: &str) -> Vec<String> {
    let table = tables.into_iter().find(|table| table.name == name).unwrap();
    let lines: Vec<_> = table.rows.collect();
    assert_eq!(lines.len(), table.count);
    lines
}

fn read(name: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    lines(tables(workspace(folder.path())).unwrap(), name)
}

#[test]
fn crates_are_numbered_by_name_and_carry_readme_and_size() {
    let crates = read("crate");
    assert!(
        crates[0].starts_with("1\ta\t0.1.0\tMIT\tAn a.\t\\N\t{\"k\",\"l\"}\t21\tColumns\\tand rows\t["),
        "{}",
        crates[0]
    );
    assert!(crates[1].starts_with("2\tb\t1.0.0\t\\N\t\\N\t\\N\t{\"k\"}\t5\t\\N\t["), "{}", crates[1]);
}

#[test]
fn a_dependency_is_one_edge_for_each_kind() {
    assert_eq!(read("depends_on"), ["1\t1\t2\tbuild\tfalse\t^1.0\t{}\n", "2\t1\t2\tnormal\ttrue\t^1\t{\"x\",\"y\"}\n"]);
}

#[test]
fn an_author_is_one_vertex_with_and_without_address() {
    assert_eq!(read("author"), ["1\tJane\n", "2\tJoe\n"]);
    assert_eq!(read("written_by"), ["1\t1\t1\n", "2\t1\t2\n", "3\t2\t1\n"]);
}

#[test]
fn names_without_addresses_stay_names() {
    assert_eq!(name_without_address("Jane Doe <jane@example.org>"), "Jane Doe");
    assert_eq!(name_without_address("<team@example.org>"), "team@example.org");
    assert_eq!(name_without_address("The Project Developers"), "The Project Developers");
}
