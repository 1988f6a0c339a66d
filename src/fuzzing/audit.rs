//! A chain of audit records, and one that somebody has changed.

use super::choices::Choices;
use crate::audit::{Broken, Chain, Hash, Report, Seal, Verifier};

/// No bytes are too odd for the verifier; and of a chain that they make, no byte changes and no
/// line goes, comes again or moves without being found. Returns whether they were as long as to
/// change something.
pub fn audit(bytes: &[u8]) -> bool {
    for seal in [Seal::default(), Seal::keyed(b"a key")] {
        let odd = report(&seal, bytes, None);
        assert!(
            odd.broken_places > 0 || odd.records > 0,
            "an empty input is not whole"
        );
    }
    let mut choices = Choices::new(bytes);
    let seal = if choices.once_in(2) {
        Seal::keyed(b"a key")
    } else {
        Seal::default()
    };
    let (lines, last) = chain(&seal, &mut choices);
    let whole = report(&seal, &lines.concat(), Some(last));
    assert!(whole.broken.is_empty(), "{:?}", whole.broken);
    let changed = change(&lines, &mut choices);
    if changed == lines.concat() {
        return false;
    }
    let found = report(&seal, &changed, Some(last));
    assert!(
        found.broken_places > 0,
        "{}",
        String::from_utf8_lossy(&changed)
    );
    // Without a word on the end, only records that are not there at the end are not missed.
    let unaided = report(&seal, &changed, None);
    let is_cut = lines.concat().starts_with(&changed) && changed.ends_with(b"\n");
    assert!(
        unaided.broken_places > 0 || is_cut,
        "{}",
        String::from_utf8_lossy(&changed)
    );
    assert!(found.broken.iter().all(|place| place.why != Broken::Empty) || changed.is_empty());
    bytes.len() > 4
}

fn report(seal: &Seal, text: &[u8], last: Option<Hash>) -> Report {
    let mut verifier = Verifier::new(seal.clone(), false);
    verifier.read("fuzz", text).expect("memory can be read");
    verifier.finish(last, "fuzz")
}

/// What records say here.
const MEMBERS: [&str; 6] = [
    r#""time":"t","event":"decision","request_id":"a","effect":"allow""#,
    r#""time":"t","event":"decision","request_id":"b","effect":"deny""#,
    r#""time":"t","event":"end","request_id":"a""#,
    r#""time":"t","event":"gap","since":"s","error":"full","refused":3,"late":[2,3]"#,
    r#""time":"t","event":"start","version":"1","repaired_bytes":9"#,
    r#""time":"t","event":"file","reason":"rotated""#,
];

/// At least two lines, and the hash of the last.
fn chain(seal: &Seal, choices: &mut Choices<'_>) -> (Vec<Vec<u8>>, Hash) {
    let mut place = Chain::NEW;
    let mut members = vec![r#""time":"t","event":"start","version":"1""#, MEMBERS[0]];
    members.extend(choices.several(12, &MEMBERS));
    let line = |text: &str| {
        let mut line = Vec::new();
        place = place.link(seal, text.as_bytes(), &mut line);
        line
    };
    let lines = members.into_iter().map(line).collect();
    (lines, place.last)
}

/// One thing that somebody with the file could do to it.
fn change(lines: &[Vec<u8>], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut lines = lines.to_vec();
    let (what, one, other) = (
        choices.below(6),
        choices.below(lines.len()),
        choices.below(lines.len()),
    );
    let line = lines.get_mut(one).expect("it is below their number");
    match what {
        0 => {
            let at = (choices.below(256) * 256 + choices.below(256)) % line.len();
            *line.get_mut(at).expect("it is below its length") =
                u8::try_from(choices.below(256)).expect("it is below 256");
        }
        1 => drop(lines.remove(one)),
        2 => lines.swap(one, other),
        3 => {
            let again = line.clone();
            lines.insert(other, again);
        }
        4 => {
            let at = choices.below(256) % line.len();
            line.truncate(at);
        }
        _ => lines.insert(one, b"{\"seq\":2,\"prev\":\"\"}\n".to_vec()),
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            audit(&bytes);
        }
    }

    #[test]
    fn every_byte_of_a_chain_matters() {
        let seal = Seal::default();
        let (lines, last) = chain(&seal, &mut Choices::new(&[7, 0, 1, 2, 3, 4, 5]));
        let text = lines.concat();
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(report(&seal, &changed, None).broken_places > 0, "byte {at}");
        }
        assert!(report(&seal, &text, Some(last)).broken.is_empty());
    }
}
