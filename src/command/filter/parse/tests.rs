//! What each filter takes, and what it refuses with which words.

use super::*;

fn read(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(shlex::split(text).unwrap())
}

fn argv(text: &str) -> String {
    read(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .argv()
        .join(" ")
}

#[test]
fn every_spelling_renders_to_the_same_argv_which_reads_again_to_the_same() {
    for (one, others) in [
        (
            "grep -i -v -e Running",
            &[
                "grep -iv Running",
                "grep --ignore-case --invert-match Running",
                "grep Running -iv",
                "grep -iveRunning",
                "grep -i -v -- Running -",
            ][..],
        ),
        (
            "grep -E -e a|b",
            &[
                "grep -E 'a|b'",
                "egrep 'a|b'",
                "grep --color=auto -E 'a|b'",
                "grep --color -E 'a|b'",
            ],
        ),
        (
            "grep -C 3 -e x",
            &["grep -3 x", "grep -C3 x", "grep --context=3 x"],
        ),
        (
            "head -n 20",
            &[
                "head -20",
                "head -n20",
                "head --lines=20",
                "head --lines 20",
                "head -n 20 -",
            ],
        ),
        ("tail -n +2", &["tail -n +2", "tail -n+2"]),
        (
            "sort -k 2,2nr -t ,",
            &["sort -k2,2nr -t,", "sort --key=2,2nr --field-separator=,"],
        ),
        (
            "cut -d = -f 1,3-",
            &["cut -d= -f1,3-", "cut -d '=' -f '1,3-'"],
        ),
        ("tr -d -- a-z", &["tr -d a-z", "tr --delete a-z"]),
        (
            "sed -n -E -e s/a/b/p",
            &["sed -nE s/a/b/p", "sed -n -r -e s/a/b/p"],
        ),
        (
            "awk -F , -v x=1 -- {print $1}",
            &["awk -F, -v x=1 '{print $1}'", "awk -F , -vx=1 '{print $1}'"],
        ),
        (
            "jq --raw-output --compact-output -- .a",
            &["jq -rc .a", "jq -r -c .a", "jq -M --raw-output -c .a -"],
        ),
        ("jq -- .", &["jq", "jq .", "jq -S"]),
        (
            "column -t -s ,",
            &["column -ts,", "column -s, -t", "column -t --separator ,"],
        ),
        (
            "yq --security-disable-env-ops --security-disable-file-ops --no-colors --output-format=json --expression=.a -",
            &[
                "yq -o json .a",
                "yq -ojson .a",
                "yq -o=json e .a -",
                "yq eval -o json '.a' -",
            ],
        ),
        (
            "yq --security-disable-env-ops --security-disable-file-ops --no-colors --unwrapScalar=false --expression=. -",
            &["yq -r=false", "yq --unwrapScalar=false ."],
        ),
        ("uniq -c", &["uniq -c", "uniq --count -"]),
        ("wc -l", &["wc -l", "wc --lines"]),
    ] {
        for text in others {
            assert_eq!(argv(text), one, "{text}");
            let filter = read(text).unwrap();
            assert_eq!(Filter::parse(filter.argv()), Ok(filter), "{text}");
        }
    }
}

#[test]
fn what_reaches_beyond_the_stream_is_refused_by_name() {
    for text in [
        "grep -f /etc/passwd x",
        "grep -r x",
        "grep -R x /",
        "sort -o x",
        "sort -T /tmp",
        "sort --compress-program=sh",
        "sort --files0-from=x",
        "sed -i s/a/b/",
        "sed -n -i.bak p",
        "sed -f x",
        "awk -f x",
        "awk -i x p",
        "tail -f",
        "jq --slurpfile a /etc/passwd .",
        "jq --rawfile a /etc/passwd .",
        "jq -f x",
        "jq -L / .",
        "jq -rf x",
        "yq -i .",
        "yq -s .a",
        "yq --security-enable-system-operator .",
        "yq --from-file x",
        "wc --files0-from=x",
    ] {
        assert!(
            matches!(read(text), Err(FilterError::RefusedFlag { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    for text in [
        "awk 'BEGIN{system(\"id\")}'",
        "sed '1e id'",
        "sed -e p -e 'w x'",
        "jq env",
        "jq -n '$ENV'",
        "yq 'load(\"/etc/passwd\")'",
        "yq -n 'strenv(HOME)'",
    ] {
        assert!(
            matches!(read(text), Err(FilterError::Script { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    for text in [
        "grep x /etc/passwd",
        "head /etc/passwd",
        "sort - /etc/passwd",
        "awk '{print}' /etc/passwd",
        "awk 1 -f x",
        "sed p /etc/passwd",
        "jq . /etc/passwd",
        "yq . /etc/passwd",
        "tr a b c",
        "wc file",
        "column -t file",
        "uniq - out",
    ] {
        assert!(
            matches!(read(text), Err(FilterError::Operand { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    for text in [
        "xargs rm",
        "sh -c id",
        "tee x",
        "kubectl get pods",
        "/bin/grep x",
        "busybox sh",
        "env",
        "",
        "gojq .",
    ] {
        assert!(
            matches!(read(text), Err(FilterError::NotAFilter { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
}

#[test]
fn a_mistake_is_told_with_what_may_have_been_meant() {
    assert!(matches!(
        read("grep --ignore-cas x"),
        Err(FilterError::UnknownFlag {
            nearest: Some("--ignore-case"),
            ..
        })
    ));
    assert!(
        matches!(read("grep -Z x"), Err(FilterError::UnknownFlag { nearest: None, known, .. }) if known.contains("-i"))
    );
    assert!(matches!(
        read("head -n many"),
        Err(FilterError::Value { flag: "-n", .. })
    ));
    assert!(matches!(
        read("sort -t ab"),
        Err(FilterError::Value { flag: "-t", .. })
    ));
    assert!(matches!(
        read("cut -f a"),
        Err(FilterError::Value { flag: "-f", .. })
    ));
    assert!(matches!(
        read("head -n"),
        Err(FilterError::MissingValue { .. })
    ));
    assert!(matches!(
        read("head -n 1 -n 2"),
        Err(FilterError::RepeatedFlag { flag: "-n", .. })
    ));
    for text in ["grep", "sed", "awk", "tr", "cut -d,", "column"] {
        assert!(
            matches!(read(text), Err(FilterError::Missing { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    assert!(read("grpe x").unwrap_err().help().contains("`grep`"));
}

#[test]
fn a_program_is_run_under_the_names_of_its_filters_alone() {
    assert!(FilterProgram::Busybox.is_called("awk") && FilterProgram::Gojq.is_called("jq"));
    for (program, name) in [
        (FilterProgram::Busybox, "sh"),
        (FilterProgram::Busybox, "busybox"),
        (FilterProgram::Busybox, "jq"),
        (FilterProgram::Yq, "jq"),
    ] {
        assert!(!program.is_called(name), "{name}");
    }
}

#[test]
fn perls_classes_are_those_of_extended_patterns_and_said() {
    let words = |text: &str| shlex::split(text).unwrap();
    let filter = Filter::parse(words(r"grep -oP 'web-\d+'")).unwrap();
    assert_eq!(filter.argv(), ["grep", "-E", "-o", "-e", "web-[0-9]+"]);
    assert_eq!(
        filter
            .adjustments()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            r"read `grep -P web-\d+` as `grep -E web-[0-9]+`: Perl's patterns are read as `grep -E` has them"
        ]
    );
    assert!(matches!(
        Filter::parse(words(r"grep -oP 'name=\K\w+'")),
        Err(FilterError::PerlPattern { .. })
    ));
}

#[test]
fn sizes_are_sorted_by_their_numbers_and_that_is_said() {
    let words = |text: &str| shlex::split(text).unwrap();
    for (text, argv) in [
        ("sort -k4 -h -r", "sort -k 4 -n -r"),
        ("sort -rhk3", "sort -r -n -k 3"),
        ("sort -k3hr", "sort -k 3nr"),
    ] {
        let filter = Filter::parse(words(text)).unwrap();
        assert_eq!(filter.argv().join(" "), argv, "{text}");
        assert_eq!(filter.adjustments().len(), 1, "{text}");
    }
}

#[test]
fn a_file_beside_a_pattern_that_a_flag_gives_is_refused_too() {
    let words = |text: &str| shlex::split(text).unwrap();
    assert!(matches!(
        Filter::parse(words("grep -e x /etc/passwd")),
        Err(FilterError::Operand { .. })
    ));
}

#[test]
fn programs_of_several_lines_are_read_to_their_end() {
    for (filter, words) in [
        ("awk", vec!["awk", "{ n++ } # count\nEND {\n  print n\n}"]),
        ("jq", vec!["jq", ".items[] # all\n| .kind"]),
        ("sed", vec!["sed", "s/a/b/\n# two\ns/c/d/"]),
    ] {
        let words = words.into_iter().map(str::to_owned).collect();
        assert_eq!(Filter::parse(words).map(|read| read.name()), Ok(filter));
    }
    for words in [
        ["awk", "{ n++ } # count\n{ print > \"/tmp/x\" }"],
        ["jq", "1 # all\n| env"],
        ["yq", ".a # all\n| env(HOME)"],
        ["sed", "# x\nw /tmp/x"],
        ["sed", "a text\nw /tmp/x"],
        ["sed", "s/a/b/\nw /tmp/x"],
    ] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert!(
            matches!(
                Filter::parse(words.clone()),
                Err(FilterError::Script { .. })
            ),
            "{words:?}"
        );
    }
}
