//! Why something is no request that a tool sends: [`Odd`].

/// Why a request is refused unread: it could be read in two ways, or the API has none such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// A method that the API does not have, or not for this path.
    #[error("the method {0} is none that the API has there")]
    Method(String),
    /// A path with another spelling, or one that is of no use but to get around a rule.
    #[error("the path has {0}")]
    Path(&'static str),
    /// A query with another reading.
    #[error("the query has {0}")]
    Query(&'static str),
}
