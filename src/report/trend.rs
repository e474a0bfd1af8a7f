//! How findings went from run to run.

/// A run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrendPoint {
    /// When it was judged, RFC 3339.
    pub at: String,
    /// Open findings, the worst severity first.
    pub open: [usize; 5],
    /// How much of what identities hold they used, in percent, where an activity log was given.
    pub used_percent: Option<u64>,
}

/// A rule whose findings ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrendRule {
    /// Its slug.
    pub rule: String,
    /// How many ended.
    pub fixed: usize,
    /// Half of them ended in so many days, or fewer.
    pub median_days: i64,
}

/// All of it, the oldest run first, this one last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrendRow {
    /// Runs.
    pub points: Vec<TrendPoint>,
    /// Rules, by slug.
    pub rules: Vec<TrendRule>,
}
