//! Where a grant holds: the levels of Azure's hierarchy, read from an id.
//!
//! Containment here is what the text alone can say: management groups hold subscriptions only through the tree
//! that was collected, which `scopes` joins in. Segments are compared whole, so `rg-app` never holds `rg-app2`.
//! Source: Azure RBAC documentation, "Understand scope for Azure RBAC".

/// The level of a scope, widest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Level {
    /// `/`, the whole tenant.
    Root,
    /// A management group.
    ManagementGroup,
    /// A subscription.
    Subscription,
    /// A resource group.
    ResourceGroup,
    /// A resource or one of its children.
    Resource,
}

impl Level {
    /// The name that reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Root => "root",
            Level::ManagementGroup => "management-group",
            Level::Subscription => "subscription",
            Level::ResourceGroup => "resource-group",
            Level::Resource => "resource",
        }
    }
}

/// A scope as its parts, borrowed from the id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope<'a> {
    /// How wide it is.
    pub level: Level,
    /// The id without trailing slashes; `/` for the root.
    pub text: &'a str,
    /// The subscription's id, below management groups.
    pub subscription: Option<&'a str>,
    /// The resource group's name, below subscriptions.
    pub resource_group: Option<&'a str>,
    /// The management group's name.
    pub management_group: Option<&'a str>,
}

fn eq(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

impl<'a> Scope<'a> {
    /// Reads a scope. `None` for text that is no scope at all (it does not start with `/`).
    ///
    /// Ids of tenant-level providers (`/providers/Microsoft.Capacity/…`) count as resources at the root.
    pub fn parse(text: &'a str) -> Option<Scope<'a>> {
        if !text.starts_with('/') {
            return None;
        }
        let text = text.trim_end_matches('/');
        let none = Scope {
            level: Level::Root,
            text: "/",
            subscription: None,
            resource_group: None,
            management_group: None,
        };
        if text.is_empty() {
            return Some(none);
        }
        let mut parts = text.split('/').skip(1);
        let (first, second) = (parts.next()?, parts.next()?);
        if second.is_empty() {
            return None;
        }
        if eq(first, "providers") {
            let (kind, name, more) = (parts.next(), parts.next(), parts.next());
            if eq(second, "Microsoft.Management") && kind.is_some_and(|k| eq(k, "managementGroups")) {
                let level = if more.is_some() { Level::Resource } else { Level::ManagementGroup };
                return Some(Scope { level, text, management_group: Some(name?), ..none });
            }
            return Some(Scope { level: Level::Resource, text, ..none });
        }
        if !eq(first, "subscriptions") {
            return None;
        }
        let under = Scope { level: Level::Subscription, text, subscription: Some(second), ..none };
        let Some(third) = parts.next() else { return Some(under) };
        if eq(third, "resourceGroups") {
            let group = parts.next().filter(|g| !g.is_empty())?;
            let level = if parts.next().is_some() { Level::Resource } else { Level::ResourceGroup };
            return Some(Scope { level, resource_group: Some(group), ..under });
        }
        Some(Scope { level: Level::Resource, ..under })
    }

    /// The next wider scope that the text names; `None` at the root, and for a management group or a
    /// subscription, whose parent only the tenant knows.
    pub fn parent(&self) -> Option<Scope<'a>> {
        let text = match self.level {
            Level::Root | Level::ManagementGroup | Level::Subscription => return None,
            Level::ResourceGroup => up(self.text, 2)?,
            Level::Resource => resource_parent(self.text)?,
        };
        Scope::parse(if text.is_empty() { "/" } else { text })
    }

    /// Whether `other` lies in this scope, as far as the two texts say. Reflexive, segment by segment, without
    /// regard to case. A management group holds only itself and what hangs on it here.
    pub fn contains(&self, other: &Scope<'_>) -> bool {
        if self.level == Level::Root {
            return true;
        }
        let mut theirs = other.text.split('/');
        self.text.split('/').all(|mine| theirs.next().is_some_and(|their| eq(mine, their)))
    }

    /// The `/`-joined type of a resource, `Microsoft.Web/sites/slots`; the *last* provider's, so that an
    /// extension resource is itself and not what it hangs on.
    pub fn resource_type(&self) -> Option<String> {
        let at = rfind_fold(self.text, "/providers/")?;
        let mut parts = self.text.get(at + "/providers/".len()..)?.split('/');
        let mut kind = parts.next()?.to_owned();
        while let Some(part) = parts.next() {
            kind.push('/');
            kind.push_str(part);
            parts.next();
        }
        Some(kind)
    }

    /// The last segment.
    pub fn name(&self) -> &'a str {
        self.text.rsplit('/').next().unwrap_or(self.text)
    }
}

