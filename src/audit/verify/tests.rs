use super::*;

/// The lines of a chain with these members.
fn lines(seal: &Seal, members: &[&str]) -> Vec<Vec<u8>> {
    let mut chain = Chain::NEW;
    let line = |text: &&str| {
        let mut line = Vec::new();
        chain = chain.link(seal, format!("\"time\":\"t\",{text}").as_bytes(), &mut line);
        line
    };
    members.iter().map(line).collect()
}

const CHAIN: [&str; 6] = [
    r#""event":"start""#,
    r#""event":"decision","request_id":"a","effect":"allow""#,
    r#""event":"decision","request_id":"b","effect":"deny""#,
    r#""event":"decision","request_id":"c","effect":"allow""#,
    r#""event":"end","request_id":"a""#,
    r#""event":"gap","refused":7,"late":[4,4]"#,
];

fn report(lines: &[Vec<u8>]) -> Report {
    let mut verifier = Verifier::new(Seal::default(), false);
    verifier.read("f", lines.concat().as_slice()).unwrap();
    verifier.finish(None, "f")
}

fn first(lines: &[Vec<u8>]) -> (u64, Broken) {
    let first = report(lines).broken.swap_remove(0);
    (first.line, first.why)
}

#[test]
fn a_whole_chain_is_whole_and_calls_without_an_end_are_told() {
    let whole = lines(&Seal::default(), &CHAIN);
    let found = report(&whole);
    assert_eq!(
        (
            found.records,
            found.chains,
            found.first,
            found.unrecorded_calls
        ),
        (6, 1, Some(1), 7)
    );
    assert!(
        found.broken.is_empty() && found.open.is_empty(),
        "{found:?}"
    );
    let open: Vec<(String, bool)> = report(&whole[..4])
        .open
        .into_iter()
        .map(|open| (open.request_id, open.is_crash))
        .collect();
    assert_eq!(open, [("a".to_owned(), false), ("c".to_owned(), false)]);
    let crashed = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], CHAIN[0]]);
    assert!(report(&crashed).broken.is_empty() && report(&crashed).open[0].is_crash);
}

#[test]
fn the_first_broken_line_is_named_with_what_is_wrong() {
    let whole = lines(&Seal::default(), &CHAIN);
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = whole.clone();
        change(&mut lines);
        first(&lines)
    };
    let other = lines(&Seal::default(), &[CHAIN[0], CHAIN[2], CHAIN[2]]);
    assert_eq!(with(&|lines| lines[2][80] ^= 1), (3, Broken::Changed));
    assert_eq!(
        with(&|lines| drop(lines.remove(3))),
        (4, Broken::Missing { from: 4, to: 4 })
    );
    assert_eq!(
        with(&|lines| drop(lines.drain(1..4))),
        (2, Broken::Missing { from: 2, to: 4 })
    );
    assert_eq!(
        with(&|lines| drop(lines.remove(0))),
        (1, Broken::Headless { seq: 2 })
    );
    assert_eq!(with(&|lines| lines.swap(2, 3)), (3, Broken::Reordered));
    assert_eq!(
        with(&|lines| lines.insert(3, whole[1].clone())),
        (4, Broken::Repeated { seq: 2 })
    );
    assert_eq!(
        with(&|lines| lines.insert(1, whole[0].clone())),
        (2, Broken::Repeated { seq: 1 })
    );
    assert_eq!(
        with(&|lines| lines.insert(2, b"listening\n".to_vec())),
        (3, Broken::Foreign)
    );
    assert_eq!(
        with(&|lines| lines[2] = other[2].clone()),
        (3, Broken::Foreign)
    );
    assert_eq!(with(&|lines| lines[5].truncate(100)), (6, Broken::Cut));
    let rotated = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], r#""event":"file""#]);
    assert_eq!(
        first(&[&rotated[2..], &rotated[..2]].concat()),
        (3, Broken::Repeated { seq: 2 })
    );
    // The server says that somebody emptied its file: what it says first there is no beginning.
    let emptied = lines(
        &Seal::default(),
        &[
            CHAIN[0],
            CHAIN[1],
            r#""event":"file","reason":"truncated""#,
            CHAIN[4],
        ],
    );
    assert_eq!(first(&emptied[2..]), (1, Broken::Headless { seq: 3 }));
    assert!(
        report(&emptied).broken.is_empty(),
        "nothing is lost when it was copied before"
    );
    assert_eq!(first(&[]), (0, Broken::Empty));
    assert_eq!(
        first(&lines(&Seal::keyed(b"k"), &CHAIN)),
        (1, Broken::Changed)
    );
}

#[test]
fn one_broken_line_is_one_broken_place() {
    let mut lines = lines(&Seal::default(), &CHAIN);
    lines[2][80] ^= 1;
    assert_eq!(report(&lines).broken_places, 1, "{:?}", report(&lines));
}

