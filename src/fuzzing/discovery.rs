//! A word and what a hostile cluster says that it has -> at most custom resources.

use super::{catalogues::catalogues, command::reads_again_in};
use crate::{
    catalogue::{CustomResources, WordMeaning, resource},
    command,
    tool::Tool,
};

/// Whatever a cluster says, a word of the table is none of its, what a word means is no resource of
/// the table, and the tool gets a name that means the same again. The first line is the word, the
/// rest what the cluster says. Returns whether the word meant something.
pub fn discovery(bytes: &[u8]) -> bool {
    let Some((token, printed)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_once('\n'))
    else {
        return false;
    };
    let Ok(cluster) = CustomResources::read(printed.as_bytes()) else {
        return false;
    };
    let meaning = cluster.meaning(token);
    if resource::holds(token) || token.eq_ignore_ascii_case("all") {
        assert_eq!(meaning, WordMeaning::Nothing, "{token} is of the table");
    }
    match &meaning {
        WordMeaning::Nothing => return false,
        WordMeaning::One(one) => {
            let (canonical, qualified) = (one.canonical(), one.qualified(token));
            assert!(
                !resource::is_canonical(&canonical),
                "{token} became {canonical}"
            );
            assert!(
                resource::canonical(&qualified).is_none(),
                "{token} became {qualified}"
            );
            match cluster.meaning(&qualified) {
                WordMeaning::One(again) => assert_eq!(again.canonical(), canonical, "{qualified}"),
                // Another one has the plural for a short name: neither runs by it.
                WordMeaning::Several(names) => assert!(names.contains(&canonical), "{qualified}"),
                WordMeaning::Nothing => panic!("{qualified} means nothing"),
            }
        }
        WordMeaning::Several(names) => {
            let is_known = |name: &String| resource::is_canonical(name);
            assert!(names.len() > 1 && !names.iter().any(is_known), "{names:?}");
        }
    }
    let kubectl = catalogues()
        .iter()
        .find(|known| known.tool() == Tool::KUBECTL);
    let words = vec!["get".to_owned(), token.to_owned()];
    if let Some(catalogue) = kubectl
        && let Ok(invocation) = command::parse_in(catalogue, words, None, &cluster)
    {
        reads_again_in(catalogue, &invocation, &cluster);
    }
    true
}