/// Where `needle` occurs last in `text`, without regard to ASCII case.
pub fn rfind_fold(text: &str, needle: &str) -> Option<usize> {
    let (bytes, len) = (text.as_bytes(), needle.len());
    (0..=bytes.len().checked_sub(len)?)
        .rev()
        .find(|at| bytes.get(*at..*at + len).is_some_and(|part| part.eq_ignore_ascii_case(needle.as_bytes())))
}

/// `text` without its last `count` segments.
fn up(text: &str, count: usize) -> Option<&str> {
    let mut rest = text;
    for _ in 0..count {
        rest = rest.rsplit_once('/')?.0;
    }
    Some(rest)
}

/// A child resource's parent is the resource above it; a top resource's, or an extension's, is what stands
/// before its `/providers/`.
fn resource_parent(text: &str) -> Option<&str> {
    let at = rfind_fold(text, "/providers/")?;
    let tail = text.get(at + "/providers/".len()..)?;
    // Namespace, then pairs of type and name: more than one pair is a child.
    if tail.split('/').count() > 3 { up(text, 2) } else { text.get(..at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(text: &str) -> Option<Level> {
        Scope::parse(text).map(|s| s.level)
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(level("/"), Some(Level::Root));
        assert_eq!(
            level("/providers/microsoft.management/ManagementGroups/mg"),
            Some(Level::ManagementGroup)
        );
        assert_eq!(level("/Subscriptions/s/"), Some(Level::Subscription));
        assert_eq!(level("/subscriptions/s/resourcegroups/rg"), Some(Level::ResourceGroup));
        assert_eq!(level("/subscriptions/s/resourceGroups/rg/providers/P/t/n"), Some(Level::Resource));
        assert_eq!(level("/subscriptions/s/providers/P/t/n"), Some(Level::Resource));
        assert_eq!(level("/providers/Microsoft.Capacity"), Some(Level::Resource));
        for bad in [
            "",
            "subscriptions/s",
            "/subscriptions",
            "/subscriptions//x",
            "/what/ever",
            "/subscriptions/s/resourceGroups/",
        ] {
            let read = level(bad);
            assert!(read.is_none() || bad.ends_with("resourceGroups/"), "{bad}: {read:?}");
        }
    }

    #[test]
    fn containment_stops_at_segments() {
        let scope = |t| Scope::parse(t).unwrap();
        let group = scope("/subscriptions/s/resourceGroups/rg-app");
        assert!(group.contains(&scope("/subscriptions/S/resourcegroups/RG-APP/providers/P/t/n")));
        assert!(!group.contains(&scope("/subscriptions/s/resourceGroups/rg-app2")));
        assert!(!group.contains(&scope("/subscriptions/s")));
        assert!(scope("/").contains(&group));
    }

    #[test]
    fn parents_climb_one_level() {
        let climb = |t: &'static str| Scope::parse(t).unwrap().parent().map(|p| p.text);
        let rg = "/subscriptions/s/resourceGroups/rg";
        assert_eq!(climb("/subscriptions/s/resourceGroups/rg/providers/P/t/n"), Some(rg));
        assert_eq!(
            climb("/subscriptions/s/resourceGroups/rg/providers/P/t/n/c/m"),
            Some("/subscriptions/s/resourceGroups/rg/providers/P/t/n")
        );
        assert_eq!(
            climb("/subscriptions/s/resourceGroups/rg/providers/P/t/n/providers/Q/u/m"),
            Some("/subscriptions/s/resourceGroups/rg/providers/P/t/n")
        );
        assert_eq!(climb(rg), Some("/subscriptions/s"));
        assert_eq!(climb("/subscriptions/s"), None);
        assert_eq!(climb("/providers/Microsoft.Capacity"), Some("/"));
    }

    #[test]
    fn types_are_read_from_ids() {
        let kind = |t| Scope::parse(t).unwrap().resource_type();
        assert_eq!(
            kind("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/a/slots/b").as_deref(),
            Some("Microsoft.Web/sites/slots")
        );
        assert_eq!(kind("/subscriptions/s"), None);
    }
}
