use super::*;

const LIST: &str = "\
Package: postfix
Version: 3.7
Maintainer: Jane Doe <jane@example.org>
Section: mail
Installed-Size: 10
Size: 7000
Provides: mail-transport-agent
Depends: libc6 (>= 2.34), libc6 (<< 3), adduser:any
Suggests: mutt | reader, missing
Description: mail server

Package: adduser
Version: 3.1
Maintainer: \"Debian Team\" <team@example.org>
Section: admin

Package: libc6
Version: 2.36
Section: libs

Package: mutt
Version: 2.2
Section: mail
Recommends: mail-transport-agent | default-mta

Package: mutt
Version: 2.1
Section: old
";

fn lines(name: &str) -> Vec<String> {
    let table = tables(LIST).into_iter().find(|table| table.name == name).unwrap();
    let lines: Vec<_> = table.rows.collect();
    assert_eq!(lines.len(), table.count);
    lines
}

#[test]
fn packages_are_numbered_by_name_and_named_once() {
    let packages = lines("package");
    let keys: Vec<_> = packages.iter().map(|line| line.split('\t').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(keys, ["1 adduser 3.1", "2 libc6 2.36", "3 mutt 2.2", "4 postfix 3.7"]);
    assert!(
        packages[3].starts_with("4\tpostfix\t3.7\tmail\tJane Doe\t10240\t7000\t\\N\tmail server\t["),
        "{}",
        packages[3]
    );
}

#[test]
fn a_need_is_an_edge_to_each_choice_that_exists() {
    let needs = lines("needs");
    assert_eq!(
        needs,
        [
            "1\t3\t4\trecommends\t1\n", // by what postfix provides
            "2\t4\t2\tdepends\t1\n",    // two bounds, one edge
            "3\t4\t1\tdepends\t1\n",
            "4\t4\t3\tsuggests\t1\n", // `reader` and `missing` are not in the list
        ]
    );
}

#[test]
fn sections_and_maintainers_are_vertices() {
    assert_eq!(lines("section"), ["1\tadmin\n", "2\tlibs\n", "3\tmail\n"]);
    assert_eq!(lines("maintainer"), ["1\tDebian Team\n", "2\tJane Doe\n"]);
    assert_eq!(lines("in_section").len(), 4);
}
