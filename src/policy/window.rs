//! When a rule counts: [`Window`], hours and days in a stated zone.
//!
//! Comes in: the texts of a rule, and a moment. Goes out: whether it lies inside. May not look at a
//! clock: what is decided depends on what it is decided about, the moment among it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

const MINUTE: i64 = 60;
const DAY_MINUTES: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Hours of days. Hours that go over midnight belong to the day on which they begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// By day of the week, from Monday.
    days: [bool; 7],
    /// Minutes of the day; the end is outside.
    from: i64,
    to: i64,
    /// Minutes that the zone is before UTC.
    ahead: i64,
    text: String,
}

/// Which of the texts is wrong, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoWindow {
    /// The days, at this place of the list.
    Days(usize),
    Hours,
    Zone,
}

impl Window {
    /// Reads `days` like `mon` and `mon-fri`, `hours` like `08:00-18:00`, and a zone like `UTC` and
    /// `+02:00`.
    pub(super) fn read(
        days: Option<&[&str]>,
        hours: Option<&str>,
        zone: &str,
    ) -> Result<Self, NoWindow> {
        let mut open = [days.is_none(); 7];
        for (place, text) in days.into_iter().flatten().enumerate() {
            for day in days_of(text).ok_or(NoWindow::Days(place))? {
                if let Some(open) = open.get_mut(day) {
                    *open = true;
                }
            }
        }
        let (from, to) = match hours {
            None => (0, DAY_MINUTES),
            Some(hours) => hours_of(hours).ok_or(NoWindow::Hours)?,
        };
        let ahead = zone_of(zone).ok_or(NoWindow::Zone)?;
        let days = days.map(|days| days.join(", "));
        let texts = [days.as_deref(), hours, Some(zone)];
        let text = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(Self {
            days: open,
            from,
            to,
            ahead,
            text,
        })
    }

    /// Whether the moment lies inside.
    pub(super) fn is_open_at(&self, moment: SystemTime) -> bool {
        let minutes = match moment.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or_default() / MINUTE,
            Err(_) => return false,
        } + self.ahead;
        // 1970-01-01 was a Thursday.
        let day = (minutes.div_euclid(DAY_MINUTES) + 3).rem_euclid(7);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        let is_on = |day: i64| {
            let day = usize::try_from(day.rem_euclid(7)).unwrap_or_default();
            self.days.get(day).copied().unwrap_or_default()
        };
        if self.from < self.to {
            return is_on(day) && (self.from..self.to).contains(&minute);
        }
        is_on(day) && minute >= self.from || is_on(day - 1) && minute < self.to
    }

    /// A moment inside, for examples.
    pub(super) fn moment(&self) -> SystemTime {
        let minutes = (0..7 * DAY_MINUTES).filter_map(|minute| u64::try_from(minute).ok());
        let mut moments =
            minutes.map(|minute| SystemTime::UNIX_EPOCH + Duration::from_secs(minute * 60));
        moments
            .find(|moment| self.is_open_at(*moment))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn days_of(text: &str) -> Option<Vec<usize>> {
    let day = |text: &str| DAYS.iter().position(|day| *day == text);
    let Some((from, to)) = text.split_once('-') else {
        return Some(vec![day(text)?]);
    };
    let (from, to) = (day(from)?, day(to)?);
    let length = (to + 7 - from) % 7;
    Some((from..=from + length).map(|day| day % 7).collect())
}

fn hours_of(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute_of(from)?, minute_of(to)?);
    (from != to && from < DAY_MINUTES).then_some((from, to))
}

/// `HH:MM` as minutes, up to `24:00`.
fn minute_of(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

fn zone_of(text: &str) -> Option<i64> {
    if text == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    minute_of(rest)
        .filter(|minutes| *minutes <= 14 * 60)
        .map(|minutes| sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time of 2026-11-30, which was a Monday, and of the days behind it.
    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_window_is_open_in_its_zone_on_its_days() {
        let office = Window::read(Some(&["mon-fri"]), Some("08:00-18:00"), "+01:00").unwrap();
        for (moment, open) in [
            ("2026-11-30T06:59:59Z", false),
            ("2026-11-30T07:00:00Z", true),
            ("2026-11-30T16:59:59Z", true),
            ("2026-11-30T17:00:00Z", false),
            ("2026-11-29T12:00:00Z", false),
        ] {
            assert_eq!(office.is_open_at(at(moment)), open, "{moment}");
        }
        let night = Window::read(Some(&["fri"]), Some("22:00-06:00"), "UTC").unwrap();
        for (moment, open) in [
            ("2026-12-04T21:59:00Z", false),
            ("2026-12-04T22:00:00Z", true),
            ("2026-12-05T05:59:00Z", true),
            ("2026-12-05T22:00:00Z", false),
            ("2026-12-04T05:00:00Z", false),
        ] {
            assert_eq!(night.is_open_at(at(moment)), open, "{moment}");
        }
        let weekend = Window::read(Some(&["sat-sun"]), None, "-05:30").unwrap();
        assert!(weekend.is_open_at(at("2026-11-30T05:29:00Z")));
        assert!(!weekend.is_open_at(at("2026-11-30T05:30:00Z")));
        for window in [office, night, weekend] {
            assert!(window.is_open_at(window.moment()));
        }
    }

    #[test]
    fn a_text_that_is_no_window_is_named() {
        let read = |days: &[&str], hours, zone| Window::read(Some(days), hours, zone).unwrap_err();
        assert_eq!(read(&["mon", "mo"], None, "UTC"), NoWindow::Days(1));
        for hours in [
            "8:00-18:00",
            "08:00",
            "08:00-08:00",
            "24:00-06:00",
            "08:60-09:00",
        ] {
            assert_eq!(
                read(&["mon"], Some(hours), "UTC"),
                NoWindow::Hours,
                "{hours}"
            );
        }
        for zone in ["", "CET", "Europe/Berlin", "+1", "+15:00"] {
            assert_eq!(read(&["mon"], None, zone), NoWindow::Zone, "{zone}");
        }
    }
}
