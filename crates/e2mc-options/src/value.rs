//! Parsers of single values.

use std::time::Duration;

use e2mc_eval::Schedule;

/// A fraction of the labels, above 0 and at most 1.
pub(super) fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().ok();
    let fraction = fraction.filter(|&fraction| fraction > 0.0 && fraction <= 1.0);
    fraction.ok_or_else(|| "expected a fraction above 0 and at most 1".to_owned())
}

/// The name of a device; whether it is there, libtorch knows.
pub(super) fn device(text: &str) -> Result<String, String> {
    let numbered = text.strip_prefix("cuda:").map(str::parse::<u16>);
    match (text, numbered) {
        ("cpu" | "cuda", _) | (_, Some(Ok(_))) => Ok(text.to_owned()),
        _ => Err("expected cpu, cuda or cuda:N, such as cuda:0".into()),
    }
}

/// A significance level, above 0 and below 1.
pub(super) fn level(text: &str) -> Result<f64, String> {
    let level: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if 0.0 < level && level < 1.0 {
        return Ok(level);
    }
    Err("expected a number above 0 and below 1".into())
}

/// A pause of 0.1 to 3600 seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>();
    let seconds = seconds.map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) {
        return Ok(seconds);
    }
    Err("expected 0.1 to 3600 seconds".to_owned())
}

/// A time above 0 with its unit: `90s`, `30m`, `8h`, `2d`. A bare number is refused: it would be
/// taken for hours by one and for minutes by another.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 90s, 30m or 8h".to_owned();
    let (digits, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_alphabetic()).len());
    let unit = match unit {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
    Some(time).filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// A number of bytes, with K, M, G or T behind it or without.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_alphabetic()).len());
    let shift = match unit.to_ascii_uppercase().trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("expected a number, or one with K, M, G or T".into()),
    };
    let number = digits.trim().parse::<f64>();
    let number = number.map_err(|_| "expected a number".to_owned())?;
    let bytes = number * (1_u64 << shift) as f64;
    if bytes >= 1.0 && bytes < usize::MAX as f64 {
        return Ok(bytes as usize);
    }
    Err("expected a number of at least 1".into())
}

/// A schedule of the SGD probe: `cosine`, `constant` or `FACTOR@EPOCH,EPOCH,...`.
pub(super) fn schedule(text: &str) -> Result<Schedule, String> {
    match text {
        "cosine" => return Ok(Schedule::Cosine),
        "constant" => return Ok(Schedule::Constant),
        _ => {}
    }
    let wrong = || "expected cosine, constant or FACTOR@EPOCH,EPOCH,...".to_owned();
    let (factor, epochs) = text.split_once('@').ok_or_else(wrong)?;
    let milestones = epochs.split(',').map(|epoch| epoch.trim().parse());
    Ok(Schedule::Step {
        factor: factor.parse().map_err(|_| wrong())?,
        milestones: milestones.collect::<Result<_, _>>().map_err(|_| wrong())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse() {
        assert_eq!(bytes("1000"), Ok(1000));
        assert_eq!(bytes("4G"), Ok(4 << 30));
        assert_eq!(bytes("1.5kB"), Ok(1536));
        for wrong in ["", "G", "-1", "0", "3 parsecs", "1e99"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_have_names() {
        for name in ["cpu", "cuda", "cuda:0", "cuda:77"] {
            assert_eq!(device(name).as_deref(), Ok(name));
        }
        for wrong in ["", "gpu", "CPU", "cuda:", "cuda:x", "cuda0", "mps"] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_parse() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("8h", 28_800), ("1.5h", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "2", "8.5", "m", "0m", "-3s", "8 hours", "1e99h", "nan"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn schedules_parse() {
        assert_eq!(schedule("cosine"), Ok(Schedule::Cosine));
        let step = Schedule::Step {
            milestones: vec![24, 48],
            factor: 0.1,
        };
        assert_eq!(schedule("0.1@24,48"), Ok(step));
        for wrong in ["", "step", "0.1@", "x@3", "0.1@3,y"] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for wrong in ["0", "1.5", "-0.1", "nan", "many"] {
            assert!(fraction(wrong).is_err(), "{wrong}");
        }
        assert_eq!(fraction("1"), Ok(1.0));
        for wrong in ["0", "1", "nan", "often"] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "3601", "nan", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
