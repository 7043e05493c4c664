//! What this process takes, as Linux says; other systems say nothing.

use std::fs;

/// The memory that the process has now, in bytes. From here on its peak is counted anew.
pub fn forget_peak_memory() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS:")
}

/// The most memory that the process has had, in bytes.
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

fn status(key: &str) -> Option<u64> {
    bytes(&fs::read_to_string("/proc/self/status").ok()?, key)
}

/// `VmRSS:     1234 kB` as bytes.
pub(crate) fn bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_system_s_lines() {
        let text = "Name:\te2mc\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(bytes(text, "VmRSS:"), Some(1 << 20));
        assert_eq!(bytes(text, "VmHWM:"), Some(2 << 20));
        assert_eq!(bytes(text, "VmSwap:"), None);
    }
}
