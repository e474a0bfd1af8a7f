//! Operations and the patterns that roles name them by. Matching is `rbac::matching`; here is only the shape.

/// Which of Azure's two planes an operation belongs to. Eight operations exist in both under one name, so a name
/// alone never says which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Plane {
    /// `actions` and `notActions`: managing resources through Azure Resource Manager.
    Control,
    /// `dataActions` and `notDataActions`: the data inside a resource.
    Data,
}

impl Plane {
    /// Both planes, control first.
    pub const ALL: [Plane; 2] = [Plane::Control, Plane::Data];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Plane::Control => "control",
            Plane::Data => "data",
        }
    }
}

/// One string of `actions`, `notActions`, `dataActions` or `notDataActions`: trimmed and lower-case, since
/// Azure compares them without regard to case and has published one with a trailing space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionPattern {
    folded: String,
    stars: usize,
}

impl ActionPattern {
    /// Reads a pattern. Every text is one; an operation's own name is the pattern of itself.
    pub fn new(text: &str) -> ActionPattern {
        let mut folded = text.trim().to_ascii_lowercase();
        // Three stars in a row name what two do, and several `/*` before a slash what one does. Folding them here keeps
        // matching quick for any text. Two stars stay two: `/**/` is not `/*/`, which may stand for a single slash.
        while folded.contains("***") {
            folded = folded.replace("***", "**");
        }
        while folded.contains("/*/*/") {
            folded = folded.replace("/*/*/", "/*/");
        }
        let stars = folded.bytes().filter(|b| *b == b'*').count();
        ActionPattern { folded, stars }
    }

    /// The trimmed lower-case text.
    pub fn text(&self) -> &str {
        &self.folded
    }

    /// How many `*` it has. Azure allows one in custom roles today and has allowed more.
    pub fn stars(&self) -> usize {
        self.stars
    }
}
