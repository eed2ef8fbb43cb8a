//! What any port can have besides: a recorder, faults, a limit of its speed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ironweir_io::port::{Faults, Rate};
use serde::Deserialize;

use super::port_config::PortConfigError;

/// What is put over a port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wrappers {
    /// The capture of its frames, and the bytes that it may have.
    pub record: Option<(PathBuf, u64)>,
    /// What happens to its frames.
    pub faults: Option<Faults>,
    /// How fast it is.
    pub rate: Option<Rate>,
}

/// `[port.record]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordEntry {
    file: PathBuf,
    limit_mb: Option<u64>,
}

/// `[port.faults]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultsEntry {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    drop: f64,
    #[serde(default)]
    duplicate: f64,
    #[serde(default)]
    reorder: f64,
    #[serde(default)]
    corrupt: f64,
    #[serde(default)]
    delay: f64,
    #[serde(default)]
    delay_ms: u64,
}

/// `[port.rate]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateEntry {
    bits: Option<u64>,
    packets: Option<u64>,
    burst_ms: Option<u64>,
}

/// Checks what the port of this name has.
pub(super) fn check(
    name: &str,
    directory: &Path,
    record: Option<RecordEntry>,
    faults: Option<FaultsEntry>,
    rate: Option<RateEntry>,
) -> Result<Wrappers, PortConfigError> {
    let wrong = |setting, value: String, wanted| PortConfigError::Value {
        name: name.to_owned(),
        setting,
        value,
        wanted,
    };
    if let Some(faults) = &faults {
        for (setting, value) in [
            ("faults.drop", faults.drop),
            ("faults.duplicate", faults.duplicate),
            ("faults.reorder", faults.reorder),
            ("faults.corrupt", faults.corrupt),
            ("faults.delay", faults.delay),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(wrong(setting, value.to_string(), "a probability from 0 to 1"));
            }
        }
    }
    if let Some(rate) = &rate {
        for (setting, value) in [("rate.bits", rate.bits), ("rate.packets", rate.packets)] {
            if value == Some(0) {
                return Err(wrong(setting, "0".into(), "a number per second"));
            }
        }
    }
    let limit = record.as_ref().and_then(|record| record.limit_mb).unwrap_or(64);
    let limit = limit.checked_mul(1 << 20).filter(|limit| *limit > 0).ok_or_else(|| {
        wrong("record.limit_mb", limit.to_string(), "a number of mebibytes that a file can have")
    })?;
    Ok(Wrappers {
        record: record.map(|record| (directory.join(record.file), limit)),
        faults: faults.map(|faults| Faults {
            seed: faults.seed,
            drop: faults.drop,
            duplicate: faults.duplicate,
            reorder: faults.reorder,
            corrupt: faults.corrupt,
            delay: faults.delay,
            late: Duration::from_millis(faults.delay_ms),
        }),
        rate: rate.map(|rate| Rate {
            bits: rate.bits,
            packets: rate.packets,
            burst: Duration::from_millis(rate.burst_ms.unwrap_or(20)),
        }),
    })
}
