//! [`Sentence`]: why a request is explained.

/// Why a request is explained: the sentence, as this command fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The sentence: `list pods in namespace web`.
    pub text: String,
    /// Why the verb asks it, where that is not plain.
    pub why: Option<String>,
    /// The names of which the body of a create has to have one; none where the command tells none.
    pub names: Vec<String>,
    /// Whether the body has to say `dryRun: [All]`: a delete's or an eviction's does, whatever its
    /// query says.
    pub rehearses_in_body: bool,
}
