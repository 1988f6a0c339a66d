//! [`Tool`]: a tool of this program, by name; and the list of them.
//!
//! The list is closed before anything reads it: what is on it can be named in a request, a policy
//! or a setting, and nothing else can.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::{LazyLock, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{argocd::ARGOCD, helm::HELM, istioctl::ISTIOCTL, kubectl::KUBECTL, spec::ToolSpec};

/// A tool of this program. Two are equal when their names are.
#[derive(Clone, Copy)]
pub struct Tool(&'static ToolSpec);

/// The tools of this program, in the order in which they are listed to people.
static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();

/// Their names in alphabetical order, for messages about a name that is not one of them.
static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut names: Vec<&str> = Tool::all().map(Tool::as_str).collect();
    names.sort_unstable();
    names
});

impl Tool {
    /// argocd.
    pub const ARGOCD: Self = Self(&ARGOCD);
    /// helm.
    pub const HELM: Self = Self(&HELM);
    /// istioctl.
    pub const ISTIOCTL: Self = Self(&ISTIOCTL);
    /// kubectl.
    pub const KUBECTL: Self = Self(&KUBECTL);

    /// The tools that this server ships. The first is the one that most calls need: a server
    /// without it is not ready.
    const SHIPPED: [Self; 4] = [Self::KUBECTL, Self::HELM, Self::ISTIOCTL, Self::ARGOCD];

    /// Adds a tool to those of this program. `main` may do so, before anything looks at the list.
    ///
    /// # Errors
    /// [`ListIsClosed`], after something did.
    pub fn add(spec: &'static ToolSpec) -> Result<Self, ListIsClosed> {
        let tool = Self(spec);
        let tools = Self::SHIPPED.into_iter().chain([tool]).collect();
        TOOLS.set(tools).map_err(|_| ListIsClosed)?;
        Ok(tool)
    }

    /// All tools, in the order in which they are listed to people.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        TOOLS.get_or_init(|| Self::SHIPPED.to_vec()).iter().copied()
    }

    /// The tool that most calls need: a server without it is not ready.
    pub fn essential() -> Self {
        Self::SHIPPED[0]
    }

    /// The names of all tools, as a sentence lists them.
    pub fn names() -> String {
        let mut names: Vec<&str> = Self::all().map(Self::as_str).collect();
        let last = names.pop().unwrap_or_default();
        format!("{} and {last}", names.join(", "))
    }

    /// All that is peculiar to it.
    pub fn spec(self) -> &'static ToolSpec {
        self.0
    }

    /// The tool's name: its argv[0], its route and its MCP tool name.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }
}

/// The tools of this program are in use, so that none can be added.
#[derive(Debug, thiserror::Error)]
#[error("the list of tools is in use already")]
pub struct ListIsClosed;

/// A name that is no tool's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tool; the tools are {}", Tool::names())]
pub struct UnknownTool;

impl FromStr for Tool {
    type Err = UnknownTool;

    fn from_str(name: &str) -> Result<Self, UnknownTool> {
        Self::all()
            .find(|tool| tool.as_str() == name)
            .ok_or(UnknownTool)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Tool {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Tool {}

impl Hash for Tool {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Ord for Tool {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Tool {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Tool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse()
            .map_err(|UnknownTool| D::Error::unknown_variant(&name, &NAMES))
    }
}

impl schemars::JsonSchema for Tool {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tool".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": *NAMES })
    }
}