#[test]
fn the_end_is_compared_with_a_hash_that_was_kept() {
    let whole = lines(&Seal::default(), &CHAIN);
    let read = |lines: &[Vec<u8>], expected: &str| {
        let mut verifier = Verifier::new(Seal::default(), false);
        verifier.read("f", lines.concat().as_slice()).unwrap();
        verifier.finish(Hash::read(expected.as_bytes()), "f").broken
    };
    let last = report(&whole).last.unwrap().hash;
    assert_eq!(read(&whole, &last), []);
    assert_eq!(
        read(&whole[..5], &last)[0].why,
        Broken::NotTheLast { expected: last }
    );
}

#[test]
fn an_end_that_was_cut_off_is_missed_though_the_chain_went_on_there() {
    let whole = lines(&Seal::default(), &CHAIN);
    let anew = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], CHAIN[0], CHAIN[4]]);
    let kept = Link::read(&Seal::default(), whole[3].strip_suffix(b"\n").unwrap())
        .unwrap()
        .hash;
    let read = |lines: &[Vec<u8>]| {
        let mut verifier = Verifier::new(Seal::default(), false);
        verifier.keep(vec![kept]);
        verifier.read("f", lines.concat().as_slice()).unwrap();
        verifier.finish(None, "f").broken
    };
    assert_eq!(
        (read(&whole), report(&anew).broken),
        (vec![], vec![]),
        "nothing else tells them apart"
    );
    let gone = Broken::NotThere {
        expected: kept.to_string(),
    };
    assert_eq!(
        read(&anew),
        [Break {
            file: "f".into(),
            line: 0,
            why: gone
        }]
    );
}

#[test]
fn memory_does_not_grow_with_a_line_that_does_not_end() {
    let mut verifier = Verifier::new(Seal::default(), false);
    verifier
        .read("f", io::BufReader::new(io::repeat(b'x').take(8 << 20)))
        .unwrap();
    assert_eq!(verifier.finish(None, "f").broken_places, 1);
}

/// What is found in lines of a stream that others write to as well.
fn report_of_part(lines: &[Vec<u8>]) -> Report {
    let mut verifier = Verifier::new(Seal::default(), true);
    verifier.read("f", lines.concat().as_slice()).unwrap();
    verifier.finish(None, "f")
}

#[test]
fn lines_of_a_log_between_records_are_passed_over_and_records_are_not() {
    let whole = lines(&Seal::default(), &CHAIN);
    let log: [&[u8]; 4] = [
        b"2026-11-30T00:43:01Z  INFO kube_airlock::cli::serve: listening\n",
        br#"{"timestamp":"2026-11-30T00:43:01Z","level":"INFO","fields":{"message":"listening"}}
"#,
        b"\n",
        b"\xff\x00 not a text\n",
    ];
    // Between all of them, before the first that is there, and behind the last.
    let mut shared: Vec<Vec<u8>> = Vec::new();
    for (number, record) in whole.iter().enumerate().skip(1) {
        shared.push(log[number % log.len()].to_vec());
        shared.push(record.clone());
    }
    shared.push(log[0].to_vec());
    shared.push(b"a line that is cut".to_vec());
    let found = report_of_part(&shared);
    assert_eq!(
        (found.records, found.broken_places, found.other_lines),
        (5, 0, 7),
        "{found:?}"
    );
    // A collector's own words before each record.
    let prefixed: Vec<Vec<u8>> = whole
        .iter()
        .map(|record| {
            [
                b"[pod/kube-airlock-5d] 2026-11-30T00:43:01Z ".as_slice(),
                record,
            ]
            .concat()
        })
        .collect();
    assert_eq!(
        (
            report_of_part(&prefixed).records,
            report_of_part(&prefixed).broken_places
        ),
        (6, 0)
    );
    // Nothing but a log is no chain.
    let found = report_of_part(&[log[0].to_vec()]);
    assert_eq!(found.broken[0].why, Broken::Empty);
}

#[test]
fn a_record_that_was_made_to_look_like_a_line_of_the_log_is_missed() {
    let whole = lines(&Seal::default(), &CHAIN);
    let with = |disguise: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut lines = whole.clone();
        lines.insert(1, b"listening\n".to_vec());
        lines[4] = disguise(&lines[4]);
        let found = report_of_part(&lines);
        (found.broken_places, found.broken[0].why.clone())
    };
    let missing = (1, Broken::Missing { from: 4, to: 4 });
    assert_eq!(with(&|_| b"2026 INFO listening\n".to_vec()), missing);
    assert_eq!(with(&|_| b"{\"level\":\"INFO\"}\n".to_vec()), missing);
    assert_eq!(with(&|_| Vec::new()), missing);
    // What is left of it shows that it was one.
    for disguise in [
        |record: &[u8]| [b"INFO ", &record[8..]].concat(),
        |record: &[u8]| record[1..].to_vec(),
        |record: &[u8]| {
            let mut changed = record.to_vec();
            changed[80] ^= 1;
            changed
        },
    ] {
        assert_eq!(with(&disguise), (1, Broken::Changed));
    }
}
