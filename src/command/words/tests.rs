//! Which texts are words, and what is said of the others.

use super::*;

fn words(text: &str) -> Vec<String> {
    split(Tool::KUBECTL, text).unwrap()
}

#[test]
fn the_leading_tool_name_is_optional_and_blanks_are_trimmed() {
    assert_eq!(words("kubectl get pods"), words("  get   pods\n"));
    assert_eq!(split(Tool::KUBECTL, "kubectl"), Ok(vec![]));
}

#[test]
fn data_that_looks_like_shell_syntax_is_data_inside_quotes() {
    assert_eq!(
        words(r#"get po -o jsonpath='{.items[?(@.a>3)].b}'"#)[3],
        "jsonpath={.items[?(@.a>3)].b}"
    );
    assert_eq!(
        words(r#"get po -o jsonpath="{.items[?(@.p==\"R\")].b}""#)[3],
        r#"jsonpath={.items[?(@.p=="R")].b}"#
    );
    assert_eq!(
        words("get po -o=jsonpath={.items[*].metadata.name}")[2],
        "-o=jsonpath={.items[*].metadata.name}"
    );
    assert_eq!(
        words("get po -l 'environment in (production, qa)'")[3],
        "environment in (production, qa)"
    );
    assert_eq!(words("list --filter '^app-[0-9]+$'")[2], "^app-[0-9]+$");
}

#[test]
fn shell_syntax_is_refused_by_name() {
    for (text, operator) in [
        ("get pods; id", ";"),
        ("get pods | head", "|"),
        ("get pods && id", "&&"),
        ("get pods || id", "||"),
        ("get pods & id", "&"),
        ("get pods > /tmp/x", ">"),
        ("get pods >> /tmp/x", ">>"),
        ("get pods 2>&1 -A", "2>&1"),
        ("get pods 2>/tmp/x", "2>"),
        ("get pods 2>/dev/nullx", "2>"),
        ("get pods >/dev/null 2>&1", ">"),
        ("get pods 2>&1 || true", "||"),
        ("get pods x2>&1", ">"),
        ("get pods \\ 2>&1", "2>&1"),
        ("get pods \\|2>&1", "2>&1"),
        ("get pods '2'>&1", ">"),
        ("get pods \\2>&1", ">"),
        ("get pods web-2>x", ">"),
        ("get pods |& grep x", "|&"),
        ("apply -f - <<EOF", "<<"),
        ("apply -f - <<< x", "<<<"),
        ("get pods -n <namespace>", "<"),
        ("get pods $(id)", "$("),
        ("get pods `id`", "`"),
        ("get pods -l app=\"$(id)\"", "$("),
        ("get pods # x", "#"),
        ("get pods ~/x", "~"),
        ("get pods *", "*"),
        ("get pods $HOME", "$"),
        ("get pods ${x}", "${"),
        (r"get pods -o $'\x6a'son", "$'"),
    ] {
        assert!(
            matches!(
                split(Tool::KUBECTL, text),
                Err(WordsError::Shell { operator: found, .. } | WordsError::Chain { operator: found, .. }) if found == operator
            ),
            "{text}"
        );
    }
}

#[test]
fn a_line_is_cut_where_a_bar_is_not_quoted() {
    let cut = |text: &str| {
        split_stages(Tool::KUBECTL, text).map(|stages| (stages.command.join(" "), stages.filters))
    };
    let own = |filters: &[&[&str]]| {
        filters
            .iter()
            .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
            .collect::<Vec<Vec<String>>>()
    };
    for (text, command, filters) in [
        (
            "kubectl get pods -A | grep -v Running | head -20",
            "get pods -A",
            &[&["grep", "-v", "Running"][..], &["head", "-20"]][..],
        ),
        ("get pods|wc -l", "get pods", &[&["wc", "-l"]]),
        (
            "get pods | grep 'a|b' | awk '{print $1 | \"cat\"}'",
            "get pods",
            &[&["grep", "a|b"], &["awk", "{print $1 | \"cat\"}"]],
        ),
        (
            r#"get pods | grep "a|b" | grep a\|b"#,
            "get pods",
            &[&["grep", "a|b"], &["grep", "a|b"]],
        ),
        ("get pods -l 'a|b'", "get pods -l a|b", &[]),
    ] {
        assert_eq!(cut(text), Ok((command.to_owned(), own(filters))), "{text}");
    }
    for (text, side, at) in [
        ("get pods |", "behind", 9),
        ("| head", "before", 0),
        ("get pods | | head", "before", 11),
        ("get |head|", "behind", 9),
    ] {
        assert_eq!(
            cut(text),
            Err(WordsError::EmptyStage { side, at }),
            "{text}"
        );
    }
    assert_eq!(
        cut(&format!("get pods{}", " | head".repeat(8))),
        Err(WordsError::TooManyFilters { count: 8 })
    );
    for (text, operator) in [
        ("get pods |# x", "#"),
        ("get pods |~/x", "~"),
        ("get pods | grep $(id)", "$("),
        ("get pods | grep a; id", ";"),
    ] {
        assert!(
            matches!(
                cut(text),
                Err(WordsError::Shell { operator: found, .. } | WordsError::Chain { operator: found, .. }) if found == operator
            ),
            "{text}"
        );
    }
}

#[test]
fn what_stands_before_another_command_is_told_where_it_is_one() {
    for (text, first) in [
        ("get pods -n web || true", Some("get pods -n web")),
        (
            "get pods 2>/dev/null || echo none",
            Some("get pods 2>/dev/null"),
        ),
        ("get pods | head -3; echo", Some("get pods | head -3")),
        ("for pod in a b; do logs $pod; done", None),
        ("cd /tmp && kubectl get pods", None),
        ("; get pods", None),
        ("get pods -l 'a\nb'; id", None),
    ] {
        let Err(WordsError::Chain { first: found, .. }) = split_stages(Tool::KUBECTL, text) else {
            panic!("{text}");
        };
        assert_eq!(found.as_deref(), first, "{text}");
    }
}

#[test]
fn control_blank_and_invisible_characters_are_refused_even_in_quotes() {
    for (text, code) in [
        ("get pods\ndelete pod web", 0x0A),
        ("get pods\0", 0),
        ("get pods '\u{1b}[2J'", 0x1B),
        ("get\u{a0}pods", 0xA0),
        ("get secret\u{200b}s", 0x200B),
        ("get pods \\\r\n -A", 0x0D),
        ("get pods 'a\rb'", 0x0D),
        ("get 'a\u{e0041}'", 0xE0041),
    ] {
        assert!(
            matches!(split(Tool::KUBECTL, text), Err(WordsError::Character { code: found, .. }) if found == code),
            "{text:?}"
        );
    }
}

fn dropped(text: &str) -> (String, Vec<String>) {
    let stages = split_stages(Tool::KUBECTL, text).unwrap();
    let lines = [stages.command]
        .into_iter()
        .chain(stages.filters)
        .map(|words| words.join(" "))
        .collect::<Vec<_>>()
        .join(" | ");
    let of = |change: &Adjustment| match change {
        Adjustment::Dropped { word, .. } => word.clone(),
        other => panic!("{other:?}"),
    };
    (lines, stages.changes.iter().map(of).collect())
}

#[test]
fn what_changes_nothing_at_the_end_of_a_stage_is_dropped_and_said() {
    for (text, line, gone) in [
        ("get pods 2>&1", "get pods", &["2>&1"][..]),
        ("get pods 2>/dev/null", "get pods", &["2>/dev/null"]),
        ("get pods 2>&1|grep x", "get pods | grep x", &["2>&1"]),
        (
            "get pods 2>/dev/null | grep x 2>&1 ",
            "get pods | grep x",
            &["2>/dev/null", "2>&1"],
        ),
        (
            "get pods 2>/dev/null 2>&1",
            "get pods",
            &["2>/dev/null", "2>&1"],
        ),
        ("get pods | cat", "get pods", &["| cat"]),
        (
            "get pods | less -R | grep x",
            "get pods | grep x",
            &["| less -R"],
        ),
        ("get pods -l 'a 2>&1'", "get pods -l a 2>&1", &[]),
        (
            "exec web -- sh -c 'id 2>&1'",
            "exec web -- sh -c id 2>&1",
            &[],
        ),
    ] {
        let gone: Vec<String> = gone.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(dropped(text), (line.to_owned(), gone), "{text}");
    }
    assert!(
        split_stages(Tool::KUBECTL, "get pods | cat file").is_ok_and(|it| it.filters.len() == 1),
        "a file is no output that comes before"
    );
}

#[test]
fn what_is_merged_before_a_filter_says_that_filters_do_not_see_it() {
    let stages = split_stages(Tool::KUBECTL, "get pods 2>&1 | grep -i error").unwrap();
    let said = stages.changes[0].to_string();
    assert!(said.contains("past the filters"), "{said}");
}

#[test]
fn a_line_goes_on_behind_a_backslash_and_inside_quotes() {
    assert_eq!(words("get pods \\\n  -A \\\n"), ["get", "pods", "-A"]);
    assert_eq!(words("ku\\\nbectl get 'a\\\nb'"), ["get", "a\\\nb"]);
    assert_eq!(words("get \"a\\\nb\""), ["get", "ab"]);
    let stages = split_stages(Tool::KUBECTL, "get pods | jq '.items[]\n| .kind'").unwrap();
    assert_eq!(stages.filters[0][1], ".items[]\n| .kind");
    assert!(matches!(
        split(Tool::KUBECTL, "get pods\ndelete pod web"),
        Err(WordsError::Character { code: 0x0A, .. })
    ));
}

#[test]
fn what_stands_before_a_command_is_named_and_the_hint_is_the_command() {
    for (text, word, rest) in [
        ("k get pods", "k", "get pods"),
        ("sudo kubectl get pods -A", "sudo", "get pods -A"),
        ("sudo -E -u root kubectl get pods", "sudo", "get pods"),
        ("$ kubectl get pods | head -3", "$", "get pods | head -3"),
        (
            "/usr/local/bin/kubectl get pods",
            "/usr/local/bin/kubectl",
            "get pods",
        ),
        ("watch -n 5 kubectl get pods", "watch", "get pods"),
        ("watch kubectl get pods", "watch", "get pods"),
        (
            "KUBECONFIG=/x kubectl get pods",
            "KUBECONFIG=/x",
            "get pods",
        ),
        ("time kubectl get pods", "time", "get pods"),
        ("timeout 10 kubectl get pods", "timeout", "get pods"),
        ("kubectl kubectl get pods", "kubectl", "get pods"),
    ] {
        let error = split_stages(Tool::KUBECTL, text).unwrap_err();
        assert!(
            matches!(&error, WordsError::OtherProgram { word: found, .. } if *found == Excerpt::new(word)),
            "{text}: {error}"
        );
        let help = error.help();
        let hint = help.split('`').nth(1).unwrap();
        assert_eq!(hint, rest, "{text}: {help}");
        assert!(split_stages(Tool::KUBECTL, hint).is_ok(), "{hint}");
    }
    let error = split(Tool::KUBECTL, "helm list").unwrap_err();
    assert_eq!(error.help(), "call the tool `helm` with this command");
    assert!(
        words("exec web-0 -- kubectl get pods").len() == 6,
        "a program of a container is none here"
    );
}

#[test]
fn another_program_in_front_is_refused() {
    for text in [
        "helm list",
        "kubectl kubectl get pods",
        "./kubectl get pods",
        "KUBECONFIG=/x kubectl get pods",
    ] {
        assert!(
            matches!(
                split(Tool::KUBECTL, text),
                Err(WordsError::OtherProgram { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn an_open_quote_says_where_it_was_opened() {
    assert_eq!(
        split(Tool::KUBECTL, "get pods -l 'a"),
        Err(WordsError::Unterminated { at: 12 })
    );
    assert_eq!(
        split(Tool::KUBECTL, "get pods \\"),
        Err(WordsError::Unterminated { at: 9 })
    );
}
