//! A moment in UTC, to the microsecond. Not here: a clock.

use std::num::NonZeroU64;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z, moved so that the order is that of the numbers and none is zero: an
/// optional one takes no more room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    const fn from_micros(micros: i64) -> Instant {
        // Only the earliest of all is zero, 292,000 years ago.
        match NonZeroU64::new(micros.cast_unsigned() ^ (1 << 63)) {
            Some(moved) => Instant(moved),
            None => Instant(NonZeroU64::MIN),
        }
    }

    const fn micros(self) -> i64 {
        (self.0.get() ^ (1 << 63)).cast_signed()
    }

    /// Reads RFC 3339 (`2026-11-21T08:00:00.1234567Z`). A date without offset, which some old API versions
    /// answer, is taken as UTC; a plain date is its midnight.
    pub fn parse(text: &str) -> Option<Instant> {
        let text = text.trim();
        let read = |t: &str| OffsetDateTime::parse(t, &Rfc3339).ok();
        let moment = read(text)
            .or_else(|| read(&format!("{text}Z")))
            .or_else(|| read(&format!("{text}T00:00:00Z")))?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1000)).ok().map(Instant::from_micros)
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Instant {
        Instant::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Whole days from `earlier` to this; negative if `earlier` is later.
    pub const fn days_since(self, earlier: Instant) -> i64 {
        self.micros().saturating_sub(earlier.micros()).div_euclid(86_400_000_000)
    }

    /// Thousandths of a second since 1970.
    pub const fn milliseconds(self) -> i64 {
        self.micros().div_euclid(1000)
    }

    /// This moment moved by whole days.
    pub const fn plus_days(self, days: i64) -> Instant {
        Instant::from_micros(self.micros().saturating_add(days.saturating_mul(86_400_000_000)))
    }

    /// This moment and so many microseconds.
    pub const fn plus_micros(self, micros: i64) -> Instant {
        Instant::from_micros(self.micros().saturating_add(micros))
    }

    /// The date alone, `2026-11-21`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl std::fmt::Debug for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Instant({self})")
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.micros()) * 1000).ok();
        match moment.and_then(|m| m.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}us", self.micros()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_azure_writes() {
        let shown = |t| Instant::parse(t).map(|i| i.to_string());
        assert_eq!(shown("2024-03-04T10:11:12.1234567Z").as_deref(), Some("2024-03-04T10:11:12.123456Z"));
        assert_eq!(shown("2024-03-04T10:11:12").as_deref(), Some("2024-03-04T10:11:12Z"));
        assert_eq!(shown("2024-03-04").as_deref(), Some("2024-03-04T00:00:00Z"));
        assert_eq!(shown("9999-12-31T23:59:59Z").as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(shown("yesterday"), None);
    }

    #[test]
    fn the_order_is_that_of_time_and_nothing_is_lost() {
        let moments = [i64::MIN + 1, -62_135_596_800_000_000, -1, 0, 1, 1_700_000_000_000_000, i64::MAX];
        assert!(moments.map(Instant::from_micros).is_sorted());
        assert_eq!(moments.map(|m| Instant::from_micros(m).micros()), moments);
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }

    #[test]
    fn days_are_whole() {
        let a = Instant::parse("2026-01-01T12:00:00Z").unwrap();
        assert_eq!(a.plus_days(30).days_since(a), 30);
        assert_eq!(Instant::parse("2026-01-31T11:59:59Z").unwrap().days_since(a), 29);
    }
}
